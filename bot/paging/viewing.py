"""A page as its messages show it, read from the rows: bounded, however many agents it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from bot.agents.dependencies import graph_of
from bot.agents.reading import owners_named_of, spec_of
from bot.blocks import channel_link, clip, escape
from bot.known import is_known, known
from bot.ladders.flows import next_call
from bot.paging.ahead import UNCHANGED
from bot.paging.reading import calls_of, named, problem_view, quiet_words
from bot.paging.words.phrases import LISTED, lead, listed
from bot.paging.words.views import CallView, DownView, PageView, ProblemView, RootView
from bot.stages import orders
from bot.stages.flows import stage_of
from bot.stages.messages import standing as order_words
from bot.stages.versions import last_good
from bot.tables import Agent, Call, Change, Check, Climb, Incident, Page, Person, Problem, Stage

LATELY = timedelta(days=2)  # a change older than this is hardly why it fails now
_FREEST = ("autonomous", "assisted", "shadow", "suspended", "retired")


def page_view(tx: Session, page: Page, *, history: str | None = None) -> PageView:
    """A page as every place shows it; `history` is the channel with its thread, for another one that shows it."""
    rows, total = known(tx, "problems of page", page.id, lambda: _problems(tx, page))
    on = known(tx, "agents of page", page.id, lambda: _agents(tx, page))  # all ids, the first few whole
    shown = {agent.id: agent for agent in on[1]}
    told = [row for row in rows if row.agent_id in shown]
    agent = shown.get(told[0].agent_id if told else 0) or tx.get_one(Agent, page.agent_id)
    first = tx.get_one(Agent, page.agent_id)
    several = len(on[0]) > 1
    climb = known(tx, "climb of page", page.id, lambda: tx.scalars(select(Climb).where(Climb.subject_kind == "page", Climb.subject_id == page.id).order_by(Climb.id.desc()).limit(1)).first())
    acked = tx.get(Person, page.acked_by) if page.acked_by else None
    incident = known(tx, "incident of page", page.id, lambda: tx.scalars(select(Incident.id).where(Incident.page_id == page.id, Incident.closed_at.is_(None))).first())
    stage = stage_of(tx, agent.id)
    by = tx.get(Person, stage.by_id) if stage.by_id else None
    order = orders.order_in_force(tx, agent.id) if not several and stage.since >= page.opened_at else None
    down, down_count = known(tx, "down of page", page.id, lambda: _down(tx, page))
    calls = not page.acked_at and not page.resolved_at and not page.test and page.parent_id is None and page.quiet_until is None
    agents = list(shown.values())
    return PageView(
        id=page.id,
        agent=agent.name,
        severity=page.severity,
        opened_at=page.opened_at,
        problems=_test_problem(page) if page.test else tuple(problem_view(each, shown[each.agent_id].name if each.agent_id in shown else "") for each in rows),
        more_problems=0 if page.test else total - len(rows),
        agents=tuple(each.name for each in agents) if several else (),
        agent_count=len(on[0]),
        down=down,
        down_count=down_count,
        root=_root(tx, page),
        upstream=_upstream(tx, rows),
        **_calling(tx, page, climb, first, calls=calls),
        acked_by=named(acked) if acked else None,
        acked_at=page.acked_at,
        took=page.took,
        until=page.ack_until if page.acked_at else None,
        snoozed=page.snoozed,
        lapsed_by=named(tx.get_one(Person, page.lapsed_by)) if page.lapsed_by else None,
        lapsed_at=page.lapsed_at,
        stage=_freest(tx, on[0]) if several else stage.stage,
        ordered_by=named(by) if by and stage.since >= page.opened_at else None,
        ordered_at=stage.since,
        order=order_words(orders.view_of(tx, agent, order)) if order is not None and order.rev == stage.rev else "",
        obeyed=order is None or order.obeyed_at is not None,
        orders_at=f"{agent.slug}:{stage.rev}",
        by_hand=_by_hand(tx, agents) if page.resolved_at is None and not page.test else "",
        roll_back=_roll_back(tx, agent, rows) if page.resolved_at is None and not page.test and not several and stage.version is None and stage.stage != "retired" else None,
        version=stage.version if order is not None else None,
        stopped=_stopped(tx, page, on[0]) if several else (),
        resolved_at=page.resolved_at,
        resolved_why=page.resolved_why,
        runbook=None if page.test else _runbook(agents, agent, several=several),
        changes=() if page.test else _changes(tx, agents, page, several=several),
        incident=incident,
        test=page.test,
        unconfirmed=not page.test and not all(each.confirmed for each in owners_named_of(tx, [each.id for each in agents]).values()),
        why=_why(tx, rows),
        quiet=quiet_words(tx, page, rows),
        history=history,
    )


def _by_hand(tx: Session, agents: Sequence[Agent]) -> str:
    """What must be said before a press: the manual way of the one agent, or which of several never read their gates."""
    if len(agents) == 1:
        return orders.manual_way(tx, agents[0])
    unread = [clip(each.name, 60) for each in agents if orders.manual_way(tx, each)]
    return f"{escape(listed(unread, len(unread)))} never read {'its' if len(unread) == 1 else 'their'} gate: what is ordered must be switched by hand there, as the runbook says." if unread else ""


def _roll_back(tx: Session, agent: Agent, rows: Sequence[Problem]) -> str | None:
    began = min((row.since for row in rows if row.closed_at is None and row.agent_id == agent.id), default=None)
    good = last_good(tx, agent.id, began) if began is not None and not is_known(tx, UNCHANGED, agent.id) else None
    return good.version if good is not None else None


def _problems(tx: Session, page: Page) -> tuple[list[Problem], int]:
    """The first problems (the open ones of its own before those it took down itself, then the closed ones), and how many there are."""
    here = (Problem.page_id == page.id) & (Problem.under_id.is_(None) | (Problem.under_id != page.id))
    total = tx.scalar(select(func.count()).select_from(Problem).where(here)) or 0
    ranked = select(Problem).where(here).order_by(Problem.closed_at.is_not(None), Problem.under_id.is_not(None), Problem.opened_at, Problem.id)
    return list(tx.scalars(ranked.limit(LISTED))), total


def _agents(tx: Session, page: Page) -> tuple[list[int], list[Agent]]:
    """The ids of the agents on the page, those that fail first; and the first few of these agents."""
    here = (Problem.page_id == page.id) & (Problem.under_id.is_(None) | (Problem.under_id != page.id))
    fails = func.min(case((Problem.closed_at.is_not(None), 1), else_=0))
    ids = list(tx.scalars(select(Problem.agent_id).where(here).group_by(Problem.agent_id).order_by(fails, func.min(Problem.id)))) or [page.agent_id]
    rows = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_(ids[:LISTED])))}
    return ids, [rows[agent_id] for agent_id in ids[:LISTED]]


def _down(tx: Session, page: Page) -> tuple[tuple[DownView, ...], int]:
    """What the page takes down: the first few, and how many agents still fail because of it."""
    here = Problem.under_id == page.id
    count = tx.scalar(select(func.count(Problem.agent_id.distinct())).where(here, Problem.closed_at.is_(None))) or 0
    rows = tx.execute(select(Problem, Agent.name).join(Agent, Agent.id == Problem.agent_id).where(here).order_by(Problem.closed_at.is_not(None), Problem.id).limit(2 * LISTED))
    return tuple(DownView(name, problem.title, problem.closed_at, problem.free_at) for problem, name in rows), int(count)


def _root(tx: Session, page: Page) -> RootView | None:
    root = tx.get(Page, page.parent_id) if page.parent_id is not None else None
    if root is None:
        return None
    free_at = tx.scalars(select(func.min(Problem.free_at)).where(Problem.page_id == page.id, Problem.under_id == root.id, Problem.closed_at.is_(None))).first()
    return RootView(root.id, short_lead(tx, root), over=root.resolved_at is not None or free_at is not None, free_at=free_at)


def short_lead(tx: Session, page: Page) -> str:
    """The lead of a page, without all that its messages need."""
    rows, _ = _problems(tx, page)
    ids, agents = _agents(tx, page)
    first = next((each for each in agents if rows and each.id == rows[0].agent_id), agents[0])
    return lead(PageView(page.id, first.name, page.severity, page.opened_at, tuple(problem_view(each) for each in rows[:1]), agent_count=len(ids), test=page.test))


def _upstream(tx: Session, rows: Sequence[Problem]) -> str:
    """The shared upstream that the first open problem stands for."""
    first = next((each for each in rows if each.closed_at is None), None)
    if first is None:
        return ""
    slug, _, check = first.fingerprint.partition(":")
    return graph_of(tx).stands_for(slug, check)


def _freest(tx: Session, agent_ids: Sequence[int]) -> str:
    """Of several agents the stage of the one that may do most: while it is left, it can be held back or stopped."""
    stages: set[str] = set()
    for first in range(0, len(agent_ids), 500):
        stages.update(tx.scalars(select(Stage.stage).where(Stage.agent_id.in_(agent_ids[first : first + 500])).distinct()))
    return next((stage for stage in _FREEST if stage in stages), "")


def _stopped(tx: Session, page: Page, agent_ids: Sequence[int]) -> tuple[str, ...]:
    sought = select(Agent.name).join(Stage, Stage.agent_id == Agent.id).where(Stage.stage == "suspended", Stage.since >= page.opened_at)
    return tuple(name for first in range(0, len(agent_ids), 500) for name in tx.scalars(sought.where(Agent.id.in_(agent_ids[first : first + 500])).order_by(Agent.name)))


def with_calls(tx: Session, page: Page, climb: Climb, view: PageView) -> PageView:
    """The same page after more calls were made: only what these change is looked up."""
    return replace(view, **_calling(tx, page, climb, tx.get_one(Agent, page.agent_id), calls=not page.test))


def _calling(tx: Session, page: Page, climb: Climb | None, first: Agent, *, calls: bool) -> dict[str, Any]:
    """Who was called, and who is next."""
    return {
        "calls": tuple(_call_view(tx, call) for call in calls_of(tx, page.id)),
        "next": next_call(tx, climb, first) if climb is not None and calls else None,
        "round": climb.round if climb else 1,
    }


def _call_view(tx: Session, call: Call) -> CallView:
    person = tx.get(Person, call.person_id) if call.person_id else None
    name = named(person) if person else channel_link(call.target.removeprefix("channel:"))
    return CallView(name, call.called_at, call.route, call.state)


def _test_problem(page: Page) -> tuple[ProblemView, ...]:
    says = "This is a test: nothing is broken. A real page looks like this and says here what fails, since when, and how we know."
    return (ProblemView("a test, nothing is broken", says, page.opened_at),)


def _runbook(agents: Sequence[Agent], first: Agent, *, several: bool) -> str | None:
    """The runbook; where it is about several agents, those of the first three that have one, each with its agent."""
    if not several:
        return spec_of(first).runbook
    written = [(agent.name, book) for agent in [first, *(each for each in agents if each.id != first.id)] if (book := spec_of(agent).runbook)]
    if len({book for _, book in written}) == 1:
        return written[0][1]
    return "\n".join(f"{clip(name, 60)}: {clip(book, 300)}" for name, book in written[:3]) or None


def _changes(tx: Session, agents: Sequence[Agent], page: Page, *, several: bool) -> tuple[str, ...]:
    """The three newest changes before it began, of any agent on the page."""
    names = {agent.id: agent.name for agent in agents if not is_known(tx, UNCHANGED, agent.id)}
    if not names:
        return ()
    sought = select(Change).where(Change.agent_id.in_(list(names)), Change.occurred_at > page.opened_at - LATELY, Change.occurred_at <= page.opened_at)
    rows = tx.scalars(sought.order_by(Change.occurred_at.desc()).limit(3))
    return tuple(
        (f"{clip(names[row.agent_id], 60)}: " if several else "")
        + clip(f"{row.input} is now {row.version}" + (f": {row.note}" if row.note else ""), 200) + f" ({_before(page, row)})"
        for row in rows
    )  # fmt: skip


def _before(page: Page, change: Change) -> str:
    minutes = int((page.opened_at - change.occurred_at).total_seconds() // 60)
    return f"{minutes} min before" if minutes < 120 else f"{minutes // 60} h before"


def _why(tx: Session, problems: Sequence[Problem]) -> str:
    first = next((problem for problem in problems if problem.check_id is not None), None)
    check = tx.get(Check, first.check_id) if first is not None else None
    return check.why if check is not None else ""
