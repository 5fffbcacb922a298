"""Metrics, and the logs of coding agents: added up by day beside what runs say, and counted only where they say more.

The same tokens come as spans, as metrics and as log records, in any order. A day's counter therefore holds the largest
of the three: what runs said, and the rest by the source that knows most. The rest is corrected as more comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot.calendars import at_local, day_before, local_day
from bot.intake.telemetry.parts import PointPart
from bot.quality.counting import Counts, day_of
from bot.quality.marks import mark_dirty
from bot.tables import Agent, Day, Metered, MetricSeries

AGAIN = timedelta(minutes=10)  # runs of the same day may say more by then
KEPT = timedelta(days=31)  # series: as long as a repeat may still come
YOUNG = timedelta(days=1)  # a counter that began longer ago is not ours to count from its beginning
BATCH = 100


def meter(tx: Session, now: datetime, points: Sequence[PointPart]) -> None:
    """Add what is new in these points to their days."""
    zones = {row.id: row.zone for row in tx.execute(select(Agent.id, Agent.zone).where(Agent.id.in_({point.agent_id for point in points})))}
    added: dict[tuple[int, str, str], list[int]] = {}
    for point, value in _differences(tx, now, points):
        day = day_of(datetime.fromtimestamp(point.at / 1e9, UTC), zones[point.agent_id])
        cell = added.setdefault((point.agent_id, day, point.metric), [0, 0])
        cell[1 if point.by_logs else 0] += value
    _add(tx, now, added)


def _differences(tx: Session, now: datetime, points: Sequence[PointPart]) -> list[tuple[PointPart, int]]:
    keys = sorted({(point.agent_id, point.digest) for point in points})
    held: dict[tuple[int, str], MetricSeries] = {}
    for start in range(0, len(keys), 500):
        wanted = select(MetricSeries).where(tuple_(MetricSeries.agent_id, MetricSeries.digest).in_(keys[start : start + 500]))
        for series in tx.scalars(wanted.order_by(MetricSeries.agent_id, MetricSeries.digest).with_for_update()):
            held[series.agent_id, series.digest] = series
    found = []
    for point in sorted(points, key=lambda each: each.at):
        row = held.get((point.agent_id, point.digest))
        if row is None:
            row = MetricSeries(agent_id=point.agent_id, digest=point.digest, began=point.began, at=point.at, value=point.value, received_at=now)
            held[point.agent_id, point.digest] = row
            tx.add(row)
            ours = not point.cumulative or not point.began or point.began >= (now - YOUNG).timestamp() * 1e9
            found.append((point, point.value if ours else 0))
        elif point.cumulative and point.at > row.at:
            again = point.began != row.began or point.value < row.value  # the program began anew, and counts from nothing
            found.append((point, point.value if again else point.value - row.value))
            row.began, row.at, row.value, row.received_at = point.began, point.at, point.value, now
    tx.flush()
    return [(point, value) for point, value in found if value]


def _add(tx: Session, now: datetime, added: dict[tuple[int, str, str], list[int]]) -> None:
    insert = sqlite_insert if tx.get_bind().dialect.name == "sqlite" else postgres_insert
    rows = [
        {"agent_id": agent_id, "local_day": day, "metric": metric, "by_metrics": metrics, "by_logs": logs, "counted": 0, "due_at": now}
        for (agent_id, day, metric), (metrics, logs) in sorted(added.items())
    ]
    if rows:
        made = insert(Metered).values(rows)
        more = {"by_metrics": Metered.by_metrics + made.excluded.by_metrics, "by_logs": Metered.by_logs + made.excluded.by_logs, "due_at": made.excluded.due_at}
        tx.execute(made.on_conflict_do_update(index_elements=["agent_id", "local_day", "metric"], set_=more))


def meters_step(tx: Session, now: datetime) -> bool:
    """Bring the counters of up to 100 days to the largest of what is said of them; says whether there were more."""
    due = select(Metered).where(Metered.due_at <= now).order_by(Metered.agent_id, Metered.local_day, Metered.metric).limit(BATCH)
    rows = list(tx.scalars(due.with_for_update(skip_locked=True)))
    if not rows:
        return False
    zones = {row.id: row.zone for row in tx.execute(select(Agent.id, Agent.zone).where(Agent.id.in_({row.agent_id for row in rows})))}
    wanted = tuple_(Day.agent_id, Day.local_day, Day.metric).in_([(row.agent_id, row.local_day, row.metric) for row in rows])
    summed = select(Day.agent_id, Day.local_day, Day.metric, func.sum(Day.n), func.sum(Day.sum)).where(wanted).group_by(Day.agent_id, Day.local_day, Day.metric)
    totals = {(agent_id, day, metric): (int(n), int(total)) for agent_id, day, metric, n, total in tx.execute(summed)}
    counts = Counts()
    for row in rows:
        zone, today = zones[row.agent_id], local_day(now, zones[row.agent_id])
        by_number = row.metric.startswith("outcomes.")
        n, total = totals.get((row.agent_id, row.local_day, row.metric), (0, 0))
        by_runs = (n if by_number else total) - row.counted
        target = max(0, max(row.by_metrics, row.by_logs) - by_runs)
        if change := target - row.counted:
            at = now if row.local_day == today else at_local(date.fromisoformat(row.local_day), time(12), zone)
            counts.add(row.agent_id, zone, row.metric, at, change if by_number else 0, 0 if by_number else change)
            row.counted = target
        row.due_at = now + AGAIN if row.local_day >= day_before(today) else None
    dirty = counts.agent_ids()
    counts.write(tx, now)
    mark_dirty(tx, now, dirty)
    return len(rows) == BATCH


def meters_due(tx: Session, now: datetime) -> bool:
    """Whether a day waits to be brought up to date."""
    return tx.scalar(select(Metered.agent_id).where(Metered.due_at <= now).limit(1)) is not None


def forget_series(tx: Session, now: datetime) -> None:
    """Drop series that nobody adds to any more."""
    tx.execute(delete(MetricSeries).where(MetricSeries.received_at < now - KEPT), execution_options={"synchronize_session": False})
