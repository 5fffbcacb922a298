"""Facts about drift, and the built-in check that tells of it where the registry has none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from bot.checks.built_in import add_built_in
from bot.checks.calendar import Calendar
from bot.checks.kinds.drift import DriftFacts, DriftSpec
from bot.quality.drift.reading import watched_of
from bot.tables import Agent, Check, Drift

BUILT_IN = "quality:drift"
MOST = 50
WHY = "slow decay is noticed for every agent"


def drift_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, DriftSpec]], calendar: Calendar) -> list[DriftFacts]:
    """How each agent's sources are watched. The built-in check is known by its words, and rests beside a check of the registry."""
    agents = {agent.id: agent for agent, _ in asked}
    watched = {drop: watched_of(tx, now, agents.values(), drop) for drop in {spec.drop for _, spec in asked}}
    own = set(tx.scalars(select(Check.agent_id).where(Check.agent_id.in_(agents), Check.kind == "drift", Check.name != BUILT_IN, Check.archived_at.is_(None))))
    return [
        DriftFacts(watched[spec.drop][agent.id].sources, agent.slug, agent.zone, watched[spec.drop][agent.id].sampling, rests=agent.id in own and spec == DriftSpec(why=WHY))
        for agent, spec in asked
    ]


def unwatched(tx: Session, now: datetime) -> bool:
    """Whether a drift is told of that no check tells of yet: asked beside the writers."""
    return tx.scalar(_unwatched().limit(1)) is not None


def watch_step(tx: Session, now: datetime) -> bool:
    """Agents that drift, and have no check of that kind, get the built-in one."""
    ids = sorted(set(tx.scalars(_unwatched().limit(MOST))))
    for agent_id in ids:
        add_built_in(tx, now, agent_id, BUILT_IN, {"kind": "drift", "why": WHY}, severity="notice", why=WHY)
    return bool(ids)


def _unwatched() -> Select[Any]:
    has = select(Check.id).where(Check.agent_id == Drift.agent_id, Check.kind == "drift", Check.archived_at.is_(None)).exists()
    return select(Drift.agent_id).join(Agent, Agent.id == Drift.agent_id).where(Drift.ended_at.is_(None), Drift.told, Drift.side == "worse", Agent.archived_at.is_(None), ~has)
