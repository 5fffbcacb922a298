"""What the page asks for: state, history, stream, acts; and that other sites cannot reach in."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Workspace
from tests.workspace.boltapp import over_http
from tests.workspace.conftest import button


class Page:
    """One person's browser, without the browser."""

    def __init__(self, session: aiohttp.ClientSession, person: str) -> None:
        self.session, self.person = session, person

    async def get(self, path: str, **query: str) -> Any:
        async with self.session.get(f"/ui/{path}", params={"as": self.person, **query}) as answer:
            return await answer.json()

    async def post(self, path: str, **body: Any) -> Any:
        async with self.session.post(f"/ui/{path}", json={"as": self.person, **body}) as answer:
            return await answer.json()


@pytest_asyncio.fixture
async def session(ws: Workspace) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(ws.base_url) as open_session:
        yield open_session


@pytest.fixture
def maya(session: aiohttp.ClientSession) -> Page:
    return Page(session, "U0MAYA")


async def test_the_state_shows_people_channels_and_apps(ws: Workspace, maya: Page, slack: AsyncWebClient) -> None:
    await slack.chat_postMessage(channel="C0SUPPORT", text="<@U0MAYA> hello")
    await slack.chat_postMessage(channel="U0MAYA", text="psst")
    ws.add_channel("secret", ["omar"], private=True)
    state = await maya.get("state")
    assert [person["id"] for person in state["people"]] == ["U0MAYA", "U0OMAR", "U0WATCH"]
    assert state["people"][0]["initials"] == "MH"
    channels = {channel["id"]: channel for channel in state["channels"]}
    assert (channels["C0SUPPORT"]["unread"], channels["C0SUPPORT"]["mention_count"]) == (1, 1)
    dm = next(channel for channel in state["channels"] if channel["kind"] == "im")
    assert (dm["with"], dm["mention_count"]) == ("U0WATCH", 1)
    assert len(channels) == 2
    assert state["apps"][0]["commands"][0]["command"] == "/watch"
    assert state["apps"][0]["has_home"] is True
    await maya.post("read", channel="C0SUPPORT")
    assert next(c for c in (await maya.get("state"))["channels"] if c["id"] == "C0SUPPORT")["unread"] == 0


async def test_writing_resolves_names_and_escapes_the_rest(ws: Workspace, maya: Page) -> None:
    posted = await maya.post("post", channel="C0SUPPORT", text="@omar look at a<b && <!channel>")
    assert posted["ok"]
    assert ws.messages("support")[0]["text"] == "<@U0OMAR> look at a&lt;b &amp;&amp; &lt;!channel&gt;"
    assert [how for _, _, how in ws.pings("omar")] == ["mention"]
    reply = await maya.post("post", channel="C0SUPPORT", text="more", thread_ts=posted["ts"])
    assert reply["ok"]
    assert [m["text"] for m in (await maya.get("thread", channel="C0SUPPORT", ts=posted["ts"]))["messages"]][1] == "more"
    assert (await maya.post("post", channel="C0SUPPORT", text="/nothing here"))["ok"] is False
    assert (await maya.post("post", channel="C0SUPPORT", text="  "))["ok"] is False
    assert (await maya.post("post", channel="C0NOWHERE", text="x"))["ok"] is False


async def test_commands_presses_and_forms_go_to_the_app(ws: Workspace, maya: Page, slack: AsyncWebClient) -> None:
    async with over_http(ws, []):
        assert (await maya.post("post", channel="C0SUPPORT", text="/watch status"))["ok"]
        shown = (await maya.get("history", channel="C0SUPPORT"))["messages"]
        assert [(m["text"], m["is_ephemeral"]) for m in shown] == [("You asked for status", True)]
        await maya.get("state")
        assert (await maya.get("history", channel="C0SUPPORT"))["messages"] == []
        posted = await slack.chat_postMessage(
            channel="C0SUPPORT", text="x", blocks=[{"type": "actions", "block_id": "b", "elements": [button("go")]}]
        )
        pressed = await maya.post(
            "press", container={"type": "message", "channel": "C0SUPPORT", "ts": posted["ts"]}, block_id="b",
            action={"type": "button", "action_id": "go", "block_id": "b", "value": "1"},
        )
        assert pressed == {"ok": True}
        view = ws.views("maya")[0]
        empty = await maya.post("submit", view_id=view["id"], state={"values": {}})
        assert empty["errors"] == {"reason": "Please complete this required field."}
        filled = {"reason": {"text": {"type": "plain_text_input", "value": "bad"}}}
        refused = await maya.post("submit", view_id=view["id"], state={"values": filled})
        assert (refused["response_action"], refused["errors"]) == ("errors", {"reason": "Say more."})
        filled["reason"]["text"]["value"] = "fine"
        assert (await maya.post("submit", view_id=view["id"], state={"values": filled})) == {"ok": True}
        assert (await maya.post("submit", view_id=view["id"], state={"values": filled}))["ok"] is False
        shortcut = await maya.post(
            "shortcut", app_id="A0WATCH", callback_id="rate", channel="C0SUPPORT", ts=posted["ts"]
        )
        assert shortcut == {"ok": True}


