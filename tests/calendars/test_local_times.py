"""Wall-clock times in real zones, through every kind of clock change."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.calendars import (
    at_local,
    day_before,
    day_bounds,
    days_between,
    due_day,
    exists,
    is_working_day,
    local_day,
    next_working_time,
    parse_working_days,
    week_of,
    zone_named,
)

ZONES = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("posix/", "right/")))
ALL_DAYS = frozenset(range(7))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        # An ordinary day, winter and summer.
        ("Europe/Paris", "2026-01-15", "09:00", "2026-01-15T08:00"),
        ("Europe/Paris", "2026-07-15", "09:00", "2026-07-15T07:00"),
        # Europe/Paris: 02:00 jumps to 03:00, and 03:00 falls back to 02:00.
        ("Europe/Paris", "2026-03-29", "02:30", "2026-03-29T01:00"),
        ("Europe/Paris", "2026-03-29", "02:00", "2026-03-29T01:00"),
        ("Europe/Paris", "2026-03-29", "03:00", "2026-03-29T01:00"),
        ("Europe/Paris", "2026-03-29", "09:00", "2026-03-29T07:00"),
        ("Europe/Paris", "2026-10-25", "02:30", "2026-10-25T00:30"),
        ("Europe/Paris", "2026-10-25", "09:00", "2026-10-25T08:00"),
        # America/New_York.
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30"),
        ("America/New_York", "2026-11-01", "09:00", "2026-11-01T14:00"),
        # Asia/Beirut: midnight itself is skipped, and 23:00-24:00 repeats.
        ("Asia/Beirut", "2026-03-29", "00:00", "2026-03-28T22:00"),
        ("Asia/Beirut", "2026-03-29", "00:30", "2026-03-28T22:00"),
        ("Asia/Beirut", "2026-03-29", "01:00", "2026-03-28T22:00"),
        ("Asia/Beirut", "2026-10-24", "23:30", "2026-10-24T20:30"),
        ("Asia/Beirut", "2026-10-25", "00:00", "2026-10-24T22:00"),
        # Australia/Lord_Howe: half an hour.
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-10-04", "02:30", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
        # Pacific/Apia: Friday 30 December 2011 never was.
        ("Pacific/Apia", "2011-12-30", "09:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "00:00", "2011-12-30T10:00"),
        # America/Nuuk: the last hour of Saturday is skipped.
        ("America/Nuuk", "2026-03-28", "23:30", "2026-03-29T01:00"),
        # Half-hour and three-quarter-hour offsets.
        ("Asia/Kolkata", "2026-11-20", "09:00", "2026-11-20T03:30"),
        ("Asia/Kathmandu", "2026-11-20", "09:00", "2026-11-20T03:15"),
    ],
)
def test_a_skipped_time_comes_after_the_gap_and_a_repeated_one_the_first_time(zone: str, day: str, at: str, expected: str) -> None:
    assert at_local(date.fromisoformat(day), time.fromisoformat(at), zone) == instant(expected)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", "2026-03-29", 23),
        ("Europe/Paris", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Asia/Beirut", "2026-03-29", 23),
        ("Asia/Beirut", "2026-10-24", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Pacific/Apia", "2011-12-30", 0),
        ("Pacific/Apia", "2011-12-29", 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(zone: str, day: str, hours: float) -> None:
    first, after = day_bounds(day, zone)
    assert after - first == timedelta(hours=hours)
    assert exists(date.fromisoformat(day), zone) is (hours > 0)


def test_the_digest_of_a_skipped_day_is_not_posted_at_all() -> None:
    friday_before = at_local(date(2011, 12, 29), time(9), "Pacific/Apia")
    following = next_working_time(friday_before, time(9), "Pacific/Apia", parse_working_days("mon-fri"), ())
    assert local_day(following, "Pacific/Apia") == "2012-01-02"


def test_monday_follows_friday_and_a_holiday_is_passed_over() -> None:
    friday = instant("2026-11-20T08:00")
    monday = next_working_time(friday, time(9), "Europe/Paris", parse_working_days("mon-fri"), ())
    assert monday == instant("2026-11-23T08:00")
    tuesday = next_working_time(friday, time(9), "Europe/Paris", parse_working_days("mon-fri"), {date(2026, 11, 23)})
    assert tuesday == instant("2026-11-24T08:00")


def test_a_time_that_is_just_now_is_not_the_next_one() -> None:
    moment = instant("2026-11-20T08:00")
    assert next_working_time(moment - timedelta(seconds=1), time(9), "Europe/Paris", ALL_DAYS, ()) == moment
    assert next_working_time(moment, time(9), "Europe/Paris", ALL_DAYS, ()) == instant("2026-11-21T08:00")


def test_a_year_of_holidays_ends_in_a_clear_error() -> None:
    with pytest.raises(ValueError, match="holidays"):
        next_working_time(instant("2026-11-20T08:00"), time(9), "UTC", (), ())


def test_the_day_that_is_due_is_yesterday_until_its_time_has_come() -> None:
    assert due_day(instant("2026-11-20T07:59"), time(9), "Europe/Paris") == date(2026, 11, 19)
    assert due_day(instant("2026-11-20T08:00"), time(9), "Europe/Paris") == date(2026, 11, 20)
    # The clocks of Nuuk jump from Saturday 23:00 to Sunday 00:00: Saturday's 23:30 comes with Sunday's first instant.
    assert due_day(instant("2026-03-29T01:00"), time(23, 30), "America/Nuuk") == date(2026, 3, 28)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [("mon-fri", {0, 1, 2, 3, 4}), ("sun-thu", {6, 0, 1, 2, 3}), ("mon, wed ,fri", {0, 2, 4}), ("sat", {5}), ("mon-sun", set(range(7)))],
)
def test_working_days_are_written_as_people_write_them(words: str, numbers: set[int]) -> None:
    assert parse_working_days(words) == numbers


@pytest.mark.parametrize("words", ["", "monday", "mon-", "mon-wed-fri", "1-5"])
def test_other_working_days_are_refused_by_name(words: str) -> None:
    with pytest.raises(ValueError, match="not a weekday"):
        parse_working_days(words)


@pytest.mark.parametrize(
    ("working", "day", "first"),
    [
        ("mon-fri", "2026-11-20", "2026-11-16"),
        ("mon-fri", "2026-11-16", "2026-11-16"),
        ("mon-fri", "2026-11-22", "2026-11-16"),
        ("sun-thu", "2026-11-19", "2026-11-15"),
        ("sun-thu", "2026-11-15", "2026-11-15"),
        ("mon,wed,fri", "2026-11-20", "2026-11-16"),
        ("mon-sun", "2026-11-18", "2026-11-16"),
        ("wed", "2026-11-20", "2026-11-18"),
    ],
)
def test_a_week_begins_after_its_longest_rest(working: str, day: str, first: str) -> None:
    assert week_of(date.fromisoformat(day), parse_working_days(working)) == date.fromisoformat(first)


def test_days_are_counted_with_both_ends() -> None:
    assert days_between("2026-02-27", "2026-03-01") == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert day_before("2026-03-01", 2) == "2026-02-27"


def test_an_unknown_zone_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match="Mars/Olympus"):
        zone_named("Mars/Olympus")
    with pytest.raises(ValueError, match="not an IANA"):
        zone_named("../etc/passwd")


days = st.dates(date(1990, 1, 1), date(2037, 1, 1))
times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
weeks = st.frozensets(st.integers(0, 6), min_size=1)


@given(st.sampled_from(ZONES), days, times)
def test_a_local_time_is_kept_or_follows_its_gap_in_every_zone(zone: str, day: date, at: time) -> None:
    moment = at_local(day, at, zone)
    there = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    wanted = datetime.combine(day, at)
    if there != wanted:
        assert there > wanted
        just_before = (moment - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert just_before < wanted  # the very first instant after the gap
    else:
        earlier = (moment - timedelta(hours=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert earlier != wanted  # the first of a repeated time


@given(st.sampled_from(ZONES), days, times, weeks, st.frozensets(days, max_size=5))
def test_one_digest_a_working_day_in_every_zone_strictly_later_each_time(
    zone: str, start: date, at: time, working: frozenset[int], holidays: frozenset[date]
) -> None:
    moment = at_local(start, time(0), zone) - timedelta(seconds=1)
    found: list[date] = []
    moments: list[datetime] = []
    while len(found) < 12:
        moment = next_working_time(moment, at, zone, working, holidays)
        moments.append(moment)
        found.append(due_day(moment, at, zone))
    assert all(a < b for a, b in itertools.pairwise(moments))
    asked = [start + timedelta(days=i) for i in range(-2, (found[-1] - start).days + 1)]
    expected = [day for day in asked if is_working_day(day, working, holidays) and exists(day, zone) and at_local(day, at, zone) >= moments[0]]
    assert found == expected
