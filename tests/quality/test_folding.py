"""The fold gives way to a rush of calls, and never for long."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import select

from bot.clock import MovedClock
from bot.db import Database
from bot.lanes import Lanes
from bot.quality.flows import mark_dirty
from bot.quality.folding import RUSH, Folding
from bot.tables import Agent, AgentNow


async def test_verdicts_wait_while_many_people_are_called_but_two_seconds_at_most(db: Database, clock: MovedClock) -> None:
    with db.transaction() as tx:
        agent = Agent(slug="triage", name="Triage", zone="UTC", spec={"name": "Triage", "owners": {"business": "U0MAYA", "operations": "U0OMAR"}, "channel": "C0TRIAGE"}, created_at=clock.now())
        tx.add(agent)
        tx.flush()
        mark_dirty(tx, clock.now(), [agent.id])
    many = [True]
    lanes = Lanes(db)
    folding = Folding(lanes, lambda: many[0])
    try:
        assert await folding.step(clock.now()) is False
        assert await folding.step(clock.now() + RUSH - timedelta(milliseconds=1)) is False
        assert await lanes.read(lambda tx: tx.scalars(select(AgentNow.folded_at)).one()) is None
        assert await folding.step(clock.now() + RUSH) is True
        many[0] = False
        with db.transaction() as tx:
            mark_dirty(tx, clock.now() + RUSH, [agent.id])
        assert await folding.step(clock.now() + RUSH) is True  # nobody is called: at once
    finally:
        await asyncio.to_thread(lanes.close)
