"""A small real Bolt app, to be talked to over HTTP or over Socket Mode."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Workspace
from tests.workspace.conftest import APP_TOKEN, SECRET, TOKEN

FORM = {
    "type": "modal", "callback_id": "why", "notify_on_close": True,
    "title": {"type": "plain_text", "text": "Why"}, "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {"type": "input", "block_id": "reason", "label": {"type": "plain_text", "text": "Reason"},
         "element": {"type": "plain_text_input", "action_id": "text"}},
        {"type": "input", "block_id": "kind", "optional": True, "label": {"type": "plain_text", "text": "Kind"},
         "element": {"type": "static_select", "action_id": "menu", "options": [
             {"text": {"type": "plain_text", "text": "Wrong"}, "value": "wrong"},
             {"text": {"type": "plain_text", "text": "Late"}, "value": "late"}]}},
    ],
}


def make_app(ws: Workspace, heard: list[dict[str, Any]]) -> AsyncApp:
    app = AsyncApp(
        signing_secret=SECRET, process_before_response=False,
        client=AsyncWebClient(TOKEN, base_url=f"{ws.base_url}/api/", retry_handlers=[]),
    )

    @app.middleware
    async def remember(body: dict[str, Any], next: Any) -> None:  # type: ignore[misc]
        heard.append(body)
        await next()

    @app.action("go")
    async def go(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)
        await ack()

    @app.action("rate")
    async def rate(ack: Any, action: dict[str, Any], respond: Any) -> None:
        await ack()
        await respond(text=f"You said {action['value']}", replace_original=False)

    @app.action("done")
    async def done(ack: Any, respond: Any) -> None:
        await ack()
        await respond(text="Done.", replace_original=True)

    @app.action("gone")
    async def gone(ack: Any, respond: Any) -> None:
        await ack()
        await respond(delete_original=True)

    @app.view("why")
    async def why(ack: Any, view: dict[str, Any]) -> None:
        reason = view["state"]["values"]["reason"]["text"]["value"]
        if reason == "bad":
            await ack(response_action="errors", errors={"reason": "Say more."})
        elif reason == "more":
            await ack(response_action="push", view={**FORM, "callback_id": "more"})
        else:
            await ack()

    @app.view("more")
    async def more(ack: Any) -> None:
        await ack(response_action="clear")

    @app.view_closed("why")
    async def closed(ack: Any) -> None:
        await ack()

    @app.command("/watch")
    async def watch(ack: Any, command: dict[str, Any]) -> None:
        if command["text"] == "share":
            await ack(text="for all", response_type="in_channel")
        else:
            await ack(f"You asked for {command['text']}")

    @app.options("agent")
    async def agents(ack: Any, payload: dict[str, Any]) -> None:
        words = f"{payload['value']} agent"
        await ack(options=[{"text": {"type": "plain_text", "text": words}, "value": words}])

    @app.shortcut("rate")
    async def rate_message(ack: Any) -> None:
        await ack()

    @app.shortcut("start")
    async def start(ack: Any) -> None:
        await ack()

    @app.event("app_mention")
    async def mention(event: dict[str, Any], say: Any) -> None:
        await say(text="I heard you", thread_ts=event["ts"])

    @app.event("app_home_opened")
    async def home(event: dict[str, Any], client: AsyncWebClient) -> None:
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Home"}},
        ]})

    for quiet in ("message", "reaction_added", "reaction_removed", "member_joined_channel", "channel_rename",
                  "user_change", "team_join", "app_uninstalled", "tokens_revoked", "subteam_updated"):
        app.event(quiet)(ignore)
    return app


async def ignore() -> None:
    """Heard, and that is all."""


@contextlib.asynccontextmanager
async def over_http(ws: Workspace, heard: list[dict[str, Any]]) -> AsyncIterator[AsyncApp]:
    app = make_app(ws, heard)
    runner = web.AppRunner(app.web_app("/slack/events"))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    known = ws.app()
    known.request_url = f"http://127.0.0.1:{port}/slack/events"
    ws.store.save(known)
    try:
        yield app
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def over_socket(ws: Workspace, heard: list[dict[str, Any]]) -> AsyncIterator[AsyncApp]:
    app = make_app(ws, heard)
    handler = AsyncSocketModeHandler(app, APP_TOKEN, ping_interval=1)
    await handler.connect_async()
    try:
        yield app
    finally:
        await handler.close_async()
