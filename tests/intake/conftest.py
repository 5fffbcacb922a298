"""An intake with two agents and their tokens, reached over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.applications import Starlette

from bot.clock import CountedIds, MovedClock
from bot.db import Database
from bot.intake.http import routes
from bot.intake.taking import Intake
from bot.lanes import Lanes
from bot.people.tokens import mint_token
from bot.quality.gathering import gather_all
from bot.tables import Agent, Check

OWNERS = {"business": "maya@example.com", "operations": "U0OMAR"}


@dataclass
class Gate:
    """The intake as an agent's program sees it."""

    db: Database
    clock: MovedClock
    intake: Intake
    http: httpx.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)
    made: int = 0

    async def post(self, content: Any = None, *, token: str = "all", path: str = "/v1/events", headers: dict[str, str] | None = None, body: Any = None) -> httpx.Response:
        sent = {"authorization": f"Bearer {self.tokens.get(token, token)}", **(headers or {})} if token else dict(headers or {})
        if body is not None:
            return await self.http.post(path, headers=sent, content=body)
        return await self.http.post(path, headers=sent, json=content)

    def event(self, type_: str = "run", **fields: Any) -> dict[str, Any]:
        self.made += 1
        event = {"id": f"{type_}-{self.made}", "type": type_, "agent": "support-triage", "at": self.clock.now().isoformat(), **fields}
        if type_ == "run":
            event.setdefault("status", "ok")
        return event

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Look, once what was noted is in the counters (in service a loop does that a few times a second)."""
        with self.db.transaction() as tx:
            gather_all(tx, self.clock.now())
        with self.db.reading() as tx:
            yield tx

    def rows(self, table: Any) -> list[Any]:
        with self.reading() as tx:
            found = list(tx.scalars(select(table)).all())
            tx.expunge_all()
            return found


def add_agent(db: Database, now: datetime, slug: str, zone: str = "UTC", **spec: Any) -> int:
    with db.transaction() as tx:
        name = slug.replace("-", " ").capitalize()
        full = {"name": name, "owners": OWNERS, "channel": "C0SUPPORT", **spec}
        agent = Agent(slug=slug, name=name, zone=zone, channel_id="C0SUPPORT", spec=full, created_at=now)
        tx.add(agent)
        tx.flush()
        return agent.id


@pytest.fixture
async def gate(db: Database, clock: MovedClock) -> AsyncIterator[Gate]:
    now = clock.now()
    for slug in ("support-triage", "invoices"):
        add_agent(db, now, slug)
    ids, tokens = CountedIds(), {}
    with db.transaction() as tx:
        tx.add(Check(agent_id=1, name="nightly", kind="heartbeat", severity="page", spec={"kind": "heartbeat", "cron": "0 3 * * *"}, watched_at=now))
        tokens["all"], _ = mint_token(tx, now, ids, name="all", scopes=["events"], agents=None)
        tokens["one"], _ = mint_token(tx, now, ids, name="one", scopes=["events"], agents=["invoices"])
        tokens["reader"], _ = mint_token(tx, now, ids, name="reader", scopes=["read"], agents=None)
        tokens["old"], _ = mint_token(tx, now, ids, name="old", scopes=["events"], agents=None, expires_at=now - timedelta(days=1))
        tokens["gone"], row = mint_token(tx, now, ids, name="gone", scopes=["events"], agents=None)
        row.revoked_at = now
    lanes = Lanes(db)
    intake = Intake(lanes, clock)
    app = Starlette(routes=routes(intake))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        yield Gate(db, clock, intake, http, tokens)
    await intake.close()
    lanes.close()
