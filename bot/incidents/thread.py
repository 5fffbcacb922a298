"""An incident's thread and timeline: what stands in Slack, what is noted, and who is who in it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.incidents import messages
from bot.incidents.reading import checklist_key, incident_view, items_of, root_key
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.people.flows import Actor, roles_of
from bot.people.rules import Role
from bot.tables import Agent, Incident, IncidentItem, Page, Person, TimelineEntry

__all__ = ["add_line", "checklist_key", "incident_roles", "item_numbered", "locked", "note", "root_key", "show_incident"]

KEPT = 40_000  # characters of one entry: more than Slack lets anybody write in a message


def show_incident(tx: Session, now: datetime, incident: Incident) -> None:
    """Write the root and the checklist as they are now; the checklist is the first line of the thread."""
    view = incident_view(tx, incident)
    outbox.show(tx, now, key=root_key(incident.id), to=incident.channel_id, message=messages.root_message(view), priority=Priority.INCIDENT)
    listed = messages.checklist_message(view)
    outbox.show(tx, now, key=checklist_key(incident.id), to=incident.channel_id, message=listed, thread=root_key(incident.id), priority=Priority.INCIDENT)


def add_line(tx: Session, now: datetime, incident: Incident, key: str, message: Message) -> None:
    """One more message in the thread, once per key."""
    outbox.line(tx, now, key=f"incident:{incident.id}:{key}"[:200], thread=root_key(incident.id), message=message, priority=Priority.INCIDENT)


def note(tx: Session, now: datetime, incident: Incident, kind: str, words: str, by: Person | None, *, key: str = "") -> bool:
    """One entry of the timeline; `key` keeps the same thing from being written twice. Says whether it is new."""
    source = (key or f"{kind}:{entries(tx, incident.id)}")[:200]
    found = tx.scalars(select(TimelineEntry.id).where(TimelineEntry.incident_id == incident.id, TimelineEntry.source_key == source)).first()
    if found is not None:
        return False
    tx.add(TimelineEntry(incident_id=incident.id, at=now, person_id=by.id if by else None, kind=kind, words=words.replace("\0", "")[:KEPT], source_key=source))
    tx.flush()
    return True


def entries(tx: Session, incident_id: int) -> int:
    """How many entries the timeline has."""
    return tx.scalar(select(func.count()).select_from(TimelineEntry).where(TimelineEntry.incident_id == incident_id)) or 0


def incident_roles(tx: Session, incident: Incident, actor: Actor) -> set[Role]:
    """All roles of somebody with regard to an incident: its lead, its owner, and who has its page, are responders."""
    agent = tx.get_one(Agent, incident.agent_id)
    roles = roles_of(tx, actor, agent.id, channel_id=agent.channel_id)
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    if not roles & {Role.GUEST, Role.STRANGER} and actor.person_id in {incident.lead_id, incident.owner_id, page.acked_by if page else None}:
        roles.add(Role.RESPONDER)
    return roles


def locked(tx: Session, incident_id: int) -> Incident:
    """The incident, held until the commit: two presses at once come one after the other."""
    return tx.scalars(select(Incident).where(Incident.id == incident_id).with_for_update(key_share=True).execution_options(populate_existing=True)).one()


def item_numbered(tx: Session, incident_id: int, number: int) -> IncidentItem | None:
    """The step of that number on the checklist."""
    return next((item for item in items_of(tx, incident_id) if item.position + 1 == number), None)

