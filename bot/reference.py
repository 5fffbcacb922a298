"""The tables of the documentation, written from the code: `python -m bot.reference` renews them in README.md and docs/."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from bot.agents.files import schema
from bot.agents.names import ROLE_WORDS
from bot.agents.spec import STANDARD_LADDER, OwnersSpec, write_duration
from bot.checks.kinds import KINDS as CHECK_KINDS
from bot.checks.kinds.kind import CheckSpec
from bot.doctor.scopes import EVENTS, SCOPES
from bot.intake.events import KINDS as EVENT_KINDS
from bot.intake.events import LARGEST, Event
from bot.people.rules import RULES, Role
from bot.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
FILES = (ROOT / "README.md", ROOT / "docs" / "reference.md")
_PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_UNSET = "(none)"
_SPAN = TypeAdapter(timedelta)


class UnknownPart(ValueError):
    """A file marks a part that nothing here writes."""


def fill(text: str) -> str:
    """The text with each marked part written anew; what stands between the parts stays untouched."""

    def write(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in PARTS:
            raise UnknownPart(f"there is no generated part {name!r}: write {', '.join(sorted(PARTS))}")
        return f"{found[1]}{PARTS[name]()}\n{found[3]}"

    return _PART.sub(write, text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars and line breaks inside a cell are made harmless."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def code(text: str) -> str:
    """As code; a text that holds a backtick gets two around it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


# --- settings -----------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every environment variable, its meaning and default."""
    return table(("Variable", "What it does", "Default"), ((code(str(field.alias)), field.description or "", _default(field)) for field in Settings.model_fields.values()))


def _default(field: FieldInfo) -> str:
    if field.default is None or field.default == "" or isinstance(field.default, SecretStr):
        return _UNSET
    return code(str(field.default))


# --- who may do what ----------------------------------------------------------------------------------------------


def rules() -> str:
    """Everything people can do, and which roles may; no role not named here may."""
    roles = [role for role in Role if role not in (Role.GUEST, Role.STRANGER)]
    return table(("What", *roles, "guest, stranger"), ((f"{act}", *("✓" if role in rule.roles else "" for role in roles), _guests(rule.roles)) for act, rule in RULES.items()))


def _guests(roles: frozenset[Role]) -> str:
    return "yes" if roles & {Role.GUEST, Role.STRANGER} else "no"


# --- Slack --------------------------------------------------------------------------------------------------------


def scopes() -> str:
    """Every right asked of Slack."""
    return table(("Scope", "Why", "Without it"), ((code(scope.name) + (" (optional)" if scope.optional else ""), scope.why, scope.without) for scope in SCOPES.values()))


def slack_events() -> str:
    """Every kind of event Slack is asked to tell."""
    return table(("Event", "Why", "Needs"), ((code(name), heard.why, " or ".join(map(code, heard.scopes)) or "nothing") for name, heard in EVENTS.items()))


def hosts() -> str:
    """Every host this program speaks to; there are no others, and nothing phones home."""
    slack, pagerduty = (urlsplit(str(Settings.model_fields[name].default)).hostname for name in ("slack_api_url", "pagerduty_url"))
    return table(("Host", "When", "What goes there"), (
        (code(str(slack)), "always, unless SLACK_API_URL names another or local mode is on", "messages, and questions about people, groups and channels"),
        ("the `wss://` host that Slack names at connecting", "with SLACK_APP_TOKEN (Socket Mode)", "acknowledgements; presses and events come in"),
        ("the `hooks.slack.com` address in a press", "when somebody presses a button or uses a command", "the answer for that person alone"),
        ("your mail server", "with AIOPS_SMTP_URL, for people whose `wake` names email", "pages"),
        (code(str(pagerduty)), "for people whose `wake` names pagerduty (AIOPS_PAGERDUTY_URL)", "pages"),
        ("the address in AIOPS_DEADMAN_URL", "after each self-test page that arrived", "a GET that says: pages arrive"),
        ("addresses under `webhook:` in aiops.yml", "for people whose `wake` names webhook; for agents at each order", "pages; orders to the agent, both signed"),
        ("addresses under `feedback: to:` in aiops.yml (LangSmith's is `api.smith.langchain.com` unless named)", "after each vote, change of one, or retraction", "the vote, its reason and correction, as the registry allows"),
        ("addresses of `http`, `upstream` and `prometheus` checks in aiops.yml", "as often as each check says", "a GET or HEAD, or (`tcp://`) a connection and nothing more"),
        ("your PostgreSQL", "with AIOPS_DATABASE_URL", "everything the bot remembers"),
    ))  # fmt: skip


# --- checks -------------------------------------------------------------------------------------------------------


def check_kinds() -> str:
    """Every kind of check, and whom it calls unless the registry says otherwise."""
    return table(("Kind", "What it does", "Severity", "Example"), ((code(kind.name), kind.about, kind.spec.DEFAULT_SEVERITY, code(kind.example) if kind.example else "") for kind in CHECK_KINDS.values()))


def check_fields() -> str:
    """The fields of each kind, those of every kind first."""
    written = schema_of(CheckSpec)
    parts = ["Every check has:", "", table(_FIELDS, _fields(written, written)), ""]
    for kind in CHECK_KINDS.values():
        written = schema_of(kind.spec)
        own = {name: field for name, field in written["properties"].items() if _differs(name, kind.spec)}
        parts += [f"`{kind.name}`: {kind.about}", ""]
        parts += [table(_FIELDS, _fields({**written, "properties": own}, written)), ""] if own else ["It has no fields of its own.", ""]
    return "\n".join(parts).rstrip()


def _differs(name: str, spec: type[CheckSpec]) -> bool:
    common = CheckSpec.model_fields.get(name)
    return name != "kind" and (common is None or common.default != spec.model_fields[name].default)


