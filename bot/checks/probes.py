"""Asking addresses over the network, outside any transaction: bounded in time, size, redirects and number."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import __version__
from bot.agents.reading import agent_by_slug
from bot.checks import flows
from bot.checks.kinds import KINDS, read_spec
from bot.checks.kinds.http import AnswerFacts, HttpSpec
from bot.checks.kinds.prometheus import PrometheusSpec
from bot.clock import Clock
from bot.lanes import Lanes, Urgency
from bot.paging.rules import Finding
from bot.tables import Check

log = structlog.get_logger(__name__)

BODY = 64 * 1024  # bytes read of an answer
AT_ONCE = 50

Probed = HttpSpec | PrometheusSpec
Resolve = Callable[[str, int], Awaitable[list[str]]]


class NotAllowed(Exception):
    """The address must not be asked; the text says why and what would allow it."""


async def resolve_name(host: str, port: int) -> list[str]:
    """The IP addresses of a host name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def ask(spec: Probed, clock: Clock, resolve: Resolve = resolve_name) -> AnswerFacts:
    """Ask what a check asks; every way it can go wrong becomes facts."""
    if isinstance(spec, PrometheusSpec):
        return await _ask(spec.as_http(), clock, resolve, most=spec.BODY)
    return await _ask(spec, clock, resolve)


async def _ask(spec: HttpSpec, clock: Clock, resolve: Resolve, *, most: int = BODY) -> AnswerFacts:
    at, began = clock.now(), asyncio.get_running_loop().time()

    def took() -> int:
        return int((asyncio.get_running_loop().time() - began) * 1000)

    try:
        async with asyncio.timeout(spec.patience()):
            status, url, body = await _follow(spec, resolve, most)
        return AnswerFacts(at, url, status, took(), body)
    except NotAllowed as refused:
        return AnswerFacts(at, spec.url, None, took(), error=str(refused))
    except (TimeoutError, httpx.TimeoutException):
        return AnswerFacts(at, spec.url, None, took(), error=f"no answer within {spec.patience():g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return AnswerFacts(at, spec.url, None, took(), error=_words(error))


async def _follow(spec: HttpSpec, resolve: Resolve, most: int) -> tuple[int, str, bytes]:
    url = spec.url
    # Fresh connections each time: a probe is to see what a stranger sees, and proxies of the machine are not asked.
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=spec.patience()) as client:
        for _ in range(spec.redirects + 1):
            request = await _request(client, spec, url, resolve)
            answer = await client.send(request, stream=True)
            try:
                location = answer.headers.get("location")
                if answer.is_redirect and location and spec.redirects:
                    url = urljoin(url, location)
                    continue
                return answer.status_code, url, await _bounded(answer, most)
            finally:
                await answer.aclose()
    raise NotAllowed(f"more than {spec.redirects} redirects, the last one to {url[:200]}")


async def _request(client: httpx.AsyncClient, spec: HttpSpec, url: str, resolve: Resolve) -> httpx.Request:
    """A request to the very IP address that was checked, so that a name cannot change its mind in between."""
    parts = urlsplit(url)
    host, scheme = parts.hostname, parts.scheme
    if scheme not in ("http", "https") or not host:
        raise NotAllowed(f"{url[:200]} is not a web address")
    port = parts.port or (443 if scheme == "https" else 80)
    addresses = await resolve(host, port)
    if not addresses:
        raise NotAllowed(f"{host} has no address")
    if not spec.allow_private:
        for address in addresses:
            if _is_private(address):
                raise NotAllowed(f"{host} lies in a private network; the check may ask it only with `allow_private: true`")
    chosen = addresses[0]
    pinned = httpx.URL(url).copy_with(host=chosen)
    headers = {"Host": parts.netloc.rsplit("@", 1)[-1], "User-Agent": f"aiops-bot/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
    return client.build_request(spec.method, pinned, headers=headers, extensions={"sni_hostname": host})


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
    if isinstance(error, httpx.ConnectError | OSError):
        return f"no connection ({str(error) or type(error).__name__})"[:300]
    return f"{type(error).__name__}: {error}"[:300]


class Prober:
    """The loop "probes": claims due checks that need the network, asks all of them at once, applies each answer as it comes.

    A target that hangs holds one of 50 places until its timeout, never the loop.
    """

    def __init__(self, lanes: Lanes, clock: Clock, *, resolve: Resolve = resolve_name, at_once: int = AT_ONCE) -> None:
        self.lanes = lanes
        self.clock = clock
        self.resolve = resolve
        self.at_once = at_once
        self._asking: set[asyncio.Task[None]] = set()

    async def step(self, now: datetime) -> bool:
        """Begin what is due and wait a moment for an answer; says whether anything was begun or is under way."""
        free = self.at_once - len(self._asking)
        jobs = await self.lanes.write(lambda tx: self._claim(tx, now, free)) if free > 0 else []
        for check_id, spec in jobs:
            task = asyncio.create_task(self._probe(check_id, spec))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        if self._asking:
            await asyncio.wait(self._asking, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            return True
        return False

    async def close(self) -> None:
        """Drop what is under way: its checks are due again once their lease is over."""
        for task in list(self._asking):
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def _claim(self, tx: Session, now: datetime, most: int) -> list[tuple[int, Probed]]:
        jobs: list[tuple[int, Probed]] = []
        for check, _ in flows.claim(tx, now, probing=True, most=most):
            spec = flows.spec_or_none(tx, now, check)
            if isinstance(spec, Probed):
                check.due_at = now + timedelta(seconds=spec.patience() + 30)  # a lease: after a crash it is asked again
                jobs.append((check.id, spec))
        return jobs

    async def _probe(self, check_id: int, spec: Probed) -> None:
        try:
            facts = await ask(spec, self.clock, self.resolve)
            await self.lanes.write(lambda tx: _apply(tx, self.clock.now(), check_id, spec, facts), urgency=Urgency.PAGE)
        except Exception:
            log.exception("a probe raised and steps aside", check=check_id)


def _apply(tx: Session, now: datetime, check_id: int, spec: Probed, facts: AnswerFacts) -> None:
    check = tx.scalars(select(Check).where(Check.id == check_id).with_for_update(key_share=True)).first()
    if check is None or check.archived_at is not None or read_spec(check.spec) != spec:
        return  # the registry changed meanwhile: this answer is to a question nobody asks any more
    flows.apply_finding(tx, now, check, spec, KINDS[spec.kind].judge(facts, spec, now))


async def try_check(lanes: Lanes, clock: Clock, slug: str, name: str, *, resolve: Resolve = resolve_name) -> Finding:
    """What a check of an agent would say now, the network asked where needed; raises LookupError where there is none."""

    def find(tx: Session) -> tuple[int, dict[str, Any]]:
        agent = agent_by_slug(tx, slug)
        wanted = select(Check.id, Check.spec).where(Check.name == name, Check.archived_at.is_(None))
        row = tx.execute(wanted.where(Check.agent_id == agent.id)).first() if agent else None
        if row is None:
            raise LookupError(f"{slug} has no check called {name}" if agent else f"there is no agent {slug}")
        return row.id, row.spec

    check_id, written = await lanes.read(find)
    spec = read_spec(written)
    facts = await ask(spec, clock, resolve) if isinstance(spec, Probed) else None
    return await lanes.read(lambda tx: flows.test_check(tx, clock.now(), tx.get_one(Check, check_id), facts))
