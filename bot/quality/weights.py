"""Who weighs how much: the cap on one person, the estimate from a drawn sample, and agreement between judges. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.quality import counting
from bot.stats import wilson

DEFAULT_MOST = 0.25  # of a score's weight that one person may carry ...
DEFAULT_ALWAYS = 20  # ... once they have judged, unasked, more outputs than this


@dataclass(frozen=True)
class Weighed:
    """A score's weight once one person's is capped: outputs, the sum of their shares, and how many outputs' weight the cap took away."""

    n: float
    sum: float
    cut: float = 0.0


def weigh(n: float, total: float, heavy: Sequence[tuple[float, float]], *, always: float, most: float) -> Weighed:
    """The weight of `n` judged outputs (shares summing to `total`) where no one person may carry the score.

    `heavy` are the people who judged most without being asked: how many outputs each, and the sum of their shares (an
    output of k voters is a k-th of each). The most active one may weigh as much as makes `most` of the capped whole
    (most / (1 - most) of what the others judged), as much as the next most active one, or `always` outputs, whichever
    is most. All their votes then weigh the same, a_i < 1: none is thrown away, so it does not matter which came first.
    The interval is made with the capped whole T, never more than Kish's effective sample size of these weights (Survey
    Sampling, 1965, 11.7): T^2 / sum(a_i^2 n_i) >= T, because all a_i <= 1.
    """
    ranked = sorted(heavy, reverse=True)
    if not ranked:
        return Weighed(n, total)
    (first, good), second = ranked[0], ranked[1][0] if len(ranked) > 1 else 0.0
    others = max(0.0, n - first)
    bound = max(always, second, others * most / (1 - most) if most < 1 else first)
    if first <= bound:
        return Weighed(n, total)
    return Weighed(others + bound, max(0.0, total - good * (1 - bound / first)), first - bound)


@dataclass(frozen=True)
class Pick:
    """One drawn output: its stratum with how many it was drawn from, and what the asked said (None: nobody judged it)."""

    stratum: str
    population: int
    number: int
    share: float | None


@dataclass(frozen=True)
class Estimate:
    """The share of good outputs estimated from those drawn at random, with its 90% interval.

    `population` is how many outputs it speaks for; what was drawn and not judged is counted nowhere as good.
    """

    share: float
    low: float
    high: float
    n: int  # drawn outputs that were judged
    drawn: int
    population: int
    effective: float  # how many evenly weighted judgements it is worth


def estimate(picks: Iterable[Pick]) -> Estimate | None:
    """The stratified estimate of a window's quality, each drawn output weighing 1 / its chance of being drawn.

    Horvitz and Thompson, JASA 47 (1952): weights N_h / n_h. What was drawn and not judged is left to the other drawn
    outputs of its stratum (a weighting class; Oh and Scheuren, 1983), and within it the ratio of Hajek (1971) is used.
    A stratum of which nothing was judged is not spoken for. The interval is Wilson's with the effective sample size
    (sum w)^2 / sum w^2 (Kish, 1965; compared by Franco, Little, Louis and Slud, J. Surv. Stat. Methodol. 7, 2019).
    """
    strata: dict[str, list[Pick]] = {}
    for pick in picks:
        strata.setdefault(pick.stratum, []).append(pick)
    weights: list[tuple[float, float]] = []
    population = drawn = 0.0
    for members in strata.values():
        drawn += len(members)
        judged = [each for each in members if each.share is not None]
        if not judged:
            continue
        whole = sum(each.population / each.number for each in members)
        scale = whole / sum(each.population / each.number for each in judged)
        weights += [(each.population / each.number * scale, each.share or 0.0) for each in judged]
        population += whole
    if not weights:
        return None
    total = sum(weight for weight, _ in weights)
    share = min(1.0, max(0.0, sum(weight * good for weight, good in weights) / total))
    effective = total * total / sum(weight * weight for weight, _ in weights)
    low, high = wilson(share, effective)
    return Estimate(share, low, high, len(weights), int(drawn), round(population), effective)


@dataclass(frozen=True)
class Agreement:
    """How often two judges said the same of an output both judged, with its 90% interval; `beyond` is what is more than chance (1: all)."""

    n: int
    agreed: int
    low: float
    high: float
    beyond: float | None

    @property
    def share(self) -> float:
        return self.agreed / self.n


def cohen(both_good: int, first_good: int, second_good: int, both_bad: int) -> Agreement | None:
    """Agreement of two fixed judges, with Cohen's kappa (Educ. Psychol. Meas. 20, 1960); None where nothing was judged by both."""
    n = both_good + first_good + second_good + both_bad
    if n <= 0:
        return None
    agreed = both_good + both_bad
    one, other = (both_good + first_good) / n, (both_good + second_good) / n
    chance = one * other + (1 - one) * (1 - other)
    low, high = wilson(agreed / n, n)
    return Agreement(n, agreed, low, high, (agreed / n - chance) / (1 - chance) if chance < 1 else None)


def krippendorff(pairs: Iterable[tuple[int, int]]) -> Agreement | None:
    """Agreement between reviewers, whoever they were; `pairs` are (judges, good among them) of outputs judged by exactly two.

    Krippendorff's alpha for two values ("Computing Krippendorff's Alpha-Reliability", 2011, B and C): 1 - (N - 1) o / (g b),
    with N = 2n votes, g of them good, b bad, and o the outputs the two differ on.
    """
    good = bad = differ = n = 0
    for judges, found in pairs:
        if judges == 2:
            n, good, bad, differ = n + 1, good + found, bad + 2 - found, differ + (found == 1)
    if not n:
        return None
    low, high = wilson((n - differ) / n, n)
    return Agreement(n, n - differ, low, high, 1 - (2 * n - 1) * differ / (good * bad) if good and bad else None)


def agreement_metric(people: float, machines: float) -> str | None:
    """Under what an output is counted that both judged; None where either is undecided."""
    if math.isclose(people, 0.5) or math.isclose(machines, 0.5):
        return None
    if people > 0.5:
        return counting.BOTH_GOOD if machines > 0.5 else counting.PEOPLE_GOOD
    return counting.MACHINES_GOOD if machines > 0.5 else counting.BOTH_BAD
