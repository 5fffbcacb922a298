"""Thumbs as people live them, against the Slack-like workspace: pressed, explained, told more, taken back, rated by shortcut and emoji."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.clock import MovedClock
from bot.quality import reading
from bot.tables import Agent, Output, Vote
from tests.kit.house import REGISTRY, Town, town

WITH_REACTIONS = REGISTRY.replace("outputs: {post: all}", "outputs: {post: all}\n    reactions: {good: [tada], bad: [poop]}")


def said(town: Town, words: str) -> dict[str, Any]:
    return next(each for each in reversed(town.ws.messages("support-ai")) if words in str(each.get("blocks")) or words in each["text"])


async def vote(town: Town) -> Vote | None:
    return await town.read(lambda tx: tx.scalars(select(Vote).order_by(Vote.voted_at.desc(), Vote.id.desc())).first())


async def test_a_thumbs_down_with_a_reason_and_a_correction_moves_the_score(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(WITH_REACTIONS)
        text = "Refunds take five days. <!channel>"
        assert (await t.post(t.event("output", "o1", kind="reply", text=text)))["accepted"] == 1
        await t.settle()
        shown = said(t, "Refunds take five days. &lt;!channel&gt;")
        assert "Not rated yet" in str(shown["blocks"])

        await t.ws.press("lea", "support-ai", shown["ts"], "feedback.thumb", "output:1:bad")
        await t.settle()
        note = t.ws.ephemerals("lea")[-1]
        assert note["text"].startswith("Noted as bad; it counts.")
        await t.ws.press("lea", "support-ai", note["ts"], "feedback.reason.outdated")
        await t.settle()
        note = t.ws.ephemerals("lea")[-1]
        assert note["text"] == "Noted as bad: outdated. Thank you."
        await t.ws.press("lea", "support-ai", note["ts"], "feedback.tell")
        await t.settle()
        await t.ws.submit("lea", t.ws.views("lea")[-1], {"correction": "Three days since May.", "may_ask": ["yes"]})
        await t.settle()
        found = await vote(t)
        assert found is not None
        assert (found.good, found.reason, found.correction, found.may_ask) == (False, "outdated", "Three days since May.", True)
        assert "1 rated" in str(t.ws.message("support-ai", shown["ts"])["blocks"])

        day = "2026-11-20"
        agent_id = await t.read(lambda tx: tx.scalars(select(Agent.id)).one())
        assert (await t.read(lambda tx: reading.score(tx, agent_id, day, day, "people"))).share == 0.0
        await t.ws.press("omar", "support-ai", shown["ts"], "feedback.thumb", "output:1:good")
        await t.settle()
        assert (await t.read(lambda tx: reading.score(tx, agent_id, day, day, "people"))).share == 0.5
        now = await t.read(lambda tx: reading.now_of(tx, agent_id))
        assert now is not None
        assert (now.verdict, now.n, now.why.split(",")[0]) == ("learning", 1, "1 of 30 judgements")

        note = t.ws.ephemerals("lea")[-1]
        await t.ws.press("lea", "support-ai", note["ts"], "feedback.take_back")
        await t.settle()
        assert t.ws.ephemerals("lea")[-1]["text"] == "Your vote is taken back and no longer counts."
        assert "1 rated" in str(t.ws.message("support-ai", shown["ts"])["blocks"])
        for who in ("gina", "zoe"):
            await t.ws.press(who, "support-ai", shown["ts"], "feedback.thumb", "output:1:bad")
            await t.settle()
            assert t.ws.ephemerals(who)[-1]["text"] == "Ratings come from full members of this workspace."
        assert (await t.read(lambda tx: reading.score(tx, agent_id, day, day, "people"))).share == 1.0


async def test_the_shortcut_and_an_emoji_rate_the_same_output_and_a_persons_message_is_none(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(WITH_REACTIONS)
        await t.post(t.event("output", "o1", kind="reply", text="Refunds take five days."))
        await t.settle()
        shown = said(t, "Refunds take five days.")
        await t.ws.shortcut("dana", "feedback.rate", "support-ai", shown["ts"])
        await t.settle()
        form = t.ws.views("dana")[-1]
        await t.ws.submit("dana", form, {"thumb": "bad", "reason": "tone"})
        found = await vote(t)
        assert found is not None
        assert (found.good, found.reason, found.surface) == (False, "tone", "shortcut")
        clock.move(timedelta(seconds=5))
        await t.ws.react("dana", "support-ai", shown["ts"], "tada")
        await t.settle()
        agent_id = await t.read(lambda tx: tx.scalars(select(Agent.id)).one())
        assert (await t.read(lambda tx: reading.score(tx, agent_id, "2026-11-20", "2026-11-20", "people"))).share == 1.0
        clock.move(timedelta(seconds=5))
        await t.ws.react("dana", "support-ai", shown["ts"], "tada", remove=True)
        await t.settle()
        assert (await t.read(lambda tx: reading.score(tx, agent_id, "2026-11-20", "2026-11-20", "people"))).share == 0.0
        words = await t.ws.say("maya", "support-ai", "I would say three days.")
        await t.ws.shortcut("dana", "feedback.rate", "support-ai", words["ts"])
        await t.settle()
        assert t.ws.ephemerals("dana")[-1]["text"].startswith("This message is no output that I know of")
        assert len(await t.read(lambda tx: tx.scalars(select(Output)).all())) == 1

