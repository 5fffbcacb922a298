"""The Web API as slack_sdk meets it: answers, errors, rights, pages."""

from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Workspace
from tests.workspace.conftest import MANIFEST, TOKEN, MovableClock


async def refused(call: Any) -> dict[str, Any]:
    with pytest.raises(SlackApiError) as caught:
        await call
    return dict(caught.value.response.data)


async def test_auth_test_says_who_the_app_is_and_what_it_may_do(ws: Workspace, slack: AsyncWebClient) -> None:
    answer = await slack.auth_test()
    assert (answer["user_id"], answer["team_id"], answer["is_enterprise_install"]) == ("U0WATCH", "T0LOCAL", False)
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


async def test_tokens_that_are_wrong_missing_revoked_or_uninstalled_are_told_apart(
    ws: Workspace, slack: AsyncWebClient
) -> None:
    url = f"{ws.base_url}/api/"
    assert (await refused(AsyncWebClient("xoxb-no", base_url=url).auth_test()))["error"] == "invalid_auth"
    assert (await refused(AsyncWebClient(None, base_url=url).auth_test()))["error"] == "not_authed"
    assert (await refused(AsyncWebClient("xapp-watch", base_url=url).auth_test()))["error"] == "not_allowed_token_type"
    assert (await refused(slack.api_call("no.such.method")))["error"] == "unknown_method"
    await ws.uninstall()
    assert (await refused(slack.auth_test()))["error"] == "account_inactive"
    ws.revoke(TOKEN)
    assert (await refused(slack.auth_test()))["error"] == "token_revoked"


async def test_a_post_is_found_in_the_history_with_metadata_only_when_asked_for(
    ws: Workspace, slack: AsyncWebClient
) -> None:
    metadata = {"event_type": "row", "event_payload": {"key": "k1"}}
    posted = await slack.chat_postMessage(channel="C0SUPPORT", text="Hello", metadata=metadata)
    plain = await slack.conversations_history(channel="C0SUPPORT")
    full = await slack.conversations_history(channel="C0SUPPORT", include_all_metadata=True)
    assert [m["text"] for m in plain["messages"]] == ["Hello"]
    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"] == metadata
    assert full["messages"][0]["ts"] == posted["ts"]


async def test_timestamps_of_a_channel_rise_also_when_the_clock_stands_still(
    ws: Workspace, slack: AsyncWebClient
) -> None:
    stamps = [(await slack.chat_postMessage(channel="C0SUPPORT", text=str(n)))["ts"] for n in range(5)]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == "1795165200.000000"


async def test_an_update_keeps_blocks_and_metadata_that_are_not_sent(ws: Workspace, slack: AsyncWebClient) -> None:
    blocks = [{"type": "section", "block_id": "s", "text": {"type": "mrkdwn", "text": "one"}}]
    metadata = {"event_type": "row", "event_payload": {"key": "k1"}}
    posted = await slack.chat_postMessage(channel="C0SUPPORT", text="one", blocks=blocks, metadata=metadata)
    await slack.chat_update(channel="C0SUPPORT", ts=posted["ts"], text="two")
    kept = ws.message("support", posted["ts"])
    assert (kept["text"], kept["metadata"], kept["blocks"][0]["block_id"]) == ("two", metadata, "s")
    assert kept["edited"]["user"] == "U0WATCH"
    await slack.chat_update(channel="C0SUPPORT", ts=posted["ts"], text="three", blocks=[])
    assert "blocks" not in ws.message("support", posted["ts"])


async def test_updates_are_refused_for_long_text_for_others_messages_and_for_missing_ones(
    ws: Workspace, slack: AsyncWebClient
) -> None:
    posted = await slack.chat_postMessage(channel="C0SUPPORT", text="x" * 50_000)
    assert len(ws.message("support", posted["ts"])["text"]) == 40_000
    theirs = await ws.say("maya", "support", "mine")
    update = slack.chat_update
    assert (await refused(update(channel="C0SUPPORT", ts=posted["ts"], text="x" * 4001)))["error"] == "msg_too_long"
    assert (await refused(update(channel="C0SUPPORT", ts=theirs["ts"], text="x")))["error"] == "cant_update_message"
    assert (await refused(update(channel="C0SUPPORT", ts="1.000001", text="x")))["error"] == "message_not_found"


