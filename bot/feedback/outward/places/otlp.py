"""Any OpenTelemetry backend: a log record `gen_ai.evaluation.result` that carries the judged span's ids."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO

from bot.feedback.outward.places.place import Line, Word, hex_id
from bot.routes.outcome import Kind, Outcome

EVENT = "gen_ai.evaluation.result"
PROTOBUF = "application/x-protobuf"


async def tell(line: Line, word: Word) -> Outcome:
    """Add a record. Records cannot be taken away: a change is a later record of the same `aiops.feedback.id`."""
    reply = await line.send("POST", "/v1/logs", raw=record(word), kind=PROTOBUF)
    if reply.outcome.ok and (refused := rejected(reply.raw)):
        return Outcome(Kind.REFUSED, refused)
    return reply.outcome


def record(word: Word) -> bytes:
    """The export request; the same word makes the same bytes, so that a backend may know it again."""
    asked = ExportLogsServiceRequest()
    resource = asked.resource_logs.add()
    resource.resource.attributes.append(_text("service.name", "aiops-bot"))
    scope = resource.scope_logs.add()
    scope.scope.name = "aiops-bot"
    log = scope.log_records.add()
    log.time_unix_nano = log.observed_time_unix_nano = int(word.at.timestamp() * 1_000_000) * 1000
    log.event_name, log.severity_number = EVENT, SEVERITY_NUMBER_INFO
    trace, span = hex_id(word.trace_id, 32), hex_id(word.span_id, 16)
    if trace is not None:
        log.trace_id = bytes.fromhex(trace)
        log.span_id = bytes.fromhex(span) if span is not None else b""
    told = {
        "event.name": EVENT, "gen_ai.evaluation.name": word.name, "gen_ai.evaluation.score.label": word.label, "gen_ai.evaluation.explanation": word.explanation(),
        "gen_ai.agent.name": word.agent, "aiops.output.id": word.output, "aiops.feedback.id": word.key, "aiops.feedback.source": word.source, "aiops.feedback.source_type": "human",
        "aiops.feedback.reason": word.reason, "aiops.feedback.correction": word.correction,
    }  # fmt: skip
    log.attributes.extend(_text(name, value) for name, value in told.items() if value)
    if word.score is not None:
        log.attributes.append(KeyValue(key="gen_ai.evaluation.score.value", value=AnyValue(double_value=word.score)))
    log.attributes.append(KeyValue(key="aiops.feedback.rev", value=AnyValue(int_value=word.rev)))
    return asked.SerializeToString(deterministic=True)


def rejected(body: bytes) -> str:
    """Named where a backend refused the record and answered 200 all the same (OTLP's partial success)."""
    try:
        told = ExportLogsServiceResponse.FromString(body)
    except DecodeError:
        return ""
    return "partial_success" if told.partial_success.rejected_log_records else ""


def _text(name: str, value: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=value))
