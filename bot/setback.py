"""When the machine's clock is set back: timers that would now wait for hours keep the distance they had."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot.lanes import Lanes, Urgency
from bot.marks import mark_of, put_mark
from bot.tables import AgentNow, Attempt, Call, OutMessage, Page, StageOrder

log = structlog.get_logger(__name__)

LATE = timedelta(minutes=1)  # less is no setting back, but a clock kept in order
KEEP = timedelta(minutes=1)  # how often it is written down how late it is, for the next start
MARK = "clock.seen"

# Timers of minutes. Those of the calendar (mornings, maintenance, digests) are right at any clock; ladders and checks mend themselves.
TIMERS: tuple[InstrumentedAttribute[Any], ...] = (
    OutMessage.due_at, OutMessage.lease_until, OutMessage.shown_at, Call.confirm_by, AgentNow.dirty_at, Page.checking_at,
    StageOrder.asked_at, StageOrder.look_at, StageOrder.hook_at,
)


class SetBack:
    """The loop "set back". Looking earlier than planned is harmless, so several processes may find the same."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self._seen: datetime | None = None
        self._kept: datetime | None = None

    async def step(self, now: datetime) -> bool:
        """Compare with the latest moment seen, also before a restart; says whether the clock went back."""
        if self._seen is None:
            self._seen = await self.lanes.read(_written_down) or now
        before, self._seen = self._seen, now
        went_back = now < before - LATE
        if went_back:
            log.warning("the clock was set back", by=str(before - now))
            await self.lanes.write(lambda tx: set_back(tx, now, before - now), urgency=Urgency.PAGE)
        if went_back or self._kept is None or now - self._kept >= KEEP:
            await self.lanes.write(lambda tx: put_mark(tx, MARK, {"at": now.isoformat()}))
            self._kept = now
        return went_back


def set_back(tx: Session, now: datetime, by: timedelta) -> None:
    """Move what lies ahead back by as much as the clock, but to no earlier than now."""
    for timer in TIMERS:
        _move(tx, now, by, timer)
    tx.execute(update(Attempt).where(Attempt.at > now, or_(Attempt.outcome.is_(None), Attempt.outcome == "lost")).values(at=now).execution_options(synchronize_session=False))
    for page in tx.scalars(select(Page).where(Page.acked_at > now, Page.resolved_at.is_(None)).order_by(Page.id).with_for_update(key_share=True)):
        if not page.snoozed and page.ack_until is not None:  # the end of a snooze was chosen by the clock on the wall
            page.ack_until = max(page.ack_until - by, now)
            page.ack_due_at = max(page.ack_due_at - by, now) if page.ack_due_at is not None else None
        page.acked_at = now
        page.renewed_at = now if page.renewed_at is not None else None


def _move(tx: Session, now: datetime, by: timedelta, timer: InstrumentedAttribute[Any]) -> None:
    table: Any = timer.class_
    key = table.__mapper__.primary_key[0]
    ahead = tx.execute(select(key, timer).where(timer > now).order_by(key)).all()
    name, named = key.key, timer.key
    if ahead:
        tx.execute(update(table), [{name: row_id, named: max(at - by, now)} for row_id, at in ahead])


def _written_down(tx: Session) -> datetime | None:
    at = mark_of(tx, MARK).get("at")
    return datetime.fromisoformat(at) if at else None
