"""How often agents hand over to people: the facts of `handoff_rate`, for a batch of checks at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import day_before, day_bounds, local_day
from bot.checks.calendar import Calendar
from bot.checks.counted import counted_in
from bot.checks.kinds.handoff_rate import HandoffFacts, HandoffRateSpec
from bot.checks.kinds.words import DAY
from bot.quality import counting
from bot.tables import Agent, Request


def handoff_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, HandoffRateSpec]], calendar: Calendar) -> list[HandoffFacts]:
    """Runs from the counters, hand-offs from their rows (which are few), both since the same moment."""
    counted = counted_in(tx, now, [(agent, spec.window) for agent, spec in asked], (counting.RUNS,))
    groups: dict[datetime, set[int]] = defaultdict(set)
    begins = [_begin(now, agent, spec.window) for agent, spec in asked]
    for (agent, _), since in zip(asked, begins, strict=True):
        groups[since].add(agent.id)
    handed: dict[tuple[int, datetime], int] = {}
    for since, ids in groups.items():
        rows = tx.execute(select(Request.agent_id, func.count()).where(Request.agent_id.in_(ids), Request.kind == "handoff", Request.received_at >= since).group_by(Request.agent_id))
        handed.update({(agent_id, since): int(n) for agent_id, n in rows})
    ever = set(tx.scalars(select(Request.agent_id).where(Request.agent_id.in_({agent.id for agent, _ in asked}), Request.kind == "handoff").distinct()))
    found = []
    for (agent, _), since, runs in zip(asked, begins, counted, strict=True):
        terms = spec_of(agent).handoffs
        found.append(HandoffFacts(handed.get((agent.id, since), 0), runs.runs, terms.share if terms is not None else None, agent.id in ever))
    return found


def _begin(now: datetime, agent: Agent, window: timedelta) -> datetime:
    """Beyond a day the counters know whole local days, so hand-offs are counted from the same midnight on."""
    if window <= DAY:
        return now - window
    first = day_before(local_day(now, agent.zone), window // DAY - 1)
    return day_bounds(first, agent.zone)[0].astimezone(UTC)
