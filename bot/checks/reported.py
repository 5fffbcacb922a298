"""Facts that are read from what was reported itself, for a batch of checks of one kind at a time; every look is bounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, literal, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from bot.agents.reading import spec_of
from bot.checks.calendar import Calendar
from bot.checks.counted import counted_in
from bot.checks.kinds.freshness import FreshFacts, FreshnessSpec
from bot.checks.kinds.input_shape import InputFacts, InputShapeSpec
from bot.checks.kinds.measure import MeasureFacts, MeasureSpec
from bot.checks.kinds.stage import StagedRun, StageFacts, StageSpec
from bot.checks.kinds.upstream import Reported
from bot.quality import counting
from bot.tables import Agent, Change, Measure, Person, Run, Stage, StageOrder

LATELY, EARLIER = 20, 30  # runs whose fields are compared
BACK = timedelta(days=30)  # how old the runs may be that say what was usual
STAGED = 30


@dataclass(frozen=True)
class Slice:
    """Some of what one agent reported, by time; `also` narrows it further."""

    agent_id: int
    since: datetime
    until: datetime | None = None
    also: Any = None


def newest(tx: Session, columns: Sequence[InstrumentedAttribute[Any]], slices: Sequence[Slice], most: int) -> list[list[Any]]:
    """The newest rows of each slice, at most `most`, the newest first: one statement, each slice by its own end of the index."""
    if not slices:
        return []
    table: Any = columns[0].class_
    parts = []
    for i, each in enumerate(slices):
        wanted = select(literal(i).label("slice"), *columns).where(table.agent_id == each.agent_id, table.occurred_at >= each.since)
        if each.until is not None:
            wanted = wanted.where(table.occurred_at < each.until)
        if each.also is not None:
            wanted = wanted.where(each.also)
        parts.append(select(wanted.order_by(table.occurred_at.desc(), table.id.desc()).limit(most).subquery()))
    found: list[list[Any]] = [[] for _ in slices]
    for row in tx.execute(union_all(*parts)):
        found[row.slice].append(row)
    return [sorted(rows, key=lambda row: row.occurred_at, reverse=True) for rows in found]


def input_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, InputShapeSpec]], calendar: Calendar) -> list[InputFacts]:
    counted = counted_in(tx, now, [(agent, spec.window) for agent, spec in asked], (counting.RUNS, counting.INPUTS_REJECTED))
    columns = (Run.occurred_at, Run.extra)
    lately = newest(tx, columns, [Slice(agent.id, now - spec.window) for agent, spec in asked], LATELY)
    earlier = newest(tx, columns, [Slice(agent.id, now - spec.window - BACK, now - spec.window) for agent, spec in asked], EARLIER)
    return [
        InputFacts(totals.runs, totals.n(counting.INPUTS_REJECTED), totals.sum(counting.INPUTS_REJECTED), _fields(new), _fields(old))
        for totals, new, old in zip(counted, lately, earlier, strict=True)
    ]


def _fields(runs: Sequence[Any]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(given.get("fields") or ()) for run in runs if isinstance(given := (run.extra or {}).get("input"), dict))


def fresh_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, FreshnessSpec]], calendar: Calendar) -> list[FreshFacts]:
    """The newest change of each named input, announced or first seen in a run."""
    pairs = [and_(Change.agent_id == agent.id, Change.input == spec.input) for agent, spec in asked]
    latest = select(Change.agent_id, Change.input, func.max(Change.occurred_at).label("at")).where(or_(*pairs)).group_by(Change.agent_id, Change.input).subquery()
    same = (Change.agent_id == latest.c.agent_id, Change.input == latest.c.input, Change.occurred_at == latest.c.at)
    found = {(row.agent_id, row.input): row for row in tx.execute(select(Change.agent_id, Change.input, Change.occurred_at, Change.version).join(latest, and_(*same)).order_by(Change.id))}
    facts = []
    for agent, spec in asked:
        row, given = found.get((agent.id, spec.input)), spec_of(agent).inputs.get(spec.input)
        facts.append(FreshFacts(row.occurred_at if row else None, agent.created_at, given.refresh if given else None, row.version if row else ""))
    return facts


def measure_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, MeasureSpec]], calendar: Calendar) -> list[MeasureFacts]:
    """Sums of each window, one look per length, and the newest value."""
    groups: dict[timedelta, list[tuple[int, str]]] = defaultdict(list)
    for agent, spec in asked:
        groups[spec.window].append((agent.id, spec.name))
    sums: dict[tuple[int, str, timedelta], Any] = {}
    for window, pairs in groups.items():
        wanted = select(Measure.agent_id, Measure.name, func.count(), func.sum(Measure.number), func.max(Measure.unit)).where(
            Measure.agent_id.in_({agent_id for agent_id, _ in pairs}), Measure.name.in_({name for _, name in pairs}), Measure.occurred_at >= now - window
        )
        for agent_id, name, n, total, unit in tx.execute(wanted.group_by(Measure.agent_id, Measure.name)):
            sums[agent_id, name, window] = (n, total, unit)
    last = newest(tx, (Measure.occurred_at, Measure.number), [Slice(agent.id, datetime.min.replace(tzinfo=now.tzinfo), None, Measure.name == spec.name) for agent, spec in asked], 1)
    found = []
    for (agent, spec), rows in zip(asked, last, strict=True):
        n, total, unit = sums.get((agent.id, spec.name, spec.window), (0, 0.0, ""))
        found.append(MeasureFacts(int(n), float(total), rows[0].number, rows[0].occurred_at, unit or "", True) if rows else MeasureFacts())
    return found


def newest_reported(tx: Session, agent_id: int, name: str) -> Reported | None:
    """The newest value of one measure of an agent."""
    wanted = select(Measure.number, Measure.occurred_at, Measure.unit).where(Measure.agent_id == agent_id, Measure.name == name)
    row = tx.execute(wanted.order_by(Measure.occurred_at.desc(), Measure.id.desc()).limit(1)).first()
    return Reported(float(row.number), row.occurred_at, row.unit or "") if row is not None else None


def stage_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, StageSpec]], calendar: Calendar) -> list[StageFacts]:
    """The stage in force, and the newest runs since."""
    ids = {agent.id for agent, _ in asked}
    orders = {stage.agent_id: (stage, name or "") for stage, name in tx.execute(select(Stage, Person.name).outerjoin(Person, Person.id == Stage.by_id).where(Stage.agent_id.in_(ids)))}
    current = {row.agent_id: row for row in tx.scalars(select(StageOrder).where(StageOrder.agent_id.in_(ids), StageOrder.over_at.is_(None)).order_by(StageOrder.rev))}
    runs = newest(tx, (Run.occurred_at, Run.ext_id, Run.stage, Run.status, Run.version), [Slice(agent.id, max(orders[agent.id][0].since, now - BACK)) for agent, _ in asked], STAGED)
    found = []
    for (agent, _), rows in zip(asked, runs, strict=True):
        held, by = orders[agent.id]
        staged = tuple(StagedRun(row.ext_id, row.occurred_at, row.stage, row.status == "cancelled", row.version) for row in rows)
        order = current.get(agent.id)
        waits = order.asked_at if order is not None and order.lowers and order.obeyed_at is None and order.stage != "retired" else None
        found.append(StageFacts(held.stage, held.since, held.reason, by, staged, agent.heard_at is not None, held.version, waits, order.obeyed_at if order is not None else None))
    return found
