"""A short way for requests that come thousands of times a second: uvicorn's own connection, without a task and a scope for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

Headers = Sequence[tuple[bytes, bytes]]
Answer = Callable[[int, Headers, bytes], None]  # status, headers (with the length), body

LARGEST = 64 * 1024  # bytes of a body that may go the short way
# A request that says any of these goes the long way.
_ODD = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"))


class Short(Protocol):
    """Takes a whole request and answers it once, now or later; False where it must go the long way (nothing was done then)."""

    def __call__(self, method: bytes, url: bytes, headers: Headers, body: bytes, answer: Answer) -> bool: ...


class Wire(HttpToolsProtocol):
    """Offers each small, plain, complete request to `short` first; everything else goes to the app as ever.

    Measured: 48 us of processor time for the least ASGI handler, 12 us here. Keep-alive, pipelining and the graceful stop
    stay uvicorn's: while a short request waits for its answer, `cycle` holds a stand-in that those parts know how to treat.
    """

    short: Short
    _body: bytes | None = None  # what came of a request that may go the short way

    def on_headers_complete(self) -> None:
        self._body = b"" if self._may_be_short() else None
        if self._body is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, None
        if body is None:
            super().on_message_complete()
            return
        before = self.cycle
        self.cycle = waiting = _Waiting(self)  # type: ignore[assignment]
        if not type(self).short(self.parser.get_method(), self.url, self.headers, body, waiting.answer):
            self.cycle = before
            super().on_headers_complete()
            super().on_body(body)
            super().on_message_complete()

    def _may_be_short(self) -> bool:
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # pipelined: answers leave in order
        parser = self.parser
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive() or parser.should_upgrade():
            return False
        for name, value in self.headers:
            if name in _ODD or (name == b"content-length" and (len(value) > 5 or int(value) > LARGEST)):
                return False
        return True


class _Waiting:
    """Stands in uvicorn's place of a cycle until the answer is known."""

    __slots__ = ("_wire", "disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True  # the graceful stop clears it
        self.message_event = _NOBODY_WAITS

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send the answer in one write."""
        self.response_complete = True
        transport = self._wire.transport
        if self.disconnected or transport.is_closing():
            return
        content = [STATUS_LINE[status]]
        for name, value in (*self._wire.server_state.default_headers, *headers):
            content += (name, b": ", value, b"\r\n")
        content.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        content.append(body)
        transport.write(b"".join(content))
        if not self.keep_alive:
            transport.close()
        self._wire.on_response_complete()


class _NobodyWaits:
    """An event that nobody waits for."""

    def set(self) -> None: ...


_NOBODY_WAITS = _NobodyWaits()


def with_short_way(short: Short) -> type[Wire]:
    """uvicorn's `http=` with these short ways."""
    made: dict[str, Any] = {"short": staticmethod(short)}
    return type("ShortWire", (Wire,), made)
