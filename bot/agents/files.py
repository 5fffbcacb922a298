"""aiops.yml read and judged: every mistake at once, each with its place and its remedy: pure but for reading the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.agents.dependencies import dependency_mistakes
from bot.agents.marked import BadFile, Marked, Mistake, Path, read_marked
from bot.agents.protocols import protocol_mistakes
from bot.agents.spec import STANDARD_LADDER, RegistrySpec

__all__ = ["BadFile", "Mistake", "Read", "check_mistakes", "read_file", "read_text"]

Kinds = Mapping[str, type[BaseModel]]
OWNER_CALLS = ("operations_owner", "backup", "business_owner", "sponsor")


@dataclass(frozen=True)
class Read:
    """A file without mistakes of its own: its parsed form, and the places for whoever finds more."""

    spec: RegistrySpec
    marked: Marked

    @property
    def document(self) -> dict[str, Any]:
        """As plain JSON, holding only what was written."""
        return self.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def read_file(path: FilePath, kinds: Kinds) -> Read:
    """Read and judge the registry file; raises BadFile with everything wrong in it."""
    try:
        text = path.read_bytes()
    except OSError as error:
        told = "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise BadFile([Mistake(0, 0, "", told, "Name it with AIOPS_CONFIG, or begin with docs/aiops.example.yml", path.name)]) from error
    return read_text(text, kinds, file=path.name)


def read_text(text: str | bytes, kinds: Kinds, *, file: str = "aiops.yml") -> Read:
    """The same for a text already read."""
    marked = read_marked(text, file)
    if marked.value is None:
        marked.value = {}
    mistakes = list(marked.mistakes)
    if not isinstance(marked.value, dict):
        raise BadFile([marked.mistake((), "the file must hold keys such as `agents:`", "Begin with docs/aiops.example.yml")])
    mistakes += shape_mistakes(marked, marked.value, RegistrySpec, ())
    mistakes += list(_all_checks(marked, kinds))
    mistakes += list(_promises(marked))
    mistakes += list(dependency_mistakes(marked, kinds))
    mistakes += list(protocol_mistakes(marked))
    if mistakes:
        raise BadFile(mistakes)
    return Read(RegistrySpec.model_validate(marked.value), marked)


# --- the shape ---------------------------------------------------------------------------------------------------


def shape_mistakes(marked: Marked, value: Any, shape: type[BaseModel], at: Path) -> list[Mistake]:
    """What pydantic finds, in our words and at its place."""
    try:
        shape.model_validate(value)
    except ValidationError as error:
        return _without_doubled([_shape_mistake(marked, value, shape, at, each) for each in error.errors(include_url=False)])
    return []


def _without_doubled(mistakes: list[Mistake]) -> list[Mistake]:
    """Of a value that may be several things each possibility complains: the first is enough."""
    first: dict[tuple[int, int, str], Mistake] = {}
    for each in mistakes:
        first.setdefault((each.line, each.column, each.field), each)
    return list(first.values())


def _existing(value: Any, loc: tuple[str | int, ...]) -> Path:
    """The part of pydantic's path that is ours: it adds the names of union branches and validators."""
    path: list[str | int] = []
    for part in loc:
        try:
            value = value[part]  # text is never walked into: pydantic's paths end at it, or go on by a name
        except (KeyError, IndexError, TypeError):
            break
        path.append(part)
    return tuple(path)


def _shape_mistake(marked: Marked, value: Any, shape: type[BaseModel], at: Path, error: ErrorDetails) -> Mistake:
    loc, kind, given, limits = error["loc"], error["type"], error["input"], error.get("ctx", {})
    path = _existing(value, loc)
    whole = (*at, *path)
    if kind == "missing":
        name = str(loc[-1])
        return marked.mistake((*whole, name), "is required", f"Add `{name}: ...` here")
    if kind == "extra_forbidden":
        return marked.mistake(whole, "is not a key known here", _did_you_mean(str(loc[-1]), _known_keys(shape, loc[:-1])), key=True)
    if loc and loc[-1] == "[key]" and kind == "string_pattern_mismatch":
        return marked.mistake(whole, "is no name to go by", "Use small letters, digits and dashes, such as support-triage", key=True)
    if given is None:
        remedy = "Write a value, or remove the line. Text that begins with # must be in quotes, or YAML takes it for a comment"
        return marked.mistake(whole, "is empty", remedy)
    words, remedy = _in_words(kind, given, limits, error["msg"])
    return marked.mistake(whole, words, remedy)


