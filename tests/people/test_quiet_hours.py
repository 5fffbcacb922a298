from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.people.quiet_hours import has_wake_route, quiet_until, quiet_words, take_quiet_hours
from bot.tables import Person

NOW = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)  # 21:30 in Paris
TEN, EIGHT = datetime(2026, 11, 20, 21, tzinfo=UTC), datetime(2026, 11, 21, 7, tzinfo=UTC)


def person(**more: Any) -> Person:
    return Person(name="Omar", zone="Europe/Paris", **{"wake": [], "addresses": {}, **more})


def status(since: datetime, until: datetime, **more: Any) -> dict[str, Any]:
    return {"dnd_enabled": True, "next_dnd_start_ts": int(since.timestamp()), "next_dnd_end_ts": int(until.timestamp()), **more}


def test_slack_does_not_ring_from_the_beginning_until_just_before_the_end() -> None:
    omar = person()
    take_quiet_hours(omar, status(TEN, EIGHT), NOW)
    assert quiet_until(omar, NOW) is None
    assert quiet_until(omar, TEN - timedelta(seconds=1)) is None
    assert quiet_until(omar, TEN) == EIGHT
    assert quiet_until(omar, EIGHT - timedelta(seconds=1)) == EIGHT
    assert quiet_until(omar, EIGHT) is None
    assert quiet_words(omar) == "22:00-08:00"
    midnight = EIGHT - timedelta(hours=8)
    take_quiet_hours(omar, status(midnight, midnight + timedelta(hours=23, minutes=59)), NOW)
    assert quiet_words(omar) == "00:00-23:59"


def test_a_pause_is_quiet_and_no_daily_plan() -> None:
    omar = person()
    take_quiet_hours(omar, status(NOW + timedelta(seconds=7), NOW + timedelta(minutes=47)), NOW)
    assert quiet_until(omar, NOW + timedelta(minutes=1)) is not None
    assert quiet_words(omar) == ""
    take_quiet_hours(omar, {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1, "snooze_enabled": True, "snooze_endtime": int(EIGHT.timestamp())}, NOW)
    assert quiet_until(omar, NOW) == EIGHT


@pytest.mark.parametrize(
    "told",
    [{}, {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1}, status(EIGHT, TEN), {"dnd_enabled": True, "next_dnd_start_ts": "soon", "next_dnd_end_ts": None}, status(TEN, TEN + timedelta(days=400)), {"dnd_enabled": True, "next_dnd_start_ts": 2, "next_dnd_end_ts": 10**30}],
    ids=["nothing", "off", "backwards", "garbage", "more than a year", "beyond time"],
)
def test_what_cannot_be_believed_means_that_slack_may_ring(told: dict[str, Any]) -> None:
    omar = person()
    take_quiet_hours(omar, status(TEN, EIGHT), NOW)
    take_quiet_hours(omar, told, NOW)
    assert quiet_until(omar, TEN) is None
    assert quiet_words(omar) == ""
    assert omar.quiet_known_at == NOW


def test_only_a_route_with_an_address_wakes() -> None:
    assert has_wake_route(person(wake=["email"], addresses={"email": "omar@example.com"}))
    assert not has_wake_route(person(wake=["email"]))
    assert not has_wake_route(person(addresses={"email": "omar@example.com"}))
