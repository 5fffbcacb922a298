"""How fast "may I?" is answered at 300 questions a second, and how soon a waiting agent hears a person's answer.

    python -m benchmarks.permissions                 # SQLite and PostgreSQL, about a minute
    python -m benchmarks.permissions --only sqlite --seconds 5

Questions are sent at their times whatever became of the ones before (98 of 100 are allowed, 1 is denied, 1 asks a person), and
each is timed from the moment it was due. The bar is p99 under 20 ms. An answer is timed from the press, that is from its
request, until the waiting GET is answered: on PostgreSQL the press goes to another process than the GET. The bar is 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import uvloop
from sqlalchemy import func, select

from benchmarks.drilling import database
from benchmarks.intake import Connection, quantiles, request
from bot.clock import RandomIds, SystemClock
from bot.db import Database
from bot.people.tokens import mint_token
from bot.tables import Agent, AgentOwner, Decision, PermissionCount, Person, Request, Stage

ROOT = Path(__file__).resolve().parents[1]
RATE = 300
ANSWERS = 40
AGENTS = 50
SPEC: dict[str, Any] = {
    "name": "Bench",
    "owners": {"business": "U0MAYA", "operations": "U0OMAR"},
    "channel": "#bench",
    "permissions": [
        *({"name": f"other-{n}", "action": f"other{n}.*", "then": "deny"} for n in range(20)),
        {"name": "small", "action": "refund.create", "on": "order/*", "at_most": {"amount": 50}, "then": "allow", "agreed_by": "U0MAYA"},
        {"name": "large", "action": "refund.*", "then": "ask"},
    ],
}


def serve(url: str) -> None:
    """Serve until killed; prints the port."""
    from starlette.applications import Starlette
    from starlette.requests import Request as HttpRequest
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    from bot.intake import answers, permissions
    from bot.intake.doors import Doors
    from bot.lanes import Lanes, Urgency
    from bot.loops import Loops
    from bot.requests import calling
    from bot.requests.counting import Allowed
    from bot.requests.flows import held, settle
    from bot.requests.permits import Book
    from bot.requests.waiting import Board
    from bot.serve import listening, tune
    from bot.wakes import Wakes

    tune()
    clock = SystemClock()
    loops = Loops(clock)
    db = Database(url, on_wake=loops.wake)
    db.hold()
    lanes = Lanes(db)
    board, allowed, doors = Board(lanes), Allowed(lanes), Doors(lanes, clock)
    loops.add("answers", board.step, every=0.1)
    loops.add("permissions", allowed.step, every=1)

    async def timers(now: Any) -> bool:
        return await lanes.read(lambda tx: calling.something_due(tx, now)) and await lanes.write(lambda tx: calling.requests_step(tx, now), urgency=Urgency.PAGE)

    loops.add("requests", timers, every=0.5)

    async def press(asked: HttpRequest) -> Response:
        def approve(tx: Any) -> bool:
            row = held(tx, int(asked.path_params["number"]))
            return row is not None and settle(tx, clock.now(), row, "approved", 1)

        done = await lanes.write(approve, urgency=Urgency.PRESS)
        return PlainTextResponse("done" if done else "not done")

    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        table = [permissions.route(doors, lanes, clock, allowed, Book(clock)), answers.route(doors, lanes, board), Route("/press/{number:int}", press, methods=["POST"])]
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(listening(Starlette(routes=table), sock))
            if not db.is_sqlite:
                await stack.enter_async_context(Wakes(db, loops))
            loops.start()
            print(sock.getsockname()[1], flush=True)
            await asyncio.Event().wait()

    uvloop.run(main())


class Served:
    """A server in its own process."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.permissions", "serve", url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def question(number: int, token: str) -> bytes:
    """The n-th question: nearly all allowed, a few denied, a few for a person."""
    action: dict[str, Any] = {"name": "refund.create", "on": f"order/{number}", "params": {"amount": 20, "currency": "EUR"}}
    if number % 100 == 50:
        action["name"] = "other3.delete"
    elif number % 100 == 99:
        action["params"]["amount"] = 500
    return request("/v1/permissions/check", token, json.dumps({"agent": f"bench-{number % AGENTS}", "action": action}).encode())


