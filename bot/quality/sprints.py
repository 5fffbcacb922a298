"""Better every sprint: two weeks against the two before, and against two weeks a quarter ago. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

from bot.calendars import day_before
from bot.quality.rules import Score, day_words, percent

SPRINT = 14  # days
QUARTER = 91  # days from a sprint to the one a quarter ago
LEAST = 10  # judged outputs in each of the two: below it nothing is said
SURE = 0.95  # from this probability on an agent is called better (or, of being worse, worse)


class Change(StrEnum):
    """What may be said of the difference."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "no clear change"
    TOO_LITTLE = "too little to say"


@dataclass(frozen=True)
class Step:
    """One comparison; `then` and `now` are scores of the same source, `probability` that now is really better than then."""

    change: Change
    now: Score
    then: Score
    first_day: str  # of the earlier two weeks
    last_day: str
    probability: float | None = None
    points: float | None = None
    low: float | None = None  # 90% interval of the difference, in points
    high: float | None = None


def sprint_days(today: str, back: int = 0) -> tuple[str, str]:
    """The first and last day of the two weeks that ended `back` days ago."""
    return day_before(today, back + SPRINT - 1), day_before(today, back)


def probability_better(good: float, n: float, good_then: float, n_then: float) -> float:
    """P(p > p_then), both quality rates unknown with a uniform prior: Beta(1 + good, 1 + bad) each.

    The integral of f(x) F_then(x) dx (Cook, "Exact Calculation of Beta Inequalities", M. D. Anderson, 2005), summed by
    the midpoint rule over the ranks of the one distribution where it has any mass: exact to about 1e-5 for whole and
    fractional counts alike (tested against the closed sum for whole ones).
    """
    return _probability(round(good, 3), round(n, 3), round(good_then, 3), round(n_then, 3))


CELLS = 300  # over each of the two distributions


@lru_cache(4096)
def _probability(good: float, n: float, good_then: float, n_then: float) -> float:
    # Cells lie densely where either of the two has its mass, up to ten standard deviations from its mean.
    edges = sorted({*_edges(good, n), *_edges(good_then, n_then)})
    cells = [((left + right) / 2, right - left) for left, right in pairwise(edges)]
    now, then = _masses(good, n, cells), _masses(good_then, n_then, cells)
    below = won = 0.0
    for f, g in zip(now, then, strict=True):
        won += f * (below + g / 2)  # within one cell either is as likely to be the greater
        below += g
    return min(1.0, max(0.0, won / (sum(now) * below)))


def _edges(good: float, n: float) -> list[float]:
    a, b = 1 + good, 1 + n - good
    mean, deviation = a / (a + b), math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
    low, high = max(0.0, mean - 10 * deviation), min(1.0, mean + 10 * deviation)
    return [low + (high - low) * cell / CELLS for cell in range(CELLS + 1)]


def _masses(good: float, n: float, cells: list[tuple[float, float]]) -> list[float]:
    a, b = good, n - good  # exponents of x and 1 - x under the uniform prior
    mode = min(max(good / n if n > 0 else 0.5, 1e-12), 1 - 1e-12)
    top = a * math.log(mode) + b * math.log1p(-mode)
    # The middle of a cell of hardly any width may be rounded to 0 or 1 itself.
    return [math.exp(a * math.log(x) + b * math.log1p(-x) - top) * width if 0 < x < 1 else 0.0 for x, width in cells]


def difference(now: Score, then: Score) -> tuple[float, float, float]:
    """Now less then, with its 90% interval, as shares (Newcombe, Statistics in Medicine 17, 1998, method 10: from both Wilson intervals)."""
    one, other = now.share or 0.0, then.share or 0.0
    low = one - other - math.hypot(one - now.low, then.high - other)
    high = one - other + math.hypot(now.high - one, other - then.low)
    return one - other, low, high


def compare(now: Score, then: Score, days: tuple[str, str]) -> Step:
    """Whether an agent is really better; where either side holds too few judgements, only that."""
    if now.share is None or then.share is None or min(now.n, then.n) < LEAST:
        return Step(Change.TOO_LITTLE, now, then, *days)
    probability = probability_better(now.share * now.n, now.n, then.share * then.n, then.n)
    change = Change.BETTER if probability >= SURE else Change.WORSE if probability <= 1 - SURE else Change.UNCLEAR
    points, low, high = difference(now, then)
    return Step(change, now, then, *days, probability, round(points, 4), round(low, 4), round(high, 4))


def as_json(step: Step, machine: bool) -> dict[str, Any]:
    """A comparison as `facts` keep it."""
    return {**asdict(step), "change": step.change.value, "machine": machine}


def chance_words(probability: float) -> str:
    """`97%`, and never a certainty that is none."""
    return "over 99%" if probability > 0.99 else "under 1%" if probability < 0.01 else percent(probability)


def step_words(step: dict[str, Any], than: str) -> str:
    """`better than two weeks ago: 84% now, 71% then; really better with 97% probability`, or what is missing."""
    now, then = step["now"], step["then"]
    machine = ", machine-judged" if step.get("machine") else ""
    if step["change"] == Change.TOO_LITTLE:
        return f"too little to compare with {than}: {now['n']:,} judged now and {then['n']:,} then{machine}, {LEAST} each are needed"
    figures = f"{percent(now['share'])} of {now['n']:,} now, {percent(then['share'])} of {then['n']:,} then{machine}"
    points = f"{step['points'] * 100:+.0f} points, 90% interval {step['low'] * 100:+.0f} to {step['high'] * 100:+.0f}"
    lead = {Change.BETTER: f"better than {than}", Change.WORSE: f"worse than {than}", Change.UNCLEAR: f"no clear change from {than}"}[Change(step["change"])]
    really = f"really worse with {chance_words(1 - step['probability'])} probability" if step["change"] == Change.WORSE else f"really better with {chance_words(step['probability'])} probability"
    return f"{lead}: {figures} ({points}); {really}"


def span_words(step: dict[str, Any]) -> str:
    """`24 Oct to 6 Nov`."""
    return f"{day_words(date.fromisoformat(step['first_day']))} to {day_words(date.fromisoformat(step['last_day']))}"
