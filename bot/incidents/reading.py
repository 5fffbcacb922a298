"""What others ask about incidents, and an incident as its messages show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import escape
from bot.incidents.messages import IncidentView, ItemView
from bot.incidents.rules import Item
from bot.outbox import flows as outbox
from bot.paging.reading import named
from bot.tables import Agent, Incident, IncidentItem, Page, Person, TimelineEntry


def open_incidents(tx: Session, agent_ids: Sequence[int] | None = None) -> list[Incident]:
    """The incidents not yet closed (of these agents), the oldest first."""
    sought = select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.opened_at, Incident.id)
    return list(tx.scalars(sought if agent_ids is None else sought.where(Incident.agent_id.in_(agent_ids))))


def items_of(tx: Session, incident_id: int) -> list[IncidentItem]:
    """The checklist's steps, in order."""
    return list(tx.scalars(select(IncidentItem).where(IncidentItem.incident_id == incident_id).order_by(IncidentItem.position)))


def incident_of_thread(tx: Session, channel: str | None, thread_ts: str | None) -> Incident | None:
    """The incident whose thread this is: the root's own ts, as Slack put it."""
    if not channel or not thread_ts:
        return None
    row = outbox.at_place(tx, channel, thread_ts)
    key = row.key if row is not None else ""
    number = key.removeprefix("incident:")
    return tx.get(Incident, int(number)) if key.startswith("incident:") and number.isdigit() else None


def incident_view(tx: Session, incident: Incident) -> IncidentView:
    """An incident as every message shows it."""
    people = {person.id: named(person) for person in _people(tx, incident)}
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    return IncidentView(
        id=incident.id,
        agent=tx.get_one(Agent, incident.agent_id).name,
        title=incident.title,
        severity=incident.severity,
        opened_at=incident.opened_at,
        opened_by=people.get(incident.opened_by or 0, "the bot"),
        items=tuple(item_view(item, people) for item in items_of(tx, incident.id)),
        lead=people.get(incident.lead_id or 0),
        page_id=incident.page_id,
        page_over_at=page.resolved_at if page else None,
        closed_at=incident.closed_at,
        closed_by=people.get(incident.closed_by or 0, "the bot"),
    )


def item_view(item: IncidentItem, people: dict[int, str] | None = None) -> ItemView:
    """One step as messages show it; numbers begin at 1."""
    by = (people or {}).get(item.by_id or 0, "")
    return ItemView(item.id, item.position + 1, item.phase, item.words, item.required, item.state, by, item.at, item.note)


def plain_items(tx: Session, incident_id: int) -> list[Item]:
    """The steps as the rules judge them."""
    return [Item(item.position + 1, item.words, item.required, item.state) for item in items_of(tx, incident_id)]


def timeline_of(tx: Session, incident_id: int) -> list[tuple[datetime, str]]:
    """What happened, in order, escaped; each line begins with who."""
    rows = tx.execute(
        select(TimelineEntry, Person)
        .join(Person, Person.id == TimelineEntry.person_id, isouter=True)
        .where(TimelineEntry.incident_id == incident_id)
        .order_by(TimelineEntry.at, TimelineEntry.id)
    )
    return [(entry.at, f"{named(person) + ' ' if person is not None else ''}{escape(entry.words)}") for entry, person in rows]


def doers_of(tx: Session, incident: Incident) -> list[tuple[str, int]]:
    """Who settled how many steps, the busiest first."""
    counts: dict[int, int] = {}
    for item in items_of(tx, incident.id):
        if item.state != "open" and item.by_id is not None:
            counts[item.by_id] = counts.get(item.by_id, 0) + 1
    names = {person.id: named(person) for person in _people(tx, incident)}
    return sorted(((names[person_id], steps) for person_id, steps in counts.items() if person_id in names), key=lambda pair: (-pair[1], pair[0]))


def _people(tx: Session, incident: Incident) -> list[Person]:
    ids = {item.by_id for item in items_of(tx, incident.id)} | {incident.opened_by, incident.lead_id, incident.closed_by}
    return list(tx.scalars(select(Person).where(Person.id.in_([each for each in ids if each is not None]))))
