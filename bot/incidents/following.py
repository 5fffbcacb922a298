"""Follow-ups: what keeps a failure from happening again, who does it by when, and whether it held: in one open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.alone import alone
from bot.blocks import Message, clip, escape, mention
from bot.calendars import at_local
from bot.db import is_outage, wake
from bot.incidents import follow_words
from bot.incidents.people import whose
from bot.incidents.protocol import follow_up_within
from bot.incidents.regression import tell_reporters
from bot.incidents.thread import add_line, locked, note, show_incident
from bot.tables import Agent, FollowUp, Incident, Person, Run

DAY_ENDS = time(18)  # of the owner's own day: until then a follow-up is in time
ESCALATES_AFTER = timedelta(days=3)
BATCH = 100
ASIDE = timedelta(minutes=10)

def default_due(incident: Incident, now: datetime, person: Person | None) -> date:
    """The day by which a follow-up of this incident is due, unless somebody says otherwise."""
    zone = person.zone if person is not None else "UTC"
    return at_local((now + follow_up_within(incident.template, incident.severity)).date(), time(12), zone or "UTC").date()


def end_of(day: date, person: Person) -> datetime:
    return at_local(day, DAY_ENDS, person.zone or "UTC").astimezone(UTC)


def add_follow_up(tx: Session, now: datetime, incident_id: int, words: str, owner: Person, by: Person, day: date | None = None) -> FollowUp:
    """Somebody will do something so that it does not recur; also after the incident was closed. Leave was asked before."""
    incident = locked(tx, incident_id)
    due = end_of(day or default_due(incident, now, owner), owner)
    words = " ".join(words.replace("\0", "").split())
    same = select(FollowUp).where(FollowUp.incident_id == incident.id, FollowUp.words == words, FollowUp.owner_id == owner.id)
    found = tx.scalars(same).first()
    if found is not None:  # pressed twice
        return found
    row = FollowUp(incident_id=incident.id, agent_id=incident.agent_id, words=words, owner_id=owner.id, created_by=by.id, created_at=now, due_at=due, next_at=due, evidence="", fixed_in="")
    tx.add(row)
    incident.none_needed_by = incident.none_needed_at = None
    incident.none_needed_why = ""
    tx.flush()
    note(tx, now, incident, "follow-up", f"added a follow-up for {owner.name}: {words}", by, key=f"follow-up:{row.id}")
    audit.record(tx, now, "follow_up.add", f"followup:{row.id}", person_id=by.id, words=words, evidence={"incident": incident.id, "owner": owner.id, "due": due.isoformat()})
    add_line(tx, now, incident, f"follow-up:{row.id}", follow_words.added(row.words, mention(owner.slack_id, owner.name), due, row.id))
    show_incident(tx, now, incident)
    return row


def sign_none_needed(tx: Session, now: datetime, incident_id: int, by: Person, why: str) -> bool:
    """Somebody allowed to signs that nothing need follow; False where there is a follow-up already."""
    incident = locked(tx, incident_id)
    if tx.scalars(select(FollowUp.id).where(FollowUp.incident_id == incident.id).limit(1)).first() is not None:
        return False
    incident.none_needed_by, incident.none_needed_at, incident.none_needed_why = by.id, now, why.strip().replace("\0", "")
    tx.flush()
    note(tx, now, incident, "follow-up", f"signed that no follow-up is needed: {why.strip()}", by)
    audit.record(tx, now, "incident.none_needed", f"incident:{incident.id}", person_id=by.id, words=why.strip())
    show_incident(tx, now, incident)
    return True


def close_follow_up(tx: Session, now: datetime, row: FollowUp, by: Person, evidence: str, fixed_in: str = "", *, mended: bool = True) -> bool:
    """It is done, and this shows it; False where it was closed before. The last one of an incident ends what people had reported.

    Not `mended`: it is no longer needed, and nobody is told that anything was repaired.
    """
    row = _locked(tx, row.id)
    if row.closed_at is not None:
        return False
    row.closed_at, row.closed_by, row.next_at = now, by.id, None
    row.evidence, row.fixed_in = evidence.strip().replace("\0", ""), fixed_in.strip().replace("\0", "")[:128]
    tx.flush()
    incident = locked(tx, row.reopened_for or row.incident_id)
    note(tx, now, incident, "follow-up", f"closed the follow-up “{row.words}”: {row.evidence}" + (f" (in {row.fixed_in})" if row.fixed_in else ""), by)
    audit.record(tx, now, "follow_up.close", f"followup:{row.id}", person_id=by.id, words=row.evidence, evidence={"incident": incident.id, "fixed_in": row.fixed_in})
    said = f":white_check_mark: {escape(by.name)} did the follow-up “{escape(clip(row.words, 300))}”. What shows it: {escape(clip(row.evidence, 600))}"
    if not mended:
        said = f"{escape(by.name)} closed the follow-up “{escape(clip(row.words, 300))}”, which is no longer needed: {escape(clip(row.evidence, 600))}"
    add_line(tx, now, incident, f"follow-up:{row.id}:closed:{row.turns}", Message(said))
    left = select(FollowUp.id).where((FollowUp.incident_id == incident.id) | (FollowUp.reopened_for == incident.id), FollowUp.closed_at.is_(None))
    if mended and tx.scalars(left.limit(1)).first() is None:
        tell_reporters(tx, now, incident, row.fixed_in)
    show_incident(tx, now, incident)
    for later in tx.scalars(select(Incident).where(Incident.before_id == row.incident_id, Incident.closed_at.is_(None), Incident.id != incident.id)):
        show_incident(tx, now, later)  # it says what of before is not done yet
    return True


def change_follow_up(tx: Session, now: datetime, row: FollowUp, by: Person, owner: Person, day: date) -> bool:
    """Another owner or another day; both are kept on the timeline."""
    row = _locked(tx, row.id)
    due = end_of(day, owner)
    if row.closed_at is not None or (row.owner_id == owner.id and row.due_at == due):
        return False
    row.owner_id, row.due_at, row.next_at, row.reminded_at, row.escalated_at = owner.id, due, due, None, None
    tx.flush()
    incident = locked(tx, row.reopened_for or row.incident_id)
    said = f"gave the follow-up “{row.words}” to {owner.name}, due {day.isoformat()}"
    note(tx, now, incident, "follow-up", said, by)
    audit.record(tx, now, "follow_up.change", f"followup:{row.id}", person_id=by.id, words=said, evidence={"owner": owner.id, "due": due.isoformat()})
    add_line(tx, now, incident, f"follow-up:{row.id}:changed:{int(now.timestamp())}", follow_words.added(row.words, mention(owner.slack_id, owner.name), due, row.id))
    return True


def reopen_what_did_not_hold(tx: Session, now: datetime, incident: Incident, earlier: Sequence[Incident]) -> list[FollowUp]:
    """The failure is back: follow-ups of before that were closed did not hold, and are open again."""
    ids = [each.id for each in earlier]
    sought = select(FollowUp).where(FollowUp.incident_id.in_(ids), FollowUp.closed_at.is_not(None)).order_by(FollowUp.id).with_for_update(key_share=True)
    rows = list(tx.scalars(sought))
    for row in rows:
        owner = tx.get(Person, row.owner_id)
        if owner is None or not owner.active:  # whoever had it is gone: it is the operations owner's now
            owner = whose(tx, incident, "operations_owner") or owner
        if owner is None:
            continue
        row.owner_id = owner.id
        row.closed_at = row.closed_by = None
        row.reopened_at, row.reopened_for, row.turns = now, incident.id, row.turns + 1
        row.due_at = row.next_at = end_of(default_due(incident, now, owner), owner)
        row.reminded_at = row.escalated_at = None
        tx.flush()
        note(tx, now, incident, "again", f"the follow-up “{row.words}” did not hold and is open again, with {owner.name}", None, key=f"again:{row.id}")
        add_line(tx, now, incident, f"again:{row.id}", follow_words.again(row.words, mention(owner.slack_id, owner.name), row.due_at, row.id))
        audit.record(tx, now, "follow_up.reopen", f"followup:{row.id}", came_from="recurrence", words=row.words, evidence={"incident": incident.id})
    wake(tx, "incidents")
    return rows


def reopen_follow_up(tx: Session, now: datetime, row: FollowUp, by: Person, why: str) -> bool:
    """Somebody says that it is not done after all."""
    row = _locked(tx, row.id)
    if row.closed_at is None:
        return False
    incident = locked(tx, row.reopened_for or row.incident_id)
    owner = tx.get_one(Person, row.owner_id)
    row.closed_at = row.closed_by = None
    row.reopened_at, row.turns, row.reminded_at, row.escalated_at = now, row.turns + 1, None, None
    row.due_at = row.next_at = max(row.due_at, end_of(default_due(incident, now, owner), owner))
    tx.flush()
    note(tx, now, incident, "follow-up", f"opened the follow-up “{row.words}” again: {why}", by)
    audit.record(tx, now, "follow_up.reopen", f"followup:{row.id}", person_id=by.id, words=why)
    add_line(tx, now, incident, f"follow-up:{row.id}:opened:{row.turns}", follow_words.added(row.words, mention(owner.slack_id, owner.name), row.due_at, row.id))
    show_incident(tx, now, incident)
    return True


def follow_ups_step(tx: Session, now: datetime) -> bool:
    """What is due and not done: its owner is reminded, and three days later the business owner hears of it."""
    rows = list(tx.scalars(select(FollowUp).where(FollowUp.next_at <= now).order_by(FollowUp.next_at).limit(BATCH).with_for_update(skip_locked=True, key_share=True)))
    for row in rows:
        with alone(tx, "a follow-up steps aside", unless=is_outage, follow_up=row.id) as tried:
            _call_for(tx, now, row)
        if tried.failed:
            row.next_at = now + ASIDE
    return bool(rows)


def _call_for(tx: Session, now: datetime, row: FollowUp) -> None:
    incident, agent = tx.get_one(Incident, row.incident_id), tx.get_one(Agent, row.agent_id)
    owner = tx.get_one(Person, row.owner_id)
    business = whose(tx, incident, "business_owner")
    if row.reminded_at is None:
        row.reminded_at, row.next_at = now, row.due_at + ESCALATES_AFTER
        said = follow_words.reminder(row.words, mention(owner.slack_id, owner.name), row.due_at, row.id)
        add_line(tx, now, incident, f"follow-up:{row.id}:due:{row.turns}:{int(row.due_at.timestamp())}", said)
        note(tx, now, incident, "follow-up", f"the follow-up “{row.words}” is due, and {owner.name} was reminded", None)
        return
    row.escalated_at, row.next_at = now, None
    told = mention(business.slack_id, business.name) if business is not None else f"{escape(agent.name)} has no business owner"
    said = follow_words.escalated(row.words, escape(owner.name), told, row.due_at, row.id)
    add_line(tx, now, incident, f"follow-up:{row.id}:up:{row.turns}:{int(row.due_at.timestamp())}", said)
    note(tx, now, incident, "follow-up", f"the follow-up “{row.words}” went up to {business.name if business else 'nobody: there is no business owner'}", None)
    audit.record(tx, now, "follow_up.escalate", f"followup:{row.id}", came_from="timer", words=row.words, evidence={"to": business.id if business else None})


def something_due(tx: Session, now: datetime) -> bool:
    """Whether `follow_ups_step` has anything to do."""
    return tx.scalars(select(FollowUp.id).where(FollowUp.next_at <= now).limit(1)).first() is not None


def newest_version(tx: Session, agent_id: int) -> str:
    """The version of the agent's newest run, prefilled where somebody says in which one it is fixed."""
    return tx.scalars(select(Run.version).where(Run.agent_id == agent_id, Run.version.is_not(None)).order_by(Run.occurred_at.desc()).limit(1)).first() or ""


def _locked(tx: Session, follow_up_id: int) -> FollowUp:
    return tx.scalars(select(FollowUp).where(FollowUp.id == follow_up_id).with_for_update(key_share=True).execution_options(populate_existing=True)).one()
