"""`page stats`: the formulas, and the figures of a week as people and scripts are told them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.paging.noise.figures import Called, PageFact, Times, as_json, figures_of, is_night, times_of
from bot.paging.noise.stats import span_lines, stats
from tests.paging.world import World

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
M = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("lengths", "times"),
    [
        ([], Times(0)),
        ([60], Times(1, 60, 60)),
        ([60, 120], Times(2, 90, 120)),
        ([30, 10, 20], Times(3, 20, 30)),
        (list(range(1, 11)), Times(10, 5.5, 9)),
        (list(range(1, 12)), Times(11, 6, 10)),
    ],
)
def test_half_and_nine_of_ten(lengths: list[float], times: Times) -> None:
    assert times_of(lengths) == times


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_at_least_half_and_nine_tenths_of_the_lengths_are_within_the_figures(lengths: list[float]) -> None:
    found = times_of(lengths)
    assert found.half is not None
    assert found.nine_of_ten is not None
    assert sum(each <= found.half for each in lengths) * 2 >= len(lengths)
    assert sum(each <= found.nine_of_ten for each in lengths) * 10 >= len(lengths) * 9


@pytest.mark.parametrize(
    ("at", "zone", "night"),
    [
        ("2026-11-20 21:59", "UTC", False),
        ("2026-11-20 22:00", "UTC", True),
        ("2026-11-21 07:59", "UTC", True),
        ("2026-11-21 08:00", "UTC", False),
        ("2026-11-20 20:00", "Asia/Beirut", True),
        ("2026-11-20 20:00", "Europe/Paris", False),
        ("2026-10-25 00:30", "Europe/Paris", True),  # the first 02:30
        ("2026-11-20 12:00", "America/New_York", True),
        ("2026-11-20 14:00", "America/New_York", False),
    ],
)
def test_the_night_is_that_of_whoever_was_called(at: str, zone: str, night: bool) -> None:
    assert is_night(Called(1, "Omar", datetime.fromisoformat(at).replace(tzinfo=UTC), zone)) is night


def test_figures_of_some_pages() -> None:
    def page(ago: timedelta, answered: float | None, ended: float | None, *, by_hand: bool = False, agent: str = "a", called: tuple[Called, ...] = ()) -> PageFact:
        opened = NOW - ago
        return PageFact(agent, opened, opened + answered * M if answered is not None else None, opened + ended * M if ended is not None else None, by_hand, called)

    night = NOW - timedelta(hours=10)  # 02:00
    pages = [
        page(timedelta(hours=10), 5, 60, called=(Called(1, "Omar", night, "UTC"), Called(2, "Lea", night + 10 * M, "Asia/Tokyo"))),
        page(timedelta(days=1), None, 3, agent="b", called=(Called(1, "Omar", NOW - timedelta(days=1), "UTC"),)),
        page(timedelta(days=2), None, 30, by_hand=True),
        page(timedelta(days=3), 15, None),
        page(timedelta(days=8), 1, 2),
        page(timedelta(days=28), 1, 2),
    ]
    week, month = figures_of(pages, NOW, 7), figures_of(pages, NOW, 28)
    assert (week.pages, week.open, week.ended, week.alone) == (4, 1, 3, 1)
    assert week.answer == Times(2, 600, 900)
    assert week.recover == Times(3, 1800, 3600)
    assert week.noise == pytest.approx(1 / 3)
    assert [(each.name, each.pages, each.night) for each in week.people] == [("Omar", 2, 1), ("Lea", 1, 0)]
    assert [(each.name, each.pages, each.alone) for each in week.agents] == [("a", 3, 0), ("b", 1, 1)]
    assert week.hours == ((2, 1),)
    assert month.pages == 5  # the page of exactly 28 days ago is out
    told = as_json(week)
    assert told["mtta_seconds"] == {"n": 2, "median": 600.0, "p90": 900.0}
    assert told["night_hours"] == {"02": 1}
    assert figures_of([], NOW, 7).noise is None


def test_the_figures_of_a_day_of_paging(world: World) -> None:
    assert world.say("ben", "page stats").count("No page was opened.") == 2
    world.run("failed")
    world.move(minutes=4)
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(minutes=20)
    world.run("ok")
    world.move(hours=14)  # 22:24
    world.run("failed")
    world.move(minutes=2)
    world.run("ok")
    world.press("omar", "paging.test", "agent:support-triage")
    world.press("omar", "paging.acknowledge", "page:3")
    week, month = world.do(lambda tx: stats(tx, world.clock.now()))
    assert (week.pages, week.ended, week.alone) == (2, 2, 1)
    assert week.answer == Times(1, 240, 240)
    assert week.recover == Times(2, 780, 1440)
    assert week.hours == ((22, 1),)
    assert month.pages == 2
    said = world.say("zoe", "page stats")
    assert "2 pages" in said
    assert "Noise: 1 of 2 went away by themselves, without anybody (50%)" in said
    assert "At night: 22:00 1" in said
    assert "By agent: support-triage 2 (1 at night, 1 by themselves)" in said
    assert "By person called: Omar 2 (1 at night)" in said


def test_of_single_people_others_see_only_their_own_line(world: World) -> None:
    world.run("failed")
    assert "You were called about: 1 page" in world.say("omar", "page stats")
    said = world.say("ben", "page stats")
    assert "Omar" not in said
    assert "You were called" not in said
    assert "Of single people you see your own line; leads see everybody's." in said
    assert "By person called: Omar 1" in world.say("zoe", "page stats")
    assert "full members" in world.say("gus", "page stats")


def test_the_figures_of_one_agent_and_an_unknown_one(world: World) -> None:
    world.do(lambda tx: world.add_agent(tx, "order-desk", "Order desk", {"orders": {"kind": "run_failed"}}))
    world.settle()
    world.run("failed")
    assert "Pages of Support triage" in world.say("zoe", "page stats support-triage")
    assert "No page was opened." in world.say("zoe", "page stats order-desk")
    assert "I know no agent called &lt;!here&gt;" in world.say("zoe", "page stats <!here>")


def test_an_answer_counts_though_the_hold_has_ended_since(world: World) -> None:
    world.run("failed")
    world.move(minutes=3)
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(hours=6)
    assert world.pages()[0].acked_at is None
    week = world.do(lambda tx: stats(tx, world.clock.now()))[0]
    assert week.answer == Times(1, 180, 180)
    assert "1 page, 1 of them still open" in span_lines(week, sees=None, one_agent=False)
