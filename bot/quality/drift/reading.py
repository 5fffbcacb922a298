"""What others read of drift: how each source is watched, what is open, and the evidence that quality rose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import workspace_of
from bot.agents.sampling import Sampling, rooms_of, samplings_of
from bot.calendars import day_before, local_day, parse_working_days
from bot.quality import counting
from bot.quality.baselines import judged_days
from bot.quality.drift.flows import WATCHED
from bot.quality.drift.messages import Change, Source, Watched, too_few
from bot.quality.drift.offers import Offer, offer_of
from bot.quality.drift.watching import (
    DROP,
    Reach,
    State,
    Watch,
    alarms_a_year,
    outputs_until,
    reach_of,
)
from bot.stats import wilson
from bot.stats.betting import YEAR
from bot.tables import Agent, Baseline, Day, Detector, Drift, Person

LATELY = 28  # days over which it is counted how many outputs an agent makes
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
    samplings = samplings_of(tx, now, by_id.values())
    found: dict[int, Watched] = {}
    few: list[_Few] = []
    for agent_id, agent in by_id.items():
        mine = sorted(rows[agent_id], key=lambda each: _ORDER.index(each.source))
        sources = sum(each.state in WATCHED for each in mine)
        told: list[Source] = []
        for each in mine:
            watch = _watch_of(each, baselines.get((agent_id, each.source)))
            source = _source(tx, now, agent, each, sources, baselines.get((agent_id, each.source)), changes.get((agent_id, each.source)), names, drop, watch)
            told.append(source)
            if source.source == "people" and watch is not None and source.reach is not None and too_few(source) and source.change is None and not samplings[agent_id].until:
                few.append(_Few(agent, len(told) - 1, source.reach, watch, sources))
        found[agent_id] = Watched(agent.name, agent.slug, agent.zone, samplings[agent_id].per_day, tuple(told), samplings[agent_id])
    for late, offer in _offers(tx, now, few, samplings, drop):
        watched = found[late.agent.id]
        found[late.agent.id] = replace(watched, sources=tuple(replace(source, offer=offer) if place == late.place else source for place, source in enumerate(watched.sources)))
    return found


@dataclass(frozen=True)
class _Few:
    """An agent of which people judge too few to notice a drop within a week; its source stands at `place`."""

    agent: Agent
    place: int
    reach: Reach
    watch: Watch
    sources: int


def _offers(tx: Session, now: datetime, few: Sequence[_Few], samplings: dict[int, Sampling], drop: float) -> list[tuple[_Few, Offer]]:
    """What people could be asked for, of each of them that any number of judgements would help."""
    helped = [each for each in few if each.reach.needed is not None]
    if not helped:
        return []
    rooms = rooms_of(tx, now, [each.agent for each in helped])
    week = len(parse_working_days(workspace_of(tx).working_days))
    since = day_before(local_day(now, "UTC"), LATELY)
    counted = select(Day.agent_id, func.sum(Day.n)).where(Day.agent_id.in_(rooms), Day.metric == counting.OUTPUTS, Day.local_day >= since).group_by(Day.agent_id)
    made = {agent_id: int(n) / LATELY for agent_id, n in tx.execute(counted)}
    return [
        (each, offer_of(each.reach, samplings[each.agent.id], rooms[each.agent.id], made.get(each.agent.id, 0.0), week, partial(_until, each.watch, each.sources, drop)))
        for each in helped
    ]


def _until(watch: Watch, sources: int, drop: float, rate: float) -> float:
    return outputs_until(watch.good, watch.highest, rate, sources, drop)


def _watch_of(detector: Detector, baseline: Baseline | None) -> Watch | None:
    return Watch.read(detector.body) if detector.rebase_from is None and baseline is not None and detector.body else None


def _source(
    tx: Session, now: datetime, agent: Agent, detector: Detector, sources: int, baseline: Baseline | None, change: Drift | None, names: dict[int, str], drop: float, watch: Watch | None
) -> Source:  # fmt: skip
    reach, run_length = None, 0
    first, judged = detector.rebase_from, 0
    if first is not None:
        today = local_day(now, agent.zone)
        judged = sum(n for day, _, n in judged_days(tx, agent.id, detector.source, first) if day < today)
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
