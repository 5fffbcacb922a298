from __future__ import annotations

import random
from dataclasses import replace
from math import exp, lgamma, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quality.rules import Score, judge, weighed_score
from bot.quality.segments import tell_apart
from bot.quality.sprints import Change, as_json, compare, difference, probability_better, sprint_days, step_words
from bot.quality.weights import Pick, Weighed, agreement_metric, cohen, estimate, krippendorff, weigh
from tests.quality.test_rules import out_of, standing


@pytest.mark.parametrize(
    ("n", "heavy", "left"),
    [
        (520, [(500.0, 500.0)], 40.0),  # 500 of one person beside 20 of others: 20 always count
        (800, [(500.0, 500.0)], 400.0),  # beside 300: a quarter of what is left, 100 of 400
        (1000, [(500.0, 400.0), (500.0, 100.0)], 1000.0),  # two who judge alike are no one person
        (900, [(600.0, 0.0), (200.0, 200.0)], 500.0),  # as much as the next most active one: 200 beside 300
        (30, [], 30.0),
        (25, [(21.0, 21.0)], 24.0),
    ],
)
def test_one_person_never_carries_a_score(n: int, heavy: list[tuple[float, float]], left: float) -> None:
    total = 0.9 * (n - sum(each for each, _ in heavy)) + sum(good for _, good in heavy)
    found = weigh(n, total, heavy, always=20, most=0.25)
    assert found.n == pytest.approx(left)
    assert found.cut == pytest.approx(n - left)
    if heavy and left < n:
        (first, good), others = max(heavy), n - max(heavy)[0]
        # By hand: every vote of that person weighs left-over / all of theirs.
        weight = (left - others) / first
        assert found.sum == pytest.approx(total - good + good * weight)


