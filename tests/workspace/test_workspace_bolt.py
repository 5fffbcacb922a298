"""A real Bolt app, over signed HTTP and over Socket Mode: the same things happen."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import aiohttp.web
import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Workspace
from tests.workspace.boltapp import FORM, over_http, over_socket
from tests.workspace.conftest import MovableClock, button

Heard = list[dict[str, Any]]
THUMBS = {"type": "context_actions", "block_id": "thumbs", "elements": [{
    "type": "feedback_buttons", "action_id": "rate",
    "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "good"},
    "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "bad"},
}]}


@pytest.fixture
def heard() -> Heard:
    return []


@pytest_asyncio.fixture(params=["http", "socket"])
async def bolt(request: pytest.FixtureRequest, ws: Workspace, heard: Heard) -> AsyncIterator[str]:
    ways = {"http": over_http, "socket": over_socket}
    async with ways[request.param](ws, heard):
        yield request.param


async def until(condition: Any) -> None:
    """Bolt answers first and goes on working: wait for what it does then."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (any condition, not one event)
            await asyncio.sleep(0.005)


async def post(slack: AsyncWebClient, *blocks: dict[str, Any], channel: str = "C0SUPPORT") -> str:
    return str((await slack.chat_postMessage(channel=channel, text="Output", blocks=list(blocks)))["ts"])


@pytest.mark.usefixtures("bolt")
async def test_a_thumb_reaches_the_app_with_its_value_and_is_answered(
    ws: Workspace, slack: AsyncWebClient, heard: Heard
) -> None:
    ts = await post(slack, THUMBS)
    answer = await ws.press("maya", "support", ts, "rate", "bad")
    assert answer.ok
    assert answer.took < 3
    await until(lambda: ws.ephemerals("maya"))
    assert ws.ephemerals("maya")[0]["text"] == "You said bad"
    payload = next(body for body in heard if body.get("type") == "block_actions")
    assert payload["user"] == {"id": "U0MAYA", "username": "maya", "name": "maya", "team_id": "T0LOCAL"}
    assert payload["container"] == {
        "type": "message", "message_ts": ts, "channel_id": "C0SUPPORT", "is_ephemeral": False,
    }
    assert payload["actions"][0]["type"] == "feedback_buttons"
    assert (payload["actions"][0]["block_id"], payload["actions"][0]["value"]) == ("thumbs", "bad")
    assert payload["message"]["ts"] == ts


@pytest.mark.usefixtures("bolt")
async def test_a_button_that_is_gone_can_still_be_pressed_on_a_screen_that_is_late(
    ws: Workspace, slack: AsyncWebClient, heard: Heard
) -> None:
    ts = await post(slack, {"type": "actions", "elements": [button("done")]})
    old = ws.message("support", ts)
    await slack.chat_update(channel="C0SUPPORT", ts=ts, text="Over", blocks=[])
    with pytest.raises(LookupError, match="nothing to press"):
        await ws.press("maya", "support", ts, "done")
    assert (await ws.press("maya", "support", ts, "done", stale=old)).ok
    assert heard[-1]["actions"][0]["action_id"] == "done"


@pytest.mark.usefixtures("bolt")
async def test_a_form_is_opened_refused_pushed_cleared_and_closed(
    ws: Workspace, slack: AsyncWebClient, heard: Heard
) -> None:
    ts = await post(slack, {"type": "actions", "elements": [button("go")]})
    assert (await ws.press("maya", "support", ts, "go")).ok
    view = ws.views("maya")[0]
    assert (await ws.submit("maya", view, {})).errors == {"reason": "Please complete this required field."}
    assert (await ws.submit("maya", view, {"reason": "bad"})).errors == {"reason": "Say more."}
    assert (await ws.submit("maya", view, {"reason": "more", "kind": "late"})).ok
    assert [view["callback_id"] for view in ws.views("maya")] == ["why", "more"]
    values = [body for body in heard if body.get("type") == "view_submission"][-1]["view"]["state"]["values"]
    assert values["kind"]["menu"]["selected_option"]["value"] == "late"
    assert (await ws.submit("maya", ws.views("maya")[-1], {"reason": "x"})).ok
    assert ws.views("maya") == []
    await ws.press("maya", "support", ts, "go")
    assert (await ws.close_view("maya", ws.views("maya")[0])).ok
    assert heard[-1]["type"] == "view_closed"
    await ws.press("maya", "support", ts, "go")
    with pytest.raises(LookupError, match="no input"):
        await ws.submit("maya", ws.views("maya")[0], {"colour": "x"})