async def test_posting_asks_for_membership_existence_and_life_of_the_channel(
    ws: Workspace, slack: AsyncWebClient
) -> None:
    ws.add_channel("public", ["maya"], id="C0PUBLIC")
    ws.add_channel("secret", ["maya"], id="C0SECRET", private=True)
    post = slack.chat_postMessage
    assert (await refused(post(channel="C0PUBLIC", text="x")))["error"] == "not_in_channel"
    assert (await refused(post(channel="C0SECRET", text="x")))["error"] == "channel_not_found"
    assert (await refused(post(channel="C0NOWHERE", text="x")))["error"] == "channel_not_found"
    empty = slack.api_call("chat.postMessage", json={"channel": "C0SUPPORT", "text": ""})
    assert (await refused(empty))["error"] == "no_text"
    ws.archive_channel("support")
    assert (await refused(post(channel="C0SUPPORT", text="x")))["error"] == "is_archived"


async def test_a_missing_scope_is_named_with_what_is_there(ws: Workspace, slack: AsyncWebClient) -> None:
    ws.install_app(MANIFEST, id="A0WATCH", bot_token=TOKEN, signing_secret="s", scopes=["chat:write", "channels:read"])
    answer = await refused(slack.usergroups_list())
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope", "usergroups:read", "chat:write,channels:read",
    )
    answer = await refused(slack.conversations_list(types="public_channel,private_channel"))
    assert answer["needed"] == "channels:read,groups:read"
    assert (await slack.conversations_list())["channels"][0]["id"] == "C0SUPPORT"


async def test_posting_to_a_person_opens_the_direct_message(ws: Workspace, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="U0MAYA", text="psst")
    opened = await slack.conversations_open(users="U0MAYA")
    assert posted["channel"] == opened["channel"]["id"]
    assert posted["channel"].startswith("D")
    assert [m["text"] for m in ws.dm("maya")] == ["psst"]
    assert ws.pings("maya") == [(posted["channel"], posted["ts"], "direct")]


async def test_lists_come_in_pages(ws: Workspace, slack: AsyncWebClient) -> None:
    for number in range(25):
        await slack.chat_postMessage(channel="C0SUPPORT", text=str(number))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await slack.conversations_history(channel="C0SUPPORT", limit=10, cursor=cursor)
        seen += [message["text"] for message in page["messages"]]
        if not page["has_more"]:
            break
        cursor = page["response_metadata"]["next_cursor"]
    assert seen == [str(number) for number in reversed(range(25))]
    first = await slack.users_list(limit=2)
    second = await slack.users_list(limit=2, cursor=first["response_metadata"]["next_cursor"])
    assert [p["id"] for p in [*first["members"], *second["members"]]] == ["U0MAYA", "U0OMAR", "U0WATCH"]
    assert (await refused(slack.users_list(cursor="???")))["error"] == "invalid_cursor"


async def test_a_thread_counts_its_replies_and_its_root_leaves_a_tombstone(
    ws: Workspace, slack: AsyncWebClient
) -> None:
    root = (await slack.chat_postMessage(channel="C0SUPPORT", text="root"))["ts"]
    await slack.chat_postMessage(channel="C0SUPPORT", text="one", thread_ts=root)
    await ws.say("maya", "support", "two", thread_ts=root)
    replies = (await slack.conversations_replies(channel="C0SUPPORT", ts=root))["messages"]
    assert [m["text"] for m in replies] == ["root", "one", "two"]
    assert (replies[0]["reply_count"], replies[0]["reply_users"]) == (2, ["U0WATCH", "U0MAYA"])
    assert [m["text"] for m in (await slack.conversations_history(channel="C0SUPPORT"))["messages"]] == ["root"]
    await slack.chat_delete(channel="C0SUPPORT", ts=root)
    assert ws.message("support", root)["subtype"] == "tombstone"


