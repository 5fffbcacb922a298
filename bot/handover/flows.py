"""A hand-over from its asking to its end: told with what travels along, passed on once accepted, reminded, ended: in one open transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.agents import owners
from bot.agents.names import ROLE_WORDS, ROLES
from bot.agents.reading import is_retired
from bot.agents.resolve import why_not_person
from bot.alone import alone
from bot.handover import telling
from bot.handover.knowledge import knowledge_of
from bot.handover.telling import Giving
from bot.incidents.passing import pass_follow_ups, pass_incidents
from bot.lists import flows as lists
from bot.outbox import flows as outbox
from bot.paging.answering.handing import pass_pages
from bot.paging.calling import Links
from bot.people.flows import Actor, find_person, owners_of, require, roles_of
from bot.people.rules import Act
from bot.requests.passing import pass_requests
from bot.tables import Agent, DigestReview, Handover, Person

BATCH = 50
ASIDE = timedelta(minutes=10)
PASSES = ("business", "operations", "backup")  # a sponsor holds nothing that is worked on


# --- asking --------------------------------------------------------------------------------------------------------


def why_not(tx: Session, agent: Agent, role: str, ref: str, actor: Actor) -> str | None:
    """Why this role cannot be handed to that person, as a sentence; None where it can."""
    if is_retired(tx, agent):
        return f"{agent.name} is retired: nobody needs to answer for it any more."
    wrong = why_not_person(tx, ref, {})
    if wrong is not None:
        return f"{wrong[0][:1].upper()}{wrong[0][1:]}. {wrong[1]}."
    person = find_person(tx, ref)
    holder = owners_of(tx, agent.id).get(role)
    if person is None or holder is None:
        return "Nobody holds this role now. `Name another owner` under `/aiops agent` gives it to somebody."
    if holder.person_id == person.id:
        return "You hold this role already: hand it to somebody else." if person.id == actor.person_id else f"{person.name} holds this role already."
    if person.id == actor.person_id:
        held = tx.get_one(Person, holder.person_id)
        return f"You cannot hand it over to yourself. Ask {held.name} to hand it to you, or press `Name another owner` under `/aiops agent {agent.slug}`."
    return None


def start(tx: Session, now: datetime, actor: Actor, agent: Agent, role: str, person: Person, note: str) -> Handover | None:
    """Ask the new one, with everything that comes with the role; None where they are asked already. Raises Refused."""
    require(roles_of(tx, actor, agent.id), Act.NAME_OWNER)
    row = owners.hand_over(tx, now, agent, role, person, actor.person_id, note)
    if row is not None:
        _tell(tx, now, row, None)
    return row


def take_back(tx: Session, now: datetime, actor: Actor, row: Handover) -> bool:
    """Whoever hands over, or the one who holds the role, thinks again; False where it was settled before. Raises Refused."""
    roles = roles_of(tx, actor, row.agent_id)
    if row.by_id != actor.person_id or actor.kind != "member":
        require(roles, Act.NAME_OWNER)
    if not owners.take_back(tx, now, row, actor.person_id):
        return False
    _tell(tx, now, row, None)
    return True


def open_handovers(tx: Session, agent: Agent) -> list[Handover]:
    """The roles of an agent that are on their way to somebody."""
    rows = tx.scalars(select(Handover).where(Handover.agent_id == agent.id, Handover.closed_at.is_(None)))
    return sorted(rows, key=lambda row: ROLES.index(row.role))


# --- telling, and passing on ------------------------------------------------------------------------------------------


def something_to_tell(tx: Session, now: datetime) -> bool:
    """Whether a hand-over was asked for, or settled, since everybody concerned was told."""
    return tx.scalars(_untold().with_only_columns(Handover.id).limit(1)).first() is not None


def _untold() -> Any:
    asked = Handover.closed_at.is_(None) & Handover.told.is_(None)
    settled = Handover.how.is_not(None) & Handover.next_at.is_(None) & (Handover.told.is_(None) | (Handover.told != Handover.how))
    return select(Handover).where(asked | settled).order_by(Handover.id)


def tell_step(tx: Session, now: datetime, links: Links | None = None) -> bool:
    """Tell everybody concerned how hand-overs stand, and pass on what is open once one was accepted; says whether there was any."""
    rows = list(tx.scalars(_untold().limit(BATCH).with_for_update(skip_locked=True, key_share=True)))
    for row in rows:
        with alone(tx, "a hand-over steps aside", handover=row.id) as tried:
            _tell(tx, now, row, links)
        if tried.failed and row.how is None:
            row.told = "asked"  # asked all the same: only what travels along is lost
        elif tried.failed:
            row.next_at = now + ASIDE
    return bool(rows)


def _tell(tx: Session, now: datetime, row: Handover, links: Links | None) -> None:
    agent = tx.get_one(Agent, row.agent_id)
    if row.closed_at is None:
        known = knowledge_of(tx, now, agent, row.role, row.from_id)
        row.carries = {"sections": [[title, lines] for title, lines in telling.sections(known)], "brief": telling.brief(known)}
    elif row.how == "accepted":
        row.carries = {**(row.carries or {}), "passed": _pass_on(tx, now, agent, row, links)}
    row.told = row.how or "asked"
    tx.flush()
    owners.show_naming(tx, now, row)
    _tell_givers(tx, now, row)
    if row.how is not None and row.reminded_at is not None:
        outbox.show(tx, now, key=_reminder_key(row), to=tx.get_one(Person, row.person_id).slack_id or "", message=telling.answered(giving_of(tx, row)))


def _pass_on(tx: Session, now: datetime, agent: Agent, row: Handover, links: Links | None) -> list[str]:
    """What the old one held of this agent is the new one's. Returns a line each, escaped."""
    new = tx.get_one(Person, row.person_id)
    old = tx.get(Person, row.from_id) if row.from_id is not None else None
    if old is None or old.id == new.id or row.role not in PASSES:
        return []
    why = f"{new.name} took over as {ROLE_WORDS[row.role]} from {old.name}"
    told = list(pass_pages(tx, now, agent, row.role, old.id, new, links))
    if not any(each.person_id == old.id for each in owners_of(tx, agent.id).values()) or row.role == "operations":
        # Who stays as another owner keeps what they do as such, unless the work itself changes hands.
        told += pass_incidents(tx, now, agent, old.id, new, why).lines
        told += pass_follow_ups(tx, now, agent, old.id, new, new).lines
    told += pass_requests(tx, now, agent, old.id, new.id, why)
    due = (DigestReview.agent_id == agent.id, DigestReview.person_id == old.id, DigestReview.reviewed_at.is_(None))
    waiting = len(tx.scalars(select(DigestReview.id).where(*due)).all())
    if waiting and row.role == "operations":
        tx.execute(update(DigestReview).where(*due).values(person_id=new.id).execution_options(synchronize_session=False))
        told.append(f"{waiting} summar{'y' if waiting == 1 else 'ies'} to mark as reviewed")
    audit.record(tx, now, "owner.pass_on", f"agent:{agent.slug}", person_id=new.id, words=why, evidence={"role": row.role, "from": old.id, "to": new.id, "passed": len(told)})
    if agent.channel_id:
        outbox.show(tx, now, key=f"handover:{row.id}:channel", to=agent.channel_id, message=telling.changed_hands(agent.name, row.role, new.name, old.name))
    tx.flush()
    lists.expect(tx, now, {new.id} if told else set())
    lists.changed(tx, now, old.id)
    return told


