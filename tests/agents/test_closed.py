"""An owner channel that is archived, or that the bot was taken out of: the owners hear of it at once."""

from __future__ import annotations

from bot.clock import MovedClock
from tests.kit.house import BOT, REGISTRY, town


async def test_owners_are_told_when_their_channel_is_archived_and_a_page_still_finds_a_place(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY)
        t.ws.archive_channel("support-ai")
        await t.settle()
        for who in ("omar", "maya"):
            told = t.ws.dm(who)[-1]["text"]
            assert told.startswith("#support-ai was archived. It is the channel of Support triage, for which you answer.")
            assert "Calls reach people as before." in told
        assert not any("was archived" in message["text"] for message in t.ws.dm("lea"))
        await t.post(t.event("run", "r1", status="failed"))
        await t.settle()
        assert any("You are called as operations owner" in message["text"] for message in t.ws.dm("omar"))
        t.ws.archive_channel("support-ai", back=True)
        t.ws.leave(BOT, "support-ai")
        await t.move(seconds=1)
        assert any(message["text"].startswith("#support-ai no longer has me in it.") for message in t.ws.dm("omar"))
