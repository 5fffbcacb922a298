"""What others ask about incidents, and an incident as its messages show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import escape
from bot.incidents.failing import affected_words, failing_of
from bot.incidents.links import link_to
from bot.incidents.messages import IncidentView, ItemView
from bot.incidents.rules import Item, Standing
from bot.incidents.switches import switches_of
from bot.outbox import flows as outbox
from bot.paging.reading import named
from bot.tables import Agent, FollowUp, Incident, IncidentItem, IncidentMinutes, Page, Person, Problem, TimelineEntry


def root_key(incident_id: int) -> str:
    return f"incident:{incident_id}"


def checklist_key(incident_id: int) -> str:
    return f"incident:{incident_id}:checklist"


def open_incidents(tx: Session, agent_ids: Sequence[int] | None = None) -> list[Incident]:
    """The incidents not yet closed (of these agents), the oldest first."""
    sought = select(Incident).where(Incident.closed_at.is_(None)).order_by(Incident.opened_at, Incident.id)
    return list(tx.scalars(sought if agent_ids is None else sought.where(Incident.agent_id.in_(agent_ids))))


def incidents_about(tx: Session, agent_id: int) -> list[Incident]:
    """The open incidents that an agent is part of, the oldest first."""
    pages = select(Problem.page_id).where(Problem.agent_id == agent_id, Problem.page_id.is_not(None)).union(select(Problem.under_id).where(Problem.agent_id == agent_id, Problem.under_id.is_not(None)))
    sought = select(Incident).where(Incident.closed_at.is_(None), (Incident.agent_id == agent_id) | Incident.page_id.in_(pages))
    return list(tx.scalars(sought.order_by(Incident.id)))


def items_of(tx: Session, incident_id: int) -> list[IncidentItem]:
    """The checklist's steps, in order."""
    return list(tx.scalars(select(IncidentItem).where(IncidentItem.incident_id == incident_id).order_by(IncidentItem.position)))


def follow_ups_of(tx: Session, incident_id: int) -> list[FollowUp]:
    """An incident's follow-ups, in order."""
    return list(tx.scalars(select(FollowUp).where(FollowUp.incident_id == incident_id).order_by(FollowUp.id)))


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
    items = items_of(tx, incident.id)
    follow_ups = follow_ups_of(tx, incident.id)
    people = {person.id: named(person) for person in _people(tx, incident, items)}
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    before = tx.get(Incident, incident.before_id) if incident.before_id else None
    reopened = list(tx.scalars(select(FollowUp).where(FollowUp.reopened_for == incident.id).order_by(FollowUp.id)))
    unfinished = [each.words for each in follow_ups_of(tx, before.id) if each.closed_at is None and each.reopened_for != incident.id] if before else []
    switches, agents = switches_of(tx, incident) if incident.closed_at is None else ((), 1)
    return IncidentView(
        id=incident.id,
        agent=tx.get_one(Agent, incident.agent_id).name,
        title=incident.title,
        severity=incident.severity,
        opened_at=incident.opened_at,
        opened_by=people.get(incident.opened_by or 0, "the bot"),
        items=tuple(item_view(item, people, items) for item in items),
        lead=people.get(incident.lead_id or 0),
        scribe=people.get(incident.scribe_id or 0),
        owner=people.get(incident.owner_id or 0),
        page_id=incident.page_id,
        page_over_at=page.resolved_at if page else None,
        closed_at=incident.closed_at,
        closed_by=people.get(incident.closed_by or 0, "the bot"),
        began_at=incident.began_at,
        failing=tuple(failing_of(tx, incident)) if incident.closed_at is None else (),
        affected=affected_words(tx, incident) if incident.closed_at is None else "",
        follow_ups=tuple((each.words, each.closed_at is not None) for each in follow_ups),
        none_needed=f"{people.get(incident.none_needed_by or 0, 'somebody')}: {escape(incident.none_needed_why)}" if incident.none_needed_by else "",
        before_id=before.id if before else None,
        before_at=before.opened_at if before else None,
        before_link=link_to(tx, root_key(before.id)) if before else "",
        reopened=tuple(each.words for each in reopened),
        unfinished=tuple(unfinished),
        checklist_link=link_to(tx, checklist_key(incident.id)),
        status_at=incident.status_at,
        switches=switches,
        agents=agents,
    )


def item_view(item: IncidentItem, people: dict[int, str] | None = None, items: Iterable[IncidentItem] = ()) -> ItemView:
    """One step as messages show it; numbers begin at 1."""
    known = people or {}
    first = tuple(each.position + 1 for each in items if each.item_key in (item.comes_after or ()) and each.state == "open")
    return ItemView(
        item.id, item.position + 1, item.phase, item.words, item.required, item.state, known.get(item.by_id or 0, ""), item.at, item.note,
        item.kind, tuple(item.options or ()), known.get(item.assignee_id or 0, ""), item.due_at, item.answer, first,
    )  # fmt: skip


def plain_items(tx: Session, incident_id: int) -> list[Item]:
    """The steps as the rules judge them."""
    return [Item(item.position + 1, item.words, item.required, item.state) for item in items_of(tx, incident_id)]


def standing_of(tx: Session, incident: Incident) -> Standing:
    """All that decides whether it may close."""
    return Standing(
        items=tuple(plain_items(tx, incident.id)),
        failing=tuple(failing_of(tx, incident)),
        follow_ups=len(follow_ups_of(tx, incident.id)) + len(list(tx.scalars(select(FollowUp.id).where(FollowUp.reopened_for == incident.id)))),
        none_needed=incident.none_needed_by is not None,
        failing_why=incident.failing_why,
        minutes_said=tx.scalars(select(IncidentMinutes.id).where(IncidentMinutes.incident_id == incident.id).limit(1)).first() is not None,
    )


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
    items = items_of(tx, incident.id)
    for item in items:
        if item.state != "open" and item.by_id is not None:
            counts[item.by_id] = counts.get(item.by_id, 0) + 1
    names = {person.id: named(person) for person in _people(tx, incident, items)}
    return sorted(((names[person_id], steps) for person_id, steps in counts.items() if person_id in names), key=lambda pair: (-pair[1], pair[0]))


def _people(tx: Session, incident: Incident, items: Sequence[IncidentItem]) -> list[Person]:
    ids = {each for item in items for each in (item.by_id, item.assignee_id)}
    ids |= {incident.opened_by, incident.lead_id, incident.closed_by, incident.scribe_id, incident.owner_id, incident.none_needed_by}
    return list(tx.scalars(select(Person).where(Person.id.in_([each for each in ids if each is not None]))))
