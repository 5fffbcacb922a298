"""Taking silences and maintenance windows over to the open problems: when one begins, ends, or its time is up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot.alone import alone
from bot.ladders.flows import BATCH, POISON
from bot.paging import showing
from bot.paging.flows import place_problem
from bot.paging.reading import problems_of
from bot.paging.sparing import quieting
from bot.paging.standing import held_problem, locked, take_turn
from bot.quality.flows import mark_dirty
from bot.quiet import rules
from bot.quiet.reading import live_covers, scope_of
from bot.tables import Agent, Check, Maintenance, Page, Problem, Silence

LATER = "later"  # in place of a silence: this problem raised, and is looked at again in a minute


def quiet_moved(tx: Session, now: datetime) -> bool:
    """Whether a silence or a window began or ended, or a problem is quiet by one that no longer holds."""
    fresh = (select(Silence.id).where(Silence.taken_at.is_(None)), select(Maintenance.id).where(Maintenance.taken_at.is_(None)))
    return any(tx.scalars(each.limit(1)).first() is not None for each in fresh) or bool(_left_behind(tx, now))


def hold_step(tx: Session, now: datetime) -> bool:
    """Look anew at the problems that a silence or a window began or ceased to cover; says whether there was one."""
    silences = tx.scalars(select(Silence).where(Silence.taken_at.is_(None)).limit(BATCH).with_for_update(skip_locked=True, key_share=True)).all()
    windows = tx.scalars(select(Maintenance).where(Maintenance.taken_at.is_(None)).limit(BATCH).with_for_update(skip_locked=True, key_share=True)).all()
    meant = _left_behind(tx, now) | (_meant(tx, [*silences, *windows]) if silences or windows else set())
    for silence in silences:
        silence.taken_at = now
    for window in windows:
        window.taken_at = now
    take_turn(tx, (agent_id for agent_id, _ in meant))
    for _, problem_id in sorted(meant):  # in the order of agents, as all who hold several of them
        with alone(tx, "a quiet problem raised and steps aside", problem=problem_id) as tried:
            _look_anew(tx, now, problem_id)
        if tried.failed:
            problem = tx.get(Problem, problem_id)
            if problem is not None and problem.quiet_until is not None:
                problem.quiet_by, problem.quiet_until = LATER, now + POISON
    return bool(meant or silences or windows)


def _left_behind(tx: Session, now: datetime) -> set[tuple[int, int]]:
    """Quiet problems (agent, problem) whose time is up, or whose silence or window was ended, in whichever moment that came."""
    live = [*sorted(cover.key for cover in live_covers(tx, now)), LATER]
    quiet = select(Problem.agent_id, Problem.id).where(Problem.quiet_until.is_not(None), Problem.closed_at.is_(None))
    over = or_(Problem.quiet_until <= now, Problem.quiet_by.not_in(live))
    return {(row.agent_id, row.id) for row in tx.execute(quiet.where(over).order_by(Problem.quiet_until).limit(BATCH))}


def hold_before_call(tx: Session, now: datetime, page: Page) -> bool:
    """Whether this page must not call after all: a silence came in the moment in which its problem opened."""
    if page.test or not live_covers(tx, now):
        return False
    for problem in problems_of(tx, page.id):
        if problem.closed_at is None:
            check = tx.get(Check, problem.check_id) if problem.check_id is not None else None
            quieting.keeps_quiet(tx, now, tx.get_one(Agent, problem.agent_id), check, problem)
    quieting.reconcile(tx, now, page)
    if page.quiet_until is None:
        return False
    showing.show_page(tx, now, page)
    return True


def _meant(tx: Session, rows: Iterable[Silence | Maintenance]) -> set[tuple[int, int]]:
    """The open problems (agent, problem) of the agents that these rows name, and those they hold back."""
    scopes = [(f"{'silence' if isinstance(row, Silence) else 'maintenance'}:{row.id}", scope_of(row)) for row in rows]
    asked = select(Problem.agent_id, Problem.id, Problem.quiet_by, Agent.slug, Agent.department).join(Agent, Agent.id == Problem.agent_id).where(Problem.closed_at.is_(None))
    return {
        (problem.agent_id, problem.id)
        for problem in tx.execute(asked)
        if any(problem.quiet_by == key or rules.covers_agent(scope, problem.slug, problem.department) for key, scope in scopes)
    }


def _look_anew(tx: Session, now: datetime, problem_id: int) -> None:
    held = held_problem(tx, problem_id)
    if held is None:
        return
    agent, problem, check = held
    was = problem.quiet_until is not None
    if not quieting.keeps_quiet(tx, now, agent, check, problem):
        if problem.page_id is not None:
            page = locked(tx, problem.page_id)
            quieting.reconcile(tx, now, page)
            showing.show_page(tx, now, page)
        elif was and check is not None:
            place_problem(tx, now, agent, check, problem)
    mark_dirty(tx, now, [agent.id])
