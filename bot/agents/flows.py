"""Planning and applying the registry file, all or nothing, and adding an agent: in one open transaction."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents import messages, owners
from bot.agents.files import Read
from bot.agents.introductions import introduce
from bot.agents.plan import AgentPlan, Plan, compare, whole
from bot.agents.reading import ROLES, live_agents, newest_registry, spec_of, workspace_of
from bot.agents.resolve import Resolved, resolve
from bot.agents.sampling import registry_says
from bot.agents.spec import AgentSpec
from bot.agents.state import OpenThings, nothing_open, present_of, wanted_of
from bot.db import wake
from bot.outbox import flows as outbox
from bot.people.flows import find_ref
from bot.people.tokens import revoke_tokens_of
from bot.tables import Agent, Person, Registry, Stage


class Blocked(Exception):
    """The file cannot be applied now; the text names what is still open."""


def plan_file(tx: Session, read: Read, *, open_things: OpenThings = nothing_open) -> Plan:
    """What applying this file would change; raises BadFile where it names somebody nobody knows."""
    return _planned(tx, read, open_things)[0]


def _planned(tx: Session, read: Read, open_things: OpenThings) -> tuple[Plan, Resolved]:
    resolved = resolve(tx, read)
    registry = newest_registry(tx)
    return compare(wanted_of(read, resolved), registry.document if registry else {}, present_of(tx, open_things)), resolved


def apply_file(tx: Session, now: datetime, read: Read, *, by: str, by_id: int | None = None, open_things: OpenThings = nothing_open) -> Plan:
    """Make the file so, all of it or (by raising) nothing: returns the plan that was carried out.

    Raises BadFile for unknown names, and Blocked while an agent that would go has something open.
    """
    plan, resolved = _planned(tx, read, open_things)
    if plan.blocked:
        raise Blocked("; ".join(plan.blocked) + ". Nothing was applied.")
    document = read.document
    # 1. The file in force, so that what follows already reads the new people and zones.
    digest = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    before = newest_registry(tx)
    if before is None or before.digest != digest:
        tx.add(Registry(at=now, by=by[:200], digest=digest, document=document, agents=list(document.get("agents", {}))))
        tx.flush()
    _reach_people(tx, document.get("people", {}), before.document.get("people", {}) if before else {}, resolved)
    # 2. The agents.
    named: list[owners.Named] = []
    channels: set[str] = set()
    for each in plan.agents:
        if each.what == "remove":
            channels |= _archive(tx, now, each.slug)
        elif each.what != "not_in_file":
            agent, old_channel = _put(tx, now, each, read.spec.agents[each.slug], document["agents"][each.slug], resolved.channels[each.slug].slack_id)
            named += _name(tx, now, agent, each, resolved, by_id)
            channels |= {channel for channel in (old_channel, agent.channel_id) if channel}
    _zones(tx)
    # 3. The people and the channels: one message each.
    owners.ask(tx, now, named)
    for channel in sorted(channels):
        introduce(tx, now, channel)
    if plan.acts:
        audit.record(tx, now, "registry.apply", f"registry:{digest[:12]}", person_id=by_id, came_from="cli" if by_id is None else "slack", words=f"applied by {by}", evidence=_evidence(plan))
    for loop in ("checks", "digests", "quality", "outbox"):
        wake(tx, loop)
    return plan


def _evidence(plan: Plan) -> dict[str, Any]:
    return {what: [each.slug for each in plan.agents if each.what == what] for what in ("add", "change", "remove")}


def _reach_people(tx: Session, people: Mapping[str, Any], before: Mapping[str, Any], resolved: Resolved) -> None:
    """How each named person is reached beyond Slack; who is named no longer is reached by Slack alone."""
    kept = {person.id for person in resolved.people.values()}
    for name in before:
        person = find_ref(tx, name, before)
        if person is not None and person.id not in kept:
            person.wake, person.addresses = [], {}
    for name, person in resolved.people.items():
        given = people[name]
        person.wake = list(given.get("wake", []))
        person.addresses = {route: given[route] for route in ("email", "webhook", "pagerduty") if given.get(route)}


def _put(tx: Session, now: datetime, plan: AgentPlan, spec: AgentSpec, written: dict[str, Any], channel_id: str) -> tuple[Agent, str | None]:
    """The agent's row as the file describes it; returns it, and the channel it moved away from."""
    agent = tx.scalars(select(Agent).where(Agent.slug == plan.slug)).first()
    if agent is None or agent.archived_at is not None:
        agent = create_agent(tx, now, plan.slug, spec, written, channel_id, by_id=None, reason="first applied from the registry file", agent=agent)
        agent.in_file = True
        return agent, None
    moved = agent.channel_id if agent.channel_id != channel_id else None
    if agent.spec != written:
        differs = whole(spec_of(agent)) != whole(spec)
        agent.spec = written
        if differs:
            agent.spec_rev += 1
            registry_says(tx, now, agent, spec.reviews.per_day)
            audit.record(tx, now, "agent.change", f"agent:{agent.slug}", came_from="file", evidence={each.field: [each.before, each.after] for each in plan.changes})
    agent.name, agent.department, agent.slack_app, agent.channel_id, agent.in_file = spec.name, spec.department, spec.slack_app, channel_id, True
    tx.flush()
    return agent, moved


