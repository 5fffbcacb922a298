"""Holding a page: snoozing it, staying on it, passing it on, and the step that ends a hold nobody renewed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import ladder_of
from bot.alone import alone
from bot.blocks import Message, when
from bot.ladders.flows import BATCH, call_anew, call_next
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import rules, showing
from bot.paging.flows import Answered, acknowledge
from bot.paging.messages import quiet_until
from bot.paging.reading import calls_of, named
from bot.paging.standing import hold_until, let_go, locked
from bot.paging.viewing import page_view
from bot.paging.words import forms
from bot.quality.flows import mark_dirty
from bot.tables import Agent, Page, Person

POISON = timedelta(minutes=1)  # how long a page that raised steps aside


def snooze(tx: Session, now: datetime, page_id: int, person: Person, until: datetime, *, came_from: str = "slack") -> Answered:
    """An acknowledgement with an end of their choice; who has the page already may change its end."""
    page = locked(tx, page_id)
    if page.resolved_at is not None:
        return Answered.OVER
    if page.acked_at is None or page.parent_id is not None:
        return acknowledge(tx, now, page_id, person.id, until=until, came_from=came_from)
    if page.acked_by != person.id:
        return Answered.ALREADY
    _end_warning(tx, now, page, f"{named(person)} snoozed it until later.")
    page.renewed_at = now
    hold_until(page, now, until, snoozed=True)
    audit.record(tx, now, "page.snooze", f"page:{page.id}", person_id=person.id, came_from=came_from, evidence={"until": until.isoformat()})
    showing.add_line(tx, now, page, f"snoozed:{int(until.timestamp())}", Message(f"{named(person)} snoozed it. {quiet_until(until)}"))
    showing.show_page(tx, now, page)
    return Answered.DONE


def stay_on(tx: Session, now: datetime, page_id: int, person: Person, stamp: int) -> Answered:
    """`Still on it`: the hold begins anew. `stamp` is the end that was warned of; a press about an earlier one does nothing."""
    page = locked(tx, page_id)
    if page.resolved_at is not None:
        return Answered.OVER
    if page.acked_by != person.id or page.ack_until is None or int(page.ack_until.timestamp()) != stamp:
        return Answered.ALREADY
    key = _warning_key(page)
    page.renewed_at = now
    hold_until(page, now, rules.ack_ends(now, person.zone or "UTC"))
    audit.record(tx, now, "page.renew", f"page:{page.id}", person_id=person.id, evidence={"until": page.ack_until.isoformat()})
    _mend_warning(tx, now, page, key, forms.renewed(named(person), page.ack_until))
    showing.add_line(tx, now, page, f"renewed:{int(now.timestamp())}", Message(f"{named(person)} is still on it. {quiet_until(page.ack_until)}"))
    showing.show_page(tx, now, page)
    return Answered.DONE


def escalate(tx: Session, now: datetime, page_id: int, person: Person, calls_seen: int, *, came_from: str = "slack") -> str:
    """`Escalate now`: the next rung is called at once, also where somebody has the page. Returns what to tell; nothing where it is shown.

    `calls_seen` is how many calls the pressed message knew of: two people who press at once call one rung, not two.
    """
    page = locked(tx, page_id)
    if page.resolved_at is not None:
        return "This page is over, so nobody needs to be called."
    if page.parent_id is not None:
        return f"This page is part of page {page.parent_id}: people are called about that one."
    if page.quiet_until is not None:
        return f"Nobody is called about this until {when(page.quiet_until)}: quiet is agreed. `/aiops silence` and `/aiops maintenance` show by whom, and end it."
    made = calls_of(tx, page.id)
    if len(made) != calls_seen or not call_next(tx, now, "page", page.id):
        return "Somebody is being called already. Look who answers; to call one more, press `Escalate now` again."
    if page.acked_by is not None:
        _end_warning(tx, now, page, "It was passed on.")
        page.lapsed_by, page.lapsed_at = page.acked_by, now
        let_go(page)
        mark_dirty(tx, now, [page.agent_id])
    audit.record(tx, now, "page.escalate", f"page:{page.id}", person_id=person.id, came_from=came_from, evidence={"calls": len(made)})
    showing.add_line(tx, now, page, f"escalated:{len(made)}", Message(f"{named(person)} pressed `Escalate now`: whoever is next on the ladder is called at once."))
    showing.show_page(tx, now, page)
    return ""


def acks_step(tx: Session, now: datetime) -> bool:
    """Warn of holds that end soon, and end those that nobody renewed; says whether there was one."""
    due = select(Page).where(Page.ack_due_at <= now).order_by(Page.ack_due_at).limit(BATCH)
    pages = tx.scalars(due.with_for_update(skip_locked=True, key_share=True)).all()
    for page in pages:
        with alone(tx, "a hold raised and steps aside", page=page.id) as tried:
            _move_on(tx, now, page)
        if tried.failed:
            page.ack_due_at = now + POISON
    return bool(pages)


def release_departed(tx: Session, now: datetime) -> bool:
    """Who had a page and left the workspace has it no longer: calling begins again at once. Says whether there was one."""
    held = select(Page).join(Person, Person.id == Page.acked_by).where(Page.resolved_at.is_(None), Page.ack_until > now, Person.active.is_(False)).limit(BATCH)
    pages = tx.scalars(held.with_for_update(of=Page, skip_locked=True, key_share=True)).all()
    for page in pages:
        with alone(tx, "a page of somebody who left could not be released", page=page.id):
            _lapse(tx, now, page)
    return bool(pages)


def _move_on(tx: Session, now: datetime, page: Page) -> None:
    if page.resolved_at is not None or page.acked_by is None or page.ack_until is None:
        page.ack_due_at = None
    elif now < page.ack_until:
        page.ack_due_at = page.ack_until
        _warn(tx, now, page)
    else:
        _lapse(tx, now, page)


def _warn(tx: Session, now: datetime, page: Page) -> None:
    """Quietly: a line in the page's thread, and one in the DM of whoever has it."""
    person = tx.get_one(Person, page.acked_by)
    view, key = page_view(tx, page), _warning_key(page)
    showing.add_line(tx, now, page, key, forms.ends_soon(view, to=named(person)))
    root = showing.dm_key(page.id, person.id)
    if outbox.find(tx, root) is not None:
        outbox.line(tx, now, key=f"page:{page.id}:line:{key}:dm", thread=root, message=forms.ends_soon(view, to=None), priority=Priority.PAGE)


