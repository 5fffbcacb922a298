"""An incident from its opening on: steps, notes, the lead: what happens, in one open transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.blocks import Message, escape, mention
from bot.incidents.choosing import protocol_for
from bot.incidents.following import reopen_what_did_not_hold
from bot.incidents.people import whose
from bot.incidents.protocol import steps_of
from bot.incidents.reading import items_of
from bot.incidents.rules import RECURS_WITHIN, Change, comes_first, what_changes
from bot.incidents.thread import (
    add_line,
    checklist_key,
    entries,
    incident_roles,
    item_numbered,
    locked,
    note,
    root_key,
    show_incident,
)
from bot.paging.reading import problems_of
from bot.paging.showing import show_page
from bot.people.flows import Actor, Refused, require
from bot.people.rules import Act
from bot.tables import Agent, Incident, IncidentItem, Page, Person, Problem, TimelineEntry

__all__ = [
    "add_note", "assign_item", "checklist_key", "incident_of_page", "incident_roles", "item_numbered", "locked", "may_settle", "note",
    "open_incident", "root_key", "settle_item", "show_incident", "take_lead", "watch_step",
]  # fmt: skip

SOON = timedelta(seconds=10)  # after its opening it is shown once more, with the links that Slack gave meanwhile


def open_incident(
    tx: Session,
    now: datetime,
    agent: Agent,
    by: Person | None,
    title: str,
    *,
    page: Page | None = None,
    problem: Problem | None = None,
    output_id: int | None = None,
    channel: str | None = None,
    came_from: str = "slack",
) -> Incident:
    """Open an incident with the agent's protocol as its checklist; one per page. Whoever opens it leads until somebody takes it.

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
        problem = problem or next(iter(problems_of(tx, page.id)), None)
    else:
        # Two people who tell of the same thing in one moment open one incident: the agent's row is the gate.
        tx.scalars(select(Agent).where(Agent.id == agent.id).with_for_update(key_share=True)).one()
    fingerprint = problem.fingerprint if problem is not None else f"{agent.slug}:{' '.join(title.lower().split())[:100]}"[:200]
    if page is None:
        same = select(Incident).where(Incident.fingerprint == fingerprint, Incident.agent_id == agent.id, Incident.closed_at.is_(None)).order_by(Incident.id)
        known = tx.scalars(same).first()
        if known is not None:
            return known
    severity = page.severity if page else problem.severity if problem else "page"
    protocol = protocol_for(tx, now, agent)
    incident = Incident(
        agent_id=agent.id,
        page_id=page.id if page else None,
        output_id=output_id,
        fingerprint=fingerprint,
        severity=severity,
        title=title,
        lead_id=by.id if by else None,
        opened_by=by.id if by else None,
        opened_at=now,
        began_at=problem.since if problem is not None else None,
        status_at=now,
        look_at=now + SOON,
        template=protocol,
        channel_id=place,
    )
    tx.add(incident)
    tx.flush()
    business = whose(tx, incident, "business_owner")
    incident.owner_id = business.id if business is not None else None
    for position, step in enumerate(steps_of(protocol, severity)):
        person = whose(tx, incident, step.who)
        tx.add(
            IncidentItem(
                incident_id=incident.id, item_key=step.key, position=position, phase=step.phase, words=step.words, required=step.required, kind=step.kind, role=step.who,
                options=list(step.options) or None, comes_after=list(step.after) or None, due_at=now + step.within if step.within else None,
                assignee_id=person.id if person is not None and step.who != "lead" else None,
            )
        )  # fmt: skip
    tx.flush()
    why = f" from page {page.id}" if page else ""
    note(tx, now, incident, "opened", f"opened the incident{why}: {title}", by, key="opened")
    audit.record(tx, now, "incident.open", f"incident:{incident.id}", person_id=by.id if by else None, came_from=came_from, words=title, evidence={"protocol": f"{protocol.get('name')} v{protocol.get('version')}"})
    show_incident(tx, now, incident)
    _recognise(tx, now, incident)
    show_incident(tx, now, incident)
    if page is not None:
        show_page(tx, now, page)
    return incident