def _in_words(kind: str, given: Any, limits: Mapping[str, Any], said: str) -> tuple[str, str]:
    shown = _shown(given)
    if kind == "value_error":
        message, _, remedy = said.removeprefix("Value error, ").partition(": ")
        return message, remedy[:1].upper() + remedy[1:]
    if kind == "literal_error":
        choices = str(limits.get("expected", "")).replace(" or ", ", ").replace("'", "")
        close = difflib.get_close_matches(str(given), choices.split(", "), n=1)
        return f"{shown} is not one of {choices}", f"Did you mean {close[0]}?" if close else "Choose one of them"
    if kind == "string_pattern_mismatch":
        return f"{shown} does not have the right form", _PATTERNS.get(str(limits.get("pattern")), f"It must match {limits.get('pattern')}")
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must hold keys, and holds {shown}", "Write the keys below it, indented"
    if kind == "list_type":
        return f"must be a list, and is {shown}", "Write [one, two], or each entry on a line that begins with a dash"
    if kind == "string_type":
        return f"must be text, and is {shown}", "Put it in quotes"
    if kind == "bool_type" or kind == "bool_parsing":
        return f"must be true or false, and is {shown}", "Write true or false"
    if kind.startswith(("int_", "float_")):
        return f"must be a number, and is {shown}", "Write it in digits, without quotes"
    if kind.startswith("date"):
        return f"{shown} is not a day", "Write YYYY-MM-DD, such as 2026-12-25"
    bounds = {"greater_than": ("more than", "gt"), "greater_than_equal": ("at least", "ge"), "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le")}
    if kind in bounds:
        words, key = bounds[kind]
        return f"must be {words} {limits.get(key)}, and is {shown}", "Write a number within the bounds"
    if kind in ("string_too_short", "string_too_long"):
        wanted = f"at least {limits['min_length']}" if kind.endswith("short") else f"at most {limits['max_length']}"
        return f"must have {wanted} characters, and has {len(str(given))}", ""
    return said[:1].lower() + said[1:], ""


_PATTERNS = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": "Use small letters, digits and dashes, such as support-triage",
    r"^(#.{1,80}|[CG][A-Z0-9]{2,})$": 'Write "#name" in quotes, or the channel\'s id, such as C0123ABCD',
    r"^([01]\d|2[0-3]):[0-5]\d$": 'Write HH:MM in quotes, such as "09:00"',
    r"^((mon|tue|wed|thu|fri|sat|sun) )?([01]\d|2[0-3]):[0-5]\d$": 'Write a day and HH:MM in quotes, such as "mon 09:00", or only "09:00" for turns of single days',
    r"^[1-9]\d{0,2}[dw]$": "Write 1d, 3d, 1w or 2w",
    r"^\d{4}-\d\d-\d\d [0-2]\d:[0-5]\d$": 'Write "2026-12-24 22:00" in quotes',
    r"^[UW][A-Z0-9]{2,}$": "Copy the member id from the person's Slack profile, such as U0123ABCD",
    r"^https?://": "Write the whole address, beginning with https://",
    r"^(all|none|sample \d{1,4}/day)$": "Write all, none, or sample 20/day",
    r"^A[A-Z0-9]{2,}$": "Copy the app id from the app's page at api.slack.com, such as A0123ABCD",
    r"^[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62})?$": "Write an agent such as gateway, a check of it such as gateway/login, or a name under `upstreams`",
    r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$": "Write an agent and one of its checks, such as gateway/openai",
    r"^\d{1,2}(\.\d+)?%$": "Write a share such as 2%",
}


def _shown(given: Any) -> str:
    if isinstance(given, dict):
        return "keys"
    if isinstance(given, list):
        return "a list"
    if isinstance(given, bool):
        return str(given).lower()
    return repr(given)[:60]


