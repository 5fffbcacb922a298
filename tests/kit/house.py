"""The composed product beside a Slack-like workspace, with the clock in the test's hand."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import yaml
from sqlalchemy.orm import Session
from starlette.applications import Starlette

from bot.agents.files import read_text
from bot.agents.flows import apply_file
from bot.app import House
from bot.clock import CountedIds, MovedClock
from bot.jobs import KIND_SPECS, jobs_of, open_things
from bot.outbox.rules import Rhythm
from bot.people.tokens import mint_token
from bot.settings import Settings
from bot.trust import trusted
from bot.workspace import Workspace, serve
from tests.kit.server import serving

T = TypeVar("T")

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text())
BOT = "U0AIOPS"

REGISTRY = """
workspace: {timezone: Europe/Paris, digest: {at: "09:00"}, leads: [hala]}
people:
  hala: {slack: U0HALA}
agents:
  support-triage:
    name: Support triage
    department: Customer service
    stage: autonomous
    owners: {business: maya@example.com, operations: U0OMAR, backup: U0LEA}
    channel: "#support-ai"
    runbook: "https://wiki.example.com/triage"
    outputs: {post: all}
    checks:
      runs: {kind: run_failed, why: "tickets wait"}
"""


@dataclass
class Town:
    """Everything a story needs: the workspace outside, the house inside, and a clock."""

    ws: Workspace
    house: House
    clock: MovedClock
    url: str
    http: httpx.AsyncClient
    written: Callable[[], int]  # another number once something was written to the database
    token: str = ""
    printed: list[dict[str, Any]] = field(default_factory=list)

    async def settle(self) -> None:
        """Let everything that is due now happen, inside and outside, until a whole turn has written nothing."""
        for _ in range(3):
            before = self.written()
            await self.house.loops.settle()
            await self.ws.settle()
            if self.house.edge is not None:
                await self.house.edge.rest()
            # On PostgreSQL the auditor's look is a transaction that holds its row: one a turn, and nothing written.
            if self.written() - before <= (0 if self.house.db.is_sqlite else 1):
                return

    async def move(self, **by: float) -> None:
        """Move the clock, and let what became due happen."""
        self.clock.move(timedelta(**by))
        await self.settle()

    async def read(self, look: Callable[[Session], T]) -> T:
        return await self.house.lanes.read(look)

    async def write(self, work: Callable[[Session], T]) -> T:
        return await self.house.lanes.write(work)

    async def apply(self, text: str = REGISTRY) -> None:
        read = read_text(text, KIND_SPECS)
        now = self.clock.now()
        await self.write(lambda tx: apply_file(tx, now, read, by="the test", open_things=open_things))
        await self.settle()

    async def post(self, *events: dict[str, Any]) -> dict[str, Any]:
        """Send events as an agent would; returns the answer's JSON."""
        answer = await self.http.post("/v1/events", json=list(events), headers={"Authorization": f"Bearer {self.token}"})
        told: dict[str, Any] = answer.json()
        return told

    async def job(self, name: str, **args: Any) -> list[dict[str, Any]]:
        """Run a command's work; returns its lines."""
        return [line async for line in jobs_of(self.house)[name](args)]

    def event(self, type: str, id: str, /, **more: Any) -> dict[str, Any]:
        """An event of support-triage, now."""
        return {"id": id, "type": type, "agent": "support-triage", "at": self.clock.now().isoformat(), **more}


@contextlib.contextmanager
def written(database_url: str) -> Iterator[Callable[[], int]]:
    """What tells whether anything was written since it was last asked, seen by a connection of its own."""
    if database_url.startswith("sqlite"):
        looking: Any = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        ask = "PRAGMA data_version"
    else:
        looking = psycopg.connect(database_url.replace("postgresql+psycopg", "postgresql"), autocommit=True)
        ask = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    try:
        yield lambda: int(looking.execute(ask).fetchone()[0])
    finally:
        looking.close()


@contextlib.asynccontextmanager
async def town(database_url: str, clock: MovedClock, *, rhythm: Rhythm | None = None, **more: str) -> AsyncIterator[Town]:
    """A workspace of seven people, one channel and the bot; the house is connected, and nothing is applied yet.

    `more` are further settings, such as AIOPS_SMTP_URL.
    """
    # A busy test machine is not a slow product: the three seconds of Slack are measured by benchmarks/answers.py.
    ws = Workspace(clock=clock.now, signing_clock=clock.now, answer_within=20)
    async with serve(ws):
        with ws.quietly():
            for name, real in (("maya", "Maya Haddad"), ("omar", "Omar Nassar"), ("lea", "Lea Khoury"), ("hala", "Hala Mansour"), ("dana", "Dana Fares")):
                ws.add_person(name, real, id=f"U0{name.upper()}", email=f"{name}@example.com", tz="Europe/Paris")
            ws.add_person("gina", "Gina Guest", id="U0GINA", is_restricted=True)
            ws.add_person("zoe", "Zoe Elsewhere", id="U0ZOE", team_id="T0OTHER", is_stranger=True)
            ws.install_app(MANIFEST, bot_token="xoxb-test", app_token="xapp-test", signing_secret="signing", id="A0AIOPS", bot_user_id=BOT)
            ws.add_channel("support-ai", members=["maya", "omar", "lea", "dana", "gina", "zoe", BOT], id="C0SUPPORT")
            ws.add_channel("general", members=["maya", "omar", "lea", "hala", "dana"], id="C0GENERAL")
        settings = Settings(
            AIOPS_MODE="slack", SLACK_BOT_TOKEN="xoxb-test", SLACK_SIGNING_SECRET="signing", SLACK_API_URL=f"{ws.base_url}/api/",
            AIOPS_DATABASE_URL=database_url, AIOPS_PUBLIC_URL="https://aiops.example.com", AIOPS_SECRET="a secret for tests", **more,
        )  # fmt: skip
        house = House(settings, clock=clock, ids=CountedIds(), rhythm=rhythm or Rhythm.limitless())
        try:
            async with serving(Starlette(routes=house.routes())) as url:
                app = ws.app()
                app.request_url = f"{url}/slack/events"
                ws.store.save(app)
                await house.open()
                await house.read_directory(clock.now())
                text = await house.lanes.write(lambda tx: mint_token(tx, clock.now(), house.ids, name="test", scopes=["events", "read", "import"], agents=None)[0])
                async with httpx.AsyncClient(verify=trusted(), base_url=url, timeout=30) as http:
                    with written(database_url) as counted:
                        yield Town(ws, house, clock, url, http, counted, text)
        finally:
            await house.close()
