from __future__ import annotations

import asyncio
import gzip
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from bot.intake.events import EXAMPLES, KINDS
from bot.quality.reading import totals
from bot.tables import (
    Agent,
    AgentNow,
    Change,
    Check,
    Cost,
    Evaluation,
    Measure,
    Observation,
    Outcome,
    OutMessage,
    Output,
    Person,
    Run,
    Vote,
)
from tests.intake.conftest import Gate, add_agent


async def test_every_kind_of_event_of_the_docs_is_stored(gate: Gate) -> None:
    answer = await gate.post(list(EXAMPLES.values()))
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 10, "duplicates": 0, "refused": []}
    assert set(EXAMPLES) == set(KINDS)
    (run,) = gate.rows(Run)
    assert (run.status, run.ms, run.model, run.tokens_in, run.tokens_out, run.nano, run.currency) == ("ok", 2000, "gpt-4o", 812, 96, 3_100_000, "USD")
    assert run.extra["input"] == {"fields": ["order_id", "text"], "rejected": 0}
    (output,) = gate.rows(Output)
    assert (output.ext_id, output.run, output.known, output.channel_id, output.local_day) == ("o1", "r1", True, "C0123", "2026-11-20")
    (vote,) = gate.rows(Vote)
    assert (vote.good, vote.reason, vote.correction) == (False, "outdated", "It arrives on Saturday.")
    assert [person.slack_id for person in gate.rows(Person)] == ["U0LEA"]
    assert [(each.score, each.good) for each in gate.rows(Evaluation)] == [(0.92, True)]
    assert [(each.result, each.seconds) for each in gate.rows(Outcome)] == [("edited", 40)]
    assert [(each.value, each.number) for each in gate.rows(Measure)] == [("6.5", 6.5)]
    assert [(each.nano, each.kind) for each in gate.rows(Cost)] == [(5_000_000, "search")]
    assert sorted((each.input, each.version) for each in gate.rows(Change)) == [("model", "gpt-4o"), ("system-prompt", "prompt-15"), ("version", "prompt-14")]
    assert {each.source for each in gate.rows(Observation)} == {"people", "evaluations", "outcomes"}
    with gate.reading() as tx:
        found = totals(tx, 1, "2026-11-20", "2026-11-20")
    assert (found.runs, found.failed, found.outputs, found.ratings) == (1, 0, 1, 1)
    assert found.costs == {"USD": 8_100_000}
    assert found.latency(0.5) == pytest.approx(2000, rel=0.05)


async def test_sending_again_changes_nothing_and_another_content_under_the_same_id_is_refused(gate: Gate) -> None:
    events = list(EXAMPLES.values())
    await gate.post(events)
    again = await gate.post(events)
    assert again.status_code == 202
    assert again.json() == {"accepted": 0, "duplicates": 10, "refused": []}
    changed = [{**event, "at": "2026-11-20T07:30:00Z"} for event in events]
    answer = await gate.post(changed)
    assert answer.status_code == 422
    assert {each["code"] for each in answer.json()["refused"]} == {"id_conflict"}
    assert [each["field"] for each in answer.json()["refused"]] == ["id"] * 10
    with gate.reading() as tx:
        assert totals(tx, 1, "2026-11-20", "2026-11-20").runs == 1


async def test_the_same_id_twice_in_one_request_counts_once(gate: Gate) -> None:
    one, other = gate.event(), gate.event()
    answer = await gate.post([one, one, other, {**other, "status": "failed"}])
    told = answer.json()
    assert (told["accepted"], told["duplicates"], [(each["index"], each["code"]) for each in told["refused"]]) == (2, 1, [(3, "id_conflict")])


async def test_null_and_left_out_are_the_same_content_and_so_is_another_order_of_fields(gate: Gate) -> None:
    event = gate.event()
    await gate.post(event)
    answer = await gate.post({**dict(reversed(list(event.items()))), "error": None})
    assert answer.json()["duplicates"] == 1


async def test_an_agent_may_use_an_id_that_another_agent_used(gate: Gate) -> None:
    event = gate.event()
    answer = await gate.post([event, {**event, "agent": "invoices"}])
    assert answer.json()["accepted"] == 2


async def test_ndjson_and_gzip_are_taken(gate: Gate) -> None:
    lines = b"\n".join(orjson.dumps(gate.event()) for _ in range(3)) + b"\n\n"
    for headers, body in (({"content-type": "application/x-ndjson"}, lines), ({"content-type": "application/x-ndjson; charset=utf-8", "content-encoding": "gzip"}, gzip.compress(lines))):
        answer = await gate.post(headers=headers, body=body)
        assert answer.status_code == 202, answer.text
    assert answer.json() == {"accepted": 0, "duplicates": 3, "refused": []}


async def test_a_dry_run_judges_and_stores_nothing(gate: Gate) -> None:
    answer = await gate.post([gate.event(), {"id": "x"}], path="/v1/events?dry_run=1")
    assert answer.status_code == 200
    assert (answer.json()["accepted"], len(answer.json()["refused"]), answer.json()["dry_run"]) == (1, 1, True)
    assert gate.rows(Run) == []