def _recognise(tx: Session, now: datetime, incident: Incident) -> None:
    """The same failure within 90 days: say so, link it, and open its follow-ups again that did not hold."""
    same = (Incident.fingerprint == incident.fingerprint, Incident.id != incident.id, Incident.opened_at <= now)
    sought = select(Incident).where(*same, (Incident.closed_at.is_(None)) | (Incident.closed_at >= now - RECURS_WITHIN))
    earlier = list(tx.scalars(sought.order_by(Incident.opened_at.desc(), Incident.id.desc()).limit(20)))
    if not earlier:
        return
    incident.before_id = earlier[0].id
    tx.flush()
    note(tx, now, incident, "again", f"the same failure as in incident #{earlier[0].id}", None, key="again")
    reopen_what_did_not_hold(tx, now, incident, earlier)


def incident_of_page(tx: Session, page_id: int) -> Incident | None:
    """The open incident about a page."""
    return tx.scalars(select(Incident).where(Incident.page_id == page_id, Incident.closed_at.is_(None))).first()


def settle_item(tx: Session, now: datetime, item: IncidentItem, wanted: str, by: Person, words: str = "", answer: str = "") -> Change:
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
    if wanted == "done":
        items = items_of(tx, incident.id)
        first = comes_first([str(each) for each in item.comes_after or ()], {each.item_key: each.state for each in items})
        if first:
            before = next(each for each in items if each.item_key == first[0])
            raise Refused(f"Step {item.position + 1} comes after step {before.position + 1} ({escape(before.words)}): do that one first, or waive it with a reason.")
    item.state, item.by_id, item.at, item.note, item.answer = wanted, by.id, now, words.strip().replace("\0", ""), answer.replace("\0", "")
    if wanted == "open":
        item.by_id = item.at = None
        item.note = item.answer = ""
    tx.flush()
    number = item.position + 1
    said = {Change.DONE: f"did step {number}", Change.WAIVED: f"waived step {number}", Change.REOPENED: f"opened step {number} again"}[change]
    full = f"{said} ({item.words.split(':')[0].rstrip('.')})" + "".join(f": {each}" for each in (answer, words.strip()) if each)
    note(tx, now, incident, "step", full, by)
    audit.record(tx, now, f"incident.{change.value}", f"incident:{incident.id}", person_id=by.id, words=full, evidence={"step": item.item_key})
    show_incident(tx, now, incident)
    return change


def assign_item(tx: Session, now: datetime, item: IncidentItem, person: Person, by: Person) -> bool:
    """A step is somebody's from now on, and they are told in the thread; False where it was theirs already."""
    incident = locked(tx, item.incident_id)
    if incident.closed_at is not None:
        raise Refused(f"Incident #{incident.id} is closed: its checklist stays as it was.")
    if item.assignee_id == person.id or item.state != "open":
        return False
    item.assignee_id, item.nags, item.nagged_at = person.id, 0, None
    tx.flush()
    number = item.position + 1
    note(tx, now, incident, "assigned", f"gave step {number} to {person.name}", by)
    audit.record(tx, now, "incident.assign", f"incident:{incident.id}", person_id=by.id, words=f"step {number} to {person.name}", evidence={"step": item.item_key, "to": person.id})
    told = f"{mention(person.slack_id, person.name)}, step {number} is yours now, given by {escape(by.name)}: {escape(item.words)}"
    add_line(tx, now, incident, f"assigned:{entries(tx, incident.id)}", Message(told))
    show_incident(tx, now, incident)
    return True


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
    add_line(tx, now, incident, f"lead:{entries(tx, incident.id)}", Message(f"{escape(by.name)} leads this incident now."))
    show_incident(tx, now, incident)
    return True


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
        note(tx, now, incident, "page", f"the page about it is over: {page.resolved_why}", None, key="page-over")
        add_line(tx, now, incident, "page-over", Message(f"The page is over: {escape(page.resolved_why)} Verify and learn are still to do before this incident closes."))
        show_incident(tx, now, incident)
    return bool(rows)


def may_settle(tx: Session, incident: Incident, actor: Actor, wanted: str, *, required: bool) -> None:
    """Raise Refused unless the actor may do this to a step; waiving a required one takes more."""
    require(incident_roles(tx, incident, actor), Act.WAIVE if wanted == "waived" and required else Act.WORK_INCIDENT)
