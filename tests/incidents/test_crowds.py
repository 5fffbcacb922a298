"""Many at once: a thread of five hundred messages, notes of ten thousand characters, two hundred people at one request."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.incidents.marks import marked
from bot.incidents.reading import timeline_of
from bot.incidents.review_words import review_text
from bot.incidents.reviewing import review_of
from bot.tables import Decision, Incident, MarkedMessage, OutMessage, Request, TimelineEntry
from tests.incidents.test_story import fails_and_is_opened, root, say
from tests.kit.house import REGISTRY, Town, town

MANY = 500


async def test_five_hundred_marked_messages_are_read_in_a_few_questions_and_everything_stays_within_limits(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await fails_and_is_opened(t, "r1")
        thread, marks = await root(t), list[str]()
        with t.ws.quietly():
            for number in range(MANY):
                written = await t.ws.say("lea", "support-ai", f"We saw {number}", thread_ts=thread, settle=False)
                marks.append(str(written["ts"]))
        await t.write(lambda tx: [marked(tx, {"reaction": "pushpin", "user": "U0DANA", "item": {"type": "message", "channel": "C0SUPPORT", "ts": ts}}, clock.now()) for ts in marks] and None)
        before = asked(t)
        t.ws.faults.add("status", method="conversations.replies", status=429, retry_after=30, times=1)
        await t.settle()
        assert await marks_left(t) == MANY  # Slack asked for a pause, and no try is lost by it
        await t.move(seconds=31)
        assert await marks_left(t) == 0
        assert await t.read(lambda tx: tx.scalar(select(func.max(MarkedMessage.tries)))) == 0
        assert await t.read(lambda tx: tx.scalar(select(func.count()).where(TimelineEntry.kind == "marked"))) == MANY
        assert asked(t) - before <= 5  # one refused, three pages
        # A note of ten thousand characters is kept whole, and shown as far as a message may be long.
        note = "The vendor wrote: " + "x" * 9_900 + " and that is all"
        assert "Noted on the timeline" in await say(t, "omar", f"note {note}")
        await say(t, "omar", f"update {note}")
        await say(t, "omar", f"done 1 {note}")
        told: list[Any] = await t.read(lambda tx: timeline_of(tx, 1))
        assert any(words.endswith("and that is all") for _, words in told)
        text = await t.read(lambda tx: review_text(review_of(tx, tx.get_one(Incident, 1))))
        assert text.count("marked what Lea Khoury wrote") == MANY
        assert text.count("and that is all") >= 2
        await say(t, "omar", "review")
        await t.ws.command("omar", "support-ai", "/aiops", "incident 1")
        await t.settle()
        assert "entries left out" in str(t.ws.ephemerals("omar")[-1])
        rows = await t.read(lambda tx: list(tx.scalars(select(OutMessage).where(OutMessage.key.like("incident:1%")))))
        assert {row.state for row in rows} == {"shown"}, [(row.key, row.error) for row in rows if row.state != "shown"]
        assert not any(row.plain for row in rows)  # Slack took every layout


def asked(t: Town) -> int:
    return sum(call.method == "conversations.replies" for call in t.ws.calls)


async def marks_left(t: Town) -> int:
    return int(await t.read(lambda tx: tx.scalar(select(func.count()).where(MarkedMessage.due_at.is_not(None)))) or 0)


async def test_two_hundred_people_claim_and_approve_the_same_requests_and_each_has_one_effect(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        with t.ws.quietly():
            for number in range(200):
                t.ws.add_person(f"p{number}", f"Person {number}", id=f"U1P{number}", email=f"p{number}@example.com", tz="UTC")
                t.ws.join(f"U1P{number}", "C0SUPPORT")
            t.ws.add_group("crowd", [f"U1P{number}" for number in range(200)])
        await t.house.read_directory(clock.now())
        await t.apply(REGISTRY.replace("    outputs: {post: all}", '    outputs: {post: all}\n    handoffs: {sla: 30m}\n    approvals: {by: ["@crowd"], sla: 30m}'))
        action = {"name": "refund.create", "on": "order/1", "params": {"amount": 120}}
        await t.post(t.event("request", "h1", kind="handoff", title="A customer wants a person"), t.event("request", "q1", kind="approval", title="Refund 120 EUR", action=action))
        await t.settle()
        ids = {row.ext_id: row.id for row in await t.read(lambda tx: list(tx.scalars(select(Request))))}
        places = {name: str(await t.read(lambda tx, name=name: tx.scalars(select(OutMessage.ts).where(OutMessage.key == f"request:{ids[name]}")).one())) for name in ids}  # type: ignore[misc]
        shown = {name: t.ws.message("support-ai", ts) for name, ts in places.items()}
        answers = []
        for first in range(0, 200, 40):
            pressing = []
            for number in range(first, first + 40):
                name, act = (("h1", "claim"), ("q1", "approve"))[number % 2]
                pressing.append(t.ws.press(f"p{number}", "support-ai", places[name], f"requests.{act}", f"request:{ids[name]}", stale=shown[name]))
            answers += await asyncio.gather(*pressing)
        assert all(answer.ok for answer in answers)
        await t.settle()
        counted = dict(await t.read(lambda tx: tx.execute(select(Decision.action, func.count()).where(Decision.action.like("request.%")).group_by(Decision.action)).all()))
        assert counted == {"request.ask": 2, "request.claim": 1, "request.approved": 1}
        # Each of the others was told whose it is, and the messages show the last state.
        told = [note["text"] for number in range(200) for note in t.ws.ephemerals(f"p{number}")]
        assert len(told) == 198
        assert "has it since" in str(t.ws.message("support-ai", places["h1"])["blocks"])
        assert "approved it" in str(t.ws.message("support-ai", places["q1"])["blocks"])
