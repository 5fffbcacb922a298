"""`GET /v1/agents/{id}/gate`: what an agent has to obey now, for tokens with the scope `gate`."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import parse_qs

import orjson
from starlette.routing import Route

from bot.intake.doors import Denied, Doors, Pass
from bot.intake.http import Receive, Reply, Scope, Send, problem_of, reply, tell_trouble
from bot.stages.gate import Gate, Told
from bot.wire import Answer, Headers, Short

LONGEST = 60.0  # seconds that somebody may wait
MOST = 20_000  # who may wait at the same time
_PATH, _END = b"/v1/agents/", b"/gate"


def route(doors: Doors, gate: Gate) -> Route:
    """The one route that tells the stage: asked before acting."""
    return Route("/v1/agents/{slug}/gate", TellGate(doors, gate), methods=["GET"])


class TellGate:
    """Answers at once, or with `?wait=30` and If-None-Match once something else is ordered."""

    def __init__(self, doors: Doors, gate: Gate) -> None:
        self._doors, self._gate = doors, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            told = await self._answer(scope, receive)
        except Exception as error:  # noqa: BLE001 - logged and told
            await tell_trouble(error, scope, receive, send)
            return
        if told is not None:
            await reply(send, told)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | None:
        headers = dict(scope["headers"])
        slug = scope["path_params"]["slug"]
        try:
            bearer = await self._doors.admit(headers.get(b"authorization"), "gate")
        except Denied as denied:
            return await self._retired(slug, denied)
        seconds = _seconds(scope["query_string"])
        if seconds is None:
            return problem_of(400, "wait", f"`wait` is how many seconds to wait, 0 to {LONGEST:.0f}: `?wait=30`")
        # An agent outside the token's list is answered like one that is not there: its existence is not told.
        may = bearer.agents is None or slug in bearer.agents
        told = await self._gate.ask(slug) if may else None
        known = headers.get(b"if-none-match", b"")
        if told is not None and seconds and knows(known.decode("latin-1"), told.etag.decode()):
            if self._gate.waiting >= MOST:
                return problem_of(429, "busy", "too many agents wait at their gates here: ask again without `wait`", retry_after=5)
            self._note(told, slug, bearer)
            waiting = asyncio.create_task(self._gate.wait(slug, told.rev, seconds))
            if await _left(receive, waiting):
                return None
            told = waiting.result()
            try:
                await self._doors.admit(headers.get(b"authorization"), "gate")  # it may have been revoked meanwhile
            except Denied as denied:
                return await self._retired(slug, denied)
        if told is None:
            return problem_of(404, "unknown_agent", f"there is no agent {slug[:64]!r} that this token may ask about")
        self._note(told, slug, bearer)
        return _reply(told, known)

    async def _retired(self, slug: str, denied: Denied) -> Reply:
        """An agent whose retirement ended its token is still told to stop: that is all such a token hears."""
        told = await self._gate.ask(slug) if denied.retired == slug else None
        if told is None or orjson.loads(told.body).get("stage") != "retired":
            raise denied
        return _reply(told, b"")

    def _note(self, told: Told, slug: str, bearer: Pass) -> None:
        """A token that names the agent is the agent's own; one of the whole workspace may be anybody's, and confirms nothing."""
        if bearer.agents is not None and slug in bearer.agents:
            self._gate.note(told)


async def _left(receive: Receive, waiting: asyncio.Task[Told | None]) -> bool:
    """Wait for the order; True where the one who asked hung up before."""

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    listening = asyncio.create_task(hung_up())
    try:
        await asyncio.wait((waiting, listening), return_when=asyncio.FIRST_COMPLETED)
        return not waiting.done()
    finally:
        for task in (waiting, listening):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def short(doors: Doors, gate: Gate) -> Short:
    """A plain question of a token known by now, answered from memory; everything else goes the long way, which has the same rules."""
    ask = TellGate(doors, gate)

    def take(method: bytes, url: bytes, headers: Headers, body: bytes, answer: Answer) -> bool:
        if method != b"GET" or not url.startswith(_PATH) or not url.endswith(_END):
            return False
        slug = url[len(_PATH) : -len(_END)].decode("latin-1")
        authorization, known = None, b""
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"if-none-match":
                known = value
        bearer, told = doors.known(authorization, "gate"), gate.now(slug)
        if bearer is None or told is None or (bearer.agents is not None and slug not in bearer.agents):
            return False
        ask._note(told, slug, bearer)
        answer(*_reply(told, known))
        return True

    return take


def _reply(told: Told, known: bytes) -> Reply:
    headers = [(b"etag", told.etag), (b"cache-control", b"no-cache")]
    if known and knows(known.decode("latin-1"), told.etag.decode()):
        return Reply(304, headers, b"")
    return Reply(200, [(b"content-type", b"application/json"), (b"content-length", str(len(told.body)).encode()), *headers], told.body)


def knows(header: str, etag: str) -> bool:
    """Whether If-None-Match names this answer, by the weak comparison of RFC 9110."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in header.split(","))


def _seconds(query: bytes) -> float | None:
    """How long to wait, at most LONGEST; None where that cannot be read."""
    given = parse_qs(query.decode("latin-1")).get("wait", ["0"])[-1]
    return min(float(given), LONGEST) if given.isascii() and given.isdigit() and len(given) < 8 else None
