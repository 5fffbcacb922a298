"""Looking up for many pages at once what each would look up for itself: a storm of pages asks each question once, not 500 times."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot.agents.reading import look_owners_ahead, owners_named_of
from bot.known import learn
from bot.outbox import flows as outbox
from bot.paging.rules import FLAPS_WITHIN
from bot.people.flows import look_people_ahead
from bot.quiet.reading import live_covers
from bot.tables import Agent, Call, Change, Check, Climb, Incident, Page, Problem, Stage, StageOrder

UNCHANGED = "agents without changes"
HELD = "agents that are held"
UNPAGED, UNCALLED = "agents without a page", "owners without a page"


def look_ahead(tx: Session, now: datetime, pages: Sequence[Page]) -> None:
    """What showing these pages and calling people about them needs. Of pages with several problems each looks up its own."""
    ids = [page.id for page in pages]
    single = _single_problems(tx, ids)
    agents = _agents(tx, {page.agent_id for page in pages} | {problem.agent_id for problem in single.values()})
    learn(tx, "problems of page", {page_id: ([problem], 1) for page_id, problem in single.items()})
    learn(tx, "agents of page", {page_id: ([problem.agent_id], [agents[problem.agent_id]]) for page_id, problem in single.items()})
    learn(tx, "checks", {check.id: check for check in tx.scalars(select(Check).where(Check.id.in_({problem.check_id for problem in single.values()})))})
    roots = set(tx.scalars(select(Problem.under_id).where(Problem.under_id.in_(ids)).distinct()))
    learn(tx, "down of page", {page_id: ((), 0) for page_id in ids if page_id not in roots})
    climbs = {climb.subject_id: climb for climb in tx.scalars(select(Climb).where(Climb.subject_kind == "page", Climb.subject_id.in_(ids)).order_by(Climb.id))}
    learn(tx, "climb of page", climbs)
    _calls(tx, ids)
    open_ones = tx.execute(select(Incident.page_id, Incident.id).where(Incident.page_id.in_(ids), Incident.closed_at.is_(None))).all()
    learn(tx, "incident of page", dict.fromkeys(ids) | {row.page_id: row.id for row in open_ones})
    look_at_agents_ahead(tx, now, agents)


def look_ahead_to_open(tx: Session, now: datetime, checks: Sequence[Check]) -> None:
    """What opening problems of these checks needs: the agents are held until the commit, as the gates of their problems."""
    ids = sorted({check.agent_id for check in checks})
    learn(tx, HELD, {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_(ids)).order_by(Agent.id).with_for_update(key_share=True))})
    mine = [check.id for check in checks]
    learn(tx, "open problem", dict.fromkeys(mine) | {problem.check_id: problem for problem in tx.scalars(select(Problem).where(Problem.check_id.in_(mine), Problem.closed_at.is_(None)))})
    openings: dict[int, list[datetime]] = {check_id: [] for check_id in mine}
    for check_id, at in tx.execute(select(Problem.check_id, Problem.opened_at).where(Problem.check_id.in_(mine), Problem.opened_at > now - FLAPS_WITHIN)):
        openings[check_id or 0].append(at)
    learn(tx, "openings", openings)
    live_covers(tx, now)  # kept for the transaction; asked now, while nothing waits to be written
    look_people_ahead(tx, now)
    look_owners_ahead(tx, ids)
    out = select(Page.id).where(Page.resolved_at.is_(None), Page.test.is_(False))
    paged = set(tx.scalars(select(Page.agent_id).where(Page.id.in_(out), Page.agent_id.in_(ids))))
    paged.update(tx.scalars(select(Problem.agent_id).where(Problem.page_id.in_(out), Problem.agent_id.in_(ids))))
    learn(tx, UNPAGED, dict.fromkeys(set(ids) - paged, True))
    owners = {name.person_id for agent_id in ids if (name := owners_named_of(tx, [agent_id])[agent_id].operations) is not None}
    called = set(tx.scalars(select(Page.owner_id).where(Page.id.in_(out), Page.owner_id.in_(owners))))
    learn(tx, UNCALLED, dict.fromkeys(owners - called, True))


def look_at_agents_ahead(tx: Session, now: datetime, agent_ids: Collection[int]) -> None:
    """Their owners (and who of these is away), stages, and which of them have no known change."""
    ids = sorted(agent_ids)
    look_people_ahead(tx, now)
    look_owners_ahead(tx, ids)
    learn(tx, "stage", {stage.agent_id: stage for stage in tx.scalars(select(Stage).where(Stage.agent_id.in_(ids)))})
    changed = set(tx.scalars(select(Change.agent_id).where(Change.agent_id.in_(ids)).distinct()))
    changed.update(tx.scalars(select(StageOrder.agent_id).where(StageOrder.agent_id.in_(ids), StageOrder.left.is_not(None)).distinct()))
    learn(tx, UNCHANGED, dict.fromkeys(set(ids) - changed, True))


def look_at_messages_ahead(tx: Session, keys: Iterable[str], threads: Iterable[str]) -> None:
    """The messages that are going to be written or edited."""
    outbox.look_ahead(tx, sorted(set(keys)), sorted(set(threads)))


def _single_problems(tx: Session, page_ids: Sequence[int]) -> dict[int, Problem]:
    """The problem of each page that has exactly one."""
    count = select(Problem.page_id).where(Problem.page_id.in_(page_ids), or_(Problem.under_id.is_(None), Problem.under_id != Problem.page_id))
    ones = tx.scalars(count.group_by(Problem.page_id).having(func.count() == 1)).all()
    rows = tx.scalars(select(Problem).where(Problem.page_id.in_(ones), or_(Problem.under_id.is_(None), Problem.under_id != Problem.page_id)))
    return {problem.page_id: problem for problem in rows if problem.page_id is not None}


def _agents(tx: Session, agent_ids: Collection[int]) -> dict[int, Agent]:
    found = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_(sorted(agent_ids))))}
    learn(tx, "agents", found)
    return found


def _calls(tx: Session, page_ids: Sequence[int]) -> None:
    calls: dict[int, list[Call]] = {page_id: [] for page_id in page_ids}
    rows = select(Climb.subject_id, Call).join(Climb, Climb.id == Call.climb_id).where(Climb.subject_kind == "page", Climb.subject_id.in_(page_ids))
    for page_id, call in tx.execute(rows.order_by(Call.called_at, Call.id)):
        calls[page_id].append(call)
    learn(tx, "calls of page", calls)
