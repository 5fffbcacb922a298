"""Automated scores find what they judge, whoever sends them, and metrics add nothing to what spans said."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bot.tables import Agent, Evaluation, Output, Run, UnownedAgent
from tests.telemetry.conftest import Wire, capture
from tests.telemetry.made import Export, evaluation, metric


async def test_scores_by_span_by_response_and_by_annotation_go_the_way_of_evaluations(wire: Wire) -> None:
    """The registry's polarity decides what is good; a repeated record counts once."""
    with wire.db.transaction() as tx:
        agent = tx.get_one(Agent, 1)
        agent.spec = {**agent.spec, "evaluations": {"toxicity": {"at_most": 0.2}}}
    now = wire.clock.now()
    body = Export(now).agent(1, named="support", final_result="Shipped.").call(2, 1, gen_ai__response__id="resp-1").body
    await wire.send(body)
    await wire.settle()
    toxic = evaluation(now, trace=1, span=2, gen_ai__evaluation__name="toxicity", gen_ai__evaluation__score__value=0.1, gen_ai__evaluation__explanation="kind words")
    answered = evaluation(now, gen_ai__response__id="resp-1", gen_ai__evaluation__name="answered", gen_ai__evaluation__score__label="pass")
    early = evaluation(now, gen_ai__response__id="resp-2", gen_ai__evaluation__name="answered", gen_ai__evaluation__score__label="fail")
    for each in (toxic, answered, early, toxic, answered):
        assert (await wire.send(each, "logs")).content == b""
    await wire.settle()
    await wire.send(Export(now).span(3, 1, name="eval", links=(1,), annotations__0__annotation__name="faithful", annotations__0__annotation__score=0.9, openinference__span__kind="EVALUATOR").body)
    await wire.send(Export(now).agent(1, trace=2, named="support", final_result="No idea.").call(2, 1, trace=2, gen_ai__response__id="resp-2").body)
    await wire.settle()
    await wire.move(seconds=20)
    scores = {(row.name, row.run): row for row in wire.rows(Evaluation)}
    first, second = "01" * 16, "02" * 16
    assert {key: row.good for key, row in scores.items()} == {("toxicity", first): True, ("answered", first): True, ("faithful", first): True, ("answered", second): False}
    assert scores["toxicity", first].explanation == "kind words"
    assert {row.ext_id: row.known for row in wire.rows(Output)} == {first: True, second: True}
    counted = wire.totals()
    assert (counted.runs, counted.n("quality.evaluations"), counted.sum("quality.evaluations")) == (2, 2, 1000)


async def test_a_score_waits_ten_minutes_for_its_run_and_is_then_kept_under_the_id_it_names(wire: Wire) -> None:
    await wire.send(evaluation(wire.clock.now(), trace=7, span=1, service="support-bot", gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=0.2), "logs")
    await wire.send(evaluation(wire.clock.now(), trace=8, span=1, service="elsewhere", gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=0.2), "logs")
    for _ in range(12):
        await wire.move(minutes=1)
    (score,), (stub,) = wire.rows(Evaluation), wire.rows(Output)
    assert (score.output_id, stub.ext_id, stub.known, score.good) == (stub.id, "07" * 16, False, False)


async def test_an_agent_that_reports_its_runs_itself_is_believed_and_not_counted_twice(wire: Wire) -> None:
    """Whichever comes first: the run by `/v1/events` takes the place of the trace's."""
    now = wire.clock.now()
    for trace, first in ((1, "event"), (2, "trace")):
        event = {"id": f"r{trace}", "type": "run", "agent": "support", "at": now.isoformat(), "status": "ok", "trace_id": f"{trace:02x}" * 16, "tokens": {"input": 7}}
        for what in ("event", "trace") if first == "event" else ("trace", "event"):
            if what == "event":
                answer = await wire.http.post("/v1/events", json=event, headers={"authorization": f"Bearer {wire.tokens['all']}"})
                assert answer.json()["accepted"] == 1
            else:
                await wire.send(Export(now).call(1, trace=trace).body)
            await wire.settle()
    assert sorted(row.ext_id for row in wire.rows(Run)) == ["r1", "r2"]
    assert (wire.totals().runs, wire.totals().sum("tokens.input"), wire.totals().sum("cost.USD")) == (2, 14, 0)


