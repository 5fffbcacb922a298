"""The loops wake at the moment a row is due, not at the next poll, and never spin on a row that nobody can take."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from bot.clock import SystemClock
from bot.loops import Loops


async def test_a_loop_wakes_when_its_next_row_is_due_long_before_the_poll() -> None:
    clock, turned, done = SystemClock(), list[datetime](), asyncio.Event()
    at = clock.now() + timedelta(milliseconds=50)

    async def step(now: datetime) -> bool:
        turned.append(now)
        if now >= at:
            done.set()
        return False

    async def due(now: datetime) -> datetime | None:
        return at if at > now else None

    loops = Loops(clock)
    loops.add("rows", step, every=60, due=due)
    loops.start()
    await asyncio.wait_for(done.wait(), 20)
    assert turned[-1] >= at
    await loops.stop()
    assert len(turned) < 5  # it asked once for each turn, and did not spin until the moment came


async def test_a_question_that_fails_leaves_the_poll_going() -> None:
    asked = asyncio.Event()

    async def step(now: datetime) -> bool:
        return False

    async def due(now: datetime) -> datetime | None:
        asked.set()
        raise RuntimeError("the database is away")

    loops = Loops(SystemClock())
    loops.add("rows", step, every=60, due=due)
    loops.start()
    await asyncio.wait_for(asked.wait(), 20)
    await asyncio.sleep(0)
    loops.wake("rows")
    await loops.stop()
    assert loops.loops["rows"].errors >= 1
