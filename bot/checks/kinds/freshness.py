"""`freshness`: an input of the agent was not renewed for too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from bot.agents.spec import Misfit, Slug
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Window, rough_words, span_words
from bot.paging.rules import Finding, State


class FreshnessSpec(CheckSpec):
    """The age of the newest `change` of one input."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=15)

    kind: Literal["freshness"] = Field("freshness", description="Always `freshness`.")
    input: Slug = Field(description="Which of the agent's `inputs`.")
    at_most: Window | None = Field(None, description="How old it may be; the input's own `refresh` where unset.")

    def misfits(self, agent: Mapping[str, Any]) -> Iterator[Misfit]:
        inputs = agent.get("inputs")
        known = inputs if isinstance(inputs, dict) else {}
        if self.input not in known:
            names = f"Known: {', '.join(map(str, known))}" if known else f"Add `inputs: {{{self.input}: {{refresh: 30d}}}}` to the agent"
            yield Misfit("input", f"the agent has no input {self.input!r}", names)
        elif self.at_most is None and not (isinstance(known[self.input], dict) and known[self.input].get("refresh")):
            yield Misfit("input", f"{self.input!r} has no `refresh`, so nothing says how old it may be", "Add `at_most: 30d` here, or `refresh: 30d` to the input")


@dataclass(frozen=True)
class FreshFacts:
    """When the input last changed, since when the agent is known, and how old it may be by the registry."""

    last_at: datetime | None
    known_since: datetime
    refresh: timedelta | None = None
    version: str = ""


def judge(facts: FreshFacts, spec: FreshnessSpec, now: datetime) -> Finding:
    """Failing once the newest change is older than allowed; one never reported counts from the day the agent is known."""
    limit = spec.at_most or facts.refresh
    if limit is None:
        return Finding(State.UNKNOWN, "No limit", f"Nothing says how old {spec.input} may be: give it a `refresh`, or the check an `at_most`.")
    age = max(now - (facts.last_at or facts.known_since), timedelta(0))
    days, most = round(age / timedelta(days=1), 2), round(limit / timedelta(days=1), 2)
    promise = f"at most {span_words(limit)} is promised"
    if facts.last_at is None:
        says = f"No change of {spec.input} was ever reported, and the agent is known since {facts.known_since:%Y-%m-%d} ({promise}): send a `change` event with `input: {spec.input}` when it is renewed."
        if age <= limit:
            return Finding(State.UNKNOWN, "Never renewed", says, value=days, threshold=most, nothing=True)
        return Finding(State.FAILING, f"{spec.input} was never renewed", says, since=facts.known_since + limit, value=days, threshold=most, evidence={"Renewed": "never reported", "Promised": f"every {span_words(limit)}"})
    newest = f"{facts.last_at:%Y-%m-%d %H:%M} UTC" + (f" ({facts.version[:80]})" if facts.version else "")
    says = f"The newest change of {spec.input} is {rough_words(age)} old: {newest}; {promise}."
    evidence = {"Renewed": newest, "Age": rough_words(age), "Promised": f"every {span_words(limit)}"}
    if age > limit:
        return Finding(State.FAILING, f"{spec.input} is {rough_words(age)} old", says, since=facts.last_at + limit, value=days, threshold=most, evidence=evidence)
    return Finding(State.OK, "It is fresh", says, value=days, threshold=most, evidence=evidence)


KIND = Kind(
    name="freshness",
    about="Fails when the newest `change` of one of the agent's inputs (a prompt, an index, a document) is older than its `refresh`.",
    spec=FreshnessSpec,
    judge=judge,
    example="fresh: {kind: freshness, input: product-index, at_most: 7d}",
)
