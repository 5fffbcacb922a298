"""Quality over the last four weeks as a chart: from the counters by day, however much was observed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import day_before, day_bounds, days_between, local_day
from bot.charts.values import Chart, Mark, Point
from bot.quality.changes import changes_of
from bot.quality.facts import Days
from bot.quality.reading import METRIC_OF, Source
from bot.quality.rules import DEFAULT_TARGET, LONGER, TRAILING
from bot.quality.words import FEW
from bot.tables import Agent, AgentNow, Baseline, Day

SPAN = 28  # days shown
FEWEST = 8  # days shown of an agent that is new
MOST_MARKS = 12


def chart_of(tx: Session, now: datetime, agent: Agent, last_day: str | None = None) -> Chart | None:
    """One agent's chart; None while no day has enough judgements."""
    return charts_of(tx, now, [agent], last_day).get(agent.id)


def charts_of(tx: Session, now: datetime, agents: Sequence[Agent], last_day: str | None = None) -> dict[int, Chart]:
    """The charts of several agents in four looks, up to today or to `last_day`; agents without any score are left out."""
    ids = [agent.id for agent in agents]
    if not ids:
        return {}
    lasts = {agent.id: min(last_day or "9999-12-31", local_day(now, agent.zone)) for agent in agents}
    standing = {row.agent_id: row for row in tx.scalars(select(AgentNow).where(AgentNow.agent_id.in_(ids)))}
    counted: dict[int, Days] = defaultdict(Days)
    rows = (
        select(Day.agent_id, Day.local_day, Day.metric, func.sum(Day.n), func.sum(Day.sum))
        .where(Day.agent_id.in_(ids), Day.local_day > day_before(min(lasts.values()), SPAN + LONGER), Day.metric.in_((METRIC_OF["people"], METRIC_OF["evaluations"])))
        .group_by(Day.agent_id, Day.local_day, Day.metric)
    )
    for agent_id, day, metric, n, total in tx.execute(rows):
        counted[agent_id].add(day, metric, int(n), int(total))
    baselines: dict[tuple[int, str], Baseline] = {}
    for base in tx.scalars(select(Baseline).where(Baseline.agent_id.in_(ids), Baseline.current).order_by(Baseline.id)):
        baselines[base.agent_id, base.source] = base
    marks = _marks(tx, agents, lasts)
    found = {}
    for agent in agents:
        row = standing.get(agent.id)
        machine = row is not None and row.machine
        source: Source = "evaluations" if machine else "people"
        window = int(((row.facts or {}).get("windows") or {}).get(source, TRAILING)) if row is not None else TRAILING
        points = _points(counted[agent.id], lasts[agent.id], source, window, 1 if machine else FEW)
        if all(point.share is None for point in points):
            continue
        spec, frozen = spec_of(agent), baselines.get((agent.id, source))
        found[agent.id] = Chart(
            agent.name, agent.slug, points, window, machine, spec.target or DEFAULT_TARGET, spec.target is None,
            frozen.share if frozen else None, frozen.label if frozen else "", tuple(mark for mark in marks[agent.id] if mark.day >= points[0].day)[-MOST_MARKS:],
        )  # fmt: skip
    return found


def _points(days: Days, last: str, source: Source, window: int, fewest: int) -> tuple[Point, ...]:
    """A score for each day, of the days up to it; of too few judgements none is told. Days before the first are left out."""
    points = []
    for day in days_between(day_before(last, SPAN - 1), last):
        score = days.between(day_before(day, window - 1), day).score(source)
        told = score.share is not None and score.n >= fewest
        points.append(Point(day, score.share if told else None, round(score.low, 4), round(score.high, 4), score.n))
    first = next((number for number, point in enumerate(points) if point.share is not None), 0)
    return tuple(points[min(first, SPAN - FEWEST) :])


def _marks(tx: Session, agents: Sequence[Agent], lasts: dict[int, str]) -> dict[int, list[Mark]]:
    zones = {agent.id: agent.zone for agent in agents}
    since = min(day_bounds(day_before(last, SPAN), zones[agent_id])[0] for agent_id, last in lasts.items())
    found: dict[int, list[Mark]] = defaultdict(list)
    until = max(day_bounds(last, zones[agent_id])[1] for agent_id, last in lasts.items())
    for agent_id, changes in changes_of(tx, list(zones), since, until).items():
        for change in changes:
            day = local_day(change.at, zones[agent_id])
            if day <= lasts[agent_id]:
                found[agent_id].append(Mark(day, change.words))
    return found
