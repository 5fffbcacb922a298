"""Intake over HTTP: `POST /v1/events`, `GET /v1/whoami`, and their description. The hot route is a plain ASGI handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

IN_FLIGHT = 128 * 1024 * 1024  # bytes of bodies being read at the same time
JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")

_TAKEN = orjson.dumps(Taken(accepted=1).told())
_TAKEN_HEAD = {"type": "http.response.start", "status": 202, "headers": [JSON, (b"content-length", str(len(_TAKEN)).encode())]}
_TAKEN_BODY = {"type": "http.response.body", "body": _TAKEN}

TITLES = {
    400: "The body cannot be read",
    401: "Who is asking?",
    403: "This token may not do this",
    413: "Too much in one request",
    415: "Not a format that is taken",
    422: "No event could be taken",
    429: "Too busy for the moment",
    500: "Something broke here",
    503: "The database is away for the moment",
}


def routes(intake: Intake) -> list[Route]:
    """All routes of this room, the hottest first."""
    document = describe()
    described, shown = orjson.dumps(document, option=orjson.OPT_INDENT_2), page(document)

    async def openapi(_: Request) -> Response:
        return Response(described, media_type="application/json")

    async def docs(_: Request) -> Response:
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(shown, headers=headers)

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
        except Denied as error:
            await problem(send, error.status, error.code, str(error))
        except BadBody as error:
            await problem(send, error.status, error.code, str(error), rest=receive if error.unread else None, waits=waits(scope))
        except Busy:
            await problem(send, 429, "busy", "too many events wait to be stored: send this again in a second", retry_after=1)
        except Away:
            await problem(send, 503, "away", "nothing of this was answered as stored: send it again, ids make that safe", retry_after=5)
        except SenderLeft:
            return
        except Exception as error:
            if not is_outage(error):
                log.exception("intake failed")
                await problem(send, 500, "broken", "the server's log says why; send it again, ids make that safe")
                return
            log.warning("the database is away", error=type(error).__name__)
            await problem(send, 503, "away", "nothing of this was stored: send it again, ids make that safe", retry_after=5)

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
        if taken.accepted == 1 == len(raws) and not dry_run:  # nearly every request: one event, taken
            await send(_TAKEN_HEAD)
            await send(_TAKEN_BODY)
            return
        told = taken.told()
        if dry_run:
            told["dry_run"] = True
        if taken.accepted or taken.duplicates:
            await answer(send, 200 if dry_run else 202, JSON, told)
        elif taken.refused:
            await problem(send, 422, "nothing_valid", f"none of the {len(raws)} events could be taken: see `refused`", more=told)
        else:
            await problem(send, 422, "nothing_valid", "there is no event in the body", more=told)


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


async def answer(send: Send, status: int, kind: tuple[bytes, bytes], content: dict[str, Any], *more: tuple[bytes, bytes]) -> None:
    body = orjson.dumps(content)
    headers = [kind, (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
    content = {"type": f"/docs#{code}", "title": TITLES[status], "status": status, "detail": detail, "code": code, **(more or {})}
    extra: list[tuple[bytes, bytes]] = []
    if retry_after:
        extra.append((b"retry-after", str(retry_after).encode()))
    if status == 401:
        extra.append((b"www-authenticate", b'Bearer realm="aiops"'))
    if rest is None:
        await answer(send, status, _PROBLEM, content, *extra)
        return
    body = orjson.dumps(content)
    headers = [_PROBLEM, (b"content-length", str(len(body)).encode()), (b"connection", b"close"), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
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
