from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from bot.clock import MovedClock
from bot.db import Database
from bot.tables import Absence, Agent, AgentOwner, Climb, Person, Registry
from tests.paging.world import CHANNEL, World


def test_a_failed_run_pages_the_owner_and_then_the_backup(world: World) -> None:
    world.run("ok")
    assert world.called() == []
    world.run("failed", "r-771", error="KeyError: order_id")
    assert world.called() == ["Omar"]
    assert [row.target for row in world.rows("call:")] == ["U0OMAR"]
    assert "<@U0OMAR>" in world.rows("call:")[0].want["text"]
    assert "KeyError: order_id" in world.text("page:1:channel")
    world.move(minutes=9, seconds=59)
    assert world.called() == ["Omar"]
    world.move(seconds=1)
    assert world.called() == ["Omar", "Lea"]
    world.move(minutes=20)
    world.move(minutes=30)
    assert world.called() == ["Omar", "Lea", "Maya", "Zoe"]


def test_a_restart_in_the_middle_goes_on_where_it_was(world: World, database_url: str) -> None:
    world.run("failed")
    world.db.close()
    again = Database(database_url)
    other = World(again, MovedClock(world.clock.now()))
    other.move(minutes=10)
    assert other.called() == ["Omar", "Lea"]
    assert len(other.rows("call:")) == 2
    again.close()


def test_thirty_minutes_after_the_last_rung_a_new_round_begins_and_says_how_often_it_called(world: World) -> None:
    world.run("failed")
    for _ in range(6):
        world.move(minutes=10)
    assert world.called() == ["Omar", "Lea", "Maya", "Zoe"]
    world.move(minutes=29)
    assert len(world.called()) == 4
    world.move(minutes=1)
    assert world.called() == ["Omar", "Lea", "Maya", "Zoe", "Omar"]
    assert "This is round 2; 4 calls so far, and nobody has answered." in world.rows("call:1:2:")[0].want["text"]
    assert world.lines("page:1:channel")[-1] == "Called Omar (operations owner). Round 2; 4 calls before this: Omar, Lea, Maya and Zoe."


def test_a_machine_asleep_for_a_day_calls_late_and_gives_everybody_their_time(world: World) -> None:
    world.run("failed")
    world.move(days=1)
    assert world.called() == ["Omar", "Lea"]
    world.move(minutes=19)
    assert world.called() == ["Omar", "Lea"]
    world.move(minutes=1)
    assert world.called() == ["Omar", "Lea", "Maya"]


def test_a_clock_set_back_by_hours_loses_no_call(world: World) -> None:
    world.run("failed")
    world.clock.move(to=world.clock.now() - timedelta(hours=5))
    world.settle()
    world.move(minutes=10)
    assert world.called() == ["Omar", "Lea"]


def test_a_declared_absence_passes_over_a_person_with_a_note(world: World) -> None:
    now = world.clock.now()
    world.do(lambda tx: tx.add(Absence(person_id=world.person(tx, "omar").id, since=now, until=now + timedelta(days=3))))
    world.run("failed")
    assert world.called() == ["Lea"]
    assert "Omar is away until" in world.lines("page:1:channel")[0]
    world.move(minutes=10)
    assert world.called() == ["Lea"]
    world.move(minutes=20)
    assert world.called() == ["Lea", "Maya"]


def test_an_owner_who_left_and_a_role_nobody_holds_never_end_a_ladder(world: World) -> None:
    def leave(tx):  # type: ignore[no-untyped-def]
        world.person(tx, "omar").active = False
        for row in tx.scalars(select(AgentOwner).where(AgentOwner.role == "backup")):
            row.until = world.clock.now()

    world.do(leave)
    world.run("failed")
    assert world.called() == ["Maya"]
    told = world.lines("page:1:channel")[0]
    assert "Omar (operations owner) left the workspace: passed over." in told
    assert "No backup is named: passed over." in told


def test_a_ladder_that_reaches_nobody_falls_to_owners_then_leads_then_the_channel(world: World) -> None:
    def only(*names: str) -> None:
        def work(tx):  # type: ignore[no-untyped-def]
            for person in tx.scalars(select(Person)):
                person.active = person.name.lower() in names

        world.do(work)

    world.do(lambda tx: setattr(tx.scalars(select(Agent)).one(), "spec", {**tx.scalars(select(Agent)).one().spec, "ladder": "odd"}))
    def odd(tx):  # type: ignore[no-untyped-def]
        ladder = [{"call": "@nobody-knows"}, {"call": "U0GONE", "after": "5m"}]
        tx.add(Registry(at=world.clock.now(), by="test", digest="e", document={"workspace": {"leads": ["U0ZOE"]}, "ladders": {"odd": ladder}}, agents=[]))

    world.do(odd)
    only("sam", "zoe")
    world.run("failed")
    assert world.called() == ["Sam"]
    only("zoe")
    world.move(minutes=30)
    assert world.called() == ["Sam", "Zoe"]
    only("ben")
    world.move(minutes=30)
    assert world.called() == ["Sam", "Zoe", f"channel:{CHANNEL}"]
    assert "<!here>" in world.rows("call:")[-1].want["text"]


def test_a_climb_that_raises_steps_aside_and_the_others_go_on(world: World) -> None:
    world.run("failed")
    world.do(lambda tx: world.add_agent(tx, "billing", "Billing", {"runs": {"kind": "run_failed"}}))
    world.settle()
    world.do(lambda tx: setattr(tx.scalars(select(Climb)).one(), "steps", [{"call": "operations_owner", "after": 0}, {"call": 3, "after": "?"}]))
    world.clock.move(timedelta(minutes=10))
    world.run("failed", slug="billing")
    assert world.called() == ["Omar", "Omar"]
    assert world.do(lambda tx: tx.scalars(select(Climb)).first()).next_at == world.clock.now() + timedelta(minutes=1)
