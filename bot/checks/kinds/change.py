"""`change`: the model, version, prompt or index changed, and nobody announced it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from bot.agents.spec import Duration
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Window, span_words
from bot.paging.rules import Finding, State
from bot.quality.words import joined

SHOWN = 3
THINGS = ("model", "version", "prompt", "index")


def parse_things(value: Any) -> tuple[str, ...]:
    """`model`, `[model, prompt]` or `any`; raises ValueError with the remedy."""
    given = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else None
    if given == ["any"]:
        return THINGS
    if not given:
        raise ValueError(f"{value!r} names nothing to watch: write model, version, prompt or index, several as [model, prompt], or any")
    if "any" in given:
        raise ValueError("`any` is all four already: write it alone, or only those that are meant")
    unknown = next((each for each in given if each not in THINGS), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} cannot be watched: write model, version, prompt or index, several as [model, prompt], or any")
    return tuple(each for each in THINGS if each in given)


def write_things(things: tuple[str, ...]) -> str | list[str]:
    """The shortest way to write them."""
    return "any" if things == THINGS else things[0] if len(things) == 1 else list(things)


Things = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_things),
    PlainSerializer(write_things, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": ["any", *THINGS]}, {"type": "array", "items": {"type": "string", "enum": [*THINGS]}, "minItems": 1}]}),
]


class ChangeSpec(CheckSpec):
    """A model, version, prompt or index that a run used for the first time, without a `change` event that names it."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"

    kind: Literal["change"] = Field("change", description="Always `change`.")
    of: Things = Field("any", validate_default=True, description="What must be announced: one of them, several (`[model, prompt]`), or `any`.")
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
    slug: str = ""  # of the agent, where this is the check that the product adds by itself
    rests: bool = False  # that check, beside one of the registry


def judge(facts: ChangeFacts, spec: ChangeSpec, now: datetime) -> Finding:
    """Failing while something first seen in the window is older than `grace` and still not announced."""
    if facts.rests:
        return Finding(State.OK, "Another check tells of changes", "The registry has a change check of its own for this agent.", threshold=0)
    last = f"in the last {span_words(spec.window)}"
    what = "model or version" if spec.of == THINGS else " or ".join([", ".join(spec.of[:-1]), spec.of[-1]] if len(spec.of) > 1 else spec.of)
    if not facts.ever:
        said = joined([f"`{each}`" for each in (("model", "version") if spec.of == THINGS else spec.of)])
        return Finding(State.UNKNOWN, "No version known", f"No run ever named its {what}: report {said} with the runs.", threshold=0, nothing=True)
    mine = [each for each in facts.seen if each.what in spec.of]
    open_ = [each for each in mine if not each.announced]
    late = [each for each in open_ if each.at + spec.grace <= now]
    if late:
        newest, first = late[0], min(each.at for each in late)
        named = joined([f"{each.what} {each.name[:80]}" for each in late[:SHOWN]] + ([f"{len(late) - SHOWN} more"] if len(late) > SHOWN else []))
        says = f"{named[:1].upper()}{named[1:]} came into use {last} without a `change` event that announces it." if len(late) == 1 else f"{named[:1].upper()}{named[1:]} came into use {last} without `change` events that announce them."
        if facts.slug:
            says = _told_by_itself(facts, late, spec)
        title = f"unannounced {newest.what} {newest.name[:60]}" if len(late) == 1 else f"{len(late)} unannounced changes"
        evidence = {f"{each.what.capitalize()} {each.name[:80]}": f"first seen {each.at:%Y-%m-%d %H:%M} UTC" for each in late[:SHOWN]}
        return Finding(State.FAILING, title, says, since=first, value=len(late), threshold=0, evidence=evidence)
    if open_:
        says = f"{open_[0].what.capitalize()} {open_[0].name[:80]} was first seen at {open_[0].at:%H:%M} UTC; it may still be announced."
        return Finding(State.SAME, "A change may still be announced", says, value=0, threshold=0)
    says = f"Every new {what} {last} was announced ({len(mine)})." if mine else f"No new {what} {last}."
    return Finding(State.OK, "Nothing changed unannounced", says, value=0, threshold=0)


def _told_by_itself(facts: ChangeFacts, late: Sequence[Seen], spec: ChangeSpec) -> str:
    """For people who wrote no such check: what came into use and when, how it is announced, and how to have it otherwise."""
    came = [f"{each.what} {each.name[:80]} (since {each.at:%d %b %H:%M} UTC)" for each in late[:SHOWN]] + ([f"{len(late) - SHOWN} more"] if len(late) > SHOWN else [])
    newest, named, them = late[0], joined(came), "them" if len(late) > 1 else "it"
    event = f"{f'`change` events that name {them}' if len(late) > 1 else f'a `change` event that names {them}'}, such as `input: {newest.what}, version: {newest.name[:80]}`"
    return (
        f"{named[:1].upper()}{named[1:]} came into use, and nobody announced {them}. If that was meant, announce {them} with {event}: then this closes by itself, else {_span(spec.window)} after the change. "
        f"To be told of other changes, or of fewer, write a `change` check for {facts.slug} into aiops.yml; it takes the place of this one."
    )


def _span(window: timedelta) -> str:
    return "a day" if window == timedelta(days=1) else span_words(window)


KIND = Kind(
    name="change",
    about="Fails when a run names a model, version, prompt or index never seen before, and no `change` event announced that version; a return to a known one is not noticed. Agents without such a check are watched for unannounced models, prompts and indexes all the same.",
    spec=ChangeSpec,
    judge=judge,
    example="announced: {kind: change, of: model, grace: 15m}",
)
