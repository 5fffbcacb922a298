"""What somebody holds of an agent's incidents passes to another; and incidents of an agent that is no longer at work end: in one open transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.blocks import Message, clip, escape, mention
from bot.calendars import local_day
from bot.incidents.closing import close_incident
from bot.incidents.failing import failing_of
from bot.incidents.flows import settle_item
from bot.incidents.following import change_follow_up, close_follow_up, sign_none_needed
from bot.incidents.reading import items_of, open_incidents
from bot.incidents.running import ROLE_COLUMNS
from bot.incidents.thread import add_line, entries, locked, note, show_incident
from bot.tables import Agent, FollowUp, Incident, Person


@dataclass(frozen=True)
class Passed:
    """What passed from one person to another, escaped, a line each."""

    lines: tuple[str, ...] = ()

    def __add__(self, other: Passed) -> Passed:
        return Passed(self.lines + other.lines)


def open_follow_ups(tx: Session, agent_id: int) -> list[FollowUp]:
    """What was promised for an agent and is not done, the most urgent first."""
    return list(tx.scalars(select(FollowUp).where(FollowUp.agent_id == agent_id, FollowUp.closed_at.is_(None)).order_by(FollowUp.due_at, FollowUp.id)))


def pass_incidents(tx: Session, now: datetime, agent: Agent, old_id: int, new: Person, why: str) -> Passed:
    """Roles and steps that the old one holds in the agent's running incidents are the new one's; each thread says so once."""
    told = []
    for found in open_incidents(tx, [agent.id]):
        incident = locked(tx, found.id)
        roles = [role for role in ROLE_COLUMNS if getattr(incident, f"{role}_id") == old_id]
        steps = [item for item in items_of(tx, incident.id) if item.state == "open" and item.assignee_id == old_id]
        if not roles and not steps:
            continue
        for role in roles:
            setattr(incident, f"{role}_id", new.id)
        for item in steps:
            item.assignee_id, item.nags, item.nagged_at = new.id, 0, None
        tx.flush()
        what = [f"{role} of incident #{incident.id}" for role in roles]
        numbers = ", ".join(str(item.position + 1) for item in steps)
        what += [f"step{'s'[: len(steps) > 1]} {numbers} of incident #{incident.id}"] if steps else []
        said = " and ".join(each.removesuffix(f" of incident #{incident.id}") for each in what)
        note(tx, now, incident, "roles", f"took over {said}: {why}", new)
        evidence = {"roles": roles, "steps": [item.item_key for item in steps], "from": old_id, "to": new.id}
        audit.record(tx, now, "incident.pass_on", f"incident:{incident.id}", person_id=new.id, words=why, evidence=evidence)
        add_line(tx, now, incident, f"passed:{entries(tx, incident.id)}", Message(f"{mention(new.slack_id, new.name)} took over {said}: {escape(why)}"))
        show_incident(tx, now, incident)
        told += [f"{' and '.join(what)}: {escape(clip(incident.title, 150))}"]
    return Passed(tuple(told))


def pass_follow_ups(tx: Session, now: datetime, agent: Agent, old_id: int | None, new: Person, by: Person) -> Passed:
    """What the old one promised for the agent (None: what anybody did) is the new one's, by the same day."""
    told = []
    for row in open_follow_ups(tx, agent.id):
        if row.owner_id == new.id or (old_id is not None and row.owner_id != old_id):
            continue
        owner = tx.get_one(Person, row.owner_id)
        day = date.fromisoformat(local_day(row.due_at, owner.zone or "UTC"))
        if change_follow_up(tx, now, row, by, new, day):
            told.append(f"the follow-up “{escape(clip(row.words, 150))}”, due {day:%a} {day.day} {day:%b}")
    return Passed(tuple(told))


def close_for_good(tx: Session, now: datetime, incident_id: int, by: Person, why: str) -> bool:
    """Its agent is no longer at work: what is left of the checklist is waived with that reason, and it closes. False where it would not."""
    incident = locked(tx, incident_id)
    if any(not each.at_rest for each in failing_of(tx, incident)):
        return False  # another agent of it fails still: it is theirs from now on
    for item in items_of(tx, incident.id):
        if item.state == "open" and item.required:
            settle_item(tx, now, item, "waived", by, why)
    sign_none_needed(tx, now, incident.id, by, why)
    return close_incident(tx, now, incident.id, by, failing_why=why) is None


def close_follow_ups(tx: Session, now: datetime, agent: Agent, by: Person, why: str) -> int:
    """Nobody needs them any more; who had reported an output is not told that it was mended."""
    return sum(close_follow_up(tx, now, row, by, why, mended=False) for row in open_follow_ups(tx, agent.id))


def give_incident(tx: Session, now: datetime, incident: Incident, new: Person, by: Person, why: str) -> None:
    """Somebody leads and answers for it from now on, whoever did before."""
    incident = locked(tx, incident.id)
    incident.lead_id = incident.owner_id = new.id
    tx.flush()
    note(tx, now, incident, "roles", f"gave the incident to {new.name}: {why}", by)
    audit.record(tx, now, "incident.pass_on", f"incident:{incident.id}", person_id=by.id, words=why, evidence={"roles": ["lead", "owner"], "to": new.id})
    add_line(tx, now, incident, f"given:{entries(tx, incident.id)}", Message(f"{mention(new.slack_id, new.name)} leads this incident and answers for it now. {escape(by.name)} gave it to them: {escape(why)}"))
    show_incident(tx, now, incident)
