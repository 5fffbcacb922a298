"""What waits in the outbox, and for how long: read by the loop, the metrics, the doctor and the pager's auditor."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.tables import OutMessage


def next_due(tx: Session, now: datetime) -> datetime | None:
    """When the first row after `now` is due."""
    return tx.scalar(select(func.min(OutMessage.due_at)).where(OutMessage.due_at > now))
