"""What intake notes is gathered into the counters: once each, whoever gathers, whatever fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.clock import MovedClock
from bot.db import Database
from bot.quality.counting import OUTPUTS, RUNS, Counts
from bot.quality.folding import fold_now
from bot.quality.gathering import BATCH, gather_step
from bot.quality.reading import totals
from bot.tables import Addition, Agent, AgentNow


@pytest.fixture
def agent_id(db: Database, clock: MovedClock) -> int:
    with db.transaction() as tx:
        agent = Agent(slug="triage", name="Triage", zone="Asia/Beirut", spec={"name": "Triage", "owners": {"business": "U0MAYA", "operations": "U0OMAR"}, "channel": "C0TRIAGE"}, created_at=clock.now())
        tx.add(agent)
        tx.flush()
        return agent.id


def note(db: Database, clock: MovedClock, agent_id: int, metric: str, n: int, *, back: timedelta = timedelta(0)) -> None:
    counts = Counts()
    counts.add(agent_id, "Asia/Beirut", metric, clock.now() - back, n, 10 * n)
    with db.transaction() as tx:
        counts.note(tx, [agent_id])


def test_notes_of_many_transactions_add_up_and_are_gone(db: Database, clock: MovedClock, agent_id: int) -> None:
    for n in (3, 4, -1):
        note(db, clock, agent_id, RUNS, n)
    note(db, clock, agent_id, OUTPUTS, 2, back=timedelta(days=1))
    with db.transaction() as tx:
        assert gather_step(tx, clock.now()) is False
    with db.reading() as tx:
        both = [totals(tx, agent_id, day, day) for day in ("2026-11-19", "2026-11-20")]
        assert [(each.runs, each.outputs) for each in both] == [(0, 2), (6, 0)]
        assert tx.scalars(select(Addition)).all() == []
        assert tx.scalars(select(AgentNow.dirty_at)).all() == [clock.now()]


def test_a_gathering_that_fails_leaves_every_note_for_the_next(db: Database, clock: MovedClock, agent_id: int) -> None:
    note(db, clock, agent_id, RUNS, 5)
    with db.transaction() as tx:
        gather_step(tx, clock.now())
        tx.rollback()  # the machine stops here
    for _ in range(2):
        with db.transaction() as tx:
            gather_step(tx, clock.now())
    with db.reading() as tx:
        assert totals(tx, agent_id, "2026-11-20", "2026-11-20").runs == 5


def test_a_long_queue_is_gathered_in_turns(db: Database, clock: MovedClock, agent_id: int) -> None:
    for _ in range(BATCH + 1):
        note(db, clock, agent_id, RUNS, 1)
    with db.transaction() as tx:
        assert gather_step(tx, clock.now()) is True
    with db.transaction() as tx:
        assert gather_step(tx, clock.now()) is False
    with db.reading() as tx:
        assert totals(tx, agent_id, "2026-11-20", "2026-11-20").runs == BATCH + 1


def test_two_processes_gather_each_note_once(db: Database, clock: MovedClock, agent_id: int) -> None:
    if db.is_sqlite:
        pytest.skip("one process writes a SQLite file")
    note(db, clock, agent_id, RUNS, 1)
    with db.transaction() as first:
        gather_step(first, clock.now())
        with db.transaction() as second:
            assert second.scalars(select(Addition.id).with_for_update(skip_locked=True)).all() == []
            gather_step(second, clock.now())  # passes over what the first has in hand
        note(db, clock, agent_id, RUNS, 10)
    with db.transaction() as tx:
        gather_step(tx, clock.now())
    with db.reading() as tx:
        assert totals(tx, agent_id, "2026-11-20", "2026-11-20").runs == 11


def test_who_folds_now_tells_what_was_noted_a_moment_ago(db: Database, clock: MovedClock, agent_id: int) -> None:
    note(db, clock, agent_id, RUNS, 7)
    with db.transaction() as tx:
        fold_now(tx, clock.now(), [agent_id])
        assert tx.scalars(select(AgentNow)).one().facts["today"]["runs"] == 7
