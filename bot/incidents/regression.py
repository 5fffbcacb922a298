"""The outputs that failed in an incident: kept to be tried again, and those who had reported them hear that it is fixed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.incidents import follow_words
from bot.incidents.failing import bad_outputs
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.tables import Agent, Incident, Output, Person, RegressionCase, Vote


def keep_outputs(tx: Session, now: datetime, incident: Incident) -> int:
    """The outputs that failed join their agent's regression set; returns how many are new."""
    ids = bad_outputs(tx, incident)
    known = {case.output_id: case for case in tx.scalars(select(RegressionCase).where(RegressionCase.output_id.in_(ids)))}
    new = [output for output in tx.scalars(select(Output).where(Output.id.in_(ids)).order_by(Output.id)) if output.id not in known]
    for output in new:
        tx.add(RegressionCase(agent_id=output.agent_id, output_id=output.id, incident_id=incident.id, added_at=now, fixed_in=""))
    tx.flush()
    return len(new)


def tell_reporters(tx: Session, now: datetime, incident: Incident, version: str) -> int:
    """Everybody who had reported one of its outputs gets one line, once per incident; returns how many."""
    cases = list(tx.scalars(select(RegressionCase).where(RegressionCase.incident_id == incident.id, RegressionCase.fixed_at.is_(None)).with_for_update(key_share=True)))
    if not cases:
        return 0
    for case in cases:
        case.fixed_at, case.fixed_in = now, version
    # Only whoever voted is told of their vote, and nobody else.
    votes = tx.execute(
        select(Person, Vote.voted_at)
        .join(Vote, Vote.person_id == Person.id)
        .where(Vote.output_id.in_([case.output_id for case in cases]), Vote.good.is_(False), Person.active, Person.slack_id.is_not(None))
        .order_by(Vote.voted_at)
    ).all()
    first: dict[int, tuple[Person, datetime, int]] = {}
    for person, at in votes:
        known = first.get(person.id)
        first[person.id] = (person, known[1] if known else at, known[2] + 1 if known else 1)
    agent = tx.get_one(Agent, incident.agent_id)
    for person, at, count in first.values():
        told = follow_words.fixed(agent.name, at, count, version, person.zone or "UTC")
        outbox.show(tx, now, key=f"fixed:{incident.id}:{person.id}", to=person.slack_id or "", message=told, priority=Priority.ANSWER)
    return len(first)
