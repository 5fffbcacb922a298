"""How much a long history slows what people read: `python -m benchmarks.history [--observations 10000 10000000] [--agents 200]`.

Two databases that differ only in how many judged outputs lie in them (outputs, votes and observations as rows, spread
over a year); counters are the same, because they are what is read. Prints, beside each other, the median times of the fleet's
status, one agent in depth, a channel's digest, App Home, `/aiops sprint`, a rating, and the morning's first fold of 50
agents (the one that looks for baselines). Bar: within 1.2 of the small one. Look at `computing`: what a busy machine cannot lengthen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from benchmarks.fleet import database
from benchmarks.home import NOW, PEOPLE, measure, required
from bot.calendars import days_between, local_day
from bot.db import Database
from bot.digests.preview import preview
from bot.feedback.flows import rate_output
from bot.home.reading import home_view
from bot.migrate import upgrade
from bot.people.flows import actor_of
from bot.quality import counting
from bot.quality.folding import fold_step
from bot.quality.parts import UNASKED, VOTES, WHOLE
from bot.quality.sprinting import sprint_of_fleet
from bot.status.reading import depth, fleet
from bot.tables import Agent, AgentNow, AgentOwner, Channel, Day, DayPart, Output, Person, Registry, Stage

CHANNELS = 20
BAR = 1.2


def fill(db: Database, agents: int, observations: int, channels: int = CHANNELS) -> None:
    """A fleet with a year of counters, and so many judged outputs."""
    with db.transaction() as tx:
        tx.add(Registry(at=NOW, by="bench", digest="0" * 64, document={"workspace": {"timezone": "UTC", "leads": ["U0P3"]}}, agents=[]))
        tx.execute(insert(Person), [{"team_id": "T0", "slack_id": f"U0P{n}", "name": f"Person {n}", "email": f"p{n}@example.com", "kind": "member", "wake": [], "addresses": {}, "zone": "UTC"} for n in range(PEOPLE)])
        tx.execute(insert(Channel), [{"team_id": "T0", "slack_id": f"C0{n}", "name": f"c{n}", "is_member": True} for n in range(channels)])
        spec = {"name": "Bench", "owners": {"business": "U0P1", "operations": "U0P1"}, "channel": "#c0"}
        tx.execute(insert(Agent), [{"slug": f"bench-{n}", "name": f"Bench {n}", "channel_id": f"C0{n % channels}", "zone": "UTC", "spec": spec, "created_at": NOW - timedelta(days=400), "spec_rev": 1, "checks_rev": 1} for n in range(agents)])
        tx.execute(insert(Stage), [{"agent_id": n + 1, "stage": "autonomous", "since": NOW} for n in range(agents)])
        tx.execute(insert(AgentOwner), [{"agent_id": n + 1, "role": role, "person_id": 2, "since": NOW, "asked_at": NOW, "accepted_at": NOW} for n in range(agents) for role in ("operations", "business")])
        days = days_between(local_day(NOW - timedelta(days=364), "UTC"), local_day(NOW, "UTC"))
        for metric, n, total in ((counting.QUALITY_PEOPLE, 20, 17_000), (counting.OUTPUTS, 40, 0), (counting.RUNS, 40, 32_000)):
            tx.execute(insert(Day), [{"agent_id": a + 1, "local_day": day, "metric": metric, "bin": 0, "slot": 1, "n": n, "sum": total - (a % 9) * 500 * (total > 0)} for a in range(agents) for day in days])
        parts = [(VOTES, str(person), 4, 0) for person in range(1, 6)] + [(UNASKED, str(person), 4 * WHOLE, 3 * WHOLE) for person in range(1, 6)] + [("kind", "reply", 20, 17_000), ("model", "gpt-4o", 20, 17_000)]
        tx.execute(insert(DayPart), [{"agent_id": a + 1, "source": "people", "part": part, "local_day": day, "value": value, "slot": 1, "n": n, "sum": total} for a in range(agents) for day in days[-60:] for part, value, n, total in parts])
    _history(db, agents, observations, channels)
    with db.transaction() as tx:
        while fold_step(tx, NOW):
            pass
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def _history(db: Database, agents: int, observations: int, channels: int) -> None:
    with db.transaction() as tx:
        postgres = tx.get_bind().dialect.name == "postgresql"
        numbers = f"generate_series(1, {observations}::bigint) AS s(i)" if postgres else f"(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {observations}) SELECT i FROM s)"
        at, yes, no = f"{NOW - timedelta(hours=2):%Y-%m-%d %H:%M:%S}.000000", *(("true", "false") if postgres else ("1", "0"))
        # The higher the id, the newer, as in life.
        back = f"(({observations} - i) * 364 / {observations})"
        ago = f"TIMESTAMPTZ '{at}+00' - {back} * INTERVAL '1 day'" if postgres else f"datetime('{at}', '-' || {back} || ' days') || '.000000'"
        day = f"to_char(TIMESTAMP '{at}' - {back} * INTERVAL '1 day', 'YYYY-MM-DD')" if postgres else f"date('{at}', '-' || {back} || ' days')"
        agent, person = f"1 + i % {agents}", f"1 + (i / {agents}) % {PEOPLE}"
        one = {
            "outputs": {"agent_id": agent, "ext_id": "'o' || i", "occurred_at": ago, "received_at": ago, "kind": "'reply'", "text": "'An answer'", "channel_id": f"'C0' || ((i % {agents}) % {channels})", "slack_ts": "'1.' || i", "local_day": day, "known": yes},
            "votes": {"agent_id": agent, "output_id": "i", "person_id": person, "surface": "'button'", "good": "(i % 7) <> 0", "may_ask": no, "voted_at": ago, "received_at": ago},
            "observations": {"agent_id": agent, "output_id": "i", "source": "'people'", "local_day": day, "share": "1.0", "votes": "1", "sampled": no, "first_at": ago, "settles_at": ago, "settled": yes},
        }  # fmt: skip
        for table, columns in one.items():
            needed = required(table, columns)
            tx.execute(text(f"INSERT INTO {table} ({', '.join(needed)}) SELECT {', '.join(needed.values())} FROM {numbers}"))


def looks() -> dict[str, Callable[[Session], Any]]:
    """What is read, by name."""

    def at_home(person_id: int) -> Callable[[Session], Any]:
        return lambda tx: home_view(tx, actor_of(tx.get_one(Person, person_id)), NOW)

    return {
        "status, fleet": lambda tx: fleet(tx),
        "status, one agent": lambda tx: depth(tx, NOW, tx.get_one(Agent, 7)),
        "digest of 10 agents": lambda tx: preview(tx, NOW, "C07"),
        "Home, owner of all": at_home(2),
        "Home, staff": at_home(3),
        "Home, lead": at_home(4),
        "sprint, fleet": lambda tx: sprint_of_fleet(tx),
    }


def changes() -> dict[str, Callable[[Session], Any]]:
    """What is written, by name; undone each time."""

    def rate(tx: Session) -> None:
        output = tx.scalars(select(Output).where(Output.agent_id == 7).order_by(Output.occurred_at.desc()).limit(1)).one()
        rate_output(tx, NOW, output, 50, True, surface="button")

    def morning(tx: Session) -> None:
        tx.execute(update(AgentNow).where(AgentNow.agent_id <= 50).values(dirty_at=NOW, folded_at=NOW - timedelta(days=1)))
        fold_step(tx, NOW)

    return {"a rating": rate, "fold of 50, new day": morning}


def undone(db: Database, rounds: int, change: Callable[[Session], Any]) -> tuple[float, float, float]:
    """As home.measure, for what writes."""
    took, computed = [], []
    for _ in range(rounds):
        with db.transaction() as tx:
            began, own = time.perf_counter(), time.thread_time()
            change(tx)
            computed.append((time.thread_time() - own) * 1000)
            took.append((time.perf_counter() - began) * 1000)
            tx.rollback()
    return sorted(took)[rounds // 2], max(took), sorted(computed)[rounds // 2]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    given.add_argument("--observations", type=int, nargs="+", default=[10_000, 10_000_000])
    given.add_argument("--agents", type=int, default=200)
    given.add_argument("--rounds", type=int, default=30)
    options = given.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {}
    for count in options.observations:
        with tempfile.TemporaryDirectory() as folder, database(options.database, Path(folder)) as url:
            db = Database(url)
            upgrade(db)
            began = time.perf_counter()
            fill(db, options.agents, count)
            print(f"{count:,} judged outputs of {options.agents} agents written in {time.perf_counter() - began:.0f} s", flush=True)
            for name, look in looks().items():
                measure(db, 3, look)
                found.setdefault(name, []).append(measure(db, options.rounds, look))
            for name, change in changes().items():
                undone(db, 1, change)
                found.setdefault(name, []).append(undone(db, max(3, options.rounds // 3), change))
            db.close()
    for name, times in found.items():
        ratio, computing = times[-1][0] / times[0][0], times[-1][2] / times[0][2]
        shown = "   ".join(f"{median:7.1f} ms (computing {own:6.1f})" for median, _, own in times)
        print(f"{name:20} {shown}   x{ratio:.2f}, computing x{computing:.2f}  {'' if ratio <= BAR else f'over {BAR}'}")


if __name__ == "__main__":
    main()
