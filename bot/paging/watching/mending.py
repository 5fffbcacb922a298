"""Putting right what the auditor found: each repair holds the rows, looks again, and changes nothing that is well."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import ladder_of
from bot.db import wake
from bot.ladders.flows import POISON, call_anew, live_climb, place_of, set_right, steps_of
from bot.ladders.rules import due
from bot.outbox import flows as outbox
from bot.paging import rules, showing
from bot.paging.calling import Links, call_channel, call_person
from bot.paging.flows import place_problem, resolve_page
from bot.paging.reading import calls_of, problems_of
from bot.paging.sparing import quieting
from bot.paging.standing import held_problem, hold_until, let_go, locked, take_turn
from bot.quality.flows import mark_dirty
from bot.tables import Agent, Call, Climb, OutMessage, Page, Person, Problem

KEEPS_FAILING = timedelta(minutes=2, seconds=30)  # a climb that raises steps aside for a minute; this often is no accident
SOON = POISON + timedelta(seconds=5)


def page_problem(tx: Session, now: datetime, problem_id: int, links: Links | None) -> Page | None:
    """A problem that nobody would hear of gets its page, unless it is quiet by agreement."""
    take_turn(tx, tx.scalars(select(Problem.agent_id).where(Problem.id == problem_id)))
    held = held_problem(tx, problem_id)
    if held is None:
        return None
    agent, problem, check = held
    page = tx.get(Page, problem.page_id) if problem.page_id is not None else None
    if page is not None and page.resolved_at is None:
        return None
    problem.page_id = problem.under_id = problem.free_at = None
    tx.flush()
    if check is None or quieting.keeps_quiet(tx, now, agent, check, problem):
        return None
    place_problem(tx, now, agent, check, problem)
    tx.flush()
    mark_dirty(tx, now, [agent.id])
    return tx.get(Page, problem.page_id) if problem.page_id is not None else None


def close_page(tx: Session, now: datetime, page_id: int, links: Links | None) -> Page | None:
    """A page whose problems are all over is over."""
    page = locked(tx, page_id)
    problems = problems_of(tx, page_id)
    if page.resolved_at is not None or not problems or any(each.closed_at is None for each in problems):
        return None
    resolve_page(tx, now, page, max(problems, key=lambda each: each.closed_at or now).closed_why or "Its problems are over.")
    mark_dirty(tx, now, [page.agent_id])
    return page


def set_free(tx: Session, now: datetime, page_id: int, links: Links | None) -> Page | None:
    """The page that this one was part of is over, and this one still has problems: it calls people itself again."""
    page = _open(tx, page_id)
    root = tx.get(Page, page.parent_id) if page is not None and page.parent_id is not None else None
    if page is None or root is None or root.resolved_at is None:
        return None
    page.parent_id = None
    for problem in problems_of(tx, page_id):
        if problem.closed_at is None:
            problem.under_id = problem.free_at = None
    tx.flush()
    quieting.reconcile(tx, now, page)
    if page.acked_at is None and page.quiet_until is None:
        call_anew(tx, now, "page", page.id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
    showing.show_page(tx, now, page)
    return page


def call_again(tx: Session, now: datetime, page_id: int, links: Links | None) -> Page | None:
    """A page that nobody has answered gets a time for its next call."""
    page = _calling(tx, page_id)
    if page is None:
        return None
    climb = live_climb(tx, "page", page_id, lock=True)
    if climb is None or not _readable(climb):
        call_anew(tx, now, "page", page_id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
    elif not set_right(climb, now):
        return None  # its ladder simply has long rungs
    if page.quiet_until is not None and page.quiet_until <= now:
        page.quiet_until = None
    showing.show_page(tx, now, page)
    return page


def write_ladder_anew(tx: Session, now: datetime, page_id: int, links: Links | None) -> Page | None:
    """A climb that raised for minutes begins anew with the ladder as the registry has it now."""
    page = _calling(tx, page_id)
    climb = live_climb(tx, "page", page_id, lock=True) if page is not None else None
    if page is None or climb is None or climb.next_at is None:
        return None
    if _readable(climb) and climb.next_at - due(steps_of(climb), place_of(climb)) < KEEPS_FAILING:
        return None  # simply due
    call_anew(tx, now, "page", page_id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
    return page


def _readable(climb: Climb) -> bool:
    try:
        steps, place = steps_of(climb), place_of(climb)
        due(steps, place)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return False
    return True


def end_hold(tx: Session, now: datetime, page_id: int, links: Links | None) -> Page | None:
    """An acknowledgement gets its end; one that is nobody's is none, and calling goes on."""
    page = _open(tx, page_id)
    if page is None or page.acked_at is None:
        return None
    person = tx.get(Person, page.acked_by) if page.acked_by is not None else None
    if person is None:
        let_go(page)
        if page.parent_id is None and page.quiet_until is None:
            call_anew(tx, now, "page", page.id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
    else:
        ends = rules.ack_ends(page.renewed_at or page.acked_at, person.zone or "UTC")
        hold_until(page, now, max(ends, now + 2 * rules.WARN_BEFORE), snoozed=page.snoozed)
    showing.show_page(tx, now, page)
    mark_dirty(tx, now, [page.agent_id])
    return page


def write_call_anew(tx: Session, now: datetime, call_id: int, links: Links | None) -> Page | None:
    """The message of a call is gone: the same person is called again, on the same rung."""
    found = _call(tx, call_id)
    if found is None or outbox.find(tx, found[0].message_key) is not None:
        return None
    call, climb, page = found
    round, rung, route, person_id, target = call.round, call.rung, call.route, call.person_id, call.target
    before = len(calls_of(tx, page.id)) - 1
    tx.delete(call)
    tx.flush()
    person = tx.get(Person, person_id) if person_id is not None else None
    if person is not None:
        call_person(tx, now, climb, page, person, route=route, round=round, rung=rung, role="the next to answer", before=before, links=links)
    else:
        call_channel(tx, now, climb, page, target.removeprefix("channel:"), round=round, rung=rung, role="the channel", before=before)
    showing.show_page(tx, now, page)
    return page


def send_now(tx: Session, now: datetime, call_id: int, links: Links | None) -> Page | None:
    """The message of a call has no time to be sent: it is sent now, and its proof is awaited."""
    found = _call(tx, call_id)
    if found is None:
        return None
    call, _, page = found
    row = tx.scalars(select(OutMessage).where(OutMessage.key == call.message_key).with_for_update()).first()
    if row is None or row.shown_rev > 0 or row.state != "pending":
        return None
    row.due_at, call.confirm_by = now, now + rules.CONFIRM_WITHIN
    wake(tx, "outbox")
    return page


def await_proof(tx: Session, now: datetime, call_id: int, links: Links | None) -> Page | None:
    """Whoever waits for the proof of a call looks at it again: at once where it is known already."""
    found = _call(tx, call_id)
    if found is None:
        return None
    call, _, page = found
    row = outbox.find(tx, call.message_key)
    known = row is not None and (row.shown_rev > 0 or row.state in ("failed", "dropped"))
    call.confirm_by = now if known else now + rules.CONFIRM_WITHIN
    wake(tx, "ladders")
    return page


def _call(tx: Session, call_id: int) -> tuple[Call, Climb, Page] | None:
    """A call whose outcome is not known, its climb and page held; None where it matters no more."""
    climb_id = tx.scalars(select(Call.climb_id).where(Call.id == call_id)).first()
    page_id = tx.scalars(select(Climb.subject_id).where(Climb.id == climb_id)).first()
    page = _calling(tx, page_id) if page_id is not None else None
    if page is None:
        return None
    sought = select(Call).where(Call.id == call_id, Call.state == "sent")
    call = tx.scalars(sought.with_for_update(key_share=True).execution_options(populate_existing=True)).first()
    climb = tx.get_one(Climb, climb_id)
    return (call, climb, page) if call is not None and climb.stopped_at is None else None


def _open(tx: Session, page_id: int) -> Page | None:
    page = locked(tx, page_id)
    return page if page.resolved_at is None and not page.test else None


def _calling(tx: Session, page_id: int) -> Page | None:
    page = _open(tx, page_id)
    return page if page is not None and page.acked_at is None and page.parent_id is None else None
