"""How fast events are taken in, beside a bare server with the same commits and beside SQLAlchemy's own executemany.

    python -m benchmarks.intake                 # SQLite and PostgreSQL, about two minutes
    python -m benchmarks.intake --only sqlite --seconds 3

One process serves, another sends. Every rate is of events answered after their commit. The bare server reads the body,
puts it in the same table with the same group commit, and does nothing else: no token, no check, no counter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import uvloop
from sqlalchemy import insert, select

from bot.clock import RandomIds
from bot.db import Database
from bot.tables import Agent, Decision, Run

AGENTS = 20
ROOT = Path(__file__).resolve().parents[1]


# What is sent


def runs(count: int, prefix: str, seed: int = 7) -> list[dict[str, Any]]:
    """Runs as a small fleet reports them: latencies and costs spread over two orders of magnitude, 2% failed."""
    chance, now = random.Random(seed), datetime.now(UTC)
    found = []
    for number in range(count):
        ended = now - timedelta(seconds=chance.random() * 60)
        started = ended - timedelta(milliseconds=int(chance.lognormvariate(7, 0.8)))
        failed = chance.random() < 0.02
        found.append({
            "id": f"{prefix}-{number}", "type": "run", "agent": f"agent-{number % AGENTS}", "at": ended.isoformat(),
            "status": "failed" if failed else "ok", "started_at": started.isoformat(), "ended_at": ended.isoformat(),
            "model": "gpt-4o", "version": "prompt-14", "stage": "autonomous",
            "tokens": {"input": chance.randint(200, 4000), "cached": 0, "output": chance.randint(20, 400)},
            "cost": {"amount": f"{chance.lognormvariate(-6, 0.8):.6f}", "currency": "USD"},
            "error": "The tool did not answer." if failed else None,
        })  # fmt: skip
    return found


# The servers (each in its own process)


def serve(kind: str, url: str) -> None:
    """Serve until killed; prints the port. `ours` is the whole product, set up as bot/serve.py does, with a click beside it."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from bot.app import House
    from bot.lanes import Lanes, Urgency
    from bot.logs import set_up_logs
    from bot.serve import listening, tune
    from bot.settings import read_settings

    set_up_logs("console", "warning")

    async def main() -> None:
        tune()
        sock = socket.create_server(("127.0.0.1", 0))
        if kind == "bare":
            db = Database(url)
            db.hold()
            short, app = None, Starlette(routes=[Route("/v1/events", Bare(Lanes(db)), methods=["POST"])])
        else:
            house = House(read_settings({"AIOPS_MODE": "slack", "AIOPS_DATABASE_URL": url}))
            house.db.hold()

            async def click(_: Request) -> Response:
                now = house.clock.now()
                decision = Decision(at=now, action="bench.click", subject="bench:1", came_from="http")
                await house.lanes.write(lambda tx: tx.add(decision), urgency=Urgency.PRESS)
                return Response(status_code=200)

            short, app = house.short, Starlette(routes=[*house.routes(), Route("/click", click, methods=["POST"])])
            await house.open()
            house.loops.start()
        async with listening(app, sock, short=short):
            print(sock.getsockname()[1], flush=True)
            await asyncio.Event().wait()

    uvloop.run(main())


class Bare:
    """The least a server can do that answers after a shared commit."""

    def __init__(self, lanes: Any) -> None:
        self.lanes = lanes
        self.waiting: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self.task: asyncio.Task[None] | None = None
        self.number = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        done = asyncio.get_running_loop().create_future()
        self.waiting.append((body, done))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.empty())
        await done
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    async def empty(self) -> None:
        while self.waiting:
            group = [self.waiting.popleft() for _ in range(min(len(self.waiting), 500))]
            now = datetime.now(UTC)
            made = []
            for body, _ in group:
                self.number += 1
                event = orjson.loads(body)
                made.append({"agent_id": 1, "ext_id": f"bare-{self.number}", "occurred_at": now, "received_at": now, "content": "", "status": event["status"]})
            await self.lanes.write(lambda tx, made=made: tx.execute(insert(Run.__table__), made))
            for _, done in group:
                done.set_result(None)


