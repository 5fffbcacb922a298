"""The difference between the file and the accepted state: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bot.agents.names import ROLES
from bot.agents.spec import STANDARD_LADDER, AgentSpec, RegistrySpec, StepSpec


@dataclass(frozen=True)
class Change:
    """One field that apply would set."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Held:
    """Something people decided that differs from the file; apply leaves it as it stands, and does only what `then` says."""

    field: str
    file: str
    stands: str
    decided_by: str
    at: datetime | None
    then: str
    asks: bool = False  # apply starts a hand-over


@dataclass(frozen=True)
class AgentPlan:
    """What happens to one agent."""

    slug: str
    name: str
    what: str  # add, change, same, remove, not_in_file
    changes: tuple[Change, ...] = ()
    held: tuple[Held, ...] = ()
    blocked: tuple[str, ...] = ()  # why it cannot be removed now


@dataclass(frozen=True)
class Plan:
    """Everything that differs, in the order of the file."""

    shared: tuple[Change, ...]  # workspace, people, ladders, rotations
    agents: tuple[AgentPlan, ...]
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything is worth a line besides notes; agents added in Slack are no difference by themselves."""
        return bool(self.shared) or any(each.what in ("add", "change", "remove") or each.held for each in self.agents)

    @property
    def acts(self) -> bool:
        """Whether apply would do anything."""
        return bool(self.shared) or any(each.what in ("add", "change", "remove") or any(held.asks for held in each.held) for each in self.agents)

    @property
    def blocked(self) -> list[str]:
        return [why for each in self.agents for why in each.blocked]

    def as_json(self) -> dict[str, Any]:
        """For scripts; times as ISO 8601."""
        told = asdict(self)
        for each in told["agents"]:
            for held in each["held"]:
                held["at"] = held["at"].isoformat() if held["at"] else None
        return {"differs": self.differs, "acts": self.acts, **told}


@dataclass(frozen=True)
class OwnerStands:
    """Who holds a role now."""

    person_id: int
    label: str
    accepted_at: datetime | None
    since: datetime
    by: str


@dataclass(frozen=True)
class AskedFor:
    """The latest hand-over of a role since its holder took it."""

    person_id: int
    label: str
    asked_at: datetime
    declined_at: datetime | None
    open: bool
    how: str = ""  # how it ended otherwise: taken_back, superseded, expired...


@dataclass(frozen=True)
class AgentStands:
    """One agent as it is."""

    slug: str
    name: str
    spec: Mapping[str, Any]
    in_file: bool
    stage: str
    stage_since: datetime
    stage_by: str
    stage_why: str
    channel_id: str | None = None
    owners: Mapping[str, OwnerStands] = field(default_factory=dict)
    asked: Mapping[str, AskedFor] = field(default_factory=dict)
    open_things: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """The file, with the people and channels it means."""

    spec: RegistrySpec
    owners: Mapping[tuple[str, str], tuple[int, str]]  # (slug, role) to person id and label
    channels: Mapping[str, tuple[str, str, bool]]  # slug to channel id, name, and whether the bot is in it


def compare(wanted: Wanted, document: Mapping[str, Any], present: Mapping[str, AgentStands]) -> Plan:
    """What apply would do; `document` is the file in force, empty before the first."""
    same = _same_people(wanted.spec, document)
    agents = [_agent(slug, spec, wanted, present.get(slug), same) for slug, spec in wanted.spec.agents.items()]
    for slug, stands in present.items():
        if slug not in wanted.spec.agents:
            if stands.in_file:
                blocked = tuple(f"{stands.name} ({slug}) cannot be removed while {thing}" for thing in stands.open_things)
                agents.append(AgentPlan(slug, stands.name, "remove", blocked=blocked))
            else:
                agents.append(AgentPlan(slug, stands.name, "not_in_file"))
    notes = [
        f"the bot is not in #{name}: invite it there with /invite, or it can neither read nor be heard well"
        for name in sorted({name for _, name, member in wanted.channels.values() if not member})
    ]
    return Plan(tuple(_shared(wanted.spec, document)), tuple(agents), tuple(notes))


def _agent(slug: str, spec: AgentSpec, wanted: Wanted, stands: AgentStands | None, same: Callable[[str], bool]) -> AgentPlan:
    if stands is None:
        changes = [Change(f"owners.{role}", None, label) for role in ROLES if (label := wanted.owners.get((slug, role), (0, ""))[1])]
        return AgentPlan(slug, spec.name, "add", (Change("stage", None, spec.stage), *changes))
    changes = list(_fields(spec, stands, wanted.channels[slug]))
    before = AgentSpec.model_validate(stands.spec).owners if stands.in_file else None
    held = list(_stage_held(spec, stands))
    if not stands.in_file:
        changes.insert(0, Change("in the file", "added in Slack", "yes"))
    for role in ROLES:
        ref = getattr(spec.owners, role)
        known = before is not None and ref is not None and getattr(before, role) == ref and same(ref)
        found = _owner(role, wanted.owners.get((slug, role)), stands.owners.get(role), stands.asked.get(role), known)
        if isinstance(found, Change):
            changes.append(found)
        elif found is not None:
            held.append(found)
    return AgentPlan(slug, spec.name, "change" if changes else "same", tuple(changes), tuple(held))


def _same_people(spec: RegistrySpec, document: Mapping[str, Any]) -> Callable[[str], bool]:
    """Whether a reference means the same person in the file in force as in this one."""
    before: Mapping[str, Any] = document.get("people", {})

    def same(ref: str) -> bool:
        old, new = before.get(ref), spec.people.get(ref)
        return (old is None) == (new is None) and (old is None or new is None or (old.get("slack"), old.get("email")) == (new.slack, new.email))

    return same


def _fields(spec: AgentSpec, stands: AgentStands, channel: tuple[str, str, bool]) -> Iterator[Change]:
    before, after = flat(whole(AgentSpec.model_validate(stands.spec))), flat(whole(spec))
    if channel[0] == stands.channel_id:
        after["channel"] = before.get("channel")
    for name in [*after, *(each for each in before if each not in after)]:
        was, shall = before.get(name), after.get(name)
        if was != shall and name == "webhook":  # its address can hold a secret
            yield Change(name, was and "(a secret)", shall and ("(another secret)" if was else "(a secret)"))
        elif was != shall:
            yield Change(name, was, shall)


def _stage_held(spec: AgentSpec, stands: AgentStands) -> Iterator[Held]:
    if spec.stage != stands.stage:
        words = f"{stands.stage}" + (f" ({stands.stage_why})" if stands.stage_why else "")
        then = "apply leaves it: a stage is changed in Slack, by people, with its reason"
        yield Held("stage", spec.stage, words, stands.stage_by, stands.stage_since, then)


def _owner(role: str, file: tuple[int, str] | None, holder: OwnerStands | None, asked: AskedFor | None, known: bool) -> Change | Held | None:
    """`known`: the file in force said the same, so what people decided since is newer, and the file asks for nothing."""
    name = f"owners.{role}"
    if holder is None:
        return Change(name, None, file[1]) if file else None
    if file is not None and file[0] == holder.person_id:
        return None
    if holder.accepted_at is None and file is not None and known:
        then = "they were named after the file said so, and apply does not undo that: write it down with `aiops export config`, or name another in Slack"
        return Held(name, file[1], f"{holder.label} (not confirmed)", holder.by, holder.since, then)
    if holder.accepted_at is None:
        return Change(name, f"{holder.label} (not confirmed)", file[1] if file else None)
    if file is None:
        return Held(name, "nobody", holder.label, holder.by, holder.accepted_at, "apply leaves it: end it in Slack with `/aiops agent`")
    new, waiting, asks = file[1], f"until then {holder.label} stays", False
    if asked is not None and asked.person_id == file[0] and asked.open:
        then = f"{new} was asked on {asked.asked_at:%Y-%m-%d} to take it over; {waiting}"
    elif asked is not None and asked.person_id == file[0] and asked.declined_at is not None:
        then = f"{new} declined on {asked.declined_at:%Y-%m-%d}: name somebody else, or take over what stands with `aiops export config`"
    elif asked is not None and asked.person_id == file[0] and asked.how == "expired" and known:
        then = f"{new} was asked on {asked.asked_at:%Y-%m-%d} and did not answer in time: ask again in Slack with `/aiops agent hand-over`"
    elif asked is not None and asked.open and known:
        then = f"{asked.label} was asked on {asked.asked_at:%Y-%m-%d} to take it over, and the file says nothing new; {waiting}"
    elif known:
        then = "it was handed over after the file said so, and apply does not undo that: write it down with `aiops export config`, or hand it over in Slack"
    else:
        then, asks = f"apply asks {new} to take it over; {waiting}", True
    return Held(name, new, holder.label, holder.by, holder.accepted_at, then, asks)


def _shared(spec: RegistrySpec, document: Mapping[str, Any]) -> Iterator[Change]:
    old = RegistrySpec.model_validate({key: value for key, value in document.items() if key != "agents"})
    before, after = _shared_parts(old), _shared_parts(spec)
    for name in [*after, *(each for each in before if each not in after)]:
        if before.get(name) != after.get(name):
            secret = name.startswith("people.") and name.endswith((".pagerduty", ".webhook"))
            was, shall = (given and "(a secret)" if secret else given for given in (before.get(name), after.get(name)))
            yield Change(name, was, "(another secret)" if secret and was and shall else shall)


def _shared_parts(spec: RegistrySpec) -> dict[str, Any]:
    told = spec.model_dump(mode="json", by_alias=True, include={"workspace", "people", "ladders", "rotations", "upstreams", "protocols"})
    standard = [StepSpec.model_validate(step).model_dump(mode="json") for step in STANDARD_LADDER]
    told["ladders"] = {"standard": standard, **told["ladders"]}
    return flat({"workspace": told["workspace"], "people": told["people"], "rotations": told["rotations"], "upstreams": told["upstreams"], "protocols": told["protocols"]}) | {f"ladders.{name}": steps for name, steps in told["ladders"].items()}


def whole(spec: AgentSpec) -> dict[str, Any]:
    """Every field with its default, without what the database decides."""
    told = spec.model_dump(mode="json", by_alias=True, exclude={"owners", "stage"})
    told["checks"] = {name: dict(check) for name, check in told["checks"].items()}
    return told


def flat(part: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """`{a: {b: 1}}` as `{"a.b": 1}`; an empty mapping stays as one value."""
    found: dict[str, Any] = {}
    for key, value in part.items():
        name = f"{before}.{key}" if before else str(key)
        if isinstance(value, Mapping) and value:
            found.update(flat(value, name))
        elif value not in ({}, None):
            found[name] = value
    return found


# --- in words ----------------------------------------------------------------------------------------------------

_SIGNS = {"add": "+", "change": "~", "remove": "-", "not_in_file": "?", "same": " "}


def lines(plan: Plan) -> list[str]:
    """The plan for a terminal, one line a thing."""
    told = [f"~ {_words(change)}" for change in plan.shared]
    for agent in plan.agents:
        if agent.what == "same" and not agent.held:
            continue
        told.append(f"{_SIGNS[agent.what]} {agent.name} ({agent.slug}){_heads[agent.what]}")
        told += [f"    {_words(change)}" for change in agent.changes]
        for held in agent.held:
            when = f" on {held.at:%Y-%m-%d %H:%M} UTC" if held.at else ""
            told.append(f"    {held.field}: the file says {held.file}, but it stands at {held.stands}, decided by {held.decided_by}{when}. {held.then[:1].upper()}{held.then[1:]}.")
        told += [f"    {why}" for why in agent.blocked]
    told += [f"! {note}" for note in plan.notes]
    told.append(_sum(plan))
    return told


_heads = {"add": ": new", "change": "", "remove": ": no longer in the file, will be removed", "not_in_file": ": not in the file (added in Slack), stays; `aiops export config` writes it down", "same": ""}


def _words(change: Change) -> str:
    if change.before is None:
        return f"{change.field}: {_shown(change.after)}"
    if change.after is None:
        return f"{change.field}: {_shown(change.before)} is taken out"
    return f"{change.field}: {_shown(change.before)} -> {_shown(change.after)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    return str(value)


def _sum(plan: Plan) -> str:
    if not plan.differs:
        return "The file and the present state agree."
    counts = {what: sum(each.what == what for each in plan.agents) for what in ("add", "change", "remove")}
    told = [f"{n} to {what}" for what, n in counts.items() if n]
    asks = sum(held.asks for each in plan.agents for held in each.held)
    stays = sum(not held.asks for each in plan.agents for held in each.held)
    told += [f"{asks} hand-over{'s'[: asks > 1]} to ask for"] if asks else []
    told += [f"{stays} left as people decided"] if stays else []
    return ("Agents: " + ", ".join(told) if told else "Only what agents share changes") + "."
