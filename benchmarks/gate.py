"""How fast an agent's gate answers beside 2,000 single events a second, and how soon a waiting one hears of an order.

    python -m benchmarks.gate                 # SQLite and PostgreSQL, under a minute
    python -m benchmarks.gate --only sqlite --seconds 5

One process serves the whole product, one sends events at that pace, this one asks: 100 gates a second, each told apart
by its agent, and 50 agents wait with `?wait=30` while orders are given. On SQLite an order is given in the serving process
(as a press is); on PostgreSQL by another process, so that it is heard by NOTIFY. The bar: p99 under 10 ms, and 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import uvloop
from sqlalchemy import select

from benchmarks.intake import Connection, quantiles, request, runs
from bot.clock import RandomIds
from bot.db import Database
from bot.tables import Agent, Stage

AGENTS, EVENTS, ASKS, WAITING = 1000, 2000, 100, 50
ROOT = Path(__file__).resolve().parents[1]


def serve(url: str) -> None:
    """Serve until killed; prints the port."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from bot.app import House
    from bot.lanes import Urgency
    from bot.logs import set_up_logs
    from bot.serve import listening, tune
    from bot.settings import read_settings

    set_up_logs("console", "warning")

    async def main() -> None:
        tune()
        house = House(read_settings({"AIOPS_MODE": "slack", "AIOPS_DATABASE_URL": url}))
        house.db.hold()

        async def order(asked: Request) -> Response:
            await house.lanes.write(lambda tx: give_order(tx, asked.path_params["slug"]), urgency=Urgency.PRESS)
            return Response(status_code=200, headers={"content-length": "0"})

        sock = socket.create_server(("127.0.0.1", 0))
        app = Starlette(routes=[*house.routes(), Route("/order/{slug}", order, methods=["POST"])])
        async with contextlib.AsyncExitStack() as stack:
            await house.open()
            if not house.db.is_sqlite:
                from bot.wakes import Wakes

                await stack.enter_async_context(Wakes(house.db, house.loops))
            house.loops.start()
            await stack.enter_async_context(listening(app, sock, short=house.short))
            print(sock.getsockname()[1], flush=True)
            await asyncio.Event().wait()

    uvloop.run(main())


def give_order(tx: Any, slug: str) -> None:
    """Stop it where it works, let it work where it is stopped: always another order."""
    from bot.stages.flows import order_stage, stage_of

    agent = tx.scalars(select(Agent).where(Agent.slug == slug)).one()
    order_stage(tx, datetime.now(UTC), agent, "suspended" if stage_of(tx, agent.id).stage == "assisted" else "assisted", None, "the benchmark")


async def sending(port: int, token: str, seconds: float) -> dict[str, Any]:
    """Single events at the pace, each on the connection that is free next."""
    loop = asyncio.get_running_loop()
    connections = 32
    open_ = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(connections)]
    bodies = [request("/v1/events", token, orjson.dumps(event)) for event in runs(int(EVENTS * seconds), f"g{time.time_ns()}-")]
    took: list[float] = []
    wrong = 0
    begin = time.perf_counter()

    async def work(connection: Connection, share: int) -> None:
        nonlocal wrong
        for number in range(share, len(bodies), connections):
            wait = begin + number / EVENTS - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            start = time.perf_counter()
            if start > begin + seconds:
                return
            wrong += await connection.send(bodies[number]) != 202
            took.append(time.perf_counter() - start)

    await asyncio.gather(*(work(connection, share) for share, connection in enumerate(open_)))
    return {"rate": len(took) / (time.perf_counter() - begin), "wrong": wrong, **quantiles(took)}



def ask(slug: str, token: str, more: str = "", etag: str = "") -> bytes:
    known = f"if-none-match: {etag}\r\n" if etag else ""
    return f"GET /v1/agents/{slug}/gate{more} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n{known}\r\n".encode()


class Bare(asyncio.Protocol):
    """The least that answers: what the machine itself takes at that moment."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


def serve_bare() -> None:
    """Serve until killed; prints the port."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    uvloop.run(main())


