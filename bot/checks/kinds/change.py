"""`change`: the model, version, prompt or index changed, and nobody announced it."""

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
from bot.quality.words import joined

SHOWN = 3


class ChangeSpec(CheckSpec):
    """A model, version, prompt or index that a run used for the first time, without a `change` event that names it."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"

    kind: Literal["change"] = Field("change", description="Always `change`.")
    of: Literal["any", "model", "version", "prompt", "index"] = Field("any", description="What must be announced.")
    grace: Duration = Field(timedelta(minutes=15), description="How long after its first run a change may still be announced.")
    window: Window = Field(timedelta(days=1), description="Changes older than this are told no more.")


@dataclass(frozen=True)
class Seen:
    """A model, version, prompt or index first seen in a run; `announced` where a `change` event names the same version."""

    what: str  # model, version, prompt, index
    name: str
    at: datetime
    announced: bool = False


@dataclass(frozen=True)
class ChangeFacts:
    """What was first seen in the window (the very first of each is no change), the newest first."""

    seen: Sequence[Seen] = ()
    ever: bool = False  # whether a run ever named one


def judge(facts: ChangeFacts, spec: ChangeSpec, now: datetime) -> Finding:
    """Failing while something first seen in the window is older than `grace` and still not announced."""
    last = f"in the last {span_words(spec.window)}"
    what = "model or version" if spec.of == "any" else spec.of
    if not facts.ever:
        said = "`model` and `version`" if spec.of == "any" else f"`{spec.of}`"
        return Finding(State.UNKNOWN, "No version known", f"No run ever named its {what}: report {said} with the runs.", threshold=0, nothing=True)
    mine = [each for each in facts.seen if spec.of in ("any", each.what)]
    open_ = [each for each in mine if not each.announced]
    late = [each for each in open_ if each.at + spec.grace <= now]
    if late:
        newest, first = late[0], min(each.at for each in late)
        named = joined([f"{each.what} {each.name[:80]}" for each in late[:SHOWN]] + ([f"{len(late) - SHOWN} more"] if len(late) > SHOWN else []))
        says = f"{named[:1].upper()}{named[1:]} came into use {last} without a `change` event that announces it." if len(late) == 1 else f"{named[:1].upper()}{named[1:]} came into use {last} without `change` events that announce them."
        title = f"unannounced {newest.what} {newest.name[:60]}" if len(late) == 1 else f"{len(late)} unannounced changes"
        evidence = {f"{each.what.capitalize()} {each.name[:80]}": f"first seen {each.at:%Y-%m-%d %H:%M} UTC" for each in late[:SHOWN]}
        return Finding(State.FAILING, title, says, since=first, value=len(late), threshold=0, evidence=evidence)
    if open_:
        says = f"{open_[0].what.capitalize()} {open_[0].name[:80]} was first seen at {open_[0].at:%H:%M} UTC; it may still be announced."
        return Finding(State.SAME, "A change may still be announced", says, value=0, threshold=0)
    says = f"Every new {what} {last} was announced ({len(mine)})." if mine else f"No new {what} {last}."
    return Finding(State.OK, "Nothing changed unannounced", says, value=0, threshold=0)


KIND = Kind(
    name="change",
    about="Fails when a run names a model, version, prompt or index never seen before, and no `change` event announced that version; a return to a known one is not noticed.",
    spec=ChangeSpec,
    judge=judge,
    example="announced: {kind: change, of: model, grace: 15m}",
)
