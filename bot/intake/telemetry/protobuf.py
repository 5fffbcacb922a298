"""OTLP as protobuf: messages walked once, attributes nobody reads left alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bot.intake.telemetry.heard import (
    ATTRIBUTES,
    VALUE,
    Attributes,
    BadExport,
    HeardPoint,
    HeardRecord,
    HeardSpan,
    Source,
    id_of,
    source_of,
)
from bot.intake.telemetry.names import ANNOTATIONS, EVENTS_READ, READ

ERROR = 2  # Status.StatusCode
REMOTE = 0x300  # the flags say whether the parent is remote, and it is
DELTA, CUMULATIVE = 1, 2


def spans(body: bytes) -> Iterator[HeardSpan]:
    """Every span of an export, good or bad; raises BadExport where it is none."""
    request = _parsed(ExportTraceServiceRequest, body)
    for resource_spans in request.resource_spans:
        source = _source(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            for span in scope_spans.spans:
                yield _span(span, source, scope)


def _span(span: Any, source: Source, scope: str) -> HeardSpan:
    trace_id, span_id = span.trace_id, span.span_id
    bad = ""
    if len(trace_id) != 16 or len(span_id) != 8 or not any(trace_id) or not any(span_id):
        bad = "no ids" if not trace_id and not span_id else "ids"
    parent = span.parent_span_id
    if parent and len(parent) != 8:
        bad = bad or "ids"
    status = span.status
    return HeardSpan(
        source=source,
        scope=scope,
        trace_id=trace_id.hex(),
        span_id=span_id.hex(),
        parent_id=parent.hex() if any(parent) else "",
        name=span.name[:128],
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        failed=status.code == ERROR,
        error=status.message,
        remote=any(parent) and span.flags & REMOTE == REMOTE,
        attributes=_attributes(span.attributes),
        links=[(id_of(link.trace_id, 16) or "", id_of(link.span_id, 8) or "") for link in span.links[:2]] if span.links else [],
        events=[(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events[:100] if event.name in EVENTS_READ] if span.events else [],
        bad=bad,
    )


def records(body: bytes) -> Iterator[HeardRecord]:
    """Every log record of an export."""
    request = _parsed(ExportLogsServiceRequest, body)
    for resource_logs in request.resource_logs:
        source = _source(resource_logs.resource)
        for scope_logs in resource_logs.scope_logs:
            scope = scope_logs.scope.name
            for record in scope_logs.log_records:
                attributes = _attributes(record.attributes)
                # The attribute first: some loggers put the place in their source into the other one.
                name = str(attributes.get("event.name") or "") or record.event_name or record.body.string_value[:128]
                trace_id, span_id = record.trace_id, record.span_id
                bad = "ids" if (trace_id and len(trace_id) != 16) or (span_id and len(span_id) != 8) else ""
                at = record.time_unix_nano or record.observed_time_unix_nano
                yield HeardRecord(source, scope, name, at, id_of(trace_id, 16) or "", id_of(span_id, 8) or "", attributes, bad)


def points(body: bytes) -> Iterator[HeardPoint]:
    """Every point of an export's sums and histograms; those of other kinds carry nothing that is read."""
    request = _parsed(ExportMetricsServiceRequest, body)
    for resource_metrics in request.resource_metrics:
        source = _source(resource_metrics.resource)
        for scope_metrics in resource_metrics.scope_metrics:
            scope = scope_metrics.scope.name
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("data")
                if kind not in ("sum", "histogram", "exponential_histogram"):
                    continue
                data = getattr(metric, kind)
                cumulative = data.aggregation_temporality == CUMULATIVE
                for point in data.data_points:
                    value = (point.as_int if point.WhichOneof("value") == "as_int" else point.as_double) if kind == "sum" else point.sum
                    bad = _bad_exemplars(point)
                    yield HeardPoint(source, scope, metric.name, metric.unit, point.start_time_unix_nano, point.time_unix_nano, float(value), cumulative, _attributes(point.attributes), bad)


def _bad_exemplars(point: Any) -> str:
    for exemplar in point.exemplars:
        if (exemplar.trace_id and len(exemplar.trace_id) != 16) or (exemplar.span_id and len(exemplar.span_id) != 8):
            return "ids"
    return ""


def _parsed(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise BadExport(f"the body is no {kind.DESCRIPTOR.name} in protobuf (spans go to /v1/traces, logs to /v1/logs, metrics to /v1/metrics): {error}"[:400]) from None


def _source(resource: Any) -> Source:
    return source_of(_attributes(resource.attributes))


def _attributes(pairs: Iterable[Any]) -> Attributes:
    found: Attributes = {}
    for number, pair in enumerate(pairs):
        key = pair.key
        if key in READ or key.startswith(ANNOTATIONS):
            found[key] = _value(pair.value)
        if number >= ATTRIBUTES:
            break
    return found


def _value(value: Any, depth: int = 0) -> Any:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value[:VALUE]
    if kind == "int_value":
        return value.int_value
    if kind == "double_value":
        return value.double_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "array_value" and depth < 8:
        return [_value(each, depth + 1) for each in value.array_value.values[:ATTRIBUTES]]
    if kind == "kvlist_value" and depth < 8:
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values[:ATTRIBUTES]}
    if kind == "bytes_value":
        return value.bytes_value[:VALUE].hex()
    return None
