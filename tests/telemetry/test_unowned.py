"""A program that nobody answers for is heard, told to the leads, and registered or set aside by them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.clock import MovedClock
from bot.people.tokens import mint_token
from bot.tables import Agent, Decision, OutMessage, Run, UnownedAgent
from tests.kit.house import Town, town
from tests.telemetry.conftest import PROTOBUF
from tests.telemetry.made import Export


async def send(t: Town, token: str, body: bytes) -> None:
    answer = await t.http.post("/v1/traces", content=body, headers={"authorization": f"Bearer {token}", **PROTOBUF})
    assert answer.status_code == 200, answer.content
    await t.settle()


def lately(t: Town) -> list[dict[str, Any]]:
    return [each for each in t.ws.dm("hala") if "nowned agent" in each["text"] or "registered now" in each["text"]]


async def place(t: Town) -> str:
    """The lead's direct messages."""
    return str(await t.read(lambda tx: tx.scalars(select(OutMessage.channel).where(OutMessage.key.like("unowned:%"))).first()))


async def test_an_unowned_agent_is_shown_to_the_leads_and_registered_from_there(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        token = await t.write(lambda tx: mint_token(tx, clock.now(), t.house.ids, name="wire", scopes=["telemetry"], agents=None)[0])
        for trace in (1, 2):
            await send(t, token, Export(t.clock.now(), "invoice-<reader>").agent(1, trace=trace, named="reader").call(2, 1, trace=trace).body)
        await send(t, token, Export(t.clock.now(), "web").span(1, trace=9, name="GET /health").body)  # no AI in it: nobody needs to hear
        await t.move(seconds=31)
        (shown,) = lately(t)
        assert "`invoice-&lt;reader&gt;`" in shown["text"]
        assert "2 runs" in shown["text"]
        row = await t.read(lambda tx: tx.scalars(select(UnownedAgent)).one())
        value = f"unowned:{row.id}"

        # 1. Who is no lead may register it, and may not set it aside.
        await t.ws.press("dana", "support-ai", (await t.house.client.chat_postMessage(channel="C0SUPPORT", text="x", blocks=shown["blocks"]))["ts"], "unowned.ignore", value)
        await t.settle()
        assert "by a lead" in t.ws.ephemerals("dana")[-1]["text"]

        # 2. A lead sets it aside until a day; it runs on, and on that day they are asked again.
        await t.ws.press("hala", await place(t), shown["ts"], "unowned.ignore", value)
        await t.settle()
        answer = await t.ws.submit("hala", t.ws.views("hala")[-1], {"day": "2026-11-27", "why": "a trial"})
        assert answer.ok
        await t.settle()
        assert "is set aside by Hala Mansour until 27 Nov" in lately(t)[-1]["text"]
        assert await t.read(lambda tx: tx.scalars(select(Decision.action).where(Decision.action == "unowned.ignore")).all()) == ["unowned.ignore"]

        # Set aside by mistake: a lead undoes it, it stands there again with both buttons, and is then set aside as meant.
        await t.ws.press("hala", await place(t), lately(t)[-1]["ts"], "unowned.undo", value)
        await t.settle()
        assert [each["text"]["text"] for each in lately(t)[-1]["blocks"][1]["elements"]] == ["Register", "Ignore until"]
        await t.ws.press("hala", await place(t), shown["ts"], "unowned.ignore", value)
        await t.settle()
        assert (await t.ws.submit("hala", t.ws.views("hala")[-1], {"day": "2026-11-27", "why": "a trial"})).ok
        await t.settle()
        assert await t.read(lambda tx: tx.scalars(select(Decision.action).where(Decision.action.like("unowned.%")).order_by(Decision.id)).all()) == ["unowned.ignore", "unowned.undo", "unowned.ignore"]
        await t.move(days=8)
        await send(t, token, Export(t.clock.now(), "invoice-<reader>").agent(1, trace=3, named="reader").body)
        await t.move(seconds=31)
        assert len(lately(t)) == 2
        assert "3 runs" in lately(t)[-1]["text"]

        # 3. `Register` opens the form with what is known; from then on its traffic is an agent's.
        await t.ws.press("hala", await place(t), lately(t)[-1]["ts"], "unowned.register", value)
        await t.settle()
        answer = await t.ws.submit("hala", t.ws.views("hala")[-1], {"business": "U0MAYA", "operations": "U0OMAR", "channel": "C0SUPPORT", "template": "none"})
        assert answer.ok
        await t.settle()
        agent = await t.read(lambda tx: tx.scalars(select(Agent).where(Agent.slug == "reader")).one())
        assert agent.spec["telemetry"] == {"service": "invoice-<reader>", "agent": "reader"}
        assert "registered now: reader" in lately(t)[-1]["text"]
        t.clock.move(timedelta(seconds=5))
        t.house.telemetry.owners._asked_at = float("-inf")
        await send(t, token, Export(t.clock.now(), "invoice-<reader>").agent(1, trace=4, named="reader").call(2, 1, trace=4).body)
        assert await t.read(lambda tx: [(run.agent_id, run.status) for run in tx.scalars(select(Run))]) == [(agent.id, "ok")]
        assert any("I can hear" in each["text"] and "reader" in each["text"] for each in t.ws.messages("support-ai"))


async def test_traffic_that_does_not_say_who_it_is_is_given_to_nobody_by_registering(database_url: str, clock: MovedClock) -> None:
    """OpenTelemetry's own unknown_service is no name: else every program without one would be the first agent registered from it."""
    async with town(database_url, clock) as t:
        await t.apply()
        token = await t.write(lambda tx: mint_token(tx, clock.now(), t.house.ids, name="wire", scopes=["telemetry"], agents=None)[0])
        await send(t, token, Export(t.clock.now(), "unknown_service:node").call(1).body)
        await t.move(seconds=31)
        (shown,) = lately(t)
        assert "OTEL_SERVICE_NAME" in str(shown["blocks"])
        row = await t.read(lambda tx: tx.scalars(select(UnownedAgent)).one())
        await t.ws.press("hala", await place(t), shown["ts"], "unowned.register", f"unowned:{row.id}")
        await t.settle()
        answer = await t.ws.submit("hala", t.ws.views("hala")[-1], {"name": "Scribe", "business": "U0MAYA", "operations": "U0OMAR", "channel": "C0SUPPORT", "template": "none"})
        assert answer.ok
        await t.settle()
        agent = await t.read(lambda tx: tx.scalars(select(Agent).where(Agent.slug == "scribe")).one())
        assert not agent.spec.get("telemetry")
        t.clock.move(timedelta(seconds=5))
        t.house.telemetry.owners._asked_at = float("-inf")
        await send(t, token, Export(t.clock.now(), "unknown_service:node").call(1, trace=2).body)
        assert await t.read(lambda tx: list(tx.scalars(select(Run)))) == []
        assert "registered now" not in lately(t)[-1]["text"]
