"""Local days and wall-clock times: pure. A skipped local time happens at the first instant after the gap, a repeated one the first time."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

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
    # The time does not exist: find the gap's end, the first instant whose local time is past the one asked for.
    wanted = local.replace(tzinfo=None)
    low, high = int(there.timestamp()) - 26 * 3600, int(there.timestamp()) + 26 * 3600  # no gap is longer than a day
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone_named(zone)).replace(tzinfo=None) < wanted:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def day_bounds(day: str, zone: str) -> tuple[datetime, datetime]:
    """The first instant of a local day, and of the next."""
    start = date.fromisoformat(day)
    return at_local(start, time(0), zone), at_local(start + timedelta(days=1), time(0), zone)


def exists(day: date, zone: str) -> bool:
    """Whether the zone had that day at all: Samoa went from 29 to 31 December 2011."""
    return at_local(day, time(0), zone) < at_local(day + timedelta(days=1), time(0), zone)


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
    """The first instant strictly after `after` that is `at` on a local working day; a day the zone skipped is none.

    Raises ValueError where no day within two years is one.
    """
    day = after.astimezone(zone_named(zone)).date() - timedelta(days=1)
    for _ in range(800):
        if is_working_day(day, working_days, holidays) and exists(day, zone):
            moment = at_local(day, at, zone)
            if moment > after:
                return moment
        day += timedelta(days=1)
    raise ValueError("no working day within two years: look at working_days and holidays")


def due_day(now: datetime, at: time, zone: str) -> date:
    """The latest local day whose `at` has come by `now`.

    Usually today or yesterday; where the clocks jump over midnight it may be a day whose time came with the next day.
    """
    day = now.astimezone(zone_named(zone)).date() + timedelta(days=1)
    while at_local(day, at, zone) > now or not exists(day, zone):
        day -= timedelta(days=1)
    return day


def week_of(day: date, working_days: Collection[int]) -> date:
    """The first day of the working week a day belongs to: the one after the longest rest (Monday, or Sunday for sun-thu)."""
    rest = {d: next((n for n in range(7) if (d - 1 - n) % 7 in working_days), 6) for d in sorted(working_days)}
    first = max(rest, key=lambda d: (rest[d], -d)) if rest else 0
    return day - timedelta(days=(day.weekday() - first) % 7)


@functools.lru_cache(maxsize=4096)
def check_cron(text: str) -> None:
    """Raises ValueError, with the remedy, where this is no schedule."""
    if len(text.split()) != 5:
        raise ValueError(f'{text!r} is not five cron fields: write minute, hour, day, month and weekday, such as "0 3 * * mon-fri"')
    try:
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"{text!r} is not a cron schedule ({str(error).lower()}): write minute, hour, day, month and weekday") from error
    except StopIteration:
        raise ValueError(f"{text!r} never happens: there is no such day") from None


def cron_times(text: str, after: datetime, zone: str) -> Iterator[datetime]:
    """The instants (UTC) of a schedule strictly after a moment, without end."""
    for local in CronSim(text, after.astimezone(zone_named(zone))):
        moment = local.astimezone(UTC)
        if moment > after:  # cronsim begins in the first of two hours that bear the same name
            yield moment


def shortest_gap(text: str, zone: str, since: datetime) -> timedelta | None:
    """The shortest time between two of the coming 60 times of a schedule; None where it comes at most once."""
    times = list(islice(cron_times(text, since, zone), 60))
    return min((later - earlier for earlier, later in pairwise(times)), default=None)
