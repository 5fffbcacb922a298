"""`Human review` and `Stop agent` on a page order a stage, and everybody concerned is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from inline_snapshot import snapshot
from sqlalchemy import select

from bot.stages.flows import gate_of
from bot.surface.press import Ask, Mend, Quiet
from bot.tables import Decision, Stage
from tests.paging.world import CHANNEL, World, text_of

PAGE = "page:1:channel"
DM = "page:1:dm:2"


def stage(world: World) -> Stage:
    return world.do(lambda tx: tx.scalars(select(Stage)).one())


def stop(world: World, who: str, reason: str = "It quotes wrong prices <!channel>", **more: Any) -> Any:
    return world.press(who, "paging.stop", "page:1", how="view", values={"reason": reason}, **more)


def test_human_review_orders_assisted_and_says_so_on_the_page_and_in_the_channel(world: World) -> None:
    world.run("failed")
    assert world.buttons(PAGE) == ["Acknowledge", "I'll take it", "Human review"]
    world.move(minutes=2)
    assert world.press("omar", "paging.review", "page:1") == Quiet()
    assert (stage(world).stage, stage(world).rev, stage(world).by_id) == ("assisted", 2, 2)
    for key in (PAGE, DM):
        assert "*Human review.* Omar ordered it at" in world.text(key)
        assert "Human review" not in world.buttons(key)
    assert world.lines(PAGE)[-1] == "Omar ordered human review."
    told = world.row("stage:1:2")
    assert told.target == CHANNEL
    assert told.want["text"] == snapshot("""\
*Support triage is asked to work under human review* since <!date^1795161720^{date_short_pretty} at {time}|2026-11-20 08:02 UTC>. Omar ordered it: page 1, a run failed.
*What to do differently:* Look at each of its outputs before you use it or let it go out; nothing of it counts unseen.
*Whom to ask:* Omar, who ordered it, or Lea (backup).
Asked <!date^1795161720^{time}|08:02 UTC>: it has never read its gate, so nothing switches it by itself. Switch it by hand; its runbook: https://example.com/runbook\
""")
    assert world.do(lambda tx: gate_of(tx, "support-triage")) == {
        "stage": "assisted", "version": None, "rev": 2, "since": world.clock.now().isoformat(), "reason": "page 1, a run failed.",
    }  # fmt: skip
    assert text_of(world.press("lea", "paging.review", "page:1")).startswith("It is under human review already")
    assert stage(world).rev == 2
    world.move(minutes=8)
    assert world.called() == ["Omar", "Lea"]


def test_stop_agent_asks_first_orders_suspended_and_its_checks_rest(world: World) -> None:
    world.run("failed")
    form = world.choose("omar", "Stop agent", settle=False)
    assert isinstance(form, Ask)
    assert "Stopping Support triage orders it to do nothing" in str(form.view)
    assert stage(world).stage == "autonomous"
    assert stop(world, "omar", " ") == Mend({"reason": "Say in a few words why."})
    assert stop(world, "omar") == Quiet()
    assert stage(world).stage == "suspended"
    assert "*The agent was asked to stop.* Omar ordered it at" in world.text(PAGE)
    assert "Its checks rest" in world.text(PAGE)
    assert "*Omar* acknowledged" in world.text(PAGE)
    assert "Stop agent" not in world.menu(PAGE)
    assert world.text("stage:1:2") == snapshot("""\
*Support triage is asked to stop* since <!date^1795161600^{date_short_pretty} at {time}|2026-11-20 08:00 UTC>. Omar ordered it: It quotes wrong prices &lt;!channel&gt;
*What to do differently:* Do its work by hand, and use nothing that it still makes. Its checks rest until an owner starts it again with `/aiops stage`.
*Whom to ask:* Omar, who ordered it, or Lea (backup).
Asked <!date^1795161600^{time}|08:00 UTC>: it has never read its gate, so nothing switches it by itself. Switch it by hand; its runbook: https://example.com/runbook\
""")
    assert "stopped already" in text_of(stop(world, "lea"))
    assert "stopped already" in text_of(world.press("lea", "paging.stop", "page:1"))
    assert "stopped already" in text_of(world.press("lea", "paging.review", "page:1"))
    looked = world.check("runs").looked_at
    world.move(minutes=30)
    assert world.check("runs").looked_at == looked
    assert world.do(lambda tx: [row.person_id for row in tx.scalars(select(Decision).where(Decision.action == "stage.order"))]) == [2]


def test_a_page_of_a_stopped_agent_is_resolved_at_once_and_opens_again_where_it_still_fails_later(world: World) -> None:
    world.run("failed")
    stop(world, "omar")
    assert world.choose("omar", "Resolve") == Quiet()
    assert world.pages()[0].resolved_at is not None
    assert "while the agent is stopped" in world.text(PAGE)
    world.clock.move(timedelta(hours=1))
    world.do(lambda tx: setattr(tx.scalars(select(Stage)).one(), "stage", "autonomous"))
    world.settle()
    assert len(world.pages()) == 2


def test_two_people_who_order_at_once_order_once_and_less_wins(world: World) -> None:
    world.run("failed")
    answers = [text_of(world.press(who, "paging.review", "page:1", settle=False)) for who in ("omar", "lea")]
    assert answers[0] == "Quiet"
    assert "already" in answers[1]
    assert stop(world, "lea", settle=False) == Quiet()
    assert "stopped already" in text_of(world.press("omar", "paging.review", "page:1", settle=False))
    assert stage(world).stage == "suspended"


def test_human_review_never_raises_an_agent_that_works_in_shadow(world: World) -> None:
    world.do(lambda tx: setattr(tx.scalars(select(Stage)).one(), "stage", "shadow"))
    world.run("failed")
    assert "Human review" not in world.buttons(PAGE)
    assert "works in shadow" in text_of(world.press("omar", "paging.review", "page:1"))
    assert stage(world).stage == "shadow"


@pytest.mark.parametrize(("who", "refused"), [("omar", ""), ("maya", ""), ("sam", ""), ("zoe", ""), ("ben", "owner of the agent"), ("gus", "for full members")])
def test_who_may_order_a_stage(world: World, who: str, refused: str) -> None:
    may = not refused
    world.run("failed")
    assert isinstance(world.press(who, "paging.stop", "page:1", settle=False), Ask) is may
    assert may or refused in text_of(stop(world, who))
    assert (world.press(who, "paging.review", "page:1", settle=False) == Quiet()) is may
    assert stage(world).stage == ("assisted" if may else "autonomous")
    assert "no longer known" in text_of(world.press(who, "paging.review", "page:77")) or not may
