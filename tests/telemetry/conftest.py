"""Telemetry as an instrumented program meets it: the routes of the product, a registry of a few agents, tokens, and the loops."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.applications import Starlette

from bot.clock import CountedIds, MovedClock
from bot.db import Database
from bot.intake.http import routes as event_routes
from bot.intake.taking import Intake
from bot.intake.telemetry.http import Telemetry, routes
from bot.intake.telemetry.loops import TelemetryLoops
from bot.lanes import Lanes
from bot.people.tokens import mint_token
from bot.quality.gathering import gather_all
from bot.quality.reading import totals
from bot.tables import Agent
from tests.kit.server import serving

CAPTURED = datetime(2026, 11, 20, 16, 0, 30, tzinfo=UTC)  # a moment after the captures were made
PROTOBUF = {"content-type": "application/x-protobuf"}
OWNERS = {"business": "maya@example.com", "operations": "U0OMAR"}


def capture(name: str) -> bytes:
    """One of the requests that public instrumentations put on the wire."""
    folder = os.environ.get("AIOPS_TEST_DATA")
    if not folder:
        pytest.skip("AIOPS_TEST_DATA is not set: it names the folder of the captured OTLP requests")
    return (Path(folder) / "otlp" / name).read_bytes()


@dataclass
class Wire:
    """The three endpoints, and what became of what was sent."""

    db: Database
    clock: MovedClock
    lanes: Lanes
    telemetry: Telemetry
    loops: TelemetryLoops
    http: httpx.AsyncClient
    url: str
    tokens: dict[str, str] = field(default_factory=dict)

    async def send(self, body: bytes, signal: str = "traces", *, token: str = "all", headers: dict[str, str] | None = None) -> httpx.Response:
        sent = {"authorization": f"Bearer {self.tokens[token]}", **PROTOBUF, **(headers or {})}
        return await self.http.post(f"/v1/{signal}", content=body, headers=sent)

    async def settle(self) -> None:
        """Let everything that is due happen."""
        while await self.loops.step(self.clock.now()):
            pass

    async def move(self, **by: float) -> None:
        self.clock.move(timedelta(**by))
        await self.settle()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self.db.transaction() as tx:
            gather_all(tx, self.clock.now())
        with self.db.reading() as tx:
            yield tx

    def rows(self, table: Any) -> list[Any]:
        with self.reading() as tx:
            return list(tx.scalars(select(table)).all())

    def totals(self, slug: str = "support") -> Any:
        with self.reading() as tx:
            agent = tx.scalars(select(Agent).where(Agent.slug == slug)).one()
            return totals(tx, agent.id, "2026-10-01", "2026-12-31")


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock(CAPTURED)


@pytest.fixture
async def wire(db: Database, clock: MovedClock) -> AsyncIterator[Wire]:
    now, ids = clock.now(), CountedIds()
    specs: dict[str, dict[str, Any]] = {
        "support": {"telemetry": {"service": "support-bot"}},
        "planner": {"telemetry": {"agent": "planner"}},
        "quiet": {"data": {"store_text": False}},
    }
    tokens = {}
    with db.transaction() as tx:
        for slug, spec in specs.items():
            full = {"name": slug.capitalize(), "owners": OWNERS, "channel": "C0SUPPORT", "outputs": {"post": "none"}, **spec}
            tx.add(Agent(slug=slug, name=slug.capitalize(), zone="UTC", channel_id="C0SUPPORT", spec=full, created_at=now))
        tx.flush()
        for name, scopes, agents in (("all", ["telemetry", "events"], None), ("quiet", ["telemetry"], ["quiet"]), ("two", ["telemetry"], ["planner", "quiet"]), ("events", ["events"], None)):
            tokens[name], _ = mint_token(tx, now, ids, name=name, scopes=scopes, agents=agents)
    lanes = Lanes(db)
    intake = Intake(lanes, clock)
    telemetry = Telemetry(lanes, clock, intake.doors, most=4 * 1024 * 1024)
    loops = TelemetryLoops(lanes, clock, intake.agents, timedelta(hours=48))
    app = Starlette(routes=[*event_routes(intake), *routes(telemetry)])
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
        yield Wire(db, clock, lanes, telemetry, loops, http, url, tokens)
    await telemetry.close()
    await intake.close()
    lanes.close()
