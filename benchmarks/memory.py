"""Does the product grow? A steady stream for a while, its memory over time, and a fitted slope.

    python benchmarks/memory.py                               an hour, SQLite
    python benchmarks/memory.py --database-url postgresql
    python benchmarks/memory.py --minutes 10                  a first look: caches still fill then, so it may say that it grows

A Slack-like server is a process of its own, the product another, and this one sends: events in batches, pages that open and
are acknowledged in Slack and recover, lists that people open. The resident memory of the product is read from the system
every few seconds. The slope is fitted over the second half (in the first, caches fill: SQLite's takes up to 32 MB for each
connection as the file grows, and the allocator finds its size), and told per hour and per million events. The exit code is 1 where an hour of this stream would add more than --most megabytes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import drilling
from benchmarks.drilling import Served, Workspace, has_button

AGENTS, PEOPLE, CHANNELS = 60, 20, 6
BATCH = 50


def registry() -> str:
    rows = "\n".join(
        f"  agent-{n:03d}: {{name: Agent {n:03d}, department: Memory, stage: autonomous, channel: C0C{n % CHANNELS}, "
        f"owners: {{operations: U0P{n % PEOPLE}, backup: U0P{(n + 7) % PEOPLE}, business: U0P{(n + 13) % PEOPLE}}}, checks: {{runs: {{kind: run_failed}}}}}}"
        for n in range(AGENTS)
    )
    return f"workspace: {{timezone: UTC, leads: [U0P0]}}\nagents:\n{rows}\n"


def resident(pid: int) -> float:
    """Megabytes of this process that lie in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the system does not tell the memory of a process")


def slope(points: list[tuple[float, float]]) -> float:
    """The fitted growth, per unit of the first number (least squares)."""
    n = len(points)
    x, y = sum(at for at, _ in points) / n, sum(value for _, value in points) / n
    spread = sum((at - x) ** 2 for at, _ in points)
    return sum((at - x) * (value - y) for at, value in points) / spread if spread else 0.0


class Stream:
    """What comes in: runs and outputs all the time, and now and then an agent that breaks, is acknowledged and recovers."""

    def __init__(self, ws: Workspace, port: int, token: str, seed: int, rate: int) -> None:
        self.ws, self.rate, self.dice = ws, rate, random.Random(seed)
        self.url, self.headers = f"http://127.0.0.1:{port}/v1/events", {"Authorization": f"Bearer {token}"}
        self.sent = self.pages = self.presses = 0
        self.until = 0.0

    async def flow(self, minutes: float) -> None:
        self.until = time.monotonic() + minutes * 60
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            await asyncio.gather(self.report(http), self.break_and_mend(http), self.look())

    async def send(self, http: httpx.AsyncClient, events: list[dict[str, object]]) -> None:
        answer = await http.post(self.url, json=events, headers=self.headers)
        if answer.status_code != 202:
            raise SystemExit(f"events were refused: {answer.status_code} {answer.text[:300]}")
        self.sent += len(events)

    def event(self, kind: str, agent: int, **more: object) -> dict[str, object]:
        return {"id": secrets.token_hex(8), "type": kind, "agent": f"agent-{agent:03d}", "at": datetime.now(UTC).isoformat(), **more}

    async def report(self, http: httpx.AsyncClient) -> None:
        while (began := time.monotonic()) < self.until:
            agents = [self.dice.randrange(AGENTS // 2, AGENTS) for _ in range(BATCH)]  # the other half breaks and mends
            await self.send(http, [self.event("run", agent, status="ok", cost={"amount": "0.003", "currency": "USD"}) for agent in agents])
            await asyncio.sleep(max(BATCH / self.rate - (time.monotonic() - began), 0))

    async def break_and_mend(self, http: httpx.AsyncClient) -> None:
        number = 0
        while time.monotonic() < self.until:
            agent = number % (AGENTS // 2)
            number += 1
            await self.send(http, [self.event("run", agent, status="failed", error=f"broken {secrets.token_hex(4)}")])
            self.pages += 1
            await asyncio.sleep(1)
            if self.dice.random() < 0.5:
                await asyncio.to_thread(self.press, agent)
            await self.send(http, [self.event("run", agent, status="ok")])
            await asyncio.sleep(1)

    def press(self, agent: int) -> None:
        person = f"U0P{agent % PEOPLE}"
        channel = self.ws.dm(person)
        newest = self.ws.call("conversations.history", channel=channel, limit=5)["messages"]
        for message in newest:
            if f"Agent {agent:03d}" in message["text"] and has_button(message, "paging.acknowledge"):
                self.presses += self.ws.press(person, channel, message, "paging.acknowledge")
                return

    async def look(self) -> None:
        """People open their home and ask for the status."""
        while time.monotonic() < self.until:
            person = f"U0P{self.dice.randrange(PEOPLE)}"
            await asyncio.to_thread(self.ws.http.post, f"{self.ws.url}/ui/home", json={"as": person, "app_id": "A0AIOPS"})
            await asyncio.to_thread(self.ws.http.post, f"{self.ws.url}/ui/post", json={"as": person, "channel": "C0C0", "text": "/aiops status"})
            await asyncio.sleep(2)


async def measured(stream: Stream, pid: int, minutes: float) -> list[tuple[float, float, int]]:
    """(seconds, megabytes, events so far), every few seconds."""
    flowing, began, points = asyncio.create_task(stream.flow(minutes)), time.monotonic(), []
    while not flowing.done():
        points.append((time.monotonic() - began, resident(pid), stream.sent))
        if len(points) % 12 == 1:
            at, megabytes, sent = points[-1]
            print(f"{at / 60:6.1f} min  {megabytes:7.1f} MB  {sent:9,} events  {stream.pages} pages  {stream.presses} presses", flush=True)
        await asyncio.wait([flowing], timeout=5)
    await flowing
    return points


def main() -> int:
    parser = argparse.ArgumentParser(prog="memory.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--most", type=float, default=10.0, help="megabytes that an hour may add")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--database-url", default="", help="an empty database; `postgresql` starts the one that comes as a wheel")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    folder = Path(tempfile.mkdtemp(prefix="memory-"))
    with drilling.database(options.database_url, folder) as url:
        print(f"seed {seed}: {options.minutes:g} minutes at {options.rate} events/s, {url.split(':')[0]}", flush=True)
        port = drilling.free_port()
        ws = Workspace(folder, drilling.seed(PEOPLE, CHANNELS, port))
        ws.start()
        house = Served(url, ws.url, port, folder / "house.log")
        try:
            token = asyncio.run(drilling.make_ready(url, ws.url, registry()))
            house.start()
            stream = Stream(ws, port, token, seed, options.rate)
            points = asyncio.run(measured(stream, house.pid, options.minutes))
        finally:
            house.end()
            ws.stop()
    late = [(at, megabytes) for at, megabytes, _ in points if at >= points[-1][0] / 2]
    per_hour = slope(late) * 3600
    per_million = slope([(sent / 1e6, megabytes) for at, megabytes, sent in points if at >= points[-1][0] / 2])
    print(f"first {points[0][1]:.1f} MB, last {points[-1][1]:.1f} MB, highest {max(megabytes for _, megabytes, _ in points):.1f} MB; {stream.sent:,} events, {stream.pages} pages")
    print(f"slope of the second half: {per_hour:+.1f} MB an hour, {per_million:+.1f} MB a million events (bar: {options.most:g} MB an hour)")
    well = per_hour <= options.most
    print(f"seed {seed}: {'flat' if well else 'IT GROWS'}")
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
