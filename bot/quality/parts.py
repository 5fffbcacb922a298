"""The parts of quality: by segment, by evaluation, by voter; counted when a judgement arrives, taken back by the difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot.db import insert_many
from bot.quality.counting import slot_of
from bot.tables import AwaitedRun, DayPart, Output, Run, Segment

SEGMENTS = ("kind", "model", "version", "language", "department")
NAME, EVALUATOR = "name", "evaluator"  # parts of evaluations
VOTES, UNASKED = "votes", "unasked"  # parts of people: a voter's votes; and what they judged without being asked
MOST_VALUES = 30  # of a segment that are counted apart for one agent
MOST_NAMES = 20  # evaluations' names counted apart on one output
OTHER = "(other)"
WHOLE = 1_000_000  # one output, in the millionths that a voter's part is counted in

Key = tuple[str, str, str, str]  # source, part, local day, value
Ballot = tuple[int, bool, bool]  # person, whether they found it good, whether they were asked


@dataclass
class PartCounts:
    """What one transaction adds to an agent's `day_parts`: `add` the new, `add` the old with -1, then `write` once."""

    agent_id: int
    cells: dict[Key, list[int]] = field(default_factory=dict)

    def add(self, source: str, day: str, share: float, parts: Mapping[str, Any] | None, sign: int = 1) -> None:
        """One observation of a source, as it is counted under its parts."""
        if not parts:
            return
        thousandths = round(share * 1000)
        for part, value in (parts.get("s") or {}).items():
            self._add((source, part, day, value), sign, sign * thousandths)
        for part in (NAME, EVALUATOR):
            for value, mean in (parts.get(part) or {}).items():
                self._add((source, part, day, value), sign, sign * round(mean * 1000))
        ballots: Sequence[Ballot] = parts.get("v") or ()
        for person_id, good, asked in ballots:
            self._add((source, VOTES, day, str(person_id)), sign, 0)
            if not asked:
                piece = WHOLE // len(ballots)
                self._add((source, UNASKED, day, str(person_id)), sign * piece, sign * piece * bool(good))

    def _add(self, key: Key, n: int, total: int) -> None:
        cell = self.cells.setdefault(key, [0, 0])
        cell[0] += n
        cell[1] += total

    def write(self, tx: Session) -> None:
        """Add everything; rows belong to one writer's slot, as those of the counters do."""
        rows = [(self.agent_id, *key, slot_of(tx), n, total) for key, (n, total) in sorted(self.cells.items()) if n or total]
        self.cells.clear()
        if not rows:
            return
        if tx.get_bind().dialect.name == "sqlite":
            insert_many(tx.connection(), f"INSERT INTO day_parts ({', '.join(_COLUMNS)})", _ADD, rows)
            return
        wanted = postgres_insert(DayPart)
        added = {name: getattr(DayPart, name) + getattr(wanted.excluded, name) for name in ("n", "sum")}
        for start in range(0, len(rows), 1000):
            values = [dict(zip(_COLUMNS, row, strict=True)) for row in rows[start : start + 1000]]
            tx.execute(wanted.values(values).on_conflict_do_update(index_elements=list(_COLUMNS[:6]), set_=added))


_COLUMNS = ("agent_id", "source", "part", "local_day", "value", "slot", "n", "sum")
_ADD = f"ON CONFLICT ({', '.join(_COLUMNS[:6])}) DO UPDATE SET n = day_parts.n + excluded.n, sum = day_parts.sum + excluded.sum"


@dataclass(frozen=True)
class Placed:
    """Where an output stands: its segments, and whether people could see it with a thumb."""

    segments: dict[str, str]
    shown: bool


def place(tx: Session, now: datetime, agent_id: int, output_ids: Sequence[int]) -> dict[int, Placed]:
    """The segments of these outputs, as they and their runs say; an output whose run is not there yet is noted to be placed anew."""
    columns = (Output.id, Output.kind, Output.run, Output.extra, Output.ours, Output.slack_ts, Output.known)
    outputs = tx.execute(select(*columns).where(Output.id.in_(output_ids))).all()
    named = sorted({row.run for row in outputs if row.run is not None})
    runs = {row.ext_id: row for row in tx.execute(select(Run.ext_id, Run.model, Run.version, Run.extra).where(Run.agent_id == agent_id, Run.ext_id.in_(named)))} if named else {}
    known: dict[str, set[str]] = {}
    for part, value in tx.execute(select(Segment.part, Segment.value).where(Segment.agent_id == agent_id)):
        known.setdefault(part, set()).add(value)
    fresh: set[tuple[str, str]] = set()
    found: dict[int, Placed] = {}
    for row in outputs:
        run = runs.get(row.run)
        run_says = (run.extra or {}) if run is not None else {}
        says = {
            "kind": row.kind if row.known else None,
            "model": run.model if run is not None else None,
            "version": run.version if run is not None else None,
            "language": (row.extra or {}).get("language") or run_says.get("language"),
            "department": (row.extra or {}).get("department") or run_says.get("department"),
        }
        segments = {part: _within(known, fresh, part, str(value)) for part, value in says.items() if value}
        found[row.id] = Placed(segments, bool(row.ours or row.slack_ts))
    _remember(tx, agent_id, fresh)
    _await_runs(tx, now, agent_id, [(row.id, row.run) for row in outputs if row.run is not None and row.run not in runs])
    return found


def _within(known: dict[str, set[str]], fresh: set[tuple[str, str]], part: str, value: str) -> str:
    values = known.setdefault(part, set())
    if value in values:
        return value
    if len(values) >= MOST_VALUES:
        return OTHER
    values.add(value)
    fresh.add((part, value))
    return value


def _remember(tx: Session, agent_id: int, fresh: Iterable[tuple[str, str]]) -> None:
    rows = [{"agent_id": agent_id, "part": part, "value": value} for part, value in sorted(fresh)]
    if rows:
        wanted = sqlite_insert(Segment) if tx.get_bind().dialect.name == "sqlite" else postgres_insert(Segment)
        tx.execute(wanted.values(rows).on_conflict_do_nothing())


def _await_runs(tx: Session, now: datetime, agent_id: int, missing: Sequence[tuple[int, str]]) -> None:
    if not missing:
        return
    ids = [output_id for output_id, _ in missing]
    there = set(tx.scalars(select(AwaitedRun.output_id).where(AwaitedRun.output_id.in_(ids))))
    rows = [{"agent_id": agent_id, "output_id": output_id, "run": run, "since": now} for output_id, run in missing if output_id not in there]
    if rows:
        tx.execute(insert(AwaitedRun), rows)
