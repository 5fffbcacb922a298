from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from bot.db import Database
from bot.quality import counting
from bot.quality.counting import Counts
from bot.tables import Agent, Day, Tally

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def an_agent(db: Database, slug: str = "triage") -> int:
    with db.transaction() as tx:
        agent = Agent(slug=slug, name=slug, zone="Asia/Beirut", created_at=NOW)
        tx.add(agent)
        tx.flush()
        return agent.id


def test_counters_are_added_up_by_five_minutes_and_by_the_agents_local_day(db: Database) -> None:
    agent_id = an_agent(db)
    late = datetime(2026, 11, 19, 22, 30, tzinfo=UTC)  # half past midnight in Beirut: already the 20th
    for _ in range(2):  # the second writing adds to the first
        counts = Counts()
        counts.add(agent_id, "Asia/Beirut", counting.RUNS, late)
        counts.add(agent_id, "Asia/Beirut", counting.RUNS, late - timedelta(hours=1))
        counts.add(agent_id, "Asia/Beirut", counting.RUN_MS, late, total=120, bin=184)
        with db.transaction() as tx:
            counts.write(tx, NOW)
    with db.reading() as tx:
        days = {(r.local_day, r.metric, r.bin): (r.n, r.sum) for r in tx.scalars(select(Day))}
        tallies = {(r.bucket_at, r.metric): r.n for r in tx.scalars(select(Tally))}
    assert days == {("2026-11-20", "runs", 0): (2, 0), ("2026-11-19", "runs", 0): (2, 0), ("2026-11-20", "run.ms", 184): (2, 240)}
    assert tallies == {(late, "runs"): 2, (late, "run.ms"): 2, (late - timedelta(hours=1), "runs"): 2}


def test_tallies_older_than_nine_days_and_sums_of_nothing_are_not_written(db: Database) -> None:
    agent_id = an_agent(db)
    counts = Counts()
    counts.add(agent_id, "UTC", counting.RUNS, NOW - timedelta(days=10))
    counts.add(agent_id, "UTC", counting.OUTPUTS, NOW)
    counts.add(agent_id, "UTC", counting.OUTPUTS, NOW, n=-1)
    with db.transaction() as tx:
        counts.write(tx, NOW)
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Tally)) == 0
        assert [(r.local_day, r.n) for r in tx.scalars(select(Day))] == [("2026-11-10", 1)]


def test_writers_at_the_same_time_lose_nothing_and_do_not_wait_for_each_other(db: Database) -> None:
    ids = [an_agent(db, f"agent-{i}") for i in range(5)]

    def work() -> None:
        for round_ in range(10):
            counts = Counts()
            for agent_id in ids if round_ % 2 else reversed(ids):
                counts.add(agent_id, "UTC", counting.RUNS, NOW)
            with db.transaction() as tx:
                counts.write(tx, NOW)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.reading() as tx:
        assert tx.scalar(select(func.sum(Day.n))) == 4 * 10 * 5
        assert tx.scalar(select(func.sum(Tally.n))) == 4 * 10 * 5
