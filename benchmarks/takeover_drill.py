"""Three processes on one PostgreSQL: kill the one that delivers, and measure until another does.

    python benchmarks/takeover_drill.py                 10 kills (about 2 minutes)
    python benchmarks/takeover_drill.py --kills 30 --seed 7

Agents break one after the other, each with an owner of its own. The process that holds the lease of delivery is killed with
SIGKILL at a random moment; from then on the time counts until a call to somebody whose agent broke after the kill stands in
Slack. All waits are the product's own. The killed process is started again before the next. At the end every page must stand
once. The exit code is 1 where a take-over took longer than 5 seconds, or a page is missing or doubled.
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
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import drilling
from benchmarks.drilling import Served, Workspace, marker
from bot.clock import SystemClock
from bot.db import Database
from bot.tables import Lease

BAR = 5.0  # seconds
PROCESSES, CHANNELS = 3, 10


def registry(agents: int) -> str:
    rows = "\n".join(
        f"  agent-{n:03d}: {{name: Agent {n:03d}, department: Drills, stage: autonomous, channel: C0C{n % CHANNELS}, "
        f"owners: {{operations: U0P{n}, backup: U0P{n}, business: U0P{n}}}, checks: {{runs: {{kind: run_failed}}}}}}"
        for n in range(agents)
    )
    return f"workspace: {{timezone: UTC, leads: [U0P0]}}\nagents:\n{rows}\n"


class Drill:
    """Agents that break, and the process that delivers their pages."""

    def __init__(self, ws: Workspace, houses: list[Served], db: Database, token: str, dice: random.Random) -> None:
        self.ws, self.houses, self.db, self.token, self.dice = ws, houses, db, token, dice
        self.broken = 0
        self.http = httpx.Client(timeout=5, trust_env=False)

    def holder(self) -> Served:
        """Who delivers: the process named in the lease."""
        while True:
            with self.db.reading() as tx:
                named = tx.scalars(select(Lease.holder).where(Lease.name == "delivery")).first()
            for house in self.houses:
                if named is not None and f":{house.pid}:" in named:
                    return house
            self.break_one(self.houses)

    def break_one(self, alive: list[Served]) -> int:
        """One more agent reports a failed run, to any of the living."""
        number = self.broken
        self.broken += 1
        event = {"id": f"bad-{number}", "type": "run", "agent": f"agent-{number:03d}", "at": SystemClock().now().isoformat(), "status": "failed"}
        port = self.dice.choice(alive).port
        answer = self.http.post(f"http://127.0.0.1:{port}/v1/events", json=event, headers={"Authorization": f"Bearer {self.token}"})
        if answer.status_code != 202:
            raise SystemExit(f"an event was not taken: {answer.text}")
        return number

    def called(self, number: int) -> list[dict[str, Any]]:
        return [message for message in self.ws.standing(self.ws.dm(f"U0P{number}")) if "You are called" in message["text"]]

    def until_called(self, numbers: list[int], since: float) -> float:
        while not any(self.called(number) for number in numbers):
            if time.monotonic() - since > 60:
                return 60.0
            time.sleep(0.02)
        return time.monotonic() - since

    def take_over(self) -> float:
        """Kill the one that delivers; seconds until the first page that opened afterwards stands in Slack."""
        self.break_one(self.houses)
        time.sleep(self.dice.uniform(0.0, 0.6))
        victim = self.holder()
        victim.end()
        since = time.monotonic()
        alive = [house for house in self.houses if house is not victim]
        took = self.until_called([self.break_one(alive)], since)
        victim.start()
        return took

    def judge(self) -> tuple[int, int]:
        """How many pages are missing, and how many messages stand more than once."""
        missing = sum(not self.called(number) for number in range(self.broken))
        places = [f"C0C{n}" for n in range(CHANNELS)] + [self.ws.dm(f"U0P{n}") for n in range(self.broken)]
        standing = [message for place in places for message in self.ws.standing(place)]
        doubled = sum(count > 1 for name, count in Counter(marker(message) for message in standing).items() if name)
        doubled += sum(len(self.called(number)) > 1 for number in range(self.broken))
        return missing, doubled


def main() -> int:
    parser = argparse.ArgumentParser(prog="takeover_drill.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    agents = options.kills * 4 + 10
    folder = Path(tempfile.mkdtemp(prefix="takeover-drill-"))
    print(f"seed {seed}: {options.kills} kills of the delivering process, {PROCESSES} at work", flush=True)
    with drilling.database("postgresql", folder) as url:
        ports = [drilling.free_port() for _ in range(PROCESSES)]
        ws = Workspace(folder, drilling.seed(agents, CHANNELS, ports[0]))
        ws.start()
        token = asyncio.run(drilling.make_ready(url, ws.url, registry(agents)))
        houses = [Served(url, ws.url, port, folder / "house.log", real_time=True) for port in ports]
        db = Database(url)
        try:
            for house in houses:
                house.start()
            drill = Drill(ws, houses, db, token, random.Random(seed))
            took = []
            for number in range(options.kills):
                took.append(drill.take_over())
                drilling.show_progress(f"kill {number + 1}: {took[-1]:.2f} s")
            time.sleep(45)  # the last look for what was under way comes 30 seconds after
            missing, doubled = drill.judge()
        finally:
            for house in houses:
                house.end()
            db.close()
            ws.stop()
    print(f"take-over, seconds: {' '.join(f'{each:.2f}' for each in took)}")
    print(f"longest {max(took):.2f} s, median {sorted(took)[len(took) // 2]:.2f} s (bar: {BAR:.0f} s)")
    print(f"pages: {drill.broken}; missing {missing}, doubled {doubled}")
    well = max(took) <= BAR and not missing and not doubled
    print(f"seed {seed}: {'well' if well else 'NOT WELL'}")
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
