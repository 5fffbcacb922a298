"""`POST /v1/traces`, `/v1/logs`, `/v1/metrics`: OTLP over HTTP, stored before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from starlette.routing import Route

from bot.agents.unowned import count_nobody
from bot.clock import Clock
from bot.db import is_outage
from bot.intake.bodies import BadBody, SenderLeft, read_body
from bot.intake.doors import Denied, Doors, Pass
from bot.intake.groups import Away, Busy, Groups
from bot.intake.http import Receive, Reply, Scope, Send, reply, waits
from bot.intake.telemetry import answers, json_body, protobuf
from bot.intake.telemetry.heard import BadExport
from bot.intake.telemetry.owners import OwnersBook, View
from bot.intake.telemetry.reading import Read, Reader
from bot.intake.telemetry.storing import store_parts
from bot.lanes import Lanes, LanesClosed, Urgency

log = structlog.get_logger(__name__)

NOTED = timedelta(minutes=10)
SLICE = 100  # spans read before the loop may do something else
IN_FLIGHT = 128 * 1024 * 1024  # bytes of bodies being read at the same time
LARGE = 1024 * 1024  # bodies from here on are read one after another: their messages take several times as much memory

WALKS: dict[str, dict[str, Callable[[bytes], Iterator[Any]]]] = {
    "traces": {answers.PROTOBUF: protobuf.spans, answers.JSON: json_body.spans},
    "logs": {answers.PROTOBUF: protobuf.records, answers.JSON: json_body.records},
    "metrics": {answers.PROTOBUF: protobuf.points, answers.JSON: json_body.points},
}


class Telemetry:
    """Everything that OpenTelemetry sends goes through here; one per process."""

    def __init__(self, lanes: Lanes, clock: Clock, doors: Doors, *, most: int) -> None:
        self.clock = clock
        self.doors = doors
        self.most = most  # bytes of one export after inflating
        self._lanes = lanes
        self._noted: dict[tuple[str, str], datetime] = {}
        self.owners = OwnersBook(lanes, clock)
        self.groups = Groups(lanes, clock, store_parts)
        self.accepted = {"traces": 0, "logs": 0, "metrics": 0}  # since the process started, for /metrics
        self.refused = 0
        self.reading = 0
        self._one_large = asyncio.Lock()

    async def take(self, signal: str, kind: str, body: bytes, bearer: Pass) -> Read:
        """Read and store one export; returns after the commit. Raises BadExport, groups.Busy or groups.Away."""
        view = View(await self.owners.now(), bearer.agents)
        if bearer.agents is not None and not any(slug in view.owners.by_slug for slug in bearer.agents):
            raise Denied(403, "unknown_agent", f"the agents of this token are not in the registry: {', '.join(sorted(bearer.agents))[:200]}")
        if len(body) > LARGE:
            async with self._one_large:
                read = await self._read(signal, kind, body, view)
        else:
            read = await self._read(signal, kind, body, view)
        del body
        if read.parts:
            await self.groups.add(read.parts)
            for part in read.parts:
                if part.refused:
                    read.refuse(part.refused)
        if signal != "traces":
            await self._note_nobody(read.nobody)
        refused = sum(read.refused.values())
        self.accepted[signal] += read.total - refused
        self.refused += refused
        return read

    async def _note_nobody(self, names: set[tuple[str, str]]) -> None:
        """Traces are counted as runs are made of them; who sends only metrics or logs is noted once in ten minutes."""
        now = self.clock.now()
        fresh = sorted(name for name in names if name not in self._noted or now - self._noted[name] >= NOTED)
        if fresh:
            if len(self._noted) > 10_000:
                self._noted.clear()
            self._noted.update(dict.fromkeys(fresh, now))
            await self._lanes.write(lambda tx: count_nobody(tx, now, fresh, traces=0), urgency=Urgency.INTAKE)

    async def _read(self, signal: str, kind: str, body: bytes, view: View) -> Read:
        reader = Reader(view, self.clock.now())
        takes: dict[str, Callable[[Any], None]] = {"traces": reader.span, "logs": reader.record, "metrics": reader.point}
        take = takes[signal]
        for number, thing in enumerate(WALKS[signal][kind](body)):
            take(thing)
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        read = reader.read
        if read.total and read.without_ids == read.total:
            raise BadExport("these are no spans: none of them has an id. Logs go to /v1/logs, metrics to /v1/metrics")
        return read

    async def close(self) -> None:
        """Store what was accepted, then stop."""
        await self.groups.close()


class TakeExport:
    """The plain ASGI handler of one of the three."""

    def __init__(self, telemetry: Telemetry, signal: str) -> None:
        self._telemetry = telemetry
        self._signal = signal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization, content_type, encoding, length = None, "", "", None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                content_type = value.decode("latin-1").partition(";")[0].strip().lower()
            elif name == b"content-encoding":
                encoding = value.decode("latin-1").strip().lower()
            elif name == b"content-length" and value.isdigit():
                length = int(value)
        # The answer speaks the request's language; one that speaks neither reads JSON most likely.
        kind = answers.PROTOBUF if content_type in (answers.PROTOBUF, "application/protobuf", "application/octet-stream") else answers.JSON
        unread: Receive | None = None
        try:
            told = await self._take(kind, content_type, authorization, encoding, length, receive)
        except SenderLeft:
            return
        except BadBody as error:
            told = answers.status(kind, error.status, str(error))
            unread = receive if error.unread and not waits(scope) else None
        except Exception as error:  # noqa: BLE001 - logged and told
            told = _trouble(kind, error)
        if unread is None:
            await reply(send, told)
        else:
            await _reply_and_discard(send, told, unread)

    async def _take(self, kind: str, content_type: str, authorization: bytes | None, encoding: str, length: int | None, receive: Receive) -> Reply:
        telemetry = self._telemetry
        bearer = await telemetry.doors.admit(authorization, "telemetry")
        if content_type not in (answers.PROTOBUF, answers.JSON, "application/protobuf"):
            raise BadBody(415, "content_type", f"content-type {content_type[:80]!r} is not taken: send {answers.PROTOBUF} or {answers.JSON}", unread=True)
        reserved = min(length if length is not None and not encoding else telemetry.most, telemetry.most)
        if telemetry.reading and telemetry.reading + reserved > IN_FLIGHT:
            raise Busy
        telemetry.reading += reserved
        try:
            body = await read_body(receive, encoding, length, telemetry.most)
            read = await telemetry.take(self._signal, kind, body, bearer)
        finally:
            telemetry.reading -= reserved
        return answers.taken(kind, self._signal, read)


def _trouble(kind: str, error: Exception) -> Reply:
    if isinstance(error, Denied):
        return answers.status(kind, error.status, error.detail)
    if isinstance(error, BadExport):
        return answers.status(kind, 400, str(error))
    if isinstance(error, Busy):
        return answers.status(kind, 429, "too much waits to be stored: send this again in a second", retry_after=1)
    if isinstance(error, (Away, LanesClosed)) or is_outage(error):
        return answers.status(kind, 503, "the database is away: nothing of this was answered as stored, send it again", retry_after=5)
    log.error("an export could not be taken", exc_info=error)
    return answers.status(kind, 500, "the server's log says why")


async def _reply_and_discard(send: Send, told: Reply, receive: Receive) -> None:
    """What still comes of the body is thrown away, so that the sender gets to read the answer."""
    await send({"type": "http.response.start", "status": told.status, "headers": [*told.headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": told.body, "more_body": True})
    seen = 0
    try:
        async with asyncio.timeout(10):
            while seen < 256 * 1024 * 1024:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


def routes(telemetry: Telemetry) -> list[Route]:
    """The three endpoints."""
    return [Route(f"/v1/{signal}", TakeExport(telemetry, signal), methods=["POST"]) for signal in WALKS]
