from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.checks import flows
from bot.checks.asking import ask, resolve_name
from bot.checks.kinds.http import HttpSpec, judge
from bot.checks.probes import Prober, try_check
from bot.clock import MovedClock, SystemClock
from bot.lanes import Lanes
from bot.paging.rules import State
from bot.tables import Check
from tests.checks.test_looking import respec
from tests.kit.programs import need
from tests.kit.server import serving
from tests.paging.world import World


async def fine(request: Request) -> Response:
    return PlainTextResponse(f"well, {request.headers['host']}")


async def again(request: Request) -> Response:
    return RedirectResponse("/again")


async def once(request: Request) -> Response:
    return RedirectResponse("/fine")


async def hangs(request: Request) -> Response:
    await asyncio.sleep(4)
    return PlainTextResponse("late")


async def endless(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):  # 1.6 MB: far more than is read
            yield b"x" * 8192
            await asyncio.sleep(0)  # or the server would never hear that nobody listens any more

    return StreamingResponse(chunks())


async def sick(request: Request) -> Response:
    return PlainTextResponse("sick", 503)


def app() -> Starlette:
    return Starlette(routes=[Route(f"/{each.__name__}", each) for each in (fine, again, once, hangs, endless, sick)])


def spec(url: str, **more: Any) -> HttpSpec:
    return HttpSpec.model_validate({"url": url, "allow_private": True, **more})


async def test_an_address_is_asked_and_redirects_are_followed_so_far(clock: MovedClock) -> None:
    async with serving(app()) as url:
        facts = await ask(spec(f"{url}/once"), clock)
        assert (facts.status, facts.error) == (200, "")
        assert facts.body.decode() == f"well, {url.removeprefix('http://')}"
        lost = await ask(spec(f"{url}/again"), clock)
        assert lost.error.startswith("more than 3 redirects")
        assert (await ask(spec(f"{url}/once", redirects=0, status="3xx"), clock)).status == 307


async def test_a_target_that_hangs_or_never_ends_is_left(clock: MovedClock) -> None:
    async with serving(app()) as url:
        facts = await ask(spec(f"{url}/hangs", timeout="1s"), clock)
        assert facts.error == "no answer within 1 s"
        assert len((await ask(spec(f"{url}/endless"), clock)).body) == 64 * 1024
    gone = await ask(spec(f"{url}/fine"), clock)
    assert gone.error == "no connection (Connection refused)"


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "100.64.0.1", "0.0.0.0"])
async def test_private_addresses_are_refused_unless_allowed(host: str, clock: MovedClock) -> None:
    asked = HttpSpec(url=f"http://{host}:9/")
    finding = judge(await ask(asked, clock), asked, clock.now())
    assert "could not be asked: " in finding.says
    assert "lies in a private network" in finding.says


async def test_a_name_that_also_points_inside_and_a_redirect_inside_are_refused(clock: MovedClock) -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "192.168.0.7"]

    assert "lies in a private network" in (await ask(HttpSpec(url="http://rebind.example/"), clock, both)).error

    async def nowhere(host: str, port: int) -> list[str]:
        return []

    assert "has no address" in (await ask(HttpSpec(url="http://nowhere.example/"), clock, nowhere)).error


@contextlib.asynccontextmanager
async def speaking(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says what a web server never would; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(4096)
            await talk(reader, writer)
        except OSError:
            pass  # whoever asked has left
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(400):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)  # slowly enough that no single wait is long


