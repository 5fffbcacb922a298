"""Where a message of ours stands in Slack, as a link."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.outbox import flows as outbox


def link_to(tx: Session, key: str) -> str:
    """The address of a message that was posted, empty before; Slack leads on to the reader's own workspace."""
    found = outbox.receipt(tx, key)
    return f"https://slack.com/archives/{found.channel}/p{found.ts.replace('.', '')}" if found is not None else ""
