"""May I? Asked by an agent over HTTP, answered by rules, and by people where the rules say so."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from bot.agents.reading import agent_by_slug
from bot.routes.webhook import key_of_agent
from bot.stages.flows import order_stage
from bot.tables import Decision, PermissionCount, Request
from tests.kit.house import REGISTRY, Town
from tests.kit.server import serving
from tests.requests.conftest import SPEC
from tests.requests.test_requests import answer_of, press, shown

SMALL = {"name": "refund.create", "on": "order/1", "as": "svc-triage", "params": {"amount": 20}}
LARGE = {"name": "refund.create", "on": "order/1", "as": "svc-triage", "params": {"amount": 200}}


async def check(t: Town, action: Any = None, status: int = 200, **more: Any) -> dict[str, Any]:
    body = {"agent": "support-triage", "action": LARGE if action is None else action, **more}
    told = await t.http.post("/v1/permissions/check", json=body, headers={"Authorization": f"Bearer {t.token}"})
    assert told.status_code == status, told.text
    await t.settle()
    found: dict[str, Any] = told.json()
    return found


async def test_an_allow_is_counted_and_nothing_else(t: Town) -> None:
    for _ in range(3):
        told = await check(t, SMALL)
        assert (told["decision"], told["rule"], told["request"]) == ("allow", "small-refund", None)
    assert await t.read(lambda tx: tx.execute(select(PermissionCount.rule, func.sum(PermissionCount.n)).group_by(PermissionCount.rule)).all()) == [("small-refund", 3)]
    assert await t.read(lambda tx: tx.scalar(select(func.count()).select_from(Request))) == 0
    await t.ws.command("omar", "support-ai", "/aiops", "requests")
    await t.settle()
    assert "by rule: `small-refund` 3" in t.ws.ephemerals("omar")[-1]["text"]


async def test_a_deny_is_written_down_each_time(t: Town) -> None:
    for _ in range(2):
        assert (await check(t, {"name": "order.delete"}))["rule"] == "no-deletes"
    denied = await t.read(lambda tx: list(tx.scalars(select(Decision).where(Decision.action == "permission.deny"))))
    assert [each.evidence["action"] for each in denied] == ["order.delete"] * 2


async def test_an_ask_opens_one_request_whose_yes_is_used_once_for_exactly_that(t: Town) -> None:
    told = await check(t)
    assert (told["decision"], told["rule"], told["request"]["state"]) == ("ask", "refund", "open")
    assert (await check(t))["request"]["id"] == told["request"]["id"]  # asked again: the same request
    assert "200" in json.dumps((await shown(t))["blocks"])
    await press(t, "lea", "requests.approve")
    assert (await check(t, {**LARGE, "params": {"amount": 201}}))["decision"] == "ask"  # another action
    allowed = await check(t)
    assert (allowed["decision"], allowed["rule"]) == ("allow", "approval")
    assert allowed["action_hash"] == told["action_hash"]
    assert (await answer_of(t, told["request"]["id"]))["used_at"]
    again = await check(t)
    assert again["decision"] == "ask"  # it was used: a person is asked anew
    assert again["request"]["id"] != told["request"]["id"]


async def test_of_many_who_use_an_approval_at_once_one_may(t: Town) -> None:
    told = await check(t, id="r1")
    await press(t, "lea", "requests.approve")
    found = await asyncio.gather(*(check(t, id="r1") for _ in range(8)))
    assert sorted(each["decision"] for each in found) == ["allow"] + ["deny"] * 7
    assert told["request"]["id"] == "r1"


async def test_many_who_ask_the_same_at_once_ask_one_person_once(t: Town) -> None:
    found = await asyncio.gather(*(check(t) for _ in range(8)))
    assert {each["request"]["id"] for each in found} == {found[0]["request"]["id"]}
    assert await t.read(lambda tx: tx.scalar(select(func.count()).select_from(Request))) == 1


async def test_a_rejection_holds_for_an_hour_and_its_words_come_back(t: Town) -> None:
    told = await check(t)
    await press(t, "maya", "requests.reject")
    await t.ws.submit("maya", t.ws.views("maya")[-1]["id"], {"words": "send a voucher"})
    await t.settle()
    refused = await check(t)
    assert (refused["decision"], refused["request"]["answer"]) == ("deny", "send a voucher")
    await t.move(minutes=61)
    assert (await check(t))["request"]["id"] != told["request"]["id"]


async def test_an_id_of_another_action_is_a_conflict(t: Town) -> None:
    await check(t, id="r1")
    told = await check(t, {**LARGE, "on": "order/2"}, 409, id="r1")
    assert told["code"] == "id_conflict"


async def test_nobody_approves_their_own_action_through_what_another_triggered(t: Town) -> None:
    first = await check(t, triggered_by="omar@example.com")
    second = await check(t, triggered_by="U0LEA")  # the same action, but Lea had it done: her yes is worth nothing here
    assert second["request"]["id"] != first["request"]["id"]
    assert (await check(t, triggered_by="U0LEA"))["request"]["id"] == second["request"]["id"]
    await press(t, "lea", "requests.approve", first["request"]["id"])
    assert (await check(t, triggered_by="U0LEA"))["decision"] == "ask"
    assert (await check(t, triggered_by="omar@example.com"))["decision"] == "allow"
    await check(t, triggered_by="omar@example.com", id="r1")
    told = await check(t, None, 409, triggered_by="U0LEA", id="r1")
    assert "somebody else triggered" in told["detail"]


async def test_a_deadline_shorter_than_the_sla_never_makes_silence_a_yes(t: Town) -> None:
    await t.apply(REGISTRY.replace("    stage: autonomous", SPEC.replace("on_timeout: deny", "on_timeout: allow")))
    soon, late = (t.clock.now() + timedelta(minutes=minutes) for minutes in (1, 60))
    await check(t, id="hasty", deadline=soon.isoformat())
    assert "it is denied" in json.dumps((await shown(t))["blocks"])
    await check(t, id="gone", deadline=(t.clock.now() - timedelta(minutes=1)).isoformat())
    await check(t, id="patient", deadline=late.isoformat())
    await t.move(minutes=31)
    assert [(await answer_of(t, each))["decision"] for each in ("hasty", "gone", "patient")] == ["deny", "deny", "allow"]
    assert (await check(t, id="hasty"))["decision"] == "deny"
    assert (await check(t, id="patient"))["decision"] == "allow"


async def test_a_stopped_agent_may_nothing_from_the_next_question_on(t: Town) -> None:
    assert (await check(t, SMALL))["decision"] == "allow"

    def stop(tx: Any) -> None:
        agent = agent_by_slug(tx, "support-triage")
        assert agent is not None
        order_stage(tx, t.clock.now(), agent, "suspended", None, "it went wrong")

    await t.write(stop)
    told = await check(t, SMALL)
    assert (told["decision"], told["rule"]) == ("deny", "stage")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"agent": "support-triage"}, 422, "action"),
        ({"agent": "support-triage", "action": {"name": ""}}, 422, "action.name"),
        ({"agent": "support-triage", "action": {"name": "a", "wrong": 1}}, 422, "action.wrong"),
        ({"agent": "support-triage", "action": {"name": "a", "params": {"x": "y" * 3000}}}, 422, "action"),
        ({"agent": "support-triage", "action": {"name": "a\0"}}, 422, "action.name"),
        ({"agent": "nobody", "action": {"name": "a"}}, 404, None),
        ([], 422, None),
    ],
)
async def test_a_question_that_cannot_be_read_names_its_field(t: Town, body: Any, status: int, field: str | None) -> None:
    told = await t.http.post("/v1/permissions/check", json=body, headers={"Authorization": f"Bearer {t.token}"})
    assert told.status_code == status, told.text
    assert told.json().get("field") == field


async def test_the_question_needs_the_scope_permissions(t: Town) -> None:
    assert (await t.http.post("/v1/permissions/check", json={})).status_code == 401


async def test_the_answer_reaches_the_agents_webhook_signed_until_it_is_taken(t: Town) -> None:
    got: list[tuple[bytes, str]] = []
    answers = [500, 204]

    async def take(request: HttpRequest) -> Response:
        got.append((await request.body(), request.headers["aiops-signature"]))
        return Response(status_code=answers[len(got) - 1])

    async with serving(Starlette(routes=[Route("/hook", take, methods=["POST"])])) as url:
        await t.apply(REGISTRY.replace("    stage: autonomous", f"    webhook: {url}/hook\n{SPEC}"))
        told = await check(t)
        await press(t, "lea", "requests.approve")
        assert len(got) == 1
        assert "could not be told" in json.dumps((await shown(t))["blocks"])
        await t.move(seconds=10)
        assert len(got) == 2
        await t.move(minutes=10)
        assert len(got) == 2  # it was taken: nothing more is sent
    body, signature = got[1]
    stamp, _, mac = signature.removeprefix("t=").partition(",v1=")
    assert t.house.signer is not None
    key = key_of_agent(t.house.signer, "support-triage")
    assert hmac.new(key.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest() == mac
    assert json.loads(body)["request"]["id"] == told["request"]["id"]
    assert json.loads(body)["request"]["decision"] == "allow"
    assert "could not be told" not in json.dumps((await shown(t))["blocks"])
