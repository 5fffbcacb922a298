"""What the database tells the doctor: one look, values out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from bot.agents.reading import ROLE_WORDS, ROLES, find_channel, lead_people, leads_channel_or_people, newest_registry
from bot.doctor.facts import LATELY, Owner, Place, Seen
from bot.ladders.unreached import unreached
from bot.marks import mark_of
from bot.outbox.delivery import MARK as DELIVERY
from bot.people.sync import last_sync
from bot.tables import Agent, AgentOwner, Alert, Attempt, Channel, Check, OutMessage, Person, Ping, SeenSlack, Token

LATE = timedelta(minutes=10)  # what is due for longer than this waits for something that is broken

_WRONG = select(Check.name, Agent.name).join(Agent, Agent.id == Check.agent_id).where(Check.wrong_at.is_not(None), Check.archived_at.is_(None), Agent.archived_at.is_(None)).order_by(Agent.name, Check.name)


def _unheard(tx: Session, agents: list[Agent]) -> list[str]:
    """Who has sent nothing at all: a job that only pings, or of which only alerts tell, is connected too."""
    quiet = {agent.id: agent.name for agent in agents if agent.heard_at is None and agent.paused_at is None}
    told = or_(exists().where(Ping.check_id == Check.id), exists().where(Alert.check_id == Check.id))
    heard = set(tx.scalars(select(Check.agent_id).where(Check.agent_id.in_(quiet), told)))
    return [name for agent_id, name in quiet.items() if agent_id not in heard]


def look(tx: Session, now: datetime) -> Seen:
    """One look at the whole house; nothing is changed."""
    agents = list(tx.scalars(select(Agent).where(Agent.archived_at.is_(None)).order_by(Agent.name, Agent.id)))
    names = {agent.id: agent.name for agent in agents}
    held: dict[int, list[tuple[AgentOwner, Person]]] = defaultdict(list)
    roles_of: dict[int, set[str]] = defaultdict(set)
    for row, person in tx.execute(select(AgentOwner, Person).join(Person, Person.id == AgentOwner.person_id).where(AgentOwner.until.is_(None)).order_by(AgentOwner.id)):
        if row.agent_id in names:
            held[person.id].append((row, person))
            roles_of[row.agent_id].add(row.role)
    places = tuple(_places(tx, agents))
    failed, example = _failed(tx, now)
    overdue, since = tx.execute(select(func.count(), func.min(OutMessage.due_at)).where(OutMessage.due_at < now - LATE, OutMessage.state == "pending")).one()
    registry = newest_registry(tx)
    document: dict[str, Any] = registry.document if registry else {}
    seen = Seen(
        agents=len(agents),
        ownerless=tuple(agent.name for agent in agents if not {"business", "operations"} <= roles_of[agent.id]),
        unheard=tuple(_unheard(tx, agents)),
        unlooked=tuple(_unlooked(tx, now, agents)),
        wrong=tuple(f"`{check}` of {agent}" for check, agent in tx.execute(_WRONG)),
        places=places,
        owners=tuple(_owner(rows, names) for rows in held.values()),
        leads_named=bool(document.get("workspace", {}).get("leads")),
        leads_reached=bool(leads_channel_or_people(tx) or lead_people(tx)),
        uses=_uses(agents, document, places),
        tokens=_tokens(tx, now),
        team=mark_of(tx, "slack.team").get("team_id"),
        directory=last_sync(tx),
        delivery=mark_of(tx, DELIVERY),
        failed=failed, failed_example=example, overdue=overdue, overdue_since=since,
        unreached=tuple(_unreached(tx, now, held)),
        from_slack=tx.scalars(select(SeenSlack.key).limit(1)).first() is not None,
    )  # fmt: skip
    tx.expunge_all()  # the rows are read on after the look is over
    return seen


def _unreached(tx: Session, now: datetime, held: Mapping[int, list[tuple[AgentOwner, Person]]]) -> Iterator[tuple[str, bool]]:
    """Who cannot be reached and why; what is said of an owner by name already is not said twice."""
    told = {rows[0][1].name for rows in held.values() if not rows[0][1].active}
    for row in unreached(tx, now):
        names = tuple(name for name in row.names if name not in told) if "left the workspace" in row.why else row.names
        if names and "not accepted" not in row.why:
            yield replace(row, names=names).line(), row.broken


def _places(tx: Session, agents: list[Agent]) -> Iterator[Place]:
    found: dict[str, list[str]] = defaultdict(list)
    shown = {agent.id: str((agent.spec.get("outputs") or {}).get("in") or "") for agent in agents}
    channels = {ref: find_channel(tx, ref) for ref in {*shown.values()} - {""}}
    for agent in agents:
        if agent.channel_id:
            found[agent.channel_id].append(agent.name)
        channel = channels.get(shown[agent.id])
        if channel is not None and channel.slack_id != agent.channel_id:
            found[channel.slack_id].append(agent.name)
    rows = {row.slack_id: row for row in tx.scalars(select(Channel))}
    for slack_id, names in found.items():
        yield Place(slack_id, tuple(names), rows.get(slack_id))


def _owner(rows: list[tuple[AgentOwner, Person]], names: dict[int, str]) -> Owner:
    def told(chosen: list[AgentOwner]) -> tuple[str, ...]:
        by_role = {role: [names[row.agent_id] for row in chosen if row.role == role] for role in ROLES}
        return tuple(f"{ROLE_WORDS[role]} of {name}" for role, found in by_role.items() for name in found)

    held = [row for row, _ in rows]
    open_ones = [row for row in held if row.accepted_at is None]
    return Owner(
        person=rows[0][1], roles=told(held), first_called=any(row.role in ("operations", "backup") for row in held),
        unconfirmed=told([row for row in open_ones if row.declined_at is None]),
        declined=told([row for row in open_ones if row.declined_at is not None]),
        asked_at=min((row.asked_at or row.since for row in open_ones), default=None),
    )  # fmt: skip


def _unlooked(tx: Session, now: datetime, agents: list[Agent]) -> Iterator[str]:
    working = {agent.id: agent for agent in agents if agent.paused_at is None}
    rows = select(Check.agent_id, Check.name).where(Check.archived_at.is_(None), Check.looked_at.is_(None), Check.due_at < now - LATE)
    for agent_id, name in tx.execute(rows.order_by(Check.agent_id, Check.name)):
        if agent_id in working:
            yield f"`{name}` of {working[agent_id].name}"
    for agent in working.values():
        if agent.checks_rev < agent.spec_rev and agent.created_at < now - LATE and agent.spec.get("checks"):
            yield f"the newest ones of {agent.name}"


def _failed(tx: Session, now: datetime) -> tuple[int, tuple[str, str] | None]:
    tried = select(Attempt.id).where(Attempt.message_id == OutMessage.id, Attempt.at > now - LATELY)
    lately = (OutMessage.state == "failed", (OutMessage.created_at > now - LATELY) | tried.exists())
    newest = tx.scalars(select(OutMessage).where(*lately).order_by(OutMessage.id.desc()).limit(1)).first()
    if newest is None:
        return 0, None
    channel = tx.scalars(select(Channel).where(Channel.slack_id == newest.target)).first()
    person = tx.scalars(select(Person).where(Person.slack_id == newest.target)).first() if channel is None else None
    if newest.route != "slack":
        where = f"somebody by {newest.route}"  # their address is theirs
    else:
        where = f"#{channel.name}" if channel else (person.name if person and person.name else newest.target)
    return tx.scalar(select(func.count()).select_from(OutMessage).where(*lately)) or 0, (where, newest.error or "no reason given")


def _uses(agents: list[Agent], document: dict[str, Any], places: tuple[Place, ...]) -> dict[str, str]:
    """Which optional scopes the registry in force cannot do without, and why."""
    found: dict[str, str] = {}
    if agents:
        found["dnd:read"] = "pages call people in their quiet hours too"
    reacting = next((agent.name for agent in agents if any((agent.spec.get("reactions") or {}).get(side) for side in ("good", "bad"))), None)
    if reacting:
        found["reactions:read"] = f"{reacting} counts emoji"
    private = next((place for place in places if place.row is not None and place.row.is_private), None)
    if private is not None and private.row is not None:
        found["groups:read"] = found["groups:history"] = f"#{private.row.name} is private"
    refs = [*document.get("workspace", {}).get("leads", []), *(step.get("call", "") for steps in document.get("ladders", {}).values() for step in steps)]
    refs += [ref for agent in agents for ref in (agent.spec.get("reviews") or {}).get("reviewers", [])]
    group = next((ref for ref in refs if str(ref).startswith(("@", "<!"))), None)
    if group:
        found["usergroups:read"] = f"aiops.yml names {group}"
    named = [*refs, *(ref for agent in agents for ref in (agent.spec.get("owners") or {}).values() if ref)]
    by_mail = [ref for ref in named if "@" in str(ref)[1:]]
    by_mail += [name for name, entry in document.get("people", {}).items() if entry.get("email") and not entry.get("slack")]
    if by_mail:
        found["users:read.email"] = "aiops.yml names people by e-mail address"
    return found


def _tokens(tx: Session, now: datetime) -> int:
    rows = tx.scalars(select(Token).where(Token.revoked_at.is_(None)))
    return sum((row.expires_at is None or row.expires_at > now) and bool({"events", "telemetry"} & set(row.scopes)) for row in rows)
