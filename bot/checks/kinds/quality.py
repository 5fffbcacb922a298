"""`quality`: too few of the agent's outputs are good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Days, span_words
from bot.paging.rules import Finding, State


class QualitySpec(CheckSpec):
    """The share of good outputs over some days, honest about its uncertainty."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=15)

    kind: Literal["quality"] = Field("quality", description="Always `quality`.")
    at_least: float | None = Field(None, gt=0, lt=1, description="Share of good outputs promised; the agent's own target where unset.")
    window: Days = Field(timedelta(days=7), description="Over how many days, today included.")
    min_samples: int = Field(30, ge=1, le=10000, description="Judged outputs needed before it can fail.")
    source: Literal["people", "evaluations", "outcomes"] = Field("people", description="Whose judgement counts.")


@dataclass(frozen=True)
class QualityFacts:
    """The share of good outputs in the window with its 90% interval; `n` counts judged outputs."""

    share: float | None
    low: float
    high: float
    n: int
    target: float
    first_day: str
    last_day: str


def judge(facts: QualityFacts, spec: QualitySpec, now: datetime) -> Finding:
    """Failing only when even the upper end of the interval is below what is promised; well when the share is not."""
    promised = spec.at_least if spec.at_least is not None else facts.target
    days = span_words(spec.window)
    if facts.share is None or facts.n < spec.min_samples:
        says = f"{facts.n} of {spec.min_samples} judged outputs in the last {days}: too few to say."
        return Finding(State.UNKNOWN, "Too few judgements", says, threshold=promised, nothing=not facts.n)
    shown = f"{facts.share:.0%} good (90% interval {facts.low:.0%} to {facts.high:.0%}, {facts.n} outputs judged by {spec.source}) in the last {days}"
    evidence = {"Good": f"{facts.share:.0%}", "90% interval": f"{facts.low:.0%} to {facts.high:.0%}", "Judged": f"{facts.n} outputs, {facts.first_day} to {facts.last_day}", "Promised": f"{promised:.0%}"}
    if facts.high < promised:
        return Finding(State.FAILING, f"quality below {promised:.0%}", f"{shown}; {promised:.0%} is promised.", since=now, value=facts.share, threshold=promised, evidence=evidence)
    # Between the two it is neither proven bad nor good again: a problem that is open stays open.
    state = State.OK if facts.share >= promised else State.SAME
    return Finding(state, "Quality is as promised" if state is State.OK else "Quality is uncertain", f"{shown}; {promised:.0%} is promised.", value=facts.share, threshold=promised, evidence=evidence)


KIND = Kind(
    name="quality",
    about="Fails when even the upper end of the 90% interval of the share of good outputs is below what is promised; a notice unless raised.",
    spec=QualitySpec,
    judge=judge,
    example="quality: {kind: quality, at_least: 0.85, window: 7d, min_samples: 30}",
)
