"""What time decides about problems: one that came and went has been the same for long enough; one that was taken down has not recovered with its root."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot.agents.reading import ladder_of
from bot.alone import alone
from bot.blocks import Message, escape
from bot.db import wake
from bot.ladders.flows import BATCH, POISON, call_anew
from bot.paging import messages, rules, showing
from bot.paging.flows import close_problem, place_problem
from bot.paging.rules import Flap
from bot.paging.sparing import cascades, quieting
from bot.paging.standing import held_problem, let_go, locked, take_turn
from bot.quality.flows import mark_dirty
from bot.tables import Agent, Check, Page, Problem


def settle_step(tx: Session, now: datetime) -> bool:
    """Up to 100 problems whose time is up, each moved on; says whether there was one."""
    due = select(Problem.id, Problem.agent_id).where(Problem.closed_at.is_(None), or_(Problem.free_at <= now, Problem.steady_at <= now))
    rows = tx.execute(due.order_by(Problem.agent_id, Problem.id).limit(BATCH)).all()
    hurried = _look_at_freed(tx, now)
    if not rows:
        return hurried
    take_turn(tx, (agent_id for _, agent_id in rows))
    with showing.gathered(tx, now):
        for problem_id, _ in rows:
            with alone(tx, "a problem raised and steps aside", problem=problem_id) as tried:
                _settle(tx, now, problem_id)
            if tried.failed:
                problem = tx.get_one(Problem, problem_id)
                problem.free_at = now + POISON if problem.free_at is not None else None
                problem.steady_at = now + POISON if problem.steady_at is not None else None
    return True


def something_settles(tx: Session, now: datetime) -> bool:
    """Whether there is work for settle_step."""
    sought = select(Problem.id).where(Problem.closed_at.is_(None), or_(Problem.free_at.is_not(None), Problem.steady_at <= now))
    return tx.scalars(sought.limit(1)).first() is not None


def _settle(tx: Session, now: datetime, problem_id: int) -> None:
    held = held_problem(tx, problem_id)
    if held is None:
        return
    agent, problem, check = held
    if check is None:
        return
    if problem.steady_at is not None and problem.flapping_at is not None:
        flap = rules.how_it_settles(well=problem.well_at is not None, steady_at=problem.steady_at, now=now)
        if flap is Flap.CLOSES:
            close_problem(tx, now, check, _came_and_went(problem))
            return
        if flap is Flap.FAILS:
            _fails_steadily(tx, now, agent, check, problem)
    if problem.free_at is not None and problem.free_at <= now:
        _set_free(tx, now, agent, check, problem)
    mark_dirty(tx, now, [agent.id])


def _came_and_went(problem: Problem) -> str:
    begun = problem.flapping_at or problem.opened_at
    lasted = messages.span((problem.well_at or begun) - begun)
    return f"It came and went ({problem.turns} failures in {lasted}), and has been well for {messages.span(rules.STEADY)} now."


def _fails_steadily(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> None:
    """It no longer comes and goes: an ordinary problem again, which closes as soon as it is well."""
    problem.flapping_at = problem.steady_at = None
    tx.flush()
    if problem.page_id is not None:
        words = f"{escape(agent.name)}: {escape(problem.title)}. It no longer comes and goes: it has failed without a break for {messages.span(rules.STEADY)}."
        showing.add_line(tx, now, tx.get_one(Page, problem.page_id), f"steady:{problem.id}:{int(now.timestamp())}", Message(words))
    place_problem(tx, now, agent, check, problem)


def _set_free(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> None:
    """Its root is over, and it still fails: it calls people itself, unless something else took it down, too."""
    had = problem.under_id
    problem.under_id = problem.free_at = None
    tx.flush()
    page = locked(tx, problem.page_id) if problem.page_id is not None and problem.page_id != had else None
    if page is None or page.resolved_at is not None:
        problem.page_id = None
        tx.flush()
        if not quieting.keeps_quiet(tx, now, agent, check, problem):
            place_problem(tx, now, agent, check, problem)
        return
    root = cascades.comes_from_above(tx, now, agent, problem)
    if root is not None:
        page.parent_id = root.id if page.parent_id is not None else None
    elif page.parent_id is not None:
        page.parent_id = None
        _call_again(tx, now, page)
    showing.show_page(tx, now, page)


def _call_again(tx: Session, now: datetime, page: Page) -> None:
    """A page that was part of another one stands by itself again."""
    words = "What took it down is over, and it still fails"
    quieting.reconcile(tx, now, page)
    if page.acked_at is not None and page.ack_until is not None and page.ack_until > now:
        page.ack_due_at = max(now, rules.ack_due(page.renewed_at or page.acked_at, page.ack_until))
        words += ": whoever had this page has it again."
    elif page.quiet_until is not None:
        words += ". Nobody is called, because quiet is agreed."
    else:
        let_go(page)
        page.lapsed_at, page.lapsed_by = None, None
        call_anew(tx, now, "page", page.id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
        words += ": calling begins again."
    showing.add_line(tx, now, page, f"freed:{int(now.timestamp())}", Message(words))


def _look_at_freed(tx: Session, now: datetime) -> bool:
    """Checks of what was taken down are looked at soon after their root recovered, and not only by their own rhythm."""
    sought = (
        select(Check, Problem.free_at)
        .join(Problem, Problem.check_id == Check.id)
        .where(Problem.free_at.is_not(None), Problem.free_at > now, Problem.closed_at.is_(None), Check.due_at > now)
        .limit(BATCH)
    )
    looked = False
    for check, free_at in tx.execute(sought.with_for_update(of=Check, skip_locked=True, key_share=True)).all():
        if check.looked_at is None or free_at is None or check.looked_at < free_at - rules.FREE_AFTER:
            check.due_at, looked = now, True
    if looked:
        wake(tx, "checks")
        wake(tx, "probes")
    return looked