def _did_you_mean(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Known here: {', '.join(known)}" if known else "Remove it"


@lru_cache(maxsize=64)
def _schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    return shape.model_json_schema(by_alias=True)


def _known_keys(shape: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the part at this path of the schema knows, read from the schema itself."""
    whole = _schema_of(shape)
    part: dict[str, Any] = whole
    for step in loc:
        part = _followed(whole, part)
        inner = part.get("properties", {}).get(step) or part.get("additionalProperties") or part.get("items")
        if inner is None and part.get("patternProperties"):
            inner = next(iter(part["patternProperties"].values()))
        if not isinstance(inner, dict):
            return []
        part = inner
    return list(_followed(whole, part).get("properties", {}))


def _followed(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    for _ in range(8):
        if "$ref" in part:
            part = whole["$defs"][part["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in part:
            part = next((each for each in part["anyOf"] if each.get("type") != "null"), {})
        else:
            break
    return part


# --- the checks' own fields --------------------------------------------------------------------------------------


def _all_checks(marked: Marked, kinds: Kinds) -> Iterator[Mistake]:
    for slug, agent in _parts(marked.value, "agents"):
        for name, check in _parts(agent, "checks"):
            yield from check_mistakes(marked, check, kinds, ("agents", slug, "checks", name), agent)


def check_mistakes(marked: Marked, check: Mapping[str, Any], kinds: Kinds, at: Path, agent: Mapping[str, Any]) -> Iterator[Mistake]:
    """What is wrong in one check by its kind, and with its agent; the kinds are handed in, because their room lies above this one."""
    kind = check.get("kind")
    if kind is None:
        yield marked.mistake((*at, "kind"), "is required", f"Add `kind: ...`, one of {', '.join(sorted(kinds))}")
        return
    shape = kinds.get(str(kind))
    if shape is None:
        close = difflib.get_close_matches(str(kind), list(kinds), n=1)
        known = f"Known: {', '.join(sorted(kinds))}"
        yield marked.mistake((*at, "kind"), f"{_shown(kind)} is not a kind of check", f"Did you mean {close[0]}? {known}" if close else known)
        return
    fields = dict(check) if "kind" in shape.model_fields else {key: value for key, value in check.items() if key != "kind"}
    mistakes = shape_mistakes(marked, fields, shape, at)
    yield from mistakes
    fits = getattr(shape, "misfits", None)  # a kind may also need something of its agent
    if fits is not None and not mistakes:
        yield from (marked.mistake((*at, each.field), each.says, each.remedy) for each in fits(shape.model_validate(fields), agent))


# --- what must fit together --------------------------------------------------------------------------------------


def _promises(marked: Marked) -> Iterator[Mistake]:
    """Cross checks that need no directory; they look at whatever has the right shape, also beside other mistakes."""
    ladders = {name: steps for name, steps in _items(marked.value, "ladders") if isinstance(steps, list)}
    yield from _rotations(marked)
    apps: dict[str, str] = {}
    for name, steps in ladders.items():
        if not steps:
            yield marked.mistake(("ladders", name), "has no step, so nobody would be called", "Add `- {call: operations_owner}`")
        for i, step in enumerate(steps):
            call = step.get("call") if isinstance(step, dict) else None
            if isinstance(call, str) and call.startswith("rotation:") and not known_call(call, marked.value):
                yield marked.mistake(("ladders", name, i, "call"), f"there is no rotation {call.removeprefix('rotation:')!r}", _rotation_remedy(call, marked.value))
            elif isinstance(call, str) and not known_call(call, marked.value):
                yield marked.mistake(("ladders", name, i, "call"), f"{call!r} is nobody that can be called", f"Write {', '.join(OWNER_CALLS)}, leads, rotation:name, a Slack id, an e-mail address, \"@group\", \"#channel\", or a name under `people`")
    for slug, agent in _parts(marked.value, "agents"):
        at: Path = ("agents", slug)
        ladder = agent.get("ladder", "standard")
        if isinstance(ladder, str) and ladder not in ladders and ladder != "standard":
            close = difflib.get_close_matches(ladder, [*ladders, "standard"], n=1)
            yield marked.mistake((*at, "ladder"), f"there is no ladder {ladder!r}", f"Did you mean {close[0]}?" if close else f"Known: {', '.join([*ladders, 'standard'])}")
        elif isinstance(ladder, str) and not _reaches_someone(ladders.get(ladder, STANDARD_LADDER), agent, marked.value):
            yield marked.mistake((*at, "ladder") if "ladder" in agent else at, f"the ladder {ladder!r} reaches no person for this agent", "Give it a step such as `{call: operations_owner}`", key="ladder" not in agent)
        for part in ("approvals", "handoffs"):
            named = (agent.get(part) or {}).get("ladder") if isinstance(agent.get(part), dict) else None
            if isinstance(named, str) and named not in ladders and named != "standard":
                yield marked.mistake((*at, part, "ladder"), f"there is no ladder {named!r}", f"Known: {', '.join([*ladders, 'standard'])}")
        app = agent.get("slack_app")
        if isinstance(app, str):
            if app in apps:
                yield marked.mistake((*at, "slack_app"), f"the Slack app {app} already belongs to {apps[app]}", "An app speaks for one agent: give each its own, or leave it out")
            apps.setdefault(app, slug)
    for name, person in _parts(marked.value, "people"):
        if not person.get("slack") and not person.get("email"):
            yield marked.mistake(("people", name), "has neither `slack` nor `email`", "Add one, so that Slack's directory knows who is meant", key=True)
        for route in person.get("wake") or [] if isinstance(person.get("wake"), list) else []:
            if isinstance(route, str) and route in ("email", "webhook", "pagerduty") and not person.get(route):
                yield marked.mistake(("people", name, "wake"), f"names the route {route}, but gives no `{route}`", f"Add `{route}: ...` to {name}")


def _rotations(marked: Marked) -> Iterator[Mistake]:
    """Turns that would belong to nobody, or pass on at a day they can never fall on."""
    for name, rotation in _parts(marked.value, "rotations"):
        at: Path = ("rotations", name)
        if rotation.get("people") == []:
            yield marked.mistake((*at, "people"), "names nobody, so nobody would be on call", "Name one person or more, such as [omar, U0LEA]")
        handover, every = rotation.get("handover"), rotation.get("every", "1w")
        if isinstance(handover, str) and " " in handover and isinstance(every, str) and every.endswith("d") and every[:-1].isdigit() and int(every[:-1]) % 7:
            yield marked.mistake((*at, "handover"), f"{handover!r} names a weekday, and turns of {every} do not end on it", f'Write only the hour, such as "{handover.split(" ")[-1]}", or `every: 1w`')


def _rotation_remedy(call: str, document: Any) -> str:
    known = list(dict(_items(document, "rotations")))
    close = difflib.get_close_matches(call.removeprefix("rotation:"), known, n=1)
    return f"Did you mean rotation:{close[0]}?" if close else f"Known: {', '.join(known)}" if known else "Describe it under `rotations:`"


def known_call(call: str, document: Mapping[str, Any]) -> bool:
    """Whether a rung's `call` has a form that can be somebody; whether Slack knows them is asked later."""
    if call.startswith("rotation:"):
        return call.removeprefix("rotation:") in dict(_items(document, "rotations"))
    named = call in OWNER_CALLS or call == "leads" or call in dict(_items(document, "people"))
    return named or call.startswith(("#", "@")) or "@" in call or (call[:1] in "UWSCG" and call[1:].isalnum() and call.isupper())


def _reaches_someone(steps: list[Any], agent: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    for step in steps:
        call = str(step.get("call", "")) if isinstance(step, dict) else ""
        owners = agent.get("owners")
        if call in OWNER_CALLS:
            if isinstance(owners, dict) and not owners.get(call.removesuffix("_owner")):
                continue
        elif call == "leads":
            workspace = document.get("workspace")
            if not (isinstance(workspace, dict) and workspace.get("leads")):
                continue
        elif call.startswith("rotation:"):
            rotation = dict(_items(document, "rotations")).get(call.removeprefix("rotation:"))
            if not (isinstance(rotation, dict) and rotation.get("people")):
                continue
        elif call.startswith("#") or (call[:1] in "CG" and call.isupper()):
            continue
        if call:
            return True
    return False


def _items(part: Any, key: str) -> list[tuple[str, Any]]:
    inner = part.get(key) if isinstance(part, dict) else None
    return list(inner.items()) if isinstance(inner, dict) else []


def _parts(part: Any, key: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, each) for name, each in _items(part, key) if isinstance(each, dict)]


def schema() -> dict[str, Any]:
    """The JSON Schema of aiops.yml, as published in docs/aiops.schema.json."""
    found = RegistrySpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "aiops.yml", "description": "The registry of aiops-bot: " + str(RegistrySpec.__doc__), **{key: value for key, value in found.items() if key not in ("title", "description")}}


