"""The stage to obey now, and ordering another: in one open transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import agent_by_slug
from bot.db import wake
from bot.known import known
from bot.stages import orders, rules
from bot.tables import Agent, Check, Person, Stage

STOPPED = ("suspended", "retired")
STAGES = ("shadow", "assisted", "autonomous", "suspended", "retired")
MEANING = {
    "shadow": "runs beside people, and nothing it makes is used",
    "assisted": "a person looks at every output before it counts",
    "autonomous": "works by itself, and people look at samples",
    "suspended": "stopped: it must not act until somebody says so",
    "retired": "no longer at work",
}


def stage_of(tx: Session, agent_id: int) -> Stage:
    """The one stage of an agent, with since when, why and by whom; every agent has one from its first day."""
    return known(tx, "stage", agent_id, lambda: tx.scalars(select(Stage).where(Stage.agent_id == agent_id)).one())


def held(tx: Session, agent_id: int) -> Stage:
    """The stage, locked: two people at once, and the later one must see the earlier one's order."""
    return tx.scalars(select(Stage).where(Stage.agent_id == agent_id).with_for_update().execution_options(populate_existing=True)).one()


def order_stage(tx: Session, now: datetime, agent: Agent, stage: str, by_id: int | None, reason: str, *, came_from: str = "slack") -> Stage:
    """Order a stage; the same one again changes nothing, so that a second press is no second order.

    `rev` grows with every order, which is how a waiting gate notices. Who may order is the caller's question.
    """
    if stage not in STAGES:
        raise ValueError(f"{stage!r} is not a stage: {', '.join(STAGES)}")
    row = held(tx, agent.id)
    if row.stage == stage:
        return row
    before = row.stage
    row.back_to = rules.back_to(before, stage, row.back_to)
    row.stage, row.since, row.reason, row.by_id, row.rev = stage, now, reason, by_id, row.rev + 1
    audit.record(
        tx, now, "stage.order", f"agent:{agent.slug}", person_id=by_id, came_from=came_from, words=reason, evidence={"before": before, "after": stage, "rev": row.rev}
    )
    if before in STOPPED and stage not in STOPPED:
        row.resumed_at = now
        _resume_checks(tx, now, agent)
    order = orders.ask(tx, now, agent, row, before=before, left=None, lowers=rules.lowers(before, stage))
    orders.show(tx, now, agent, order)
    wake(tx, "gate")
    return row


def order_version(tx: Session, now: datetime, agent: Agent, version: str | None, left: str | None, person: Person, reason: str) -> bool:
    """Order a version to go back to, or (None) let the newest one work again; False where that is ordered already."""
    row = held(tx, agent.id)
    if row.version == version:
        return False
    before = row.version
    row.version, row.since, row.reason, row.by_id, row.rev = version, now, reason, person.id, row.rev + 1
    told = {"before": before, "after": version, "left": left, "rev": row.rev}
    audit.record(tx, now, "stage.version", f"agent:{agent.slug}", person_id=person.id, words=reason, evidence=told)
    order = orders.ask(tx, now, agent, row, before=row.stage, left=left if version is not None else before, lowers=version is not None)
    orders.show(tx, now, agent, order)
    wake(tx, "gate")
    return True


def _resume_checks(tx: Session, now: datetime, agent: Agent) -> None:
    """The checks of an agent that works again are looked at now, and nothing is missed that fell into its rest."""
    live = (Check.agent_id == agent.id, Check.archived_at.is_(None), Check.wrong_at.is_(None))
    tx.execute(update(Check).where(*live).values(watched_at=now, due_at=now).execution_options(synchronize_session=False))
    wake(tx, "checks")
    wake(tx, "probes")


def lower_stage(tx: Session, now: datetime, agent: Agent, stage: str, person: Person, reason: str) -> bool:
    """Order less than the agent may do now, and tell its owner channel. False where it may do no more than that already.

    Raising a stage is never done here: that takes evidence and an approval.
    """
    if not rules.lowers(held(tx, agent.id).stage, stage):
        return False
    order_stage(tx, now, agent, stage, person.id, reason)
    return True


def raise_stage(tx: Session, now: datetime, agent: Agent, stage: str, person: Person, reason: str) -> bool:
    """Give an agent back what was taken from it, at most the stage it was lowered from, and tell its owner channel.

    False where that is no way back (any more): more than it ever had takes evidence and an approval.
    """
    row = held(tx, agent.id)
    if stage not in rules.ways_back(row.stage, row.back_to):
        return False
    order_stage(tx, now, agent, stage, person.id, reason)
    return True


def gate_of(tx: Session, slug: str) -> dict[str, Any] | None:
    """What a live agent has to obey now, as its gate tells it; None where there is no such agent."""
    agent = agent_by_slug(tx, slug)
    if agent is None:
        return None
    row = stage_of(tx, agent.id)
    return {"stage": row.stage, "version": row.version, "rev": row.rev, "since": row.since.isoformat(), "reason": row.reason}
