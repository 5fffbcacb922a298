"""Rating without Slack: one person's own page for one output."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import select

from bot.clock import MovedClock
from bot.tables import Vote
from tests.kit.house import town


async def test_a_link_belongs_to_one_person_and_counts_as_one_vote_beside_their_button(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("output", "o1", kind="reply", text="Routed to Billing"))
        await t.settle()
        told = await t.job("link", agent="support-triage", output="o1", person="dana@example.com")
        path = urlsplit(told[0]["text"]).path
        page = await t.http.get(path)
        assert page.status_code == 200
        assert "Routed to Billing" in page.text
        assert await t.read(lambda tx: tx.scalars(select(Vote)).all()) == []  # opening it changes nothing
        sent = await t.http.post(path, data={"thumb": "bad"})
        assert sent.status_code == 200
        votes = await t.read(lambda tx: tx.scalars(select(Vote)).all())
        assert [(vote.surface, vote.good) for vote in votes] == [("link", False)]
        assert (await t.http.get(path[:-2] + "xx")).status_code in (400, 403, 404, 410)


async def test_a_link_for_nobody_or_nothing_is_refused_with_the_reason(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        assert "no output" in (await t.job("link", agent="support-triage", output="o9", person="U0DANA"))[0]["error"]
        await t.post(t.event("output", "o1", kind="reply", text="x"))
        assert "Nobody is known" in (await t.job("link", agent="support-triage", output="o1", person="U0NOBODY"))[0]["error"]
