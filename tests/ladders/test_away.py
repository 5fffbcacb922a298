"""`/aiops away`: in words, by its form, and back again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from bot.clock import MovedClock
from bot.tables import Absence
from tests.kit.house import Town, town


async def say(t: Town, who: str, text: str) -> str:
    answer = await t.ws.command(who, "general", "/aiops", text)
    await t.settle()
    return str(answer.body.get("text", "")) if isinstance(answer.body, dict) else ""


async def spans(t: Town) -> list[tuple[datetime, datetime]]:
    return await t.read(lambda tx: [(row.since, row.until) for row in tx.scalars(select(Absence).order_by(Absence.id))])


async def test_words_name_a_day_an_hour_or_a_length(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        now = t.clock.now()
        assert "You are away until the end of Friday 27 November. Meanwhile Lea Khoury is called for your agents." in await say(t, "omar", "away until friday")
        assert await spans(t) == [(now, datetime(2026, 11, 27, 23, tzinfo=UTC))]
        assert "Welcome back" in await say(t, "omar", "away over")
        assert "No absence of yours was declared" in await say(t, "omar", "away over")
        assert "You are away from" in await say(t, "lea", "away from 24 dec until 2 jan")
        assert (await spans(t))[-1] == (datetime(2026, 12, 23, 23, tzinfo=UTC), datetime(2027, 1, 2, 23, tzinfo=UTC))
        assert "You are away until" in await say(t, "maya", "away until 18:00")
        assert (await spans(t))[-1] == (now, datetime(2026, 11, 20, 17, tzinfo=UTC))
        assert "You are away until" in await say(t, "dana", "away for 3 days")
        told = await say(t, "hala", "away")
        assert "You are not away." in told
        assert "• Maya Haddad: until" in told
        assert "Lea" not in told  # not within a week
        for words in ("away until yesterday", "away whenever", "away from friday", "away until 2029-01-01", "away for ever"):
            assert "Write `/aiops away until friday`" in await say(t, "hala", words)


async def test_the_form_declares_and_the_button_ends_it(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await say(t, "omar", "away form")
        view = t.ws.views("omar")[-1]
        wrong = await t.ws.submit("omar", view, {"since": "2026-11-25", "until": "2026-11-24"})
        assert "Choose the last day" in str(wrong.body)
        done = await t.ws.submit("omar", view, {"since": "2026-11-24", "until": "2026-11-25", "reason": "Holiday"})
        await t.settle()
        assert "until the end of Wednesday 25 November" in str(done.body)
        row = (await spans(t))[0]
        assert row == (datetime(2026, 11, 23, 23, tzinfo=UTC), datetime(2026, 11, 25, 23, tzinfo=UTC))
        shown: Any = (await t.ws.command("omar", "general", "/aiops", "away")).body
        pressed = [element["action_id"] for block in shown["blocks"] if block["type"] == "actions" for element in block["elements"]]
        assert pressed == ["status.back", "status.away"]
        assert "Taken back" in await say(t, "omar", "away over")
        assert await spans(t) == []
