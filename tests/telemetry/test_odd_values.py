"""Exports that are well formed and yet odd: numbers beyond any size, impossible times, repeats without a time, long conversations."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from sqlalchemy import select

from bot.tables import Agent, Evaluation, Run, SpanScore, UnownedAgent
from tests.telemetry.conftest import Wire
from tests.telemetry.made import Export, evaluation, metric, nanos, pairs

JSON = {"content-type": "application/json"}


def span_of(wire: Wire, number: int, *, start: int | str | None = None, **attributes: Any) -> dict[str, Any]:
    """A model call as JSON; its attributes as the wire has them."""
    told = {"gen_ai.operation.name": {"stringValue": "chat"}, **{key.replace("__", "."): value for key, value in attributes.items()}}
    end = nanos(wire.clock.now())
    return {
        "traceId": f"{number:02x}" * 16, "spanId": f"{number:02x}" * 8, "name": "chat", "startTimeUnixNano": end - 10**9 if start is None else start, "endTimeUnixNano": end,
        "attributes": [{"key": key, "value": value} for key, value in told.items()],
    }  # fmt: skip


async def send_json(wire: Wire, *spans: dict[str, Any]) -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "support-bot"}}]}
    answer = await wire.send(json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode(), headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    await wire.settle()


async def test_a_number_beyond_64_bits_loses_nothing_beside_it(wire: Wire) -> None:
    huge = {"intValue": "1" + "0" * 400}
    large = {"arrayValue": {"values": [{"intValue": "1" + "0" * 30}]}}
    await send_json(wire, span_of(wire, 1, gen_ai__usage__input_tokens=huge, gen_ai__usage__output_tokens={"intValue": "7"}), span_of(wire, 2, final_result=large), span_of(wire, 3, final_result=huge))
    assert [(row.trace_id[:2], row.tokens_in, row.tokens_out) for row in wire.rows(Run)] == [("01", None, 7), ("02", None, None), ("03", None, None)]


async def test_a_start_that_cannot_be_makes_no_run_of_years_and_none_in_another_century(wire: Wire) -> None:
    year = nanos(wire.clock.now() - timedelta(days=366))
    await send_json(wire, *(span_of(wire, number, start=start) for number, start in enumerate(("9" * 19, "9" * 28, 0, year, None), 1)))
    rows = sorted(wire.rows(Run), key=lambda row: str(row.trace_id))
    assert [row.ms for row in rows] == [0, 0, 0, 0, 1000]
    assert {row.occurred_at.replace(microsecond=0) for row in rows} == {wire.clock.now().replace(microsecond=0)}


async def test_a_long_conversation_written_message_by_message_keeps_its_tokens(wire: Wire) -> None:
    export = Export(wire.clock.now()).span(1)
    said = [KeyValue(key=f"llm.input_messages.{number}.message.content") for number in range(6000)]
    export.scope.spans[0].attributes.extend([*said, *pairs(openinference__span__kind="LLM", llm__model_name="gpt-4o", llm__token_count__prompt=90_000, llm__token_count__completion=50)])
    assert (await wire.send(export.body)).content == b""
    await wire.settle()
    assert [(row.model, row.tokens_in, row.tokens_out) for row in wire.rows(Run)] == [("gpt-4o", 90_000, 50)]


async def test_records_and_points_without_a_time_count_once_however_often_they_come(wire: Wire) -> None:
    now = wire.clock.now()
    score = ExportLogsServiceRequest.FromString(evaluation(now, trace=1, span=1, gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=0.9))
    coder = ExportLogsServiceRequest.FromString(evaluation(now, service="support-bot", cost_usd=0.25))
    coder.resource_logs[0].scope_logs[0].log_records[0].event_name = "claude_code.api_request"
    for logs in (score, coder):
        logs.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano = 0
    for _ in range(2):
        for logs in (score, coder):
            assert (await wire.send(logs.SerializeToString(), "logs")).status_code == 200
        await wire.move(seconds=30)
    assert len(wire.rows(SpanScore)) == 1
    assert wire.totals().sum("cost.USD") == 250_000_000


async def test_a_link_of_the_wrong_length_is_no_link_and_a_start_after_the_point_no_start(wire: Wire) -> None:
    now = wire.clock.now()
    export = Export(now).call(1, annotations__0__annotation__name="tone", annotations__0__annotation__score=1.0).call(2, trace=2)
    export.scope.spans[0].links.add(trace_id=b"x" * 100, span_id=b"y" * 70)
    answer = await wire.send(export.body)
    assert (answer.status_code, answer.content) == (200, b"")
    answer = await wire.send(metric(now, "claude_code.cost.usage", 0.5, began=now + timedelta(days=150_000), unit="USD"), "metrics")
    assert (answer.status_code, answer.content) == (200, b"")
    answer = await wire.send(metric(now, "claude_code.cost.usage", 1e300, began=now, unit="USD", model="x"), "metrics")
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_data_points, "too large" in partial.error_message) == (1, True)
    await wire.settle()
    assert sorted(str(row.trace_id)[:2] for row in wire.rows(Run)) == ["01", "02"]
    assert [row.trace_id for row in wire.rows(SpanScore)] == ["01" * 16]


async def test_a_score_on_another_scale_is_refused_by_telemetry_too(wire: Wire) -> None:
    with wire.db.transaction() as tx:
        agent = tx.scalars(select(Agent).where(Agent.slug == "support")).one()
        agent.spec = {**agent.spec, "evaluations": {"faithful": {"at_least": 0.8, "range": [0, 1]}}}
    now = wire.clock.now()
    await wire.send(Export(now).agent(1, named="support").call(2, 1).body)
    for service in ("support-bot", "judge"):
        for score in (92.0, 0.9):
            answer = await wire.send(evaluation(now, trace=1, span=2, service=service, gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=score), "logs")
            partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
            assert ("0 to 1" in partial.error_message, partial.rejected_log_records) == ((True, 1) if (service, score) == ("support-bot", 92.0) else (False, 0))
    await wire.settle()
    assert {row.score for row in wire.rows(Evaluation)} == {0.9}


async def test_a_span_that_comes_before_the_agent_above_it_is_not_called_nobodys_for_good(wire: Wire) -> None:
    now = wire.clock.now()
    answer = await wire.send(Export(now, "worker").call(2, 1).body)
    words = ExportTraceServiceResponse.FromString(answer.content).partial_success.error_message
    assert "'worker' belongs to no agent of the registry: unless a span above it does, it is only counted" in words
    await wire.send(Export(now, "worker").agent(1, named="support").body)
    await wire.settle()
    assert [(row.trace_id, row.tokens_in) for row in wire.rows(Run)] == [("01" * 16, 100)]
    assert not wire.rows(UnownedAgent)
