"""Trouble on demand and Slack's pace: refusals, cut connections, lost answers, outages, rate limits."""

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import Limits, Workspace
from tests.workspace.conftest import MovableClock, button


async def refused(call: Any) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def test_a_connection_can_be_cut_before_and_after_the_effect(ws: Workspace, slack: AsyncWebClient) -> None:
    ws.faults.add("drop_before", method="chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await slack.chat_postMessage(channel="C0SUPPORT", text="never there")
    ws.faults.add("drop_after", method="chat.*")
    with pytest.raises(aiohttp.ClientError):
        await slack.chat_postMessage(channel="C0SUPPORT", text="there")
    await slack.chat_postMessage(channel="C0SUPPORT", text="again")
    assert [m["text"] for m in ws.messages("support")] == ["there", "again"]
    assert [call.fault for call in ws.called("chat.postMessage")] == ["drop_before", "drop_after", ""]


async def test_an_answer_can_be_lost_after_the_effect(ws: Workspace, slack: AsyncWebClient) -> None:
    ws.faults.add("lose_answer", method="chat.postMessage", skip=1)
    await slack.chat_postMessage(channel="C0SUPPORT", text="one")
    assert (await refused(slack.chat_postMessage(channel="C0SUPPORT", text="two"))).status_code == 500
    assert len(ws.messages("support")) == 2


async def test_a_status_lasts_for_its_number_of_calls_or_its_time(
    ws: Workspace, slack: AsyncWebClient, clock: MovableClock
) -> None:
    ws.faults.add("status", status=429, retry_after=7, times=2)
    assert [(await refused(slack.auth_test())).headers["retry-after"] for _ in range(2)] == ["7", "7"]
    await slack.auth_test()
    ws.faults.add("status", status=503, times=None, seconds=60)
    assert (await refused(slack.auth_test())).status_code == 503
    clock.forward(seconds=61)
    await slack.auth_test()


async def test_blocks_can_be_refused_while_plain_words_pass(ws: Workspace, slack: AsyncWebClient) -> None:
    ws.faults.add("refuse_blocks", times=None)
    blocks = [{"type": "actions", "elements": [button()]}]
    answer = await refused(slack.chat_postMessage(channel="C0SUPPORT", text="x", blocks=blocks))
    assert answer["error"] == "invalid_blocks"
    await slack.chat_postMessage(channel="C0SUPPORT", text="x")


async def test_faults_are_armed_over_loopback_too(ws: Workspace, slack: AsyncWebClient) -> None:
    async with aiohttp.ClientSession() as session:
        async def order(**what: Any) -> Any:
            async with session.post(f"{ws.base_url}/faults", json=what) as answer:
                return await answer.json()

        assert (await order(outage=True))["outage"] is True
        assert (await refused(slack.auth_test())).status_code == 503
        await order(outage=False, add=[{"kind": "error", "error": "fatal_error", "method": "auth.test"}])
        assert (await refused(slack.auth_test()))["error"] == "fatal_error"
        assert (await order(add=[{"kind": "earthquake"}]))["ok"] is False
        await order(revoke="xoxb-watch")
        assert (await refused(slack.auth_test()))["error"] == "token_revoked"


async def test_a_share_of_calls_is_hit_the_same_way_for_the_same_seed(ws: Workspace) -> None:
    def run(seed: int) -> list[bool]:
        fault = ws.faults.add("status", times=None, share=0.3, seed=seed)
        return [fault.strikes("auth.test", {}) for _ in range(200)]

    assert run(7) == run(7)
    assert run(7) != run(8)
    assert 30 < sum(run(7)) < 90


async def test_posts_are_paced_by_channel_and_methods_by_minute(
    ws: Workspace, slack: AsyncWebClient, clock: MovableClock
) -> None:
    ws.limits = Limits.slack()
    ws.add_channel("other", ["U0WATCH"], id="C0OTHER")
    for _ in range(3):
        await slack.chat_postMessage(channel="C0SUPPORT", text="burst")
    late = await refused(slack.chat_postMessage(channel="C0SUPPORT", text="too much"))
    assert (late["error"], late.status_code, late.headers["retry-after"]) == ("ratelimited", 429, "1")
    await slack.chat_postMessage(channel="C0OTHER", text="another channel")
    clock.forward(seconds=1)
    await slack.chat_postMessage(channel="C0SUPPORT", text="a second later")
    for _ in range(20):
        await slack.conversations_list()
    assert (await refused(slack.conversations_list())).headers["retry-after"] == "60"
    clock.forward(seconds=60)
    await slack.conversations_list()
