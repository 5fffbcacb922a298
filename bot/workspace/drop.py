"""Cutting a connection in the middle of an answer, as networks do."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

TRANSPORT = "workspace.transport"


class KnowsTransport:
    """Keeps uvicorn's transport of a request at hand: `send` is a method of the cycle that owns it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None and scope["type"] == "http":
            scope[TRANSPORT] = transport
        await self.app(scope, receive, send)


class Dropped(Response):
    """No answer at all; behind another server, one that ends too early."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        super().__init__(b"")
        self.transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.transport is not None:
            self.transport.abort()
            await asyncio.sleep(0)  # lets the server notice that nobody listens any more
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def drop_connection(request: Request) -> Response:
    return Dropped(request.scope.get(TRANSPORT))
