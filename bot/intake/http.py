"""Intake over HTTP: `POST /v1/events`, `GET /v1/whoami`, and their description. The hot route is a plain ASGI handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any, NamedTuple

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bot.db import is_outage
from bot.intake.bodies import DECODED, BadBody, SenderLeft, read_body, split_events
from bot.intake.doors import Denied
from bot.intake.groups import Away, Busy
from bot.intake.openapi import describe, page
from bot.intake.taking import Intake, Taken
from bot.lanes import LanesClosed

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

IN_FLIGHT = 128 * 1024 * 1024  # bytes of bodies being read at the same time
JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")

TITLES = {
    400: "The body cannot be read",
    401: "Who is asking?",
    403: "This token may not do this",
    404: "Not found",
    413: "Too much in one request",
    415: "Not a format that is taken",
    422: "No event could be taken",
    429: "Too busy for the moment",
    500: "Something broke here",
    503: "The database is away for the moment",
}


@cache
def _described() -> tuple[bytes, str]:
    """The description for machines and the page for people, made when somebody first asks: a few hundredths of a second."""
    document = describe()
    return orjson.dumps(document, option=orjson.OPT_INDENT_2), page(document)


def routes(intake: Intake) -> list[Route]:
    """All routes of this room, the hottest first."""
    async def openapi(_: Request) -> Response:
        return Response(_described()[0], media_type="application/json")

    async def docs(_: Request) -> Response:
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(_described()[1], headers=headers)

    return [
        Route("/v1/events", TakeEvents(intake), methods=["POST"]),
        Route("/v1/whoami", Whoami(intake), methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
        Route("/docs", docs, methods=["GET"]),
    ]


class TakeEvents:
    """One event, an array, or NDJSON: stored before it is answered."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._take(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - logged and told
            await tell_trouble(error, scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization, content_type, encoding, length = None, "", "", None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                content_type = value.decode("latin-1")
            elif name == b"content-encoding":
                encoding = value.decode("latin-1").strip().lower()
            elif name == b"content-length" and value.isdigit():
                length = int(value)
        bearer = await self._intake.doors.admit(authorization, "events")
        reserved = min(length if length is not None and not encoding else DECODED, DECODED)
        if self._reading + reserved > IN_FLIGHT:
            raise Busy
        self._reading += reserved
        try:
            body = await read_body(receive, encoding, length)
            raws = await split_events(body, content_type)
            del body
            dry_run = b"dry_run=1" in scope["query_string"] or b"dry_run=true" in scope["query_string"]
            taken = await self._intake.take(raws, bearer.agents, dry_run=dry_run)
        finally:
            self._reading -= reserved
        await reply(send, reply_to(taken, len(raws), dry_run=dry_run))


class Whoami:
    """What this token may do."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        try:
            bearer = await self._intake.doors.admit(authorization, "")
        except Denied as error:
            await problem(send, error.status, error.code, str(error))
        else:
            await answer(send, 200, JSON, bearer.told())


class Reply(NamedTuple):
    """A whole answer; the headers have the body's length."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def reply_to(taken: Taken, count: int, *, dry_run: bool = False) -> Reply:
    """What the sender of `count` events is told."""
    if taken.accepted == 1 == count and not dry_run:
        return _ONE_TAKEN  # nearly every request
    told = taken.told()
    if dry_run:
        told["dry_run"] = True
    if taken.accepted or taken.duplicates:
        return reply_of(200 if dry_run else 202, JSON, told)
    said = f"none of the {count} events could be taken: see `refused`" if taken.refused else "there is no event in the body"
    return problem_of(422, "nothing_valid", said, more=told)


def reply_of(status: int, kind: tuple[bytes, bytes], content: dict[str, Any], *more: tuple[bytes, bytes]) -> Reply:
    body = orjson.dumps(content)
    return Reply(status, [kind, (b"content-length", str(len(body)).encode()), *more], body)


def problem_of(status: int, code: str, detail: str, *, retry_after: int = 0, more: dict[str, Any] | None = None) -> Reply:
    """RFC 9457."""
    content = {"type": f"/docs#{code}", "title": TITLES[status], "status": status, "detail": detail, "code": code, **(more or {})}
    extra: list[tuple[bytes, bytes]] = []
    if retry_after:
        extra.append((b"retry-after", str(retry_after).encode()))
    if status == 401:
        extra.append((b"www-authenticate", b'Bearer realm="aiops"'))
    return reply_of(status, _PROBLEM, content, *extra)


async def tell_trouble(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell the sender why a request was not taken: no leave, a bad body, too much at once, or trouble of ours."""
    if isinstance(error, SenderLeft):
        return
    if isinstance(error, Denied):
        await problem(send, error.status, error.code, str(error))
    elif isinstance(error, BadBody):
        await problem(send, error.status, error.code, str(error), rest=receive if error.unread else None, waits=waits(scope))
    elif isinstance(error, Busy):
        await problem(send, 429, "busy", "too many events wait to be stored: send this again in a second", retry_after=1)
    else:
        await reply(send, problem_behind(error))


def problem_behind(error: Exception) -> Reply:
    """What the sender is told where storing raised."""
    if isinstance(error, Away):
        return problem_of(503, "away", "nothing of this was answered as stored: send it again, ids make that safe", retry_after=5)
    if is_outage(error) or isinstance(error, LanesClosed):
        log.warning("the database is away", error=type(error).__name__)
        return problem_of(503, "away", "nothing of this was stored: send it again, ids make that safe", retry_after=5)
    log.error("intake failed", exc_info=error)
    return problem_of(500, "broken", "the server's log says why; send it again, ids make that safe")


_ONE_TAKEN = reply_of(202, JSON, Taken(accepted=1).told())


async def reply(send: Send, told: Reply) -> None:
    await send({"type": "http.response.start", "status": told.status, "headers": told.headers})
    await send({"type": "http.response.body", "body": told.body})


async def answer(send: Send, status: int, kind: tuple[bytes, bytes], content: dict[str, Any]) -> None:
    await reply(send, reply_of(status, kind, content))


async def problem(
    send: Send,
    status: int,
    code: str,
    detail: str,
    *,
    retry_after: int = 0,
    more: dict[str, Any] | None = None,
    rest: Receive | None = None,
    waits: bool = False,
) -> None:
    """RFC 9457. With `rest`, what still comes of the body is thrown away, so that the sender gets to read the answer."""
    told = problem_of(status, code, detail, retry_after=retry_after, more=more)
    if rest is None:
        await reply(send, told)
        return
    await send({"type": "http.response.start", "status": status, "headers": [*told.headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": told.body, "more_body": True})
    if not waits:
        await _discard(rest)
    await send({"type": "http.response.body", "body": b""})


def waits(scope: Scope) -> bool:
    """Whether the sender waits for `100 Continue` before it sends the body: it will then send nothing more."""
    return any(name == b"expect" for name, _ in scope["headers"])


async def _discard(receive: Receive, most: int = 256 * 1024 * 1024) -> None:
    seen = 0
    try:
        async with asyncio.timeout(10):
            while seen < most:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
