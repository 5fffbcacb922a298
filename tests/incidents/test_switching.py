"""Switching the agent from the incident itself: the switches on its root, asked and obeyed there and on the timeline."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from bot.clock import MovedClock
from bot.people.tokens import mint_token
from bot.tables import OutMessage, StageOrder, TimelineEntry
from tests.incidents.test_story import fails_and_is_opened, root
from tests.kit.house import Town, town

GATE = "/v1/agents/support-triage/gate"


def buttons(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {element["action_id"]: element for block in message["blocks"] if block["type"] == "actions" for element in block["elements"]}


async def shown(t: Town) -> dict[str, Any]:
    return t.ws.message("support-ai", await root(t))


async def timeline(t: Town) -> list[str]:
    return await t.read(lambda tx: list(tx.scalars(select(TimelineEntry.words).where(TimelineEntry.kind == "press").order_by(TimelineEntry.at, TimelineEntry.id))))


async def test_the_switches_stand_on_the_incident_and_it_tells_what_was_asked_and_what_was_obeyed(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        for name, version in (("old-1", "prompt-13"), ("old-2", "prompt-13")):
            await t.post(t.event("run", name, status="ok", version=version, stage="autonomous"))
            await t.settle()
            await t.move(hours=1)
        await t.post(t.event("run", "r0", status="ok", version="prompt-14", stage="autonomous"))
        await t.move(minutes=1)
        await fails_and_is_opened(t, "r1")
        # Before the press: it has never read its gate, so the manual way of its runbook is shown, whole and in the question.
        before = await shown(t)
        assert "Before you press: it has never read its gate" in json.dumps(before["blocks"])
        assert "https://wiki.example.com/triage" in json.dumps(before["blocks"])
        held = buttons(before)
        assert {"autonomy.review", "autonomy.stop", "autonomy.roll_back"} <= set(held)
        assert "never read its gate" in held["autonomy.review"]["confirm"]["text"]["text"]
        # It reads its gate: the warning goes.
        text = await t.write(lambda tx: mint_token(tx, t.clock.now(), t.house.ids, name="gate", scopes=["gate"], agents=["support-triage"])[0])
        mine = {"Authorization": f"Bearer {text}"}
        await t.http.get(GATE, headers=mine)
        await t.settle()
        assert "Before you press" not in json.dumps((await shown(t))["blocks"])
        # Dana is in the channel and owns nothing: she may work on it, and may not switch the agent. She leads it: now she may.
        await t.ws.press("dana", "support-ai", await root(t), "autonomy.review")
        await t.settle()
        assert "Human review is ordered by an owner" in str(t.ws.ephemerals("dana")[-1]["text"])
        await t.ws.press("dana", "support-ai", await root(t), "incidents.lead")
        await t.settle()
        await t.ws.press("dana", "support-ai", await root(t), "autonomy.review")
        await t.settle()
        order = await t.read(lambda tx: tx.scalars(select(StageOrder)).one())
        assert (order.stage, order.reason.startswith("incident #1, ")) == ("assisted", True)
        asked = await shown(t)
        assert "is to work under human review" in json.dumps(asked["blocks"])
        assert "the agent has not confirmed it yet" in str(asked["text"])
        assert {"autonomy.review", "autonomy.switched"} & set(buttons(asked)) == {"autonomy.switched"}
        # Nobody confirms it for two minutes: the incident says so.
        await t.move(minutes=3)
        assert "the agent has not confirmed it since" in str((await shown(t))["text"])
        answer = (await t.http.get(GATE, headers=mine)).json()
        assert answer["stage"] == "assisted"
        await t.settle()
        obeyed = await shown(t)
        assert "works under human review" in str(obeyed["text"])
        assert "it read the order at its gate" in str(obeyed["text"])
        assert "autonomy.switched" not in buttons(obeyed)
        # Roll back and stop ask first.
        await t.ws.press("omar", "support-ai", await root(t), "autonomy.roll_back")
        await t.settle()
        await t.ws.submit("omar", t.ws.views("omar")[-1], {"reason": "prompt-14 quotes wrong prices"})
        await t.settle()
        assert "is to work with version `prompt-13`" in str((await shown(t))["text"])
        await t.ws.press("omar", "support-ai", await root(t), "autonomy.stop")
        await t.settle()
        await t.ws.submit("omar", t.ws.views("omar")[-1], {"reason": "It goes on"})
        await t.settle()
        stopped = await shown(t)
        assert "is to stop" in str(stopped["text"])
        assert {"autonomy.start", "autonomy.forward"} <= set(buttons(stopped))
        assert "autonomy.stop" not in buttons(stopped)
        await t.ws.press("omar", "support-ai", await root(t), "autonomy.switched")
        await t.settle()
        assert "Omar Nassar switched it by hand" in str((await shown(t))["text"])
        # The timeline has each of it once, whoever ordered it and wherever.
        told = await timeline(t)
        assert [words.split(":")[0] for words in told] == [
            "ordered the stage assisted", "the order was not confirmed in time", "the stage assisted was obeyed", "ordered to go back to version prompt-13",
            "ordered the stage suspended", "switched it by hand",
        ]  # fmt: skip
        row = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == "incident:1")).one())
        assert (row.state, row.error) == ("shown", None)
