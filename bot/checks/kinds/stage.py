"""`stage`: the agent ran in another stage than it was ordered to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.agents.spec import Duration
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Window, span_words
from bot.paging.rules import Finding, State
from bot.quality.words import plural

STOPPED = ("suspended", "retired")


class StageSpec(CheckSpec):
    """Runs that obey another stage than the one in force."""

    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=1)

    kind: Literal["stage"] = Field("stage", description="Always `stage`.")
    grace: Duration = Field(timedelta(minutes=5), description="How long after an order runs may still be in the stage before.")
    confirm: Duration = Field(timedelta(minutes=2), description="How long it may take to confirm an order: by reading its gate, by its webhook, or by a run.")
    window: Window = Field(timedelta(hours=1), description="How long it must have obeyed before it is well again.")


@dataclass(frozen=True)
class StagedRun:
    """A run, and the stage it says it obeyed."""

    name: str
    at: datetime
    stage: str | None
    cancelled: bool = False
    version: str | None = None


@dataclass(frozen=True)
class StageFacts:
    """The stage in force, and the newest runs since it is, the newest first."""

    ordered: str
    since: datetime
    reason: str = ""
    by: str = ""
    runs: Sequence[StagedRun] = ()
    heard: bool = False  # whether the agent ever reported anything
    version: str | None = None  # the version ordered, where one was
    asked: datetime | None = None  # an order that nobody has confirmed, of which something depends
    obeyed: datetime | None = None  # when the order in force was confirmed


def judge(facts: StageFacts, spec: StageSpec, now: datetime) -> Finding:
    """Failing when a run of the window, begun after the order and its grace, was in another stage.

    An agent that is stopped must not run at all, so there a run that names no stage is a failure too, and silence is obedience.
    """
    stopped = facts.ordered in STOPPED
    order = f"{facts.ordered} is in force since {facts.since:%Y-%m-%d %H:%M} UTC" + (f", ordered by {facts.by}" if facts.by else "")
    bound = [run for run in facts.runs if run.at > facts.since + spec.grace and (run.stage is not None or _other_version(run, facts) or (stopped and not run.cancelled))]
    wrong = [run for run in bound if (run.stage or facts.ordered) != facts.ordered or _other_version(run, facts) or (stopped and run.stage is None)]
    lately = [run for run in wrong if run.at > now - spec.window]
    if lately:
        first, newest = lately[-1], lately[0]
        if newest.stage in (None, facts.ordered) and _other_version(newest, facts):
            return _wrong_version(facts, lately, order)
        how = f"as {newest.stage}" if newest.stage else "though it is stopped"
        looked = sum(run.at > now - spec.window for run in bound)
        says = f"{len(lately)} of the newest {plural(looked, 'run')} in the last {span_words(spec.window)} ran {how}; {order}."
        evidence = {"Ordered": facts.ordered, "It ran": f"as {newest.stage}" if newest.stage else "without naming a stage", "Newest such run": newest.name, "Reason of the order": facts.reason[:200]}
        title = f"it runs {how}" if stopped and not newest.stage else f"it runs {how}, not {facts.ordered}"
        return Finding(State.FAILING, title, says, since=first.at, value=len(lately), threshold=0, evidence={key: words for key, words in evidence.items() if words})
    if facts.asked is not None and now >= facts.asked + spec.confirm:
        wanted = {"suspended": "to stop", "assisted": "to work under human review", "shadow": "to work in shadow"}.get(facts.ordered, f"to be {facts.ordered}")
        if facts.version is not None:
            wanted = f"to go back to version {facts.version[:60]}"
        says = f"Nothing confirms since {facts.asked:%Y-%m-%d %H:%M} UTC that it does: it did not read the order at its gate, its webhook did not answer, no run reported it, and nobody says that they switched it by hand; {order}."
        return Finding(State.FAILING, f"it does not confirm the order {wanted}", says, since=facts.asked, evidence={"Ordered": facts.ordered, **({"Version": facts.version} if facts.version else {}), **({"Reason of the order": facts.reason[:200]} if facts.reason else {})})
    if bound and bound[0] not in wrong:
        return Finding(State.OK, "It obeys its stage", f"The newest run obeyed {facts.ordered}; {order}.", value=0, threshold=0)
    if facts.obeyed is not None and not bound:
        return Finding(State.OK, "It obeys", f"It confirmed the order at {facts.obeyed:%Y-%m-%d %H:%M} UTC; {order}.", value=0, threshold=0)
    if stopped and facts.heard:
        return Finding(State.OK, "It stands still", f"No run in the last {span_words(spec.window)}; {order}.", value=0, threshold=0)
    if bound:
        return Finding(State.SAME, "No newer run", f"No run since the one that ran as {bound[0].stage}; {order}.", value=0, threshold=0)
    said = "None of its runs since says which stage it obeyed: report `stage` with the runs" if facts.runs else "No run was reported since"
    return Finding(State.UNKNOWN, "Its stage is not known", f"{said}; {order}.", threshold=0, nothing=bool(facts.runs) or not facts.heard)


def _other_version(run: StagedRun, facts: StageFacts) -> bool:
    return facts.version is not None and run.version is not None and run.version != facts.version and not run.cancelled


def _wrong_version(facts: StageFacts, wrong: Sequence[StagedRun], order: str) -> Finding:
    newest = wrong[0]
    says = f"{plural(len(wrong), 'run')} used version {newest.version}, and {facts.version} was ordered; {order}."
    return Finding(State.FAILING, f"it runs version {newest.version}, not {facts.version}"[:200], says, since=wrong[-1].at, value=len(wrong), threshold=0, evidence={"Ordered": str(facts.version), "It ran": str(newest.version), "Newest such run": newest.name})


KIND = Kind(
    name="stage",
    about="Fails when a run was in another stage (or version) than the one ordered, when an agent that is stopped still runs, or when it does not confirm an order in time; looked at also while it is stopped. An agent without such a check gets one with its first order.",
    spec=StageSpec,
    judge=judge,
    rests=False,
    example="obeys: {kind: stage, grace: 5m}",
)
