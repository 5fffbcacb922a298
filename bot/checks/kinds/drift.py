"""`drift`: quality has become worse than its baseline, noticed with a promise on false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.agents.sampling import Sampling
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Share
from bot.paging.rules import Finding, State
from bot.quality.drift.messages import (
    WHOSE,
    Change,
    Source,
    day_of,
    level_words,
    near_words,
    reach_words,
    segment_words,
    too_few,
)
from bot.quality.rules import percent
from bot.quality.words import joined


class DriftSpec(CheckSpec):
    """A lasting drop of quality against the baseline, from people, evaluations or outcomes."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=5)

    kind: Literal["drift"] = Field("drift", description="Always `drift`.")
    source: Literal["any", "people", "evaluations", "outcomes"] = Field("any", description="Whose judgement is watched.")
    drop: Share = Field(0.10, ge=0.01, description="The drop of interest: where it would take more than a week to notice, this check says how many judgements that takes.")


@dataclass(frozen=True)
class DriftFacts:
    """How the agent's sources are watched, and which drifts are open; `rests` where another check of the agent tells of them."""

    sources: Sequence[Source] = ()
    slug: str = ""
    zone: str = "UTC"
    sampling: Sampling = field(default_factory=Sampling)
    rests: bool = False


def judge(facts: DriftFacts, spec: DriftSpec, now: datetime) -> Finding:
    """Failing while a drop is open that nobody has called known; well once quality is back, or the baseline was set anew."""
    sources = [each for each in facts.sources if spec.source in ("any", each.source)]
    if facts.rests:
        return Finding(State.OK, "Another check tells of drift", "The registry has a drift check of its own for this agent.", threshold=spec.drop)
    worse = [each.change for each in sources if each.change is not None and each.change.side == "worse"]
    new = [change for change in worse if change.known_at is None]
    if new:
        return _failing(new, facts, spec)
    if worse:
        known = worse[0]
        says = f"{_sentence(level_words(known, facts.zone))} That is known since {day_of(known.known_at or now, facts.zone)}; nothing more is said of it until it is over."
        return Finding(State.OK, "A known drift", says, value=known.after, threshold=spec.drop)
    if not sources:
        return Finding(State.UNKNOWN, "Nothing to compare yet", "No output has been judged yet, so there is no baseline.", threshold=spec.drop, nothing=True)
    watched = [each for each in sources if each.reach is not None and each.rebase_from is None]
    says = ". ".join(reach_words(each, facts.sampling, spec.drop) for each in (watched or sources)[:3]) + "."
    if not watched:
        return Finding(State.UNKNOWN, "Not watched yet", says, threshold=spec.drop)
    return Finding(State.OK, "Few judgements: a drop is noticed late" if all(too_few(each) for each in watched) else "Quality holds against its baseline", says, threshold=spec.drop)


def _failing(new: Sequence[Change], facts: DriftFacts, spec: DriftSpec) -> Finding:
    zone = facts.zone
    first = min(new, key=lambda each: each.since)
    told = [_sentence(level_words(each, zone)) for each in new]
    parts = [_sentence(words) for each in new if (words := segment_words(each.segment))]
    title = f"quality has drifted from {percent(first.before)} to {percent(first.after)}"
    says = " ".join([*told, *parts[:2], _sentence(near_words(first.near)), f"If this is known or wanted, say so with `/aiops baseline {facts.slug}`."])
    evidence = {
        "Since": f"about {first.since:%Y-%m-%d %H:%M} UTC",
        "Good before": f"{percent(first.before)} of {first.before_n:,} outputs",
        "Good since": f"{percent(first.after)} of {first.n:,} outputs (90% interval {percent(first.low)} to {percent(first.high)})",
        "Judged by": joined([WHOSE[each.source] for each in new]),
        "Changed near it": "; ".join(first.near) if first.near else "nothing that is known",
    }
    if parts:
        evidence["Where"] = parts[0]
    return Finding(State.FAILING, title, says, since=first.since, value=first.after, threshold=spec.drop, evidence=evidence)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


KIND = Kind(
    name="drift",
    about="Fails when quality has lastingly become worse than its baseline, with at most one false alarm per agent-year over all sources; says since when, how much, where, and what changed near it. Watched for every agent, also without such a check.",
    spec=DriftSpec,
    judge=judge,
    woken_by=frozenset({"drift"}),  # so that a decision closes its notice within seconds
    example="drift: {kind: drift, drop: 10%, severity: notice}",
)
