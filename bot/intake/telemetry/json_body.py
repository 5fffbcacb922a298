"""OTLP as JSON: orjson and a walk of our own, because protobuf's own reader of JSON holds the interpreter for seconds.

Names are lowerCamelCase, or as in the .proto files; ids are hex (base64, which protobuf's JSON has, is known by its length);
64-bit integers come as numbers or as text. What is unknown is left alone. Tests hold it equal to `json_format.Parse`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator
from typing import Any

import orjson

from bot.intake.telemetry.heard import (
    ATTRIBUTES,
    VALUE,
    Attributes,
    BadExport,
    HeardPoint,
    HeardRecord,
    HeardSpan,
    Source,
    source_of,
)
from bot.intake.telemetry.names import ANNOTATIONS, EVENTS_READ, READ

WAYS = {"resourceSpans": "/v1/traces", "resourceLogs": "/v1/logs", "resourceMetrics": "/v1/metrics"}
REMOTE = 0x300
INT64 = 2**63
_HEX = frozenset("0123456789abcdef")


def spans(body: bytes) -> Iterator[HeardSpan]:
    """Every span of an export, good or bad; raises BadExport where it is none."""
    for source, scope, span in _walk(_parsed(body, "resourceSpans"), "resourceSpans", "scopeSpans", "spans"):
        yield _span(span, source, scope)


def _span(span: dict[str, Any], source: Source, scope: str) -> HeardSpan:
    trace_id, span_id, parent = _id(_get(span, "traceId", "trace_id"), 16), _id(_get(span, "spanId", "span_id"), 8), _told(_get(span, "parentSpanId", "parent_span_id"), 8)
    parent_id = _id(parent, 8)
    bad = ""
    if not trace_id or not span_id:
        bad = "no ids" if not _get(span, "traceId", "trace_id") and not _get(span, "spanId", "span_id") else "ids"
    elif parent and parent_id is None:
        bad = "ids"
    status = _dict(span.get("status"))
    flags = _whole(span.get("flags"))
    return HeardSpan(
        source=source,
        scope=scope,
        trace_id=trace_id or "",
        span_id=span_id or "",
        parent_id=parent_id or "",
        name=_text(span.get("name"))[:128],
        start=_whole(_get(span, "startTimeUnixNano", "start_time_unix_nano")),
        end=_whole(_get(span, "endTimeUnixNano", "end_time_unix_nano")),
        failed=status.get("code") in (2, "2", "STATUS_CODE_ERROR"),
        error=_text(status.get("message")),
        remote=bool(parent_id) and flags & REMOTE == REMOTE,
        attributes=_attributes(span.get("attributes")),
        links=[(_id(_get(link, "traceId", "trace_id"), 16) or "", _id(_get(link, "spanId", "span_id"), 8) or "") for link in _dicts(span.get("links"))[:2]],
        events=[
            (event["name"], _whole(_get(event, "timeUnixNano", "time_unix_nano")), _attributes(event.get("attributes")))
            for event in _dicts(span.get("events"))[:100]
            if event.get("name") in EVENTS_READ
        ],
        bad=bad,
    )


def records(body: bytes) -> Iterator[HeardRecord]:
    """Every log record of an export."""
    for source, scope, record in _walk(_parsed(body, "resourceLogs"), "resourceLogs", "scopeLogs", "logRecords"):
        attributes = _attributes(record.get("attributes"))
        told, span_told = _told(_get(record, "traceId", "trace_id"), 16), _told(_get(record, "spanId", "span_id"), 8)
        trace_id, span_id = _id(told, 16), _id(span_told, 8)
        bad = "ids" if (told and trace_id is None) or (span_told and span_id is None) else ""
        name = _text(attributes.get("event.name")) or _text(_get(record, "eventName", "event_name")) or _text(_dict(record.get("body")).get("stringValue"))[:128]
        at = _whole(_get(record, "timeUnixNano", "time_unix_nano")) or _whole(_get(record, "observedTimeUnixNano", "observed_time_unix_nano"))
        yield HeardRecord(source, scope, name, at, trace_id or "", span_id or "", attributes, bad)


def points(body: bytes) -> Iterator[HeardPoint]:
    """Every point of an export's sums and histograms."""
    for source, scope, metric in _walk(_parsed(body, "resourceMetrics"), "resourceMetrics", "scopeMetrics", "metrics"):
        kind = next((name for name in ("sum", "histogram", "exponentialHistogram", "exponential_histogram") if isinstance(metric.get(name), dict)), None)
        if kind is None:
            continue
        data = metric[kind]
        cumulative = _get(data, "aggregationTemporality", "aggregation_temporality") in (2, "2", "AGGREGATION_TEMPORALITY_CUMULATIVE")
        for point in _dicts(_get(data, "dataPoints", "data_points")):
            whole, part = _get(point, "asInt", "as_int"), _get(point, "asDouble", "as_double")
            value = (float(_whole(whole)) if whole is not None else _number(part)) if kind == "sum" else _number(point.get("sum"))
            bad = "ids" if any(_bad_ids(each) for each in _dicts(point.get("exemplars"))) else ""
            began, at = _whole(_get(point, "startTimeUnixNano", "start_time_unix_nano")), _whole(_get(point, "timeUnixNano", "time_unix_nano"))
            yield HeardPoint(source, scope, _text(metric.get("name")), _text(metric.get("unit")), began, at, value, cumulative, _attributes(point.get("attributes")), bad)