async def ask(port: int, token: str, seconds: float, first: int) -> dict[str, list[float]]:
    """Ask at RATE a second, each on the connection that is free; timed from when it was due."""
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(32):
        free.put_nowait((await loop.create_connection(Connection, "127.0.0.1", port))[1])
    took: dict[str, list[float]] = {}

    async def one(number: int, due: float) -> None:
        connection = await free.get()
        status = await connection.send(question(number, token))
        spent = time.perf_counter() - due
        took.setdefault(json.loads(connection.body)["decision"] if status == 200 else str(status), []).append(spent)
        free.put_nowait(connection)

    begin, tasks = time.perf_counter() + 0.05, []
    for number in range(int(RATE * seconds)):
        due = begin + number / RATE
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(one(first + number, due)))
    await asyncio.gather(*tasks)
    return took


async def hear(waits_at: int, pressed_at: int, token: str, open_: list[tuple[int, str, str]]) -> list[float]:
    """Wait for each answer at one process while another takes the press."""
    took = []
    async with httpx.AsyncClient(timeout=40, headers={"Authorization": f"Bearer {token}"}) as http:
        for number, slug, ext_id in open_:
            waiting = asyncio.create_task(http.get(f"http://127.0.0.1:{waits_at}/v1/agents/{slug}/requests/{ext_id}?wait=30"))
            await asyncio.sleep(0.1)
            start = time.perf_counter()
            pressed = asyncio.create_task(http.post(f"http://127.0.0.1:{pressed_at}/press/{number}"))
            told = (await waiting).json()
            took.append(time.perf_counter() - start)
            await pressed
            assert told["decision"] == "allow", told
    return took


def prepare(url: str) -> str:
    """Agents with two dozen rules each; returns a token."""
    from bot.migrate import upgrade

    db, clock = Database(url), SystemClock()
    upgrade(db)
    now = clock.now()
    with db.transaction() as tx:
        for name in ("MAYA", "OMAR"):
            tx.add(Person(slack_id=f"U0{name}", name=name.title(), kind="member", active=True))
        tx.flush()
        for number in range(AGENTS):
            agent = Agent(slug=f"bench-{number}", name="Bench", zone="UTC", spec=SPEC, channel_id="C0BENCH", created_at=now)
            tx.add(agent)
            tx.flush()
            tx.add(Stage(agent_id=agent.id, stage="autonomous", since=now))
            tx.add_all(AgentOwner(agent_id=agent.id, role=role, person_id=person, since=now, accepted_at=now) for role, person in (("business", 1), ("operations", 2)))
        token = mint_token(tx, now, RandomIds(), name="bench", scopes=["permissions", "read"], agents=None)[0]
    db.close()
    return token


def measure(name: str, url: str, seconds: float) -> None:
    token = prepare(url)
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(Served(url))
        uvloop.run(ask(one.port, token, 1.0, 0))  # warm
        took = uvloop.run(ask(one.port, token, seconds, 1000))
        print(f"\n{name}\n  {RATE} questions a second for {seconds:.0f} s (bar: p99 20 ms):")
        for word, each in (("all", [spent for spents in took.values() for spent in spents]), *sorted(took.items())):
            told = quantiles(each)
            print(f"    {word:<5} {len(each):>6,}  p50 {told['p50']:.1f} ms  p99 {told['p99']:.1f} ms  worst {told['worst']:.1f} ms")
        db = Database(url)
        with db.reading() as tx:
            sought = select(Request.id, Agent.slug, Request.ext_id).join(Agent, Agent.id == Request.agent_id).where(Request.state == "open").limit(ANSWERS)
            open_ = [(row.id, row.slug, row.ext_id) for row in tx.execute(sought)]
        other = one if db.is_sqlite else stack.enter_context(Served(url))
        heard = quantiles(uvloop.run(hear(other.port, one.port, token, open_)))
        where = "the same process" if db.is_sqlite else "another process"
        print(f"  {len(open_)} answers, pressed in {where}: p50 {heard['p50']:.1f} ms  p99 {heard['p99']:.1f} ms  worst {heard['worst']:.1f} ms   (bar: 200 ms)")
        time.sleep(1.5)
        with db.reading() as tx:
            counted = tx.scalar(select(func.sum(PermissionCount.n)))
            denied = tx.scalar(select(func.count()).select_from(Decision).where(Decision.action == "permission.deny"))
            asked = tx.scalar(select(func.count()).select_from(Request))
        print(f"  written down (with {RATE} questions to warm up): {counted:,} allowed, in groups; {denied:,} denied and {asked:,} asked, each for itself")
        db.close()


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    for name in ("sqlite", "postgresql"):
        if given.only in (None, name):
            with tempfile.TemporaryDirectory() as folder, database("postgresql" if name == "postgresql" else "", Path(folder)) as url:
                measure({"sqlite": "SQLite", "postgresql": "PostgreSQL"}[name], url, given.seconds)


if __name__ == "__main__":
    main()
