"""Hand-offs against their plan: too many and too few are both told, by the check, in status, in the digest and on `/aiops requests`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from bot.checks.kinds.handoff_rate import HandoffFacts, HandoffRateSpec, judge
from bot.clock import MovedClock
from bot.tables import Problem
from tests.kit.house import REGISTRY, Town, town

SPEC = HandoffRateSpec()


@pytest.mark.parametrize(
    ("handed", "runs", "plan", "says"),
    [
        (70, 200, None, "it hands over more than planned"),
        (40, 200, None, "It hands over as planned"),
        (2, 200, None, "it hands over less than planned"),
        (2, 200, 0.02, "It hands over as planned"),
        (0, 200, 0.0, "It hands over as planned"),
        (9, 12, None, "Too few runs"),
        (400, 200, 0.5, "it hands over more than planned"),
    ],
)
def test_what_it_says(handed: int, runs: int, plan: float | None, says: str, clock: MovedClock) -> None:
    assert judge(HandoffFacts(handed, runs, plan), SPEC, clock.now()).title == says


def test_the_checks_own_plan_comes_before_the_agents_and_too_few_can_be_turned_off(clock: MovedClock) -> None:
    facts = HandoffFacts(2, 200, 0.2)
    assert judge(facts, HandoffRateSpec(plan=0.02), clock.now()).state == "ok"
    assert judge(facts, HandoffRateSpec(at_least=0.0), clock.now()).state == "ok"
    with pytest.raises(ValidationError, match="exchange them"):
        HandoffRateSpec(plan=0.1, at_least=0.2)


async def reports(t: Town, day: str, runs: int, handed: int) -> None:
    await t.post(*(t.event("run", f"{day}-r{n}", status="ok") for n in range(runs)))
    await t.post(*(t.event("request", f"{day}-h{n}", kind="handoff", title="A customer wants a person") for n in range(handed)))
    await t.settle()


async def test_too_many_and_later_too_few_are_told_everywhere(database_url: str, clock: MovedClock) -> None:
    entry = """    checks:
      handoffs: {kind: handoff_rate}
    handoffs: {sla: 30d, plan: 20%}
    outputs: {post: none}"""
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY.replace('    outputs: {post: all}\n    checks:\n      runs: {kind: run_failed, why: "tickets wait"}', entry))
        await reports(t, "a", 60, 30)
        await t.move(minutes=16)

        async def titles() -> list[tuple[str, bool]]:
            return await t.read(lambda tx: [(row.title, row.closed_at is None) for row in tx.scalars(select(Problem).order_by(Problem.id))])

        assert await titles() == [("it hands over more than planned", True)]
        for words in ("status support-triage", "requests support-triage"):
            await t.ws.command("omar", "support-ai", "/aiops", words)
            await t.settle()
            assert "handed over 50% of 60 runs in 7 days, planned 20%: too many, people do its work" in str(t.ws.ephemerals("omar")[-1])
        await t.move(days=3)  # Friday: the next working morning brings the digest
        assert any("Hand-offs: handed over 50% of 60 runs" in str(each) for each in t.ws.messages("support-ai"))
        # Those days are over, and now nearly nothing is handed over.
        clock.move(timedelta(days=8))
        await reports(t, "b", 300, 1)
        await t.move(minutes=16)
        assert await titles() == [("it hands over less than planned", True)]  # the same check, and the same problem
