"""Whether one event can be taken: its shape, its text, its time, its agent. What cannot is refused by field, with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from bot.intake.agents import AgentRef
from bot.intake.events import EXAMPLES, KINDS, LARGEST, LATER, AnyEvent, EvaluationEvent, RunEvent
from bot.intake.runs import Run, as_run, plain_run

BACK = timedelta(days=30)
AHEAD = timedelta(minutes=5)
DEPTH = 16


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one event was not taken."""

    index: int
    id: str | None
    field: str | None
    code: str
    message: str

    def told(self) -> dict[str, Any]:
        return {"index": self.index, "id": self.id, "field": self.field, "code": self.code, "message": self.message}


@dataclass(slots=True, eq=False)
class Item:
    """One event that can be stored; `content` is the digest by which the same id with other content is found out.

    `said` is what became of it, once it is: accepted, duplicate, or refused after all.
    """

    index: int
    event: AnyEvent | Run  # a run is always a Run
    agent: AgentRef
    content: str
    said: Literal["", "accepted", "duplicate"] | Refusal = ""
    ms: int | None = None  # how long a run took, once its row is made
    more: dict[str, Any] | None = None  # what a trace says of its run beside what an event can say

    @property
    def told_as(self) -> str:
        return f"{self.event.type} {self.event.id} of {self.agent.slug}"

    def refuse(self, field: str | None, code: str, message: str) -> None:
        self.said = Refusal(self.index, self.event.id, field, code, message)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all events of one request."""

    now: datetime
    agent: Callable[[str], AgentRef | None]  # by slug
    allowed: frozenset[str] | None  # the agents the token is limited to
    any_age: bool = False  # import


_VALIDATORS = {name: kind.__pydantic_validator__ for name, kind in KINDS.items()}


def judge(index: int, raw: Any, terms: Terms) -> Item | Refusal:
    """The event as it will be stored, or why not."""
    if isinstance(raw, Refusal):
        return raw
    if not isinstance(raw, dict):
        return Refusal(index, None, None, "not_an_object", 'an event is a JSON object: {"id": ..., "type": ..., "agent": ..., "at": ...}')
    named = raw.get("type")
    try:
        # Null is the same as left out, whatever the order of fields: one digest.
        said = {k: v for k, v in raw.items() if v is not None} if None in raw.values() else raw
        content = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        return _unclean(index, raw)
    if b"\\u0000" in content and (found := find_text(raw, "\0")) is not None:
        return _refuse(index, raw, found, "nul", f"{_quoted(found)} contains the character U+0000, which cannot be stored: remove it")
    event: AnyEvent | Run | None = plain_run(raw) if named == "run" else None
    if event is None:
        validator = _VALIDATORS.get(named) if isinstance(named, str) else None
        if validator is None:
            return _refuse(index, raw, "type", *_wrong_type(raw, named))
        try:
            event = validator.validate_python(raw)
        except ValidationError as error:
            return _first_error(index, raw, error)
        if isinstance(event, RunEvent):
            event = as_run(event)
    if terms.allowed is not None and event.agent not in terms.allowed:
        return _refuse(index, raw, "agent", "not_allowed", f"this token may not report for {event.agent!r}")
    agent = terms.agent(event.agent)
    if agent is None:
        return _refuse(index, raw, "agent", "unknown_agent", f"there is no agent {event.agent[:128]!r} in the registry: add it to aiops.yml or with `/aiops agent add`")
    if agent.archived:
        return _refuse(index, raw, "agent", "archived_agent", f"agent {event.agent!r} was taken out of the registry: add it again to report for it")
    if isinstance(event, EvaluationEvent) and (odd := out_of_range(event.name, event.score, agent)) is not None:
        return _refuse(index, raw, "score", "out_of_range", odd)
    if agent.retired:
        return _refuse(index, raw, "agent", "retired_agent", f"agent {event.agent!r} {agent.retired}: nothing is taken for it any more")
    late = _out_of_time(event.at, terms)
    if late is not None:
        return _refuse(index, raw, "at", *late)
    return Item(index, event, agent, blake2b(content, digest_size=16).hexdigest())


def out_of_range(name: str, score: float | None, agent: AgentRef) -> str | None:
    """Why this score cannot be one of that evaluation; None where it can."""
    rule = agent.evaluations.get(name)
    if rule is None or rule.range is None or score is None or rule.range[0] <= score <= rule.range[1]:
        return None
    return f"`score` is {score:g}, outside the range {rule.range[0]:g} to {rule.range[1]:g} that the registry names for {name[:64]!r}: is it on another scale?"


def _out_of_time(at: datetime, terms: Terms) -> tuple[str, str] | None:
    if at > terms.now + AHEAD:
        return "in_future", f"`at` is {at:%Y-%m-%d %H:%M:%S} UTC, more than 5 minutes ahead of the server's {terms.now:%Y-%m-%d %H:%M:%S}: check the clock and its zone"
    if terms.any_age:
        return ("too_old", "`at` lies before 1970") if at.year < 1970 else None
    if at < terms.now - BACK:
        return "too_old", "`at` is more than 30 days back: use `aiops import` for history"
    return None


def _wrong_type(raw: dict[str, Any], named: Any) -> tuple[str, str]:
    known = ", ".join(KINDS)
    if named in LATER if isinstance(named, str) else False:
        return "not_yet_accepted", f"events of type {named} are not yet accepted by this version"
    if "type" not in raw:
        return "missing_field", f"`type` is missing: one of {known}"
    return "unknown_type", f"{str(named)[:50]!r} is not a type of event: use one of {known}"


def _unclean(index: int, raw: dict[str, Any]) -> Refusal:
    """orjson would not write it: a lone surrogate, an integer beyond 64 bits, or endless nesting."""
    if depth_of(raw) > DEPTH:
        return _refuse(index, raw, None, "too_deep", f"the event is nested deeper than {DEPTH}")
    found = find_text(raw, None)
    if found is not None:
        return _refuse(index, raw, found, "bad_text", f"{_quoted(found)} contains half of a character (a lone surrogate, or bytes that are not UTF-8): send valid UTF-8")
    return _refuse(index, raw, None, "bad_value", f"a number is too large: integers go from 0 to {LARGEST}")


def _first_error(index: int, raw: dict[str, Any], error: ValidationError) -> Refusal:
    if depth_of(raw) > DEPTH:
        return _refuse(index, raw, None, "too_deep", f"the event is nested deeper than {DEPTH}")
    told = error.errors(include_url=False, include_input=False)
    # A forgotten or misspelled field explains the rest best.
    first = min(told, key=lambda each: {"missing": 0, "extra_forbidden": 1}.get(each["type"], 2))
    kind, where = first["type"], _place(first)
    field = ".".join(where) or None
    context = first.get("ctx") or {}
    noun = KINDS[raw["type"]].noun
    if kind == "missing":
        code, message = "missing_field", f"{_quoted(field)} is missing in {noun}"
    elif kind == "extra_forbidden":
        code, message = "unknown_field", f"{_quoted(field)} is not a field of {noun}: {_fields_of(raw['type'], where)}"
    elif kind in ("string_too_long", "too_long"):
        code, message = "too_long", f"{_quoted(field)} is too long: at most {context.get('max_length')} {'characters' if kind == 'string_too_long' else 'entries'}"
    elif kind in ("time", "money", "decimal"):
        code, message = "bad_value", f"{_quoted(field)}: {first['msg']}"
    elif kind in ("ends_early", "missing_one"):
        code, message = ("missing_field" if kind == "missing_one" else "bad_value"), first["msg"]
    elif kind == "string_pattern_mismatch":
        code, message = "bad_value", f"{_quoted(field)} does not look right: {_pattern_words(where[-1])}"
    else:
        code = "wrong_type" if kind.endswith(("_type", "_parsing", "_from_float")) else "bad_value"
        message = f"{_quoted(field)}: {first['msg'][0].lower()}{first['msg'][1:]}"
    more = len(told) - 1
    return _refuse(index, raw, field, code, message + (f" (and {more} more)" if more else ""))


def _place(error: Any) -> list[str]:
    if error.get("ctx") and "field" in error["ctx"]:
        return [str(error["ctx"]["field"])]
    return [str(part)[:128] for part in error["loc"]]


def _pattern_words(field: str) -> str:
    return {
        "person": "a Slack id such as U0LEA, or an e-mail address",
        "triggered_by": "a Slack id such as U0LEA, or an e-mail address",
        "currency": "an ISO 4217 code such as USD",
        "channel": "a channel's id such as C0123ABC",
        "ts": "a message's ts such as 1763625600.000100",
        "url": "an address that begins with http:// or https://",
    }.get(field, "see /docs")


def _fields_of(kind: str, where: list[str]) -> str:
    """What may stand where the unknown field stood."""
    known: Any = KINDS[kind].model_fields
    for part in where[:-1]:
        example = EXAMPLES[kind].get(part)
        known = example if isinstance(example, dict) else {}
    return f"it may have {', '.join(known)}" if known else "leave it out"


def _refuse(index: int, raw: dict[str, Any], field: str | None, code: str, message: str) -> Refusal:
    found = raw.get("id")
    shown = found[:128].encode("utf-8", "replace").decode() if isinstance(found, str) else None
    clean = message.encode("utf-8", "replace").decode()
    return Refusal(index, shown, None if field is None else field.encode("utf-8", "replace").decode(), code, clean)


def _quoted(field: str | None) -> str:
    return f"`{field}`" if field else "the event"


def find_text(value: Any, wanted: str | None) -> str | None:
    """The dotted name of the first text (or key) with `wanted` in it, or with a lone surrogate where None."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        name, here = waiting.pop()
        if isinstance(here, str):
            if _has(here, wanted):
                return name
        elif isinstance(here, dict):
            for key, inner in here.items():
                if _has(key, wanted):
                    return f"{name}.{key}".lstrip(".")[:200].replace("\0", "\\0")
                waiting.append((f"{name}.{key}".lstrip(".")[:200], inner))
        elif isinstance(here, list):
            waiting.extend((f"{name}.{i}"[:200], inner) for i, inner in enumerate(here))
    return None


def _has(text: str, wanted: str | None) -> bool:
    if wanted is not None:
        return wanted in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def depth_of(value: Any) -> int:
    """How deep objects and lists are nested; stops counting beyond DEPTH."""
    deep, level = 0, [value]
    while level and deep <= DEPTH:
        level = [inner for here in level if isinstance(here, (dict, list)) for inner in (here.values() if isinstance(here, dict) else here)]
        deep += 1
    return deep
