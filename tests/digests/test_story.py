"""A digest's whole way: from events over HTTP to the channel, a press on `Reviewed`, and the lists beside it."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.clock import MovedClock
from tests.kit.house import town


async def test_yesterdays_work_is_summed_up_in_the_channel_and_marked_with_a_press(database_url: str) -> None:
    clock = MovedClock(datetime(2026, 11, 19, 10, 0, tzinfo=UTC))
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("run", "r1", status="ok"), t.event("output", "o1", run="r1", kind="reply", text="Refunds take five days."))
        await t.settle()
        await t.move(hours=22)  # Friday, 09:00 in Paris
        (digest,) = [message for message in t.ws.messages("support-ai") if "Daily health" in str(message.get("blocks"))]
        assert "1 output (none judged yet)" in str(digest["blocks"])
        assert "Refunds take five days." in str(t.ws.thread("support-ai", digest["ts"]))
        await t.ws.press("dana", "support-ai", digest["ts"], "digests.reviewed")
        await t.settle()
        assert "To review: Omar Nassar (1 agent)" in str(t.ws.message("support-ai", digest["ts"])["blocks"])
        await t.ws.press("omar", "support-ai", digest["ts"], "digests.reviewed")
        await t.settle()
        said = str(t.ws.message("support-ai", digest["ts"])["blocks"])
        assert "Reviewed by Omar Nassar." in said
        assert "digests.reviewed" not in said
        lists = [message for message in t.ws.messages(t.ws.im("omar")) if "Your list" in message["text"]]
        assert len(lists) == 1
        assert "Done: Look at the summary of Fri 20 Nov in #support-ai" in str(lists[0]["blocks"])
        fleet = [message for message in t.ws.messages(t.ws.im("hala")) if "Fleet of 1 agent" in message["text"]]
        assert len(fleet) == 1
        await t.move(hours=5)
        assert len([message for message in t.ws.messages("support-ai") if "Daily health" in str(message.get("blocks"))]) == 1
