"""What one source's detectors do with one more judged output: pure.

The promise is one false alarm per agent-year, shared evenly: an agent with D detectors (two for each source that is
watched: worse and better) allows each of them 0.8 / D alarms a year of its own, as stakes (see bot.stats.betting), and
at most 0.1 / D through a baseline that was measured too well or too badly: the bets are against the upper (lower) bound
of the baseline's share of bad outputs, which the truth exceeds with that probability. The sum over sources that came one
after the other is at most 0.8 + 0.1 (1 + 1/2 + 1/3) < 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from bot.quality.rules import BASELINE_N
from bot.stats.betting import NEVER_QUITE, YEAR, Allowance, EDetector, usual_delay
from bot.stats.bounds import highest_share, lowest_share

PER_YEAR = 0.8  # false alarms of an agent-year that its detectors raise by chance
BY_BASELINE = 0.1  # and by a baseline that was measured wrongly (see above)
DIRECTIONS = 2
RECOVERY_DOUBT = 0.1  # how sure the level after a change must be before a return from it is looked for

DROP = 0.10  # the drop of interest, where nobody says another
WITHIN_DAYS = 7.0  # in which it should be noticed


class State(StrEnum):
    """How a source stands."""

    WAITING = "waiting"  # there is no baseline yet
    SMALL = "small"  # the baseline is too small to watch
    STEADY = "steady"
    WORSE = "worse"
    BETTER = "better"


class What(StrEnum):
    """What one more output brought out."""

    WORSE = "worse"
    BETTER = "better"
    RECOVERED = "recovered"  # worse no longer
    OVER = "over"  # better no longer


class Noticed(NamedTuple):
    """A change, as it is estimated when it is noticed."""

    what: What
    since: float  # seconds
    n: int  # outputs since
    bad: float  # of them


def alarms_a_year(sources: int) -> float:
    """What one detector of an agent may raise by chance, where so many of its sources are watched."""
    return PER_YEAR / (DIRECTIONS * max(sources, 1))


def doubt_of(sources: int) -> float:
    """How likely the bound of a baseline may be wrong, for one detector."""
    return BY_BASELINE / (DIRECTIONS * max(sources, 1))


@dataclass(slots=True)
class Watch:
    """The memory of one source: its detectors, what they stake, and the level since the last change."""

    lowest: float  # bounds of the baseline's share of bad outputs
    highest: float
    state: str
    pace: Allowance
    worse: EDetector
    better: EDetector
    back: EDetector | None = None  # from a change to where it was
    since: float | None = None  # of that change
    n: int = 0  # outputs since
    bad: float = 0.0  # of them
    good: float = 0.0  # share of good outputs of the baseline, each output counted once
    judged: int = 0  # outputs of the baseline

    @staticmethod
    def begin(good: float, n: int, sources: int, days: float = 0.0) -> Watch:
        """Anew, against a baseline of which `good` is the share over `n` outputs, measured in so many days.

        Each output counts once, as it is fed: a score in which the cap on one person bit is another figure.
        """
        bad, doubt = (1 - good) * n, doubt_of(sources)
        watch = Watch.against(lowest_share(bad, n, doubt), highest_share(bad, n, doubt), State.STEADY if n >= BASELINE_N else State.SMALL)
        watch.good, watch.judged = good, n
        if days:
            watch.pace = Allowance.at_volume(n, days)
        return watch

    @staticmethod
    def against(lowest: float, highest: float, state: str = State.STEADY) -> Watch:
        """Anew, against these bounds (equal ones where the baseline is known)."""
        return Watch(lowest, highest, state, Allowance(), EDetector(highest, True), EDetector(lowest, False))

    def add(self, bad: float, at: float, per_year: float) -> Noticed | None:
        """One settled output: how bad it was (0 to 1) and when it settled; what is noticed by it."""
        stake = self.pace.stake(at, per_year)
        if self.state == State.SMALL:
            return None
        if self.since is not None:
            self.n += 1
            self.bad += bad
        back = self.back is not None and self.back.add(bad, stake, at)
        if self.state == State.WORSE:
            return self._returned(What.RECOVERED) if back else None
        if self.worse.add(bad, stake, at):
            return self._moved(What.WORSE, self.worse)
        if self.state == State.BETTER:
            return self._returned(What.OVER) if back else None
        return self._moved(What.BETTER, self.better) if self.better.add(bad, stake, at) else None

    def _moved(self, what: What, by: EDetector) -> Noticed:
        self.since, self.n, self.bad = by.began()
        level = self.bad / self.n
        # A return goes past the middle between the baseline and the new level, or past the bound of the new level where
        # that is known well.
        if what is What.WORSE:
            self.back = EDetector(max((self.highest + level) / 2, lowest_share(self.bad, self.n, RECOVERY_DOUBT)), up=False)
        else:
            self.back = EDetector(min((self.lowest + level) / 2, highest_share(self.bad, self.n, RECOVERY_DOUBT)), up=True)
        self.state = State.WORSE if what is What.WORSE else State.BETTER
        self.worse, self.better = EDetector(self.highest, True), EDetector(self.lowest, False)
        return Noticed(what, self.since, self.n, self.bad)

    def _returned(self, what: What) -> Noticed:
        assert self.back is not None
        found = Noticed(what, *self.back.began())
        self.state, self.back, self.since, self.n, self.bad = State.STEADY, None, None, 0, 0.0
        self.worse, self.better = EDetector(self.highest, True), EDetector(self.lowest, False)
        return found

    def as_json(self) -> dict[str, Any]:
        """To be kept in a row."""
        return {
            "lowest": self.lowest, "highest": self.highest, "state": str(self.state), "pace": self.pace.as_json(), "worse": self.worse.as_json(), "better": self.better.as_json(),
            "back": self.back.as_json() if self.back is not None else None, "since": self.since, "n": self.n, "bad": self.bad, "good": self.good, "judged": self.judged,
        }  # fmt: skip

    @staticmethod
    def read(doc: dict[str, Any]) -> Watch:
        """Brought back to the last bit."""
        detectors = {name: EDetector.read(doc[name]) for name in ("worse", "better")}
        back = EDetector.read(doc["back"]) if doc["back"] is not None else None
        return Watch(doc["lowest"], doc["highest"], doc["state"], Allowance.read(doc["pace"]), **detectors, back=back, since=doc["since"], n=doc["n"], bad=doc["bad"], good=doc["good"], judged=doc["judged"])


@dataclass(frozen=True)
class Reach:
    """How soon a drop would be noticed at the present volume, in the mean."""

    per_day: float  # judged outputs that settle a day, of late
    days: float | None  # None: not at all, the baseline is not known well enough
    needed: int | None  # judged outputs a day that notice it within a week; None where none would

    @property
    def enough(self) -> bool:
        return self.days is not None and self.days <= WITHIN_DAYS


def outputs_until(good: float, highest: float, rate: float, sources: int, drop: float = DROP) -> float:
    """How many judged outputs it takes, in the mean, to notice a drop of `drop`, where `rate` of them settle a day; infinite where none would."""
    return usual_delay(highest, min(1 - good + drop, 1.0), max(rate, 0.01) * YEAR / alarms_a_year(sources))


def reach_of(good: float, highest: float, per_day: float, sources: int, drop: float = DROP) -> Reach:
    """How soon a drop of `drop` from the baseline's `good` is noticed, and how many judged outputs a day it takes within a week.

    `highest` is the upper bound of the baseline's share of bad outputs, which the detector bets against.
    """

    def outputs(rate: float) -> float:
        return outputs_until(good, highest, rate, sources, drop)

    if outputs(1.0) == float("inf"):
        return Reach(per_day, None, None)
    needed = 1.0
    for _ in range(30):  # the promise grows with the volume, so the delay does, slowly: this comes to rest
        needed = outputs(needed) / WITHIN_DAYS
    return Reach(per_day, outputs(per_day) / per_day if per_day > 0 else None, -int(-needed // 1))


def begin_of(bads: Sequence[float], level: float, *, worse: bool) -> int:
    """From which of these outputs on (the oldest first) quality has most likely been another than `level` (share of bad ones).

    The maximum of the likelihood ratio over all begins, n KL(mean since || level) (D. Hinkley, "Inference about the
    change-point in a sequence of random variables", Biometrika 57, 1970).
    """
    level = min(max(level, NEVER_QUITE), 1 - NEVER_QUITE)
    best, begin, total = 0.0, max(len(bads) - 1, 0), 0.0
    for n, bad in enumerate(reversed(bads), 1):
        total += bad
        mean = min(max(total / n, NEVER_QUITE), 1 - NEVER_QUITE)
        if (mean > level) is not worse or mean == level:
            continue
        ratio = n * (mean * math.log(mean / level) + (1 - mean) * math.log((1 - mean) / (1 - level)))
        if ratio > best:
            best, begin = ratio, len(bads) - n
    return begin
