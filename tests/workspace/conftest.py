"""A small workspace with two people, a channel and an app, on a clock that tests move."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Workspace, serve

MANIFEST: dict[str, Any] = {
    "display_information": {"name": "Night watch"},
    "features": {
        "bot_user": {"display_name": "night watch"},
        "app_home": {"home_tab_enabled": True},
        "slash_commands": [{"command": "/watch", "description": "Watch", "usage_hint": "status", "should_escape": True}],
        "shortcuts": [
            {"name": "Rate", "type": "message", "callback_id": "rate", "description": "Rate this"},
            {"name": "Start", "type": "global", "callback_id": "start", "description": "Start"},
        ],
    },
    "oauth_config": {"scopes": {"bot": [
        "commands", "chat:write", "app_mentions:read", "im:write", "im:history", "im:read", "channels:read",
        "groups:read", "channels:history", "groups:history", "users:read", "users:read.email", "usergroups:read",
        "files:write", "reactions:read", "reactions:write", "team:read", "dnd:read", "channels:join",
    ]}},
    "settings": {"event_subscriptions": {"bot_events": [
        "app_home_opened", "app_mention", "message.channels", "message.groups", "message.im", "reaction_added",
        "reaction_removed", "member_joined_channel", "channel_rename", "channel_id_changed", "channel_shared",
        "user_change", "team_join", "subteam_updated", "app_uninstalled", "tokens_revoked",
    ]}},
}
TOKEN, APP_TOKEN, SECRET = "xoxb-watch", "xapp-watch", "watch-secret"


class MovableClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def forward(self, **by: float) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture
async def ws(clock: MovableClock) -> AsyncIterator[Workspace]:
    async with serve(Workspace(clock=clock.now)) as workspace:
        workspace.add_person("maya", "Maya Haddad", id="U0MAYA", email="maya@example.com")
        workspace.add_person("omar", "Omar Aziz", id="U0OMAR", email="omar@example.com", tz="Europe/Paris")
        workspace.install_app(
            MANIFEST, id="A0WATCH", bot_user_id="U0WATCH", bot_token=TOKEN, app_token=APP_TOKEN, signing_secret=SECRET,
        )
        workspace.add_channel("support", ["maya", "omar", "U0WATCH"], id="C0SUPPORT")
        yield workspace


@pytest.fixture
def slack(ws: Workspace) -> AsyncWebClient:
    return AsyncWebClient(TOKEN, base_url=f"{ws.base_url}/api/", retry_handlers=[])


def button(action_id: str = "go", value: str = "1", words: str = "Go") -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "value": value, "text": {"type": "plain_text", "text": words}}
