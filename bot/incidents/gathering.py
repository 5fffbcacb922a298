"""What happened around an incident and is known elsewhere, put on its timeline: presses on its page, orders to its agents, its checks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.alone import alone
from bot.db import is_outage, is_standstill
from bot.incidents.failing import agents_of_incident, fingerprints_of
from bot.incidents.thread import locked, note, show_incident
from bot.tables import Agent, Decision, Incident, Person, Problem, TimelineEntry

MOST = 500  # entries of one kind
SAID = {
    "page.acknowledge": "acknowledged the page",
    "page.take": "took the page",
    "page.escalate": "had the next person called",
    "page.snooze": "snoozed the page",
    "stage.order": "ordered another stage",
    "stage.version": "ordered another version",
    "stage.obeyed": "the order was obeyed",
    "stage.late": "the order was not confirmed in time",
}
ORDERS = tuple(action for action in SAID if action.startswith("stage."))
_OBEYED = {"gate": "it read the order at its gate", "webhook": "its webhook took the order", "run": "a run reported it", "hand": "switched it by hand"}


def gather(tx: Session, incident: Incident) -> None:
    """Bring the timeline up to date; each thing once, at the time at which it happened."""
    since = min(incident.opened_at, incident.began_at or incident.opened_at)
    known = set(tx.scalars(select(TimelineEntry.source_key).where(TimelineEntry.incident_id == incident.id)))
    names = {f"agent:{slug}": name for slug, name in tx.execute(select(Agent.slug, Agent.name).where(Agent.id.in_(agents_of_incident(tx, incident))))}
    subjects = [*names] + ([f"page:{incident.page_id}"] if incident.page_id else [])
    decided = select(Decision).where(Decision.subject.in_(subjects), Decision.action.in_(SAID), Decision.at >= since).order_by(Decision.id).limit(MOST)
    if incident.closed_at is not None:
        decided = decided.where(Decision.at <= incident.closed_at)
    for row in tx.scalars(decided):
        if (key := _key(row.id)) not in known:
            about = names.get(row.subject, "") if len(names) > 1 else ""
            note(tx, row.at, incident, "press", words_of(row, about), tx.get(Person, row.person_id) if row.person_id else None, key=key)
    failed = select(Problem, Agent.name).join(Agent, Agent.id == Problem.agent_id).where(Problem.fingerprint.in_(fingerprints_of(tx, incident)))
    failed = failed.where((Problem.closed_at.is_(None)) | (Problem.closed_at >= since)).order_by(Problem.id).limit(MOST)
    for problem, name in tx.execute(failed):
        if incident.closed_at is not None and problem.opened_at > incident.closed_at:
            continue
        if (key := f"problem:{problem.id}:open") not in known:
            note(tx, problem.opened_at, incident, "check", f"{name}: {problem.title}. {problem.says}", None, key=key)
        if problem.closed_at is not None and (incident.closed_at is None or problem.closed_at <= incident.closed_at) and (key := f"problem:{problem.id}:over") not in known:
            note(tx, problem.closed_at, incident, "check", f"{name}: well again. {problem.closed_why}", None, key=key)


def words_of(row: Decision, about: str = "") -> str:
    """One decision as the timeline tells it; `about` names the agent where there are several."""
    who = f"{about}: " if about else ""
    if row.action == "stage.obeyed":
        how = _OBEYED.get(str(row.evidence.get("how")), "it confirmed it")
        what = f"version {row.evidence['version']}" if row.evidence.get("version") else f"the stage {row.evidence.get('stage')}"
        return f"switched it by hand: {what}" if row.person_id else f"{who}{what} was obeyed: {how}"
    if row.action == "stage.order" and row.evidence.get("after"):
        said = f"ordered the stage {row.evidence['after']}"
    elif row.action == "stage.version":
        said = f"ordered to go back to version {row.evidence['after']}" if row.evidence.get("after") else "ordered to use the newest version again"
    else:
        said = SAID[row.action]
    told = f"{said} for {about}" if about and row.action in ORDERS else said
    return f"{told}: {row.words}" if row.words else told


def orders_waiting(tx: Session, now: datetime) -> bool:
    """Whether an open incident does not yet tell of an order to one of its agents."""
    return bool(_untold(tx))


def orders_step(tx: Session, now: datetime) -> bool:
    """Show on open incidents what was ordered, obeyed or is late, whoever ordered it and wherever."""
    found = _untold(tx)
    for incident_id in found:
        with alone(tx, "an incident's orders step aside", unless=lambda error: is_outage(error) or is_standstill(error), incident=incident_id):
            incident = locked(tx, incident_id)
            gather(tx, incident)
            show_incident(tx, now, incident)
    return False  # what could not be told now is tried again when it is next due


def _untold(tx: Session) -> list[int]:
    """The open incidents whose agents were ordered something that their timeline lacks."""
    own = select(Incident.id, Incident.opened_at, Incident.began_at, Agent.slug).join(Agent, Agent.id == Incident.agent_id).where(Incident.closed_at.is_(None))
    paged = (
        select(Incident.id, Incident.opened_at, Incident.began_at, Agent.slug)
        .join(Problem, (Problem.page_id == Incident.page_id) | (Problem.under_id == Incident.page_id))
        .join(Agent, Agent.id == Problem.agent_id)
        .where(Incident.closed_at.is_(None))
    )
    about: dict[str, dict[int, datetime]] = {}
    for incident_id, opened_at, began_at, slug in tx.execute(own.union(paged).limit(5000)):
        about.setdefault(f"agent:{slug}", {})[incident_id] = min(opened_at, began_at or opened_at)
    if not about:
        return []
    oldest = min(at for each in about.values() for at in each.values())
    decided: set[tuple[int, str]] = set()
    subjects = sorted(about)
    for first in range(0, len(subjects), 500):
        rows = tx.execute(select(Decision.id, Decision.subject, Decision.at).where(Decision.subject.in_(subjects[first : first + 500]), Decision.action.in_(ORDERS), Decision.at >= oldest).limit(5000))
        decided |= {(incident_id, _key(row.id)) for row in rows for incident_id, since in about[row.subject].items() if row.at >= since}
    if not decided:
        return []
    ids = sorted({incident_id for incident_id, _ in decided})
    told = {(row.incident_id, row.source_key) for row in tx.execute(select(TimelineEntry.incident_id, TimelineEntry.source_key).where(TimelineEntry.incident_id.in_(ids[:500]), TimelineEntry.source_key.like("decision:%")))}
    return sorted({incident_id for incident_id, key in decided - told})[:100]


def _key(decision_id: int) -> str:
    return f"decision:{decision_id}"
