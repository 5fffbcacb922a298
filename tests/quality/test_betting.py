"""What always holds of the detectors: the promise, whatever the numbers do."""

from __future__ import annotations

import json
import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.quality.drift.segments import worst_part
from bot.quality.drift.watching import State, Watch, What, alarms_a_year, begin_of, doubt_of, reach_of
from bot.stats.betting import CHANGES, YEAR, Allowance, EDetector, usual_delay
from bot.stats.bounds import highest_share

shares = st.floats(0.001, 0.999)
bads = st.floats(0, 1)
gaps = st.lists(st.floats(0, 40 * 86_400), min_size=1, max_size=60)


@given(null=shares, mean=st.floats(0, 1), up=st.booleans())
def test_no_bet_can_be_expected_to_win_while_the_claim_holds(null: float, mean: float, up: bool) -> None:
    """Linear in what is seen, so its expectation is the bet at the mean: at most 1 for each mean the claim allows."""
    mean = mean * null if up else null + mean * (1 - null)
    for bet in EDetector(null, up).bets:
        assert 1 + bet * (mean - null) <= 1 + 1e-12
        assert min(1 + bet * (0 - null), 1 + bet * (1 - null)) >= 0  # and no stake is ever lost below nothing


@given(null=st.floats(0.05, 0.95), up=st.booleans(), depth=st.integers(1, 9))
@settings(max_examples=30)
def test_stakes_are_all_that_an_alarm_can_be_paid_with(null: float, up: bool, depth: int) -> None:
    """Over every sequence of yes and no: the expected holding at the alarm (or the end) never exceeds the expected stakes."""

    def expected(detector: EDetector, left: int) -> tuple[float, float]:
        """(expected holding where it stops, expected stakes laid)."""
        if left == 0:
            return detector.strength, 0.0
        held = laid = 0.0
        for bad, chance in ((1.0, null), (0.0, 1 - null)):
            next_ = EDetector.read(json.loads(json.dumps(detector.as_json())))
            alarm = next_.add(bad, 0.3, 0.0)
            more, stakes = (next_.strength, 0.0) if alarm else expected(next_, left - 1)
            held, laid = held + chance * more, laid + chance * (0.3 + stakes)
        return held, laid

    held, laid = expected(EDetector(null, up), depth)
    assert held <= laid + 1e-9


@given(gaps=gaps, per_year=st.floats(0.01, 1))
def test_no_volume_and_no_pause_makes_more_be_staked_than_time_has_passed(gaps: list[float], per_year: float) -> None:
    pace, at, staked = Allowance(), 0.0, 0.0
    for gap in gaps:
        at += gap
        staked += pace.stake(at, per_year)
    assert staked <= at / 86_400 / YEAR * per_year + 1e-9
    assert pace.spare >= -1e-9


def test_at_a_steady_volume_a_year_stakes_what_a_year_allows() -> None:
    pace = Allowance()
    staked = sum(pace.stake(number * 4320.0, 0.5) for number in range(7300))
    assert 0.45 < staked <= 0.5
    assert math.isclose(pace.per_day(), 20, rel_tol=0.01)
    assert pace.per_day(7300 * 4320.0 + 60 * 86_400) < 3  # nothing has come for two months
    assert sum(alarms_a_year(sources) * 2 * sources for sources in (1, 2, 3)) <= 3 * 0.8 + 1e-9
    assert 0.8 + 2 * sum(doubt_of(sources) for sources in (1, 2, 3)) <= 1  # one source after the other


@given(st.lists(st.tuples(bads, st.floats(0, 3 * 86_400)), max_size=80), st.integers(0, 80))
@settings(max_examples=60)
def test_a_watch_that_is_put_away_in_between_goes_on_to_the_last_bit(seen: list[tuple[float, float]], cut: int) -> None:
    whole, parted, at = Watch.begin(0.9, 400, 2), Watch.begin(0.9, 400, 2), 0.0
    for number, (bad, gap) in enumerate(seen):
        at += gap
        if number == cut:
            parted = Watch.read(json.loads(json.dumps(parted.as_json())))
        assert whole.add(bad, at, 0.2) == parted.add(bad, at, 0.2)
    assert whole.as_json() == parted.as_json()


