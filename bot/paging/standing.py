"""How a page stands: held until the commit, had by somebody, let go; and the turn that writers of one owner's pages take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bot.agents.dependencies import graph_of
from bot.known import is_known, learn
from bot.ladders.flows import live_climb
from bot.paging import rules
from bot.tables import Agent, AgentOwner, Check, Page, Problem

_TURN = 7301946  # the space of our advisory locks (see also quality.counting)
_CASCADES = 0  # no person has this id: whoever writes along dependencies takes this turn first
# In the order of the keys, so that two processes never wait for each other.
_TAKE = text("SELECT pg_advisory_xact_lock(:space, each) FROM (SELECT DISTINCT unnest(CAST(:keys AS int[])) AS each ORDER BY each) AS ordered")


def take_turn(tx: Session, agent_ids: Iterable[int]) -> None:
    """Wait until no other process writes pages of the owners of these agents: two must not open two pages for one owner.

    Who writes for many agents takes all their turns at once, before the first. On SQLite one process writes anyway.
    """
    if tx.get_bind().dialect.name == "sqlite":
        return
    ids = sorted(agent_id for agent_id in set(agent_ids) if not is_known(tx, "turn taken", agent_id))
    learn(tx, "turn taken", dict.fromkeys(ids, True))
    keys: set[int] = set()
    concerned = graph_of(tx)
    for first in range(0, len(ids), 500):
        part = ids[first : first + 500]
        rows = tx.execute(
            select(Agent.id, Agent.slug, AgentOwner.person_id)
            .outerjoin(AgentOwner, (AgentOwner.agent_id == Agent.id) & (AgentOwner.role == "operations") & AgentOwner.until.is_(None))
            .where(Agent.id.in_(part))
        )
        for agent_id, slug, person_id in rows:
            keys.add(person_id if person_id is not None else -agent_id)  # nobody's agents are grouped with none
            if concerned.concerns(slug):
                keys.add(_CASCADES)
        # A page stays with the owner it was opened for, whoever owns its agents now.
        on = select(Page.owner_id).join(Problem, Problem.page_id == Page.id).where(Problem.agent_id.in_(part), Problem.closed_at.is_(None), Page.owner_id.is_not(None))
        keys.update(owner_id for owner_id in tx.scalars(on.distinct()) if owner_id is not None)
    if keys:
        tx.execute(_TAKE, {"space": _TURN, "keys": sorted(keys)}).all()


class Held(NamedTuple):
    """An open problem, with the agent that has it and the check that found it (None where the check is gone)."""

    agent: Agent
    problem: Problem
    check: Check | None


def held_problem(tx: Session, problem_id: int) -> Held | None:
    """An open problem, held until the commit; None where it is over. The agent's row is the gate, as where problems open."""
    agent_id = tx.scalars(select(Problem.agent_id).where(Problem.id == problem_id)).one()
    agent = tx.scalars(select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True)).one()
    sought = select(Problem).where(Problem.id == problem_id, Problem.closed_at.is_(None))
    problem = tx.scalars(sought.with_for_update(key_share=True).execution_options(populate_existing=True)).first()
    if problem is None:
        return None
    return Held(agent, problem, tx.get(Check, problem.check_id) if problem.check_id is not None else None)


def locked(tx: Session, page_id: int) -> Page:
    """The page, held until the commit: first its climb and then itself, the order in which the calling step takes them."""
    live_climb(tx, "page", page_id, lock=True)
    return tx.scalars(select(Page).where(Page.id == page_id).with_for_update(key_share=True).execution_options(populate_existing=True)).one()


def hold_until(page: Page, now: datetime, until: datetime, *, snoozed: bool = False) -> None:
    """Nobody is called until then; the timer warns before."""
    page.ack_until, page.ack_due_at, page.snoozed = until, rules.ack_due(now, until), snoozed


def let_go(page: Page) -> None:
    """Nobody has it any more."""
    page.acked_at = page.acked_by = page.renewed_at = page.ack_until = page.ack_due_at = None
    page.took = page.snoozed = False