def _tell_givers(tx: Session, now: datetime, row: Handover) -> None:
    """One message, kept true, to whoever asked for it and whoever held the role."""
    message = telling.giving(giving_of(tx, row))
    for person_id in dict.fromkeys((row.by_id, row.from_id)):
        person = tx.get(Person, person_id) if person_id is not None and person_id != row.person_id else None
        if person is not None and person.active and person.slack_id:
            outbox.show(tx, now, key=f"handover:{row.id}:giver:{person.id}", to=person.slack_id, message=message)


def giving_of(tx: Session, row: Handover) -> Giving:
    """A hand-over with the names that belong to it."""
    agent, new = tx.get_one(Agent, row.agent_id), tx.get_one(Person, row.person_id)
    old = tx.get(Person, row.from_id) if row.from_id is not None else None
    by = tx.get(Person, row.by_id) if row.by_id is not None else None
    passed = tuple(map(str, (row.carries or {}).get("passed", ())))
    return Giving(
        row.id, agent.name, agent.slug, row.role, new.name or "somebody", old.name if old is not None else "", by.name if by is not None else "", row.asked_at,
        row.asked_at + owners.EXPIRES_AFTER, row.how or "asked", row.accepted_at, passed, row.note or "",
    )  # fmt: skip


# --- two days later, and seven ------------------------------------------------------------------------------------------


def something_due(tx: Session, now: datetime) -> bool:
    """Whether somebody is to be reminded, or has had their time, or has left."""
    if tx.scalars(select(Handover.id).where(Handover.next_at <= now).limit(1)).first() is not None:
        return True
    return tx.scalars(_of_leavers().with_only_columns(Handover.id).limit(1)).first() is not None


def _of_leavers() -> Any:
    return select(Handover).join(Person, Person.id == Handover.person_id).where(Handover.closed_at.is_(None), Person.active.is_(False)).order_by(Handover.id)


def due_step(tx: Session, now: datetime) -> bool:
    """Remind once, then end what nobody answered; says whether any was due."""
    rows = list(tx.scalars(select(Handover).where(Handover.next_at <= now).order_by(Handover.next_at).limit(BATCH).with_for_update(skip_locked=True, key_share=True)))
    for row in rows:
        with alone(tx, "the timer of a hand-over steps aside", handover=row.id) as tried:
            _due(tx, now, row)
        if tried.failed:
            row.next_at = now + ASIDE
    gone = list(tx.scalars(_of_leavers().limit(BATCH).with_for_update(of=Handover, skip_locked=True, key_share=True)))
    for row in gone:
        _end(tx, now, row, "left")
    return bool(rows or gone)


def _due(tx: Session, now: datetime, row: Handover) -> None:
    if row.closed_at is not None:  # settled, and its telling had stepped aside
        row.next_at = None
        return
    ends = row.asked_at + owners.EXPIRES_AFTER
    if now >= ends:
        _end(tx, now, row, "expired")
        return
    person = tx.get_one(Person, row.person_id)
    row.reminded_at, row.next_at = now, ends
    if person.slack_id:
        outbox.show(tx, now, key=_reminder_key(row), to=person.slack_id, message=telling.reminder(giving_of(tx, row)))
    row.told = None  # what travels along is gathered anew, so that they read how it stands now


def _end(tx: Session, now: datetime, row: Handover, how: str) -> None:
    owners.close_handover(tx, now, row, how)
    agent = tx.get_one(Agent, row.agent_id)
    audit.record(tx, now, f"owner.{how}", f"agent:{agent.slug}", came_from="timer", evidence={"role": row.role, "person": row.person_id})


def _reminder_key(row: Handover) -> str:
    return f"handover:{row.id}:reminder"
