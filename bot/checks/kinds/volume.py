"""`volume`: far fewer runs or outputs than on the same weekday of earlier weeks, though nothing fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import ClassVar, Literal

from pydantic import Field

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Share, write_share
from bot.paging.rules import Finding, State
from bot.quality.words import joined

Z = 3.0  # one-sided 0.13%: at one look a day that is chance less than once in two years
WEEKS = 4
FEWEST_WEEKS = 2


class VolumeSpec(CheckSpec):
    """A silent drop against the same weekday."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=15)

    kind: Literal["volume"] = Field("volume", description="Always `volume`.")
    of: Literal["run", "output"] = Field("output", description="What is counted: runs or outputs.")
    drop: Share = Field(0.5, description="How much less than usual is a drop worth telling, such as `50%`.")
    min_samples: int = Field(20, ge=1, le=1_000_000, description="How many must be usual by then before a day is judged; a small count says little.")


@dataclass(frozen=True)
class VolumeFacts:
    """Counts of local days. Earlier days are the same weekday of earlier weeks, the newest first, holidays left out.

    `part` and `whole` are last week's same weekday until this time of day and until its end: how much of a day is
    usually over by now.
    """

    today: str  # YYYY-MM-DD in the agent's zone
    clock: str  # HH:MM there
    so_far: int = 0
    before: Sequence[int] = ()  # of today's weekday
    part: int = 0
    whole: int = 0
    today_is_holiday: bool = False
    yesterday: str = ""
    yesterday_count: int = 0
    yesterday_before: Sequence[int] = ()
    yesterday_is_holiday: bool = False
    rested: bool = False  # it was stopped for part of today or yesterday, which are then taken for holidays


def at_work(counts: Sequence[int]) -> list[int]:
    """The weeks since the first word: before its first day at work an agent was not silent, but absent."""
    known = list(counts)
    while known and known[-1] == 0:
        known.pop()
    return known


def usual_of(weeks: Sequence[int]) -> float | None:
    """The median; None where there are too few weeks."""
    return float(median(weeks)) if len(weeks) >= FEWEST_WEEKS else None


def bound(usual: float, weeks: int, *, part_of_a_day: bool) -> float:
    """The lowest count that chance explains.

    For Poisson counts sqrt(X) is nearly normal with variance 1/4 (M. S. Bartlett, JRSS Supplement 3, 1936; F. J.
    Anscombe, Biometrika 35, 1948). The median of `weeks` such values varies about pi/2 times as much as their mean (its
    asymptotic efficiency for a normal is 2/pi), and the share of a day that is over, read from one week, about as much
    as one count again. So the bound is (sqrt(usual) - Z/2 * sqrt(1 + pi/(2*weeks) + part))^2. Real counts vary more than
    Poisson's, which is why a drop must also be as large as `drop` says.
    """
    spread = Z / 2 * math.sqrt(1 + math.pi / (2 * max(weeks, 1)) + (1 if part_of_a_day else 0))
    return max(math.sqrt(max(usual, 0.0)) - spread, 0.0) ** 2


def judge(facts: VolumeFacts, spec: VolumeSpec, now: datetime) -> Finding:
    """Today so far, as soon as enough is usual by now; before that, yesterday as a whole."""
    before, yesterday_before = at_work(facts.before), at_work(facts.yesterday_before)
    usual = usual_of(before)
    expected = usual * facts.part / facts.whole if usual is not None and facts.whole else 0.0
    if expected >= spec.min_samples and not facts.today_is_holiday:
        when = f"today until {facts.clock}"
        return _compared(facts.so_far, expected, before, spec, now, when, f"{_weekday(facts.today)}s until then", part=True)
    usual = usual_of(yesterday_before)
    if usual is not None and usual >= spec.min_samples and not facts.yesterday_is_holiday:
        name = _weekday(facts.yesterday)
        return _compared(facts.yesterday_count, usual, yesterday_before, spec, now, f"yesterday ({name})", f"{name}s", part=False)
    nothing = not any((*before, *yesterday_before, facts.so_far, facts.yesterday_count))
    if facts.rested:
        says = "A day on which it was stopped is not compared with other weeks."
    elif facts.today_is_holiday or facts.yesterday_is_holiday:
        says = "A holiday is not compared with other weeks."
    elif usual_of(before) is None and usual is None:
        says = f"No {spec.of} was reported in four weeks." if nothing else f"Nothing to compare with yet: {FEWEST_WEEKS} earlier weeks are needed."
    else:
        says = f"Usually fewer than {spec.min_samples:,} {spec.of}s come by now on this weekday: too few to say."
    return Finding(State.UNKNOWN, "Nothing to compare", says, nothing=nothing)


def _compared(count: int, usual: float, before: Sequence[int], spec: VolumeSpec, now: datetime, when: str, others: str, *, part: bool) -> Finding:
    limit = min(bound(usual, len(before), part_of_a_day=part), usual * (1 - spec.drop))
    less = 1 - count / usual
    said = f"{count:,} {spec.of}{'' if count == 1 else 's'} {when}; {usual:,.0f} are usual on {others} (median of {len(before)} weeks)"
    evidence = {"Counted": f"{count:,} {when}", "Usual": f"{usual:,.0f}", "Earlier weeks (whole days)": joined([f"{each:,}" for each in before]), "A problem below": f"{math.ceil(limit):,}"}
    if count < limit:
        title = f"no {spec.of}s where there usually are" if count == 0 else f"{write_share(less)} fewer {spec.of}s than usual"
        return Finding(State.FAILING, title, f"{said}: {write_share(less)} fewer.", since=now, value=count, threshold=limit, evidence=evidence)
    return Finding(State.OK, "As much as usual", f"{said}.", value=count, threshold=limit, evidence=evidence)


def _weekday(day: str) -> str:
    return f"{datetime.fromisoformat(day):%A}"


KIND = Kind(
    name="volume",
    about="Fails when far fewer runs or outputs come than the median of the same weekday in up to four earlier weeks, by `drop` and beyond chance; holidays are left out.",
    spec=VolumeSpec,
    judge=judge,
    example="volume: {kind: volume, of: output, drop: 50%}",
)
