from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.outbox import flows as outbox
from bot.paging.flows import ack_page, open_problem
from bot.paging.rules import Finding, State
from bot.people.flows import Refused
from bot.surface.press import Quiet
from bot.tables import Change, Check, Decision, Mark, Person
from tests.paging.world import World, text_of

PAGE = "page:1:channel"
DM = "page:1:dm:2"  # Omar's


def broken(world: World) -> World:
    world.run("failed", error="KeyError: order_id")
    return world


def test_one_state_is_shown_in_the_channel_and_in_the_dm(world: World) -> None:
    broken(world)
    assert world.row(PAGE).target == "C0SUPPORT"
    assert world.row(DM).target == "U0OMAR"
    assert world.text(PAGE) == world.text(DM)
    assert world.buttons(PAGE) == ["Acknowledge", "I'll take it", "Human review"]
    assert world.buttons(DM) == ["Acknowledge", "Human review"]
    assert list(world.menu(PAGE)) == list(world.menu(DM)) == ["Snooze", "Escalate now", "Open incident", "Resolve", "Stop agent"]
    assert world.text(PAGE)[:80].startswith("PAGE Support triage: a run failed")
    assert "Lea (backup)" in world.text(PAGE)


@pytest.mark.parametrize("place", ["C0SUPPORT", "D0OMAR"])
def test_a_press_in_either_place_updates_both_and_stops_the_calls(world: World, place: str) -> None:
    broken(world)
    world.clock.move(timedelta(minutes=2))
    assert world.press("omar", "paging.acknowledge", "page:1", channel=place) == Quiet()
    for key in (PAGE, DM):
        assert "*Omar* acknowledged at" in world.text(key)
        assert world.buttons(key) == ["Human review"]
    assert world.buttons("call:1:1:0:2") == []
    assert "Omar has it." in world.text("call:1:1:0:2")
    assert world.lines(PAGE)[-1] == "Omar acknowledged, 2 minutes after the page opened. Nobody else is called until <!date^1795176120^{date_short_pretty} at {time}|2026-11-20 12:02 UTC>; then calling begins again."
    world.move(hours=3)
    assert world.called() == ["Omar"]
    assert world.pages()[0].resolved_at is None


def test_recovery_resolves_the_page_and_quietly_tells_everybody_called(world: World) -> None:
    broken(world)
    world.move(minutes=10)
    world.run("ok")
    page = world.pages()[0]
    assert page.resolved_at == world.clock.now()
    assert world.buttons(PAGE) == []
    assert "It is over since" in world.text(PAGE)
    for person in (2, 3):
        assert world.lines(f"page:1:dm:{person}") == ["It is over: The last run was ok. It lasted 10 minutes. There is nothing to do for you."]
    world.move(days=1)
    assert world.called() == ["Omar", "Lea"]


def test_a_page_that_was_acknowledged_resolves_and_a_new_failure_opens_a_new_one(world: World) -> None:
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    world.run("ok")
    assert "Omar had it." in world.text(PAGE)
    world.move(minutes=1)
    world.run("failed")
    assert [page.id for page in world.pages()] == [1, 2]
    assert world.called() == ["Omar", "Omar"]


def test_calls_not_yet_sent_are_dropped_when_it_recovers(world: World) -> None:
    world.accepts = lambda row: False
    broken(world)
    world.run("ok")
    world.accepts = lambda row: True
    world.settle()
    assert [row.state for row in world.rows("call:")] == ["dropped"]
    assert "It is over" in world.text(PAGE)


def test_a_second_press_by_another_is_told_politely_who_has_it(world: World) -> None:
    broken(world)
    world.press("lea", "paging.take", "page:1")
    assert "*Lea* took it" in world.text(PAGE)
    assert text_of(world.press("omar", "paging.acknowledge", "page:1")) == "Lea has it already, so there is nothing for you to do. Thank you."
    assert text_of(world.press("lea", "paging.acknowledge", "page:1")).startswith("You have it already. Nobody else is called until ")


@pytest.mark.parametrize(
    ("who", "acknowledges", "takes"),
    [
        ("omar", True, True),
        ("lea", True, True),
        ("maya", True, True),
        ("ben", False, True),
        ("sam", False, True),
        ("gus", False, False),
    ],
)
def test_who_may_answer_a_page(world: World, who: str, acknowledges: bool, takes: bool) -> None:
    broken(world)
    said = text_of(world.press(who, "paging.acknowledge", "page:1", settle=False))
    assert (said == "Quiet") is acknowledges
    if not acknowledges:
        assert ("full members" if who == "gus" else "I'll take it") in said  # a guest is not sent to a button that is closed to them
        assert (text_of(world.press(who, "paging.take", "page:1")) == "Quiet") is takes


