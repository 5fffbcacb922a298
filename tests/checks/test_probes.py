from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.checks import flows
from bot.checks.asking import ask, resolve_name
from bot.checks.kinds.http import HttpSpec
from bot.checks.probes import Prober, try_check
from bot.clock import MovedClock
from bot.lanes import Lanes
from bot.tables import Check
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
    assert gone.error.startswith("no connection")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "100.64.0.1", "0.0.0.0"])
async def test_private_addresses_are_refused_unless_allowed(host: str, clock: MovedClock) -> None:
    facts = await ask(HttpSpec(url=f"http://{host}:9/"), clock)
    assert "lies in a private network" in facts.error


async def test_a_name_that_also_points_inside_and_a_redirect_inside_are_refused(clock: MovedClock) -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "192.168.0.7"]

    assert "lies in a private network" in (await ask(HttpSpec(url="http://rebind.example/"), clock, both)).error

    async def nowhere(host: str, port: int) -> list[str]:
        return []

    assert "has no address" in (await ask(HttpSpec(url="http://nowhere.example/"), clock, nowhere)).error


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
        assert (check.due_at - world.clock.now()).total_seconds() == 35
    finally:
        lanes.close()


async def test_names_are_resolved_by_the_machine() -> None:
    assert "127.0.0.1" in await resolve_name("localhost", 80)
