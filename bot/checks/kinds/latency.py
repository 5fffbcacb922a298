"""`latency`: runs take longer than promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import CountedWindow, Latency, span_words, write_latency
from bot.paging.rules import Finding, State
from bot.quality.words import ms_words, plural
from bot.stats import percentile


class LatencySpec(CheckSpec):
    """A percentile of how long runs take."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"

    kind: Literal["latency"] = Field("latency", description="Always `latency`.")
    at_most: Latency = Field(description="How long a run may take: `800ms`, `2s`, `5m` or `1h`.")
    percentile: float = Field(95, ge=1, lt=100, description="Share of runs, in percent, that must keep it.")
    window: CountedWindow = Field(timedelta(hours=1), description="Over how long: 5m to 24h, or whole days, today included.")
    min_samples: int = Field(20, ge=1, le=1_000_000, description="Runs with a known duration needed before it is judged.")


@dataclass(frozen=True)
class LatencyFacts:
    """All runs of the window, and the histogram (stats.bin_of milliseconds) of those that said how long they took."""

    runs: int = 0
    bins: Mapping[int, int] = field(default_factory=dict)


def judge(facts: LatencyFacts, spec: LatencySpec, now: datetime) -> Finding:
    """Failing when the percentile, read from the histogram (within 4.5%), is above what is promised."""
    last, limit = f"in the last {span_words(spec.window)}", spec.at_most / timedelta(milliseconds=1)
    timed = sum(facts.bins.values())
    took = percentile(facts.bins, spec.percentile / 100)
    if took is None:
        if not facts.runs:
            says = f"No run was reported {last}, so there is nothing to judge."
        else:
            says = f"Of {plural(facts.runs, 'run')} {last} none said how long it took: report `started_at` and `ended_at`."
        return Finding(State.UNKNOWN, "No durations", says, threshold=limit, nothing=True)
    if timed < spec.min_samples:
        says = f"{plural(timed, 'run')} with a duration {last}: too few to say ({spec.min_samples:,} are needed)."
        return Finding(State.UNKNOWN, "Too few durations", says, threshold=limit)
    name, promised = f"p{spec.percentile:g}", write_latency(spec.at_most)
    says = f"{spec.percentile:g}% of {plural(timed, 'run')} {last} took up to {ms_words(took)}"
    evidence = {name: ms_words(took), "Half of the runs took up to": ms_words(percentile(facts.bins, 0.5)), "Runs": f"{timed:,}", "Promised": f"{name} at most {promised}"}
    if took > limit:
        return Finding(State.FAILING, f"runs are slow ({name} {ms_words(took)})", f"{says}, more than {promised}.", since=now, value=took, threshold=limit, evidence=evidence)
    return Finding(State.OK, "Runs are quick enough", f"{says}; at most {promised} is promised.", value=took, threshold=limit, evidence=evidence)


KIND = Kind(
    name="latency",
    about="Fails when a percentile of the runs' durations (from `started_at` to `ended_at`) is above what is promised.",
    spec=LatencySpec,
    judge=judge,
    example="quick: {kind: latency, percentile: 95, at_most: 4s, window: 1h}",
)
