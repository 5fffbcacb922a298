"""What happened around an incident and is known elsewhere, put on its timeline: presses on its page, orders to its agent, its checks."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.incidents.failing import agents_of_incident, fingerprints_of
from bot.incidents.thread import note
from bot.tables import Agent, Decision, Incident, Person, Problem

MOST = 500  # entries of one kind
SAID = {
    "page.acknowledge": "acknowledged the page",
    "page.take": "took the page",
    "page.escalate": "had the next person called",
    "page.snooze": "snoozed the page",
    "stage.order": "ordered another stage",
}


def gather(tx: Session, incident: Incident) -> None:
    """Bring the timeline up to date; each thing once, at the time at which it happened."""
    since = min(incident.opened_at, incident.began_at or incident.opened_at)
    slugs = tx.scalars(select(Agent.slug).where(Agent.id.in_(agents_of_incident(tx, incident))))
    subjects = [f"agent:{slug}" for slug in slugs] + ([f"page:{incident.page_id}"] if incident.page_id else [])
    decided = select(Decision).where(Decision.subject.in_(subjects), Decision.action.in_(SAID), Decision.at >= since).order_by(Decision.id).limit(MOST)
    if incident.closed_at is not None:
        decided = decided.where(Decision.at <= incident.closed_at)
    for row in tx.scalars(decided):
        after = row.evidence.get("after") if row.action == "stage.order" else None
        words = (f"ordered the stage {after}" if after else SAID[row.action]) + (f": {row.words}" if row.words else "")
        note(tx, row.at, incident, "press", words, tx.get(Person, row.person_id) if row.person_id else None, key=f"decision:{row.id}")
    failed = select(Problem, Agent.name).join(Agent, Agent.id == Problem.agent_id).where(Problem.fingerprint.in_(fingerprints_of(tx, incident)))
    failed = failed.where((Problem.closed_at.is_(None)) | (Problem.closed_at >= since)).order_by(Problem.id).limit(MOST)
    for problem, name in tx.execute(failed):
        if incident.closed_at is not None and problem.opened_at > incident.closed_at:
            continue
        note(tx, problem.opened_at, incident, "check", f"{name}: {problem.title}. {problem.says}", None, key=f"problem:{problem.id}:open")
        if problem.closed_at is not None and (incident.closed_at is None or problem.closed_at <= incident.closed_at):
            note(tx, problem.closed_at, incident, "check", f"{name}: well again. {problem.closed_why}", None, key=f"problem:{problem.id}:over")
