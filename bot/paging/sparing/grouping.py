"""Which page a problem goes on: that of its agent, a young one of its owner, or one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.dependencies import graph_of
from bot.agents.reading import ladder_of, owners_named
from bot.blocks import Message, escape
from bot.known import forget, is_known, known
from bot.ladders.flows import call_anew, start_climb
from bot.paging import rules, showing
from bot.paging.ahead import UNCALLED, UNPAGED
from bot.paging.reading import check_of, named, open_page_of
from bot.paging.rules import Joins
from bot.paging.sparing import quieting
from bot.paging.standing import let_go, locked
from bot.paging.words.phrases import LISTED, by_check
from bot.tables import Agent, Check, Page, Person, Problem

A_FEW = 10  # pages that open in one moment
_WAITING = "pages to open at the end"
_Waits = tuple[Agent, Problem, int]  # with its operations owner


@contextmanager
def opened_together(tx: Session, now: datetime) -> Iterator[None]:
    """Pages that nothing else can touch are opened at the end, at once: 500 owners whose agents fail in one moment are not kept waiting."""
    tx.info[_WAITING] = []
    try:
        yield
        _open_waiting(tx, now, storm=len(tx.info[_WAITING]) > A_FEW)
    finally:
        tx.info.pop(_WAITING, None)


def opens_with_others(tx: Session, now: datetime, agent: Agent, check: Check, problem: Problem) -> bool:
    """Whether a new problem plainly gets a page of its own, with the others of its batch: it comes from no other, joins none, and no quiet is agreed."""
    waiting: list[_Waits] | None = tx.info.get(_WAITING)
    operations = owners_named(tx, agent).operations
    if waiting is None or operations is None or problem.severity != "page" or not is_known(tx, UNPAGED, agent.id) or not is_known(tx, UNCALLED, operations.person_id):
        return False
    if known(tx, "openings", check.id, lambda: [now]) or graph_of(tx).concerns(agent.slug) or quieting.is_covered(tx, now, agent, check, problem):
        return False
    forget(tx, UNPAGED, agent.id)
    forget(tx, UNCALLED, operations.person_id)
    waiting.append((agent, problem, operations.person_id))
    return True


def _open_waiting(tx: Session, now: datetime, *, storm: bool = False) -> None:
    waiting: list[_Waits] = tx.info.get(_WAITING, [])
    opened = [(agent, problem, Page(agent_id=agent.id, owner_id=owner_id, severity=problem.severity, opened_at=now)) for agent, problem, owner_id in waiting]
    waiting.clear()
    tx.add_all(page for _, _, page in opened)
    tx.flush()
    for agent, problem, page in opened:
        _begin(tx, now, page, agent, problem, storm=storm)


def put_on_page(tx: Session, now: datetime, agent: Agent, problem: Problem) -> Page:
    """Let a problem join the page it belongs to, or open one. The owner's turn is taken (see standing.take_turn)."""
    operations = owners_named(tx, agent).operations
    owner_id = operations.person_id if operations else None
    _open_waiting(tx, now)  # it may join one of these
    found = None if is_known(tx, UNPAGED, agent.id) else open_page_of(tx, agent.id)
    found = found or (None if is_known(tx, UNCALLED, owner_id) else _young_page(tx, now, owner_id))
    forget(tx, UNPAGED, agent.id)
    forget(tx, UNCALLED, owner_id)
    if found is not None:
        page = locked(tx, found.id)
        if page.resolved_at is None and page.parent_id is None:  # nobody resolved it meanwhile
            _join(tx, now, page, agent, problem)
            return page
    page = Page(agent_id=agent.id, owner_id=owner_id, severity=problem.severity, opened_at=now)
    tx.add(page)
    tx.flush()
    _begin(tx, now, page, agent, problem)
    return page


def _begin(tx: Session, now: datetime, page: Page, agent: Agent, problem: Problem, *, storm: bool = False) -> None:
    """A new page has its first problem: its calls begin, and the channel hears of it (in a storm from its first call, in the next breath)."""
    problem.page_id = page.id
    climb = start_climb(tx, now, "page", page.id, ladder_of(tx, agent), is_new=True)
    audit.record(tx, now, "page.open", f"page:{page.id}", came_from="timer", words=problem.says, evidence=dict(problem.evidence))
    if climb.next_at is not None and climb.next_at <= now:
        if not storm:
            showing.announce(tx, now, page, agent, problem)
    else:
        showing.show_page(tx, now, page)


def _young_page(tx: Session, now: datetime, owner_id: int | None) -> Page | None:
    """The page of the same owner that opened less than a minute ago; never one that calls nobody because quiet is agreed."""
    if owner_id is None:
        return None
    sought = select(Page).where(Page.owner_id == owner_id, Page.resolved_at.is_(None), Page.test.is_(False), Page.parent_id.is_(None), Page.quiet_until.is_(None))
    newest = tx.scalars(sought.order_by(Page.opened_at.desc(), Page.id.desc()).limit(1)).first()
    return newest if newest is not None and rules.may_gather(newest.opened_at, now) else None


def _join(tx: Session, now: datetime, page: Page, agent: Agent, problem: Problem) -> None:
    on_it = tx.scalar(select(func.count()).select_from(Problem).where(Problem.page_id == page.id)) or 0
    new_agent = agent.id != page.agent_id and tx.scalars(select(Problem.id).where(Problem.page_id == page.id, Problem.agent_id == agent.id).limit(1)).first() is None
    joins = rules.how_it_joins(page.severity, problem.severity, acknowledged=page.acked_at is not None, new_agent=new_agent)
    problem.page_id = page.id
    by = by_check(check_of(problem))
    told = f"{escape(agent.name)} fails too: {escape(problem.says)}{by}" if new_agent else f"A further problem of {escape(agent.name)}: {escape(problem.says)}{by}"
    if joins is Joins.CALLING:
        if page.acked_by is not None:
            told += f" {named(tx.get_one(Person, page.acked_by))} had this page before; because another agent fails, people are called again."
            page.lapsed_by, page.lapsed_at = page.acked_by, now
        page.severity = problem.severity
        let_go(page)
        call_anew(tx, now, "page", page.id, ladder_of(tx, tx.get_one(Agent, page.agent_id)))
    if on_it < LISTED:  # of very many the page tells the count: a thread of 200 lines tells nobody anything
        showing.add_line(tx, now, page, f"joined:{problem.id}", Message(told))
    if page.acked_at is not None and page.ack_until is not None:
        # It worsened while somebody has it: their acknowledgement no longer waits for the morning.
        page.ack_until = rules.ack_ends_worsened(page.renewed_at or page.acked_at, page.ack_until, now)
        page.ack_due_at = max(now, rules.ack_due(page.renewed_at or page.acked_at, page.ack_until))
    audit.record(tx, now, "page.join", f"page:{page.id}", came_from="timer", words=problem.says, evidence={"joins": joins.value})
    tx.flush()
    if page.quiet_until is not None:  # it calls again: of 500 that fail at once only the first has to look at all of them
        quieting.reconcile(tx, now, page)
    showing.show_page(tx, now, page)
