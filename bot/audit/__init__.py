"""Who decided what, when, on which evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.tables import Decision


def record(
    tx: Session,
    now: datetime,
    action: str,
    subject: str,
    *,
    person_id: int | None = None,
    came_from: str = "slack",
    words: str = "",
    evidence: dict[str, Any] | None = None,
) -> Decision:
    """Write one decision down, in the transaction that carries it out. `subject` is `kind:id`, say `page:12`."""
    decision = Decision(at=now, person_id=person_id, action=action, subject=subject, came_from=came_from, words=words, evidence=evidence or {})
    tx.add(decision)
    return decision