def _lapse(tx: Session, now: datetime, page: Page) -> None:
    """Nobody said that they are still on it: calling begins again, and says so."""
    person = tx.get_one(Person, page.acked_by)
    how = "had it, and left the workspace" if not person.active else "snoozed it until now" if page.snoozed else "had it, and did not say that they are still on it"
    _end_warning(tx, now, page, "The time is over, and calling has begun again." if person.active else "Calling has begun again.")
    page.lapsed_by, page.lapsed_at = person.id, now
    let_go(page)
    if page.quiet_until is None:
        call_anew(tx, now, "page", page.id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
        words = f"{named(person)} {how}. The problem is still there, so calling begins again from the start."
    else:
        words = f"{named(person)} {how}. Nobody is called now, because quiet is agreed until {when(page.quiet_until)}; calling begins then if the problem is still there."
    audit.record(tx, now, "page.lapse", f"page:{page.id}", came_from="timer", words=words, evidence={"had_by": person.id})
    showing.add_line(tx, now, page, f"lapsed:{int(now.timestamp())}", Message(words))
    showing.show_page(tx, now, page)
    mark_dirty(tx, now, [page.agent_id])


def _warning_key(page: Page) -> str:
    return f"ends:{int(page.ack_until.timestamp()) if page.ack_until else 0}"


def _end_warning(tx: Session, now: datetime, page: Page, words: str) -> None:
    _mend_warning(tx, now, page, _warning_key(page), forms.ended(words))


def _mend_warning(tx: Session, now: datetime, page: Page, key: str, told: Message) -> None:
    """Take the button off a warning that stands in Slack, in the thread and in the DM."""
    for each in (f"page:{page.id}:line:{key}", f"page:{page.id}:line:{key}:dm"):
        outbox.mend(tx, now, each, told)
