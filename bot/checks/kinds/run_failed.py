"""`run_failed`: the agent reported a run that failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.agents.spec import write_duration
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Window
from bot.paging.rules import Finding, State


class RunFailedSpec(CheckSpec):
    """A run that failed, until later ones are ok."""

    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=15)

    kind: Literal["run_failed"] = Field("run_failed", description="Always `run_failed`.")
    window: Window = Field(timedelta(days=1), description="Failures older than this start no problem.")
    after: int = Field(1, ge=1, le=100, description="How many failed runs in a row make it a problem.")
    well_after: int = Field(1, ge=1, le=100, description="How many ok runs in a row make it well again.")


@dataclass(frozen=True)
class RunSeen:
    """One finished run."""

    name: str
    ok: bool
    at: datetime
    error: str = ""
    version: str = ""


@dataclass(frozen=True)
class RunFacts:
    """The newest finished runs, newest first; enough of them for `after` and `well_after`."""

    runs: tuple[RunSeen, ...] = ()


def judge(facts: RunFacts, spec: RunFailedSpec, now: datetime) -> Finding:
    """Failing when the newest runs failed, `after` in a row; well again when the newest `well_after` are ok."""
    if not facts.runs:
        return Finding(State.UNKNOWN, "No run yet", "No run was reported yet, so there is nothing to judge.", threshold=spec.after, nothing=True)
    newest = facts.runs[0]
    in_row = 0
    for run in facts.runs:
        if run.ok != newest.ok:
            break
        in_row += 1
    if newest.ok:
        says = f"The last {in_row} runs were ok." if in_row > 1 else "The last run was ok."
        state = State.OK if in_row >= spec.well_after or in_row == len(facts.runs) else State.SAME
        return Finding(state, "Runs are ok", says, since=facts.runs[in_row - 1].at, value=0, threshold=spec.after, evidence={"Last run": newest.name})
    first = facts.runs[in_row - 1]
    evidence = {"Failed run": newest.name, "Its error": newest.error or "the agent gave no reason", "Version": newest.version}
    how_many = f"{in_row} runs in a row failed" if in_row > 1 else "The last run failed"
    allowed = f" (a problem from {spec.after} in a row on)" if spec.after > 1 else ""
    says = f"{how_many}{allowed}" + (f": {newest.error[:300].rstrip('.')}" if newest.error else ", and the agent gave no reason") + "."
    if in_row < spec.after:
        return Finding(State.SAME, "A run failed", says, since=first.at, value=in_row, threshold=spec.after, evidence=evidence)
    if newest.at < now - spec.window:
        says = f"The last run failed, longer than {write_duration(spec.window)} ago: too old to call anybody."
        return Finding(State.SAME, "An old run failed", says, since=first.at, value=in_row, threshold=spec.after)
    title = "a run failed" if in_row == 1 else f"{in_row} runs in a row failed"
    return Finding(State.FAILING, title, says, since=first.at, value=in_row, threshold=spec.after, evidence=evidence)


KIND = Kind(
    name="run_failed",
    about="Fails when the agent reports a failed run (or several in a row), and is well again after an ok one; seen within a second of the report.",
    spec=RunFailedSpec,
    judge=judge,
    woken_by=frozenset({"run"}),
    counts_itself=True,
    example="runs: {kind: run_failed, after: 2, why: the morning shift starts from its queue}",
)
