"""Who has a page has it until an end: a snooze, an acknowledgement that expires, and passing it on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from sqlalchemy import select

from bot.calendars import zone_named
from bot.paging import rules
from bot.paging.flows import open_problem
from bot.paging.messages import PageView, ProblemView
from bot.paging.rules import Finding, State
from bot.paging.words import forms
from bot.surface.press import Ask, Mend, Quiet
from bot.tables import Check, Decision
from bot.workspace.blocks import check_blocks, check_view
from tests.paging.world import World, text_of

PAGE = "page:1:channel"
DM = "page:1:dm:2"  # Omar's
FIRST = "call:1:1:0:2"  # the first call to Omar


def broken(world: World) -> World:
    world.run("failed", error="KeyError: order_id")
    return world


def snooze(world: World, who: str, chosen: str, **more: Any) -> Any:
    form = world.choose(who, "Snooze", settle=False)
    if not isinstance(form, Ask):
        return form
    return world.press(who, "paging.snooze", form.view["private_metadata"], how="view", values={"until": chosen}, **more)


def decisions(world: World) -> list[str]:
    return world.do(lambda tx: [row.action for row in tx.scalars(select(Decision).where(Decision.subject == "page:1").order_by(Decision.id))])


# --- snooze ----------------------------------------------------------------------------------------------------------


def test_a_snooze_is_an_acknowledgement_with_an_end_and_calling_begins_again_after_it(world: World) -> None:
    broken(world)
    assert snooze(world, "omar", "1h") == Quiet()
    for key in (PAGE, DM):
        assert "*Omar* snoozed it at" in world.text(key)
        assert "until <!date^1795165200^{date_short_pretty} at {time}|2026-11-20 09:00 UTC>" in world.text(key)
        assert world.buttons(key) == ["Human review"]
        assert "Escalate now" in world.menu(key)
    assert world.buttons(FIRST) == []
    world.move(minutes=59)
    assert world.called() == ["Omar"]
    world.move(minutes=1)
    assert world.called() == ["Omar", "Omar"]
    assert world.lines(PAGE)[-2:] == [
        "Omar snoozed it until now. The problem is still there, so calling begins again from the start.",
        "Called Omar (operations owner). Round 2; one call before this: Omar.",
    ]
    assert "Omar had it until" in world.text(PAGE)
    assert world.buttons(PAGE) == ["Acknowledge", "I'll take it", "Human review"]
    assert "This is round 2; one call so far; Omar had it until" in world.text("call:1:2:0:2")
    assert "calling has begun again" in world.text(FIRST)
    world.move(minutes=10)
    assert world.called() == ["Omar", "Omar", "Lea"]
    assert decisions(world) == ["page.open", "page.call", "page.snooze", "page.lapse", "page.call", "page.call"]


def test_a_snooze_of_15_minutes_ends_without_a_warning_and_one_of_8_hours_warns(world: World) -> None:
    broken(world)
    snooze(world, "omar", "15m")
    world.move(minutes=15)
    assert not any("Still on it" in line for line in world.lines(PAGE))
    assert world.called() == ["Omar", "Omar"]
    snooze(world, "omar", "8h")
    world.move(hours=7, minutes=45)
    assert "Still on it" in world.lines(PAGE)[-1]


def test_until_nine_is_nine_in_the_zone_of_the_one_who_presses(world: World) -> None:
    world.do(lambda tx: setattr(world.person(tx, "omar"), "zone", "America/New_York"))
    broken(world)  # 08:00 UTC is 03:00 there
    form = world.choose("omar", "Snooze", settle=False)
    assert isinstance(form, Ask)
    assert "until 09:00 my time (Friday)" in str(form.view)
    snooze(world, "omar", "09:00")
    assert world.pages()[0].ack_until == datetime(2026, 11, 20, 14, tzinfo=UTC)


def test_who_has_the_page_may_change_its_end_and_nobody_else(world: World) -> None:
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    form = world.choose("omar", "Snooze", settle=False)
    assert isinstance(form, Ask)
    assert "Omar has it. If it must not wait" in text_of(world.choose("lea", "Snooze"))
    assert "Omar has it. If it must not wait" in text_of(world.press("lea", "paging.snooze", "page:1", how="view", values={"until": "8h"}))
    assert snooze(world, "omar", "8h") == Quiet()
    assert world.pages()[0].ack_until == world.clock.now() + timedelta(hours=8)
    assert "snoozed" in str(world.row(PAGE).want["blocks"][0])
    assert world.press("omar", "paging.snooze", "page:1", how="view", values={"until": "a while"}) == Mend({"until": "Choose how long."})


def test_two_people_who_snooze_at_once_are_one_snooze(world: World) -> None:
    broken(world)
    forms_open = [world.choose(who, "Snooze", settle=False) for who in ("omar", "lea")]
    assert all(isinstance(each, Ask) for each in forms_open)
    answers = [text_of(world.press(who, "paging.snooze", "page:1", how="view", values={"until": "4h"}, settle=False)) for who in ("omar", "lea")]
    assert answers[0] == "Quiet"
    assert answers[1].startswith("Omar has it.")


# --- escalate now ----------------------------------------------------------------------------------------------------


def test_escalate_now_calls_the_next_rung_at_once_and_the_rungs_after_keep_their_distance(world: World) -> None:
    broken(world)
    world.move(minutes=2)
    assert world.choose("omar", "Escalate now") == Quiet()
    assert world.called() == ["Omar", "Lea"]
    assert "Omar pressed `Escalate now`: whoever is next on the ladder is called at once." in world.lines(PAGE)
    world.move(minutes=19)
    assert world.called() == ["Omar", "Lea"]
    world.move(minutes=1)
    assert world.called() == ["Omar", "Lea", "Maya"]
    assert "page.escalate" in decisions(world)


def test_two_people_who_escalate_at_once_call_one_person(world: World) -> None:
    broken(world)
    value = world.menu(PAGE)["Escalate now"]
    assert world.press("omar", "surface.menu", value, settle=False) == Quiet()
    assert "being called already" in text_of(world.press("maya", "surface.menu", value, settle=False))
    world.settle()
    assert "being called already" in text_of(world.press("lea", "surface.menu", value))
    assert world.called() == ["Omar", "Lea"]


def test_escalating_a_page_that_somebody_has_passes_it_on(world: World) -> None:
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(minutes=5)
    assert world.choose("omar", "Escalate now", key=DM) == Quiet()
    assert world.called() == ["Omar", "Lea"]
    assert "Omar had it until" in world.text(PAGE)
    assert world.press("lea", "paging.acknowledge", "page:1") == Quiet()
    assert "*Lea* acknowledged" in world.text(DM)


def test_escalating_after_the_last_rung_begins_the_next_round_now(world: World) -> None:
    broken(world)
    for _ in range(4):
        assert world.choose("omar", "Escalate now") == Quiet()
        world.move(seconds=1)
    assert world.called() == ["Omar", "Lea", "Maya", "Zoe", "Omar"]


@pytest.mark.parametrize(("who", "may"), [("omar", True), ("maya", True), ("zoe", True), ("ben", False), ("sam", False), ("gus", False)])
def test_who_may_have_the_next_person_called(world: World, who: str, may: bool) -> None:
    broken(world)
    said = text_of(world.choose(who, "Escalate now"))
    assert (said == "Quiet") is may
    assert may or ("full members" if who == "gus" else "owner of the agent") in said


# --- the end of an acknowledgement -----------------------------------------------------------------------------------


def test_an_acknowledgement_warns_quietly_before_it_ends_and_then_calling_begins_again(world: World) -> None:
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(hours=3, minutes=44)
    assert len(world.lines(DM)) == 0
    world.move(minutes=1)
    assert world.lines(DM) == ["You have this page until <!date^1795176000^{date_short_pretty} at {time}|2026-11-20 12:00 UTC>. Then calling begins again. Press `Still on it` if you are."]
    assert world.lines(PAGE)[-1] == "Omar has this page until <!date^1795176000^{date_short_pretty} at {time}|2026-11-20 12:00 UTC>. Then calling begins again, unless they press `Still on it`."
    assert world.called() == ["Omar"]
    world.move(minutes=15)
    assert world.called() == ["Omar", "Omar"]
    assert "Omar had it, and did not say that they are still on it." in world.lines(PAGE)[-2]
    assert world.buttons("page:1:line:ends:1795176000") == []
    assert world.buttons("page:1:line:ends:1795176000:dm") == []
    page = world.pages()[0]
    assert (page.acked_at, page.acked_by, page.ack_due_at) == (None, None, None)


def test_still_on_it_renews_and_only_once_and_only_by_who_has_it(world: World) -> None:
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(hours=3, minutes=50)
    value = "page:1:1795176000"
    assert "Only the person who has this page" in text_of(world.press("lea", "paging.still", value))
    assert world.press("omar", "paging.still", value) == Quiet()
    assert world.pages()[0].ack_until == world.clock.now() + timedelta(hours=4)
    assert world.text("page:1:line:ends:1795176000:dm").startswith("Omar is still on it, until")
    assert world.buttons("page:1:line:ends:1795176000") == []
    assert "You have it already" in text_of(world.press("omar", "paging.still", value))
    assert "Omar is still on it." in world.lines(PAGE)[-1]
    world.move(hours=3)
    assert world.called() == ["Omar"]
    world.move(hours=1)
    assert world.called() == ["Omar", "Omar"]
    assert "Only the person who has this page" in text_of(world.press("omar", "paging.still", value))


def test_at_night_it_waits_for_the_morning_of_the_one_who_has_it(world: World) -> None:
    world.do(lambda tx: setattr(world.person(tx, "omar"), "zone", "Asia/Tokyo"))
    world.move(hours=7)  # 15:00 UTC: midnight in Tokyo
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    assert world.pages()[0].ack_until == datetime(2026, 11, 20, 23, tzinfo=UTC)  # 08:00 in Tokyo
    world.move(hours=7)
    assert world.called() == ["Omar"]
    world.move(hours=1)
    assert world.called() == ["Omar", "Omar"]


def test_a_problem_that_worsens_in_the_night_does_not_wait_for_the_morning(world: World) -> None:
    world.move(hours=15)
    broken(world)  # 23:00 of Omar
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(hours=5)

    def another(tx: Any) -> None:
        check = Check(agent_id=1, name="answers", kind="http", severity="page", spec={"kind": "http", "url": "https://x.example"})
        tx.add(check)
        tx.flush()
        open_problem(tx, world.clock.now(), check, Finding(State.FAILING, "triage.example does not answer", "No answer within 10 s."))

    world.do(another)
    world.settle()
    assert world.called() == ["Omar"]
    assert "Still on it" in world.lines(DM)[-1]
    world.move(minutes=15)
    assert world.called() == ["Omar", "Omar"]


def test_a_machine_asleep_over_the_end_calls_late_and_only_once(world: World) -> None:
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    world.move(days=2)
    assert world.called() == ["Omar", "Omar"]
    world.move(minutes=10)
    assert world.called() == ["Omar", "Omar", "Lea"]


def test_what_is_over_is_neither_warned_of_nor_called_again(world: World) -> None:
    broken(world)
    world.press("omar", "paging.acknowledge", "page:1")
    world.run("ok")
    assert world.pages()[0].ack_due_at is None
    world.move(days=1)
    assert world.called() == ["Omar"]
    for words in ("paging.escalate page:1:1", "paging.still page:1:1", "paging.snooze page:1"):
        assert "This page is over" in text_of(world.press("omar", "surface.menu", words))


def test_stale_menus_and_test_pages_get_a_helpful_answer(world: World) -> None:
    broken(world)
    for name in ("paging.snooze", "paging.escalate", "paging.still"):
        assert "no longer known" in text_of(world.press("omar", name, "page:99"))
        assert "no longer known" in text_of(world.press("omar", name, "nonsense"))
    assert "older message" in text_of(world.press("omar", "surface.menu", "paging.dance page:1"))
    assert "older message" in text_of(world.press("omar", "surface.menu", "surface.menu surface.menu"))
    world.press("omar", "paging.test", "support-triage")
    assert "nothing is broken" in text_of(world.press("omar", "paging.snooze", "page:2"))
    assert "paging.snooze" not in str(world.row("page:2:dm:2").want["blocks"])


# --- pure ------------------------------------------------------------------------------------------------------------

ZONES = st.sampled_from(["Europe/Paris", "Asia/Beirut", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata", "UTC"])
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, ZONES)
def test_no_acknowledgement_ends_in_the_night_or_later_than_the_morning_after(since: datetime, zone: str) -> None:
    until = rules.ack_ends(since, zone)
    assert rules.MORNING <= until.astimezone(zone_named(zone)).time() < rules.EVENING
    assert rules.ACK_LASTS <= until - since <= rules.ACK_LASTS + timedelta(hours=11)
    assert since < rules.ack_due(since, until) < until


@given(MOMENTS, ZONES, st.sampled_from([*rules.SNOOZES, rules.UNTIL_LATER]))
def test_every_snooze_ends_ahead_within_a_day(now: datetime, zone: str, chosen: str) -> None:
    until = rules.snooze_ends(chosen, now, zone)
    assert until is not None
    assert timedelta(0) < until - now <= timedelta(hours=25)
    assert now <= rules.ack_due(now, until) <= until


@given(MOMENTS, ZONES, st.integers(0, 16 * 60))
def test_a_worsened_problem_never_waits_longer_and_always_leaves_time_for_the_warning(since: datetime, zone: str, later: int) -> None:
    until = rules.ack_ends(since, zone)
    now = min(since + timedelta(minutes=later), until)
    ends = rules.ack_ends_worsened(since, until, now)
    assert now <= ends <= until
    assert ends == until or ends - now >= rules.WARN_BEFORE


VIEW = PageView(
    id=12, agent="Support triage", severity="page", opened_at=datetime(2026, 11, 20, 3, tzinfo=UTC), until=datetime(2026, 11, 20, 8, tzinfo=UTC), acked_by="Omar",
    problems=(ProblemView("a run failed", "KeyError", datetime(2026, 11, 20, 3, tzinfo=UTC)),),
)  # fmt: skip


def test_what_the_warning_and_the_form_say() -> None:
    assert [forms.ends_soon(VIEW, to=None).text, forms.ends_soon(VIEW, to="Omar").text, forms.renewed("Omar", VIEW.until).text] == snapshot(['You have this page until <!date^1795161600^{date_short_pretty} at {time}|2026-11-20 08:00 UTC>. Then calling begins again. Press `Still on it` if you are.', 'Omar has this page until <!date^1795161600^{date_short_pretty} at {time}|2026-11-20 08:00 UTC>. Then calling begins again, unless they press `Still on it`.', 'Omar is still on it, until <!date^1795161600^{date_short_pretty} at {time}|2026-11-20 08:00 UTC>. Nobody else is called.'])
    for told in (forms.ends_soon(VIEW, to=None), forms.ends_soon(VIEW, to="Omar"), forms.renewed("Omar", VIEW.until)):
        check_blocks(told.blocks, "message")
    form = forms.snooze_form(VIEW, VIEW.opened_at, "Asia/Beirut")
    check_view(form, "modal")
    assert [each["text"]["text"] for each in form["blocks"][1]["element"]["options"]] == snapshot(['15 minutes', '1 hour', '4 hours', '8 hours', 'until 09:00 my time (Friday)'])
