"""Pings over HTTP, as healthchecks.io's clients send them: stored before they are answered. A plain ASGI handler."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from starlette.routing import Route

from bot.checks.pings import BODY, KEEP, Ping, RetiredAgent, Target, Targets, is_uuid, prune, store_pings
from bot.clock import Clock
from bot.db import is_outage
from bot.lanes import Lanes, LanesClosed, Urgency
from bot.wire import Answer, Headers

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GROUP = 500  # pings of one transaction
GROUP_BYTES = 4 * 1024 * 1024
QUEUED = 20_000  # pings waiting to be stored; beyond it the sender is asked to come back
QUEUED_BYTES = 64 * 1024 * 1024  # of their bodies
PATIENCE = 30  # seconds for a body: what came by then is kept
WORDS = {"start": "start", "fail": "fail", "log": "log"}
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_CODE = re.compile(r"\d{1,3}", re.ASCII)
_HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), (b"access-control-allow-origin", b"*"), (b"ping-body-limit", str(BODY).encode())]
_OK = [*_HEADERS, (b"content-length", b"2")]


class Refused(Exception):
    """Not a ping that can be taken; `status` is 400, 404, 405, 410 or 503."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


Done = Callable[[Exception | None], None]  # told once; the error is a Refused


class Pings:
    """Group commit: pings of the same moment share one transaction, and are answered after it."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._queue: deque[tuple[Ping, Done]] = deque()
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._since_pruned: dict[int, int] = {}  # check -> pings since its oldest were last forgotten
        self.accepted = 0
        self.refused = 0

    async def add(self, ping: Ping) -> None:
        """Store the ping; returns when it is committed. Raises Refused where that cannot be now."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(error: Exception | None) -> None:
            if done.done():  # the sender went away
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        if not self.add_soon(ping, settle):
            raise Refused(503, "too many pings wait to be stored: send this again in a second")
        await done

    def add_soon(self, ping: Ping, done: Done) -> bool:
        """Store the ping; `done` is told after the commit, with the Refused where that failed. False where too many wait."""
        size = len(ping.body or "")
        if len(self._queue) >= QUEUED or self._bytes + size > QUEUED_BYTES:
            return False
        self._queue.append((ping, done))
        self._bytes += size
        if not self._tasks:  # one at a time: what comes meanwhile makes the next group larger
            task = asyncio.create_task(self._empty(), name="pings")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        """Let what was accepted be stored."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=30)

    async def _empty(self) -> None:
        while self._queue:
            group: list[tuple[Ping, Done]] = []
            size = 0
            while self._queue and len(group) < GROUP and size < GROUP_BYTES:
                group.append(self._queue.popleft())
                size += len(group[-1][0].body or "")
            self._bytes -= size
            await self._store(group)
            await self._prune([ping for ping, _ in group])

    async def _store(self, group: list[tuple[Ping, Done]]) -> None:
        """Store the group; where that fails, its pings one by one."""
        pings = [ping for ping, _ in group]
        now = self._clock.now()
        try:
            await self._lanes.write(lambda tx: store_pings(tx, now, pings), urgency=Urgency.INTAKE)
        except Exception as error:
            if is_outage(error) or isinstance(error, LanesClosed):
                _tell(group, Refused(503, "the database is away: send this again"))
            elif len(group) > 1:
                for each in group:
                    await self._store([each])
            else:
                log.exception("a ping cannot be stored", check=pings[0].to.check_id, error=f"{type(error).__name__}: {error}"[:500])
                _tell(group, Refused(503, "this ping could not be stored: the server's log says why"))
        else:
            self.accepted += len(group)
            _tell(group, None)

    async def _prune(self, pings: list[Ping]) -> None:
        full = self._full(pings)
        try:
            if full:
                await self._lanes.write(lambda tx: prune(tx, full), urgency=Urgency.INTAKE)
        except Exception:
            log.exception("old pings could not be forgotten; tried again later", checks=len(full))

    def _full(self, pings: list[Ping]) -> list[int]:
        """Checks that got as many pings as are kept since they were last looked through."""
        full, counts = [], self._since_pruned
        for each in pings:
            count = counts[each.to.check_id] = counts.get(each.to.check_id, KEEP // 2) + 1
            if count >= KEEP:
                counts[each.to.check_id] = 0
                full.append(each.to.check_id)
        return sorted(full)


def _tell(group: list[tuple[Ping, Done]], error: Exception | None) -> None:
    for _, done in group:
        try:
            done(error)
        except Exception:  # one sender's trouble is not the others'
            log.exception("a sender could not be answered")


class TakePing:
    """`/ping/{uuid}` and `/ping/{ping-key}/{check}`, each with `/start`, `/fail`, `/log` or an exit code, and `?rid=`."""

    def __init__(self, pings: Pings, targets: Targets, clock: Clock) -> None:
        self._pings = pings
        self._targets = targets
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            ping = await self._read(scope, receive)
            if ping is None:
                return
            await self._pings.add(ping)
        except Refused as refused:
            self._pings.refused += 1
            await _answer(send, refused.status, str(refused))
        except Exception as error:
            log.exception("a ping failed")
            await _answer(send, 503 if is_outage(error) else 500, "this ping was not stored: send it again")
        else:
            await send({"type": "http.response.start", "status": 200, "headers": _OK})
            await send({"type": "http.response.body", "body": b"OK"})

    def short(self, method: bytes, url: bytes, headers: Headers, body: bytes, answer: Answer) -> bool:
        """The short way (bot/wire.py) of a ping without a body, to a target known by now; what is odd goes the long way."""
        if not url.startswith(b"/ping/") or body or method not in (b"GET", b"HEAD", b"POST"):
            return False
        at = self._clock.now()
        path, _, query = url.partition(b"?")
        try:
            first, name, word = _parts(path.decode("ascii"))
            status, exit_code = _meaning(word)
            rid = _run_id(query)
        except (Refused, UnicodeDecodeError):
            return False
        target = self._targets.known(first, name)
        if target is None:
            return False
        agent = next((value.decode("latin-1") for key, value in headers if key == b"user-agent"), "")
        ping = Ping(target, at, status, rid, exit_code, None, f"{method.decode()} {agent}".strip()[:200].replace("\0", ""))

        def tell(error: Exception | None) -> None:
            if error is None:
                answer(200, _OK, b"" if method == b"HEAD" else b"OK")
            else:
                self._pings.refused += 1
                words = str(error).encode()
                answer(503, [*_HEADERS, (b"content-length", str(len(words)).encode()), (b"retry-after", b"1")], b"" if method == b"HEAD" else words)

        return self._pings.add_soon(ping, tell)

    async def _read(self, scope: Scope, receive: Receive) -> Ping | None:
        method = scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            raise Refused(405, "ping with GET, HEAD or POST")
        at = self._clock.now()  # before anything is waited for: the deadline counts from here
        first, name, word = _parts(scope["path"])
        status, exit_code = _meaning(word)
        rid = _run_id(scope["query_string"])
        try:
            target: Target | None = await self._targets.find(first, name)
        except RetiredAgent as retired:
            await _body(receive)
            raise Refused(410, str(retired)) from retired
        if target is None:
            await _body(receive)  # so that the sender gets to read the answer
            raise Refused(404, "not found")
        body = await _body(receive)
        if body is None:
            return None
        agent = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"user-agent"), "")
        text = body.decode("utf-8", "replace").replace("\0", "\ufffd") if body else None
        return Ping(target, at, status, rid, exit_code, text, f"{method} {agent}".strip()[:200].replace("\0", ""))


def _parts(path: str) -> tuple[str, str, str]:
    """The UUID, or the ping key and the check's name; and the word after it."""
    parts = path.removeprefix("/ping/").rstrip("/").split("/")
    if is_uuid(parts[0]) and len(parts) <= 2:
        return parts[0], "", parts[1] if len(parts) == 2 else ""
    if len(parts) in (2, 3) and not is_uuid(parts[0]):
        if not _SLUG.fullmatch(parts[1]):
            raise Refused(404, "not found")
        return parts[0], parts[1], parts[2] if len(parts) == 3 else ""
    raise Refused(404, "not found")


