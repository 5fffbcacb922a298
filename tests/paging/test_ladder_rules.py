from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.ladders import rules
from bot.ladders.rules import Place, Step

START = datetime(2026, 10, 24, 12, tzinfo=UTC)  # the night in which Europe's clocks go back
ladders = st.lists(st.integers(0, 48 * 60), max_size=6).map(lambda minutes: rules.in_order([Step(f"step {n}", timedelta(minutes=m)) for n, m in enumerate(minutes)]))


@given(ladders, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60 * 60 * 24)), max_size=30))
def test_a_ladder_always_has_a_next_time_until_it_is_stopped(steps: tuple[Step, ...], moves: list[tuple[int, int]]) -> None:
    place, now = rules.begin(START), START
    for skipped, late in moves:
        now = max(now, rules.due(steps, place)) + timedelta(seconds=late)
        last = min(place.rung + skipped, len(steps) - 1)
        before = place
        place = rules.after_calling(steps, place, last, now)
        assert 0 <= place.rung < len(steps)
        assert (place.round, place.rung) > (before.round, before.rung)
        # Nobody is passed over in a hurry, and nobody is forgotten: the next call is at most its own distance away.
        assert rules.due(steps, place) <= now + max(steps[-1].after, rules.REST) + steps[0].after
        if place.round > before.round:
            assert rules.due(steps, place) >= now + rules.REST - rules.LATE - (steps[-1].after - steps[before.rung].after)


@given(ladders, st.integers(0, 5), st.integers(1, 9), st.integers(0, 60 * 60 * 24 * 30))
def test_a_clock_that_goes_back_never_puts_a_call_further_away_than_the_ladder_says(steps: tuple[Step, ...], rung: int, round: int, back: int) -> None:
    place = Place(min(rung, len(steps) - 1), round, START + timedelta(seconds=back))
    if rules.clock_went_back(steps, place, START):
        place = rules.set_back(steps, place, START)
    longest = max(steps[-1].after, rules.REST + steps[0].after)
    assert rules.due(steps, place) <= START + longest + rules.LATE
    assert not rules.clock_went_back(steps, place, START)


def test_distances_between_rungs_are_kept_where_the_call_came_late() -> None:
    steps = (Step("a"), Step("b", timedelta(minutes=10)), Step("c", timedelta(minutes=30)))
    place = rules.after_calling(steps, Place(1, 1, START), 1, START + timedelta(hours=9))
    assert rules.due(steps, place) == START + timedelta(hours=9, minutes=20)


def test_a_ladder_without_rungs_is_the_operations_owner() -> None:
    assert [step.call for step in rules.in_order([])] == ["operations_owner"]