async def drip_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(400):
        writer.write(b"X-%d: 1\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.05)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(range(256)) * 20)
    await writer.drain()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hangs up without a word."""


async def long_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 2_000_000)
    await writer.drain()


async def lost(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://[::bad/\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"\0" * 50_000_000))
    await writer.drain()


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (drip, "no answer within 1 s"),
        (drip_headers, "no answer within 1 s"),
        (garbage, "it does not speak HTTP"),
        (silence, "it closed the connection before its answer was whole"),
        (long_headers, "the head of its answer has no end"),
        (lost, "Invalid"),
    ],
)
async def test_whatever_a_target_says_becomes_a_clear_finding(talk: Any, says: str, clock: MovedClock) -> None:
    async with speaking(talk) as port:
        asked = spec(f"http://127.0.0.1:{port}/", timeout="1s", json_path="ok")
        answer = await ask(asked, clock)
        assert says in answer.error
        finding = judge(answer, asked, clock.now())
        assert finding.title == f"127.0.0.1:{port} does not answer"
        assert "gave no answer: " in finding.says
        assert "bytearray" not in finding.says


async def test_a_packed_body_is_not_unpacked(clock: MovedClock) -> None:
    async with speaking(bomb) as port:
        asked = spec(f"http://127.0.0.1:{port}/", json_path="ok")
        answer = await ask(asked, clock)
        assert len(answer.body) <= 64 * 1024
        assert "it is not JSON" in judge(answer, asked, clock.now()).says


async def test_the_address_that_was_looked_at_is_the_one_that_is_asked(clock: MovedClock) -> None:
    """A name that answers a public address first and a private one later gets nobody inside."""
    asked: list[str] = []

    async def changes_its_mind(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) > 1 else ["127.0.0.1"]

    async with serving(app()) as url:
        port = url.rpartition(":")[2]
        allowed = await ask(spec(f"http://rebind.example:{port}/fine"), clock, changes_its_mind)
        assert (allowed.status, asked) == (200, ["rebind.example"])  # looked up once: what was looked at was asked
        assert allowed.body.decode() == f"well, rebind.example:{port}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate of three days for localhost: the server's side, and that of somebody who trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "3", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))


async def test_a_certificate_that_ends_soon_or_that_nobody_trusts_is_told(secured: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    clock = SystemClock()  # a certificate is judged by the real time

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()

    server, trusting = secured
    async with speaking(hello, server) as port:
        asked = spec(f"https://localhost:{port}/", certificate="14d")
        answer = await ask(asked, clock, trust=trusting)
        finding = judge(answer, asked, clock.now())
        assert (answer.status, finding.title) == (200, f"the certificate of localhost:{port} ends in 2 days")
        assert "at least 14d more is promised" in finding.says
        assert judge(answer, spec(f"https://localhost:{port}/", certificate="1d"), clock.now()).state is State.OK
        stranger = await ask(asked, clock)
        assert stranger.error == "its certificate is not valid (self-signed certificate)"
        other = await ask(spec(f"https://127.0.0.1:{port}/"), clock, trust=trusting)
        assert "its certificate is not valid" in other.error
    with pytest.raises(ValidationError, match="has no certificate"):
        spec("http://localhost/", certificate="14d")


async def test_a_hundred_targets_that_hang_hold_up_none_that_is_well(world: World) -> None:
    prober, lanes = await prober_of(world)
    prober.at_once = 10
    try:
        async with serving(app()) as url:
            hung = {f"hung{number}": {"kind": "http", "allow_private": True, "severity": "notice", "url": f"{url}/hangs", "timeout": "60s"} for number in range(30)}
            fine = {"fine": {"kind": "http", "allow_private": True, "url": f"{url}/fine"}}
            await asyncio.to_thread(respec, world, {**hung, **fine})

            def failed_before(tx: Any) -> None:
                for check in tx.scalars(select(Check).where(Check.name.like("hung%"))):
                    check.state, check.due_at = "failing", world.clock.now() - timedelta(hours=1)

            world.do(failed_before)
            for _ in range(3):
                await prober.step(world.clock.now())
            assert world.check("fine").state == "ok"
            assert len(prober._asking) == 5
    finally:
        await prober.close()
        lanes.close()


async def prober_of(world: World) -> tuple[Prober, Lanes]:
    lanes = Lanes(world.db)
    return Prober(lanes, world.clock), lanes


async def settle(prober: Prober, world: World) -> None:
    while await prober.step(world.clock.now()):
        pass
    await asyncio.to_thread(world.settle)


async def test_an_address_that_fails_twice_pages_and_one_that_hangs_stops_nobody(world: World) -> None:
    prober, lanes = await prober_of(world)
    try:
        async with serving(app()) as url:

            def checks(tx: Any) -> None:
                agent = world.agent(tx)
                more = {"allow_private": True, "kind": "http"}
                agent.spec = {**agent.spec, "checks": {"sick": {**more, "url": f"{url}/sick"}, "hangs": {**more, "url": f"{url}/hangs", "timeout": "2s", "severity": "notice"}, "fine": {**more, "url": f"{url}/fine"}}}
                agent.spec_rev += 1

            world.do(checks)
            await asyncio.to_thread(world.settle)
            await prober.step(world.clock.now())
            await prober.step(world.clock.now())
            assert world.check("fine").state == "ok"
            assert world.check("hangs").looked_at is None
            await settle(prober, world)
            assert world.problems() == []
            world.clock.move(world.check("sick").due_at - world.clock.now())  # type: ignore[operator]
            await settle(prober, world)
            assert world.called() == ["Omar"]
            assert "answered 503; 2xx is promised" in world.text("page:1:channel")
            said = await try_check(lanes, world.clock, "support-triage", "sick")
            assert said.title.endswith("answers 503")
            with pytest.raises(LookupError, match="no check called"):
                await try_check(lanes, world.clock, "support-triage", "nope")
    finally:
        await prober.close()
        lanes.close()


async def test_a_probe_lost_in_a_crash_is_asked_again(world: World) -> None:
    prober, lanes = await prober_of(world)
    try:

        def one(tx: Any) -> None:
            agent = world.agent(tx)
            agent.spec = {**agent.spec, "checks": {"gone": {"kind": "http", "url": "http://127.0.0.1:9/", "timeout": "5s"}}}
            agent.spec_rev += 1

        world.do(one)
        world.settle()
        assert world.do(lambda tx: len(flows.claim(tx, world.clock.now(), probing=True))) == 1
        world.do(lambda tx: prober._claim(tx, world.clock.now()))
        check = world.do(lambda tx: tx.scalars(select(Check).where(Check.name == "gone")).one())
        assert check.due_at is not None
        assert (check.due_at - world.clock.now()).total_seconds() == 35
    finally:
        lanes.close()


async def test_names_are_resolved_by_the_machine() -> None:
    assert "127.0.0.1" in await resolve_name("localhost", 80)