def test_a_stranger_and_a_bot_may_do_nothing(world: World) -> None:
    from dataclasses import replace

    broken(world)
    for kind in ("stranger", "bot"):
        actor = replace(world.actor("omar"), kind=kind)
        for name in ("paging.acknowledge", "paging.take", "incidents.open"):
            assert isinstance(world.press(actor, name, "page:1"), str)
        assert isinstance(world.press(actor, "paging.test", "agent:1"), str)
    assert world.pages()[0].acked_at is None


def test_a_person_outside_the_channel_cannot_take_a_page_but_somebody_called_can(world: World) -> None:
    broken(world)
    assert "Join the owner channel" in text_of(world.press("ben", "paging.take", "page:1", channel="D0BEN"))
    world.move(minutes=10)
    assert world.press("lea", "paging.acknowledge", "page:1", channel="D0LEA") == Quiet()


def test_stale_buttons_get_a_helpful_answer(world: World) -> None:
    broken(world)
    assert "no longer known" in text_of(world.press("omar", "paging.acknowledge", "page:99"))
    assert "no longer known" in text_of(world.press("omar", "paging.take", "nonsense"))
    world.run("ok")
    assert text_of(world.press("omar", "paging.acknowledge", "page:1")).startswith("This page is over: The last run was ok.")


def test_a_further_problem_joins_the_open_page_and_calls_nobody_again(world: World) -> None:
    broken(world)

    def another(tx: Any) -> None:
        check = Check(agent_id=1, name="answers", kind="http", severity="page", spec={"kind": "http", "url": "https://x.example"})
        tx.add(check)
        tx.flush()
        open_problem(tx, world.clock.now(), check, Finding(State.FAILING, "triage.example does not answer", "No answer within 10 s.", evidence={"Status": "none"}))

    world.do(another)
    world.settle()
    assert len(world.pages()) == 1
    assert world.called() == ["Omar"]
    assert "No answer within 10 s." in world.text(PAGE)
    assert any(line.startswith("A further problem of Support triage") for line in world.lines(PAGE))
    world.run("ok")
    assert world.pages()[0].resolved_at is None
    assert any("Recovered: a run failed" in line for line in world.lines(PAGE))


def test_a_notice_is_shown_and_calls_nobody(world: World) -> None:
    def notice(tx: Any, severity: str = "notice") -> None:
        check = tx.scalars(select(Check).where(Check.name == "slow")).first() or Check(agent_id=1, name="slow", kind="quality", severity=severity, spec={})
        check.severity = severity
        tx.add(check)
        tx.flush()
        open_problem(tx, world.clock.now(), check, Finding(State.FAILING, "quality below 85%", "71% good.", since=world.clock.now()))

    world.do(notice)
    world.settle()
    assert world.pages() == []
    assert world.called() == []
    assert world.text("problem:1:channel").startswith("NOTICE Support triage: quality below 85%")
    world.do(lambda tx: notice(tx, "page"))
    world.settle()
    assert world.called() == ["Omar"]


def test_what_changed_lately_and_the_runbook_are_on_the_page(world: World) -> None:
    now = world.clock.now()
    change = Change(agent_id=1, ext_id="c1", occurred_at=now, received_at=now, content="c", input="system-prompt", version="v14", note="<!channel> shorter")
    world.do(lambda tx: tx.add(change))
    world.clock.move(timedelta(minutes=30))
    broken(world)
    said = str(world.row(PAGE).want["blocks"])
    assert "system-prompt is now v14: &lt;!channel&gt; shorter (30 min before)" in said
    assert "https://example.com/runbook" in said


def test_a_call_slack_does_not_confirm_in_time_goes_to_the_next_route(world: World) -> None:
    def routes(tx: Any) -> None:
        omar = world.person(tx, "omar")
        omar.wake, omar.addresses = ["pagerduty", "email"], {"pagerduty": "key-1", "email": "omar@example.com"}

    world.do(routes)
    world.accepts = lambda row: row.route != "slack"
    broken(world)
    assert world.called() == ["Omar"]
    world.move(seconds=59)
    assert world.called() == ["Omar"]
    world.move(seconds=1)
    assert world.called() == ["Omar", "Omar by pagerduty"]
    assert world.row("call:1:1:0:2:pagerduty").target == "key-1"
    world.accepts = lambda row: True
    world.settle()
    assert any("did not arrive (no confirmation in time): calling by PagerDuty." in line for line in world.lines(PAGE))
    world.press("omar", "paging.acknowledge", "page:1")
    assert world.row("call:1:1:0:2:pagerduty").want["acked"] is True  # PagerDuty hears that somebody has it
    assert not world.row("call:1:1:0:2:pagerduty").gone