# The sender (its own process)


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends a request and waits for its answer."""

    def __init__(self) -> None:
        self.buffer = b""
        self.answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        start = lower.find(b"content-length: ")
        length = int(lower[start + 16 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(body) >= length and self.answer is not None:
            self.buffer, answer, self.answer = b"", self.answer, None
            self.body = body
            answer.set_result(int(head[9:12]))

    async def send(self, request: bytes) -> int:
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


def request(path: str, token: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def sending(port: int, token: str, what: dict[str, Any]) -> dict[str, Any]:
    """Send as told for so many seconds; how many were answered, and how long each took."""
    loop = asyncio.get_running_loop()
    seconds, connections = what["seconds"], what["connections"]
    open_ = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(connections)]
    size = what.get("batch", 0)
    made = runs(what["prepare"], what["prefix"])
    if size:
        bodies = [request("/v1/events", token, orjson.dumps(made[start : start + size])) for start in range(0, len(made), size)]
    else:
        bodies = [request("/v1/events", token, orjson.dumps(event)) for event in made]
    waiting, took, wrong = deque(bodies), [], 0
    begin = time.perf_counter()
    end = begin + seconds
    pace = what.get("per_second")
    clicks: list[float] = []

    async def work(connection: Connection, share: int) -> None:
        nonlocal wrong
        sent = 0
        while waiting and (start := time.perf_counter()) < end:
            if pace:
                due = begin + (sent * connections + share) * size / pace
                if due > start:
                    await asyncio.sleep(due - start)
            status = await connection.send(waiting.popleft())
            sent += 1
            took.append(time.perf_counter() - start)
            wrong += status != 202

    async def clicking(connection: Connection) -> None:
        while time.perf_counter() < end:
            start = time.perf_counter()
            await connection.send(request("/click", token, b""))
            clicks.append(time.perf_counter() - start)
            await asyncio.sleep(0.05)

    jobs = [work(connection, i) for i, connection in enumerate(open_)]
    if what.get("clicks"):
        jobs.append(clicking((await loop.create_connection(Connection, "127.0.0.1", port))[1]))
    await asyncio.gather(*jobs)
    spent = time.perf_counter() - begin
    return {"events": len(took) * max(size, 1), "rate": len(took) * max(size, 1) / spent, "wrong": wrong, "ran_out": not waiting, **quantiles(took), "click": quantiles(clicks), "clicks": len(clicks)}


def quantiles(took: list[float]) -> dict[str, float]:
    if not took:
        return {}
    ordered = sorted(took)
    return {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 for name, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0))}


# The conductor


class Served:
    """A server in its own process."""

    def __init__(self, kind: str, url: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.intake", "serve", kind, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def cpu(self) -> float:
        """Seconds of processor time the server has used: what a busy machine does not blur. 0 where /proc is missing."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, token: str, **what: Any) -> dict[str, Any]:
        before = self.cpu()
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.intake", "send", str(self.port), token, json.dumps(what)], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
        )
        found = dict(json.loads(told.stdout))
        return {**found, "cpu": (self.cpu() - before) / max(found["events"], 1) * 1e6}

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def prepare(url: str) -> str:
    """20 agents and a token."""
    from bot.migrate import upgrade
    from bot.people.tokens import mint_token

    db = Database(url)
    upgrade(db)
    now = datetime.now(UTC)
    with db.transaction() as tx:
        for number in range(AGENTS):
            spec = {"name": f"Agent {number}", "owners": {"business": "U0MAYA", "operations": "U0OMAR"}, "channel": "#bench"}
            tx.add(Agent(slug=f"agent-{number}", name=f"Agent {number}", zone="Asia/Beirut", spec=spec, created_at=now))
        token, _ = mint_token(tx, now, RandomIds(), name="bench", scopes=["events"], agents=None)
    db.close()
    return token


