"""Pages from a terminal, where Slack is down: the open ones, and whether one's own routes work."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from bot.clock import MovedClock
from bot.tables import Person
from tests.kit.house import REGISTRY, Town, town


async def tried(t: Town) -> list[dict[str, Any]]:
    """The lines of Lea's test, with the product at work meanwhile."""
    asked = asyncio.create_task(t.job("page_test", person="U0LEA"))
    while not asked.done():
        await t.settle()
        await asyncio.sleep(0.05)
    return asked.result()


async def test_open_pages_are_listed_with_their_numbers_and_acknowledged_by_them(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY)
        assert [line["text"] for line in await t.job("page_list")] == ["No page is open. Nobody is being called."]
        await t.post(t.event("run", "r1", status="failed", error="no <index>"))
        await t.settle()
        (line,) = await t.job("page_list")
        assert line["text"].startswith("1  PAGE Support triage: a run failed (open for 0 seconds; nobody has answered; next Lea Khoury in 10 minutes).")
        assert "no <index>" in line["text"]
        assert (line["json"]["page"], line["json"]["answered"]) == (1, False)
        await t.job("ack", page=1, person="U0OMAR")
        (line,) = await t.job("page_list")
        assert "Omar Nassar has it" in line["text"]
        assert line["json"]["answered"] is True


async def test_a_test_of_ones_routes_says_in_a_terminal_which_worked(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY)
        assert (await t.job("page_test", person="nobody@example.com"))[0]["exit"] == 2
        assert (await t.job("page_test", person="U0GINA"))[0]["exit"] == 2  # a guest
        lines = await tried(t)
        assert lines[0]["text"].startswith("Slack: accepted, ")
        assert lines[-1]["exit"] == 0
        t.clock.move(timedelta(minutes=31))
        await t.settle()
        await t.write(lambda tx: tx.execute(update(Person).where(Person.slack_id == "U0LEA").values(wake=["pagerduty"], addresses={})))
        lines = await tried(t)
        assert [line["text"] for line in lines[1:]] == ["PagerDuty: there is no address for it. Add it in aiops.yml and run `aiops apply`.", "Accepted is not heard: only you know what rang."]
        assert lines[-1]["exit"] == 1
