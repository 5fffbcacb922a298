"""What a channel's summary would say if it were posted now, as plain text: for `aiops digest`."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import workspace_of
from bot.calendars import day_bounds, local_day
from bot.digests import messages
from bot.digests.reading import hours_of, reports_of, told_of
from bot.digests.rules import days_of, headline, period_words, worst_first
from bot.tables import DigestTimer


def preview(tx: Session, now: datetime, channel_id: str) -> str | None:
    """The words, covering all since the last summary up to the end of today; None where no agent lives in the channel."""
    agents = told_of(tx, now, channel_id)
    if not agents:
        return None
    hours = hours_of(workspace_of(tx), {agent.zone for agent in agents})
    today = local_day(now, hours.zone)
    start, end = day_bounds(today, hours.zone)
    timer = tx.scalars(select(DigestTimer).where(DigestTimer.channel_id == channel_id)).first()
    begin = timer.covered_until if timer is not None and timer.covered_until is not None and timer.covered_until < end else start
    reports = worst_first(reports_of(tx, now, agents, begin, end, begin))
    first_day, last_day = days_of(begin, end, hours.zone)
    said = headline(reports, period_words(first_day, last_day, date.fromisoformat(today)))
    return "\n".join([said, *(messages.told_line(each) for each in reports)])
