"""An incident from opening to closing: what happens, in one open transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.blocks import Message, escape
from bot.incidents import messages
from bot.incidents.protocol import PROTOCOL, steps_of
from bot.incidents.reading import doers_of, incident_view, items_of, plain_items
from bot.incidents.rules import Change, still_open, what_changes
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging.showing import show_page
from bot.people.flows import Actor, Refused, require, roles_of
from bot.people.rules import Act, Role
from bot.tables import Agent, Incident, IncidentItem, Page, Person, TimelineEntry


def root_key(incident_id: int) -> str:
    return f"incident:{incident_id}"


def checklist_key(incident_id: int) -> str:
    return f"incident:{incident_id}:checklist"


def open_incident(
    tx: Session,
    now: datetime,
    agent: Agent,
    by: Person | None,
    title: str,
    *,
    page: Page | None = None,
    output_id: int | None = None,
    channel: str | None = None,
    came_from: str = "slack",
) -> Incident:
    """Open an incident with the protocol as its checklist; one per page. Whoever opens it leads until somebody takes it.

    It lives in the agent's owner channel (`channel` where the agent has none). Raises Refused where there is neither.
    """
    place = agent.channel_id or channel
    if not place:
        raise Refused(f"{agent.name} has no owner channel yet, so an incident has nowhere to live. Give it one first (`channel:` in aiops.yml).")
    if page is not None:
        # The page's row is the gate: two people at once open one incident.
        tx.scalars(select(Page).where(Page.id == page.id).with_for_update(key_share=True)).one()
        found = incident_of_page(tx, page.id)
        if found is not None:
            return found
    incident = Incident(
        agent_id=agent.id,
        page_id=page.id if page else None,
        output_id=output_id,
        fingerprint=f"{agent.slug}:{title.lower()[:100]}"[:200],
        severity=page.severity if page else "page",
        title=title,
        lead_id=by.id if by else None,
        opened_by=by.id if by else None,
        opened_at=now,
        template=PROTOCOL,
        channel_id=place,
    )
    tx.add(incident)
    tx.flush()
    for position, step in enumerate(steps_of(PROTOCOL)):
        tx.add(IncidentItem(incident_id=incident.id, item_key=step.key, position=position, phase=step.phase, words=step.words, required=step.required))
    tx.flush()
    why = f" from page {page.id}" if page else ""
    note(tx, now, incident, "opened", f"opened the incident{why}: {title}", by, key="opened")
    audit.record(tx, now, "incident.open", f"incident:{incident.id}", person_id=by.id if by else None, came_from=came_from, words=title)
    show_incident(tx, now, incident)
    if page is not None:
        show_page(tx, now, page)
    return incident


def incident_of_page(tx: Session, page_id: int) -> Incident | None:
    """The open incident about a page."""
    return tx.scalars(select(Incident).where(Incident.page_id == page_id, Incident.closed_at.is_(None))).first()


def settle_item(tx: Session, now: datetime, item: IncidentItem, wanted: str, by: Person, words: str = "") -> Change:
    """Make a step done, waived (with a reason) or open again; leave was asked before. A second press changes nothing."""
    incident = locked(tx, item.incident_id)
    tx.refresh(item)
    if incident.closed_at is not None:
        raise Refused(f"Incident #{incident.id} is closed: its checklist stays as it was.")
    change = what_changes(item.state, wanted)
    if change is Change.NOTHING:
        return change
    if wanted == "waived" and not words.strip():
        raise ValueError("a waived step needs a reason")
    item.state, item.by_id, item.at, item.note = wanted, by.id, now, words.strip()
    if wanted == "open":
        item.by_id = item.at = None
        item.note = ""
    tx.flush()
    number = item.position + 1
    said = {Change.DONE: f"did step {number}", Change.WAIVED: f"waived step {number}", Change.REOPENED: f"opened step {number} again"}[change]
    full = f"{said} ({item.words.split(':')[0].rstrip('.')})" + (f": {words.strip()}" if words.strip() else "")
    note(tx, now, incident, "step", full, by)
    audit.record(tx, now, f"incident.{change.value}", f"incident:{incident.id}", person_id=by.id, words=full, evidence={"step": item.item_key})
    show_incident(tx, now, incident)
    return change


def add_note(tx: Session, now: datetime, incident: Incident, by: Person, words: str, *, key: str = "") -> None:
    """Put somebody's words on the timeline; also after closing, marked as such by its time."""
    note(tx, now, incident, "note", f"noted: {words}", by, key=key)


def take_lead(tx: Session, now: datetime, incident_id: int, by: Person) -> bool:
    """Lead from now on; says whether that changed anything."""
    incident = locked(tx, incident_id)
    if incident.closed_at is not None or incident.lead_id == by.id:
        return False
    incident.lead_id = by.id
    tx.flush()
    note(tx, now, incident, "lead", "leads the incident now", by)
    audit.record(tx, now, "incident.lead", f"incident:{incident.id}", person_id=by.id)
    outbox.line(
        tx, now, key=f"incident:{incident.id}:lead:{_next(tx, incident.id)}", thread=root_key(incident.id), message=Message(f"{escape(by.name)} leads this incident now."), priority=Priority.INCIDENT
    )
    show_incident(tx, now, incident)
    return True


