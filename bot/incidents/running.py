"""While an incident runs: roles, status updates, and who is reminded of what: in one open transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.alone import alone
from bot.blocks import Message, escape, mention
from bot.db import is_outage
from bot.incidents import run_words
from bot.incidents.gathering import gather
from bot.incidents.people import whose
from bot.incidents.protocol import status_every
from bot.incidents.reading import items_of
from bot.incidents.rules import comes_first
from bot.incidents.run_rules import STATUS_AGAIN, Nag, next_look, next_nag, roles_due
from bot.incidents.thread import add_line, entries, locked, note, show_incident
from bot.tables import Incident, IncidentItem, Person

BATCH = 100
ASIDE = timedelta(minutes=10)
ROLE_COLUMNS = ("lead", "scribe", "owner")


def running_step(tx: Session, now: datetime) -> bool:
    """Look at the incidents whose timer has come: what is due is asked for, in their thread."""
    sought = select(Incident).where(Incident.look_at <= now, Incident.closed_at.is_(None)).order_by(Incident.look_at).limit(BATCH)
    rows = list(tx.scalars(sought.with_for_update(skip_locked=True, key_share=True)))
    for incident in rows:
        with alone(tx, "an incident steps aside", unless=is_outage, incident=incident.id) as tried:
            _look(tx, now, incident)
        if tried.failed:
            incident.look_at = now + ASIDE
    return bool(rows)


def something_to_look_at(tx: Session, now: datetime) -> bool:
    """Whether `running_step` has anything to do."""
    return tx.scalars(select(Incident.id).where(Incident.look_at <= now, Incident.closed_at.is_(None)).limit(1)).first() is not None


def _look(tx: Session, now: datetime, incident: Incident) -> None:
    gather(tx, incident)
    items = items_of(tx, incident.id)
    states = {item.item_key: item.state for item in items}
    for item in items:
        waits = item.state == "open" and not comes_first([str(each) for each in item.comes_after or ()], states)
        nag = next_nag(now, item.due_at if waits else None, item.nags, item.nagged_at)
        if nag is not Nag.NOBODY:
            _nag(tx, now, incident, item, nag)
    every = status_every(incident.template, incident.severity)
    if every is not None and now >= (incident.status_at or incident.opened_at) + every and (incident.status_asked_at is None or now >= incident.status_asked_at + STATUS_AGAIN):
        incident.status_asked_at = now
        person = whose(tx, incident, "lead") or whose(tx, incident, "operations_owner")
        add_line(tx, now, incident, f"status-asked:{int(now.timestamp())}", run_words.ask_status(incident.id, _called(person), incident.status_at or incident.opened_at))
    empty = [role for role in ROLE_COLUMNS if whose(tx, incident, role) is None]
    due = roles_due(empty, incident.opened_at, incident.roles_asked_at)
    if due is not None and now >= due:
        incident.roles_asked_at = now
        person = whose(tx, incident, "lead") or whose(tx, incident, "operations_owner")
        add_line(tx, now, incident, f"roles-asked:{int(now.timestamp())}", run_words.ask_roles(incident.id, _called(person), empty))
    dues = [(item.due_at, item.nags, item.nagged_at) for item in items if item.state == "open" and item.due_at is not None]
    incident.look_at = next_look(now, dues, every, incident.status_at or incident.opened_at, incident.status_asked_at, roles_due(empty, incident.opened_at, incident.roles_asked_at))
    tx.flush()
    show_incident(tx, now, incident)


def _nag(tx: Session, now: datetime, incident: Incident, item: IncidentItem, nag: Nag) -> None:
    """The assignee, then the lead, then the business owner; a rung that is nobody's, or the same person's, is passed over."""
    assignee = tx.get(Person, item.assignee_id) if item.assignee_id else None
    rungs = [assignee if assignee is not None and assignee.active else whose(tx, incident, item.role), whose(tx, incident, "lead"), whose(tx, incident, "business_owner")]
    told: set[int] = {person.id for person in rungs[: nag.value - 1] if person is not None}
    place = nag.value
    while place <= len(rungs):
        person = rungs[place - 1]
        if person is not None and person.id not in told:
            number = item.position + 1
            add_line(tx, now, incident, f"nag:{item.id}:{item.nags}:{int(now.timestamp())}", run_words.nag(number, item.words, item.id, _called(person), item.due_at or now, first=place == 1))
            note(tx, now, incident, "reminded", f"{person.name} was reminded of step {number}", None)
            break
        place += 1
    item.nags, item.nagged_at = min(place, len(rungs)), now


def set_roles(tx: Session, now: datetime, incident_id: int, by: Person, chosen: dict[str, Person | None]) -> bool:
    """Who leads, writes and answers for it from now on; an empty one stays as it was. Says whether anything changed."""
    incident = locked(tx, incident_id)
    if incident.closed_at is not None:
        return False
    changed = []
    for role in ROLE_COLUMNS:
        person = chosen.get(role)
        if person is not None and getattr(incident, f"{role}_id") != person.id:
            setattr(incident, f"{role}_id", person.id)
            changed.append((role, person))
    if not changed:
        return False
    tx.flush()
    said = ", ".join(f"{person.name} as {role}" for role, person in changed)
    note(tx, now, incident, "roles", f"named {said}", by)
    audit.record(tx, now, "incident.roles", f"incident:{incident.id}", person_id=by.id, words=said)
    told = ", ".join(f"{mention(person.slack_id, person.name)} as {role}" for role, person in changed)
    add_line(tx, now, incident, f"roles:{entries(tx, incident.id)}", Message(f"{escape(by.name)} named {told}."))
    show_incident(tx, now, incident)
    return True


def tell_status(tx: Session, now: datetime, incident_id: int, by: Person, words: str) -> bool:
    """How it stands, for all who wait; the next one is asked for a rhythm later. False where it is closed: then it is kept, and asks for nothing.

    Slack may tell what somebody said before the closing up to six minutes after it, so it must not be refused.
    """
    incident = locked(tx, incident_id)
    over = incident.closed_at is not None
    every = None if over else status_every(incident.template, incident.severity)
    if not over:
        incident.status_at, incident.status_asked_at = now, None
    if every is not None and incident.look_at is not None:
        incident.look_at = min(incident.look_at, now + every)
    tx.flush()
    if note(tx, now, incident, "status", f"told how it stands: {words.strip()}", by):
        add_line(tx, now, incident, f"status:{entries(tx, incident.id)}", run_words.status(by.name, words, now + every if every else None))
    show_incident(tx, now, incident)
    return not over


def _called(person: Person | None) -> str:
    return mention(person.slack_id, person.name) if person is not None else "Nobody leads this"
