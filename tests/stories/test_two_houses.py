"""Two processes at once on one PostgreSQL: everything happens once, and either goes on alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, update

from bot.app import House
from bot.clock import MovedClock, RandomIds
from bot.outbox.rules import Rhythm
from bot.tables import Lease
from tests.kit.house import Town, town


def calls(t: Town, who: str) -> int:
    return len([message for message in t.ws.dm(who) if "You are called as" in str(message)])


def standing(t: Town, words: str) -> int:
    return len([message for message in t.ws.messages("support-ai") if words in str(message)])


async def test_two_houses_make_one_page_one_call_each_and_one_digest_and_one_goes_on_alone(database_url: str, clock: MovedClock) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("one process holds a SQLite file; test_db tries that the second is turned away")
    async with town(database_url, clock) as t:
        await t.apply()
        second = House(t.house.settings, clock=clock, ids=RandomIds(), rhythm=Rhythm.limitless())
        await second.open()

        async def together() -> None:
            for _ in range(4):
                await asyncio.gather(t.house.loops.settle(), second.loops.settle())
                await t.ws.settle()

        outputs = [t.event("output", f"o{number}", text=f"Reply {number}") for number in range(12)]
        told, taken = await asyncio.gather(t.post(*outputs[:8], t.event("run", "r1", status="failed", error="the index is gone")), second.intake.take(outputs[4:], None))
        assert told["accepted"] + taken.accepted == 13
        await together()
        assert (standing(t, "paging.take"), standing(t, "feedback.thumb"), calls(t, "omar")) == (1, 12, 1)
        clock.move(timedelta(minutes=10))
        await together()
        assert (calls(t, "omar"), calls(t, "lea")) == (1, 1)
        await t.write(lambda tx: tx.execute(update(Lease).values(until=func.clock_timestamp())))
        for _ in range(5):  # the first is gone without a word: its lease has run out, and the second goes on
            clock.move(timedelta(minutes=5))
            await second.loops.settle()
            await t.ws.settle()
        assert (calls(t, "omar"), calls(t, "lea"), calls(t, "maya")) == (1, 1, 1)
        clock.move(timedelta(days=3))
        await together()
        await together()
        assert standing(t, "Daily health") == 1
        assert [len([m for m in t.ws.dm(who) if "Your list" in str(m)]) for who in ("omar", "maya")] == [1, 1]
        assert not [name for house in (t.house, second) for name, loop in house.loops.loops.items() if loop.errors]
        await second.close()
