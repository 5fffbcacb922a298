"""How fast App Home and `/aiops status` are read with 500 agents, beside few and beside many stored observations.

    python -m benchmarks.home [--database sqlite|postgres] [--observations 10000 1000000] [--rounds 40]

Votes, outputs and observations are written by the database itself, as rows; what is shown of them is folded as in life (four
weeks of counters for each agent). Prints, for an owner of 500 agents, somebody who only rates (100 people share all
votes) and a lead, the median and the 99th percentile in milliseconds, and how much slower the largest is than the smallest.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from benchmarks.fleet import database
from bot.calendars import days_between, local_day
from bot.charts import picture
from bot.db import Database
from bot.home.reading import home_view
from bot.migrate import upgrade
from bot.people.flows import actor_of
from bot.quality import counting
from bot.quality.charting import charts_of
from bot.quality.folding import fold_step
from bot.status.reading import depth, fleet
from bot.tables import Agent, AgentOwner, Channel, Day, Person, Registry, Stage

AGENTS, PEOPLE = 500, 100
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def fill(db: Database, observations: int) -> None:
    """The fleet with its counters, folded, and so many judged outputs."""
    with db.transaction() as tx:
        tx.add(Registry(at=NOW, by="bench", digest="0" * 64, document={"workspace": {"timezone": "UTC", "leads": ["U0P3"]}}, agents=[]))
        tx.execute(insert(Person), [{"team_id": "T0", "slack_id": f"U0P{n}", "name": f"Person {n}", "email": f"p{n}@example.com", "kind": "member", "wake": [], "addresses": {}, "zone": "UTC"} for n in range(PEOPLE)])
        tx.add(Channel(team_id="T0", slack_id="C0", name="c0", is_member=True))
        spec = {"name": "Bench", "owners": {"business": "U0P1", "operations": "U0P1"}, "channel": "#c0"}
        tx.execute(insert(Agent), [{"slug": f"bench-{n}", "name": f"Bench {n}", "channel_id": "C0", "zone": "UTC", "spec": spec, "created_at": NOW - timedelta(days=60), "spec_rev": 1, "checks_rev": 1} for n in range(AGENTS)])
        tx.execute(insert(Stage), [{"agent_id": n + 1, "stage": "autonomous", "since": NOW} for n in range(AGENTS)])
        tx.execute(insert(AgentOwner), [{"agent_id": n + 1, "role": role, "person_id": 2, "since": NOW, "asked_at": NOW, "accepted_at": NOW} for n in range(AGENTS) for role in ("operations", "business")])
        days = days_between(local_day(NOW - timedelta(days=55), "UTC"), local_day(NOW, "UTC"))
        for metric, n, total in ((counting.QUALITY_PEOPLE, 20, 17_000), (counting.OUTPUTS, 40, 0), (counting.RUNS, 40, 32_000)):
            tx.execute(insert(Day), [{"agent_id": a + 1, "local_day": day, "metric": metric, "bin": 0, "slot": 1, "n": n, "sum": total - (a % 9) * 500 * (total > 0)} for a in range(AGENTS) for day in days])
    with db.transaction() as tx:
        numbers = f"generate_series(1, {observations}) AS s(i)" if tx.get_bind().dialect.name == "postgresql" else f"(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {observations}) SELECT i FROM s)"
        at, yes, no = f"{NOW - timedelta(hours=2):%Y-%m-%d %H:%M:%S}.000000", *(("true", "false") if "generate" in numbers else ("1", "0"))
        ago = f"TIMESTAMPTZ '{at}+00' - (i % 80) * INTERVAL '1 day'" if "generate" in numbers else f"datetime('{at}', '-' || (i % 80) || ' days') || '.000000'"
        one = {
            "outputs": {"agent_id": f"1 + i % {AGENTS}", "ext_id": "'o' || i", "occurred_at": ago, "received_at": ago, "kind": "'reply'", "text": "'An answer'", "channel_id": "'C0'", "slack_ts": "'1.' || i", "local_day": "'2026-11-01'", "known": yes},
            "votes": {"agent_id": f"1 + i % {AGENTS}", "output_id": "i", "person_id": f"1 + i % {PEOPLE}", "surface": "'button'", "good": "(i % 7) <> 0", "may_ask": no, "voted_at": ago, "received_at": ago},
            "observations": {"agent_id": f"1 + i % {AGENTS}", "output_id": "i", "source": "'people'", "local_day": "'2026-11-01'", "share": "1.0", "votes": "1", "sampled": no, "first_at": ago, "settles_at": ago, "settled": yes},
        }
        for table, columns in one.items():
            needed = required(table, columns)
            tx.execute(text(f"INSERT INTO {table} ({', '.join(needed)}) SELECT {', '.join(needed.values())} FROM {numbers}"))
    with db.transaction() as tx:
        while fold_step(tx, NOW):
            pass
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def required(table: str, columns: dict[str, str]) -> dict[str, str]:
    """With a plain value for whatever else the table insists on."""
    made = dict(columns)
    for column in Agent.metadata.tables[table].columns:
        if column.name not in made and not column.nullable and column.server_default is None and column.name != "id":
            made[column.name] = {"BOOLEAN": "false"}.get(str(column.type), "0" if "INT" in str(column.type).upper() else "''")
    return made


def measure(db: Database, rounds: int, look: Callable[[Session], Any]) -> tuple[float, float, float]:
    """Median and 99th percentile in milliseconds, and the median of our own computing (what a busy machine cannot lengthen)."""
    took, computed = [], []
    for _ in range(rounds):
        with db.reading() as tx:
            began, own = time.perf_counter(), time.thread_time()
            look(tx)
            computed.append((time.thread_time() - own) * 1000)
            took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))], sorted(computed)[len(computed) // 2]


def looks() -> dict[str, Callable[[Session], Any]]:
    """What is read, by name."""

    def home(person_id: int) -> Callable[[Session], Any]:
        return lambda tx: home_view(tx, actor_of(tx.get_one(Person, person_id)), NOW)

    return {
        "Home, owner of 500": home(2), "Home, staff": home(3), "Home, lead": home(4),
        "status, fleet": lambda tx: fleet(tx), "status, one agent": lambda tx: depth(tx, NOW, tx.get_one(Agent, 7)),
    }  # fmt: skip


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    given.add_argument("--observations", type=int, nargs="+", default=[10_000, 1_000_000])
    given.add_argument("--rounds", type=int, default=40)
    options = given.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in looks()}
    for count in options.observations:
        with tempfile.TemporaryDirectory() as folder, database(options.database, Path(folder)) as url:
            db = Database(url)
            upgrade(db)
            began = time.perf_counter()
            fill(db, count)
            print(f"{count:,} observations written in {time.perf_counter() - began:.0f} s", flush=True)
            for name, look in looks().items():
                measure(db, 3, look)
                found[name].append(measure(db, options.rounds, look))
            with db.reading() as tx:
                charts = list(charts_of(tx, NOW, [tx.get_one(Agent, n) for n in range(1, 7)]).values())
            db.close()
    for name, pairs in found.items():
        times = "   ".join(f"{median:6.1f} / {worst:6.1f} ms (computing {own:5.1f})" for median, worst, own in pairs)
        print(f"{name:20} {times}   x{pairs[-1][0] / pairs[0][0]:.2f} (computing x{pairs[-1][2] / pairs[0][2]:.2f})")
    for said, drawn in (("one chart", charts[:1]), ("six charts", charts)):
        picture.draw(drawn)
        began = time.perf_counter()
        for _ in range(10):
            made = picture.draw(drawn)
        print(f"{said:20} {(time.perf_counter() - began) * 100:6.1f} ms, {len(made) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