def create_agent(
    tx: Session, now: datetime, slug: str, spec: AgentSpec, written: dict[str, Any], channel_id: str, *, by_id: int | None, reason: str, agent: Agent | None = None
) -> Agent:
    """A new agent (or one that comes back under its old id) with its first stage; its owners are named next."""
    if agent is None:
        agent = Agent(slug=slug, name=spec.name, created_at=now, spec={})
        tx.add(agent)
    else:
        agent.archived_at, agent.paused_at = None, None
        agent.spec_rev += 1
    agent.name, agent.department, agent.slack_app, agent.channel_id, agent.spec = spec.name, spec.department, spec.slack_app, channel_id, written
    agent.zone = spec.timezone or workspace_of(tx).timezone
    tx.flush()
    stage = tx.scalars(select(Stage).where(Stage.agent_id == agent.id)).first()
    if stage is None:
        tx.add(Stage(agent_id=agent.id, stage=spec.stage, since=now, reason=reason, by_id=by_id))
    else:
        stage.stage, stage.since, stage.reason, stage.by_id, stage.rev = spec.stage, now, reason, by_id, stage.rev + 1
    audit.record(tx, now, "agent.add", f"agent:{slug}", person_id=by_id, came_from="slack" if by_id else "file", evidence={"stage": spec.stage})
    tx.flush()
    return agent


def _name(tx: Session, now: datetime, agent: Agent, plan: AgentPlan, resolved: Resolved, by_id: int | None) -> list[owners.Named]:
    """Name whom the plan names, ask for the hand-overs it asks for, and leave alone what people decided."""
    named: list[owners.Named] = []
    changed = {each.field: each for each in plan.changes}
    asks = {each.field for each in plan.held if each.asks}
    for role in ROLES:
        name = f"owners.{role}"
        person = resolved.owners.get((agent.slug, role))
        if person is not None and (name in changed or name in asks):
            row = owners.name_owner(tx, now, agent, role, person, by_id)
            named += [row] if row is not None else []
        elif person is None and name in changed:
            owners.end_role(tx, now, agent, role, by_id)
    return named


def _archive(tx: Session, now: datetime, slug: str) -> set[str]:
    agent = tx.scalars(select(Agent).where(Agent.slug == slug)).one()
    agent.archived_at, agent.in_file = now, False
    agent.spec_rev += 1  # the checks room takes its checks away
    owners.end_all_roles(tx, now, agent)
    for row in revoke_tokens_of(tx, now, agent, f"{agent.name} was taken out of the registry file, so nothing is taken for it any more.")[0]:
        audit.record(tx, now, "token.revoke", f"token:{row.public_id}", came_from="file", words=row.name, evidence={"agent": slug})
    audit.record(tx, now, "agent.remove", f"agent:{slug}", came_from="file")
    tx.flush()
    if agent.channel_id is None:
        return set()
    outbox.show(tx, now, key=f"removed:{agent.id}:{int(now.timestamp())}", to=agent.channel_id, message=messages.removed([agent.name]))
    return {agent.channel_id}


def _zones(tx: Session) -> None:
    """The workspace's zone holds for all agents that name none, those added in Slack too."""
    default = workspace_of(tx).timezone
    for agent in live_agents(tx):
        zone = spec_of(agent).timezone or default
        if agent.zone != zone:
            agent.zone = zone


def add_agent(tx: Session, now: datetime, slug: str, spec: AgentSpec, channel_id: str, people: Mapping[str, Person], *, by_id: int) -> Agent:
    """Add an agent from Slack, name its owners, ask them, and tell its channel. Raises ValueError where the id is taken."""
    taken = tx.scalars(select(Agent).where(Agent.slug == slug)).first()
    if taken is not None and taken.archived_at is None:
        raise ValueError(f"there is already an agent with the id {slug}")
    written = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    agent = create_agent(tx, now, slug, spec, written, channel_id, by_id=by_id, reason="added in Slack", agent=taken)
    agent.in_file = False
    rows = [owners.name_owner(tx, now, agent, role, person, by_id) for role, person in people.items()]
    owners.ask(tx, now, [row for row in rows if row is not None])
    introduce(tx, now, channel_id)
    for loop in ("checks", "digests", "quality"):
        wake(tx, loop)
    return agent


def change_owner(tx: Session, now: datetime, agent: Agent, role: str, person: Person, *, by_id: int) -> owners.Named | None:
    """Name another from Slack: a hand-over where the role is accepted, at once where it is not. None where it stands so."""
    row = owners.name_owner(tx, now, agent, role, person, by_id)
    if row is not None:
        owners.ask(tx, now, [row])
    return row


def free_slug(tx: Session, name: str) -> str:
    """An id made from a name: small letters, digits and dashes, with a number where it is taken."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:56].strip("-") or "agent"
    number, candidate = 1, slug
    while tx.scalar(select(func.count()).select_from(Agent).where(Agent.slug == candidate)):
        number += 1
        candidate = f"{slug}-{number}"
    return candidate
