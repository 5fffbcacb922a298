"""Hand-overs at a local day and hour, through both clock changes of five zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agents.spec import RotationSpec
from bot.calendars import zone_named
from bot.ladders.turns import Rotation, rotation_of, turn_at

ZONES = ("Asia/Beirut", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago")


def spec(**more: object) -> RotationSpec:
    return RotationSpec.model_validate({"people": ["ann", "ben", "cyd"], "handover": "mon 09:00", "starts": "2026-01-01", **more})


def test_the_first_turn_begins_at_the_first_hand_over_on_or_after_the_day_it_starts() -> None:
    rotation = rotation_of(spec(), "Europe/Paris")
    assert rotation.first == date(2026, 1, 5)
    assert rotation_of(spec(handover="thu 09:00"), "UTC").first == date(2026, 1, 1)
    assert rotation_of(spec(handover="21:00", every="3d"), "UTC") == Rotation(("ann", "ben", "cyd"), date(2026, 1, 1), time(21), 3, "UTC")


def test_before_its_first_turn_a_rotation_is_the_first_persons() -> None:
    turn = turn_at(rotation_of(spec(), "UTC"), datetime(2025, 6, 1, tzinfo=UTC))
    assert turn.index == 0
    assert turn.until == datetime(2026, 1, 12, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        # (zone, hand-over in UTC before and after the change); spring and autumn of each zone in 2026.
        ("Asia/Beirut", "2026-03-23T07:00", "2026-03-30T06:00"),
        ("Asia/Beirut", "2026-10-19T06:00", "2026-10-26T07:00"),
        ("Europe/Paris", "2026-03-23T08:00", "2026-03-30T07:00"),
        ("Europe/Paris", "2026-10-19T07:00", "2026-10-26T08:00"),
        ("America/New_York", "2026-03-02T14:00", "2026-03-09T13:00"),
        ("America/New_York", "2026-10-26T13:00", "2026-11-02T14:00"),
        ("Australia/Lord_Howe", "2026-03-29T22:00", "2026-04-05T22:30"),
        ("Australia/Lord_Howe", "2026-09-27T22:30", "2026-10-04T22:00"),
        ("America/Santiago", "2026-03-30T12:00", "2026-04-06T13:00"),
        ("America/Santiago", "2026-08-31T13:00", "2026-09-07T12:00"),
    ],
)
def test_nine_on_monday_is_nine_on_monday_on_both_sides_of_a_clock_change(zone: str, before: str, after: str) -> None:
    rotation = rotation_of(spec(timezone=zone), "UTC")
    first, second = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (before, after))
    turn = turn_at(rotation, first)
    assert (turn.since, turn.until) == (first, second)
    assert turn_at(rotation, second - timedelta(seconds=1)) == turn
    assert turn_at(rotation, second).index == (turn.index + 1) % 3


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("Asia/Beirut", "2026-03-29", "00:30", "2026-03-28T22:00"),  # midnight is skipped: at the first instant after the gap
        ("Asia/Beirut", "2026-10-24", "23:30", "2026-10-24T20:30"),  # it comes twice: the first time
        ("Europe/Paris", "2026-03-29", "02:30", "2026-03-29T01:00"),
        ("Europe/Paris", "2026-10-25", "02:30", "2026-10-25T00:30"),
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
        ("America/Santiago", "2026-09-06", "00:30", "2026-09-06T04:00"),
        ("America/Santiago", "2026-04-04", "23:30", "2026-04-05T02:30"),
    ],
)
def test_an_hour_that_is_skipped_or_comes_twice_hands_over_once(zone: str, day: str, at: str, instant: str) -> None:
    rotation = rotation_of(spec(timezone=zone, handover=at, every="1d"), "UTC")
    expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    turn = turn_at(rotation, expected)
    assert turn.since == expected
    assert turn_at(rotation, expected - timedelta(seconds=1)).until == expected
    assert expected.astimezone(zone_named(zone)).date() == date.fromisoformat(day)


@given(
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)).map(lambda each: each.replace(tzinfo=UTC)),
    zone=st.sampled_from(ZONES),
    at=st.times().map(lambda each: each.replace(second=0, microsecond=0)),
    days=st.sampled_from([1, 2, 3, 7, 14]),
    people=st.integers(1, 5),
)
def test_at_every_moment_exactly_one_person_has_the_turn_and_turns_follow_without_a_gap(moment: datetime, zone: str, at: time, days: int, people: int) -> None:
    rotation = Rotation(tuple("abcde"[:people]), date(2024, 1, 1), at, days, zone)
    turns = [turn_at(rotation, moment)]
    while len(turns) < 6:
        turns.append(turn_at(rotation, turns[-1].until))
    assert moment < turns[0].until
    assert turns[0].since <= moment or turns[0].index == 0
    for one, other in pairwise(turns):
        assert one.until == other.since
        assert other.index == (one.index + 1) % people
        assert turn_at(rotation, other.since) == other
