"""The short way beside uvicorn's own: whole small requests are taken from the connection, all others go to the app, answers leave in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bot.serve import listening
from bot.wire import LARGEST, Answer, Headers


@dataclass
class Desk:
    """A short way that keeps what it took, and answers when told."""

    at_once: bool = True
    taken: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    waiting: list[Answer] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, method: bytes, url: bytes, headers: Headers, body: bytes, answer: Answer) -> bool:
        if url != b"/short" or body == b"not this one":
            return False
        self.taken.append((method, url, body))
        if self.at_once:
            answer(200, [(b"content-length", b"5")], b"short")
        else:
            self.waiting.append(answer)
            self.arrived.set()
        return True


async def _long(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"long {len(await request.body())}")


@contextlib.asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[int]:
    sock = socket.create_server(("127.0.0.1", 0))
    async with listening(Starlette(routes=[Route("/{rest:path}", _long, methods=["GET", "POST"])]), sock, short=desk.take):
        yield sock.getsockname()[1]


async def said(port: int, *parts: bytes, answers: int = 1) -> list[bytes]:
    """Send the parts over one connection; the bodies of the answers, in their order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    found = [await _answer(reader) for _ in range(answers)]
    writer.close()
    return found


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


def post(body: bytes, *, path: str = "/short", more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: test\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


async def test_a_small_whole_request_goes_the_short_way_also_where_it_comes_in_pieces() -> None:
    async with served(desk := Desk()) as port:
        whole = post(b"hello")
        assert await said(port, whole) == [b"short"]
        assert await said(port, whole[:9], whole[9:-3], whole[-3:]) == [b"short"]
        assert desk.taken == [(b"POST", b"/short", b"hello")] * 2


async def test_what_the_short_way_does_not_take_reaches_the_app_whole() -> None:
    async with served(desk := Desk()) as port:
        assert await said(port, post(b"not this one")) == [b"long 12"]
        assert await said(port, post(b"12345", path="/elsewhere")) == [b"long 5"]
        assert desk.taken == []


async def test_large_chunked_closing_and_old_requests_go_the_long_way() -> None:
    async with served(desk := Desk()) as port:
        assert await said(port, post(b"x" * (LARGEST + 1))) == [f"long {LARGEST + 1}".encode()]
        assert await said(port, b"POST /short HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n") == [b"long 3"]
        assert await said(port, post(b"abc", more="connection: close\r\n")) == [b"long 3"]
        assert await said(port, b"POST /short HTTP/1.0\r\ncontent-length: 3\r\n\r\nabc") == [b"long 3"]
        assert await said(port, post(b"abc", more="content-encoding: gzip\r\n")) == [b"long 3"]
        assert desk.taken == []


async def test_requests_sent_without_waiting_are_answered_in_their_order() -> None:
    async with served(desk := Desk(at_once=False)) as port:
        asking = asyncio.create_task(said(port, post(b"first") + post(b"22", path="/second") + post(b"third"), answers=3))
        await asyncio.wait_for(desk.arrived.wait(), 10)
        assert not asking.done()
        desk.waiting[0](200, [(b"content-length", b"2")], b"1.")
        assert await asking == [b"1.", b"long 2", b"long 5"]


async def test_one_connection_serves_both_ways_in_turn() -> None:
    async with served(Desk()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for sent, back in ((post(b"a"), b"short"), (post(b"abc", path="/other"), b"long 3"), (b"GET /short HTTP/1.1\r\nhost: test\r\n\r\n", b"short")):
            writer.write(sent)
            assert await _answer(reader) == back
        writer.close()


async def test_a_stop_waits_for_the_answer_and_then_closes_the_connection() -> None:
    async with contextlib.AsyncExitStack() as stack:
        desk = Desk(at_once=False)
        server = contextlib.AsyncExitStack()
        port = await server.enter_async_context(served(desk))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        writer.write(post(b"last"))
        await asyncio.wait_for(desk.arrived.wait(), 10)
        stopping = asyncio.create_task(server.aclose())
        for _ in range(20):  # uvicorn looks every 0.1 s whether it is to stop
            await asyncio.sleep(0.02)
        assert not stopping.done()
        desk.waiting[0](200, [(b"content-length", b"4")], b"done")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert b"connection: close" in head
        assert await reader.read() == b"done"
        await asyncio.wait_for(stopping, 10)


async def test_a_sender_that_left_is_no_trouble() -> None:
    async with served(desk := Desk(at_once=False)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(b"bye"))
        await asyncio.wait_for(desk.arrived.wait(), 10)
        writer.transport.abort()
        desk.at_once = True
        assert await said(port, post(b"next")) == [b"short"]
        desk.waiting[0](200, [(b"content-length", b"2")], b"ok")
        assert await said(port, post(b"next")) == [b"short"]