@given(st.floats(0, 500), st.lists(st.tuples(st.floats(20.5, 2000), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_cap_takes_from_one_person_alone_and_leaves_a_share(others: float, people: list[tuple[float, float]]) -> None:
    heavy = [(n, n * share) for n, share in people]
    n, total = others + sum(each for each, _ in heavy), others * 0.5 + sum(good for _, good in heavy)
    found = weigh(n, total, heavy, always=20, most=0.25)
    assert 0 <= found.sum <= found.n + 1e-6
    assert found.n + found.cut == pytest.approx(n)
    top = max(each for each, _ in heavy)
    rest = n - top
    assert found.n - rest <= max(20, 0.25 * found.n, sorted([0.0, *(each for each, _ in heavy)])[-2]) + 1e-6


def test_volunteers_alone_are_what_the_cap_leaves_less_those_asked() -> None:
    score = weighed_score(Weighed(400, 200_000, 400), 700, asked=(100, 80_000))
    assert (score.n, score.share, score.cut) == (300, pytest.approx(0.4), 400)


def test_the_estimate_weighs_each_drawn_output_by_its_chance_and_leaves_the_unjudged_out() -> None:
    # 900 replies of which 3 were drawn (2 good), 100 tickets of which 2 were drawn (1 judged, bad).
    picks = [Pick("reply", 900, 3, 1.0), Pick("reply", 900, 3, 1.0), Pick("reply", 900, 3, 0.0), Pick("ticket", 100, 2, 0.0), Pick("ticket", 100, 2, None)]
    found = estimate(picks)
    assert found is not None
    assert found.share == pytest.approx((900 * 2 / 3 + 100 * 0) / 1000)
    assert (found.n, found.drawn, found.population) == (4, 5, 1000)
    assert found.effective == pytest.approx(1000**2 / (3 * 300**2 + 100**2))
    assert estimate([Pick("reply", 900, 3, None)]) is None


def test_the_estimate_has_no_bias_though_a_rare_kind_is_drawn_oftener_and_half_is_never_judged() -> None:
    chance = random.Random(7)
    outputs = [("reply", chance.random() < 0.9) for _ in range(950)] + [("refund", chance.random() < 0.3) for _ in range(50)]
    truth = sum(good for _, good in outputs) / len(outputs)
    found, plain, inside = [], [], 0
    for _ in range(1500):
        picks = []
        for kind, number in (("reply", 60), ("refund", 40)):
            mine = [good for name, good in outputs if name == kind]
            picks += [Pick(kind, len(mine), number, float(good) if chance.random() < 0.5 else None) for good in chance.sample(mine, number)]
        one = estimate(picks)
        assert one is not None
        found.append(one.share)
        inside += one.low <= truth <= one.high
        judged = [pick.share for pick in picks if pick.share is not None]
        plain.append(sum(judged) / len(judged))
    mean = sum(found) / len(found)
    spread = sqrt(sum((each - mean) ** 2 for each in found) / len(found))
    assert abs(mean - truth) < 3 * spread / sqrt(len(found))
    assert abs(sum(plain) / len(plain) - truth) > 0.15  # what counting them alike would have said
    assert 0.86 <= inside / 1500 <= 0.99


def test_agreement_is_told_beyond_chance() -> None:
    found = cohen(45, 15, 25, 15)  # the example of Cohen's kappa in many textbooks: 0.60 observed, 0.54 by chance
    assert found is not None
    assert (found.n, found.agreed) == (100, 60)
    assert found.beyond == pytest.approx((0.60 - 0.54) / (1 - 0.54))
    # Krippendorff's own example of two observers and ten units of binary data (2011, B): alpha = 0.095.
    meg, owen = "0100000000", "1110010100"
    pairs = krippendorff((2, int(a) + int(b)) for a, b in zip(meg, owen, strict=True))
    assert pairs is not None
    assert (pairs.n, pairs.agreed, round(pairs.beyond or 0, 3)) == (10, 6, 0.095)
    assert cohen(0, 0, 0, 0) is None
    assert krippendorff([(1, 1)]) is None
    assert [agreement_metric(a, b) for a, b in ((1, 1), (1, 0), (0.2, 0.8), (0, 0.1), (0.5, 1))] == [
        "quality.both.good.good", "quality.both.good.bad", "quality.both.bad.good", "quality.both.bad.bad", None,
    ]  # fmt: skip


def closed_sum(good: int, n: int, good_then: int, n_then: int) -> float:
    """P(p > p_then) for whole counts: Evan Miller's sum over Beta functions (2015)."""

    def beta(a: float, b: float) -> float:
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    a, b, c, d = good_then + 1, n_then - good_then + 1, good + 1, n - good + 1
    return sum(exp(beta(a + i, b + d) - log(d + i) - beta(1 + i, d) - beta(a, b)) for i in range(c))


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_the_probability_of_being_better_is_the_closed_sums(good: int, bad: int, good_then: int, bad_then: int) -> None:
    found = probability_better(good, good + bad, good_then, good_then + bad_then)
    assert found == pytest.approx(closed_sum(good, good + bad, good_then, good_then + bad_then), abs=5e-5)
    assert found + probability_better(good_then, good_then + bad_then, good, good + bad) == pytest.approx(1, abs=1e-6)


def test_a_sprint_is_called_better_worse_unclear_or_too_little() -> None:
    def score(good: int, n: int) -> Score:
        z = 1.6448536269514722
        share, spread = good / n, z * sqrt(good / n * (1 - good / n) / n + z * z / (4 * n * n))
        return Score(share, (share + z * z / (2 * n) - spread) / (1 + z * z / n), (share + z * z / (2 * n) + spread) / (1 + z * z / n), n)

    days = sprint_days("2026-11-20", 14)
    assert days == ("2026-10-24", "2026-11-06")
    assert compare(score(90, 100), score(70, 100), days).change is Change.BETTER
    assert compare(score(70, 100), score(90, 100), days).change is Change.WORSE
    unclear = compare(score(18, 20), score(17, 20), days)
    assert unclear.change is Change.UNCLEAR
    assert unclear.probability == pytest.approx(closed_sum(18, 20, 17, 20), abs=5e-5)
    little = compare(score(9, 9), score(10, 100), days)
    assert (little.change, little.probability) == (Change.TOO_LITTLE, None)
    assert step_words(as_json(little, False), "two weeks ago") == "too little to compare with two weeks ago: 9 judged now and 100 then, 10 each are needed"
    # Newcombe's own example (1998, method 10, table II a): 56/70 against 48/80 gives 0.0524 to 0.3339 at 95%.
    def wilson95(good: int, n: int) -> Score:
        z, p = 1.959964, good / n
        centre, half = (p + z * z / (2 * n)) / (1 + z * z / n), z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return Score(p, centre - half, centre + half, n)

    assert [round(each, 4) for each in difference(wilson95(56, 70), wilson95(48, 80))] == [0.2, 0.0524, 0.3339]


def test_the_registry_says_when_evaluations_decide() -> None:
    bad_machines = replace(standing(people=out_of(95, 100)), evaluations=Score(0.5, 0.42, 0.58, 100))
    assert judge(bad_machines).driver == "evaluations"
    assert judge(replace(bad_machines, machines="stand_in")).driver == "people"
    assert judge(replace(bad_machines, machines="beside")).driver == "people"
    assert judge(replace(bad_machines, agreement=cohen(30, 30, 10, 30), agreement_needed=0.8)).driver == "people"
    assert judge(replace(bad_machines, agreement=cohen(30, 5, 5, 30), agreement_needed=0.8)).driver == "evaluations"
    few = replace(bad_machines, people=Score(0.9, 0.7, 0.97, 10))
    assert judge(replace(few, machines="stand_in")).machine
    assert judge(replace(few, machines="beside")).verdict.value == "learning"


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 40), min_size=1, max_size=6))
def test_no_segment_lets_a_single_vote_be_read_off_the_whole(cells: dict[str, int]) -> None:
    pieces = tell_apart({value: (n, n * 500) for value, n in cells.items()}, few=5)
    hidden = [piece.n for piece in pieces if piece.score is None]
    assert all(piece.n >= 5 for piece in pieces if piece.score is not None)
    assert not hidden or sum(hidden) >= 5 or len(hidden) == len(pieces)
