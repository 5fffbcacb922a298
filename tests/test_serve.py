"""Serving: what a proxy says of the caller is believed only of those that are named."""

from __future__ import annotations

import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bot.serve import listening


async def _who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.client.host if request.client else "")


@pytest.mark.parametrize(("trusted", "seen"), [("", "127.0.0.1"), ("10.1.1.1", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")])
async def test_a_forwarded_address_is_believed_only_of_a_trusted_proxy(trusted: str, seen: str) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with listening(Starlette(routes=[Route("/", _who)]), sock, trusted_proxies=trusted), httpx.AsyncClient() as http:
        assert (await http.get(url, headers={"X-Forwarded-For": "203.0.113.9"})).text == seen