async def test_a_trace_is_the_same_however_the_agent_spells_it(wire: Wire) -> None:
    """Capitals, a UUID, MLflow's prefix, and what Python's `hex()` makes of it."""
    now, plain = wire.clock.now(), "0a" * 16
    for number, spelled in enumerate((plain.upper(), str(uuid.UUID(plain)), f"tr-{plain}", hex(int(plain, 16)))):
        event = {"id": f"r{number}", "type": "run", "agent": "support", "at": now.isoformat(), "status": "ok", "trace_id": spelled}
        assert (await wire.http.post("/v1/events", json=event, headers={"authorization": f"Bearer {wire.tokens['all']}"})).json()["accepted"] == 1
    await wire.send(Export(now).call(1, trace=10).body)
    await wire.settle()
    assert {(row.ext_id, row.trace_id) for row in wire.rows(Run)} == {(f"r{number}", plain) for number in range(4)}


async def test_late_spans_correct_a_run_and_spans_after_the_pruning_change_nothing(wire: Wire) -> None:
    now = wire.clock.now()
    await wire.send(Export(now).agent(1, named="support").call(2, 1, error="rate limited").body)
    await wire.settle()
    await wire.send(Export(now).call(3, 1, trace=1).body)
    await wire.settle()
    assert (wire.totals().runs, wire.totals().failed, wire.totals().sum("tokens.input")) == (1, 0, 200)
    await wire.send(Export(now).agent(1, named="support", error="it gave up").body)
    await wire.settle()
    assert (wire.totals().runs, wire.totals().failed, wire.rows(Run)[0].error) == (1, 1, "it gave up")
    wire.clock.move(timedelta(hours=49))
    await wire.loops.keep_step(wire.clock.now())
    await wire.send(Export(now).call(4, 1).body)
    await wire.settle()
    assert (wire.totals().runs, wire.totals().sum("tokens.input")) == (1, 200)


async def test_a_token_of_two_agents_cannot_write_over_the_spans_of_a_third(wire: Wire) -> None:
    now = wire.clock.now()
    await wire.send(Export(now).agent(1, named="support").call(2, 1).body)
    await wire.settle()
    answer = await wire.send(Export(now).call(2, 1, read=9_999).agent(3, named="planner").body, token="two")
    assert "belongs to no agent" in ExportTraceServiceResponse.FromString(answer.content).partial_success.error_message
    await wire.settle()
    assert (wire.totals().runs, wire.totals().sum("tokens.input")) == (1, 100)
    assert wire.totals("planner").runs == 1


async def test_metrics_count_only_where_they_say_more_than_the_spans(wire: Wire) -> None:
    """In any order: the same tokens come as spans and as metrics, and as metrics again."""
    for name, signal in (("pydantic_ai.006.metrics.pb", "metrics"), ("pydantic_ai.005.traces.pb", "traces"), ("pydantic_ai.007.metrics.pb", "metrics"), ("pydantic_ai.006.metrics.pb", "metrics")):
        assert (await wire.send(capture(name), signal)).content == b""
        await wire.settle()
        with wire.reading():  # what is noted is in the counters
            pass
        await wire.move(minutes=11)
        counted = wire.totals()
        assert (counted.sum("tokens.input"), counted.sum("tokens.output"), counted.sum("cost.USD")) == (224, 42, 820_000)


