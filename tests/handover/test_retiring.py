"""An agent retires: it says why, nothing of it is left lying, its history stays, and for a month it may come back."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from bot.clock import MovedClock
from bot.jobs import jobs_of
from bot.paging.flows import open_problem
from bot.paging.rules import Finding, State
from bot.people.tokens import mint_token
from bot.routes.webhook import key_of_agent
from bot.tables import Agent, Check, FollowUp, Incident, Page, Problem, Request, Stage, Token
from tests.handover.kit import decisions, find, say, submit, view_words, whole
from tests.handover.test_hand_over import busy
from tests.kit.house import REGISTRY, Town, town
from tests.kit.server import serving

BEATS = REGISTRY.replace("checks:\n", "checks:\n      night: {kind: heartbeat, every: 1h, grace: 5m, why: \"it runs hourly\"}\n")


async def own_token(t: Town) -> str:
    return await t.write(lambda tx: mint_token(tx, t.clock.now(), t.house.ids, name="its own", scopes=["events", "gate", "read"], agents=["support-triage"])[0])


async def get(t: Town, path: str, token: str) -> Any:
    return await t.http.get(path, headers={"Authorization": f"Bearer {token}"})


async def retire(t: Town, who: str, reason: str, **more: str) -> dict[str, Any]:
    """The form, and the second look."""
    assert await say(t, who, "agent retire support-triage") == ""
    first = await submit(t, who, {"reason": reason, **more})
    if first.get("response_action") == "errors":
        return dict(first["errors"])
    return dict(await submit(t, who, {}))


async def test_retiring_ends_everything_that_is_open_tells_everybody_once_and_keeps_the_history(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await busy(t)
        await t.apply(BEATS)
        token = await own_token(t)
        pinged = (await t.job("check_pings", agent="support-triage"))[0]["json"]["url"].partition("/ping/")[2]
        assert (await t.http.get(f"/ping/{pinged}")).status_code == 200
        assert (await get(t, "/v1/agents/support-triage/gate", token)).json()["stage"] == "autonomous"
        # 1. The form shows what is open and wants a reason; the second look says exactly what will happen.
        assert "business owner" in await say(t, "dana", "agent retire support-triage")
        assert await say(t, "maya", "agent retire support-triage") == ""
        for words in ("Open pages (1)", "Running incidents (1)", "Follow-ups (1)", "Requests that wait", "1 token"):
            assert words in view_words(t, "maya"), words
        assert (await submit(t, "maya", {"reason": " ", "open": "close"}))["errors"]["reason"]
        assert "Choose a person" in (await submit(t, "maya", {"reason": "the new desk does it", "open": "hand"}))["errors"]["person"]
        await submit(t, "maya", {"reason": "the new desk does it", "open": "close"})
        for words in ("1 incident and 1 follow-up close with your reason", "1 request is withdrawn", "1 token is revoked", "the new desk does it"):
            assert words in view_words(t, "maya"), words
        omar_heard = len(t.ws.dm("omar"))
        body = await submit(t, "maya", {})
        assert "Support triage is retired. 1 problem settled, 1 incident closed, 1 follow-up closed, 1 request withdrawn, 1 token revoked" in str(body)
        # 2. Nothing is open any more, and who was called reads it in the place of the call.
        assert await t.read(lambda tx: [tx.scalars(select(what)).all() for what in (Problem.closed_at, Page.resolved_at, Incident.closed_at, FollowUp.closed_at)]) == [
            [t.clock.now()], [t.clock.now()], [t.clock.now()], [t.clock.now()]
        ]  # fmt: skip
        assert await t.read(lambda tx: tx.scalars(select(Request.state)).one()) == "withdrawn"
        assert "Support triage was retired by Maya Haddad: the new desk does it" in whole(find(t.ws.messages("support-ai"), "It is over since"))
        assert find(t.ws.dm("omar"), "the new desk does it")
        assert len([each for each in t.ws.dm("omar")[omar_heard:] if "the new desk does it" in each["text"]]) <= 1
        assert find(t.ws.messages("support-ai"), "Maya Haddad ordered it: the new desk does it")
        # 3. Everything that comes for it is refused with the reason; its gate alone still says: stop.
        await t.move(seconds=3)
        told = (await t.http.post("/v1/events", json=[t.event("run", "r8", status="ok")], headers={"Authorization": f"Bearer {token}"})).json()
        assert "the new desk does it" in told["detail"]
        assert (await get(t, "/v1/agents/support-triage", token)).status_code == 401
        assert (await get(t, "/v1/agents/support-triage/gate", token)).json()["stage"] == "retired"
        await t.move(seconds=10)
        refused = (await t.post(t.event("run", "r9", status="ok")))["refused"][0]
        assert refused["code"] == "retired_agent"
        assert "was retired on 2026-11-20 by Maya Haddad: the new desk does it" in refused["message"]
        gone = await t.http.get(f"/ping/{pinged}")
        assert gone.status_code == 410
        assert "the new desk does it" in gone.text
        # 4. It says so everywhere, and its checks rest: no silence of it ever fails.
        for words in ("agent support-triage", "status support-triage", "status"):
            assert "retired" in (await say(t, "omar", words)).lower(), words
        shown = await say(t, "omar", "agent support-triage")
        assert "by Maya Haddad because: the new desk does it" in shown
        assert "handover.bring_back" in shown
        assert "handover.ask" not in shown
        assert any("its checks rest" in str(line.get("text", "")) for line in await t.job("check_test", agent="support-triage"))
        plan = [line async for line in jobs_of(t.house)["plan"]({"text": BEATS, "name": "aiops.yml"})]
        assert "stands at retired (the new desk does it)" in plan[0]["text"]
        assert "its checks rest" in plan[0]["text"]
        assert "retired" in (await say(t, "omar", "agent hand-over support-triage operations to <@U0DANA>"))
        assert "There is nothing more to end" in await say(t, "maya", "agent retire support-triage")
        await t.apply(BEATS)
        assert await t.read(lambda tx: tx.scalars(select(Stage.stage)).one()) == "retired"
        pages = await t.read(lambda tx: len(tx.scalars(select(Page.id)).all()))
        await t.move(days=3)
        assert await t.read(lambda tx: len(tx.scalars(select(Page.id)).all())) == pages
        assert [each for each in await decisions(t, "") if each in ("agent.retire", "token.revoke", "stage.order")] == ["stage.order", "token.revoke", "agent.retire"]
        # A look that was under way when it retired opens no page that stays.
        finding = Finding(State.FAILING, "A run failed", "run r1 failed")
        await t.write(lambda tx: open_problem(tx, t.clock.now(), tx.scalars(select(Check).where(Check.name == "runs")).one(), finding))
        await t.move(seconds=10)
        assert await t.read(lambda tx: tx.scalars(select(Problem.id).where(Problem.closed_at.is_(None))).all()) == []
        pages = await t.read(lambda tx: len(tx.scalars(select(Page.id)).all()))
        # 5. It comes back, under human review at most, with a new token, and nothing false fires.
        assert "business owner" in await say(t, "dana", "agent bring-back support-triage")
        assert await say(t, "hala", "agent bring-back support-triage") == ""
        assert "autonomous" not in [option["value"] for block in t.ws.views("hala")[-1]["blocks"] if block.get("block_id") == "stage" for option in block["element"]["options"]]
        back = await submit(t, "hala", {"stage": "assisted", "reason": "needed until March"})
        new = str(back).partition("```aiops_")[2].partition("```")[0]
        assert new, back
        assert (await get(t, "/v1/agents/support-triage/gate", f"aiops_{new}")).json()["stage"] == "assisted"
        assert (await get(t, "/v1/agents/support-triage", token)).status_code == 401
        await t.move(seconds=10)
        assert (await t.http.get(f"/ping/{pinged}")).status_code == 200
        assert (await t.post(t.event("run", "r10", status="ok")))["accepted"] == 1
        await t.move(minutes=30)
        assert await t.read(lambda tx: len(tx.scalars(select(Page.id)).all())) == pages
        watched = await t.read(lambda tx: tx.scalars(select(Check.watched_at).where(Check.name == "night")).one())
        assert watched is not None
        assert watched > clock.now().replace(hour=0)
        assert "autonomous" in await say(t, "maya", "stage support-triage")  # the way back goes as far as before


async def test_the_webhook_hears_that_a_request_was_withdrawn_because_its_agent_was_retired(database_url: str, clock: MovedClock) -> None:
    got: list[tuple[bytes, str]] = []

    async def take(request: HttpRequest) -> Response:
        got.append((await request.body(), request.headers["aiops-signature"]))
        return Response()

    async with town(database_url, clock) as t, serving(Starlette(routes=[Route("/hook", take, methods=["POST"])])) as url:
        await t.apply(REGISTRY.replace("    stage: autonomous", f"    webhook: {url}/hook\n    stage: autonomous"))
        for name in ("q1", "q2"):
            await t.post(t.event("request", name, kind="approval", title="Refund 120 EUR"))
        await t.settle()
        await retire(t, "maya", "the new desk does it")
        heard = {json.loads(body)["request"]["id"]: (json.loads(body), signature) for body, signature in got if json.loads(body)["type"] == "request"}
        assert sorted(heard) == ["q1", "q2"]
        assert t.house.signer is not None
        key = key_of_agent(t.house.signer, "support-triage")
        for body, signature in got:  # the order to stop as well
            stamp, _, mac = signature.removeprefix("t=").partition(",v1=")
            assert hmac.new(key.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest() == mac
        said = heard["q1"][0]["request"]
        assert (said["state"], said["decision"], said["answered_by"]["name"]) == ("withdrawn", "deny", "Maya Haddad")
        assert "the new desk does it" in said["answer"]
        count = len(got)
        await t.move(minutes=30)
        assert len(got) == count  # taken: told once


async def test_what_is_open_can_go_to_somebody_and_what_somebody_says_meanwhile_counts(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await busy(t)
        assert "guest" in str((await retire(t, "maya", "no longer needed", open="hand", person="U0GINA")).get("person"))
        assert await say(t, "maya", "agent retire support-triage") == ""
        await submit(t, "maya", {"reason": "no longer needed", "open": "hand", "person": "U0DANA"})
        await t.move(minutes=1)
        await t.ws.command("omar", "support-ai", "/aiops", "agent hand-over support-triage operations to <@U0LEA>")
        await t.settle()
        body = await submit(t, "maya", {})
        assert "1 incident given to Dana Fares, 1 follow-up given to Dana Fares" in str(body)
        incident = await t.read(lambda tx: tx.scalars(select(Incident)).one())
        assert incident.closed_at is None
        assert incident.lead_id is not None
        thread = find(t.ws.messages("support-ai"), f"Incident #{incident.id}")
        assert find(t.ws.thread("support-ai", thread["ts"]), "leads this incident and answers for it now")
        assert "wrong refunds" in await say(t, "dana", "mine")
        assert "Test every prompt" in await say(t, "dana", "mine")
        assert find(t.ws.dm("lea"), "This is settled otherwise")  # nobody is asked about it any more
        # A second press of the same screen changes nothing.
        assert await t.read(lambda tx: len(tx.scalars(select(Token.id).where(Token.revoked_at.is_not(None))).all())) == 0
        assert await t.read(lambda tx: tx.scalars(select(Agent.archived_at)).one()) is None


async def test_what_the_registry_takes_out_loses_its_tokens_and_is_still_remembered(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        token = await own_token(t)
        assert (await get(t, "/v1/agents/support-triage/gate", token)).status_code == 200
        await t.apply("workspace: {leads: [hala]}\npeople:\n  hala: {slack: U0HALA}\n")
        await t.move(seconds=5)
        answer = await get(t, "/v1/agents/support-triage/gate", token)
        assert answer.status_code == 401
        assert "taken out of the registry" in answer.json()["detail"]
        assert "was taken out of the registry on" in await say(t, "omar", "agent support-triage")