async def test_a_rating_that_comes_before_its_output_makes_a_stub_that_is_no_output_yet(gate: Gate) -> None:
    await gate.post(gate.event("rating", output="o9", person="lea@example.com", good=True))
    (stub,) = gate.rows(Output)
    assert not stub.known
    with gate.reading() as tx:
        assert totals(tx, 1, "2026-11-20", "2026-11-20").outputs == 0
    late = (gate.clock.now() - timedelta(days=2)).isoformat()
    answer = await gate.post(gate.event("output", text="Here it is.") | {"id": "o9", "at": late})
    assert answer.json()["accepted"] == 1
    (output,) = gate.rows(Output)
    assert (output.known, output.text, output.local_day) == (True, "Here it is.", "2026-11-18")
    assert [each.local_day for each in gate.rows(Observation)] == ["2026-11-18"]
    with gate.reading() as tx:
        found = totals(tx, 1, "2026-11-18", "2026-11-18")
    assert (found.outputs, found.score("people").n) == (1, 1)


async def test_an_evaluation_used_again_under_another_id_makes_no_stub(gate: Gate) -> None:
    event = gate.event("evaluation", output="o1", name="faithfulness", score=0.9)
    await gate.post(event)
    answer = await gate.post({**event, "output": "o2"})
    assert answer.json()["refused"][0]["code"] == "id_conflict"
    assert [output.ext_id for output in gate.rows(Output)] == ["o1"]


async def test_two_outputs_cannot_stand_at_the_same_slack_message(gate: Gate) -> None:
    place = {"channel": "C0123", "ts": "1763625600.000100"}
    answer = await gate.post([gate.event("output", slack=place), gate.event("output", slack=place), gate.event("output")])
    assert (answer.json()["accepted"], [(each["index"], each["code"]) for each in answer.json()["refused"]]) == (2, [(1, "place_taken")])


async def test_the_first_event_is_told_once_in_the_agents_channel(gate: Gate) -> None:
    await gate.post([gate.event(), gate.event("output")])
    await gate.post(gate.event())
    told = [row for row in gate.rows(OutMessage) if row.key.startswith("heard:")]
    assert [row.target for row in told] == ["C0SUPPORT"]
    assert told[0].want["text"].startswith("I can hear Support triage")
    assert {agent.slug: agent.heard_at for agent in gate.rows(Agent)} == {"support-triage": gate.clock.now(), "invoices": None}


async def test_a_failed_run_makes_its_check_due_at_once(gate: Gate) -> None:
    now = gate.clock.now()
    woken: list[str] = []
    gate.db.on_wake = woken.append
    with gate.db.transaction() as tx:
        for agent_id, kind in ((1, "run_failed"), (1, "no_data"), (2, "run_failed")):
            tx.add(Check(agent_id=agent_id, name=f"{kind}-{agent_id}", kind=kind, severity="page", due_at=now + timedelta(hours=1)))
    await gate.post(gate.event())
    assert "checks" not in woken
    await gate.post(gate.event(status="failed", error="The queue is full."))
    assert "checks" in woken
    assert {check.name: check.due_at == now for check in gate.rows(Check) if check.kind != "heartbeat"} == {"run_failed-1": True, "no_data-1": False, "run_failed-2": False}


async def test_whoever_is_heard_is_marked_to_be_folded(gate: Gate) -> None:
    await gate.post(gate.event(agent="invoices"))
    gate.rows(AgentNow)
    with gate.db.transaction() as tx:
        tx.execute(update(AgentNow).values(dirty_at=None))
    await gate.post(gate.event(agent="invoices"))
    assert [(row.agent_id, row.dirty_at) for row in gate.rows(AgentNow)] == [(2, gate.clock.now())]


async def test_texts_are_not_kept_where_the_registry_says_so(gate: Gate) -> None:
    add_agent(gate.db, gate.clock.now(), "clinic", data={"store_text": False})
    await gate.post(gate.event("output", text="private") | {"agent": "clinic"})
    assert [output.text for output in gate.rows(Output)] == [None]


async def test_requests_of_the_same_moment_share_a_commit(gate: Gate) -> None:
    await gate.post(gate.event())
    before = gate.intake.groups.commits
    answers = await asyncio.gather(*(gate.post(gate.event()) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {202}
    assert len(gate.rows(Run)) == 41
    assert gate.intake.groups.commits - before < 20


async def test_a_large_batch_is_stored_in_parts_and_answered_once(gate: Gate) -> None:
    events: list[dict[str, Any]] = [gate.event(agent=("support-triage", "invoices")[i % 2]) for i in range(1200)]
    events[7] = {"id": "bad"}
    answer = await gate.post(events)
    assert (answer.json()["accepted"], [each["index"] for each in answer.json()["refused"]]) == (1199, [7])
    assert gate.intake.groups.queued == 0
