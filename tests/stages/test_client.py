"""The client in the README, run as it stands there against a served house."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from sqlalchemy import select

from bot.clock import MovedClock
from bot.people.tokens import mint_token
from bot.stages.flows import lower_stage
from bot.tables import Agent, Person, StageOrder
from tests.kit.house import town

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


async def test_the_example_in_the_readme_obeys_each_order_as_soon_as_it_is_given(database_url: str, clock: MovedClock) -> None:
    found = re.search(r"## Obey the gate.*?```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    async with town(database_url, clock) as t:
        await t.apply()
        token = await t.write(lambda tx: mint_token(tx, clock.now(), t.house.ids, name="gate", scopes=["gate"], agents=["support-triage"])[0])
        env = {**os.environ, "AIOPS_URL": t.url, "AIOPS_AGENT": "support-triage", "AIOPS_TOKEN": token}
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", found[1], env=env, stdout=asyncio.subprocess.PIPE)
        assert client.stdout is not None
        try:
            first = await asyncio.wait_for(client.stdout.readline(), 60)
            assert first.decode().startswith("obeying autonomous None")
            while not t.house.gate.waiting:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)

            def stop(tx):  # type: ignore[no-untyped-def]
                agent = tx.scalars(select(Agent)).one()
                return lower_stage(tx, clock.now(), agent, "suspended", tx.scalars(select(Person).where(Person.slack_id == "U0OMAR")).one(), "wrong prices")

            assert await t.write(stop)
            await t.settle()
            second = await asyncio.wait_for(client.stdout.readline(), 60)
            assert second.decode() == "obeying suspended None wrong prices\n"
        finally:
            client.kill()
            await client.wait()
        await t.settle()
        order = await t.read(lambda tx: tx.scalars(select(StageOrder)).one())
        assert order.obeyed_how == "gate"
