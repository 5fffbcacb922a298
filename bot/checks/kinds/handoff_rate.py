"""`handoff_rate`: clearly more, or clearly fewer, runs end with a person than planned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Share, Window, span_words, write_share
from bot.paging.rules import Finding, State
from bot.quality.words import plural
from bot.stats import wilson

PLANNED = 0.2  # where nothing else is written: the 80/20 rule


class HandoffRateSpec(CheckSpec):
    """The share of runs that are handed to a person, against its plan."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=15)

    kind: Literal["handoff_rate"] = Field("handoff_rate", description="Always `handoff_rate`.")
    plan: Share | None = Field(None, description="The share of runs planned to end with a person; the `plan` under `handoffs` of the agent where unset, 20% without that.")
    at_least: Share | None = Field(None, description="Fewer than this are too few; half the plan where unset, `0%` never.")
    window: Window = Field(timedelta(days=7), description="Over how long hand-offs and runs are counted, up to 90d.")
    min_samples: int = Field(30, ge=1, le=1_000_000, description="Runs needed before it is judged.")

    @model_validator(mode="after")
    def _can_be_well(self) -> HandoffRateSpec:
        if self.plan is not None and self.at_least is not None and self.at_least > self.plan:
            raise ValueError(f"asks for at least {write_share(self.at_least)} where {write_share(self.plan)} is planned, so it could never be well: exchange them")
        return self


@dataclass(frozen=True)
class HandoffFacts:
    """Hand-offs and runs of the window; the agent's own plan, where its entry has one; `ever` where any hand-off is known."""

    handoffs: int = 0
    runs: int = 0
    plan: float | None = None
    ever: bool = False


def judge(facts: HandoffFacts, spec: HandoffRateSpec, now: datetime) -> Finding:
    """Failing where the whole interval lies above the plan, or below what is too few: chance alone is no finding."""
    plan = spec.plan if spec.plan is not None else facts.plan if facts.plan is not None else PLANNED
    few = spec.at_least if spec.at_least is not None else plan / 2
    last = f"in the last {span_words(spec.window)}"
    if facts.runs < spec.min_samples:
        says = f"{plural(facts.runs, 'run')} {last}: too few to say ({spec.min_samples:,} are needed)." if facts.runs else f"No run was reported {last}."
        return Finding(State.UNKNOWN, "Too few runs", says, threshold=plan, nothing=not facts.runs and not facts.ever)
    share = min(facts.handoffs / facts.runs, 1.0)
    low, high = wilson(share, facts.runs)
    said = f"{facts.handoffs:,} of {plural(facts.runs, 'run')} {last} were handed to a person ({write_share(share) if share else '0%'})"
    evidence = {"Handed over": f"{facts.handoffs:,} of {facts.runs:,}", "Interval": f"{low:.1%} to {high:.1%}", "Planned": write_share(plan) if plan else "0%", "Too few below": write_share(few) if few else "0%"}
    if share > plan and low > plan:
        says = f"{said}; {evidence['Planned']} is planned. People do more of its work than agreed: look at what it hands over, and why."
        return Finding(State.FAILING, "it hands over more than planned", says, since=now, value=share, threshold=plan, evidence=evidence)
    if share < few and high < few:
        says = f"{said}; {evidence['Planned']} is planned, and fewer than {evidence['Too few below']} is too few. It may decide what people should decide: look at samples of what it did alone."
        return Finding(State.FAILING, "it hands over less than planned", says, since=now, value=share, threshold=few, evidence=evidence)
    return Finding(State.OK, "It hands over as planned", f"{said}; {evidence['Planned']} is planned.", value=share, threshold=plan, evidence=evidence)


KIND = Kind(
    name="handoff_rate",
    about="Fails when clearly more runs end with a person than planned, or clearly fewer than half of that: too many is work that nobody planned, too few may be decisions that people should take.",
    spec=HandoffRateSpec,
    judge=judge,
    example="handoffs: {kind: handoff_rate, plan: 20%, window: 7d}",
)
