"""Rows broken by hand in every way the auditor knows: a person is called again, once, and the leads hear of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from bot.clock import MovedClock
from bot.db import Database
from bot.paging.watching import auditor
from bot.paging.watching.auditor import MARK, Fault, audit_step
from bot.tables import Call, Check, Climb, Decision, Mark, OutMessage, Page, Problem
from tests.paging import test_holding, test_ladder_story, test_pages, test_resolving, test_stopping
from tests.paging.world import World


def look(world: World) -> bool:
    """The auditor looks, as it does every minute, and what it repaired takes effect."""
    world.clock.move(timedelta(minutes=1))
    found = world.do(lambda tx: audit_step(tx, world.clock.now(), world.links))
    world.settle()
    return found


def repaired(world: World) -> dict[str, int]:
    with world.db.transaction() as tx:
        mark = tx.get(Mark, MARK)
        return dict(mark.value["repairs"]) if mark is not None else {}


def told(world: World) -> list[str]:
    return [str(row.want["text"]) for row in world.rows("pager:repaired:")]


def broken(world: World, *statements: Any) -> None:
    with world.db.transaction() as tx:
        for each in statements:
            tx.execute(each.execution_options(synchronize_session=False))


def test_a_fleet_where_all_is_well_is_left_alone(world: World) -> None:
    assert not look(world)
    world.run("failed")
    for _ in range(70):
        world.move(minutes=1)
        assert not look(world)
    assert repaired(world) == {}
    assert told(world) == []


def test_a_problem_without_a_page_gets_one_and_its_owner_is_called(world: World) -> None:
    world.run("failed")
    broken(world, update(Problem).values(page_id=None), delete(Call), delete(Climb), delete(OutMessage), delete(Page))
    assert look(world)
    assert world.called() == ["Omar"]
    assert repaired(world) == {"no_page": 1}
    [line] = told(world)
    assert line == (
        f"Looking after its own calls, the bot found one thing wrong and put it right. Page {world.pages()[0].id} (Support triage): a problem that must call people was on no page. "
        "That was a mistake of ours, not of your agents. Nobody is left uncalled, and there is nothing for you to do; the log has the details."
    )
    assert not look(world)
    assert world.called() == ["Omar"]


def test_a_problem_on_a_page_that_is_over_gets_a_new_page(world: World) -> None:
    world.run("failed")
    now = world.clock.now()
    broken(world, update(Page).values(resolved_at=now), update(Climb).values(stopped_at=now, next_at=None))
    assert look(world)
    assert world.called() == ["Omar", "Omar"]
    assert len(world.pages()) == 2
    assert not look(world)


@pytest.mark.parametrize("how", ["no climb", "no time", "a time far away", "a round far away", "steps nobody can read"])
def test_a_page_that_would_never_call_again_calls_the_next_person(world: World, how: str) -> None:
    world.run("failed")
    far = world.clock.now() + timedelta(days=4000)
    broken(world, {
        "no climb": update(Climb).values(stopped_at=world.clock.now(), next_at=None),
        "no time": update(Climb).values(next_at=None),
        "a time far away": update(Climb).values(next_at=far),
        "a round far away": update(Climb).values(next_at=None, round_at=far),
        "steps nobody can read": update(Climb).values(next_at=None, steps=[{"call": 3, "after": "?"}]),
    }[how])
    assert look(world)
    assert repaired(world) == {"no_timer": 1}
    assert len(told(world)) == 1
    world.move(minutes=10)
    # A ladder that was lost begins at its foot: Omar again. One that only lost its time goes on to Lea.
    assert world.called() in (["Omar", "Lea"], ["Omar", "Omar", "Lea"])
    assert not look(world)


def test_a_climb_that_raises_for_minutes_begins_anew_with_the_ladder_of_the_registry(world: World) -> None:
    world.run("failed")
    broken(world, update(Climb).values(steps=[{"call": "operations_owner", "after": 0}, {"call": "backup", "after": "?"}]))
    world.move(minutes=10)
    for _ in range(4):
        look(world)
    assert repaired(world) == {"failing": 1}
    assert world.called()[:2] == ["Omar", "Omar"]
    world.move(minutes=10)
    assert world.called()[:3] == ["Omar", "Omar", "Lea"]


@pytest.mark.parametrize("how", ["no timer", "no end", "an end in ten years", "nobody's"])
def test_an_acknowledgement_that_would_never_end_gets_its_end(world: World, how: str) -> None:
    world.run("failed")
    world.press("omar", "paging.acknowledge", "page:1")
    far = world.clock.now() + timedelta(days=3650)
    broken(world, {
        "no timer": update(Page).values(ack_due_at=None),
        "no end": update(Page).values(ack_due_at=None, ack_until=None),
        "an end in ten years": update(Page).values(ack_due_at=far, ack_until=far),
        "nobody's": update(Page).values(acked_by=None),
    }[how])
    assert look(world)
    assert repaired(world) == {"no_end": 1}
    assert not look(world)
    world.move(hours=4)
    assert world.called()[:2] == ["Omar", "Omar"]


@pytest.mark.parametrize("how", ["gone", "never due", "due in ten years", "failed unseen", "forgotten"])
def test_a_call_that_would_never_arrive_is_made_again(world: World, how: str) -> None:
    world.accepts = lambda row: row.kind != "call"
    world.run("failed")
    mine = OutMessage.kind == "call"
    broken(world, *{
        "gone": [delete(OutMessage).where(mine)],
        "never due": [update(OutMessage).where(mine).values(due_at=None), update(Call).values(confirm_by=None)],
        "due in ten years": [update(OutMessage).where(mine).values(due_at=world.clock.now() + timedelta(days=3650))],
        "failed unseen": [update(OutMessage).where(mine).values(state="failed", due_at=None), update(Call).values(confirm_by=None)],
        "forgotten": [update(Call).values(confirm_by=None)],
    }[how])
    world.accepts = lambda row: True
    assert look(world)
    assert sum(repaired(world).values()) >= 1
    sent = [row for row in world.rows("call:") if row.shown_rev > 0]
    assert len(sent) == 1  # Omar's own message; or, where Slack refused it for good, the next person's
    assert {call.state for call in calls(world)} <= {"confirmed", "failed"}
    assert not look(world)
    assert len([row for row in world.rows("call:") if row.shown_rev > 0]) == 1


def calls(world: World) -> list[Call]:
    with world.db.transaction() as tx:
        return list(tx.scalars(select(Call).order_by(Call.id)))


def test_a_page_left_open_though_all_is_well_stops_calling(world: World) -> None:
    world.run("failed")
    broken(world, update(Problem).values(closed_at=world.clock.now(), closed_why="The run ended well."), update(Check).values(state="ok"))
    world.run("ok")
    assert look(world)
    assert repaired(world) == {"no_problem": 1}
    assert world.pages()[0].resolved_at is not None
    world.move(minutes=30)
    assert world.called() == ["Omar"]


def test_a_page_that_waits_for_one_that_is_long_over_calls_people_itself(world: World) -> None:
    world.do(lambda tx: world.add_agent(tx, "billing", "Billing", {"runs": {"kind": "run_failed"}}))
    world.run("failed")
    world.move(minutes=5)
    world.run("failed", slug="billing")
    now = world.clock.now()
    broken(
        world,
        update(Page).where(Page.id == 2).values(parent_id=1),
        update(Climb).where(Climb.subject_id == 2).values(stopped_at=now, next_at=None),
        update(Problem).where(Problem.page_id == 2).values(under_id=1),
        update(Problem).where(Problem.page_id == 1).values(closed_at=now, closed_why="It recovered."),
        update(Climb).where(Climb.subject_id == 1).values(stopped_at=now, next_at=None),
        update(Page).where(Page.id == 1).values(resolved_at=now, resolved_why="It recovered."),
        update(Check).where(Check.agent_id == 1).values(state="ok", due_at=None),
    )
    before = len(world.called())
    world.move(minutes=11)
    assert look(world)
    assert repaired(world)["left_behind"] == 1
    assert len(world.called()) == before + 1
    assert not look(world)


def test_a_repair_that_fails_calls_the_leads_in_plain_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def helpless(*_: object) -> None:
        raise RuntimeError("nothing helps")

    world.run("failed")
    broken(world, update(Climb).values(next_at=None))
    monkeypatch.setattr(auditor, "LOOKS", tuple((fault, seek, helpless if fault is Fault.NO_TIMER else mend) for fault, seek, mend in auditor.LOOKS))
    look(world)
    look(world)
    [row] = world.rows("pager:helpless:")
    assert row.target == "U0ZOE"
    assert row.kind == "call"
    assert "Please look at the open pages" in row.want["text"]


def test_two_processes_that_look_at_once_repair_once(world: World, database_url: str) -> None:
    world.run("failed")
    assert not look(world)
    broken(world, update(Climb).values(stopped_at=world.clock.now(), next_at=None))
    world.clock.move(timedelta(minutes=1))
    other, now = Database(database_url), world.clock.now()
    try:
        if world.db.is_sqlite:
            assert [world.do(lambda tx: audit_step(tx, now)) for _ in range(2)] == [True, False]
        else:
            with world.db.transaction() as one:
                assert audit_step(one, now)
                with other.transaction() as two:
                    assert not audit_step(two, now)
    finally:
        other.close()
    world.settle()
    assert world.called() == ["Omar", "Omar"]


def test_every_repair_is_written_into_the_audit_and_the_page(world: World) -> None:
    world.run("failed")
    broken(world, update(Climb).values(next_at=None))
    look(world)
    with world.db.transaction() as tx:
        decision = tx.scalars(select(Decision).where(Decision.action == "pager.repair")).one()
    assert (decision.subject, decision.came_from, decision.person_id) == ("page:1", "timer", None)
    assert "The bot looked after its own work: a page that nobody had answered had no time for its next call. It is repaired, and calling goes on." in world.lines("page:1:channel")


# --- the auditor beside every story of paging: where all is well it changes nothing ------------------------------------


class Watched(World):
    """A world in which the auditor looks after every step."""

    def settle(self) -> None:
        super().settle()
        with self.db.transaction() as tx:
            mark = tx.get(Mark, MARK)
            if mark is not None:
                mark.value = {**mark.value, "at": None}
        rows = self.do(lambda tx: tx.scalar(select(func.count()).select_from(OutMessage)))
        assert not self.do(lambda tx: audit_step(tx, self.clock.now(), self.links)), repaired(self)
        assert self.do(lambda tx: tx.scalar(select(func.count()).select_from(OutMessage))) == rows


BREAKS_ROWS = {"test_a_climb_that_raises_steps_aside_and_the_others_go_on", "test_one_page_that_raises_holds_up_no_other_hold_and_no_look"}
STORIES = [
    story
    for module in (test_pages, test_ladder_story, test_holding, test_resolving, test_stopping)
    for name, story in vars(module).items()
    if name.startswith("test_") and name not in BREAKS_ROWS and list(inspect.signature(story).parameters) == ["world"] and not hasattr(story, "pytestmark")
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.removeprefix("test_"))
def test_the_auditor_leaves_every_story_as_it_is(story: Callable[[World], None], db: Database, clock: MovedClock) -> None:
    story(Watched(db, clock).found({"runs": {"kind": "run_failed", "why": "the morning shift starts from its queue"}}))
