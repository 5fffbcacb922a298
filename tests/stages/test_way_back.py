"""What was taken from an agent on a page can be given back by its owners, and no more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from bot.autonomy.slack import ACTIONS, VIEWS, WORDS
from bot.clock import MovedClock
from bot.db import Database
from bot.people.tokens import mint_token
from bot.stages.rules import back_to, ways_back
from bot.surface.press import Ask, Mend, Quiet
from bot.tables import Decision, Stage
from tests.kit.house import town
from tests.paging.world import World, text_of

ASKED = "support-triage:2"


def test_the_way_back_goes_as_far_as_the_freest_stage_it_was_lowered_from() -> None:
    assert ways_back("suspended", "autonomous") == ("shadow", "assisted", "autonomous")
    assert ways_back("assisted", "autonomous") == ("autonomous",)
    assert ways_back("suspended", "shadow") == ("shadow",)
    assert ways_back("autonomous", None) == ways_back("assisted", None) == ways_back("retired", "autonomous") == ()
    assert ways_back("suspended", None) == ("shadow",)
    assert back_to("autonomous", "assisted", None) == "autonomous"
    assert back_to("assisted", "suspended", "autonomous") == "autonomous"
    assert back_to("suspended", "assisted", "autonomous") == "autonomous"
    assert back_to("suspended", "autonomous", "autonomous") is None
    assert back_to("shadow", "assisted", None) is None
    assert back_to("autonomous", "retired", None) is None


@pytest.fixture
def world(db: Database, clock: MovedClock) -> World:
    """A town with an agent that was just stopped on its page."""
    world = World(db, clock).found({"runs": {"kind": "run_failed"}, "hourly": {"kind": "heartbeat", "cron": "0 * * * *", "grace": "5m"}, "heard": {"kind": "no_data", "within": "4h", "always": True}})
    world.surface.add(actions=ACTIONS, views=VIEWS, words=WORDS)
    world.run("failed")
    world.press("omar", "paging.stop", "page:1", how="view", values={"reason": "It quotes wrong prices"})
    assert stage(world) == ("suspended", 2, "autonomous")
    return world


def stage(world: World) -> tuple[str, int, str | None]:
    row = world.do(lambda tx: tx.scalars(select(Stage)).one())
    return row.stage, row.rev, row.back_to


def start(world: World, who: str, stage: str = "assisted", reason: str = "The price list is mended <!channel>", value: str = ASKED) -> Any:
    return world.press(who, "autonomy.start", value, how="view", values={"stage": stage, "reason": reason})


def test_an_owner_starts_a_stopped_agent_again_and_everybody_concerned_is_told(world: World) -> None:
    world.move(minutes=30)
    shown = world.press("omar", "stage", how="command", words=("support-triage",))
    assert "*Support triage* is *suspended*: stopped" in text_of(shown)
    assert "The way back goes as far as autonomous." in text_of(shown)
    form = world.press("omar", "autonomy.start", ASKED)
    assert isinstance(form, Ask)
    assert [each["value"] for each in form.view["blocks"][1]["element"]["options"]] == ["shadow", "assisted", "autonomous"]
    assert start(world, "omar") == Quiet()
    assert stage(world) == ("assisted", 3, "autonomous")
    told = world.text("stage:1:3")
    assert told.startswith("*Support triage works under human review again* since")
    assert "it was stopped. Omar ordered it: The price list is mended &lt;!channel&gt;" in told
    assert "Its checks look again." in told
    assert "is the way back to that, too" in told
    assert world.lines("page:1:channel")[-1] == "Omar let the agent work again, as assisted."
    decision = world.do(lambda tx: tx.scalars(select(Decision).where(Decision.action == "stage.order").order_by(Decision.id.desc())).first())
    assert decision is not None
    assert decision.evidence == {"before": "suspended", "after": "assisted", "rev": 3}
    assert decision.words == "The price list is mended <!channel>"


def test_human_review_is_ended_the_same_way_and_then_there_is_no_way_back_left(world: World) -> None:
    start(world, "maya")
    assert "Back to autonomous" in world.say("omar", "stage")
    assert start(world, "maya", "autonomous", "Ten answers were right", "support-triage:3") == Quiet()
    assert stage(world) == ("autonomous", 4, None)
    assert "works by itself again" in world.text("stage:1:4")
    assert "there is no way back to go" in world.say("omar", "stage support-triage")
    assert text_of(world.press("omar", "autonomy.start", "support-triage:4")).startswith("Support triage is autonomous")


@pytest.mark.parametrize("who", ["ben", "lea", "sam", "gus"])
def test_only_the_business_and_the_operations_owner_and_leads_may(world: World, who: str) -> None:
    for answer in (world.press(who, "autonomy.start", ASKED), start(world, who)):
        assert "An agent is let work again by its business owner" in str(answer) or "full members" in str(answer)
    assert stage(world)[0] == "suspended"
    if who != "gus":
        assert "Start again" not in str(world.press(who, "stage", how="command", words=("support-triage",)))


def test_a_lead_may_and_a_form_that_was_overtaken_or_asks_for_more_changes_nothing(world: World) -> None:
    assert isinstance(start(world, "zoe", reason="  "), Mend)
    assert isinstance(start(world, "zoe", "retired"), Mend)
    assert isinstance(start(world, "zoe", "suspended"), Mend)
    assert start(world, "zoe", "shadow") == Quiet()
    late = start(world, "omar", "autonomous")
    assert isinstance(late, Mend)
    assert "Meanwhile Zoe ordered shadow" in late.errors["reason"]
    assert stage(world) == ("shadow", 3, "autonomous")


def test_checks_rest_while_it_is_stopped_and_nothing_of_that_time_counts_as_missed(world: World) -> None:
    world.move(days=2)
    assert [problem.fingerprint for problem in world.problems() if problem.closed_at is None] == ["support-triage:runs"]
    start(world, "omar", "autonomous")
    assert world.check("hourly").watched_at == world.clock.now()
    assert world.check("hourly").looked_at == world.clock.now()
    assert world.check("heard").looked_at == world.clock.now()
    assert len(world.problems()) == 1
    world.move(hours=1, minutes=5, seconds=1)
    assert any(problem.fingerprint.endswith("hourly") for problem in world.problems())
    world.move(hours=3)
    assert any(problem.fingerprint.endswith("heard") for problem in world.problems())


async def test_the_gate_tells_each_order_and_each_way_back(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        token = await t.write(lambda tx: mint_token(tx, clock.now(), t.house.ids, name="gate", scopes=["gate"], agents=["support-triage"])[0])

        async def gate(etag: str = "") -> tuple[int, Any]:
            answer = await t.http.get("/v1/agents/support-triage/gate", headers={"Authorization": f"Bearer {token}", "If-None-Match": etag})
            return answer.status_code, answer.json().get("stage") if answer.content else None

        assert await gate() == (200, "autonomous")
        assert await gate('"1"') == (304, None)
        await t.post(t.event("run", "r1", status="failed", error="it quotes wrong prices"))
        await t.settle()
        page = next(each for each in t.ws.messages("support-ai") if "Human review" in json.dumps(each))
        await t.ws.press("omar", "support-ai", page["ts"], "paging.review")
        await t.settle()
        assert await gate('"1"') == (200, "assisted")
        await t.ws.command("omar", "support-ai", "/aiops", "stage support-triage")
        await t.settle()
        note = t.ws.ephemerals("omar")[-1]
        await t.ws.press("omar", "support-ai", note["ts"], "autonomy.start")
        await t.settle()
        await t.ws.submit("omar", t.ws.views("omar")[-1], {"stage": "autonomous", "reason": "It was a false alarm"})
        await t.settle()
        assert await gate('"2"') == (200, "autonomous")
