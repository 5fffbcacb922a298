"""The counters: what is added up in memory while events are stored, and kept once, in the same transaction.

`Counts.write` adds to the counters at once; `Counts.note` leaves one row that `gathering` adds a moment later, which is
what the hot path of intake does: a group of 32 runs of 20 agents touches some 200 counters, and a second brings
100 such groups that touch the same ones (measured: 130 us a run, and 40 with a note).
Every counter is (agent, metric, time, bin) -> `n` and `sum`. `tallies` keeps it per 5 minutes for 9 days, `days` per
local day of the agent for good. Rows are added to, never set, and belong to one writer's `slot`; readers sum the slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import orjson
from sqlalchemy.orm import Session

from bot.calendars import local_day
from bot.db import insert_many, wake

# Plain counters: n counts, sum as said.
RUNS = "runs"  # every run; sum: milliseconds of those that said how long they took
RUNS_FAILED = "runs.failed"
OUTPUTS = "outputs"  # outputs that arrived; a stub made by an early rating is none
TOKENS_INPUT = "tokens.input"  # sum: tokens (n: the runs that said so)
TOKENS_CACHED = "tokens.cached"
TOKENS_OUTPUT = "tokens.output"
COST_GUESSED = "guessed.USD"  # the part of cost.USD that is by list prices, because the agent did not say
INPUTS_REJECTED = "inputs.rejected"  # sum: inputs a run could not read
RATINGS_GOOD = "ratings.good"  # thumbs as they came, also changed ones; quality is not computed from them
RATINGS_BAD = "ratings.bad"
EVALUATIONS = "evaluations"
MEASURES = "measures"
CHANGES = "changes"

# Histograms: one row per stats.bin_of(value), n counts, sum adds the values.
RUN_MS = "run.ms"  # milliseconds a run took

# Quality, by the local day of the output: n outputs judged, sum thousandths of their shares.
QUALITY_PEOPLE = "quality.people"
QUALITY_PEOPLE_SAMPLED = "quality.people.sampled"  # the part of it that was in the review sample
QUALITY_PEOPLE_SHOWN = "quality.people.shown"  # n: judged outputs that stood in Slack with a thumb
QUALITY_EVALUATIONS = "quality.evaluations"
QUALITY_OUTCOMES = "quality.outcomes"

# Outputs that both people and evaluations judged: what people said, then what evaluations said (n only).
BOTH_GOOD = "quality.both.good.good"
PEOPLE_GOOD = "quality.both.good.bad"
MACHINES_GOOD = "quality.both.bad.good"
BOTH_BAD = "quality.both.bad.bad"
AGREEMENT = (BOTH_GOOD, PEOPLE_GOOD, MACHINES_GOOD, BOTH_BAD)

OUTPUTS_SHOWN = "outputs.shown"  # n: outputs that stand in Slack where people can give a thumb

OUTCOME_RESULTS = ("accepted", "edited", "overridden", "ignored")

BUCKET_SECONDS = 300
TALLIES_KEPT = timedelta(days=9)

# Kept by the day only: nobody asks for them within the hour, and every row costs the intake.
_BY_DAY_ONLY = ("tokens.", "quality", "guessed")  # the first 7 letters of their names


def outcome_metric(result: str) -> str:
    """The counter of what people did with outputs (sum: seconds it took them)."""
    return f"outcomes.{result}"


def cost_metric(currency: str) -> str:
    """Money in nano-units, by currency. Costs of runs lie in bins (by the day, half a doubling wide), other costs in bin 0: the total is the sum of all."""
    return f"cost.{currency}"


class Counts:
    """Counters of one transaction: `add` as often as you like, `write` once before the commit.

    Corrections are negative additions; what adds up to nothing is not written.
    """

    def __init__(self) -> None:
        # A 5-minute bucket lies in exactly one local day (zones start their days on quarter hours), so one sum serves both tables.
        self._buckets: dict[tuple[int, str, int], dict[tuple[str, int], list[int]]] = {}

    def add(self, agent_id: int, zone: str, metric: str, at: datetime, n: int = 1, total: int = 0, bin: int = 0) -> None:
        """Add `n` and `total` to the counter of that agent, metric and moment; `zone` is the agent's."""
        add_to(self.bucket(agent_id, zone, at), metric, n, total, bin)

    def bucket(self, agent_id: int, zone: str, at: datetime) -> dict[tuple[str, int], list[int]]:
        """The counters of an agent's 5 minutes, for `add_to`: saves the look-up where one event adds to many."""
        key = (agent_id, zone, int(at.timestamp() // BUCKET_SECONDS))
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = {}
        return found

    def agent_ids(self) -> set[int]:
        """The agents something was added for."""
        return {agent_id for agent_id, _, _ in self._buckets}

    def note(self, tx: Session, agent_ids: Iterable[int]) -> None:
        """Leave everything in one row of `additions`, to be gathered within a moment; the agents named are marked dirty then."""
        cells = [[agent_id, zone, number, [[*key, *cell] for key, cell in found.items()]] for (agent_id, zone, number), found in self._buckets.items()]
        self._buckets.clear()
        body = orjson.dumps([list(agent_ids), cells]).decode()
        tx.connection().exec_driver_sql(_NOTE[tx.get_bind().dialect.name], (body,))
        wake(tx, "counters", here=True)

    def take(self, body: str) -> list[int]:
        """Add what `note` left; returns the agents it named."""
        agent_ids, found = orjson.loads(body)
        for agent_id, zone, number, cells in found:
            bucket = self._buckets.setdefault((agent_id, zone, number), {})
            for metric, bin, n, total in cells:
                add_to(bucket, metric, n, total, bin)
        return list(agent_ids)

    def write(self, tx: Session, now: datetime) -> None:
        """Add everything to `tallies` (what is younger than 9 days) and to `days`, then start from nothing."""
        days: dict[tuple[int, str, str, int], list[int]] = {}
        tallies: list[tuple[int, str, int, int, int, int]] = []
        oldest = int((now - TALLIES_KEPT).timestamp()) // BUCKET_SECONDS
        for (agent_id, zone, number), cells in self._buckets.items():
            day, young = _day_of_bucket(number, zone), number >= oldest
            costs: dict[str, list[int]] = {}
            for (metric, bin), cell in cells.items():
                n, total = cell
                key = (agent_id, day, metric, bin)
                whole = days.get(key)
                if whole is None:
                    days[key] = [n, total]
                else:
                    whole[0] += n
                    whole[1] += total
                if not young or metric[:7] in _BY_DAY_ONLY:
                    continue
                if metric[:5] == "cost.":  # within the hour the amount matters, not its spread
                    cost = costs.setdefault(metric, [0, 0])
                    cost[0] += n
                    cost[1] += total
                elif n or total:
                    tallies.append((agent_id, metric, number, bin, n, total))
            tallies += [(agent_id, metric, number, 0, n, total) for metric, (n, total) in costs.items() if n or total]
        self._buckets.clear()
        # In the order of keys: writers that lock rows in one order cannot deadlock.
        _write(tx, sorted(tallies), sorted([(*key, n, total) for key, (n, total) in days.items() if n or total]))


def add_to(bucket: dict[tuple[str, int], list[int]], metric: str, n: int = 1, total: int = 0, bin: int = 0) -> None:
    """Add to one counter of a bucket from `Counts.bucket`."""
    cell = bucket.get((metric, bin))
    if cell is None:
        bucket[metric, bin] = [n, total]
    else:
        cell[0] += n
        cell[1] += total


_days: dict[tuple[str, int], str] = {}


def day_of(at: datetime, zone: str) -> str:
    """calendars.local_day, remembered: intake asks for the same few thousands of times."""
    return _day_of_bucket(int(at.timestamp() // BUCKET_SECONDS), zone)


def _day_of_bucket(number: int, zone: str) -> str:
    found = _days.get((zone, number))
    if found is None:
        if len(_days) > 50_000:
            _days.clear()
        found = _days[zone, number] = local_day(datetime.fromtimestamp(number * BUCKET_SECONDS, UTC), zone)
    return found


_NOTE = {"sqlite": "INSERT INTO additions (body) VALUES (?)", "postgresql": "INSERT INTO additions (body) VALUES ($1)"}
_ADD = "ON CONFLICT ({keys}) DO UPDATE SET n = {table}.n + excluded.n, sum = {table}.sum + excluded.sum"
_TALLY_KEYS = "agent_id, metric, bucket_at, bin, slot"
_DAY_KEYS = "agent_id, local_day, metric, bin, slot"
_ADD_TALLIES, _ADD_DAYS = _ADD.format(keys=_TALLY_KEYS, table="tallies"), _ADD.format(keys=_DAY_KEYS, table="days")
_TALLIES_HEAD, _DAYS_HEAD = f"INSERT INTO tallies ({_TALLY_KEYS}, n, sum)", f"INSERT INTO days ({_DAY_KEYS}, n, sum)"
# One JSON text each: psycopg writes it at once, where arrays cost it a microsecond a value.
_TALLIES_GIVEN = (
    "SELECT a, m, to_timestamp(t), b, $1::bigint, n, s"
    " FROM json_to_recordset($2::json) AS r(a bigint, m text, t bigint, b int, n bigint, s bigint)"
)
_DAYS_GIVEN = (
    "SELECT a, d, m, b, $1::bigint, n, s"
    " FROM json_to_recordset($3::json) AS r(a bigint, d text, m text, b int, n bigint, s bigint)"
)
_BOTH = f"WITH written AS ({_TALLIES_HEAD} {_TALLIES_GIVEN} {_ADD_TALLIES}) {_DAYS_HEAD} {_DAYS_GIVEN} {_ADD_DAYS}"


def _write(tx: Session, tallies: list[tuple[int, str, int, int, int, int]], days: list[tuple[int, str, str, int, int, int]]) -> None:
    if not days:
        return
    slot, connection = slot_of(tx), tx.connection()
    if tx.get_bind().dialect.name == "sqlite":
        if tallies:
            times = {number: f"{datetime.fromtimestamp(number * BUCKET_SECONDS, UTC):%Y-%m-%d %H:%M:%S}.000000" for number in {row[2] for row in tallies}}
            known = [(a, m, times[number], b, slot, n, total) for a, m, number, b, n, total in tallies]
            insert_many(connection, _TALLIES_HEAD, _ADD_TALLIES, known)
        insert_many(connection, _DAYS_HEAD, _ADD_DAYS, [(a, d, m, b, slot, n, total) for a, d, m, b, n, total in days])
        return
    # Both tables in one statement: a round trip less for every group of events.
    told = [{"a": a, "m": m, "t": number * BUCKET_SECONDS, "b": b, "n": n, "s": total} for a, m, number, b, n, total in tallies]
    by_day = [{"a": a, "d": d, "m": m, "b": b, "n": n, "s": total} for a, d, m, b, n, total in days]
    connection.exec_driver_sql(_BOTH, (slot, orjson.dumps(told).decode(), orjson.dumps(by_day).decode()))


# Advisory locks (any number of ours, slot): the session that holds one owns that slot.
_FREE_SLOT = "SELECT slot FROM generate_series(1, 4096) AS slot WHERE pg_try_advisory_lock(7301945, slot) LIMIT 1"


def slot_of(tx: Session) -> int:
    """The slot that only this connection writes: 0 on SQLite, the lowest free one on PostgreSQL.

    A connection keeps its slot (a session's advisory lock) until it closes, so no two transactions under way ever
    add to the same row: nobody waits for a counter, and none can deadlock over one.
    """
    if tx.get_bind().dialect.name == "sqlite":
        return 0
    connection = tx.connection()
    slot: int | None = connection.info.get("slot")
    if slot is None:
        slot = connection.exec_driver_sql(_FREE_SLOT).scalar()
        connection.info["slot"] = slot = 0 if slot is None else slot
    return slot
