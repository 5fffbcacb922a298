"""Channels come and go: made, joined, shared, renamed, archived; and the apps in them hear of it."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Workspace
from tests.workspace.boltapp import over_http
from tests.workspace.conftest import MANIFEST


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_channel_is_made_filled_and_left(ws: Workspace, slack: AsyncWebClient) -> None:
    assert await refusal(slack.conversations_create(name="incident-1")) == "missing_scope"
    more = [*MANIFEST["oauth_config"]["scopes"]["bot"], "channels:manage", "groups:write"]
    ws.install_app(MANIFEST, id="A0WATCH", bot_token="xoxb-watch", signing_secret="s", scopes=more)
    made = (await slack.conversations_create(name="incident-1"))["channel"]
    assert made["is_member"]
    assert await refusal(slack.conversations_create(name="incident-1")) == "name_taken"
    assert await refusal(slack.conversations_create(name="Bad Name")) == "invalid_name_specials"
    await slack.conversations_invite(channel=made["id"], users=["U0MAYA", "U0OMAR"])
    assert await refusal(slack.conversations_invite(channel=made["id"], users="U0MAYA")) == "already_in_channel"
    assert (await slack.conversations_members(channel=made["id"]))["members"] == ["U0WATCH", "U0MAYA", "U0OMAR"]
    await slack.conversations_leave(channel=made["id"])
    assert await refusal(slack.conversations_history(channel=made["id"])) == "not_in_channel"
    await slack.conversations_join(channel=made["id"])
    assert (await slack.conversations_history(channel=made["id"]))["messages"] == []
    mine = (await slack.users_conversations(types="public_channel"))["channels"]
    assert [channel["name"] for channel in mine] == ["support", "incident-1"]


async def test_private_channels_exist_only_for_their_members(ws: Workspace, slack: AsyncWebClient) -> None:
    ws.add_channel("board", ["maya"], id="C0BOARD", private=True)
    assert await refusal(slack.conversations_info(channel="C0BOARD")) == "channel_not_found"
    listed = await slack.conversations_list(types="public_channel,private_channel")
    assert [channel["id"] for channel in listed["channels"]] == ["C0SUPPORT"]
    ws.join("night_watch", "board")
    info = (await slack.conversations_info(channel="C0BOARD", include_num_members=True))["channel"]
    assert (info["is_private"], info["is_group"], info["num_members"]) == (True, True, 2)


async def test_joining_renaming_and_sharing_are_heard(ws: Workspace, slack: AsyncWebClient) -> None:
    heard: list[dict[str, Any]] = []
    await ws.say("maya", "support", "before")
    async with over_http(ws, heard) as bolt:
        for kind in ("channel_shared", "channel_id_changed"):
            bolt.event(kind)(nothing)
        ws.add_person("rana", id="U0RANA")
        ws.join("rana", "support", inviter="U0MAYA")
        ws.rename_channel("support", "help")
        ws.share_channel("C0SUPPORT", new_id="C0SHARED")
        await ws.settle()
    told = {body["event"]["type"]: body["event"] for body in heard if "event" in body}
    assert told["member_joined_channel"]["user"] == "U0RANA"
    assert told["channel_rename"]["channel"]["name"] == "help"
    assert (told["channel_id_changed"]["old_channel_id"], told["channel_id_changed"]["new_channel_id"]) == (
        "C0SUPPORT", "C0SHARED",
    )
    assert [m["text"] for m in (await slack.conversations_history(channel="C0SHARED"))["messages"]] == ["before"]
    assert await refusal(slack.conversations_info(channel="C0SUPPORT")) == "channel_not_found"


async def nothing() -> None:
    """Heard, and that is all."""


async def test_filling_a_workspace_quietly_sends_nothing(ws: Workspace) -> None:
    heard: list[dict[str, Any]] = []
    async with over_http(ws, heard):
        with ws.quietly():
            ws.add_person("rana", id="U0RANA")
            ws.write("maya", "support", "an old story")
        await ws.settle()
    assert heard == []
    assert ws.messages("support")[0]["text"] == "an old story"


async def test_two_apps_live_side_by_side(ws: Workspace, slack: AsyncWebClient) -> None:
    manifest = {
        "display_information": {"name": "Invoice agent"}, "oauth_config": {"scopes": {"bot": ["chat:write"]}},
    }
    ws.install_app(manifest, bot_token="xoxb-agent", signing_secret="x", channels=["support"])
    heard: list[dict[str, Any]] = []
    async with over_http(ws, heard):
        agent = AsyncWebClient("xoxb-agent", base_url=f"{ws.base_url}/api/", retry_handlers=[])
        posted = await agent.chat_postMessage(channel="C0SUPPORT", text="Invoice 4711 is paid")
        await ws.react("maya", "support", posted["ts"], "thumbsup")
        await ws.settle()
    events = [body["event"] for body in heard if "event" in body]
    assert [event["type"] for event in events] == ["message", "reaction_added"]
    assert events[0]["bot_id"] != ws.app("Night watch").bot_id
    assert events[1]["item_user"] == posted["message"]["user"]
    update = slack.chat_update(channel="C0SUPPORT", ts=posted["ts"], text="mine now")
    assert await refusal(update) == "cant_update_message"