# --- aiops.yml ----------------------------------------------------------------------------------------------------

_FIELDS = ("Field", "What it is", "Shape", "Default")


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def registry() -> str:
    """Every field of aiops.yml, from the same JSON Schema that editors use."""
    whole = schema()
    return table(_FIELDS, _fields(whole, whole))


def _fields(part: dict[str, Any], whole: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    required = set(part.get("required", []))
    for name, field in part.get("properties", {}).items():
        yield from _field(f"{path}{name}", field, whole, must=name in required)


def _field(path: str, field: dict[str, Any], whole: dict[str, Any], *, must: bool) -> Iterator[tuple[str, str, str, str]]:
    told = {**_followed(field, whole), **{key: value for key, value in field.items() if key != "$ref"}}
    named, items = _named(told), _followed(told.get("items") or {}, whole)
    inner = _followed(named, whole) if named is not None else None
    default = "needed" if must else "" if "properties" in told else _written(told)
    about = str(told.get("description") or (inner or {}).get("description") or "")
    if path == "ladders":
        steps = "; ".join(step["call"] + (f" after {step['after']}" if "after" in step else "") for step in STANDARD_LADDER)
        default = f"standard: {steps}"
    yield code(path), about, _shape(told, whole), default
    if "properties" in told:
        yield from _fields(told, whole, f"{path}.")
    elif inner is not None and "properties" in inner:
        yield from _fields(inner, whole, f"{path}.NAME.")
    elif inner is not None and "properties" in _followed(inner.get("items") or {}, whole):
        yield from _fields(_followed(inner["items"], whole), whole, f"{path}.NAME[].")
    elif "properties" in items:
        yield from _fields(items, whole, f"{path}[].")


def _named(field: dict[str, Any]) -> dict[str, Any] | None:
    """What stands under names that people choose, which may have to follow a pattern."""
    for told in (field.get("additionalProperties"), *(field.get("patternProperties") or {}).values()):
        if isinstance(told, dict):
            return told
    return None


def _followed(field: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """What a reference names; of "this or nothing", the this."""
    if "anyOf" in field:
        real = [each for each in field["anyOf"] if each.get("type") != "null"]
        if len(real) == 1:
            return {**_followed(real[0], whole), **{key: value for key, value in field.items() if key != "anyOf"}}
    if "$ref" in field:
        found: dict[str, Any] = whole["$defs"][field["$ref"].rsplit("/", 1)[-1]]
        return found
    return field


_DURATION = r"^\d{1,6}[smhd]$"
_PATTERNS = {_DURATION: "duration (`30s` `10m` `2h` `7d`)", r"^([01]\d|2[0-3]):[0-5]\d$": "`HH:MM`", r"^\d{1,2}(\.\d+)?%$": "`2%`"}


def _shape(field: dict[str, Any], whole: dict[str, Any]) -> str:
    field = _followed(field, whole)
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_shape(each, whole) for each in field["anyOf"] if each.get("type") != "null"))
    if "enum" in field or "const" in field:
        return ", ".join(code(_plain(each)) for each in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        return f"list of {_shape(field.get('items') or {}, whole)}"
    if kind == "object":
        return "group" if "properties" in field else "by name"
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _bounds(field)
    if kind == "boolean":
        return "`true` or `false`"
    if field.get("pattern") in _PATTERNS:
        return _PATTERNS[field["pattern"]]
    return {"date": "date", "date-time": "time (RFC 3339)"}.get(str(field.get("format")), "text")


def _bounds(field: dict[str, Any]) -> str:
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum", field.get("exclusiveMaximum"))
    if high is not None and high >= LARGEST:
        return ""
    between = "between" if "exclusiveMinimum" in field else "from"
    return f" {between} {low:g} {'and' if between == 'between' else 'to'} {high:g}" if low is not None and high is not None else ""


def _written(field: dict[str, Any]) -> str:
    """The default; JSON Schema writes durations as P7D, the registry as 7d."""
    value = field.get("default")
    if value is None or value in ("", [], {}) or isinstance(value, dict):
        return _UNSET
    durations = any(each.get("pattern") == _DURATION for each in (field, *field.get("anyOf", [])))
    if durations and isinstance(value, str) and value.startswith("P"):
        value = write_duration(_SPAN.validate_python(value))
    return code(", ".join(map(_plain, value)) if isinstance(value, list) else _plain(value))


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- events of agents ---------------------------------------------------------------------------------------------


def event_types() -> str:
    """Every type of event, with its fields; those of every event first."""
    common = schema_of(Event)
    parts = ["Every event has:", "", table(("Field", "What it is", "Shape", "Default"), _fields(common, common)), ""]
    for name, kind in EVENT_KINDS.items():
        written = schema_of(kind)
        own = {field: told for field, told in written["properties"].items() if field not in Event.model_fields}
        about = " ".join(str(kind.__doc__ or "").split())
        parts += [f"`{name}`: {about}", "", table(_FIELDS, _fields({**written, "properties": own}, written)), ""]
    return "\n".join(parts).rstrip()


def owner_roles() -> str:
    """The roles a person can hold for an agent, as messages name them."""
    return table(("Role", "What it means"), ((ROLE_WORDS[name], field.description or "") for name, field in OwnersSpec.model_fields.items()))


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "rules": rules,
    "scopes": scopes,
    "slack-events": slack_events,
    "hosts": hosts,
    "checks": check_kinds,
    "check-fields": check_fields,
    "registry": registry,
    "event-types": event_types,
    "roles": owner_roles,
}


def main() -> None:
    """Write every marked part anew."""
    for path in FILES:
        if path.exists():
            before = path.read_text("utf-8")
            after = fill(before)
            if after != before:
                path.write_text(after, "utf-8")
                print(f"renewed {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
