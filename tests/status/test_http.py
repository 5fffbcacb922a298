"""`GET /v1/agents` over HTTP, with tokens."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from bot.clock import CountedIds, MovedClock
from bot.db import Database
from bot.intake.doors import Doors
from bot.lanes import Lanes
from bot.people.tokens import mint_token
from bot.status.http import routes
from tests.digests import scene


@pytest.mark.asyncio
async def test_health_is_read_with_a_read_token_and_only_within_its_agents(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        scene.registry(tx, now)
        omar = scene.person(tx, "omar")
        for slug in ("quote-writer", "support-triage"):
            scene.agent(tx, now, slug, {"business": omar, "operations": omar})
        ids = CountedIds()
        whole, _ = mint_token(tx, now, ids, name="all", scopes=["read"], agents=None)
        one, _ = mint_token(tx, now, ids, name="one", scopes=["read"], agents=["quote-writer"])
        events, _ = mint_token(tx, now, ids, name="events", scopes=["events"], agents=None)
    lanes = Lanes(db)
    app = Starlette(routes=routes(Doors(lanes, clock), lanes, clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:

        async def get(path: str, token: str | None) -> httpx.Response:
            return await http.get(path, headers={"authorization": f"Bearer {token}"} if token else {})

        assert [each["id"] for each in (await get("/v1/agents", whole)).json()["agents"]] == ["quote-writer", "support-triage"]
        assert [each["id"] for each in (await get("/v1/agents", one)).json()["agents"]] == ["quote-writer"]
        assert (await get("/v1/agents/quote-writer", one)).json()["verdict"] == "learning"
        for path, token, status, code in (
            ("/v1/agents", None, 401, "no_token"),
            ("/v1/agents", "nonsense", 401, "bad_token"),
            ("/v1/agents", events, 403, "scope"),
            ("/v1/agents?limit=0", whole, 400, "limit"),
            ("/v1/agents/support-triage", one, 404, "unknown_agent"),
            ("/v1/agents/nobody", whole, 404, "unknown_agent"),
        ):
            answer = await get(path, token)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers["content-type"] == "application/problem+json"
    lanes.close()
