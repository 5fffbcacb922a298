"""Facts that are read from the counters, for a batch of checks of one kind at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.calendars import at_local, day_before, day_bounds, local_day, zone_named
from bot.checks.calendar import Calendar
from bot.checks.kinds.error_rate import ErrorRateSpec, RunCounts
from bot.checks.kinds.latency import LatencyFacts, LatencySpec
from bot.checks.kinds.volume import WEEKS, VolumeFacts, VolumeSpec
from bot.checks.kinds.words import DAY
from bot.quality import counting
from bot.quality.counting import BUCKET_SECONDS
from bot.quality.reading import Totals, add_row
from bot.tables import Agent, Day, Stage, Tally


def error_rate_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, ErrorRateSpec]], calendar: Calendar) -> list[RunCounts]:
    counted = counted_in(tx, now, [(agent, spec.window) for agent, spec in asked], (counting.RUNS, counting.RUNS_FAILED))
    return [RunCounts(each.runs, each.failed) for each in counted]


def latency_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, LatencySpec]], calendar: Calendar) -> list[LatencyFacts]:
    counted = counted_in(tx, now, [(agent, spec.window) for agent, spec in asked], (counting.RUNS, counting.RUN_MS))
    return [LatencyFacts(each.runs, each.bins.get(counting.RUN_MS, {})) for each in counted]


def counted_in(tx: Session, now: datetime, asked: Sequence[tuple[Agent, timedelta]], metrics: Iterable[str]) -> list[Totals]:
    """The counters of each agent's window, one look per length (and zone, beyond a day).

    Up to a day the 5-minute buckets are read, the one in which the window begins as a whole; beyond, the agent's local
    days, today included.
    """
    wanted = list(metrics)
    groups: dict[tuple[timedelta, str], set[int]] = defaultdict(set)
    for agent, window in asked:
        groups[window, agent.zone if window > DAY else ""].add(agent.id)
    found: dict[tuple[int, timedelta], Totals] = {}
    for (window, zone), ids in groups.items():
        found.update(((agent_id, window), Totals()) for agent_id in ids)
        if zone:
            today = local_day(now, zone)
            when = (Day.local_day >= day_before(today, window // DAY - 1), Day.local_day <= today)
            rows = tx.execute(select(Day.agent_id, Day.metric, Day.bin, func.sum(Day.n), func.sum(Day.sum)).where(Day.agent_id.in_(ids), Day.metric.in_(wanted), *when).group_by(Day.agent_id, Day.metric, Day.bin))
        else:
            rows = tx.execute(select(Tally.agent_id, Tally.metric, Tally.bin, func.sum(Tally.n), func.sum(Tally.sum)).where(Tally.agent_id.in_(ids), Tally.metric.in_(wanted), Tally.bucket_at >= _bucket(now - window)).group_by(Tally.agent_id, Tally.metric, Tally.bin))
        for agent_id, metric, bin, n, total in rows:
            add_row(found[agent_id, window], metric, bin, int(n), int(total))
    return [found[agent.id, window] for agent, window in asked]


def _bucket(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // BUCKET_SECONDS * BUCKET_SECONDS, UTC)


def volume_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, VolumeSpec]], calendar: Calendar) -> list[VolumeFacts]:
    """Counts of today, of yesterday and of the same weekdays before, one look per zone."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for agent, spec in asked:
        groups[agent.zone, spec.of].append(agent.id)
    found: dict[tuple[int, str], VolumeFacts] = {}
    for (zone, of), ids in groups.items():
        found.update(((agent_id, of), facts) for agent_id, facts in _volumes(tx, now, zone, of, ids, calendar).items())
    return [found[agent.id, spec.of] for agent, spec in asked]


def _volumes(tx: Session, now: datetime, zone: str, of: str, ids: list[int], calendar: Calendar) -> dict[int, VolumeFacts]:
    metric = counting.RUNS if of == "run" else counting.OUTPUTS
    today = local_day(now, zone)
    yesterday = day_before(today)
    weeks = {day: [each for week in range(1, WEEKS + 1) if not _holiday(each := day_before(day, 7 * week), calendar)] for day in (today, yesterday)}
    last_week = day_before(today, 7)
    days = [today, yesterday, *weeks[today], *weeks[yesterday]]
    by_day: dict[tuple[int, str], int] = {}
    for agent_id, day, n in tx.execute(select(Day.agent_id, Day.local_day, func.sum(Day.n)).where(Day.agent_id.in_(ids), Day.local_day.in_(days), Day.metric == metric).group_by(Day.agent_id, Day.local_day)):
        by_day[agent_id, day] = int(n)
    parts: dict[int, int] = {}
    local = now.astimezone(zone_named(zone))
    if last_week in weeks[today]:  # a holiday says nothing about how a day goes
        begin, until = day_bounds(last_week, zone)[0], at_local(date.fromisoformat(last_week), local.time(), zone)
        wanted = select(Tally.agent_id, func.sum(Tally.n)).where(Tally.agent_id.in_(ids), Tally.metric == metric, Tally.bucket_at >= begin, Tally.bucket_at < until).group_by(Tally.agent_id)
        parts = {agent_id: int(n) for agent_id, n in tx.execute(wanted)}
    resumed = {agent_id: local_day(at, zone) for agent_id, at in tx.execute(select(Stage.agent_id, Stage.resumed_at).where(Stage.agent_id.in_(ids))) if at is not None}
    return {
        agent_id: VolumeFacts(
            today=today,
            clock=f"{local:%H:%M}",
            so_far=by_day.get((agent_id, today), 0),
            before=tuple(by_day.get((agent_id, day), 0) for day in weeks[today]),
            part=parts.get(agent_id, 0),
            whole=by_day.get((agent_id, last_week), 0),
            today_is_holiday=_holiday(today, calendar) or resumed.get(agent_id, "") >= today,
            yesterday=yesterday,
            yesterday_count=by_day.get((agent_id, yesterday), 0),
            yesterday_before=tuple(by_day.get((agent_id, day), 0) for day in weeks[yesterday]),
            yesterday_is_holiday=_holiday(yesterday, calendar) or resumed.get(agent_id, "") >= yesterday,
            rested=resumed.get(agent_id, "") >= yesterday,
        )
        for agent_id in ids
    }


def _holiday(day: str, calendar: Calendar) -> bool:
    return date.fromisoformat(day) in calendar.holidays