def test_a_step_is_noticed_dated_and_its_end_too() -> None:
    dice, watch, found = random.Random(3), Watch.begin(0.9, 1000, 1), []
    for number in range(4000):
        bad = float(dice.random() < (0.3 if 1000 <= number < 2000 else 0.02 if number >= 3000 else 0.1))
        noticed = watch.add(bad, number * 4320.0, alarms_a_year(1))
        if noticed is not None:
            found.append((noticed.what, number, noticed.since / 4320))
    assert [what for what, _, _ in found] == [What.WORSE, What.RECOVERED, What.BETTER]
    for (_, at, since), began in zip(found, (1000, 2000, 3000), strict=True):
        assert began < at < began + 700
        assert abs(since - began) < 150
    assert watch.state == State.BETTER


def test_a_baseline_too_small_is_not_watched() -> None:
    watch = Watch.begin(0.9, 299, 1)
    assert all(watch.add(1.0, number * 1000.0, 1.0) is None for number in range(500))
    assert watch.state == State.SMALL


@given(null=st.floats(0.01, 0.5), drop=st.floats(0.05, 0.4), length=st.floats(100, 1e6))
def test_a_larger_drop_and_a_weaker_promise_are_noticed_no_later(null: float, drop: float, length: float) -> None:
    delay = usual_delay(null, min(null + drop, 0.99), length)
    assert usual_delay(null, min(null + 2 * drop, 0.99), length) <= delay + 1e-9
    assert usual_delay(null, min(null + drop, 0.99), 2 * length) >= delay
    assert usual_delay(null, null, length) == math.inf


def test_the_foretold_delay_is_near_the_real_one() -> None:
    dice = random.Random(5)
    for null, share in ((0.1, 0.2), (0.133, 0.3)):
        delays = []
        for _ in range(80):
            detector = EDetector(null, True)
            for number in range(5000):
                if detector.add(float(dice.random() < (null if number < 200 else share)), 1 / 14_600, 0.0) and number >= 200:
                    delays.append(number - 199)
                    break
        assert 0.7 < usual_delay(null, share, 14_600) / (sum(delays) / len(delays)) < 1.45
    reach = reach_of(0.9, highest_share(30, 300, 0.05), 3, 1)
    assert not reach.enough
    assert reach.needed is not None
    assert reach_of(0.9, highest_share(30, 300, 0.05), reach.needed, 1).enough
    assert reach_of(0.9, 0.25, 100, 1).needed is None  # the drop lies within what is unknown of the baseline
    assert len(CHANGES) == 3


def test_the_part_that_fell_is_named_and_chance_is_not() -> None:
    dice = random.Random(1)
    mixed = [(float(dice.random() < 0.1), {"kind": dice.choice("abc"), "model": dice.choice("xy")}) for _ in range(600)]
    assert worst_part(mixed, mixed) is None
    fallen = [(float(dice.random() < (0.5 if each["kind"] == "b" else 0.1)), each) for _, each in mixed]
    part = worst_part(fallen, mixed)
    assert part is not None
    assert (part.part, part.value) == ("kind", "b")
    assert part.before is not None
    assert part.share < 0.7 < part.before


def test_the_begin_of_a_change_is_dated_by_the_outputs_themselves() -> None:
    dice = random.Random(2)
    off = []
    for began in range(300, 340):
        seen = [float(dice.random() < (0.1 if number < began else 0.35)) for number in range(began + 60)]
        off.append(abs(begin_of(seen, 0.1, worse=True) - began))
    assert sorted(off)[20] <= 10
    assert begin_of([0.0] * 50, 0.1, worse=True) == 49  # nothing became worse: the last one, at most
    assert begin_of([1.0, 0.0] * 100 + [0.0] * 40, 0.5, worse=False) in range(198, 203)
    assert begin_of([], 0.1, worse=True) == 0
