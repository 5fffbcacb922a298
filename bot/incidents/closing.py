"""Closing an incident: refused until it is done, then one question, then what was learned is kept: in one open transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.blocks import Message
from bot.incidents import messages
from bot.incidents.gathering import gather
from bot.incidents.reading import doers_of, incident_view, standing_of
from bot.incidents.regression import keep_outputs
from bot.incidents.rules import Standing, left_to_ask, likely_minutes, what_blocks
from bot.incidents.thread import add_line, locked, note, show_incident
from bot.paging.showing import show_page
from bot.tables import Incident, IncidentMinutes, Page, Person, TimelineEntry

MOST_PEOPLE = 30  # whom the closing form asks about; of 200 who pressed once nobody wants to count minutes
LONGEST = 100_000  # minutes


def refusal(tx: Session, incident: Incident) -> Message | None:
    """The words that refuse while something is open."""
    if incident.closed_at is not None:
        return Message(f"Incident #{incident.id} is closed already.")
    blocked = what_blocks(standing_of(tx, incident))
    return messages.refused_words(incident_view(tx, incident), blocked) if blocked else None


def left(tx: Session, incident: Incident) -> tuple[str, bool]:
    """What the closing form still asks: words on the checks that fail of stopped agents (or nothing), and whether minutes."""
    standing: Standing = standing_of(tx, incident)
    reason, minutes = left_to_ask(standing)
    return "; ".join(f"{each.agent} is stopped, and its check still fails: {each.title}" for each in standing.failing) if reason else "", minutes


def who_worked(tx: Session, incident: Incident) -> list[tuple[Person, int]]:
    """Who took part, with the minutes that the timeline suggests, the busiest first."""
    moments: dict[int, list[datetime]] = {}
    for person_id, at in tx.execute(select(TimelineEntry.person_id, TimelineEntry.at).where(TimelineEntry.incident_id == incident.id, TimelineEntry.person_id.is_not(None))):
        moments.setdefault(person_id or 0, []).append(at)
    if incident.lead_id is not None:
        moments.setdefault(incident.lead_id, [])
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    if page is not None and page.acked_by is not None and page.acked_at is not None:
        moments.setdefault(page.acked_by, []).append(page.acked_at)
    people = {person.id: person for person in tx.scalars(select(Person).where(Person.id.in_(moments)))}
    found = [(people[person_id], likely_minutes(when)) for person_id, when in moments.items() if person_id in people]
    return sorted(found, key=lambda pair: (-pair[1], -len(moments[pair[0].id]), pair[0].name))[:MOST_PEOPLE]


def say_minutes(tx: Session, now: datetime, incident: Incident, minutes: Mapping[int, int], by: Person) -> None:
    """Keep how long people worked; asked for once, and the last word counts."""
    known = {row.person_id: row for row in tx.scalars(select(IncidentMinutes).where(IncidentMinutes.incident_id == incident.id))}
    for person_id, count in minutes.items():
        row = known.get(person_id)
        if row is None:
            tx.add(IncidentMinutes(incident_id=incident.id, person_id=person_id, minutes=count, said_by=by.id, said_at=now))
        else:
            row.minutes, row.said_by, row.said_at = count, by.id, now
    tx.flush()


def close_incident(tx: Session, now: datetime, incident_id: int, by: Person, *, minutes: Mapping[int, int] | None = None, failing_why: str = "") -> Message | None:
    """Close it; returns the words that refuse while something is open. Leave was asked before."""
    incident = locked(tx, incident_id)
    refused = refusal(tx, incident)
    if refused is not None:
        return refused
    if failing_why.strip():
        incident.failing_why = failing_why.strip().replace("\0", "")
    if minutes:
        say_minutes(tx, now, incident, minutes, by)
    incident.closed_at, incident.closed_by, incident.state, incident.look_at = now, by.id, "closed", None
    tx.flush()
    gather(tx, incident)
    kept = keep_outputs(tx, now, incident)
    worked = total_minutes(tx, incident.id)
    note(tx, now, incident, "closed", "closed the incident" + (f" while the check still fails: {incident.failing_why}" if incident.failing_why else ""), by, key="closed")
    audit.record(tx, now, "incident.close", f"incident:{incident.id}", person_id=by.id, words=incident.failing_why, evidence={"minutes": worked, "regression": kept})
    show_incident(tx, now, incident)
    told = messages.closing_words(incident_view(tx, incident), doers_of(tx, incident), worked, kept, incident.failing_why)
    add_line(tx, now, incident, "closed", told)
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    if page is not None:
        show_page(tx, now, page)
    return None


def total_minutes(tx: Session, incident_id: int) -> int:
    return sum(tx.scalars(select(IncidentMinutes.minutes).where(IncidentMinutes.incident_id == incident_id)))