def executemany(url: str, seconds: float) -> tuple[float, float]:
    """SQLAlchemy Core's own way into the same table: batches of 1,000 dicts, one commit each."""
    db = Database(url)
    now, rows, count = datetime.now(UTC), 0, 0
    with db.reading() as tx:
        ids = list(tx.scalars(select(Agent.id).order_by(Agent.id)))
    made = runs(1000, "x")
    begin, cpu = time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - begin) < seconds:
        batch = [
            {
                "agent_id": ids[i % AGENTS], "ext_id": f"many-{count}-{i}", "occurred_at": now, "received_at": now, "content": "0" * 32, "status": event["status"],
                "ms": 1200, "model": event["model"], "version": event["version"], "stage": event["stage"], "tokens_in": event["tokens"]["input"],
                "tokens_cached": 0, "tokens_out": event["tokens"]["output"], "nano": 3_100_000, "currency": "USD", "parent": None, "trace_id": None,
                "error": event["error"], "extra": {"started_at": event["started_at"]},
            }
            for i, event in enumerate(made)
        ]  # fmt: skip
        with db.transaction() as tx:
            tx.execute(insert(Run.__table__), batch)
        count, rows = count + 1, rows + len(batch)
    db.close()
    return rows / spent, (time.process_time() - cpu) / rows * 1e6


def measure(name: str, fresh: Any, seconds: float) -> None:
    """All parts on one kind of database."""
    print(f"\n{name}")
    results: dict[str, dict[int, dict[str, Any]]] = {}
    for kind in ("ours", "bare"):
        url = fresh()
        token = prepare(url)
        with Served(kind, url) as server:
            server.send(token, connections=8, seconds=0.5, prepare=2000, prefix="warm")
            for connections in (8, 64):
                results.setdefault(kind, {})[connections] = server.send(token, connections=connections, seconds=seconds, prepare=int(12_000 * seconds), prefix=f"s{connections}")
    for connections, bar in ((8, 1200), (64, 5000)):
        ours, bare = results["ours"][connections], results["bare"][connections]
        print(
            f"  single events, {connections:>2} connections: {ours['rate']:>7,.0f}/s  p50 {ours['p50']:.1f} ms  p99 {ours['p99']:.1f} ms"
            f"   (bar {bar:,}/s; bare server {bare['rate']:,.0f}/s, p99 {bare['p99']:.1f} ms: {ours['rate'] / bare['rate']:.0%} of it; processor {ours['cpu']:.0f} and {bare['cpu']:.0f} us an event)"
            + (f"  WRONG ANSWERS {ours['wrong']}" if ours["wrong"] else "")
        )
    url = fresh()
    token = prepare(url)
    with Served("ours", url) as server:
        server.send(token, connections=1, seconds=0.5, prepare=5000, prefix="warm", batch=1000)
        batches = server.send(token, connections=2, seconds=seconds, prepare=int(30_000 * seconds), prefix="b", batch=1000)
    many, many_cpu = executemany(url, seconds)
    print(f"  batches of 1,000, 20 agents:     {batches['rate']:>7,.0f}/s  p50 {batches['p50']:.0f} ms   (SQLAlchemy executemany {many:,.0f}/s: {batches['rate'] / many:.0%} of it, bar 50%; processor {batches['cpu']:.0f} and {many_cpu:.0f} us an event)")
    url = fresh()
    token = prepare(url)
    with Served("ours", url) as server:
        server.send(token, connections=1, seconds=0.5, prepare=5000, prefix="warm", batch=1000)
        mixed = server.send(token, connections=4, seconds=seconds, prepare=int(12_000 * seconds) // 1000 * 1000, prefix="m", batch=1000, per_second=10_000, clicks=True)
    click = mixed["click"]
    print(f"  a click beside {mixed['rate']:,.0f} batched events/s: p50 {click['p50']:.1f} ms  p99 {click['p99']:.1f} ms  worst {click['worst']:.1f} ms of {mixed['clicks']}   (bar 300 ms)")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], sys.argv[3])
        return
    if sys.argv[1:2] == ["send"]:
        print(json.dumps(uvloop.run(sending(int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])))))
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
