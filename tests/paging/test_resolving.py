"""`Resolve`: at once where the check is well, else look again or silence what is wrong; never a problem lost."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from bot.doctor.looking import look
from bot.status.messages import depth_lines
from bot.status.reading import depth
from bot.surface.press import Ask, Mend, Quiet
from bot.tables import Check, Decision
from tests.paging.world import World, text_of

PAGE = "page:1:channel"


def asked(world: World, who: str = "omar") -> Ask:
    form = world.choose(who, "Resolve", settle=False)
    assert isinstance(form, Ask)
    return form


def answer(world: World, how: str, who: str = "omar", **more: Any) -> str:
    return text_of(world.press(who, "paging.resolve", "page:1", how="view", values={"how": how}, **more))


def test_fixed_looks_at_the_check_at_once_and_stays_open_where_it_still_fails(world: World) -> None:
    world.run("failed", error="KeyError: order_id")
    world.press("omar", "paging.acknowledge", "page:1")
    form = asked(world)
    assert "It still failed when it was last looked at" in str(form.view)
    assert "KeyError: order_id" in str(form.view)
    world.move(seconds=1)
    assert "looked at again now" in answer(world, "fixed")
    assert "Omar says it is fixed: its checks are looked at again now." in world.lines(PAGE)
    assert "it still fails." in world.lines(PAGE)[-1]
    assert "it still fails." in world.lines("page:1:dm:2")[-1]
    page = world.pages()[0]
    assert (page.resolved_at, page.checking_at) == (None, None)
    assert page.acked_by == 2


def test_fixed_closes_the_page_where_the_look_is_good(world: World) -> None:
    world.run("failed")
    asked(world)
    world.move(seconds=1)
    answer(world, "fixed", settle=False)
    world.run("ok")
    assert world.pages()[0].resolved_at is not None
    assert not any("still fails" in line for line in world.lines(PAGE))
    assert "This page is over" in answer(world, "fixed")
    assert "This page is over" in text_of(world.press("omar", "paging.resolve", "page:1"))


def test_a_check_whose_last_look_was_good_is_resolved_at_once_and_a_new_failure_opens_a_new_page(world: World) -> None:
    world.run("failed")
    # As after one good look of a kind that asks for several.
    world.do(lambda tx: setattr(tx.scalars(select(Check)).one(), "passes", 1))
    assert world.choose("omar", "Resolve") == Quiet()
    page = world.pages()[0]
    assert (page.resolved_at, page.resolved_by) == (world.clock.now(), 2)
    assert "Omar resolved it; the last look at the check was good." in world.text(PAGE)
    world.move(minutes=1)
    world.run("failed")
    assert len(world.pages()) == 2


def test_a_check_that_is_wrong_rests_until_its_spec_changes_and_the_owners_are_told(world: World) -> None:
    world.run("failed")
    number = world.check("runs").id
    form = asked(world, "lea")
    assert "The check runs is wrong: silence it" in str(form.view)
    assert "silenced until it is changed" in answer(world, f"wrong:{number}", "lea")
    page = world.pages()[0]
    assert page.resolved_by == 3
    assert "Lea says that the check runs is wrong." in world.text(PAGE)
    told = world.rows(f"check:{number}:wrong:")
    assert sorted(row.target for row in told) == ["U0MAYA", "U0OMAR"]
    assert "Please mend it, or take it out." in told[0].want["text"]
    world.move(minutes=1)
    world.run("failed")
    assert len(world.pages()) == 1

    def touched(tx: Any, **more: Any) -> None:
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "about": "the same checks", "checks": {"runs": {**agent.spec["checks"]["runs"], **more}}}
        agent.spec_rev += 1

    world.do(touched)
    world.settle()
    assert world.check("runs").wrong_at is not None
    world.do(lambda tx: touched(tx, after=1, every="1m"))
    world.settle()
    assert world.check("runs").wrong_at is None
    assert len(world.pages()) == 2
    assert world.do(lambda tx: [row.person_id for row in tx.scalars(select(Decision).where(Decision.action == "check.wrong"))]) == [3]


def test_two_people_who_answer_the_form_at_once_silence_once(world: World) -> None:
    world.run("failed")
    number = world.check("runs").id
    assert "silenced until" in answer(world, f"wrong:{number}", "omar", settle=False)
    assert "This page is over" in answer(world, f"wrong:{number}", "lea", settle=False)
    assert world.press("omar", "paging.resolve", "page:1", how="view", values={}) == Mend({"how": "Choose one."})


@pytest.mark.parametrize(("who", "may"), [("omar", True), ("zoe", True), ("ben", False), ("sam", False), ("gus", False)])
def test_who_may_resolve(world: World, who: str, may: bool) -> None:
    world.run("failed")
    answered = world.choose(who, "Resolve", settle=False)
    assert isinstance(answered, Ask) is may
    words = "full members" if who == "gus" else "resolved by an owner"
    assert may or words in text_of(answered)
    assert may or words in answer(world, "wrong:1", who)


def test_status_and_doctor_show_a_silenced_check(world: World) -> None:
    world.run("failed")
    answer(world, f"wrong:{world.check('runs').id}")
    found = world.do(lambda tx: depth_lines(depth(tx, world.clock.now(), world.agent(tx))))
    assert any("Silenced since" in line and "Omar says that the check runs is wrong" in line for line in found)
    assert world.do(lambda tx: look(tx, world.clock.now())).wrong == ("`runs` of Support triage",)