async def both(port: int, bare: int, token: str, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The gate and the bare server, asked in the same moments."""
    ours, floor = await asyncio.gather(asking(port, token, seconds), asking(bare, token, seconds))
    return ours, floor


async def asking(port: int, token: str, seconds: float) -> dict[str, Any]:
    """Ask at the pace, over four connections, every agent in turn."""
    loop = asyncio.get_running_loop()
    open_ = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(4)]
    took: list[float] = []
    wrong = 0
    begin = time.perf_counter()

    async def work(connection: Connection, share: int) -> None:
        nonlocal wrong
        number = share
        while (due := begin + number / ASKS) < begin + seconds:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            start = time.perf_counter()
            wrong += await connection.send(ask(f"agent-{number % AGENTS}", token)) != 200
            took.append(time.perf_counter() - start)
            number += len(open_)

    await asyncio.gather(*(work(connection, share) for share, connection in enumerate(open_)))
    return {"asked": len(took), "wrong": wrong, **quantiles(took)}


async def waiting(port: int, token: str, url: str, seconds: float) -> dict[str, Any]:
    """From the order's commit to the answer of the one who waits: orders every 100 ms, to one of those who wait each."""
    loop = asyncio.get_running_loop()
    db = None if url.startswith("sqlite") else Database(url)
    took: list[float] = []
    given: dict[str, float] = {}

    async def wait(number: int) -> None:
        connection = (await loop.create_connection(Connection, "127.0.0.1", port))[1]
        slug = f"agent-{number}"
        await connection.send(ask(slug, token))
        while True:
            rev = orjson.loads(connection.body)["rev"]
            await connection.send(ask(slug, token, "?wait=30", f'"{rev}"'))
            took.append(time.perf_counter() - given[slug])

    waiters = [asyncio.create_task(wait(number)) for number in range(WAITING)]
    await asyncio.sleep(1)
    presser = (await loop.create_connection(Connection, "127.0.0.1", port))[1]

    def elsewhere(slug: str) -> None:
        assert db is not None
        with db.transaction() as tx:
            give_order(tx, slug)

    if db is not None:
        await asyncio.to_thread(elsewhere, f"agent-{WAITING}")  # the first connection, and the first time each statement is built
    end = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < end:
        slug = f"agent-{number % WAITING}"
        if db is None:
            given[slug] = time.perf_counter()  # of the press: the answer to it comes after the commit
            await presser.send(request(f"/order/{slug}", token, b""))
        else:
            given[slug] = time.perf_counter()
            await asyncio.to_thread(elsewhere, slug)
        number += 1
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    if db is not None:
        db.close()
    return {"orders": number, "heard": len(took), **quantiles(took)}


def prepare(url: str) -> str:
    """A thousand agents, and a token for events and gates."""
    from bot.migrate import upgrade
    from bot.people.tokens import mint_token

    db = Database(url)
    upgrade(db)
    now = datetime.now(UTC)
    with db.transaction() as tx:
        for number in range(AGENTS):
            spec = {"name": f"Agent {number}", "owners": {"business": "U0MAYA", "operations": "U0OMAR"}, "channel": "#bench"}
            agent = Agent(slug=f"agent-{number}", name=f"Agent {number}", zone="UTC", spec=spec, created_at=now)
            tx.add(agent)
            tx.flush()
            tx.add(Stage(agent_id=agent.id, stage="assisted", since=now, reason="first applied"))
        token, _ = mint_token(tx, now, RandomIds(), name="bench", scopes=["events", "gate"], agents=None)
    db.close()
    return token


def measure(name: str, url: str, seconds: float) -> None:
    token = prepare(url)
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.gate", "serve", url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    bare_server = subprocess.Popen([sys.executable, "-m", "benchmarks.gate", "bare"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert bare_server.stdout is not None
    bare = int(bare_server.stdout.readline())
    try:
        uvloop.run(asking(port, token, 2))  # warm
        alone, idle = uvloop.run(both(port, bare, token, min(seconds, 3)))
        sender = subprocess.Popen([sys.executable, "-m", "benchmarks.gate", "send", str(port), token, str(2 * seconds + 6)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        time.sleep(3)
        beside, floor = uvloop.run(both(port, bare, token, seconds))
        heard = uvloop.run(waiting(port, token, url, seconds))
        sent = orjson.loads(sender.communicate()[0])
    finally:
        for process in (server, bare_server):
            process.terminate()
            process.wait(timeout=20)
    print(f"\n{name}")
    print(f"  gate alone:                 p50 {alone['p50']:.2f} ms  p99 {alone['p99']:.2f} ms  worst {alone['worst']:.1f} ms ({alone['asked']} asked, {alone['wrong']} wrong; bare server p99 {idle['p99']:.2f} ms)")
    print(f"  gate beside {sent['rate']:,.0f} events/s: p50 {beside['p50']:.2f} ms  p99 {beside['p99']:.2f} ms  worst {beside['worst']:.1f} ms ({beside['asked']} asked, {beside['wrong']} wrong; bar p99 10 ms; bare server p99 {floor['p99']:.2f} ms)")
    print(f"  events meanwhile:           p50 {sent['p50']:.1f} ms  p99 {sent['p99']:.1f} ms ({sent['wrong']} wrong)")
    where = "in the same process" if url.startswith("sqlite") else "by another process"
    print(f"  a waiting gate hears an order given {where}: p50 {heard['p50']:.0f} ms  p99 {heard['p99']:.0f} ms  worst {heard['worst']:.0f} ms ({heard['heard']} of {heard['orders']} heard; bar 200 ms)")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
        return
    if sys.argv[1:2] == ["bare"]:
        serve_bare()
        return
    if sys.argv[1:2] == ["send"]:
        print(orjson.dumps(uvloop.run(sending(int(sys.argv[2]), sys.argv[3], float(sys.argv[4])))).decode())
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=8, help="of each part, at most 20")
    told = parser.parse_args()
    seconds = min(told.seconds, 20.0)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {seconds:g} s each part")
    with tempfile.TemporaryDirectory(prefix="aiops-bench-", ignore_cleanup_errors=True) as folder:
        if told.only != "postgresql":
            measure("SQLite", f"sqlite:///{folder}/bench.db", seconds)
        if told.only != "sqlite":
            from tests.kit.databases import PostgresDatabases

            measure("PostgreSQL", PostgresDatabases().fresh(), seconds)


if __name__ == "__main__":
    main()