async def test_a_coding_agent_s_cost_and_decisions_by_metrics_and_by_logs(wire: Wire) -> None:
    now, began = wire.clock.now(), wire.clock.now() - timedelta(hours=1)
    for value, at in ((1.5, now), (2.0, now + timedelta(seconds=60)), (2.0, now + timedelta(seconds=60)), (1.5, now)):
        await wire.send(metric(at, "claude_code.cost.usage", value, began=began, unit="USD", model="claude-sonnet-4-5"), "metrics")
    await wire.send(metric(now + timedelta(seconds=90), "claude_code.cost.usage", 0.25, began=now, unit="USD", model="claude-sonnet-4-5"), "metrics")  # started anew
    for decision in ("accept", "reject"):
        for _ in range(2):
            await wire.send(metric(now, "claude_code.code_edit_tool.decision", 3.0, began=began, cumulative=False, decision=decision, tool_name="Edit"), "metrics")
    await wire.settle()
    counted = wire.totals()
    assert (counted.sum("cost.USD"), counted.n("outcomes.accepted"), counted.n("outcomes.overridden")) == (2_250_000_000, 3, 3)
    for _ in range(2):
        await wire.send(metric(now, "claude_code.cost.usage", 1.0, began=began, unit="USD", service="claude-code"), "metrics")
    (stranger,) = wire.rows(UnownedAgent)
    assert (stranger.service, stranger.traces) == ("claude-code", 0)
    answer = await wire.send(metric(now, "claude_code.cost.usage", float("nan"), began=began, unit="USD"), "metrics")
    assert b"finite" in answer.content


async def test_the_logs_of_coding_agents_are_read_in_their_own_words_and_a_rule_s_decision_is_no_person_s(wire: Wire) -> None:
    """Claude Code, Codex (whose logger names the line of its source) and Gemini CLI, each sent twice."""
    at = str(int(wire.clock.now().timestamp() * 1e9))
    records: list[dict[str, object]] = [
        {"body": "claude_code.api_request", "event.name": "api_request", "input_tokens": "100", "output_tokens": "20", "cache_read_tokens": "3000", "cost_usd": "0.12"},
        {"body": "claude_code.tool_decision", "event.name": "tool_decision", "decision": "accept", "source": "config"},
        {"body": "claude_code.tool_decision", "event.name": "tool_decision", "decision": "accept", "source": "user_temporary"},
        {"body": "claude_code.tool_decision", "event.name": "tool_decision", "decision": "reject", "source": "hook"},
        {"line": "event otel/src/manager.rs:88", "event.name": "codex.sse_event", "event.kind": "response.completed", "input_token_count": 1000, "output_token_count": 50, "cached_token_count": 200},
        {"line": "event otel/src/manager.rs:99", "event.name": "codex.tool_decision", "decision": "approved", "source": "Config", "call_id": "1"},
        {"line": "event otel/src/manager.rs:99", "event.name": "codex.tool_decision", "decision": "denied", "source": "User", "call_id": "2"},
        {"line": "event otel/src/manager.rs:99", "event.name": "codex.tool_decision", "decision": "denied", "source": "User", "call_id": "3"},
        {"event.name": "gemini_cli.api_response", "input_token_count": 200, "output_token_count": 30, "thoughts_token_count": 5, "cached_content_token_count": 10},
        {"event.name": "gemini_cli.tool_call", "decision": "auto_accept", "function_name": "edit"},
        {"event.name": "gemini_cli.tool_call", "decision": "modify", "function_name": "edit"},
    ]
    told = [
        {"observedTimeUnixNano": at, "eventName": row.pop("line", ""), "body": {"stringValue": row.pop("body", "")}, "attributes": [{"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}} for key, value in row.items()]}
        for row in records
    ]  # fmt: skip
    source = {"attributes": [{"key": "service.name", "value": {"stringValue": "support-bot"}}]}
    for form in ("json", "protobuf"):
        body = json.dumps({"resourceLogs": [{"resource": source, "scopeLogs": [{"logRecords": told}]}]}).encode()
        if form == "protobuf":
            body = json_format.Parse(body, ExportLogsServiceRequest()).SerializeToString()
        answer = await wire.send(body, "logs", headers={"content-type": f"application/{'json' if form == 'json' else 'x-protobuf'}"})
        assert answer.status_code == 200, answer.content
        await wire.settle()
        counted = wire.totals()
        assert (counted.sum("tokens.input"), counted.sum("tokens.output"), counted.sum("tokens.cached"), counted.sum("cost.USD")) == (1300, 105, 3210, 120_000_000)
        assert (counted.n("outcomes.accepted"), counted.n("outcomes.edited"), counted.n("outcomes.overridden")) == (1, 1, 2)
