"""A small fleet written straight into the database, for tests of quality and feedback."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from bot.calendars import local_day
from bot.feedback.flows import rate_output
from bot.people.flows import Actor, actor_of
from bot.surface.press import Press
from bot.tables import Agent, AgentOwner, Output, Person, Stage

_ids = count(1)


def make_agent(tx: Session, now: datetime, slug: str = "support-triage", *, zone: str = "UTC", slack_app: str | None = None, **spec: Any) -> Agent:
    document = {"name": slug.replace("-", " ").capitalize(), "owners": {"business": "maya@example.com", "operations": "omar@example.com"}, "channel": "C0SUPPORT", **spec}
    agent = Agent(slug=slug, name=document["name"], zone=zone, channel_id="C0SUPPORT", slack_app=slack_app, spec=document, created_at=now)
    tx.add(agent)
    tx.flush()
    tx.add(Stage(agent_id=agent.id, stage="autonomous", since=now))
    tx.flush()
    return agent


def make_person(tx: Session, name: str, now: datetime, *, kind: str = "member", zone: str = "UTC") -> Person:
    person = Person(team_id="T1", slack_id=f"U0{name.upper()}", email=f"{name}@example.com", name=name.capitalize(), kind=kind, zone=zone, seen_at=now)
    tx.add(person)
    tx.flush()
    return person


def own(tx: Session, now: datetime, agent: Agent, person: Person, role: str) -> None:
    tx.add(AgentOwner(agent_id=agent.id, role=role, person_id=person.id, since=now, accepted_at=now))
    tx.flush()


def make_output(tx: Session, agent: Agent, at: datetime, text: str | None = "Refunds take five days.", **more: Any) -> Output:
    number = next(_ids)
    output = Output(agent_id=agent.id, ext_id=f"o{number}", occurred_at=at, received_at=at, kind="reply", text=text, local_day=local_day(at, agent.zone), **more)
    tx.add(output)
    tx.flush()
    return output


def rate(tx: Session, now: datetime, output: Output, person: Person, good: bool | None, surface: str = "button") -> None:
    rate_output(tx, now, output, person.id, good, surface=surface)


def press(person: Person | Actor, now: datetime, name: str, value: str = "", **more: Any) -> Press:
    actor = actor_of(person) if isinstance(person, Person) else person
    return Press(actor=actor, now=now, came_from="button", name=name, value=value, **more)