def _parsed(body: bytes, wanted: str) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:  # NaN, or half of a character: one bad value must not lose the rest
            found = _mended(json.loads(body.decode("utf-8", "replace")))
        except (ValueError, RecursionError):
            raise BadExport(f"the body is not JSON: {error.msg} at character {error.pos}"[:300]) from None
    if not isinstance(found, dict):
        raise BadExport("an export is a JSON object: {\"" + wanted + '": [...]}')
    other = next((name for name in WAYS if name != wanted and name in found), None)
    if other is not None and wanted not in found:
        raise BadExport(f"this is an export of {other}: send it to {WAYS[other]}")
    return found


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_mended(each) for each in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    return value


def _walk(found: dict[str, Any], resources: str, scopes: str, things: str) -> Iterator[tuple[Source, str, dict[str, Any]]]:
    for resource in _dicts(_get(found, resources, _snake(resources))):
        source = source_of(_attributes(_dict(resource.get("resource")).get("attributes")))
        for scope in _dicts(_get(resource, scopes, _snake(scopes))):
            name = _text(_dict(scope.get("scope")).get("name"))
            for thing in _dicts(_get(scope, things, _snake(things))):
                yield source, name, thing


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


def _get(found: dict[str, Any], name: str, also: str) -> Any:
    value = found.get(name)
    return found.get(also) if value is None else value


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int:
    if isinstance(value, int):
        return max(0, int(value))
    if isinstance(value, str) and value.isdecimal() and len(value) < 30:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return max(0, int(value))
    return 0


def _number(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _id(value: Any, length: int) -> str | None:
    """A hex id in lower case; base64 of the same length is understood too. None where it is neither, or all zeros."""
    if not isinstance(value, str) or not value:
        return None
    told = value.lower()
    if len(told) == 2 * length and _HEX.issuperset(told):
        return told if told.strip("0") else None
    if len(value) == (length + 2) // 3 * 4:
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return None
        return raw.hex() if len(raw) == length and any(raw) else None
    return None


def _told(value: Any, length: int) -> Any:
    """An id as it was said; all zeros are the same as none."""
    return None if isinstance(value, str) and len(value) == 2 * length and not value.strip("0") else value


def _bad_ids(exemplar: dict[str, Any]) -> bool:
    trace_id, span_id = _told(_get(exemplar, "traceId", "trace_id"), 16), _told(_get(exemplar, "spanId", "span_id"), 8)
    return bool((trace_id and _id(trace_id, 16) is None) or (span_id and _id(span_id, 8) is None))


def _attributes(pairs: Any) -> Attributes:
    found: Attributes = {}
    if not isinstance(pairs, list):
        return found
    for pair in pairs[: ATTRIBUTES + 1]:
        key = pair.get("key") if isinstance(pair, dict) else None
        if isinstance(key, str) and (key in READ or key.startswith(ANNOTATIONS)):
            found[key] = _value(pair.get("value"))
    return found


def _value(value: Any, depth: int = 0) -> Any:
    if not isinstance(value, dict):
        return None
    for name, told in value.items():
        if name in ("stringValue", "string_value"):
            return told[:VALUE] if isinstance(told, str) else None
        if name in ("intValue", "int_value"):
            return _integer(told)
        if name in ("doubleValue", "double_value"):
            return _double(told)
        if name in ("boolValue", "bool_value"):
            return told if isinstance(told, bool) else None
        if name in ("arrayValue", "array_value") and depth < 8:
            return [_value(each, depth + 1) for each in _dicts(_dict(told).get("values"))[:ATTRIBUTES]]
        if name in ("kvlistValue", "kvlist_value") and depth < 8:
            return {_text(pair.get("key")): _value(pair.get("value"), depth + 1) for pair in _dicts(_dict(told).get("values"))[:ATTRIBUTES]}
        if name in ("bytesValue", "bytes_value") and isinstance(told, str):
            try:
                return base64.b64decode(told)[:VALUE].hex()
            except (binascii.Error, ValueError):
                return None
    return None


def _integer(told: Any) -> int | None:
    """A number of 64 bits, as protobuf has it: no larger one can be written as JSON again, or as a float."""
    if isinstance(told, bool) or not isinstance(told, (int, str, float)):
        return None
    try:
        found = int(told)
    except (ValueError, OverflowError):
        return None
    return found if -INT64 <= found < INT64 else None


def _double(told: Any) -> float | None:
    """JSON has no NaN and no infinity: they come as text."""
    if isinstance(told, bool):
        return None
    try:
        return float(told) if isinstance(told, (int, float, str)) else None
    except (ValueError, OverflowError):
        return None
