from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.checks import flows
from bot.tables import Agent, Check, Day, Finding, OutMessage, Run, Stage
from tests.paging.world import World


def respec(world: World, checks_of: dict[str, dict[str, Any]]) -> None:
    def work(tx: Any) -> None:
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "checks": checks_of}
        agent.spec_rev += 1

    world.do(work)
    world.settle()


def findings(world: World) -> list[str]:
    return world.do(lambda tx: [row.state for row in tx.scalars(select(Finding).order_by(Finding.id))])


def test_a_check_is_taken_over_from_the_registry_and_looked_at(world: World) -> None:
    check = world.check("runs")
    assert (check.kind, check.severity, check.state, check.why) == ("run_failed", "page", "unknown", "the morning shift starts from its queue")
    assert check.says == "No run was reported yet, so there is nothing to judge."


def test_a_run_makes_its_check_due_at_once_and_every_change_is_kept(world: World) -> None:
    world.run("ok")
    world.run("failed")
    world.run("ok")
    assert findings(world) == ["unknown", "ok", "failing", "ok"]
    assert [problem.closed_why for problem in world.problems()] == ["The last run was ok."]


def test_new_numbers_of_a_failure_are_told_at_most_once_a_minute(world: World) -> None:
    world.run("failed")
    before = world.row("page:1:channel").want_rev
    for _ in range(5):
        world.run("failed")
    assert world.row("page:1:channel").want_rev == before
    world.clock.move(timedelta(minutes=1))
    world.run("failed")
    assert "7 runs in a row failed" in world.text("page:1:channel")
    assert world.called() == ["Omar"]


def test_checks_of_paused_stopped_and_archived_agents_rest(world: World) -> None:
    world.do(lambda tx: setattr(world.agent(tx), "paused_at", world.clock.now()))
    world.run("failed")
    assert world.problems() == []
    world.do(lambda tx: setattr(world.agent(tx), "paused_at", None))
    world.do(lambda tx: setattr(tx.scalars(select(Stage)).one(), "stage", "suspended"))
    world.settle()
    assert world.problems() == []
    world.do(lambda tx: setattr(tx.scalars(select(Stage)).one(), "stage", "assisted"))
    world.settle()
    assert len(world.problems()) == 1


def test_a_check_taken_out_of_the_registry_closes_its_problem(world: World) -> None:
    world.run("failed")
    respec(world, {})
    assert world.check("runs").archived_at is not None
    assert world.pages()[0].resolved_why == "The check was taken out of the registry."
    respec(world, {"runs": {"kind": "run_failed"}})
    assert len(world.pages()) == 2


def test_a_notice_raised_to_a_page_in_the_registry_calls(world: World) -> None:
    respec(world, {"runs": {"kind": "run_failed", "severity": "notice"}})
    world.run("failed")
    assert world.called() == []
    respec(world, {"runs": {"kind": "run_failed", "severity": "page"}})
    assert world.called() == ["Omar"]


def test_a_check_that_cannot_be_understood_says_so_and_stops_nobody(world: World) -> None:
    respec(world, {"odd": {"kind": "no_data", "withn": "4h"}, "odder": {"kind": "nonsense"}, "runs": {"kind": "run_failed"}})
    assert "withn" in world.check("odd").says
    assert "'nonsense' is not a kind of check" in world.check("odder").says
    world.run("failed")
    assert len(world.problems()) == 1


def test_a_check_that_raises_steps_aside(world: World) -> None:
    def poison(tx: Any) -> None:
        world.add_agent(tx, "billing", "Billing", {"silent": {"kind": "no_data"}})
        tx.flush()
        tx.scalars(select(Agent).where(Agent.slug == "billing")).one().zone = "Mars/Olympus"

    world.do(poison)
    world.move(minutes=2)
    assert "an error of ours" in world.check("silent").says
    assert world.check("silent").due_at == world.clock.now() + timedelta(minutes=5)
    world.run("failed")
    assert len(world.problems()) == 1


def test_silence_opens_a_notice_and_the_first_word_closes_it(world: World) -> None:
    respec(world, {"heard": {"kind": "no_data", "within": "4h"}})
    world.run("ok")
    world.move(hours=4, minutes=1)
    assert "No run or output since 2026-11-20 08:00 UTC" in world.text("problem:1:channel")
    assert world.called() == []
    world.run("ok")
    assert "It is over since" in world.text("problem:1:channel")


def test_quality_is_judged_from_the_counted_days(world: World) -> None:
    world.do(lambda tx: tx.add(Day(agent_id=1, local_day="2026-11-19", metric="quality.people", n=60, sum=36000)))
    respec(world, {"good": {"kind": "quality", "at_least": 0.85}})
    assert "60% good (90% interval" in world.text("problem:1:channel")
    assert world.check("good").severity == "notice"


def test_what_a_check_would_say_now_changes_nothing(world: World) -> None:
    world.run("failed")
    before = findings(world)
    said = world.do(lambda tx: flows.test_check(tx, world.clock.now(), tx.scalars(select(Check)).one(), None))
    assert said.title == "a run failed"
    assert findings(world) == before


def test_a_check_that_is_not_due_is_left_alone(world: World) -> None:
    world.clock.move(timedelta(minutes=1))
    assert world.do(lambda tx: flows.look_step(tx, world.clock.now())) is False


def test_a_recovery_is_seen_within_seconds_also_when_nobody_says_look(world: World) -> None:
    world.run("failed")
    now = world.clock.move(timedelta(seconds=1))
    world.do(lambda tx: tx.add(Run(agent_id=1, ext_id="quiet", occurred_at=now, received_at=now, content="c", status="ok")))
    world.move(seconds=10)
    assert world.pages()[0].resolved_at == world.clock.now()


def test_the_error_of_a_run_stays_out_of_slack_where_the_texts_are_restricted(world: World) -> None:
    def restrict(tx: Any) -> None:
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "data": {"class": "restricted"}}

    world.do(restrict)
    world.run("failed", error="no index for the salary of Ms Wong")
    wants = world.do(lambda tx: str([row.want for row in tx.scalars(select(OutMessage))]))
    assert "salary" not in wants
    assert "kept out of Slack by the registry" in wants
