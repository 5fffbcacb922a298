"""What is broken, hostile or early: answered as OTLP says, in the sender's own format, and nothing good beside it is lost."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from bot.tables import Evaluation, Output, Run, Span
from tests.telemetry.conftest import Wire
from tests.telemetry.made import Export, evaluation


def told(answer: Any) -> tuple[int, str]:
    """A `google.rpc.Status` in protobuf, read by hand: its code and its words."""
    body = answer.content
    assert body[0] == 0x08
    assert body[2] == 0x12
    return body[1], body[body.index(b"\x12") + (2 if len(body) < 132 else 3) :].decode()


BROKEN: list[tuple[str, bytes, dict[str, str], int, int, str]] = [
    ("broken protobuf", b"\x0a\xff\xff\xff", {}, 400, 3, "no ExportTraceServiceRequest"),
    ("broken gzip", b"no gzip", {"content-encoding": "gzip"}, 400, 3, "not valid gzip"),
    ("gzip cut off", gzip.compress(b"a" * 1000)[:-12], {"content-encoding": "gzip"}, 400, 3, "ends too early"),
    ("a bomb", zlib.compress(b"", 9) and gzip.compress(bytes(40 * 1024 * 1024)), {"content-encoding": "gzip"}, 413, 8, "larger than 4 MiB"),
    ("zstd", b"anything", {"content-encoding": "zstd"}, 415, 3, "send gzip, or none"),
    ("no token", b"", {"authorization": ""}, 401, 16, "needs a token"),
]


@pytest.mark.parametrize(("body", "headers", "status", "code", "words"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
async def test_what_cannot_be_read_is_answered_with_a_status_in_the_senders_format(wire: Wire, body: bytes, headers: dict[str, str], status: int, code: int, words: str) -> None:
    answer = await wire.send(body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/x-protobuf")
    found = told(answer)
    assert found[0] == code
    assert words in found[1]
    answer = await wire.send(body if status != 400 or headers else b"{", headers={**headers, "content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (status, "application/json", code)
    assert not wire.rows(Span)


async def test_empty_requests_unknown_types_and_exports_sent_to_the_wrong_place(wire: Wire) -> None:
    for signal in ("traces", "logs", "metrics"):
        assert (await wire.send(b"", signal)).status_code == 200
        assert (await wire.send(b"{}", signal, headers={"content-type": "application/json"})).json() == {}
    answer = await wire.send(b"x", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, 3)
    answer = await wire.send(evaluation(wire.clock.now(), trace=1, gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=1.0))
    assert answer.status_code == 400
    assert "/v1/logs" in told(answer)[1]
    answer = await wire.send(b'{"resourceLogs": []}', headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["message"]) == (400, "this is an export of resourceLogs: send it to /v1/logs")
    assert (await wire.send(b"", token="events")).status_code == 403


async def test_the_bad_spans_of_an_export_are_counted_and_the_good_ones_stored(wire: Wire) -> None:
    now = wire.clock.now()
    export = Export(now).call(1, trace=1).call(2, trace=2, at=now - timedelta(days=366)).call(3, trace=3, at=now + timedelta(days=366)).call(4, trace=4).call(5, trace=5)
    export.scope.spans[3].trace_id = b"short"
    export.scope.spans[4].span_id = bytes(8)
    answer = await wire.send(export.body)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 4)
    assert "30 days back" in partial.error_message
    assert "5 minutes ahead" in partial.error_message
    assert "16 bytes" in partial.error_message
    await wire.settle()
    assert [row.trace_id for row in wire.rows(Run)] == ["01" * 16]


async def test_scores_that_are_no_numbers_are_refused_and_a_million_attributes_read_no_further_than_needed(wire: Wire) -> None:
    now = wire.clock.now()
    for value in (float("nan"), float("inf"), float("-inf"), "seven"):
        answer = await wire.send(evaluation(now, trace=1, span=1, gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=value), "logs")
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, partial.rejected_log_records) == (200, 1)
        assert "finite" in partial.error_message
    export = Export(now).call(1)
    export.scope.spans[0].attributes.extend([KeyValue(key="k")] * 300_000)
    assert (await wire.send(export.body)).status_code == 200
    text = json.dumps({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "support-bot"}}]}, "scopeSpans": [{"spans": [
        {"traceId": "03" * 16, "spanId": "03" * 8, "name": "chat \\ud800", "startTimeUnixNano": str(int(now.timestamp() * 1e9)), "endTimeUnixNano": int(now.timestamp() * 1e9),
         "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}, {"key": "gen_ai.usage.cost", "value": {"doubleValue": float("nan")}}]},
        {"traceId": 7, "spanId": None}, "no span", {"traceId": "xy", "spanId": "03" * 8},
    ]}]}]}).replace("\\\\ud800", "\\ud800")  # fmt: skip
    answer = await wire.send(text.encode(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedSpans"]) == (200, "2")
    await wire.settle()
    assert [(row.trace_id, row.nano) for row in wire.rows(Run)] == [("01" * 16, 350_000), ("03" * 16, None)]


async def test_feedback_may_come_before_its_trace(wire: Wire) -> None:
    """A score and a thumb wait under the trace's id; the trace makes them speak of its output."""
    now, trace_id = wire.clock.now(), "01" * 16
    thumb = {"id": "v1", "type": "rating", "agent": "support", "at": now.isoformat(), "output": trace_id, "person": "dana@example.com", "good": True}
    answer = await wire.http.post("/v1/events", json=thumb, headers={"authorization": f"Bearer {wire.tokens['all']}"})
    assert answer.json()["accepted"] == 1, answer.text
    await wire.send(evaluation(now, trace=1, span=2, gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=0.9), "logs")
    await wire.settle()
    assert not wire.rows(Evaluation)
    await wire.move(seconds=40)
    await wire.send(Export(wire.clock.now()).agent(1, named="support", final_result="It shipped.").call(2, 1).body)
    await wire.settle()
    (score,), (output,) = wire.rows(Evaluation), wire.rows(Output)
    assert (score.output_id, score.run, score.good, output.ext_id, output.known, output.text) == (output.id, trace_id, True, trace_id, True, "It shipped.")
    counted = wire.totals()
    assert (counted.outputs, counted.n("quality.people"), counted.n("quality.evaluations")) == (1, 1, 1)


async def test_a_full_queue_and_a_stopping_process_ask_the_sender_to_come_back(wire: Wire) -> None:
    wire.telemetry.reading = 128 * 1024 * 1024
    answer = await wire.send(Export(wire.clock.now()).call(1).body)
    assert (answer.status_code, answer.headers["retry-after"], told(answer)[0]) == (429, "1", 8)
    wire.telemetry.reading = 0
    assert (await wire.send(Export(wire.clock.now()).call(1).body)).status_code == 200
    await asyncio.to_thread(wire.lanes.close)
    answer = await wire.send(Export(wire.clock.now()).call(2).body)
    assert (answer.status_code, answer.headers["retry-after"], told(answer)[0]) == (503, "5", 14)
