"""The review where the app may not share files: the same words, as text in the thread, and nothing untrue about a file."""

from __future__ import annotations

from sqlalchemy import select

from bot.clock import MovedClock
from bot.outbox.as_text import BLOCKS, MOST, PART, parts_of
from bot.tables import OutMessage
from tests.incidents.test_story import fails_and_is_opened, root, say
from tests.kit.house import town


async def test_where_files_are_not_allowed_the_review_comes_as_text_and_nobody_is_told_of_a_file(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await fails_and_is_opened(t, "r1")
        t.ws.faults.add("error", method="files.getUploadURLExternal", error="missing_scope", times=None)
        told = await say(t, "omar", "review")
        assert "goes into its thread now as a file (or as text, where this app may not share files)" in told
        row = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.kind == "file")).one())
        assert (row.state, "missing_scope" in str(row.error)) == ("failed", True)
        thread = t.ws.thread("support-ai", await root(t))
        texts = [message for message in thread if "as text" in message["text"]]
        assert "`files:write` was not granted" in str(texts[0]["blocks"])
        assert "# Incident 1" in str(texts[0]["blocks"])
        assert "## Timeline" in str([message["blocks"] for message in texts])
        # The second time it is known beforehand.
        assert "is in its thread already, as text" in await say(t, "maya", "review")
        await say(t, "omar", "note the vendor was told")
        assert "goes into its thread now as text" in await say(t, "maya", "review")


def test_a_long_text_is_cut_between_lines_and_loses_nothing_before_the_end() -> None:
    text = "\n".join(f"line {number} " + "x" * (number % 90) for number in range(2000))
    parts = parts_of(text)
    assert "\n".join(parts) == text
    assert max(map(len, parts)) <= PART
    assert "".join(parts_of("y" * 6000)) == "y" * 6000
    assert parts_of("\n") == ["(it is empty)"]
    assert BLOCKS * MOST * PART > 100_000
