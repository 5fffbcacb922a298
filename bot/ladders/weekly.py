"""Once a week, on the first working morning: who could not be reached, to the leads. Silent when all is well."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy.orm import Session

from bot.agents.reading import leads_channel_or_people, workspace_of
from bot.calendars import local_day, next_working_time, parse_working_days, week_of, zone_named
from bot.ladders import messages
from bot.ladders.unreached import unreached
from bot.marks import hold_mark, mark_of
from bot.outbox import flows as outbox

MARK = "reach.weekly"  # {next_at}: the timer


def week_is_due(tx: Session, now: datetime) -> bool:
    """Whether the line is due, or was never planned: a look that costs the writers nothing."""
    at = _planned(tx)
    return at is None or at <= now or at > now + timedelta(days=8)


def weekly_step(tx: Session, now: datetime) -> bool:
    """Tell the leads, and plan the next week; says whether it was due."""
    mark = hold_mark(tx, MARK)
    if mark is None:
        return False
    at = _planned(tx)
    if at is not None and now < at <= now + timedelta(days=8):
        return False
    if at is not None and at <= now:
        _tell(tx, now)
    mark.value = {"next_at": next_week(tx, now).isoformat()}
    tx.flush()
    return True


def next_week(tx: Session, now: datetime) -> datetime:
    """The next first morning of a working week, at the hour of the digest, in the workspace's zone."""
    workspace = workspace_of(tx)
    days = parse_working_days(workspace.working_days)
    first = week_of(now.astimezone(zone_named(workspace.timezone)).date(), days).weekday()
    return next_working_time(now, time.fromisoformat(workspace.digest.at), workspace.timezone, {first}, ())


def _tell(tx: Session, now: datetime) -> None:
    rows = unreached(tx, now)
    if not rows:
        return
    day = local_day(now, workspace_of(tx).timezone)
    for target in leads_channel_or_people(tx):
        outbox.show(tx, now, key=f"unreached:{day}:{target}", to=target, message=messages.cannot_be_reached([row.line() for row in rows]))


def _planned(tx: Session) -> datetime | None:
    at = mark_of(tx, MARK).get("next_at")
    return datetime.fromisoformat(at) if at else None
