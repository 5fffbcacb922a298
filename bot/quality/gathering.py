"""Gathering what intake noted into the counters: many groups of events in one transaction, a few times a second."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.quality.counting import Counts
from bot.quality.marks import mark_dirty
from bot.tables import Addition

BATCH = 200  # rows of one turn; each holds a group of at most 500 events


def gather_step(tx: Session, now: datetime) -> bool:
    """Add up to 200 rows to the counters and mark their agents dirty; says whether there were more.

    Each row is added and removed in one transaction: once, whatever dies. Several processes each take rows of their own.
    """
    return _gather(tx, now, skip_locked=True) == BATCH


def gather_all(tx: Session, now: datetime) -> None:
    """Add every row that is there, waiting for those another process has in hand: for who must not tell old figures."""
    while _gather(tx, now, skip_locked=False) == BATCH:
        pass


def _gather(tx: Session, now: datetime, *, skip_locked: bool) -> int:
    waiting = select(Addition.id, Addition.body).order_by(Addition.id).limit(BATCH).with_for_update(skip_locked=skip_locked)
    rows = tx.execute(waiting).all()
    if not rows:
        return 0
    counts, agent_ids = Counts(), set[int]()
    for _, body in rows:
        agent_ids.update(counts.take(body))
    counts.write(tx, now)
    tx.execute(delete(Addition).where(Addition.id.in_([id_ for id_, _ in rows])), execution_options={"synchronize_session": False})
    mark_dirty(tx, now, agent_ids)
    return len(rows)