def _meaning(word: str) -> tuple[str, int | None]:
    """What is told, and the exit code where it is one."""
    if not word:
        return "success", None
    if word in WORDS:
        return WORDS[word], None
    if _CODE.fullmatch(word) and int(word) <= 255:
        return ("fail" if int(word) else "success"), int(word)
    if word.lstrip("-").isdigit():
        raise Refused(400, "invalid exit code: it goes from 0 to 255")
    raise Refused(404, "not found")


def _run_id(query: bytes) -> str | None:
    if b"rid" not in query:
        return None
    found = next((value for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True) if name == "rid"), None)
    if found is None:
        return None
    if not is_uuid(found):
        raise Refused(400, "invalid rid: it must be a UUID, such as 8b5a9f5c-3d1e-4c6a-9b0e-0f6f2f3f7a11")
    return str(UUID(found))


async def _body(receive: Receive) -> bytes | None:
    """The first bytes of the body; the rest is read and dropped. None where the sender left."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")[:BODY]
    try:
        async with asyncio.timeout(PATIENCE):
            while message.get("more_body", False):
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                if len(body) < BODY:
                    body += message.get("body", b"")[: BODY - len(body)]
    except TimeoutError:
        log.info("a ping's body took too long; what came is kept", bytes=len(body))
    return body


async def _answer(send: Send, status: int, words: str) -> None:
    body = words.encode()
    headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    elif status == 405:
        headers.append((b"allow", b"GET, HEAD, POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def route(take: TakePing) -> Route:
    """The ping addresses."""
    return Route("/ping/{rest:path}", take)
