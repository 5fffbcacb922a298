"""Local days and wall-clock times: pure. A skipped local time happens at the first instant after the gap, a repeated one the first time."""

from __future__ import annotations

import functools
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@functools.lru_cache(maxsize=512)
def zone_named(name: str) -> ZoneInfo:
    """The IANA zone; raises ValueError naming it where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Paris") from error


def local_day(moment: datetime, zone: str) -> str:
    """The calendar day, YYYY-MM-DD, that the moment falls on in the zone."""
    return moment.astimezone(zone_named(zone)).date().isoformat()


def at_local(day: date, at: time, zone: str) -> datetime:
    """The instant (UTC) of a wall-clock time on a day: after the gap where it is skipped, the first where it repeats."""
    local = datetime.combine(day, at, tzinfo=zone_named(zone))  # fold=0: the first of a repeated time
    there = local.astimezone(UTC)
    if there.astimezone(zone_named(zone)).replace(tzinfo=None) == local.replace(tzinfo=None):
        return there
    # The time does not exist. Search the gap's end: the first instant whose local time is past the one asked for.
    low, high = there - timedelta(hours=26), there + timedelta(hours=26)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone_named(zone)).replace(tzinfo=None) < local.replace(tzinfo=None):
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0) if high.microsecond == 0 else (low + timedelta(seconds=1)).replace(microsecond=0)


def day_bounds(day: str, zone: str) -> tuple[datetime, datetime]:
    """The first instant of a local day, and of the next."""
    start = date.fromisoformat(day)
    return at_local(start, time(0), zone), at_local(start + timedelta(days=1), time(0), zone)


def day_before(day: str, days: int = 1) -> str:
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()


def days_between(first: str, last: str) -> list[str]:
    """All days from first to last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=i)).isoformat() for i in range((end - start).days + 1)]


def parse_working_days(text: str) -> frozenset[int]:
    """`mon-fri`, `sun-thu`, `mon,wed,fri`, as weekday numbers (Monday is 0); raises ValueError."""
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        names = part.split("-")
        if len(names) > 2 or any(name not in WEEKDAYS for name in names):
            raise ValueError(f"{part!r} is not a weekday or a range such as mon-fri")
        first, last = WEEKDAYS.index(names[0]), WEEKDAYS.index(names[-1])
        found.update((first + i) % 7 for i in range((last - first) % 7 + 1))
    return frozenset(found)


def is_working_day(day: date, working_days: Collection[int], holidays: Collection[date]) -> bool:
    return day.weekday() in working_days and day not in holidays


def next_working_time(after: datetime, at: time, zone: str, working_days: Collection[int], holidays: Collection[date]) -> datetime:
    """The first instant strictly after `after` that is `at` on a local working day.

    Raises ValueError where no day within two years is one.
    """
    day = after.astimezone(zone_named(zone)).date() - timedelta(days=1)
    for _ in range(800):
        if is_working_day(day, working_days, holidays):
            moment = at_local(day, at, zone)
            if moment > after:
                return moment
        day += timedelta(days=1)
    raise ValueError("no working day within two years: look at working_days and holidays")
