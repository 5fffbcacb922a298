"""Words of agents and people, on their whole way to Slack: they ping nobody, break no limit, and lose no message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from bot.clock import MovedClock
from bot.tables import Attempt, OutMessage
from tests.kit.house import REGISTRY, Town, town

NASTY = [
    "<!channel> <!here> <!everyone> <@U0MAYA> <@U0DANA|x> <!subteam^S1> <#C0GENERAL> <https://evil.example|click>",
    "*bold* _it_ ~gone~ `code` ```block``` > quote\n> more & &amp; &lt;!channel&gt; @channel @here",
    "\u202eright to left \u2066\u2069 \u0627\u0644\u0633\u0644\u0627\u0645 😀👩‍👩‍👧 :tada: e\u0301 \u200b",
    "W" * 9000,
    "<" * 4000 + "&" * 4000,
]
PING = re.compile(r"<(!(channel|here|everyone|subteam)|https://evil|@U0DANA)")


def marked(value: Any) -> Iterator[str]:
    """Every text that Slack reads marks in: the top text and mrkdwn, not plain_text."""
    if isinstance(value, dict):
        if value.get("type") != "plain_text" and isinstance(value.get("text"), str):
            yield value["text"]
        for inner in value.values():
            yield from marked(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from marked(inner)


def shown(t: Town) -> Iterator[dict[str, Any]]:
    for where in ("support-ai", "general"):
        for message in t.ws.messages(where):
            yield from t.ws.thread(where, message["ts"])
    for who in ("omar", "lea", "maya", "hala", "dana"):
        yield from t.ws.ephemerals(who)
        for message in t.ws.dm(who):
            yield from t.ws.thread(t.ws.im(who), message["ts"])


@pytest.mark.parametrize("words", NASTY)
async def test_other_peoples_words_ping_nobody_and_lose_no_message(database_url: str, clock: MovedClock, words: str) -> None:
    name = words[:60].replace("\n", " ")
    async with town(database_url, clock) as t:
        registry = REGISTRY.replace("name: Support triage", f"name: {quoted(name)}").replace('"tickets wait"', quoted(words[:200]))
        await t.apply(registry.replace("stage: autonomous", "stage: autonomous\n    reviews: {reviewers: [U0DANA]}"))
        told = await t.post(
            t.event("output", "o1", text=words, kind=name[:32].strip()), t.event("output", "o2", text=words, run="r1"),
            t.event("rating", "v1", output="o1", person="U0LEA", good=False, reason=words[:60].strip(), comment=words[:3000], correction=words[:3000]),
            t.event("change", "c1", input=name[:60].strip(), version=name[:60].strip(), note=words[:900]),
        )  # fmt: skip
        assert not told["refused"]
        await t.settle()
        assert (await t.post(t.event("run", "r1", status="failed", error=words[:1900], version=name[:60].strip())))["accepted"] == 1
        await t.settle()
        for said in ("status", "status support-triage", "agent support-triage", "mine", "page", "incident", "incident 1", f"status {words[:300]}", words[:300], f"agent {words[:300]}", f"incident open support-triage {words[:2000]}"):
            assert (await t.ws.command("omar", "support-ai", "/aiops", said)).ok
        await t.settle()
        await t.move(days=3)
        await t.move(minutes=20)
        everything = list(shown(t))
        assert len(everything) > 20
        for message in everything:
            assert not [text for text in marked(message) if PING.search(text)], message
        kept = await t.read(lambda tx: [(row.key, row.state, row.error) for row in tx.scalars(select(OutMessage).where(OutMessage.state != "shown"))])
        assert not kept
        refused = await t.read(lambda tx: [row.detail for row in tx.scalars(select(Attempt).where(Attempt.detail.is_not(None)))])
        assert not refused  # no layout was turned away


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
