"""Spans and log records made by hand, for what no capture holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def nanos(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000


def any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=str(value))


def pairs(**attributes: Any) -> list[KeyValue]:
    """Attributes; two underscores stand for a dot."""
    return [KeyValue(key=key.replace("__", "."), value=any_value(value)) for key, value in attributes.items()]


class Export:
    """An export of traces that grows span by span."""

    def __init__(self, now: datetime, service: str = "support-bot", **resource: Any) -> None:
        self.now = now
        self.request = ExportTraceServiceRequest()
        spans = self.request.resource_spans.add()
        spans.resource.attributes.extend(pairs(service__name=service, **resource))
        self.scope = spans.scope_spans.add()

    def span(
        self, span: int, parent: int = 0, *, trace: int = 1, name: str = "chat", seconds: float = 1.0, at: datetime | None = None, error: str = "", links: tuple[int, ...] = (), **attributes: Any
    ) -> Export:
        end = at or self.now
        made = self.scope.spans.add(
            trace_id=bytes([trace]) * 16, span_id=bytes([span]) * 8, parent_span_id=bytes([parent]) * 8 if parent else b"", name=name,
            start_time_unix_nano=nanos(end - timedelta(seconds=seconds)), end_time_unix_nano=nanos(end), attributes=pairs(**attributes),
        )  # fmt: skip
        if error:
            made.status.code, made.status.message = 2, error
        for each in links:
            made.links.add(trace_id=bytes([trace]) * 16, span_id=bytes([each]) * 8)
        return self

    def call(self, span: int, parent: int = 0, *, read: int = 100, wrote: int = 10, **more: Any) -> Export:
        """A model call."""
        return self.span(span, parent, **{"gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-4o", "gen_ai__usage__input_tokens": read, "gen_ai__usage__output_tokens": wrote, **more})

    def agent(self, span: int, parent: int = 0, *, named: str = "", **more: Any) -> Export:
        return self.span(span, parent, name="invoke_agent", gen_ai__operation__name="invoke_agent", **({"gen_ai__agent__name": named} if named else {}), **more)

    @property
    def body(self) -> bytes:
        return self.request.SerializeToString()


def evaluation(now: datetime, *, trace: int = 0, span: int = 0, service: str = "judge", **attributes: Any) -> bytes:
    """A log record that scores something."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    logs.resource.attributes.extend(pairs(service__name=service))
    logs.scope_logs.add().log_records.add(
        time_unix_nano=nanos(now), event_name="gen_ai.evaluation.result", trace_id=bytes([trace]) * 16 if trace else b"", span_id=bytes([span]) * 8 if span else b"", attributes=pairs(**attributes)
    )
    return request.SerializeToString()


def metric(now: datetime, name: str, value: float, *, began: datetime, unit: str = "", service: str = "support-bot", cumulative: bool = True, **attributes: Any) -> bytes:
    """One point of a sum."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add()
    metrics.resource.attributes.extend(pairs(service__name=service))
    made = metrics.scope_metrics.add().metrics.add(name=name, unit=unit)
    made.sum.aggregation_temporality = 2 if cumulative else 1
    made.sum.data_points.add(start_time_unix_nano=nanos(began), time_unix_nano=nanos(now), as_double=value, attributes=pairs(**attributes))
    return request.SerializeToString()
