"""Switching an agent: asked until it confirms, called out where it does not, rolled back, told to its webhook, and over again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.app import House
from bot.autonomy.slack import ACTIONS, VIEWS, WORDS
from bot.clock import MovedClock, RandomIds
from bot.db import Database
from bot.outbox.rules import Rhythm
from bot.people.tokens import mint_token
from bot.routes.webhook import key_of_agent
from bot.surface.press import Ask, Mend, Quiet
from bot.tables import Change, Check, Decision, Problem, Run, Stage, StageOrder
from tests.kit.house import REGISTRY, Town, town
from tests.kit.server import serving
from tests.paging.world import World, text_of

PAGE = "page:1:channel"
SLUG = "support-triage"


async def gate_token(t: Town, agents: list[str] | None = [SLUG]) -> dict[str, str]:  # noqa: B006 - never changed
    text = await t.write(lambda tx: mint_token(tx, t.clock.now(), t.house.ids, name="gate", scopes=["gate"], agents=agents)[0])
    return {"Authorization": f"Bearer {text}"}


async def order(t: Town, action: str = "paging.review", reason: str = "It quotes wrong prices") -> None:
    """Somebody presses on the page that a failed run opened."""
    if not [each for each in t.ws.messages("support-ai") if "Human review" in json.dumps(each)]:
        await t.post(t.event("run", "r1", status="failed", error="it quotes wrong prices", stage="autonomous"))
        await t.settle()
    page = next(each for each in t.ws.messages("support-ai") if "a run failed" in json.dumps(each))
    if action == "paging.stop":
        await t.ws.press("omar", "support-ai", page["ts"], "surface.menu", value="paging.stop page:1")
        await t.settle()
        await t.ws.submit("omar", t.ws.views("omar")[-1], {"reason": reason})
    else:
        await t.ws.press("omar", "support-ai", page["ts"], action)
    await t.settle()


def told(t: Town, words: str) -> bool:
    return any(words in json.dumps(each) for each in t.ws.messages("support-ai"))


async def test_an_order_is_asked_until_the_agent_reads_it_at_its_gate_and_then_obeyed(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        mine, wide = await gate_token(t), await gate_token(t, None)
        path = f"/v1/agents/{SLUG}/gate"
        assert (await t.http.get(path, headers=mine)).json()["rev"] == 1
        await t.settle()
        waiting = asyncio.create_task(t.http.get(f"{path}?wait=30", headers={**mine, "If-None-Match": '"1"'}, timeout=40))
        await order(t)
        answer = await asyncio.wait_for(waiting, 20)
        assert (answer.status_code, answer.json()["stage"], answer.json()["rev"]) == (200, "assisted", 2)
        assert told(t, "is asked to work under human review") or told(t, "is under human review")
        await t.settle()
        assert told(t, "is under human review*")
        assert told(t, "it read the order at its gate")
        row = await t.read(lambda tx: tx.scalars(select(StageOrder)).one())
        assert (row.obeyed_how, row.obeyed_at is not None, row.late_at) == ("gate", True, None)
        assert await t.read(lambda tx: tx.scalars(select(Decision.action).where(Decision.action == "stage.obeyed")).all()) == ["stage.obeyed"]
        await t.move(minutes=10)
        assert not await t.read(lambda tx: tx.scalars(select(Problem).where(Problem.fingerprint.contains("order"))).all())
        # A token of the whole workspace may be anybody's: what it reads confirms nothing.
        await t.ws.command("maya", "support-ai", "/aiops", f"stage {SLUG}")
        await t.settle()
        await t.ws.press("maya", "support-ai", t.ws.ephemerals("maya")[-1]["ts"], "autonomy.stop")
        await t.settle()
        await t.ws.submit("maya", t.ws.views("maya")[-1], {"reason": "It is worse than we thought"})
        await t.settle()
        assert (await t.http.get(path, headers=wide)).json()["stage"] == "suspended"
        await t.settle()
        assert told(t, "the agent has not confirmed it yet")
        assert told(t, "Over since")


async def test_no_confirmation_in_two_minutes_pages_and_a_confirmation_ends_it(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        mine = await gate_token(t)
        await t.http.get(f"/v1/agents/{SLUG}/gate", headers=mine)
        await t.settle()
        await order(t)
        await t.move(minutes=1, seconds=58)
        assert not await t.read(lambda tx: tx.scalars(select(Problem).where(Problem.fingerprint == f"{SLUG}:order:obeyed")).all())
        await t.move(seconds=3)
        problem = await t.read(lambda tx: tx.scalars(select(Problem).where(Problem.fingerprint == f"{SLUG}:order:obeyed")).one())
        assert (problem.severity, problem.closed_at) == ("page", None)
        assert problem.title == "it does not confirm the order to work under human review"
        assert problem.page_id is not None
        assert told(t, "the agent has not confirmed it since")
        await t.http.get(f"/v1/agents/{SLUG}/gate", headers={**mine, "If-None-Match": '"2"'})
        await t.settle()
        closed = await t.read(lambda tx: tx.scalars(select(Problem).where(Problem.fingerprint == f"{SLUG}:order:obeyed")).one())
        assert closed.closed_at == t.clock.now()


async def test_a_run_of_that_stage_confirms_and_one_of_another_stage_pages(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await order(t)
        assert told(t, "it has never read its gate")
        assert told(t, "https://wiki.example.com/triage")
        await t.move(seconds=30)
        await t.post(t.event("run", "r2", status="ok", stage="assisted"))
        await t.move(seconds=16)
        assert told(t, "a run reported it")
        await t.move(minutes=10)
        assert not await t.read(lambda tx: tx.scalars(select(Problem).where(Problem.fingerprint == f"{SLUG}:order:obeyed")).all())
        await t.post(t.event("run", "r3", status="ok", stage="autonomous"))
        await t.move(minutes=1)
        problem = await t.read(lambda tx: tx.scalars(select(Problem).where(Problem.fingerprint == f"{SLUG}:order:obeyed")).one())
        assert problem.title == "it runs as autonomous, not assisted"


async def test_a_webhook_is_told_again_until_it_answers_with_a_signature_made_with_the_agents_own_key(database_url: str, clock: MovedClock) -> None:
    heard: list[tuple[dict[str, str], bytes]] = []
    answers = [503, 200]

    async def hook(request: Request) -> Response:
        heard.append((dict(request.headers), await request.body()))
        return PlainTextResponse("", status_code=answers[min(len(heard), len(answers)) - 1])

    async with serving(Starlette(routes=[Route("/orders", hook, methods=["POST"])])) as url, town(database_url, clock) as t:
        await t.apply(REGISTRY.replace("    outputs: {post: all}", f"    outputs: {{post: all}}\n    webhook: {url}/orders"))
        await order(t, "paging.stop")
        assert len(heard) == 1
        assert told(t, "Its webhook did not take it (http_503) and is told again")
        await t.move(seconds=3)
        assert len(heard) == 2
        headers, body = heard[1]
        sent = orjson.loads(body)
        assert (sent["id"], sent["type"], sent["agent"], sent["stage"], sent["rev"], sent["version"]) == (f"order-{SLUG}-2", "stage", SLUG, "suspended", 2, None)
        assert sent["reason"] == "It quotes wrong prices"
        assert t.house.signer is not None
        stamp, given = (part.partition("=")[2] for part in headers["aiops-signature"].split(","))
        assert given == hmac.new(key_of_agent(t.house.signer, SLUG).encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers["aiops-id"] == sent["id"]
        assert told(t, "its webhook took the order")
        assert told(t, "*Support triage is stopped*")
        await t.move(hours=1)
        assert len(heard) == 2
        line = (await t.job("webhook_key", agent=SLUG))[0]
        assert line["json"]["key"] == key_of_agent(t.house.signer, SLUG)
        assert (await t.job("webhook_key", agent="nobody"))[0]["exit"]


async def test_a_webhook_that_does_not_answer_is_told_for_as_long_as_the_order_stands_also_by_another_process(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY.replace("    outputs: {post: all}", "    outputs: {post: all}\n    webhook: http://127.0.0.1:9/orders"))
        await order(t)
        first = await t.read(lambda tx: tx.scalars(select(StageOrder)).one())
        assert (first.hook_tries, first.hook_said, first.hook_at is not None) == (1, "ConnectError", True)
        await t.move(hours=2)
        later = await t.read(lambda tx: tx.scalars(select(StageOrder)).one())
        assert later.hook_tries >= 2
        assert later.hook_at is not None
        await order(t, "paging.stop")
        rows = await t.read(lambda tx: tx.scalars(select(StageOrder).order_by(StageOrder.rev)).all())
        assert (rows[0].hook_at, rows[0].over_at is not None) == (None, True)
        assert rows[1].hook_at is not None


async def test_the_gate_waits_no_longer_than_asked_and_refuses_what_is_no_number(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        mine = await gate_token(t)
        path = f"/v1/agents/{SLUG}/gate"
        assert (await t.http.get(f"{path}?wait=0", headers={**mine, "If-None-Match": '"1"'})).status_code == 304
        assert (await t.http.get(f"{path}?wait=30", headers={**mine, "If-None-Match": '"7"'})).status_code == 200
        assert (await t.http.get(f"{path}?wait=30", headers=mine)).status_code == 200
        refused = await t.http.get(f"{path}?wait=soon", headers=mine)
        assert (refused.status_code, refused.json()["code"]) == (400, "wait")
        waiting = asyncio.create_task(t.http.get(f"{path}?wait=60", headers={**mine, "If-None-Match": '"1"'}, timeout=70))
        while not t.house.gate.waiting:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        t.house.gate.let_go()  # the process stops
        assert (await waiting).status_code == 304


async def test_a_gate_that_waits_at_another_process_hears_the_order_and_confirms_it_there(database_url: str, clock: MovedClock) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("one process holds a SQLite file")
    async with town(database_url, clock) as t:
        await t.apply()
        mine = await gate_token(t)
        second = House(t.house.settings, clock=clock, ids=RandomIds(), rhythm=Rhythm.limitless())
        await second.open()
        async with serving(Starlette(routes=second.routes())) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
            path = f"/v1/agents/{SLUG}/gate"
            assert (await http.get(path, headers=mine)).json()["rev"] == 1
            waiting = asyncio.create_task(http.get(f"{path}?wait=30", headers={**mine, "If-None-Match": '"1"'}, timeout=40))
            while not second.gate.waiting:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
            await order(t)
            assert not waiting.done()
            await second.loops.settle()  # in service NOTIFY wakes it
            answer = await asyncio.wait_for(waiting, 20)
            assert answer.json()["stage"] == "assisted"
            await asyncio.gather(second.loops.settle(), t.house.loops.settle())
            await t.settle()
            assert told(t, "it read the order at its gate")
            assert len(await t.read(lambda tx: tx.scalars(select(Decision).where(Decision.action == "stage.obeyed")).all())) == 1
        await second.close()


# --- on a page, without a network ----------------------------------------------------------------------------------


@pytest.fixture
def world(db: Database, clock: MovedClock) -> World:
    """An agent that ran well as prompt-13, and fails as prompt-14."""
    world = World(db, clock).found({"runs": {"kind": "run_failed"}})
    world.surface.add(actions=ACTIONS, views=VIEWS, words=WORDS)
    world.do(lambda tx: ran(world, tx, "prompt-12", -50))
    world.do(lambda tx: ran(world, tx, "prompt-13", -40))
    world.do(lambda tx: ran(world, tx, "prompt-14", 0, runs=0))
    world.run("failed")
    return world


def ran(world: World, tx: Any, version: str, minutes: int, runs: int = 3) -> None:
    """It reported runs of a version, as intake stores them."""
    at = world.clock.now() + timedelta(minutes=minutes)
    tx.add(Change(agent_id=1, ext_id=f"seen:version:{version}", occurred_at=at, received_at=at, content="seen", input="version", version=version))
    for number in range(runs):
        tx.add(Run(agent_id=1, ext_id=f"{version}-{number}", occurred_at=at, received_at=at, content="c", status="ok", version=version))


def stage(world: World) -> Stage:
    return world.do(lambda tx: tx.scalars(select(Stage)).one())


def test_roll_back_names_the_last_good_version_orders_it_and_is_ended_again(world: World) -> None:
    assert "Roll back" in world.buttons(PAGE)
    form = world.press("omar", "autonomy.roll_back", f"{SLUG}:1")
    assert isinstance(form, Ask)
    assert "goes back to version `prompt-13`" in str(form.view)
    assert "with version `prompt-14`" in str(form.view)
    assert "it has never read its gate" in str(form.view)
    value = form.view["private_metadata"]
    assert isinstance(world.press("omar", "autonomy.roll_back", value, how="view", values={"reason": " "}), Mend)
    assert world.press("omar", "autonomy.roll_back", value, how="view", values={"reason": "prompt-14 quotes <wrong> prices"}) == Quiet()
    row = stage(world)
    assert (row.stage, row.version, row.rev) == ("autonomous", "prompt-13", 2)
    said = world.text("stage:1:2")
    assert said.startswith("*Support triage is asked to go back to version `prompt-13`* since")
    assert "Look again at what version `prompt-14` made" in said
    assert "quotes &lt;wrong&gt; prices" in said
    assert "*Rolled back to version `prompt-13`.* Omar ordered it" in world.text(PAGE)
    assert "Roll back" not in world.buttons(PAGE)
    assert world.lines(PAGE)[-1] == "Omar ordered version `prompt-13`."
    # The form of somebody who was slower changes nothing.
    late = world.press("maya", "autonomy.roll_back", value, how="view", values={"reason": "me too"})
    assert isinstance(late, Mend)
    assert stage(world).rev == 2
    shown = world.press("maya", "stage", how="command", words=(SLUG,))
    assert "held at version `prompt-13`" in text_of(shown)
    assert isinstance(world.press("maya", "autonomy.forward", f"{SLUG}:2"), Ask)
    assert world.press("maya", "autonomy.forward", f"{SLUG}:2", how="view", values={"reason": "prompt-15 is mended"}) == Quiet()
    assert (stage(world).version, stage(world).rev) == (None, 3)
    assert "may use its newest version again" in world.text("stage:1:3")
    assert "Over since" in world.text("stage:1:2")
    # What was rolled back from is never gone back to.
    again = world.press("omar", "autonomy.roll_back", f"{SLUG}:3")
    assert isinstance(again, Ask)
    assert "`prompt-13`" in str(again.view)
    decisions = world.do(lambda tx: [(each.action, each.evidence["after"]) for each in tx.scalars(select(Decision).where(Decision.action == "stage.version").order_by(Decision.id))])
    assert decisions == [("stage.version", "prompt-13"), ("stage.version", None)]


@pytest.mark.parametrize("who", ["ben", "gus"])
def test_who_may_not_is_told_who_could_and_nothing_is_ordered(world: World, who: str) -> None:
    pressed = {"autonomy.review": "Human review is ordered by", "autonomy.stop": "An agent is stopped by", "autonomy.roll_back": "An agent is rolled back by", "autonomy.forward": "An agent is let work again by", "autonomy.switched": "says that it was switched by hand"}
    for action, words in pressed.items():
        assert ("full members" if who == "gus" else words) in str(world.press(who, action, f"{SLUG}:1"))
    for form in ("autonomy.stop", "autonomy.roll_back", "autonomy.forward"):
        assert ("full members" if who == "gus" else "by") in str(world.press(who, form, f"{SLUG}:1:prompt-13", how="view", values={"reason": "because"}))
    assert "registry any more" in str(world.press(who, "autonomy.stop", "nobody:1")) or who == "gus"
    assert (stage(world).stage, stage(world).rev) == ("autonomous", 1)


def test_where_no_earlier_version_is_known_it_says_so_and_what_to_do_instead(db: Database, clock: MovedClock) -> None:
    world = World(db, clock).found({"runs": {"kind": "run_failed"}})
    world.surface.add(actions=ACTIONS, views=VIEWS, words=WORDS)
    world.run("failed")
    assert "Roll back" not in world.buttons(PAGE)
    answer = text_of(world.press("omar", "autonomy.roll_back", f"{SLUG}:1"))
    assert answer.startswith("No earlier version of Support triage is known from its runs and changes")
    assert "report `version` with its runs" in answer
    assert stage(world).rev == 1


def test_agents_that_announce_their_changes_and_name_no_version_in_runs_go_back_by_these(db: Database, clock: MovedClock) -> None:
    world = World(db, clock).found({"runs": {"kind": "run_failed"}})
    world.surface.add(actions=ACTIONS, views=VIEWS, words=WORDS)

    def announced(tx: Any) -> None:
        for version, minutes in (("v1", 50), ("v2", 30)):
            at = clock.now() - timedelta(minutes=minutes)
            tx.add(Change(agent_id=1, ext_id=version, occurred_at=at, received_at=at, content="c", input="system-prompt", version=version))

    world.do(announced)
    world.run("failed")
    form = world.press("omar", "autonomy.roll_back", f"{SLUG}:1")
    assert isinstance(form, Ask)
    assert "goes back to version `v1`" in str(form.view)


def test_somebody_who_switched_it_by_hand_says_so_and_stale_buttons_change_nothing(world: World) -> None:
    world.press("omar", "paging.stop", "page:1", how="view", values={"reason": "It quotes wrong prices"})
    assert "I switched it by hand" in world.buttons("stage:1:2")
    assert "The agent was asked to stop." in world.text(PAGE)
    assert "switched by hand" not in world.text(PAGE)
    assert world.press("lea", "autonomy.switched", f"{SLUG}:2") == Quiet()
    assert "Lea switched it by hand" in world.text("stage:1:2")
    assert world.text("stage:1:2").startswith("*Support triage is stopped* since")
    assert "*The agent is stopped.*" in world.text(PAGE)
    assert world.buttons("stage:1:2") == []
    assert "There is nothing left to confirm" in text_of(world.press("omar", "autonomy.switched", f"{SLUG}:2"))
    assert "Nothing was changed by this" in text_of(world.press("omar", "autonomy.switched", f"{SLUG}:1"))
    for action in ("autonomy.stop", "autonomy.review"):
        assert "is stopped already, ordered by Omar" in text_of(world.press("omar", action, f"{SLUG}:1"))
    twice = world.press("maya", "autonomy.stop", f"{SLUG}:1", how="view", values={"reason": "again"})
    assert "is stopped already" in text_of(twice)
    assert stage(world).rev == 2


def test_the_confirm_dialogs_say_that_an_unread_gate_switches_nothing(world: World) -> None:
    asked = next(each for block in world.row(PAGE).want["blocks"] for each in block.get("elements", []) if each.get("action_id") == "paging.review")
    assert asked["confirm"]["text"]["text"].startswith("Mind: it has never read its gate, so nothing switches it by itself. Switch it by hand; its runbook: https://example.com/runbook")
    assert "it has never read its gate" in str(world.choose("omar", "Stop agent", settle=False))
    world.do(lambda tx: setattr(tx.scalars(select(Stage)).one(), "read_at", world.clock.now()))
    assert "it has never read its gate" not in str(world.choose("omar", "Stop agent", settle=False))


def test_the_built_in_check_gives_way_to_one_of_the_registry(db: Database, clock: MovedClock) -> None:
    from bot.autonomy.switches import BUILT_IN, _see_to

    world = World(db, clock).found({"runs": {"kind": "run_failed"}})
    world.run("failed")
    world.press("omar", "paging.review", "page:1")
    world.do(lambda tx: _see_to(tx, clock.now(), 1))
    assert world.check(BUILT_IN).archived_at is None
    world.do(lambda tx: tx.add(Check(agent_id=1, name="obeys", kind="stage", severity="page", spec={"kind": "stage"}, watched_at=clock.now())))
    clock.move(timedelta(minutes=2))
    world.do(lambda tx: _see_to(tx, clock.now(), 1))
    assert world.check(BUILT_IN).archived_at is not None

