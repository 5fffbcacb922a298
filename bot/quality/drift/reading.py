"""What others read of drift: how each source is watched, what is open, and the evidence that quality rose."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import local_day
from bot.quality.baselines import judged_days
from bot.quality.drift.flows import WATCHED
from bot.quality.drift.messages import Change, Source, Watched
from bot.quality.drift.watching import DROP, State, Watch, alarms_a_year, reach_of
from bot.stats import wilson
from bot.stats.betting import YEAR
from bot.tables import Agent, Baseline, Detector, Drift, Person

_ORDER = ("people", "evaluations", "outcomes")


def watched_of(tx: Session, now: datetime, agents: Iterable[Agent], drop: float = DROP) -> dict[int, Watched]:
    """How the sources of these agents are watched; a handful of looks, however many agents."""
    by_id = {agent.id: agent for agent in agents}
    rows: dict[int, list[Detector]] = {agent_id: [] for agent_id in by_id}
    for detector in tx.scalars(select(Detector).where(Detector.agent_id.in_(by_id))):
        rows[detector.agent_id].append(detector)
    baselines: dict[tuple[int, str], Baseline] = {}
    for base in tx.scalars(select(Baseline).where(Baseline.agent_id.in_(by_id), Baseline.current).order_by(Baseline.id)):
        baselines[base.agent_id, base.source] = base
    changes = {(row.agent_id, row.source): row for row in tx.scalars(select(Drift).where(Drift.agent_id.in_(by_id), Drift.ended_at.is_(None), Drift.told).order_by(Drift.id))}
    names = _names(tx, (row.known_by for row in changes.values()))
    found: dict[int, Watched] = {}
    for agent_id, agent in by_id.items():
        spec = spec_of(agent)
        mine = sorted(rows[agent_id], key=lambda each: _ORDER.index(each.source))
        sources = sum(each.state in WATCHED for each in mine)
        told = [_source(tx, now, agent, each, sources, baselines.get((agent_id, each.source)), changes.get((agent_id, each.source)), names, drop) for each in mine]
        found[agent_id] = Watched(agent.name, agent.slug, agent.zone, spec.reviews.per_day, tuple(told))
    return found


def _source(
    tx: Session, now: datetime, agent: Agent, detector: Detector, sources: int, baseline: Baseline | None, change: Drift | None, names: dict[int, str], drop: float
) -> Source:  # fmt: skip
    reach, run_length, watch = None, 0, None
    first, judged = detector.rebase_from, 0
    if first is not None:
        today = local_day(now, agent.zone)
        judged = sum(n for day, _, n in judged_days(tx, agent.id, detector.source, first) if day < today)
    elif baseline is not None and detector.body:
        watch = Watch.read(detector.body)
    if watch is not None and detector.state in WATCHED:
        per_day = watch.pace.per_day(now.timestamp())
        reach = reach_of(watch.good, watch.highest, per_day, sources, drop)
        run_length = round(per_day * YEAR / alarms_a_year(sources))
    state = detector.state if first is None else State.WAITING.value
    return Source(
        detector.source, state, baseline.share if baseline else None, watch.judged if watch is not None else baseline.n if baseline else 0, baseline.label if baseline else "", detector.fed, reach, run_length, first, judged,
        change_of(change, names, watch) if change is not None else None,
    )  # fmt: skip


def change_of(row: Drift, names: dict[int, str] | None = None, watch: Watch | None = None) -> Change:
    """A drift as it is told; with the level of today where the detector's memory is handed in."""
    after, low, high, n = row.after, row.low, row.high, row.n
    if watch is not None and watch.since is not None and watch.n >= n and row.ended_at is None:
        after, n = 1 - watch.bad / watch.n, watch.n
        low, high = wilson(after, n)
    return Change(
        row.source, row.side, row.since, row.noticed_at, row.before, row.before_n, after, low, high, n, row.segment, tuple(row.near or ()),
        row.known_at, (names or {}).get(row.known_by or 0, ""), row.known_why, row.ended_at, row.ended_why,
    )  # fmt: skip


def _names(tx: Session, ids: Iterable[int | None]) -> dict[int, str]:
    wanted = sorted({each for each in ids if each is not None})
    return {row.id: row.name for row in tx.execute(select(Person.id, Person.name).where(Person.id.in_(wanted)))} if wanted else {}


def open_changes(tx: Session, agent_ids: Iterable[int]) -> dict[int, list[Change]]:
    """What is open of these agents and told, the newest level of each, by agent."""
    ids = list(agent_ids)
    rows = tx.scalars(select(Drift).where(Drift.agent_id.in_(ids), Drift.ended_at.is_(None), Drift.told).order_by(Drift.id)).all()
    bodies: dict[tuple[int, str], dict[str, Any]] = {}
    if rows:
        wanted = select(Detector.agent_id, Detector.source, Detector.body).where(Detector.agent_id.in_({row.agent_id for row in rows}))
        bodies = {(agent_id, source): body for agent_id, source, body in tx.execute(wanted)}
    found: dict[int, list[Change]] = {}
    for row in rows:
        body = bodies.get((row.agent_id, row.source))
        found.setdefault(row.agent_id, []).append(change_of(row, watch=Watch.read(body) if body else None))
    return found


def better_since(tx: Session, agent_id: int) -> list[Change]:
    """Evidence for promotion: rises above the baseline that hold until now, by source."""
    return [each for each in open_changes(tx, [agent_id]).get(agent_id, []) if each.side == State.BETTER]
