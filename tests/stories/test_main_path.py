"""The main path, as people live it: named owners, a page, thumbs, an incident, the morning summary, status."""

from __future__ import annotations

from bot.clock import MovedClock
from tests.kit.house import town


def find(messages: list[dict], words: str) -> dict:
    found = [each for each in messages if words in each["text"] or words in str(each.get("blocks"))]
    assert found, f"nothing says {words!r} among {[each['text'] for each in messages]}"
    return found[-1]


async def test_a_failed_run_pages_the_owner_and_then_the_backup_until_somebody_acknowledges(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        assert find(t.ws.dm("omar"), "operations owner")
        answer = await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
        assert answer == {"accepted": 1, "duplicates": 0, "refused": []}
        await t.settle()
        page = find(t.ws.messages("support-ai"), "paging.take")
        assert find(t.ws.dm("omar"), "the index is gone")
        assert not [m for m in t.ws.dm("lea") if "the index is gone" in str(m)]
        await t.move(minutes=11)
        assert find(t.ws.dm("lea"), "the index is gone")
        await t.ws.press("lea", t.ws.im("lea"), find(t.ws.dm("lea"), "the index is gone")["ts"], "paging.acknowledge")
        await t.settle()
        calls = len(t.ws.dm("maya"))
        await t.move(hours=2)
        assert len(t.ws.dm("maya")) == calls
        assert "Lea" in str(t.ws.message("support-ai", page["ts"]))
