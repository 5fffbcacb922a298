"""A file that Slack does not take, told in its thread as text instead: its words matter, and not their form."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.blocks import Block, Message, clip, context, escape, section
from bot.db import wake
from bot.outbox.flows import find, line, show
from bot.tables import OutMessage

PART = 2500  # characters of one block
BLOCKS = 8  # of one message
MOST = 6  # messages
NOT_ALLOWED = ("missing_scope", "not_allowed_token_type", "no_permission")  # asking again changes nothing


def tell_as_text(tx: Session, now: datetime, row: OutMessage) -> None:
    """Write the lines that stand in for a file; each once, however often it fails."""
    content, name = str(row.want.get("content") or ""), str(row.want.get("title") or row.want.get("name") or "The file")
    parts = parts_of(content)
    kept = parts[: BLOCKS * MOST]
    why = "this app may not share files here (`files:write` was not granted)" if any(word in (row.error or "") for word in NOT_ALLOWED) else "Slack did not take the file"
    for number in range(0, len(kept), BLOCKS):
        blocks: list[Block] = [section(f"*{escape(clip(name, 150))}*, as text: {why}.")] if number == 0 else []
        blocks += [{"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": part}]}]} for part in kept[number : number + BLOCKS]]
        if number + BLOCKS >= len(kept) and len(parts) > len(kept):
            blocks.append(context(f"It is cut here: {len(content):,} characters are more than a thread should hold. Allow the app to share files (`files:write`), and ask for it again."))
        message = Message(clip(f"{escape(name)}, as text ({number // BLOCKS + 1} of {-(-len(kept) // BLOCKS)})", 300), blocks)
        key = f"{row.key}:text:{number // BLOCKS}"[:200]
        if row.thread_key is not None and find(tx, row.thread_key) is not None:
            line(tx, now, key=key, thread=row.thread_key, message=message, priority=row.priority)
        else:
            show(tx, now, key=key, to=row.target, message=message, priority=row.priority)
    wake(tx, "outbox")


def parts_of(content: str) -> list[str]:
    """The text in pieces that fit a block, cut between lines where a line fits at all."""
    found, rest = list[str](), content.strip("\n") or "(it is empty)"
    while rest:
        cut = rest.rfind("\n", 1, PART + 1) if len(rest) > PART else len(rest)
        cut = PART if cut <= 0 else cut
        found.append(rest[:cut])
        rest = rest[cut:].lstrip("\n")
    return found
