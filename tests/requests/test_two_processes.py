"""Two processes on one PostgreSQL: an answer taken by one reaches the agent that waits at the other, and so does an ordered stage."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bot.agents.reading import agent_by_slug
from bot.app import House
from bot.clock import RandomIds
from bot.outbox.rules import Rhythm
from bot.stages.flows import order_stage
from bot.wakes import Wakes
from tests.kit.house import Town
from tests.kit.server import serving
from tests.requests.test_permissions import LARGE, SMALL, check
from tests.requests.test_requests import press


async def test_what_one_process_took_the_other_tells_by_notify_and_not_by_its_polls(t: Town, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("one process holds a SQLite file")
    second = House(t.house.settings, clock=t.clock, ids=RandomIds(), rhythm=Rhythm.limitless())
    await second.open()
    for loop in second.loops.loops.values():
        loop.every = 600  # nothing is found by looking again and again
    head = {"Authorization": f"Bearer {t.token}"}
    async with serving(Starlette(routes=second.routes())) as url, httpx.AsyncClient(base_url=url, headers=head, timeout=40) as http, Wakes(second.db, second.loops):

        async def may(action: dict[str, Any]) -> str:
            return str((await http.post("/v1/permissions/check", json={"agent": "support-triage", "action": action})).json()["decision"])

        second.loops.start()
        await check(t, LARGE, id="r1")
        waiting = asyncio.create_task(http.get("/v1/agents/support-triage/requests/r1?wait=30"))
        while not second.answers.waiting:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        await press(t, "lea", "requests.approve")
        assert (await asyncio.wait_for(waiting, 10)).json()["decision"] == "allow"
        # The clock stands still, so what the other process remembers stays fresh until it is told otherwise.
        assert await may(SMALL) == "allow"

        def stop(tx: Any) -> None:
            agent = agent_by_slug(tx, "support-triage")
            assert agent is not None
            order_stage(tx, t.clock.now(), agent, "suspended", None, "it went wrong")

        await t.write(stop)
        for _ in range(500):
            if (told := await may(SMALL)) == "deny":
                break
            await asyncio.sleep(0.01)
        assert told == "deny"
        await second.loops.stop()
    await second.close()