@pytest.mark.usefixtures("bolt")
async def test_a_command_is_answered_to_the_person_or_to_the_channel(ws: Workspace, heard: Heard) -> None:
    answer = await ws.command("maya", "support", "/watch", "status @omar")
    assert answer.ok
    assert ws.ephemerals("maya")[0]["text"] == "You asked for status <@U0OMAR|omar>"
    await ws.command("maya", "support", "/watch", "share")
    assert ws.messages("support")[-1]["text"] == "for all"
    form = next(body for body in heard if body.get("command"))
    assert (form["channel_name"], form["user_name"], form["team_id"]) == ("support", "maya", "T0LOCAL")
    assert (await ws.command("maya", "support", "/other")).error == "/other is not a valid command"


@pytest.mark.usefixtures("bolt")
async def test_mentions_reactions_people_and_shortcuts_are_heard(
    ws: Workspace, slack: AsyncWebClient, heard: Heard
) -> None:
    said = await ws.say("maya", "support", "@night_watch help")
    await until(lambda: len(ws.thread("support", said["ts"])) == 2)
    assert ws.thread("support", said["ts"])[1]["text"] == "I heard you"
    await ws.react("omar", "support", said["ts"], "thumbsup")
    ws.change_person("omar", title="Lead")
    ws.rename_channel("support", "help")
    await ws.shortcut("maya", "rate", "help", said["ts"])
    await ws.shortcut("maya", "start")
    await ws.settle()
    kinds = [body["event"]["type"] if "event" in body else body.get("type") for body in heard]
    for kind in ("app_mention", "message", "reaction_added", "user_change", "channel_rename", "message_action", "shortcut"):
        assert kind in kinds
    reaction = next(b["event"] for b in heard if b.get("event", {}).get("type") == "reaction_added")
    assert reaction["item"] == {"type": "message", "channel": "C0SUPPORT", "ts": said["ts"]}
    ids = [body["event_id"] for body in heard if "event_id" in body]
    assert len(ids) == len(set(ids))


@pytest.mark.usefixtures("bolt")
async def test_app_home_is_published_when_opened(ws: Workspace) -> None:
    await ws.open_home("maya")
    await until(lambda: ws.home("maya") is not None)
    home = ws.home("maya")
    assert home is not None
    assert home["blocks"][0]["text"]["text"] == "Home"


@pytest.mark.usefixtures("bolt")
async def test_what_happens_where_the_app_is_not_a_member_stays_unheard(ws: Workspace, heard: Heard) -> None:
    ws.add_channel("elsewhere", ["maya"], id="C0ELSE")
    before = len(heard)
    message = await ws.say("maya", "elsewhere", "secret")
    await ws.react("maya", "elsewhere", message["ts"], "eyes")
    assert len(heard) == before


@pytest.mark.usefixtures("bolt")
async def test_a_response_url_replaces_and_deletes_its_message(ws: Workspace, slack: AsyncWebClient) -> None:
    ts = await post(slack, {"type": "actions", "elements": [button("done"), button("gone")]})
    await ws.press("maya", "support", ts, "done")
    await until(lambda: ws.message("support", ts)["text"] == "Done.")
    ts = await post(slack, {"type": "actions", "elements": [button("gone")]})
    await ws.press("maya", "support", ts, "gone")
    await until(lambda: len(ws.messages("support")) == 1)
    await slack.chat_postEphemeral(
        channel="C0SUPPORT", user="U0MAYA", text="x", blocks=[{"type": "actions", "elements": [button("gone")]}]
    )
    await ws.press("maya", "support", ws.ephemerals("maya")[0]["ts"], "gone")
    await until(lambda: not ws.ephemerals("maya"))


