from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.applications import Starlette

from bot import audit
from bot.blocks import Message, actions, button, input_block, modal, section, text_input
from bot.clock import MovedClock
from bot.db import Database
from bot.lanes import Lanes
from bot.people.directory import Team
from bot.people.flows import Refused
from bot.people.sync import identify
from bot.surface.edge import Edge
from bot.surface.http import slack_route
from bot.surface.press import Answer, Ask, Gone, Mend, Press, Quiet, Surface, Tell
from bot.tables import Decision, SeenSlack
from bot.workspace import Workspace, serve, signature
from tests.kit.server import serving

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text())
SECRET = "signing-secret"


@dataclass
class Scene:
    ws: Workspace
    url: str
    client: AsyncWebClient
    lanes: Lanes
    edge: Edge
    clock: MovedClock
    presses: list[Press] = field(default_factory=list)

    async def counted(self) -> int:
        return await self.lanes.read(lambda tx: tx.scalar(select(func.count()).select_from(Decision)) or 0)

    async def settle(self) -> None:
        await self.ws.settle()
        await self.edge.rest()

    async def ask(self, body: bytes, headers: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient() as http:
            return await http.post(f"{self.url}/slack/events", content=body, headers=headers)


@contextlib.asynccontextmanager
async def scene(db: Database, clock: MovedClock) -> AsyncIterator[Scene]:
    surface = Surface()
    lanes = Lanes(db)
    seen: list[Press] = []

    def note(tx: Session, press: Press) -> Answer:
        seen.append(press)
        if press.actor.kind != "member":
            raise Refused("Only full members may press this.")
        if press.value == "fail":
            raise RuntimeError("the handler broke")
        audit.record(tx, press.now, "pressed", f"test:{press.value}", person_id=press.actor.person_id)
        return Tell(Message("Thank you."))

    def form(tx: Session, press: Press) -> Answer:
        fields = [input_block("name", "Name", text_input("name"))]
        return Ask(modal("A form", fields, callback_id="test.form", submit="Save", metadata="m1"))

    def submitted(tx: Session, press: Press) -> Answer:
        seen.append(press)
        return Mend({"name": "Please give another name."}) if press.values["name"] == "bad" else Quiet()

    def status(tx: Session, press: Press) -> Answer:
        seen.append(press)
        return Tell(Message("All is well.", [section("All is *well*.")]), share=True)

    surface.add(
        actions={"test.note": note, "test.form": form, "test.gone": lambda tx, press: Gone()},
        views={"test.form": submitted},
        shortcuts={"feedback.rate": note},
        words={"status": status, "": lambda tx, press: Tell(Message(f"I do not know {press.name!r}."))},
    )
    ws = Workspace(clock=clock.now)
    ws.signing_clock = clock.now
    async with serve(ws):
        client = AsyncWebClient(token="xoxb-1", base_url=f"{ws.base_url}/api/", retry_handlers=[])
        ws.add_person("maya", "Maya Haddad", id="U0MAYA", email="maya@example.com")
        ws.add_person("gina", "Gina Guest", id="U0GINA", is_restricted=True)
        ws.add_person("zoe", "Zoe Elsewhere", id="U0ZOE", team_id="T0OTHER", is_stranger=True)
        ws.install_app(MANIFEST, bot_token="xoxb-1", app_token="xapp-1", signing_secret=SECRET, id="A0", bot_user_id="U0BOT")
        ws.add_channel("support", members=["maya", "gina", "zoe", "U0BOT"], id="C0SUPPORT")
        team = Team(ws.team_id, "U0BOT")
        edge = Edge(surface, lanes, clock, client, team, lambda slack_id, now: identify(client, lanes, team, slack_id, now))
        async with serving(Starlette(routes=[slack_route(edge.bolt(), SECRET, clock)])) as url:
            app = ws.app()
            app.request_url = f"{url}/slack/events"
            ws.store.save(app)
            yield Scene(ws, url, client, lanes, edge, clock, seen)
    lanes.close()


async def posted(s: Scene, *buttons: dict[str, Any]) -> str:
    answer = await s.client.chat_postMessage(channel="C0SUPPORT", text="Press", blocks=[actions(*buttons)])
    return str(answer["ts"])


async def test_a_press_is_stored_before_it_is_acknowledged_and_then_answered(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        ts = await posted(s, button("Go", "test.note", "x"))
        answer = await s.ws.press("maya", "support", ts, "test.note")
        assert answer.ok
        await s.settle()
        assert await s.counted() == 1
        assert [m["text"] for m in s.ws.ephemerals("maya")] == ["Thank you."]
        assert s.presses[0].value == "x"
        assert s.presses[0].channel == "C0SUPPORT"
        assert "C0SUPPORT" in s.presses[0].actor.channels


@pytest.mark.parametrize("who", ["gina", "zoe"])
async def test_guests_and_strangers_are_told_politely_and_nothing_is_stored(db: Database, clock: MovedClock, who: str) -> None:
    async with scene(db, clock) as s:
        ts = await posted(s, button("Go", "test.note", "x"))
        assert (await s.ws.press(who, "support", ts, "test.note")).ok
        await s.settle()
        assert await s.counted() == 0
        assert [m["text"] for m in s.ws.ephemerals(who)] == ["Only full members may press this."]


async def test_a_handler_that_breaks_keeps_nothing_and_says_so(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        ts = await posted(s, button("Go", "test.note", "fail"))
        await s.ws.press("maya", "support", ts, "test.note")
        await s.settle()
        assert await s.counted() == 0
        assert "nothing was saved" in s.ws.ephemerals("maya")[0]["text"]


async def test_an_old_button_is_answered_with_where_to_look(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        ts = await posted(s, button("Go", "test.of-last-year", "x"))
        await s.ws.press("maya", "support", ts, "test.of-last-year")
        await s.settle()
        assert "older message" in s.ws.ephemerals("maya")[0]["text"]


async def test_a_form_opens_complains_and_closes(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        ts = await posted(s, button("Go", "test.form"))
        await s.ws.press("maya", "support", ts, "test.form")
        await s.settle()
        view = s.ws.views("maya")[-1]
        bad = await s.ws.submit("maya", view, {"name": "bad"})
        assert bad.body["errors"] == {"name": "Please give another name."}
        await s.ws.submit("maya", view, {"name": "good"})
        assert s.presses[-1].value == "m1"
        assert not s.ws.views("maya")


async def test_a_command_is_answered_in_the_same_breath_and_can_be_shared(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        await s.ws.command("maya", "support", "/aiops", "status")
        await s.settle()
        note = s.ws.ephemerals("maya")[0]
        share = note["blocks"][-1]["elements"][0]
        assert share["action_id"] == "surface.share"
        await s.ws.press("maya", "support", note["ts"], "surface.share")
        await s.settle()
        assert await s.lanes.read(lambda tx: tx.execute(select(func.count()).select_from(SeenSlack)).scalar_one()) == 2


async def test_unknown_words_get_the_answer_for_unknown_words(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        await s.ws.command("maya", "support", "/aiops", "dance")
        assert s.ws.ephemerals("maya")[0]["text"] == "I do not know 'dance'."


async def test_a_mention_takes_the_same_words_and_answers_in_the_thread(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        await s.ws.say("maya", "support", "@aiops status of everything")
        await s.settle()
        assert s.presses[0].name == "status"
        assert s.presses[0].words == ("of", "everything")
        assert s.ws.ephemerals("maya")[0]["text"] == "All is well."


async def test_a_mention_is_acknowledged_once_it_is_kept_and_not_while_the_database_is_away(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        go_on, times = threading.Event(), 0

        def slow(tx: Session, press: Press) -> Answer:
            assert go_on.wait(20)
            audit.record(tx, press.now, "slow", "test", person_id=press.actor.person_id)
            return Quiet()

        def away(tx: Session, press: Press) -> Answer:
            nonlocal times
            times += 1
            if times < 3:
                raise OperationalError("COMMIT", None, ConnectionError("the server closed the connection"))
            audit.record(tx, press.now, "away", "test", person_id=press.actor.person_id)
            return Quiet()

        s.edge.surface.add(words={"slow": slow, "away": away})

        def events() -> list[int]:
            return [answer.status for _, payload, answer in s.ws.sender.sent if payload.get("type") == "event_callback"]

        await s.ws.say("maya", "support", "hello")  # of no concern to us: taken all the same
        saying = asyncio.create_task(s.ws.say("maya", "support", "@aiops slow"))
        await asyncio.sleep(0.3)
        before = len(events())
        assert await s.counted() == 0
        go_on.set()
        await saying
        assert len(events()) > before
        assert await s.counted() == 1
        await s.ws.say("maya", "support", "@aiops away")
        assert times == 2  # at once, and once again
        assert events()[-1] == 500
        clock.move(timedelta(minutes=1, seconds=1))
        await s.ws.sender.retry_due()
        assert times == 3
        assert await s.counted() == 2
        assert not s.ws.ephemerals("maya")


async def test_the_same_delivery_twice_is_carried_out_once(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        body = (
            b"payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T0LOCAL%22%7D%2C%22user%22%3A%7B%22id%22%3A%22U0MAYA%22%2C"
            b"%22team_id%22%3A%22T0LOCAL%22%7D%2C%22trigger_id%22%3A%22t1%22%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22test.note%22%2C%22block_id%22%3A%22b%22%2C"
            b"%22value%22%3A%22x%22%2C%22type%22%3A%22button%22%7D%5D%7D"
        )
        stamp = str(int(clock.now().timestamp()))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(SECRET, stamp, body)}
        answers = await asyncio.gather(*(s.ask(body, headers) for _ in range(3)))
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert await s.counted() == 1


async def test_forged_stale_and_garbage_requests_are_turned_away_unread(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        body = b"payload=%7B%7D"
        stamp = str(int(clock.now().timestamp()))
        old = str(int(clock.now().timestamp()) - 301)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await s.ask(body, form)).status_code == 401
        assert (await s.ask(body, {**form, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": "v0=00"})).status_code == 401
        assert (await s.ask(body, {**form, "X-Slack-Request-Timestamp": old, "X-Slack-Signature": signature(SECRET, old, body)})).status_code == 401
        assert (await s.ask(body, {**form, "X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=é".encode()})).status_code == 401
        assert (await s.ask(b"x" * 1_000_001, form)).status_code == 413
        assert (await s.ask(b"\xff\xfe{{{", form)).status_code == 401


async def test_socket_mode_carries_the_same_presses(db: Database, clock: MovedClock) -> None:
    async with scene(db, clock) as s:
        handler = AsyncSocketModeHandler(s.edge.bolt(), "xapp-1", web_client=s.client)
        await handler.connect_async()
        try:
            ts = await posted(s, button("Go", "test.note", "x"))
            assert (await s.ws.press("maya", "support", ts, "test.note")).ok
            await s.settle()
            assert await s.counted() == 1
        finally:
            await handler.close_async()