def test_a_refused_call_goes_to_the_next_route_at_once_and_then_to_the_next_person(world: World) -> None:
    world.accepts = lambda row: False
    broken(world)

    def refuse(tx: Any) -> None:
        row = outbox.find(tx, "call:1:1:0:2")
        assert row is not None
        row.state, row.due_at = "failed", None

    world.do(refuse)
    world.settle()
    assert world.called() == ["Omar", "Lea"]
    world.move(minutes=19)
    assert world.called() == ["Omar", "Lea"]
    world.move(minutes=1)
    assert world.called() == ["Omar", "Lea", "Maya"]


def test_a_bot_shut_out_of_slack_calls_by_the_other_routes_at_once(world: World) -> None:
    def shut_out(tx: Any) -> None:
        tx.add(Mark(name="delivery.slack", value={"state": "unauthorised"}))
        for name in ("omar", "lea"):
            person = world.person(tx, name)
            person.wake, person.addresses = ["email"], {"email": person.email}

    world.do(shut_out)
    world.accepts = lambda row: row.route != "slack"
    broken(world)
    assert world.called() == ["Omar", "Omar by email"]
    world.move(minutes=10)
    assert world.called()[2:] == ["Lea", "Lea by email"]


def test_a_test_page_calls_only_its_person_and_says_how_long_it_took(world: World) -> None:
    assert "on its way to you" in text_of(world.press("omar", "paging.test", "support-triage"))
    assert world.called() == ["Omar"]
    assert world.rows("page:1:channel") == []
    assert world.text("page:1:dm:2").startswith("TEST PAGE Support triage")
    world.move(seconds=42)
    world.press("omar", "paging.acknowledge", "page:1", channel="D0OMAR")
    assert "you answered this test page 42 seconds after it was sent" in world.text("page:1:dm:2")
    assert world.pages()[0].resolved_at is not None
    assert "for the owners" in text_of(world.press("ben", "paging.test", "support-triage"))


def test_a_test_page_nobody_answers_ends_after_half_an_hour(world: World) -> None:
    world.press("omar", "paging.test", "agent:1")
    world.press("omar", "paging.test", "agent:1")
    assert len(world.pages()) == 1
    world.move(minutes=30)
    assert world.called() == ["Omar"]
    assert "nobody acknowledged this test page within 30 minutes" in world.text("page:1:dm:2")


def test_words_list_acknowledge_and_test_pages(world: World) -> None:
    assert world.say("ben", "page") == "No page is open. Nobody is being called."
    broken(world)
    assert "1 open page:" in world.say("ben", "page")
    assert "You were not called" in world.say("ben", "page ack 1")
    assert world.say("omar", "page ack 1").startswith("You have it.")
    assert "There is no page 7." in world.say("omar", "page ack 7")
    assert "for the owners" in world.say("ben", "page test support")
    assert "on its way" in world.say("omar", "page test support")
    assert world.say("omar", "page ack 2").startswith("Thank you: you answered this test page")
    assert world.say("omar", "page ack 2").startswith("This page is over")
    assert "I know `/aiops page`" in world.say("omar", "page dance")


def test_two_people_at_once_are_one_answer(world: World) -> None:
    broken(world)
    answers = [text_of(world.press(who, "paging.acknowledge", "page:1", settle=False)) for who in ("omar", "maya")]
    assert answers == ["Quiet", "Omar has it already, so there is nothing for you to do. Thank you."]


def test_a_page_is_acknowledged_from_outside_slack_by_those_who_may(world: World) -> None:
    broken(world)

    def ack(tx: Any, name: str) -> str:
        return ack_page(tx, world.clock.now(), 1, tx.scalars(select(Person).where(Person.name == name)).one())

    with pytest.raises(Refused):
        world.do(lambda tx: ack(tx, "Ben"))
    assert world.do(lambda tx: ack(tx, "Omar")).startswith("You have it.")
    with pytest.raises(LookupError):
        world.do(lambda tx: ack_page(tx, world.clock.now(), 5, tx.get_one(Person, 2)))
    actions = world.do(lambda tx: [(row.action, row.came_from) for row in tx.scalars(select(Decision).where(Decision.subject == "page:1").order_by(Decision.id))])
    assert actions == [("page.open", "timer"), ("page.call", "timer"), ("page.acknowledge", "cli")]