async def test_an_external_menu_asks_the_app_as_one_types(ws: Workspace, maya: Page, slack: AsyncWebClient) -> None:
    menu = {"type": "external_select", "action_id": "agent", "placeholder": {"type": "plain_text", "text": "Agent"}}
    async with over_http(ws, []):
        posted = await slack.chat_postMessage(
            channel="C0SUPPORT", text="x", blocks=[{"type": "actions", "block_id": "b", "elements": [menu]}]
        )
        answer = await maya.get(
            "options", channel="C0SUPPORT", ts=posted["ts"], action_id="agent", block_id="b", value="tri"
        )
    assert answer["options"][0]["text"]["text"] == "tri agent"


async def test_an_app_that_is_away_is_said_to_be_so(ws: Workspace, maya: Page, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(
        channel="C0SUPPORT", text="x", blocks=[{"type": "actions", "block_id": "b", "elements": [button("go")]}]
    )
    pressed = await maya.post(
        "press", container={"type": "message", "channel": "C0SUPPORT", "ts": posted["ts"]}, block_id="b",
        action={"action_id": "go"},
    )
    assert (pressed["ok"], pressed["error"]) == (False, "This app did not respond")


async def test_the_stream_tells_what_changes(ws: Workspace, maya: Page, slack: AsyncWebClient) -> None:
    async with maya.session.get("/ui/stream", params={"as": "U0MAYA"}) as stream:
        async def news() -> Any:
            while True:
                line = await asyncio.wait_for(stream.content.readline(), 5)
                if line.startswith(b"data:"):
                    return json.loads(line[5:])

        await stream.content.readline()
        posted = await slack.chat_postMessage(channel="C0SUPPORT", text="one")
        first = await news()
        assert (first["type"], first["channel"], first["message"]["text"]) == ("message", "C0SUPPORT", "one")
        assert await news() == {"type": "unread", "channel": "C0SUPPORT", "unread": 1, "mention_count": 0}
        await slack.chat_update(channel="C0SUPPORT", ts=posted["ts"], text="two")
        assert (await news())["type"] == "changed"
        await maya.post("react", channel="C0SUPPORT", ts=posted["ts"], name="eyes")
        assert (await news())["reactions"] == [{"name": "eyes", "users": ["U0MAYA"], "count": 1}]
        await slack.chat_postEphemeral(channel="C0SUPPORT", user="U0OMAR", text="not for maya")
        await slack.chat_postEphemeral(channel="C0SUPPORT", user="U0MAYA", text="for maya")
        assert (await news())["message"]["text"] == "for maya"
        ws.add_channel("fresh", ["maya"], id="C0FRESH")
        assert (await news())["channel"]["name"] == "fresh"
        await slack.chat_delete(channel="C0SUPPORT", ts=posted["ts"])
        assert (await news())["type"] == "deleted"


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "127.0.0.1.evil.example"},
])
async def test_other_sites_are_refused(ws: Workspace, session: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    for path in ("/ui/state", "/", "/api/auth.test", "/faults"):
        async with session.get(path, headers=headers) as answer:
            assert answer.status == 403


async def test_the_page_is_served_with_a_strict_policy_and_nothing_beside_it(
    ws: Workspace, session: aiohttp.ClientSession
) -> None:
    async with session.get("/") as answer:
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    for path in ("/page/../store.py", "/page/%2e%2e/store.py", "/page/..%2fstore.py", "/page/none.js"):
        async with session.get(path) as answer:
            assert answer.status == 404


async def test_nonsense_gets_a_clear_answer(ws: Workspace, maya: Page, session: aiohttp.ClientSession) -> None:
    async with session.post("/ui/post", data=b"{") as answer:
        assert answer.status == 400
    assert (await maya.post("press", container={}))["ok"] is False
    assert (await maya.post("shortcut", app_id="A0WATCH", callback_id="none"))["error"].startswith("Night watch has no")
    assert (await Page(session, "U0NOBODY").post("post", channel="C0SUPPORT", text="x"))["ok"] is False
    assert (await Page(session, "U0WATCH").post("post", channel="C0SUPPORT", text="x"))["ok"] is False


async def test_a_mention_pasted_as_slack_writes_it_is_a_mention_and_other_angle_brackets_are_text(ws: Workspace, maya: Page) -> None:
    done = await maya.post("post", channel="C0SUPPORT", text="<@U0OMAR> look at <!channel> & <https://a.example|this>")
    assert ws.message("C0SUPPORT", done["ts"])["text"] == "<@U0OMAR> look at &lt;!channel&gt; &amp; &lt;https://a.example|this&gt;"
