"""`GET /v1/agents/{id}/gate` over HTTP."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from bot.clock import CountedIds, MovedClock
from bot.db import Database
from bot.intake.described import GATE
from bot.intake.doors import Doors
from bot.intake.gate import knows, route
from bot.lanes import Lanes
from bot.people.tokens import mint_token
from bot.stages.flows import order_stage
from bot.stages.gate import Gate
from bot.stages.rules import FREEDOM, lowers
from bot.tables import Agent, Stage


@pytest.mark.asyncio
async def test_an_agent_reads_what_to_obey_and_asks_again_for_nothing(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        for slug in ("writer", "other"):
            row = Agent(slug=slug, name=slug, created_at=now, spec={})
            tx.add(row)
            tx.flush()
            tx.add(Stage(agent_id=row.id, stage="autonomous", since=now, reason="first applied"))
        ids = CountedIds()
        mine, _ = mint_token(tx, now, ids, name="mine", scopes=["gate"], agents=["writer"])
        reader, _ = mint_token(tx, now, ids, name="reader", scopes=["read"], agents=None)
    lanes = Lanes(db)
    app = Starlette(routes=[route(Doors(lanes, clock), Gate(lanes, clock, lambda name: None))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:

        async def get(path: str, token: str | None, etag: str = "") -> httpx.Response:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return await http.get(path, headers={**headers, "if-none-match": etag} if etag else headers)

        first = await get("/v1/agents/writer/gate", mine)
        assert first.json() == {"stage": "autonomous", "version": None, "rev": 1, "since": now.isoformat(), "reason": "first applied"}
        assert list(first.json()) == GATE["required"]
        assert first.headers["etag"] == '"1"'
        again = await get("/v1/agents/writer/gate", mine, first.headers["etag"])
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"1"')
        with db.transaction() as tx:
            order_stage(tx, now, tx.get_one(Agent, 1), "suspended", None, "wrong prices")
        later = await get("/v1/agents/writer/gate", mine, first.headers["etag"])
        assert (later.status_code, later.json()["stage"], later.json()["rev"], later.json()["reason"]) == (200, "suspended", 2, "wrong prices")
        for path, token, status, code in (
            ("/v1/agents/writer/gate", None, 401, "no_token"),
            ("/v1/agents/writer/gate", "nonsense", 401, "bad_token"),
            ("/v1/agents/writer/gate", reader, 403, "scope"),
            ("/v1/agents/other/gate", mine, 404, "unknown_agent"),
            ("/v1/agents/nobody/gate", mine, 404, "unknown_agent"),
        ):
            answer = await get(path, token)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers["content-type"] == "application/problem+json"
    lanes.close()


def test_an_answer_is_known_by_its_tag_weak_or_in_a_list() -> None:
    assert knows('"2"', '"2"')
    assert knows('"1", W/"2"', '"2"')
    assert knows("*", '"2"')
    assert not knows("", '"2"')
    assert not knows('"22"', '"2"')


def test_only_less_freedom_lowers_a_stage() -> None:
    assert [(before, wanted) for before in FREEDOM for wanted in FREEDOM if lowers(before, wanted)] == [
        (before, wanted) for number, before in enumerate(FREEDOM) for wanted in FREEDOM[:number]
    ]
