"""A whole incident, as people live it: from the failing check to a follow-up that did not hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.tables import Decision, FollowUp, Incident, IncidentItem, OutMessage, TimelineEntry
from tests.kit.house import Town, town

SAID = {"confirm": "done {}", "choose": "done {} prompt", "decision": "done {} the old index was served"}


async def root(t: Town, number: int = 1) -> str:
    row = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == f"incident:{number}")).one())
    return str(row.ts)


async def say(t: Town, who: str, words: str, number: int = 1) -> str:
    """Somebody mentions the bot in the thread; what they alone are told."""
    before = len(t.ws.ephemerals(who))
    await t.ws.say(who, "support-ai", f"<@U0AIOPS> {words}", thread_ts=await root(t, number))
    await t.settle()
    told = t.ws.ephemerals(who)[before:]
    return str(told[-1]["text"]) if told else ""


async def incident(t: Town, number: int = 1) -> Incident:
    return await t.read(lambda tx: tx.get_one(Incident, number))


async def fails_and_is_opened(t: Town, run: str) -> None:
    await t.post(t.event("run", run, status="failed", error="the index is gone"))
    await t.settle()
    page = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key.like("page:%:channel")).order_by(OutMessage.id.desc())).first())
    number = page.key.split(":")[1]
    await t.ws.press("omar", "support-ai", page.ts, "surface.menu", f"incidents.open page:{number}")
    await t.settle()


async def all_done(t: Town, number: int = 1) -> None:
    for item in await t.read(lambda tx: list(tx.scalars(select(IncidentItem).where(IncidentItem.incident_id == number, IncidentItem.required, IncidentItem.state == "open").order_by(IncidentItem.position)))):
        await say(t, "omar", SAID[item.kind].format(item.position + 1), number)


async def close(t: Town, number: int = 1, **values: Any) -> None:
    await t.ws.press("omar", "support-ai", await root(t, number), "incidents.close")
    await t.settle()
    if t.ws.views("omar"):
        await t.ws.submit("omar", t.ws.views("omar")[-1], values)
        await t.settle()


async def test_from_a_failing_check_to_a_follow_up_that_did_not_hold(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("output", "o1", text="It costs 9 euros."))
        await t.settle()
        posted = t.ws.messages("support-ai")[-1]
        # The check fails, a page calls, an incident is opened from it.
        await fails_and_is_opened(t, "r1")
        await t.post(t.event("output", "o2", text="It costs 10 euros."))
        await t.settle()
        bad = t.ws.messages("support-ai")[-1]
        assert bad["ts"] != posted["ts"]
        output = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.ts == bad["ts"])).one().key.split(":")[1])
        await t.ws.press("dana", "support-ai", bad["ts"], "feedback.thumb", f"output:{output}:bad")
        await t.settle()
        # Closing is refused, and says why.
        told = await say(t, "omar", "close")
        assert "required steps are neither done nor waived" in told
        assert "A check still fails" in told
        assert "There is no follow-up yet" in told
        # A message with a pushpin joins the timeline.
        written = await t.ws.say("lea", "support-ai", "The vendor moved the index", thread_ts=await root(t))
        await t.ws.react("dana", "support-ai", written["ts"], "pushpin")
        await t.settle()
        assert "marked what Lea Khoury wrote: The vendor moved the index" in await timeline(t)
        await t.move(minutes=20)
        await all_done(t)
        await t.post(t.event("run", "r2", status="ok"))
        await t.settle()
        assert await say(t, "omar", "followup <@U0LEA> test every index before it is served") == "Follow-up 1 is on Lea Khoury's list."
        assert "can be closed" in await say(t, "omar", "close")
        await close(t)
        assert (await incident(t)).state == "closed"
        # The review is a file in the thread.
        await say(t, "maya", "review")
        file = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.kind == "file")).one())
        assert file.state == "shown", file.error
        assert "MTTR" in file.want["content"]
        # It is on Lea's list; she closes it with what shows it, and who had reported the output hears of it.
        await t.ws.command("lea", "support-ai", "/aiops", "mine")
        await t.settle()
        assert "test every index before it is served" in str(t.ws.ephemerals("lea")[-1])
        await t.ws.press("lea", "support-ai", str(await line(t, "incident:1:follow-up:1")), "followups.done")
        await t.settle()
        assert t.ws.views("lea"), t.ws.ephemerals("lea")[-1]["text"]
        await t.ws.submit("lea", t.ws.views("lea")[-1], {"evidence": "https://example.com/test", "version": "prompt v14"})
        await t.settle()
        assert "fixed in prompt v14" in str(t.ws.dm("dana")[-1]["text"])
        # It fails again within 90 days: the new thread says so, and the follow-up is open again.
        await t.move(days=40)
        await fails_and_is_opened(t, "r3")
        second = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == "incident:2")).one())
        assert "This happened before" in second.want["text"]
        row = await t.read(lambda tx: tx.scalars(select(FollowUp)).one())
        assert (row.closed_at, row.turns, row.reopened_for) == (None, 1, 2)


async def timeline(t: Town) -> list[str]:
    return await t.read(lambda tx: list(tx.scalars(select(TimelineEntry.words).order_by(TimelineEntry.id))))


async def line(t: Town, key: str) -> str:
    return await t.read(lambda tx: str(tx.scalars(select(OutMessage.ts).where(OutMessage.key == key)).one()))


async def test_two_hundred_people_press_the_same_steps_and_each_has_one_effect(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        with t.ws.quietly():
            for number in range(200):
                t.ws.add_person(f"p{number}", f"Person {number}", id=f"U1P{number}", email=f"p{number}@example.com", tz="UTC")
        await t.house.read_directory(clock.now())
        await fails_and_is_opened(t, "r1")
        checklist = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == "incident:1:checklist")).one())
        answers = []
        for first in range(0, 200, 40):
            pressing = [t.ws.press(f"p{number}", "support-ai", checklist.ts, "incidents.done", f"item:{1 + number % 2}", stale=t.ws.message("support-ai", checklist.ts)) for number in range(first, first + 40)]
            answers += await asyncio.gather(*pressing)
        assert all(answer.ok for answer in answers)
        await t.settle()
        done = await t.read(lambda tx: tx.scalar(select(func.count()).select_from(Decision).where(Decision.action == "incident.done")))
        assert done == 2
        told = await t.read(lambda tx: [item.state for item in tx.scalars(select(IncidentItem).order_by(IncidentItem.position))][:3])
        assert told == ["done", "done", "open"]
        assert str(t.ws.message("support-ai", checklist.ts)["blocks"]).count("_done by Person") == 2


@pytest.mark.parametrize("what", ["the root is deleted", "the channel is archived"])
async def test_an_incident_goes_on_when(database_url: str, clock: MovedClock, what: str) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await fails_and_is_opened(t, "r1")
        before = await root(t)
        if what == "the root is deleted":
            await t.ws.delete("support-ai", before)
        else:
            t.ws.archive_channel("support-ai")
        await t.settle()
        item = await t.read(lambda tx: tx.scalars(select(IncidentItem).order_by(IncidentItem.position)).first())
        # From the list in the lead's own messages it can still be worked on.
        await t.ws.command("omar", t.ws.im("omar"), "/aiops", "mine")
        await t.settle()
        note = t.ws.ephemerals("omar")[-1]
        await t.ws.press("omar", t.ws.im("omar"), note["ts"], "incidents.done", f"item:{item.id}")
        for _ in range(4):
            await t.move(minutes=1)
        state = await t.read(lambda tx: tx.get_one(IncidentItem, item.id).state)
        assert state == "done"
        row = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == "incident:1")).one())
        assert row.state == "shown", (row.state, row.error)
        assert "1 of 10 steps settled" in str(row.want["text"])
        if what == "the root is deleted":
            assert row.ts != before
        else:
            assert row.channel != "C0SUPPORT"
