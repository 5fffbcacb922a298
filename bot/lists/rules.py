"""When a person's list is posted, and when they are reminded: pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from bot.calendars import at_local, due_day, is_working_day, local_day, next_working_time

AT = time(9)  # of the person's own working morning
REMIND_AT = time(15)
TOO_LATE = time(18)  # after downtime into the evening the list waits for the next morning
LOOK_EVERY = timedelta(seconds=60)


class Move(StrEnum):
    """What to do with a list timer that has come due."""

    LIST = "list"
    REMIND = "remind"
    WAIT = "wait"


@dataclass(frozen=True)
class Turn:
    """The decision about one due timer: what to do, for which local day, and when to look again if nothing is posted."""

    move: Move
    day: date
    next_at: datetime
    remind_at: datetime | None  # where a list is posted now: when its reminder is due


def turn(now: datetime, kind: str, zone: str, working: Collection[int], holidays: Collection[date], posted: bool, reminded: bool, away: bool) -> Turn:
    """One list on a working morning, one reminder on its afternoon, nothing while away, on days off, or in the evening."""
    morning = next_working_time(now, AT, zone, working, holidays)
    today = date.fromisoformat(local_day(now, zone))
    afternoon, evening = at_local(today, REMIND_AT, zone), at_local(today, TOO_LATE, zone)
    in_hours = is_working_day(today, working, holidays) and due_day(now, AT, zone) == today and now < evening and not away
    if not in_hours:
        return Turn(Move.WAIT, today, morning, None)
    if not posted:
        return Turn(Move.LIST, today, morning, afternoon if now < afternoon - timedelta(hours=1) else None)
    if kind == "reminder" and not reminded:
        return Turn(Move.REMIND, today, morning, None) if now >= afternoon else Turn(Move.WAIT, today, afternoon, None)
    return Turn(Move.WAIT, today, morning, None)