async def test_mentions_ping_and_escaped_text_does_not(ws: Workspace, slack: AsyncWebClient) -> None:
    await slack.chat_postMessage(channel="C0SUPPORT", text="&lt;@U0MAYA&gt; &lt;!channel&gt;")
    await slack.chat_postMessage(channel="C0SUPPORT", text="x", blocks=[
        {"type": "section", "text": {"type": "plain_text", "text": "<@U0MAYA> <!channel>"}},
    ])
    assert ws.pings("maya") == []
    first = await slack.chat_postMessage(channel="C0SUPPORT", text="<@U0MAYA> look")
    second = await slack.chat_postMessage(channel="C0SUPPORT", text="x", blocks=[
        {"type": "section", "text": {"type": "mrkdwn", "text": "<!channel> look"}},
    ])
    assert [(ts, how) for _, ts, how in ws.pings("maya")] == [
        (first["ts"], "mention"), (second["ts"], "broadcast"),
    ]
    assert [how for _, _, how in ws.pings("omar")] == ["broadcast"]
    await slack.chat_update(channel="C0SUPPORT", ts=first["ts"], text="<@U0OMAR> edited")
    assert len(ws.pings("omar")) == 1


async def test_people_groups_and_quiet_hours_are_told(
    ws: Workspace, slack: AsyncWebClient, clock: MovableClock
) -> None:
    ws.add_group("leads", ["maya"], id="S0LEADS")
    ws.add_person("rana", id="U0RANA", is_restricted=True, dnd_until=clock.now().timestamp() + 60)
    ws.add_person("stefan", id="U0STEFAN", is_stranger=True, email="s@other.example")
    found = await slack.users_lookupByEmail(email="MAYA@example.com")
    assert found["user"]["id"] == "U0MAYA"
    assert (await refused(slack.users_lookupByEmail(email="s@other.example")))["error"] == "users_not_found"
    guest = (await slack.users_info(user="U0RANA"))["user"]
    assert (guest["is_restricted"], guest["tz_offset"]) == (True, 7200)
    stranger = (await slack.users_info(user="U0STEFAN"))["user"]
    assert stranger["is_stranger"]
    assert stranger["team_id"] != "T0LOCAL"
    assert "email" not in stranger["profile"]
    assert (await slack.usergroups_users_list(usergroup="S0LEADS"))["users"] == ["U0MAYA"]
    assert (await slack.dnd_info(user="U0RANA"))["dnd_enabled"] is True
    assert (await slack.dnd_teamInfo(users=["U0MAYA"]))["users"]["U0MAYA"]["dnd_enabled"] is False
    ws.change_person("omar", deleted=True)
    assert (await slack.users_info(user="U0OMAR"))["user"]["deleted"] is True
    assert (await refused(slack.users_info(user="U0NOBODY")))["error"] == "user_not_found"


async def test_reactions_are_added_once_and_removed(ws: Workspace, slack: AsyncWebClient) -> None:
    message = await ws.say("maya", "support", "hello")
    await slack.reactions_add(channel="C0SUPPORT", timestamp=message["ts"], name="eyes")
    again = slack.reactions_add(channel="C0SUPPORT", timestamp=message["ts"], name="eyes")
    assert (await refused(again))["error"] == "already_reacted"
    await ws.react("maya", "support", message["ts"], "eyes")
    got = await slack.reactions_get(channel="C0SUPPORT", timestamp=message["ts"])
    assert got["message"]["reactions"] == [{"name": "eyes", "users": ["U0WATCH", "U0MAYA"], "count": 2}]
    await slack.reactions_remove(channel="C0SUPPORT", timestamp=message["ts"], name="eyes")
    assert ws.message("support", message["ts"])["reactions"][0]["users"] == ["U0MAYA"]


