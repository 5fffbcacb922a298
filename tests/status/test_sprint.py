"""Who really got better: told in Slack, to programs, at the command line and in the summary that opens a fortnight."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise

import pytest

from bot.clock import MovedClock
from bot.digests.rules import opens_fortnight
from bot.feedback.flows import RatingIn, rate_many
from bot.quality.flows import mark_dirty
from bot.quality.sprinting import digest_line, sprint_of_agents
from bot.tables import Agent
from tests.feedback.scene import make_output
from tests.kit.house import REGISTRY, Town, town
from tests.quality.test_weights import closed_sum

TWO = REGISTRY + """
  refunds:
    name: Refunds
    owners: {business: maya@example.com, operations: U0OMAR}
    channel: "#support-ai"
  quiet-one:
    name: Quiet one
    owners: {business: maya@example.com, operations: U0OMAR}
    channel: "#support-ai"
"""


async def judged(t: Town, slug: str, back: int, good: int, n: int) -> None:
    """`n` outputs of that many days ago, judged by six people in turn."""

    def work(tx) -> None:  # type: ignore[no-untyped-def]
        agent, now = tx.query(Agent).filter_by(slug=slug).one(), t.clock.now()
        at = now - timedelta(days=back)
        given = [RatingIn(agent.id, make_output(tx, agent, at).id, f"p{number % 6}@example.com", number < good, None, None, None, at) for number in range(n)]
        rate_many(tx, now, given, live=False)
        mark_dirty(tx, now, [agent.id])

    await t.write(work)


async def test_who_got_better_is_told_with_its_probability_and_too_little_is_said_to_be_too_little(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(TWO)
        for slug, back, good, n in (("support-triage", 3, 55, 60), ("support-triage", 17, 42, 60), ("support-triage", 95, 40, 40), ("refunds", 2, 20, 40), ("refunds", 20, 36, 40), ("quiet-one", 1, 3, 3)):
            await judged(t, slug, back, good, n)
        await t.settle()
        await t.ws.command("omar", "support-ai", "/aiops", "sprint")
        await t.settle()
        said = t.ws.ephemerals("omar")[-1]["text"]
        assert "Against two weeks ago: 1 better, 1 worse, 1 with too little to say" in said
        assert "Against a quarter ago: 1 worse, 2 with too little to say" in said or "Against a quarter ago: 1 with no clear change, 2 with too little to say" in said
        assert "Better: Support triage, better than two weeks ago: 92% of 60 now, 70% of 60 then" in said
        assert "Worse: Refunds, worse than two weeks ago: 50% of 40 now, 90% of 40 then" in said
        await t.ws.command("omar", "support-ai", "/aiops", "sprint quiet")
        await t.settle()
        assert "Too little to compare with two weeks ago: 3 judged now and 0 then, 10 each are needed" in t.ws.ephemerals("omar")[-1]["text"]
        await t.ws.command("gina", "support-ai", "/aiops", "sprint")
        await t.settle()
        assert "Against two weeks ago" not in t.ws.ephemerals("gina")[-1]["text"]

        headers = {"Authorization": f"Bearer {t.token}"}
        told = (await t.http.get("/v1/sprint", headers=headers)).json()
        assert told["counts"]["fortnight"] == {"better": 1, "worse": 1, "no clear change": 0, "too little to say": 1}
        better = told["better"][0]
        assert (better["id"], better["fortnight"]["now"]["n"], better["fortnight"]["then"]["n"]) == ("support-triage", 60, 60)
        assert better["fortnight"]["probability"] == pytest.approx(closed_sum(55, 60, 42, 60), abs=1e-4)
        assert better["quarter"]["probability"] == pytest.approx(closed_sum(55, 60, 40, 40), abs=1e-4)
        one = (await t.http.get("/v1/agents/quiet-one", headers=headers)).json()["quality_behind"]["sprint"]["fortnight"]
        assert (one["change"], one["now"]["share"], one["now"]["n"]) == ("too little to say", None, 3)
        assert (await t.http.get("/v1/sprint")).status_code == 401

        lines = await t.job("sprint", what="refunds")
        assert re.search(r"Worse than two weeks ago: .* really worse with over 99% probability", lines[0]["text"])
        assert (await t.job("sprint", what="nobody"))[0]["exit"] == 2
        line = await t.read(lambda tx: digest_line(sprint_of_agents(tx, [1, 2, 3])))
        assert line.startswith("Better every sprint? Against two weeks ago, 1 better, 1 worse, 1 with too little to say (better: Support triage; worse: Refunds)")


def test_a_fortnight_opens_once() -> None:
    week = frozenset(range(5))
    days = [date(2026, 11, 2) + timedelta(days=number) for number in range(56) if number % 7 < 5]
    opened = [day for last, day in zip([None, *days], days, strict=False) if opens_fortnight(day, last, week)]
    assert all((later - earlier).days == 14 for earlier, later in pairwise(opened[1:]))
    assert len(opened) in (4, 5)
    assert {day.weekday() for day in opened} == {0}
