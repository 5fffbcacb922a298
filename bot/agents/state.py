"""The present state of the registry, as the plan compares it and as the export writes it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.files import Read
from bot.agents.marked import plain_resolvers
from bot.agents.plan import AgentStands, AskedFor, OwnerStands, Wanted
from bot.agents.reading import ROLES, live_agents, newest_registry
from bot.agents.resolve import Resolved
from bot.agents.spec import RegistrySpec
from bot.people.flows import find_ref, owners_of
from bot.tables import Agent, Handover, Person, Stage

OpenThings = Callable[[Session, int], list[str]]  # what of an agent is still open, in words; handed in, the rooms lie above


def nothing_open(tx: Session, agent_id: int) -> list[str]:
    """For callers that have no rooms above the registry."""
    return []


def wanted_of(read: Read, resolved: Resolved) -> Wanted:
    """The file and what it means, for the comparison."""
    owners = {key: (person.id, _label(person)) for key, person in resolved.owners.items()}
    channels = {slug: (each.slack_id, each.name, each.is_member) for slug, each in resolved.channels.items()}
    return Wanted(read.spec, owners, channels)


def present_of(tx: Session, open_things: OpenThings) -> dict[str, AgentStands]:
    """Every live agent as it stands, with who decided its stage and owners."""
    return {agent.slug: _stands(tx, agent, open_things) for agent in live_agents(tx)}


def _stands(tx: Session, agent: Agent, open_things: OpenThings) -> AgentStands:
    stage = tx.scalars(select(Stage).where(Stage.agent_id == agent.id)).one()
    owners, asked = {}, {}
    for role, row in owners_of(tx, agent.id).items():
        person = tx.get_one(Person, row.person_id)
        namer = tx.get(Person, row.by_id) if row.accepted_at is None and row.by_id is not None else person
        by = _label(namer) if namer is not None and (row.accepted_at is not None or row.by_id is not None) else "nobody yet"
        owners[role] = OwnerStands(person.id, _label(person), row.accepted_at, row.since, by)
        latest = tx.scalars(
            select(Handover).where(Handover.agent_id == agent.id, Handover.role == role, Handover.asked_at >= row.since).order_by(Handover.id.desc()).limit(1)
        ).first()
        if latest is not None:
            new = tx.get_one(Person, latest.person_id)
            asked[role] = AskedFor(new.id, _label(new), latest.asked_at, latest.declined_at, latest.closed_at is None, latest.how or "")
    decider = tx.get(Person, stage.by_id) if stage.by_id else None
    things = tuple(open_things(tx, agent.id)) if agent.in_file else ()
    return AgentStands(
        agent.slug, agent.name, agent.spec, agent.in_file, stage.stage, stage.since, _label(decider) if decider else "aiops-bot", stage.reason, agent.channel_id, owners, asked, things
    )


def _label(person: Person) -> str:
    return person.name or person.email or person.slack_id or f"person {person.id}"


def export_document(tx: Session) -> dict[str, Any]:
    """The present state as a registry document: what people decided in Slack is in it, agents added there too."""
    registry = newest_registry(tx)
    document: dict[str, Any] = {key: value for key, value in (registry.document if registry else {}).items() if key != "agents" and value}
    names: Mapping[str, Any] = document.get("people", {})
    written = list(registry.document.get("agents", {})) if registry else []
    agents = {agent.slug: agent for agent in live_agents(tx)}
    ordered = [*(slug for slug in written if slug in agents), *sorted(slug for slug in agents if slug not in written)]
    document["agents"] = {slug: _exported(tx, agents[slug], names) for slug in ordered}
    return document


def _exported(tx: Session, agent: Agent, names: Mapping[str, Any]) -> dict[str, Any]:
    stage = tx.scalars(select(Stage).where(Stage.agent_id == agent.id)).one()
    given = agent.spec.get("owners", {})
    holders = owners_of(tx, agent.id)
    owners = {role: _ref(tx, holders[role].person_id, given.get(role), names) for role in ROLES if role in holders}
    return {**agent.spec, "stage": stage.stage, "owners": owners}


def _ref(tx: Session, person_id: int, given: str | None, names: Mapping[str, Any]) -> str:
    """As the file wrote it where that still means this person; else a short name, the Slack id, the address."""
    for ref in ([given] if given else []) + list(names):
        person = find_ref(tx, ref, names)
        if person is not None and person.id == person_id:
            return ref
    person = tx.get_one(Person, person_id)
    return person.slack_id or person.email or ""


class _Dumper(yaml.SafeDumper):
    """Quotes whatever our reader would take for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


plain_resolvers(_Dumper)


def export_text(tx: Session) -> str:
    """The present state as YAML that plans to no difference."""
    document = export_document(tx)
    RegistrySpec.model_validate(document)  # never hand out a file that we would refuse
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
