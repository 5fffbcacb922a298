"""The stage to obey now, and ordering another: in one open transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.db import wake
from bot.tables import Agent, Stage

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
    return tx.scalars(select(Stage).where(Stage.agent_id == agent_id)).one()


def order_stage(tx: Session, now: datetime, agent: Agent, stage: str, by_id: int | None, reason: str, *, came_from: str = "slack") -> Stage:
    """Order a stage; the same one again changes nothing, so that a second press is no second order.

    `rev` grows with every order, which is how a waiting gate notices. Who may order is the caller's question.
    """
    if stage not in STAGES:
        raise ValueError(f"{stage!r} is not a stage: {', '.join(STAGES)}")
    # Two people at once: the later one must see the earlier one's order, so the row is locked before it is judged.
    row = tx.scalars(select(Stage).where(Stage.agent_id == agent.id).with_for_update().execution_options(populate_existing=True)).one()
    if row.stage == stage:
        return row
    before = row.stage
    row.stage, row.since, row.reason, row.by_id, row.rev = stage, now, reason, by_id, row.rev + 1
    audit.record(
        tx, now, "stage.order", f"agent:{agent.slug}", person_id=by_id, came_from=came_from, words=reason, evidence={"before": before, "after": stage, "rev": row.rev}
    )
    wake(tx, "gate")
    return row
