"""What a sender is told, as OTLP says: in the request's own format, errors as a `Status`, what was left out as partial success."""

from __future__ import annotations

import math
from typing import Any

import orjson

from bot.intake.http import Reply
from bot.intake.telemetry.reading import Read

PROTOBUF, JSON = "application/x-protobuf", "application/json"
# google.rpc.Code
CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14}
REJECTED = {"traces": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints"}


def status(kind: str, http_status: int, detail: str, *, retry_after: int = 0) -> Reply:
    """An error as a `google.rpc.Status`."""
    code = CODES.get(http_status, 2)
    body = orjson.dumps({"code": code, "message": detail}) if kind == JSON else _number(1, code) + _text(2, detail)
    more: list[tuple[bytes, bytes]] = []
    if retry_after:
        more.append((b"retry-after", str(retry_after).encode()))
    if http_status == 401:
        more.append((b"www-authenticate", b'Bearer realm="aiops"'))
    return _reply(http_status, kind, body, *more)


def taken(kind: str, signal: str, read: Read) -> Reply:
    """What became of an export, after the commit."""
    refused, words = sum(read.refused.values()), words_of(read, signal)
    if not words:
        return _reply(200, kind, b"{}" if kind == JSON else b"")
    if kind == JSON:
        partial: dict[str, Any] = {REJECTED[signal]: str(refused)} if refused else {}
        return _reply(200, kind, orjson.dumps({"partialSuccess": {**partial, "errorMessage": words}}))
    partial_success = (_number(1, refused) if refused else b"") + _text(2, words)
    return _reply(200, kind, _bytes(1, partial_success))


def words_of(read: Read, signal: str) -> str:
    """Why some of it was left out, and what belongs to no agent."""
    # A child may come before its parent, whose agent it is then: nothing may be said too early.
    unless = "unless a span above it does, " if signal == "traces" else ""
    parts = [f"{count} x {why}" for why, count in read.refused.most_common(5)]
    for service, name in sorted(read.nobody)[:3]:
        who = " and ".join(part for part in (f"service.name {service[:64]!r}" if service else "", f"agent {name[:64]!r}" if name else "") if part) or "no name"
        parts.append(f"traffic of {who} belongs to no agent of the registry: {unless}it is only counted; add `telemetry:` to an agent in aiops.yml, or register it in Slack")
    return "; ".join(parts)[:2000]


def _reply(http_status: int, kind: str, body: bytes, *more: tuple[bytes, bytes]) -> Reply:
    return Reply(http_status, [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *more], body)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode("utf-8", "replace"))


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    for _ in range(math.ceil(max(value.bit_length(), 1) / 7)):
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts[-1] &= 0x7F
    return bytes(parts)
