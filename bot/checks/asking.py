"""Asking addresses over the network: bounded in time, size and redirects, and never a private network unasked."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

import httpx

from bot import __version__
from bot.checks.kinds.http import AnswerFacts, HttpSpec
from bot.checks.kinds.prometheus import PrometheusSpec
from bot.checks.kinds.upstream import UpstreamSpec
from bot.clock import Clock
from bot.trust import trusted

BODY = 64 * 1024  # bytes read of an answer
ADDRESSES = 3  # of one name that are tried
NAMES = 64  # names that are looked up at the same time: one that hangs holds a thread until the machine gives up

Probed = HttpSpec | PrometheusSpec | UpstreamSpec
Resolve = Callable[[str, int], Awaitable[list[str]]]

# Their own threads: the loop's are few, and a name server that hangs would hold up whatever else uses them.
_names = ThreadPoolExecutor(NAMES, thread_name_prefix="names")


class NotAllowed(Exception):
    """The address must not be asked; the text says why and what would allow it."""


async def resolve_name(host: str, port: int) -> list[str]:
    """The IP addresses of a host name."""
    found = await asyncio.get_running_loop().run_in_executor(_names, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def ask(spec: Probed, clock: Clock, resolve: Resolve = resolve_name, trust: ssl.SSLContext | None = None) -> AnswerFacts:
    """Ask what a check asks; every way it can go wrong becomes facts."""
    at, began, url = clock.now(), asyncio.get_running_loop().time(), spec.url or ""

    def took() -> int:
        return int((asyncio.get_running_loop().time() - began) * 1000)

    try:
        async with asyncio.timeout(spec.patience()):
            if isinstance(spec, PrometheusSpec):
                status, url, body, ends = await _follow(spec.as_http(), resolve, spec.BODY, trust)
            elif isinstance(spec, HttpSpec):
                status, url, body, ends = await _follow(spec, resolve, BODY, trust)
            elif url.startswith("tcp:"):
                await _connect(spec, resolve)
                return AnswerFacts(at, url, None, took())
            elif url:
                status, url, body, ends = await _follow(spec.as_http(), resolve, BODY, trust)
            else:
                return AnswerFacts(at, url)
        return AnswerFacts(at, url, status, took(), body, cert_ends=ends)
    except NotAllowed as refused:
        return AnswerFacts(at, url, None, took(), error=str(refused), asked=False)
    except (TimeoutError, httpx.TimeoutException):
        return AnswerFacts(at, url, None, took(), error=f"no answer within {spec.patience():g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return AnswerFacts(at, url, None, took(), error=_words(error))


async def _connect(spec: UpstreamSpec, resolve: Resolve) -> None:
    """Open a connection, and close it."""
    parts = urlsplit(spec.url or "")
    host, port = parts.hostname or "", parts.port or 0
    addresses = await _addresses(host, port, resolve, allow_private=spec.allow_private)
    for place, address in enumerate(addresses, start=1):
        try:
            _, writer = await asyncio.open_connection(address, port)
        except OSError:
            if place == len(addresses):
                raise
        else:
            writer.transport.abort()  # no good-bye to wait for
            return


async def _follow(spec: HttpSpec, resolve: Resolve, most: int, trust: ssl.SSLContext | None) -> tuple[int, str, bytes, datetime | None]:
    url = spec.url
    # Fresh connections each time: a probe is to see what a stranger sees, and proxies of the machine are not asked.
    async with httpx.AsyncClient(verify=trust or trusted(), trust_env=False, follow_redirects=False, timeout=spec.patience()) as client:
        for _ in range(spec.redirects + 1):
            answer = await _send(client, spec, url, resolve)
            try:
                location = answer.headers.get("location")
                if answer.is_redirect and location and spec.redirects:
                    url = urljoin(url, location)
                    continue
                return answer.status_code, url, await _bounded(answer, most), _certificate_ends(answer)
            finally:
                await answer.aclose()
    raise httpx.TooManyRedirects(f"more than {spec.redirects} redirects, the last one to {url[:200]}")


async def _send(client: httpx.AsyncClient, spec: HttpSpec, url: str, resolve: Resolve) -> httpx.Response:
    """Ask the very IP addresses that were looked at, so that a name cannot change its mind in between."""
    parts = urlsplit(url)
    host, scheme = parts.hostname, parts.scheme
    if scheme not in ("http", "https") or not host:
        raise NotAllowed(f"{url[:200]} is not a web address")
    port = parts.port or (443 if scheme == "https" else 80)
    addresses = await _addresses(host, port, resolve, allow_private=spec.allow_private)
    headers = {"Host": parts.netloc.rsplit("@", 1)[-1], "User-Agent": f"aiops-bot/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
    for place, address in enumerate(addresses, start=1):
        pinned = httpx.URL(url).copy_with(host=address)
        request = client.build_request(spec.method, pinned, headers=headers, extensions={"sni_hostname": host})
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError:
            if place == len(addresses):
                raise
    raise NotAllowed(f"{host} has no address")


async def _addresses(host: str, port: int, resolve: Resolve, *, allow_private: bool) -> list[str]:
    """The first few addresses of a name; raises NotAllowed where one of all of them lies inside."""
    found = await resolve(host, port)
    if not found:
        raise NotAllowed(f"{host} has no address")
    if not allow_private and any(_is_private(address) for address in found):
        raise NotAllowed(f"{host} lies in a private network; the check may ask it only with `allow_private: true`")
    return found[:ADDRESSES]


def _certificate_ends(answer: httpx.Response) -> datetime | None:
    """Until when the certificate holds that the answer came under; None without TLS."""
    stream = answer.extensions.get("network_stream")
    secured = stream.get_extra_info("ssl_object") if stream is not None else None
    shown = secured.getpeercert() if secured is not None else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC) if shown else None


async def _bounded(answer: httpx.Response, most: int) -> bytes:
    body = b""
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) >= most:
            return body[:most]
    return body


def _is_private(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    return not ip.is_global or ip.is_multicast


def _words(error: Exception) -> str:
    said = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        why = said.split("certificate verify failed: ")[-1].split(" (_ssl")[0]
        return f"its certificate is not valid ({why})"[:300]
    if isinstance(error, socket.gaierror):
        return f"its name cannot be found ({error.strerror or said})"[:300]
    if isinstance(error, httpx.ConnectError | OSError):
        return f"no connection ({_of_the_machine(error) or said or type(error).__name__})"[:300]
    if isinstance(error, httpx.NetworkError):
        return f"the connection broke off ({_of_the_machine(error) or said or type(error).__name__})"[:300]
    if isinstance(error, httpx.TooManyRedirects):
        return said
    if isinstance(error, httpx.RemoteProtocolError):
        if "disconnected" in said or "closed connection" in said:
            return "it closed the connection before its answer was whole"
        if "too long" in said:
            return "the head of its answer has no end"
        return f"it does not speak HTTP ({said.split(': bytearray')[0].rstrip('.')})"[:300]
    return f"{type(error).__name__}: {said}"[:300]


def _of_the_machine(error: BaseException) -> str:
    """What the operating system said, such as "Connection refused"; the libraries between wrap it in words of their own."""
    todo, seen = [error], set[int]()
    while todo:
        each = todo.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OSError) and each.errno and each.strerror:
            # asyncio's own text for a refused connection repeats the address, and not why.
            return str(each.strerror) if isinstance(each, ssl.SSLError | socket.gaierror) else os.strerror(each.errno)
        todo += [*(each.exceptions if isinstance(each, BaseExceptionGroup) else ()), *(found for found in (each.__cause__, each.__context__) if found is not None)]
    return ""
