"""`error_rate`: too many of the agent's runs fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import CountedWindow, Share, span_words, too_often, write_share
from bot.paging.rules import Finding, State
from bot.quality.words import plural
from bot.stats import wilson


class ErrorRateSpec(CheckSpec):
    """The share of failed runs over some time."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"

    kind: Literal["error_rate"] = Field("error_rate", description="Always `error_rate`.")
    at_most: Share = Field(description="Share of runs that may fail, such as `2%`.")
    window: CountedWindow = Field(timedelta(hours=1), description="Over how long: 5m to 24h, or whole days, today included.")
    min_samples: int = Field(20, ge=1, le=1_000_000, description="Runs needed before it is judged.")


@dataclass(frozen=True)
class RunCounts:
    """The runs of the window, and those of them that failed."""

    runs: int = 0
    failed: int = 0


def judge(facts: RunCounts, spec: ErrorRateSpec, now: datetime) -> Finding:
    """Failing when the share of failed runs is above what is promised, and that can hardly be chance."""
    last = f"in the last {span_words(spec.window)}"
    if not facts.runs:
        return Finding(State.UNKNOWN, "No runs", f"No run was reported {last}, so there is nothing to judge.", threshold=spec.at_most, nothing=True)
    runs, failed = plural(facts.runs, "run"), f"{facts.failed:,}"
    if facts.runs < spec.min_samples:
        says = f"{failed} of {runs} failed {last}: too few runs to say ({spec.min_samples:,} are needed)."
        return Finding(State.UNKNOWN, "Too few runs", says, threshold=spec.at_most)
    share, state = facts.failed / facts.runs, too_often(facts.failed, facts.runs, spec.at_most)
    low, high = wilson(share, facts.runs)
    said = f"{failed} of {runs} failed {last} ({write_share(share)})"
    evidence = {"Failed": f"{failed} of {runs}", "Share": write_share(share), "90% interval": f"{write_share(low)} to {write_share(high)}", "Promised": f"at most {write_share(spec.at_most)}"}
    titles = {State.OK: "Few runs fail", State.SAME: "Runs may fail too often", State.FAILING: f"{write_share(share)} of runs fail"}
    ends = {
        State.OK: f"; at most {write_share(spec.at_most)} is promised.",
        State.SAME: f", more than {write_share(spec.at_most)}, but so few that it may be chance.",
        State.FAILING: f", more than {write_share(spec.at_most)}.",
    }
    since = now if state is State.FAILING else None
    return Finding(state, titles[state], said + ends[state], since=since, value=share, threshold=spec.at_most, evidence=evidence)


KIND = Kind(
    name="error_rate",
    about="Fails when a larger share of runs than promised failed in the window, beyond what chance explains (lower end of the 90% interval).",
    spec=ErrorRateSpec,
    judge=judge,
    example="errors: {kind: error_rate, at_most: 2%, window: 1h, min_samples: 50}",
)
