"""`measure`: a number the agent reports is above or below what is promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Window, span_words
from bot.paging.rules import Finding, State
from bot.quality.words import plural


class MeasureSpec(CheckSpec):
    """The sum, mean or newest value of one reported measure."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"

    kind: Literal["measure"] = Field("measure", description="Always `measure`.")
    name: str = Field(min_length=1, max_length=128, description="The measure's name, as the agent reports it.")
    take: Literal["sum", "mean", "last"] = Field("mean", description="What of the reported values is compared.")
    at_least: float | None = Field(None, allow_inf_nan=False, description="Less than this is a failure.")
    at_most: float | None = Field(None, allow_inf_nan=False, description="More than this is a failure.")
    window: Window = Field(timedelta(days=1), description="Over how long, up to 90d; what was reported before it is not looked at.")
    min_samples: int = Field(1, ge=1, le=1_000_000, description="Reported values needed before it is judged.")

    @model_validator(mode="after")
    def _can_fail_and_be_well(self) -> MeasureSpec:
        if self.at_least is None and self.at_most is None:
            raise ValueError("has no limit, so it could never fail: add `at_least: ...` or `at_most: ...`")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"asks for at least {self.at_least:g} and at most {self.at_most:g}, which no number is: exchange them")
        return self


@dataclass(frozen=True)
class MeasureFacts:
    """The reported values of the window, added up, and the newest; `ever` where any was reported before it."""

    n: int = 0
    total: float = 0.0
    last: float | None = None
    last_at: datetime | None = None
    unit: str = ""
    ever: bool = False


def judge(facts: MeasureFacts, spec: MeasureSpec, now: datetime) -> Finding:
    """Failing when the sum, mean or newest value lies outside the limits; nothing reported is unknown, never zero."""
    last = f"in the last {span_words(spec.window)}"
    limit = spec.at_least if spec.at_least is not None else spec.at_most
    if not facts.n or facts.last is None:
        says = f"No {spec.name} was reported {last}." if facts.ever else f"No {spec.name} was ever reported: send `measure` events with that name, or mend the name here."
        return Finding(State.UNKNOWN, f"No {spec.name}"[:80], says, threshold=limit, nothing=not facts.ever)
    if facts.n < spec.min_samples:
        return Finding(State.UNKNOWN, f"Too few of {spec.name}"[:80], f"{plural(facts.n, 'value')} of {spec.name} {last}: too few to say ({spec.min_samples:,} are needed).", threshold=limit)
    value = {"sum": facts.total, "mean": facts.total / facts.n, "last": facts.last}[spec.take]
    unit = f" {facts.unit}" if facts.unit else ""
    named = {"sum": f"{spec.name} adds up to {number(value)}{unit} {last}", "mean": f"{spec.name} is {number(value)}{unit} on average {last}", "last": f"the newest {spec.name} is {number(value)}{unit}"}[spec.take]
    said = f"{named[:1].upper()}{named[1:]} ({plural(facts.n, 'value')})"
    evidence = {spec.name: f"{number(value)}{unit} ({spec.take} of {plural(facts.n, 'value')})", "Newest": f"{number(facts.last)}{unit}" + (f" at {facts.last_at:%Y-%m-%d %H:%M} UTC" if facts.last_at else ""), "Promised": _promise(spec)}
    if spec.at_least is not None and value < spec.at_least:
        return Finding(State.FAILING, f"{spec.name} is too low"[:80], f"{said}, less than {number(spec.at_least)}.", since=now, value=value, threshold=spec.at_least, evidence=evidence)
    if spec.at_most is not None and value > spec.at_most:
        return Finding(State.FAILING, f"{spec.name} is too high"[:80], f"{said}, more than {number(spec.at_most)}.", since=now, value=value, threshold=spec.at_most, evidence=evidence)
    return Finding(State.OK, f"{spec.name} is as promised"[:80], f"{said}; {_promise(spec)} is promised.", value=value, threshold=limit, evidence=evidence)


def _promise(spec: MeasureSpec) -> str:
    limits = [f"at {word} {number(limit)}" for word, limit in (("least", spec.at_least), ("most", spec.at_most)) if limit is not None]
    return " and ".join(limits)


def number(value: float) -> str:
    """`1,204.5`: six figures at most, whole where it is whole."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:,.6g}"


KIND = Kind(
    name="measure",
    about="Fails when the sum, mean or newest value of a reported measure is below `at_least` or above `at_most`; nothing reported is unknown, not zero.",
    spec=MeasureSpec,
    judge=judge,
    example="complaints: {kind: measure, name: complaints, take: sum, at_most: 10, window: 1d}",
)
