from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.flows import sync_step
from bot.paging import rules
from bot.paging.rules import Flap
from bot.surface.press import Quiet
from tests.paging.cities import open_pages
from tests.paging.world import World

AT = datetime(2026, 11, 20, 3, tzinfo=UTC)


def turns(world: World, times: int, *, every: float = 2) -> None:
    """Fail and recover, again and again."""
    for _ in range(times):
        world.run("failed", name=f"f{world.clock.now().timestamp()}")
        world.move(minutes=every)
        world.run("ok", name=f"o{world.clock.now().timestamp()}")
        world.move(minutes=every)


def test_what_comes_and_goes_for_hours_is_held_open_on_one_page_with_one_word_about_it(world: World) -> None:
    turns(world, 2)
    assert [page.resolved_at is None for page in world.pages()] == [False, False]
    turns(world, 15, every=7)  # three and a half hours
    assert [page.resolved_at is None for page in world.pages()] == [False, False, True]
    assert len(world.problems()) == 3
    (problem,) = [each for each in world.problems() if each.closed_at is None]
    assert problem.turns == 17
    lines = [line for line in world.lines("page:3:channel") if "comes and goes" in line]
    assert len(lines) == 1
    assert lines[0].startswith("Support triage: a run failed. It comes and goes: it failed 3 times since")
    assert not [line for line in world.lines("page:3:channel") if "Recovered" in line or "It is over" in line]
    text = world.text("page:3:channel")
    assert text.startswith("PAGE Support triage: flapping: ")
    assert "It comes and goes: it failed 17 times since" in text
    assert "It is well since" in text
    assert "if it stays so it closes at" in text
    world.move(minutes=16)
    assert open_pages(world) == []
    over = world.text("page:3:channel")
    assert "It came and went (17 failures in" in over
    assert "has been well for 15 minutes now." in over
    assert len([line for line in world.lines("page:3:dm:2") if line.startswith("It is over")]) == 1


def test_a_flapping_problem_that_then_fails_for_good_is_an_ordinary_one_again(world: World) -> None:
    turns(world, 3)
    world.run("failed", name="last")
    world.press("omar", "paging.acknowledge", "page:3")
    world.move(minutes=16)
    (problem,) = [each for each in world.problems() if each.closed_at is None]
    assert problem.flapping_at is None
    assert any("It no longer comes and goes: it has failed without a break for 15 minutes." in line for line in world.lines("page:3:channel"))
    assert "flapping" not in world.text("page:3:channel")[:80]
    world.run("ok", name="well")
    assert open_pages(world) == []


def test_two_failures_in_half_an_hour_or_three_in_a_day_are_no_flapping(world: World) -> None:
    turns(world, 2)
    world.move(minutes=40)
    turns(world, 1)
    assert all(problem.flapping_at is None for problem in world.problems())
    assert open_pages(world) == []


def test_whoever_resolves_a_flapping_page_by_hand_ends_it_at_once(world: World) -> None:
    turns(world, 3)
    assert world.choose("omar", "Resolve", key="page:3:channel") == Quiet()
    assert open_pages(world) == []
    world.move(hours=1)
    assert len(world.pages()) == 3


def test_a_check_taken_out_of_the_registry_closes_though_it_flaps(world: World) -> None:
    turns(world, 3)

    def take_out(tx):  # type: ignore[no-untyped-def]
        agent = world.agent(tx)
        agent.spec, agent.spec_rev = {**agent.spec, "checks": {}}, agent.spec_rev + 1

    world.do(take_out)
    world.do(lambda tx: sync_step(tx, world.clock.now()))
    world.settle()
    assert open_pages(world) == []
    assert "taken out of the registry" in world.text("page:3:channel")


def test_a_flapping_notice_is_one_message_that_says_so(world: World) -> None:
    world.do(lambda tx: setattr(world.agent(tx), "spec", {**world.agent(tx).spec, "checks": {"runs": {"kind": "run_failed", "severity": "notice"}}}))
    world.do(lambda tx: setattr(world.agent(tx), "spec_rev", 99))
    world.settle()
    turns(world, 6)
    assert world.pages() == []
    assert len(world.problems()) == 3
    text = world.text("problem:3:channel")
    assert text.startswith("NOTICE Support triage: flapping: ")
    assert "it failed 6 times since" in text
    world.move(minutes=16)
    assert "It came and went (6 failures in" in world.text("problem:3:channel")


# --- pure ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes_ago", "flaps"),
    [([0], False), ([0, 10], False), ([0, 10, 20], True), ([0, 10, 29], True), ([0, 10, 30], False), ([0, 1, 2, 3, 4], True), ([0, 31, 32, 33], False)],
)
def test_the_third_opening_within_half_an_hour_is_flapping(minutes_ago: list[int], flaps: bool) -> None:
    assert rules.is_flapping([AT - timedelta(minutes=each) for each in minutes_ago], AT) is flaps


@pytest.mark.parametrize(
    ("well", "minutes_left", "becomes"), [(True, 1, Flap.WAITS), (True, 0, Flap.CLOSES), (False, 1, Flap.WAITS), (False, 0, Flap.FAILS), (False, -60, Flap.FAILS)]
)
def test_it_ends_once_it_has_been_the_same_for_long_enough(well: bool, minutes_left: int, becomes: Flap) -> None:
    assert rules.how_it_settles(well=well, steady_at=AT + timedelta(minutes=minutes_left), now=AT) is becomes


@given(st.lists(st.integers(0, 100), max_size=12))
def test_fewer_than_three_openings_are_never_flapping(minutes_ago: list[int]) -> None:
    recent = [each for each in minutes_ago if each < 30]
    assert rules.is_flapping([AT - timedelta(minutes=each) for each in minutes_ago], AT) is (len(recent) >= 3)
