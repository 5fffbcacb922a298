"""OTLP as JSON says the same as protobuf: held equal to protobuf's own reader of JSON, id by id and value by value."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bot.intake.telemetry import json_body, names, protobuf
from tests.telemetry.conftest import capture

IDS = ("traceId", "spanId", "parentSpanId")
KINDS: dict[str, Any] = {"spans": ExportTraceServiceRequest, "records": ExportLogsServiceRequest, "points": ExportMetricsServiceRequest}


def with_ids(value: Any, turn: Any) -> Any:
    """The same document with every id (of spans, parents, links, records and exemplars) written another way."""
    if isinstance(value, list):
        return [with_ids(each, turn) for each in value]
    if isinstance(value, dict):
        return {key: turn(each) if key in IDS and isinstance(each, str) else with_ids(each, turn) for key, each in value.items()}
    return value


def as_hex(text: str) -> str:
    return base64.b64decode(text).hex()


def as_base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


def check(walk: str, document: dict[str, Any]) -> None:
    """`document` is OTLP JSON: ids in hex. The oracle reads it with ids in base64; both walks must say the same."""
    oracle = json_format.ParseDict(with_ids(document, as_base64), KINDS[walk](), ignore_unknown_fields=True)
    ours, theirs = list(getattr(json_body, walk)(json.dumps(document).encode())), list(getattr(protobuf, walk)(oracle.SerializeToString()))
    assert [each.bad or each for each in ours] == [each.bad or each for each in theirs]


@pytest.mark.parametrize(
    ("name", "walk"),
    [
        *((f"{each}.traces", "spans") for each in ("genai_openai_default.026", "langfuse_sdk.011", "openinference_openai.004", "pydantic_ai.005", "traceloop_openai.001")),
        *((f"{each}.metrics", "points") for each in ("genai_openai_default.027", "pydantic_ai.006", "traceloop_openai.002", "traceloop_openai.003")),
    ],
)
def test_every_capture_says_the_same_as_json_and_as_protobuf(name: str, walk: str) -> None:
    told = json.loads(capture(f"{name}.json"))
    check(walk, with_ids(told, as_hex))
    from_wire = list(getattr(protobuf, walk)(capture(f"{name}.pb")))
    assert list(getattr(json_body, walk)(json.dumps(told).encode())) == from_wire  # the file itself has its ids in base64
    snake = json_format.MessageToDict(KINDS[walk].FromString(capture(f"{name}.pb")), preserving_proto_field_name=True)
    assert list(getattr(json_body, walk)(json.dumps(snake).encode())) == from_wire


trace_ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
span_ids = st.binary(min_size=8, max_size=8).map(bytes.hex)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
scalars = st.one_of(
    texts.map(lambda v: {"stringValue": v}),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: {"intValue": str(v)}),
    st.integers(-(2**31), 2**31 - 1).map(lambda v: {"intValue": v}),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: {"doubleValue": v}),
    st.booleans().map(lambda v: {"boolValue": v}),
    st.binary(max_size=9).map(lambda v: {"bytesValue": base64.b64encode(v).decode()}),
)
values = st.recursive(scalars, lambda inner: st.one_of(
    st.lists(inner, max_size=3).map(lambda v: {"arrayValue": {"values": v}}),
    st.lists(st.tuples(texts, inner), max_size=3, unique_by=lambda each: each[0]).map(lambda v: {"kvlistValue": {"values": [{"key": k, "value": each} for k, each in v]}}),
), max_leaves=5)  # fmt: skip
attributes = st.lists(st.tuples(st.sampled_from([*sorted(names.READ)[:20], "annotations.0.annotation.name", "unread"]), values), max_size=4, unique_by=lambda each: each[0]).map(
    lambda v: [{"key": key, "value": value} for key, value in v]
)
times = st.integers(0, 2**63 - 1).map(str)
resources = attributes.map(lambda v: {"attributes": v})
spans = st.fixed_dictionaries(
    {"traceId": trace_ids, "spanId": span_ids, "name": texts, "attributes": attributes},
    optional={
        "parentSpanId": span_ids, "startTimeUnixNano": times, "endTimeUnixNano": times, "kind": st.integers(0, 5), "flags": st.sampled_from([0, 256, 768]), "unknownField": texts,
        "status": st.fixed_dictionaries({}, optional={"code": st.sampled_from([0, 1, 2]), "message": texts}),
        "links": st.lists(st.fixed_dictionaries({"traceId": trace_ids.filter(lambda v: v.strip("0") != ""), "spanId": span_ids.filter(lambda v: v.strip("0") != "")}), max_size=3),
        "events": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["exception", "gen_ai.evaluation.result", "other"]), "timeUnixNano": times, "attributes": attributes}), max_size=2),
    },
)  # fmt: skip
records = st.fixed_dictionaries(
    {"attributes": attributes}, optional={"traceId": trace_ids, "spanId": span_ids, "timeUnixNano": times, "observedTimeUnixNano": times, "eventName": texts, "body": texts.map(lambda v: {"stringValue": v})}
)
exemplars = st.lists(st.fixed_dictionaries({"asDouble": st.just(1.0)}, optional={"traceId": trace_ids, "spanId": span_ids}), max_size=2)
points = st.fixed_dictionaries({"attributes": attributes}, optional={"asInt": st.integers(0, 2**53).map(str), "startTimeUnixNano": times, "timeUnixNano": times, "exemplars": exemplars})
sums = st.fixed_dictionaries({"dataPoints": st.lists(points, max_size=2), "aggregationTemporality": st.sampled_from([1, 2])})


NOBODY = {"traceId": f"{1:032x}", "spanId": f"{1:016x}", "name": "", "attributes": [], "parentSpanId": "0" * 16, "flags": 0x300}


@settings(max_examples=60)
@example({"attributes": []}, [NOBODY], [], {"dataPoints": [], "aggregationTemporality": 1}, "")
@given(resources, st.lists(spans, max_size=3), st.lists(records, max_size=2), sums, texts)
def test_any_export_is_read_as_protobufs_own_reader_reads_it(resource: dict[str, Any], some: list[Any], told: list[Any], summed: dict[str, Any], scope: str) -> None:
    check("spans", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": scope}, "spans": some}]}]})
    check("records", {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {"name": scope}, "logRecords": told}]}]})
    check("points", {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": {"name": scope}, "metrics": [{"name": scope, "unit": "s", "sum": summed}, {"name": "g", "gauge": summed}]}]}]})