async def test_a_response_url_is_good_five_times_and_half_an_hour(
    ws: Workspace, slack: AsyncWebClient, heard: Heard, clock: MovableClock
) -> None:
    async with over_http(ws, heard), aiohttp.ClientSession() as session:
        async def answer_at(url: str) -> Any:
            async with session.post(url, json={"text": "x"}) as answer:
                return answer.status, await answer.json()

        await ws.command("maya", "support", "/watch", "status")
        url = heard[-1]["response_url"]
        results = [await answer_at(url) for _ in range(6)]
        assert [status for status, _ in results] == [200] * 5 + [404]
        assert results[-1][1]["error"] == "used_url"
        await ws.command("maya", "support", "/watch", "status")
        clock.forward(minutes=31)
        assert (await answer_at(heard[-1]["response_url"]))[1]["error"] == "expired_url"


async def test_a_trigger_is_good_once_and_for_three_seconds(
    ws: Workspace, slack: AsyncWebClient, heard: Heard, clock: MovableClock
) -> None:
    async def refusal(trigger: str) -> str:
        with pytest.raises(SlackApiError) as caught:
            await slack.views_open(trigger_id=trigger, view=FORM)
        return str(caught.value.response["error"])

    async with over_http(ws, heard):
        await ws.command("maya", "support", "/watch", "a")
        await slack.views_open(trigger_id=heard[-1]["trigger_id"], view=FORM)
        assert await refusal(heard[-1]["trigger_id"]) == "exchanged_trigger_id"
        await ws.command("maya", "support", "/watch", "b")
        clock.forward(seconds=3.5)
        assert await refusal(heard[-1]["trigger_id"]) == "expired_trigger_id"
        assert await refusal("1.2.3") == "invalid_trigger_id"


async def test_a_view_is_updated_only_at_the_hash_that_was_seen(ws: Workspace, slack: AsyncWebClient) -> None:
    home = {"type": "home", "blocks": [{"type": "divider"}]}
    first = (await slack.views_publish(user_id="U0MAYA", view=home))["view"]
    await slack.views_publish(user_id="U0MAYA", view=home, hash=first["hash"])
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await slack.views_publish(user_id="U0MAYA", view=home, hash=first["hash"])


async def test_an_app_that_does_not_answer_is_told_apart_and_events_are_tried_again(
    ws: Workspace, slack: AsyncWebClient, clock: MovableClock
) -> None:
    attempts: list[tuple[str | None, str | None]] = []

    async def broken(request: aiohttp.web.Request) -> aiohttp.web.Response:
        attempts.append((request.headers.get("x-slack-retry-num"), request.headers.get("x-slack-retry-reason")))
        return aiohttp.web.Response(status=500)

    server = aiohttp.web.Application()
    server.router.add_post("/", broken)
    runner = aiohttp.web.AppRunner(server)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    ws.app().request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    answer = await ws.command("maya", "support", "/watch", "x")
    assert (answer.ok, answer.error, answer.warning) == (False, "http_error", "This app did not respond")
    attempts.clear()
    await ws.say("maya", "support", "hello")
    clock.forward(seconds=61)
    await ws.retry_due()
    clock.forward(seconds=301)
    await ws.retry_due()
    assert attempts == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
    assert ws.sender.retries == []
    await runner.cleanup()


async def test_sockets_share_the_work_and_one_may_leave(ws: Workspace, slack: AsyncWebClient, heard: Heard) -> None:
    async with over_socket(ws, heard):
        async with over_socket(ws, heard):
            assert len(ws.sockets.open_for("A0WATCH")) == 2
            assert all([(await ws.command("maya", "support", "/watch", "x")).ok for _ in range(4)])
        await until(lambda: len(ws.sockets.open_for("A0WATCH")) == 1)
        assert (await ws.command("maya", "support", "/watch", "x")).ok
        await ws.sockets.warn("A0WATCH", "refresh_requested")
        await until(lambda: len(ws.sockets.open_for("A0WATCH")) == 1)
        assert (await ws.command("maya", "support", "/watch", "again")).ok


async def test_uninstalling_is_heard_once_and_then_nothing(ws: Workspace, heard: Heard) -> None:
    async with over_http(ws, heard):
        await ws.uninstall()
        await ws.say("maya", "support", "anybody?")
    assert sorted(body["event"]["type"] for body in heard if "event" in body) == ["app_uninstalled", "tokens_revoked"]
