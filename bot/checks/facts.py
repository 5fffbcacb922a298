"""Loading what the kinds judge by: rows in, plain facts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of, workspace_of
from bot.calendars import day_before, local_day, parse_working_days
from bot.checks.kinds.kind import CheckSpec
from bot.checks.kinds.no_data import NoDataSpec, SilenceFacts
from bot.checks.kinds.quality import QualityFacts, QualitySpec
from bot.checks.kinds.run_failed import RunFacts, RunFailedSpec, RunSeen
from bot.quality.reading import score
from bot.tables import Agent, Output, Run

TARGET = 0.80  # of agents whose registry entry names none
RUNS_BACK = 30


@dataclass(frozen=True)
class Calendar:
    """The working days and holidays of the workspace, read once a step."""

    working_days: frozenset[int]
    holidays: frozenset[date]


def calendar_of(tx: Session) -> Calendar:
    workspace = workspace_of(tx)
    return Calendar(parse_working_days(workspace.working_days), frozenset(workspace.holidays))


def run_facts(tx: Session, now: datetime, agent: Agent, spec: RunFailedSpec, calendar: Calendar) -> RunFacts:
    """The newest finished runs; cancelled ones say nothing about the agent."""
    columns = (Run.ext_id, Run.status, Run.occurred_at, Run.error, Run.version)
    wanted = select(*columns).where(Run.agent_id == agent.id, Run.status.in_(("ok", "failed")))
    rows = tx.execute(wanted.order_by(Run.occurred_at.desc(), Run.id.desc()).limit(max(spec.after, spec.well_after) + RUNS_BACK))
    return RunFacts(tuple(RunSeen(row.ext_id, row.status == "ok", row.occurred_at, (row.error or "")[:500], row.version or "") for row in rows))


def silence_facts(tx: Session, now: datetime, agent: Agent, spec: NoDataSpec, calendar: Calendar) -> SilenceFacts:
    """When the agent was last heard, whatever came."""
    heard: list[datetime] = []
    for table, of in ((Run, "run"), (Output, "output")):
        if spec.of in ("any", of):
            wanted = select(func.max(table.occurred_at)).where(table.agent_id == agent.id)
            if table is Output:
                wanted = wanted.where(Output.known)  # a stub made by a rating is no word of the agent
            if (last := tx.scalar(wanted)) is not None:
                heard.append(last)
    return SilenceFacts(max(heard, default=None), agent.created_at, agent.zone, calendar.working_days, calendar.holidays)


def quality_facts(tx: Session, now: datetime, agent: Agent, spec: QualitySpec, calendar: Calendar) -> QualityFacts:
    """The score of the window's local days, today included."""
    today = local_day(now, agent.zone)
    first = day_before(today, max(spec.window // timedelta(days=1), 1) - 1)
    found = score(tx, agent.id, first, today, spec.source)
    target = spec_of(agent).target
    return QualityFacts(found.share, found.low, found.high, found.n, target if target is not None else TARGET, first, today)


LOADERS: dict[str, Callable[[Session, datetime, Agent, Any, Calendar], Any]] = {
    "run_failed": run_facts,
    "no_data": silence_facts,
    "quality": quality_facts,
}


def load(tx: Session, now: datetime, agent: Agent, spec: CheckSpec, calendar: Calendar) -> Any:
    """The facts of one check whose kind needs no network."""
    return LOADERS[spec.kind](tx, now, agent, spec, calendar)
