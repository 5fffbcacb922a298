"""How fast pings are stored, beside a bare server with the same commits.

    python -m benchmarks.pings                 # SQLite and PostgreSQL, about a minute
    python -m benchmarks.pings --only sqlite --seconds 3

One process serves, another sends. Every rate is of pings answered after their commit, spread over 200 checks that are well;
the loops that look at checks turn beside it. The bare server puts a row into the same table with the same group commit, and
does nothing else: it reads no address, knows no check.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import func, insert, select

from benchmarks.intake import Connection, quantiles
from bot.clock import SystemClock
from bot.db import Database
from bot.signing import Signer
from bot.tables import Agent, Check, Ping

CHECKS = 200
ROOT = Path(__file__).resolve().parents[1]
SECRET = "a secret for benchmarks"


def serve(kind: str, url: str) -> None:
    """Serve until killed; prints the port."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    from bot.checks import flows
    from bot.checks.http import Pings, TakePing, route
    from bot.checks.pings import Targets
    from bot.lanes import Lanes, Urgency
    from bot.loops import Loops
    from bot.serve import listening, tune

    tune()
    clock = SystemClock()
    loops = Loops(clock)
    db = Database(url, on_wake=loops.wake)
    db.hold()
    lanes = Lanes(db)

    async def look(now: datetime) -> bool:
        return bool(await lanes.write(lambda tx: flows.look_step(tx, now), urgency=Urgency.PAGE))

    loops.add("checks", look, every=0.5)

    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        if kind == "ours":
            take = TakePing(Pings(lanes, clock), Targets(lanes, clock, Signer([SECRET])), clock)
            table, short = [route(take)], take.short
            loops.start()
        else:
            table, short = [Route("/ping/{rest:path}", Bare(lanes))], None
        async with listening(Starlette(routes=table), sock, short=short):
            print(sock.getsockname()[1], flush=True)
            await asyncio.Event().wait()

    uvloop.run(main())


class Bare:
    """The least that stores a ping before answering: one queue, one commit at a time."""

    def __init__(self, lanes: Any) -> None:
        self.lanes = lanes
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        done = asyncio.get_running_loop().create_future()
        self.waiting.append(done)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.empty())
        await done
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"OK"})

    async def empty(self) -> None:
        while self.waiting:
            group = [self.waiting.popleft() for _ in range(min(len(self.waiting), 500))]
            now = datetime.now(UTC)
            made = [{"agent_id": 1, "check_id": 1, "occurred_at": now, "received_at": now, "status": "success"} for _ in group]
            await self.lanes.write(lambda tx, made=made: tx.execute(insert(Ping.__table__), made))
            for done in group:
                done.set_result(None)


async def sending(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """Ping for so many seconds; how many were answered, and how long each took."""
    from bot.checks.pings import ping_uuid

    loop, signer = asyncio.get_running_loop(), Signer([SECRET])
    open_ = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(connections)]
    requests = [f"GET /ping/{ping_uuid(signer, check_id)} HTTP/1.1\r\nhost: bench\r\nuser-agent: curl/8\r\n\r\n".encode() for check_id in range(1, CHECKS + 1)]
    took: list[float] = []
    wrong = 0
    begin = time.perf_counter()
    end = begin + seconds

    async def work(connection: Connection, share: int) -> None:
        nonlocal wrong
        sent = share * 37
        while (start := time.perf_counter()) < end:
            status = await connection.send(requests[sent % CHECKS])
            sent += 1
            took.append(time.perf_counter() - start)
            wrong += status != 200

    await asyncio.gather(*(work(connection, i) for i, connection in enumerate(open_)))
    spent = time.perf_counter() - begin
    return {"pings": len(took), "rate": len(took) / spent, "wrong": wrong, **quantiles(took)}


class Served:
    """A server in its own process."""

    def __init__(self, kind: str, url: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.pings", "serve", kind, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def send(self, connections: int, seconds: float) -> dict[str, Any]:
        told = subprocess.run([sys.executable, "-m", "benchmarks.pings", "send", str(self.port), str(connections), str(seconds)], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
        return dict(json.loads(told.stdout))

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def prepare(url: str) -> None:
    """One agent with 200 hourly heartbeats."""
    from bot.migrate import upgrade

    db = Database(url)
    upgrade(db)
    now = datetime.now(UTC)
    with db.transaction() as tx:
        spec = {"name": "Bench", "owners": {"business": "U0MAYA", "operations": "U0OMAR"}, "channel": "#bench"}
        tx.add(Agent(slug="bench", name="Bench", zone="UTC", spec=spec, created_at=now))
        tx.flush()
        for number in range(CHECKS):
            tx.add(Check(agent_id=1, name=f"job-{number}", kind="heartbeat", severity="page", spec={"kind": "heartbeat", "every": "1h"}, watched_at=now, due_at=now))
    db.close()


def measure(name: str, fresh: Any, seconds: float) -> None:
    print(f"\n{name}")
    results: dict[tuple[str, int], dict[str, Any]] = {}
    stored = {}
    for kind in ("ours", "bare"):
        url = fresh()
        prepare(url)
        with Served(kind, url) as server:
            sent = server.send(8, 1.0)["pings"]  # warm, and every check is well
            for connections in (8, 64):
                results[kind, connections] = server.send(connections, seconds)
                sent += results[kind, connections]["pings"]
        db = Database(url)
        with db.reading() as tx:
            stored[kind] = (sent, tx.scalar(select(func.count()).select_from(Ping)))
        db.close()
    for connections, bar in ((8, 1200), (64, 5000)):
        ours, bare = results["ours", connections], results["bare", connections]
        print(
            f"  pings, {connections:>2} connections: {ours['rate']:>7,.0f}/s  p50 {ours['p50']:.1f} ms  p99 {ours['p99']:.1f} ms"
            f"   (bar {bar:,}/s, p99 40 ms; bare server {bare['rate']:,.0f}/s, p99 {bare['p99']:.1f} ms: {ours['rate'] / bare['rate']:.0%} of it)"
            + (f"  WRONG ANSWERS {ours['wrong']}" if ours["wrong"] else "")
        )
    print(f"  answered {stored['ours'][0]:,}, kept {stored['ours'][1]:,} (the newest of each check are kept)")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], sys.argv[3])
        return
    if sys.argv[1:2] == ["send"]:
        print(json.dumps(uvloop.run(sending(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=5, help="of each part, at most 10")
    told = parser.parse_args()
    seconds = min(told.seconds, 10.0)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {seconds:g} s each part")
    with tempfile.TemporaryDirectory(prefix="aiops-bench-", ignore_cleanup_errors=True) as folder:
        if told.only != "postgresql":
            numbers = iter(range(100))
            measure("SQLite", lambda: f"sqlite:///{folder}/bench-{next(numbers)}.db", seconds)
        if told.only != "sqlite":
            from tests.kit.databases import PostgresDatabases

            databases = PostgresDatabases()
            measure("PostgreSQL", databases.fresh, seconds)


if __name__ == "__main__":
    main()
