"""Somebody left the workspace: whoever can name another in their place is told at once, once."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents import messages
from bot.agents.reading import agents_of, leads_channel_or_people
from bot.outbox import flows as outbox
from bot.people.flows import find_ref, owners_of, shared_registry
from bot.tables import Agent, Person

BATCH = 100


def somebody_left(tx: Session, now: datetime) -> bool:
    """Whether a departure is to be reported: a look that costs the writers nothing."""
    return tx.scalars(select(Person.id).where(Person.left_at.is_not(None), Person.left_told_at.is_(None)).limit(1)).first() is not None


def departures_step(tx: Session, now: datetime) -> bool:
    """Report those who left and answered for something; says whether anybody did."""
    sought = select(Person).where(Person.left_at.is_not(None), Person.left_told_at.is_(None)).order_by(Person.id).limit(BATCH)
    people = list(tx.scalars(sought.with_for_update(skip_locked=True)))
    for person in people:
        person.left_told_at = now
        _report(tx, now, person)
    return bool(people)


def _report(tx: Session, now: datetime, person: Person) -> None:
    held: dict[str, list[messages.Left]] = defaultdict(list)
    for agent_id, roles in agents_of(tx, person.id).items():
        agent = tx.get_one(Agent, agent_id)
        for target in _who_can_name(tx, agent, person.id):
            held[target] += [messages.Left(agent.name, agent.slug, role) for role in roles]
    places = _places(tx, person)
    if places:
        for target in leads_channel_or_people(tx):
            held.setdefault(target, [])
    for target, rows in held.items():
        leads = target in leads_channel_or_people(tx)
        told = messages.departed(person.name or person.email or "Somebody", rows, places if leads else [])
        stamp = int((person.left_at or now).timestamp())
        outbox.show(tx, now, key=f"departed:{person.id}:{stamp}:{target}", to=target, message=told)
    if held or places:
        audit.record(tx, now, "person.left", f"person:{person.id}", came_from="directory", evidence={"roles": sum(len(rows) for rows in held.values()), "places": places})


def _who_can_name(tx: Session, agent: Agent, gone_id: int) -> list[str]:
    """The business owner; where it was them, or they left too: the sponsor, the leads, the others who answer for it, its channel."""
    rows = owners_of(tx, agent.id)
    for role in ("business", "sponsor"):
        if target := _reached(tx, rows[role].person_id if role in rows else None, gone_id):
            return [target]
    leads = leads_channel_or_people(tx)
    if leads:
        return leads
    for role in ("operations", "backup"):
        if target := _reached(tx, rows[role].person_id if role in rows else None, gone_id):
            return [target]
    return [agent.channel_id] if agent.channel_id else []


def _reached(tx: Session, person_id: int | None, gone_id: int) -> str | None:
    person = tx.get(Person, person_id) if person_id is not None and person_id != gone_id else None
    return person.slack_id if person is not None and person.active and person.kind == "member" else None


def _places(tx: Session, person: Person) -> list[str]:
    """Where else aiops.yml names them: rotations, ladders, leads."""
    shared = shared_registry(tx)

    def is_them(ref: str) -> bool:
        found = find_ref(tx, ref)
        return found is not None and found.id == person.id

    found = [f"the rotation {name}" for name, each in shared.get("rotations", {}).items() if any(is_them(ref) for ref in each.get("people", []))]
    found += [f"the ladder {name}" for name, steps in shared.get("ladders", {}).items() if any(is_them(str(step.get("call", ""))) for step in steps)]
    return found + (["the leads"] if any(is_them(ref) for ref in shared.get("workspace", {}).get("leads", [])) else [])
