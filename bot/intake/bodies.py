"""A request's body, read in steps: cut off early when it is too large, inflated no further than allowed, split into events."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any

import orjson

from bot.intake.judging import Refusal

DECODED = 10 * 1024 * 1024  # bytes of a body after inflating
EVENTS = 10_000
_STEP = 64 * 1024

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BadBody(Exception):
    """The body as a whole cannot be read; `unread` where more of it is still to come."""

    def __init__(self, status: int, code: str, detail: str, *, unread: bool = False) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.unread = status, code, detail, unread


class SenderLeft(Exception):
    """The connection closed before the body was complete."""




def _too_large(unread: bool, most: int) -> BadBody:
    return BadBody(413, "too_large", f"the body is larger than {most // 1024 // 1024} MiB after inflating: send it in several requests", unread=unread)


def _too_many() -> BadBody:
    return BadBody(413, "too_many", f"more than {EVENTS:,} events in one request: send them in several")


async def read_body(receive: Receive, encoding: str, told_length: int | None, most: int = DECODED) -> bytes:
    """The whole body, inflated; raises BadBody as soon as it is known to be too large."""
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise BadBody(415, "encoding", f"content-encoding {encoding[:50]!r} is not taken: send gzip, or none")
    if told_length is not None and told_length > most:
        raise _too_large(True, most)
    inflate = _Inflate() if encoding in ("gzip", "x-gzip") else None
    first = await _chunk(receive)
    if inflate is None and not first[1]:
        if len(first[0]) > most:
            raise _too_large(False, most)
        return first[0]  # nearly every single event
    parts: list[bytes] = []
    size, (chunk, more) = 0, first
    while True:
        for start in range(0, len(chunk), _STEP):
            piece = chunk[start : start + _STEP]
            plain = inflate.step(piece, most - size) if inflate else piece
            size += len(plain)
            if size > most:
                raise _too_large(more, most)
            parts.append(plain)
            if inflate:
                await asyncio.sleep(0)  # a bomb inflates slowly: let the others in between
        if not more:
            break
        chunk, more = await _chunk(receive)
    if inflate:
        inflate.end()
    return b"".join(parts)


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise SenderLeft
    return message.get("body", b""), message.get("more_body", False)


class _Inflate:
    """gzip in steps, perhaps several members after one another; never more than asked for."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._begun = False

    def step(self, data: bytes, room: int) -> bytes:
        """What these bytes inflate to; at most one byte more than `room`."""
        parts: list[bytes] = []
        try:
            while data:
                if self._stream.eof:
                    self._stream, self._begun = zlib.decompressobj(wbits=31), False
                plain = self._stream.decompress(data, room + 1)
                self._begun = True
                room -= len(plain)
                parts.append(plain)
                if room < 0:
                    break
                data = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise BadBody(400, "bad_gzip", "the body is not valid gzip: remove content-encoding, or compress it again") from error
        return b"".join(parts)

    def end(self) -> None:
        if self._begun and not self._stream.eof:
            raise BadBody(400, "bad_gzip", "the gzip body ends too early: send it again")


async def split_events(body: bytes, content_type: str) -> list[Any]:
    """The events in a body: parsed values, or a Refusal where one of them is not JSON. Raises BadBody for the whole."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"):
        return await _lines(body)
    if kind not in ("", "application/json", "text/json") and not kind.endswith("+json"):
        raise BadBody(415, "content_type", f"content-type {kind[:80]!r} is not taken: send application/json or application/x-ndjson")
    if not body.strip():
        raise BadBody(400, "empty", "the body is empty: send one event, an array of events, or NDJSON")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return await _salvage(body, error, sniff=not kind)
    if not isinstance(found, list):
        return [found]
    if len(found) > EVENTS:
        raise _too_many()
    return found


async def _lines(body: bytes) -> list[Any]:
    found: list[Any] = []
    for number, line in enumerate(BytesIO(body)):
        if line and not line.isspace():
            if len(found) >= EVENTS:
                raise _too_many()
            found.append(parse_one(line, len(found)))
        if number % 500 == 499:
            await asyncio.sleep(0)
    if not found:
        raise BadBody(400, "empty", "the body is empty: send one event per line")
    return found


def parse_one(text: bytes, index: int) -> Any:
    """One event's JSON; a Refusal where it is none. Broken text inside it is let through, to be refused by field."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(text.decode("utf-8", "surrogateescape"), parse_constant=_no_constant)
        except RecursionError:
            return Refusal(index, None, None, "too_deep", "the event is nested deeper than 16")
        except ValueError:
            return Refusal(index, None, None, "not_json", f"this is not JSON: {error.msg} at character {error.pos}"[:300])


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},"]', re.DOTALL)


async def _salvage(body: bytes, error: orjson.JSONDecodeError, *, sniff: bool) -> list[Any]:
    """One bad event must not lose the good ones beside it: cut the array into its elements and parse each alone."""
    text = body.strip()
    broken = BadBody(400, "not_json", f"the body is not JSON: {error.msg} at character {error.pos}"[:300])
    if not text.startswith(b"["):
        if sniff and b"\n" in text:
            return await _lines(body)
        one = parse_one(text, 0)
        if isinstance(one, Refusal) and one.code == "not_json":
            raise broken
        return [one]
    parts: list[Any] = []
    async for part in _elements(text):
        if part is None:
            raise broken
        if len(parts) >= EVENTS:
            raise _too_many()
        parts.append(parse_one(part, len(parts)))
    if all(isinstance(part, Refusal) and part.code == "not_json" for part in parts):
        raise broken
    return parts


async def _elements(text: bytes) -> AsyncIterator[bytes | None]:
    """The elements of a JSON array as bytes; None where brackets or quotes do not match. Yields to the loop as it goes."""
    depth, start = 0, 1
    for number, token in enumerate(_TOKENS.finditer(text)):
        if number % 5000 == 4999:
            await asyncio.sleep(0)
        what = token.group()
        if what in (b"[", b"{"):
            depth += 1
        elif what in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if token.end() != len(text):
                    yield None
                elif token.start() > start or text[start : token.start()].strip():
                    yield text[start : token.start()]
                return
        elif what == b"," and depth == 1:
            yield text[start : token.start()]
            start = token.end()
        elif what == b'"':
            break  # a quote that never closes
    yield None
