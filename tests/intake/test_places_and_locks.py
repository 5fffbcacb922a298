from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from bot.feedback.flows import rate_output
from bot.feedback.posting import take_message
from bot.intake.judging import Item, Terms, judge
from bot.intake.store import store
from bot.people.flows import person_for_report
from bot.quality.reading import score, totals
from bot.tables import Agent, Output, Vote
from tests.intake.conftest import Gate

PLACE = {"channel": "C0SUPPORT", "ts": "1795161000.000100"}


def heard(gate: Gate, at: datetime, *, good: bool | None = None) -> None:
    """The app's message reaches us by Slack, and perhaps somebody rates it there."""
    with gate.db.transaction() as tx:
        agent = tx.scalars(select(Agent).where(Agent.slug == "support-triage")).one()
        output = take_message(tx, at, agent, channel=PLACE["channel"], ts=PLACE["ts"], text="It left on Monday.")
        assert output is not None
        person = person_for_report(tx, "U0LEA", "T0")
        assert person is not None
        if good is not None:
            rate_output(tx, at, output, person.id, good, surface="shortcut")


async def test_a_message_heard_by_slack_first_becomes_the_output_that_its_agent_reports(gate: Gate) -> None:
    now = gate.clock.now()
    heard(gate, now, good=False)
    event = gate.event("output", id="o1", text="It left on Monday.", slack=PLACE)
    told = await gate.post([event, gate.event("rating", id="v1", output="o1", person="U0OMAR", good=True)])
    assert told.json() == {"accepted": 2, "duplicates": 0, "refused": []}
    [output] = gate.rows(Output)
    assert (output.ext_id, output.slack_ts, output.known) == ("o1", PLACE["ts"], True)
    with gate.db.reading() as tx:
        today = now.date().isoformat()
        assert totals(tx, output.agent_id, "2026-11-01", today).outputs == 1  # one output, counted once
        assert (score(tx, output.agent_id, "2026-11-01", today, "people").n, score(tx, output.agent_id, "2026-11-01", today, "people").share) == (1, 0.5)
    assert (await gate.post(event)).json()["duplicates"] == 1
    assert (await gate.post({**event, "id": "o2"})).json()["refused"][0]["code"] == "place_taken"
    heard(gate, now)  # Slack repeats itself
    assert len(gate.rows(Output)) == 1


async def test_what_was_said_under_the_agents_own_id_before_its_report_stays_with_the_output(gate: Gate) -> None:
    now = gate.clock.now()
    heard(gate, now, good=True)
    await gate.post([gate.event("rating", output="o1", person="U0OMAR", good=False), gate.event("evaluation", output="o1", name="ok", score=0.0), gate.event("outcome", output="o1", result="accepted")])
    assert len(gate.rows(Output)) == 2
    told = await gate.post(gate.event("output", id="o1", at=(now - timedelta(days=1)).isoformat(), text="It left on Monday.", slack=PLACE))
    assert told.json()["accepted"] == 1
    [output] = gate.rows(Output)
    assert {vote.output_id for vote in gate.rows(Vote)} == {output.id}
    with gate.db.reading() as tx:
        day = (now - timedelta(days=1)).date().isoformat()
        people, outcomes = score(tx, output.agent_id, day, day, "people"), score(tx, output.agent_id, day, day, "outcomes")
        assert [(people.n, people.share), (outcomes.n, outcomes.share)] == [(1, 0.5), (1, 1.0)]
        assert totals(tx, output.agent_id, "2026-11-01", now.date().isoformat()).outputs == 1


async def test_another_agents_message_is_not_taken_over(gate: Gate) -> None:
    heard(gate, gate.clock.now())
    told = await gate.post(gate.event("output", agent="invoices", slack=PLACE))
    assert [each["code"] for each in told.json()["refused"]] == ["place_taken"]


async def test_groups_that_judge_the_same_outputs_crosswise_do_not_wait_for_each_other(gate: Gate) -> None:
    if gate.db.is_sqlite:
        pytest.skip("SQLite has one writer: nobody waits for another")
    await gate.post([gate.event("output", id="o1"), gate.event("output", id="o2")])
    await gate.intake.judge_all([], None)
    failed: list[BaseException] = []
    rounds = 25
    start = threading.Barrier(2)

    def items(which: int, turn: int) -> list[Item]:
        first, second = ("o1", "o2") if which else ("o2", "o1")
        raws: list[dict[str, Any]] = [
            {"type": "evaluation", "output": first, "name": "ok", "score": 1.0}, {"type": "outcome", "output": second, "result": "accepted"},
            {"type": "rating", "output": second, "person": f"U0P{which}{turn}", "good": True},
        ]  # fmt: skip
        terms = Terms(gate.clock.now(), gate.intake.agents.get, None, False)
        made = [judge(0, {"id": f"{which}-{turn}-{n}", "agent": "support-triage", "at": gate.clock.now().isoformat(), **raw}, terms) for n, raw in enumerate(raws)]
        return [item for item in made if isinstance(item, Item)]

    def work(which: int) -> None:
        for turn in range(rounds):
            start.wait()
            try:
                with gate.db.transaction() as tx:
                    store(tx, gate.clock.now(), items(which, turn), live=True)
            except OperationalError as error:
                failed.append(error)

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, str(failed[0])[:300]
    with gate.db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Vote)) == 2 * rounds
