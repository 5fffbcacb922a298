"""The intervals hold the truth as often as they say: every possible count weighed by its probability, nothing simulated."""

from __future__ import annotations

import math

import pytest

from benchmarks.intervals import TRUTHS, at, average
from bot.stats import wilson
from bot.stats.bounds import beta_below, highest_share, lowest_share


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9, 10, 12, 15, 20, 40, 100, 1000, 10_000])
def test_averaged_over_uniform_truths_nine_in_ten_intervals_hold_it(n: int) -> None:
    assert 0.89 <= average(wilson, n) <= 0.91


def test_at_fixed_truths_it_is_at_least_eight_in_ten_from_thirty_outputs_and_close_to_nine_from_a_thousand() -> None:
    assert min(at(wilson, n, truth) for n in (*range(30, 100), 150, 200, 300) for truth in TRUTHS) >= 0.80
    large = [at(wilson, n, truth) for n in (1000, 1001, 1030, 1060, 1330, 3000) for truth in TRUTHS]
    assert 0.88 <= min(large) <= max(large) <= 0.92


@pytest.mark.parametrize("n", [1, 20, 300])
@pytest.mark.parametrize("truth", [0.01, 0.1, 0.5])
def test_the_bound_of_a_baseline_is_exceeded_no_more_often_than_it_says(n: int, truth: float) -> None:
    def too_low(bad: float) -> bool:
        return highest_share(bad, n, 0.05) < truth

    chance = sum(math.comb(n, k) * truth**k * (1 - truth) ** (n - k) for k in range(n + 1) if too_low(k))
    assert chance <= 0.05 + 1e-9


def test_bounds_lie_around_what_was_seen_and_mirror_each_other() -> None:
    assert highest_share(0, 300, 0.05) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert (highest_share(300, 300, 0.05), lowest_share(0, 300, 0.05), highest_share(1, 0, 0.05)) == (1.0, 0.0, 1.0)
    assert lowest_share(30, 300, 0.05) == pytest.approx(1 - highest_share(270, 300, 0.05))
    assert highest_share(29.5, 300, 0.05) == highest_share(30, 300, 0.05)  # a fractional verdict is taken for the worse
    # The binomial tail and the incomplete beta function are the same thing, told twice.
    assert beta_below(31, 270, 0.1) == pytest.approx(sum(math.comb(300, k) * 0.1**k * 0.9 ** (300 - k) for k in range(31, 301)), rel=1e-9)
