"""E-detectors: noticing that a share has moved, with a promise on false alarms that holds whatever the numbers do.

A bet against "the share of bad outputs is at most `null`" multiplies its stake by 1 + b (x - null) at each output, where x
says how bad it was (0 to 1). While the claim is true no bet can be expected to win (I. Waudby-Smith and A. Ramdas,
"Estimating means of bounded random variables by betting", JRSS B 86, 2024, section 4); where x is only yes or no this is
the likelihood ratio of the share p that has b = (p - null) / (null (1 - null)).

An e-detector (J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
arXiv 2203.03532, section 2, of Shiryaev-Roberts kind) opens such a bet at every output, each with a new stake w:
M <- (M + w) (1 + b (x - null)). Up to any moment of stopping, M is expected to be at most the sum of the stakes; so an
alarm at M >= 1 has E[sum of stakes until the alarm] >= 1 while nothing has changed. With stakes 1/A that is their average
run length of at least A outputs. The stakes may differ, as long as each is settled before its output is seen: here they
are *time*, so that the promise is "at most so many false alarms a year", and no estimate of the volume can break it
(see Allowance). A weighted mean of several such M, one per size of change, keeps the promise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

# How much the odds of a bad output change, and the weight of the bet on it. Chosen by simulation so that steps from 10% to
# 15, 20 and 30% are noticed within 1.15 of the delay of a CUSUM tuned to each (benchmarks/drift.py).
CHANGES = ((1.6, 1 / 2), (2.5, 1 / 6), (4.2, 1 / 3))
NEVER_QUITE = 1e-4  # a share of exactly 0 or 1 cannot be bet against
DAYS_BACK = 28.0  # over which the volume is estimated
YEAR = 365.0


def share_at(null: float, change: float) -> float:
    """The share whose odds are `change` times those of `null`."""
    odds = null / (1 - null) * change
    return odds / (1 + odds)


@dataclass(slots=True)
class EDetector:
    """Bets that the share of bad outputs has become higher than `null` (`up`), or lower."""

    null: float
    up: bool
    bets: list[float] = field(default_factory=list)
    stakes: list[float] = field(default_factory=list)  # M of each bet, times its weight
    # For "since when": each bet's CUSUM (E. S. Page, Biometrika 41, 1954), whose last zero is the likeliest begin.
    cusums: list[float] = field(default_factory=list)
    begins: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # outputs since
    bads: list[float] = field(default_factory=list)  # and how many of them were bad

    def __post_init__(self) -> None:
        null = self.null = min(max(self.null, NEVER_QUITE), 1 - NEVER_QUITE)
        if not self.bets:
            shares = [share_at(null, change if self.up else 1 / change) for change, _ in CHANGES]
            self.bets = [(share - null) / (null * (1 - null)) for share in shares]
        size = len(self.bets)
        self.stakes = self.stakes or [0.0] * size
        self.cusums, self.begins = self.cusums or [0.0] * size, self.begins or [0.0] * size
        self.counts, self.bads = self.counts or [0] * size, self.bads or [0.0] * size

    def add(self, bad: float, stake: float, at: float) -> bool:
        """Take one output in (`bad` from 0 to 1); True where this is an alarm. `stake` must not depend on `bad`."""
        off = bad - self.null
        total = 0.0
        stakes, cusums = self.stakes, self.cusums
        for i, bet in enumerate(self.bets):
            wins = 1.0 + bet * off
            stakes[i] = held = (stakes[i] + stake * CHANGES[i][1]) * wins
            total += held
            cusum = cusums[i]
            if cusum <= 1.0:
                cusums[i] = wins
                self.begins[i], self.counts[i], self.bads[i] = at, 1, bad
            else:
                cusums[i] = cusum * wins if cusum < 1e250 else cusum
                self.counts[i] += 1
                self.bads[i] += bad
        return total >= 1.0

    @property
    def strength(self) -> float:
        """How far it is from an alarm: 1 is one."""
        return sum(self.stakes)

    def began(self) -> tuple[float, int, float]:
        """Since when, as far as can be told: the time, the outputs since, and how many of them were bad."""
        best = max(range(len(self.bets)), key=lambda i: self.cusums[i])
        return self.begins[best], self.counts[best], self.bads[best]

    def as_json(self) -> dict[str, Any]:
        """To be kept in a row; `read` brings it back to the last bit."""
        return {"null": self.null, "up": self.up, "bets": self.bets, "stakes": self.stakes, "cusums": self.cusums, "begins": self.begins, "counts": self.counts, "bads": self.bads}

    @staticmethod
    def read(doc: dict[str, Any]) -> EDetector:
        return EDetector(**doc)


@dataclass(slots=True)
class Allowance:
    """The stakes of one source's detectors: false alarms allowed, as time goes by.

    Of `per_year` false alarms allowed to one detector, each output stakes the share of the year that one output usually takes (the volume
    of the last 28 days, older days counting less and less), but never more than the time that has passed and was not
    staked yet. So the stakes of a year never exceed `per_year`, even where the volume grows tenfold overnight.
    """

    at: float | None = None  # of the newest output, in seconds
    spare: float = 0.0  # days that passed and were not staked
    seen: float = 0.0  # outputs of late, and
    days: float = 0.0  # the days in which they came, both fading alike

    def stake(self, at: float, per_year: float) -> float:
        """What the output settled at `at` stakes; outputs that come late stake what is spare."""
        if self.at is None:
            self.at = at
        if at > self.at:
            passed = (at - self.at) / 86_400
            fades = math.exp(-passed / DAYS_BACK)
            self.seen *= fades
            self.days = self.days * fades + DAYS_BACK * (1 - fades)
            self.spare += passed
            self.at = at
        self.seen += 1
        taken = min(self.spare, max(self.days, 1.0) / self.seen)
        self.spare -= taken
        return taken / YEAR * per_year

    def per_day(self, at: float | None = None) -> float:
        """Outputs a day of late, as of `at`."""
        if self.at is None:
            return self.seen / max(self.days, 1.0)
        fades = math.exp(-max(0.0, (at if at is not None else self.at) - self.at) / 86_400 / DAYS_BACK)
        days = self.days * fades + DAYS_BACK * (1 - fades)
        return self.seen * fades / max(days, 1.0)

    @staticmethod
    def at_volume(outputs: int, days: float) -> Allowance:
        """Before the first output, where so many came in the days before: what is staked first is estimated from them."""
        lately = DAYS_BACK * (1 - math.exp(-days / DAYS_BACK))
        return Allowance(seen=outputs / max(days, 1.0) * lately, days=lately)

    def as_json(self) -> dict[str, Any]:
        return {"at": self.at, "spare": self.spare, "seen": self.seen, "days": self.days}

    @staticmethod
    def read(doc: dict[str, Any]) -> Allowance:
        return Allowance(**doc)


def usual_delay(null: float, share: float, run_length: float) -> float:
    """About how many outputs pass, in the mean, until a step to `share` is noticed; infinite where it is not beyond `null`.

    The Shiryaev-Roberts procedure's delay is close to (log A - c) / I with I the Kullback-Leibler divergence (M. Pollak,
    A. Tartakovsky, "Asymptotic exponentiality...", 2009); the constants are fitted to benchmarks/drift.py, within 20%.
    """
    if share <= null:
        return math.inf
    share, null = min(share, 1 - NEVER_QUITE), max(null, NEVER_QUITE)
    information = share * math.log(share / null) + (1 - share) * math.log((1 - share) / (1 - null))
    return max(1.1 * (math.log(max(run_length * information, math.e)) - 1.4), 1.0) / information