def close_incident(tx: Session, now: datetime, incident_id: int, by: Person) -> Message | None:
    """Close it; returns the words that refuse while required steps are open. Leave was asked before."""
    incident = locked(tx, incident_id)
    if incident.closed_at is not None:
        return Message(f"Incident #{incident.id} is closed already.")
    missing = {item.number for item in still_open(plain_items(tx, incident.id))}
    if missing:
        view = incident_view(tx, incident)
        return messages.refused_words(view, [item for item in view.items if item.number in missing])
    incident.closed_at, incident.closed_by, incident.state = now, by.id, "closed"
    tx.flush()
    note(tx, now, incident, "closed", "closed the incident", by)
    audit.record(tx, now, "incident.close", f"incident:{incident.id}", person_id=by.id)
    show_incident(tx, now, incident)
    told = messages.closing_words(incident_view(tx, incident), doers_of(tx, incident))
    outbox.line(tx, now, key=f"incident:{incident.id}:closed", thread=root_key(incident.id), message=told, priority=Priority.INCIDENT)
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    if page is not None:
        show_page(tx, now, page)
    return None


def watch_step(tx: Session, now: datetime) -> bool:
    """Tell open incidents that their page is over; says whether one was told."""
    told = select(TimelineEntry.incident_id).where(TimelineEntry.source_key == "page-over")
    wanted = (
        select(Incident, Page)
        .join(Page, Page.id == Incident.page_id)
        .where(Incident.closed_at.is_(None), Page.resolved_at.is_not(None), Incident.id.not_in(told))
        .limit(100)
    )
    rows = tx.execute(wanted.with_for_update(of=Incident, skip_locked=True, key_share=True)).all()
    for incident, page in rows:
        words = f"the page about it is over: {page.resolved_why}"
        note(tx, now, incident, "page", words, None, key="page-over")
        line = Message(f"The page is over: {escape(page.resolved_why)} Verify and learn are still to do before this incident closes.")
        outbox.line(tx, now, key=f"incident:{incident.id}:page-over", thread=root_key(incident.id), message=line, priority=Priority.INCIDENT)
        show_incident(tx, now, incident)
    return bool(rows)


def show_incident(tx: Session, now: datetime, incident: Incident) -> None:
    """Write the root and the checklist as they are now; the checklist is the first line of the thread."""
    view = incident_view(tx, incident)
    outbox.show(tx, now, key=root_key(incident.id), to=incident.channel_id, message=messages.root_message(view), priority=Priority.INCIDENT)
    listed = messages.checklist_message(view)
    outbox.show(tx, now, key=checklist_key(incident.id), to=incident.channel_id, message=listed, thread=root_key(incident.id), priority=Priority.INCIDENT)


def note(tx: Session, now: datetime, incident: Incident, kind: str, words: str, by: Person | None, *, key: str = "") -> None:
    """One entry of the timeline; `key` keeps the same thing from being written twice."""
    source = (key or f"{kind}:{_next(tx, incident.id)}")[:200]
    found = tx.scalars(select(TimelineEntry.id).where(TimelineEntry.incident_id == incident.id, TimelineEntry.source_key == source)).first()
    if found is None:
        tx.add(TimelineEntry(incident_id=incident.id, at=now, person_id=by.id if by else None, kind=kind, words=words[:4000], source_key=source))
        tx.flush()


def incident_roles(tx: Session, incident: Incident, actor: Actor) -> set[Role]:
    """All roles of somebody with regard to an incident: its lead, and who has its page, are responders."""
    agent = tx.get_one(Agent, incident.agent_id)
    roles = roles_of(tx, actor, agent.id, channel_id=agent.channel_id)
    page = tx.get(Page, incident.page_id) if incident.page_id else None
    if not roles & {Role.GUEST, Role.STRANGER} and actor.person_id in {incident.lead_id, page.acked_by if page else None}:
        roles.add(Role.RESPONDER)
    return roles


def may_settle(tx: Session, incident: Incident, actor: Actor, wanted: str, *, required: bool) -> None:
    """Raise Refused unless the actor may do this to a step; waiving a required one takes more."""
    require(incident_roles(tx, incident, actor), Act.WAIVE if wanted == "waived" and required else Act.WORK_INCIDENT)


def locked(tx: Session, incident_id: int) -> Incident:
    """The incident, held until the commit: two presses at once come one after the other."""
    return tx.scalars(select(Incident).where(Incident.id == incident_id).with_for_update(key_share=True).execution_options(populate_existing=True)).one()


def item_numbered(tx: Session, incident_id: int, number: int) -> IncidentItem | None:
    """The step of that number on the checklist."""
    return next((item for item in items_of(tx, incident_id) if item.position + 1 == number), None)


def _next(tx: Session, incident_id: int) -> int:
    return len(tx.scalars(select(TimelineEntry.id).where(TimelineEntry.incident_id == incident_id)).all())