async def test_a_file_travels_through_slack_sdks_own_upload(ws: Workspace, slack: AsyncWebClient) -> None:
    await slack.files_upload_v2(
        channel="C0SUPPORT", content=b"a,b\n1,2\n", filename="report.csv", title="Report", initial_comment="Here",
    )
    message = ws.messages("support")[-1]
    assert (message["text"], message["files"][0]["title"], message["files"][0]["size"]) == ("Here", "Report", 8)


async def test_ephemerals_reach_members_only_and_are_no_history(ws: Workspace, slack: AsyncWebClient) -> None:
    await slack.chat_postEphemeral(channel="C0SUPPORT", user="U0MAYA", text="only you")
    assert [m["text"] for m in ws.ephemerals("maya")] == ["only you"]
    assert ws.messages("support") == []
    ws.add_person("rana", id="U0RANA")
    wrong = slack.chat_postEphemeral(channel="C0SUPPORT", user="U0RANA", text="x")
    assert (await refused(wrong))["error"] == "user_not_in_channel"


async def test_every_call_is_in_the_log(ws: Workspace, slack: AsyncWebClient) -> None:
    await slack.chat_postMessage(channel="C0SUPPORT", text="x")
    await refused(slack.chat_postMessage(channel="C0NOWHERE", text="x"))
    assert [(call.ok, call.error) for call in ws.called("chat.postMessage")] == [
        (True, ""), (False, "channel_not_found"),
    ]


async def test_half_a_surrogate_pair_travels_as_it_came(ws: Workspace, slack: AsyncWebClient) -> None:
    await slack.api_call("chat.postMessage", json={"channel": "C0SUPPORT", "text": "half \ud83d"})
    assert (await slack.conversations_history(channel="C0SUPPORT"))["messages"][0]["text"] == "half \ud83d"


async def test_a_picture_in_blocks_must_be_whole_ones_own_and_is_seen_where_the_blocks_are(ws: Workspace, slack: AsyncWebClient) -> None:
    async def uploaded(name: str, *, whole: bool = True) -> str:
        place = await slack.api_call("files.getUploadURLExternal", http_verb="GET", params={"filename": name, "length": 4, "alt_txt": "four bytes"})
        async with httpx.AsyncClient() as http:
            assert (await http.post(place["upload_url"], content=b"\x89PNG")).status_code == 200
        if whole:
            await slack.api_call("files.completeUploadExternal", json={"files": [{"id": place["file_id"]}]})
        return str(place["file_id"])

    def image(file_id: str) -> list[dict[str, object]]:
        return [{"type": "image", "alt_text": "a chart", "slack_file": {"id": file_id}}]

    for wrong in ("F0NOTHING", await uploaded("a.png", whole=False), await uploaded("a.txt")):
        told = await refused(slack.chat_postMessage(channel="C0SUPPORT", text="x", blocks=image(wrong)))
        assert (told["error"], "invalid slack file" in str(told)) == ("invalid_blocks", True)
    good = await uploaded("a.png")
    async with httpx.AsyncClient(base_url=ws.base_url) as http:
        assert (await http.get(f"/ui/file/{good}", params={"as": "U0MAYA"})).status_code == 404
        await slack.views_publish(user_id="U0MAYA", view={"type": "home", "blocks": image(good)})
        assert (await http.get(f"/ui/file/{good}", params={"as": "U0MAYA"})).content == b"\x89PNG"
        assert (await http.get(f"/ui/file/{good}", params={"as": "U0OMAR"})).status_code == 404
        await slack.chat_postMessage(channel="C0SUPPORT", text="x", blocks=image(good))
        assert (await http.get(f"/ui/file/{good}", params={"as": "U0OMAR"})).content == b"\x89PNG"
