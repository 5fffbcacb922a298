"""Rotations as people live them: pages that call whoever has the turn, shifts taken and given, hand-overs told once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.agents.marked import BadFile
from bot.blocks import when
from bot.clock import MovedClock
from bot.db import Database
from bot.ladders.telling import rotations_step
from bot.tables import Decision, RotationTimer, Shift
from tests.kit.house import REGISTRY, Town, town

# The clock of the tests begins on Friday 20 November 2026, 08:00 UTC; the turn of this week is Omar's.
ROTATION = """
rotations:
  night-watch: {people: [U0OMAR, lea@example.com, U0DANA], handover: "mon 09:00", every: 1w, timezone: Asia/Beirut, starts: 2026-11-16}
ladders:
  nights: [{call: "rotation:night-watch"}, {after: 10m, call: business_owner}]
agents:"""
WITH = REGISTRY.replace("agents:", ROTATION.strip(), 1).replace('channel: "#support-ai"', 'channel: "#support-ai"\n    ladder: nights')


@pytest.fixture
def start(clock: MovedClock) -> MovedClock:
    clock.move(to=clock.now().replace(year=2026, month=11, day=20, hour=8, minute=0, second=0, microsecond=0))
    return clock


async def dms(t: Town, who: str) -> list[str]:
    """What stands in the bot's DM with somebody, oldest first."""
    return [str(message["text"]) for message in t.ws.messages(t.ws.open_im(f"U0{who.upper()}", "U0AIOPS").id)]


async def say(t: Town, who: str, text: str) -> dict[str, Any]:
    answer = await t.ws.command(who, "general", "/aiops", text)
    await t.settle()
    return dict(answer.body if isinstance(answer.body, dict) else {})


async def fail(t: Town, name: str = "r1") -> None:
    await t.post(t.event("run", name, status="failed", error="the index is gone"))
    await t.settle()


async def test_a_page_calls_whoever_has_the_turn_at_that_moment(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        await fail(t)
        assert any("You are called as on call, night-watch" in each for each in await dms(t, "omar"))
        await t.move(minutes=10)
        assert any("You are called as business owner" in each for each in await dms(t, "maya"))
        # The ladder goes on into the next turn: the next round calls Lea, who has it by then.
        t.clock.move(timedelta(days=3))
        await t.settle()
        assert any("You are called as on call, night-watch" in each for each in await dms(t, "lea"))


async def test_a_hand_over_is_told_to_the_two_once_and_late_where_the_machine_slept(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        assert any("You are on call for night-watch until" in each for each in await dms(t, "omar"))
        await t.move(days=2, hours=22, minutes=59)  # Monday 08:59 in Beirut
        assert not any("on call" in each for each in await dms(t, "lea"))
        await t.move(minutes=1)
        assert [each for each in await dms(t, "lea") if "Before you it was" in each]
        assert [each for each in await dms(t, "omar") if "You are no longer on call for night-watch: " in each]
        said = [[each for each in await dms(t, who) if "on call" in each] for who in ("lea", "omar")]
        for _ in range(4):
            await t.move(minutes=20)
        assert [[each for each in await dms(t, who) if "on call" in each] for who in ("lea", "omar")] == said
        await t.move(days=14)  # asleep through Dana's turn: it is Omar's again
        assert len([each for each in await dms(t, "omar") if "You are on call for night-watch until" in each]) == 2
        assert not any("You are on call" in each for each in await dms(t, "dana"))


async def test_a_clock_set_back_and_a_second_process_tell_of_a_hand_over_no_second_time(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        await t.move(days=2, hours=23, seconds=1)  # just after Monday 09:00 in Beirut
        said = await dms(t, "lea")
        assert [each for each in said if "Before you it was" in each]
        for seconds in (-20, 25, -3, 60):  # as a time server corrects a machine
            await t.move(seconds=seconds)
        assert await dms(t, "lea") == said
        t.clock.move(timedelta(days=7))
        now, other = t.clock.now(), Database(database_url)
        try:
            with t.house.db.transaction() as one:
                assert rotations_step(one, now)
                if not t.house.db.is_sqlite:  # there a second process cannot be
                    with other.transaction() as two:
                        assert not rotations_step(two, now)
        finally:
            other.close()
        await t.settle()
        assert len([each for each in await dms(t, "dana") if "You are on call for night-watch until" in each]) == 1


async def test_a_shift_taken_holds_until_its_end_and_can_be_taken_back(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        answer = await say(t, "lea", "oncall take night-watch for 8h")
        assert "You are on call for night-watch from now until" in answer["text"]
        assert any("Lea" in each and "You are no longer on call" in each for each in await dms(t, "omar"))
        await fail(t)
        assert any("You are called as on call" in each for each in await dms(t, "lea"))
        assert not any("You are called" in each for each in await dms(t, "omar"))
        answer = await say(t, "lea", "oncall undo night-watch")
        assert "Taken back. *night-watch*: *Omar Nassar* is on call until" in answer["text"]
        answer = await say(t, "lea", "oncall undo night-watch")
        assert "Nobody has taken or given a shift" in answer["text"]
        acts = await t.read(lambda tx: [row.action for row in tx.scalars(select(Decision).order_by(Decision.id)) if row.action.startswith("oncall.")])
        assert acts == ["oncall.take", "oncall.take_back"]


async def test_who_comes_next_is_told_as_calls_would_go_around_a_shift_by_hand_and_an_absence(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        taken = (await say(t, "hala", "oncall give night-watch to <@U0DANA|dana> for 8h"))["text"]
        assert "Dana Fares is on call for night-watch from now" in taken
        shown = (await say(t, "omar", "oncall night-watch"))["text"]
        ends = when(t.clock.now() + timedelta(hours=8))
        assert f"*Dana Fares* is on call, in place of Omar Nassar, until {ends}. Then Omar Nassar from {ends}, Lea Khoury from" in shown
        long = (await say(t, "hala", "oncall give night-watch <@U0DANA> for 9 days"))["text"]
        assert "Dana Fares is on call" in long
        ends = when(t.clock.now() + timedelta(days=9))
        shown = (await say(t, "omar", "oncall night-watch"))["text"]
        assert f"until {ends}. Then Lea Khoury from {ends}, Dana Fares from" in shown
        await say(t, "lea", "away for 30 days")
        assert f"Then Dana Fares from {ends}" in (await say(t, "omar", "oncall night-watch"))["text"]


async def test_a_form_gives_a_shift_and_who_was_given_it_can_say_not_me(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        shown = await t.ws.command("omar", "general", "/aiops", "oncall")
        await t.settle()
        assert "*Omar Nassar* is on call until" in str(shown.body)
        await t.ws.command("omar", "general", "/aiops", "oncall swap night-watch")
        await t.settle()
        view = t.ws.views("omar")[-1]
        now = int(t.clock.now().timestamp())
        bad = await t.ws.submit("omar", view, {"person": "U0GINA", "since": now, "until": now + 3600})
        assert "full member" in str(bad.body)
        bad = await t.ws.submit("omar", view, {"person": "U0DANA", "since": now + 7200, "until": now + 3600})
        assert "ends before it begins" in str(bad.body)
        await t.ws.submit("omar", view, {"person": "U0DANA", "since": now + 3600, "until": now + 7200})
        await t.settle()
        dm = t.ws.open_im("U0DANA", "U0AIOPS").id
        given = [message for message in t.ws.messages(dm) if "put you on call for night-watch" in message["text"]]
        assert len(given) == 1
        await t.ws.press("dana", dm, given[0]["ts"], "oncall.undo", f"shift:{(await t.read(lambda tx: tx.scalars(select(Shift)).one())).id}")
        await t.settle()
        assert any("took back the shift" in message["text"] for message in t.ws.messages(dm))
        assert any("that you gave to Dana Fares" in each for each in await dms(t, "omar"))
        await t.move(hours=1, minutes=1)
        await fail(t)
        assert any("You are called as on call" in each for each in await dms(t, "omar"))


async def test_somebody_outside_the_rotation_may_look_and_change_nothing_and_a_lead_may(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        assert "is on call until" in (await say(t, "maya", "oncall"))["text"]
        assert "changed by the people of the rotation, or by a lead" in str(await say(t, "maya", "oncall take night-watch"))
        assert "Lea Khoury is on call for night-watch from now" in (await say(t, "hala", "oncall give night-watch <@U0LEA|lea> until 20:00"))["text"]
        assert "There is no rotation" in (await say(t, "hala", "oncall day-watch"))["text"]
        assert "I did not understand" in (await say(t, "hala", "oncall take night-watch whenever"))["text"]
        for words in ("oncall take day-watch until 18:00", "oncall undo day-watch"):
            assert "There is no rotation “day-watch”. I know `night-watch`." in (await say(t, "hala", words))["text"]
        assert "two months" in (await say(t, "hala", "oncall take night-watch until 2027-10-01"))["text"]


async def test_an_absence_passes_the_turn_on_and_everyone_away_goes_to_the_next_rung(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        await say(t, "omar", "away until sunday")
        await t.move(minutes=16)
        assert any("You stand in for Omar Nassar" in each for each in await dms(t, "lea"))
        await fail(t)
        assert any("You are called as on call" in each for each in await dms(t, "lea"))
        assert any("Omar Nassar (night-watch) is away until" in message["text"] for message in t.ws.messages("support-ai") if message.get("thread_ts"))
        for who in ("lea", "dana"):
            await say(t, who, "away until sunday")
        await t.move(minutes=16)
        assert any("Nobody of the rotation night-watch can be called" in each for each in await dms(t, "hala"))
        await t.post(t.event("run", "r2", status="ok"))
        await t.settle()
        await fail(t, "r3")
        assert any("You are called as business owner" in each for each in await dms(t, "maya"))


async def test_a_rotation_taken_out_of_the_file_leaves_a_climb_that_goes_on_and_no_timer(database_url: str, start: MovedClock) -> None:
    async with town(database_url, start) as t:
        await t.apply(WITH)
        await fail(t)
        await t.apply(REGISTRY)
        await t.move(minutes=6)
        assert await t.read(lambda tx: tx.scalars(select(RotationTimer)).all()) == []
        await t.move(minutes=10)
        assert any("You are called as business owner" in each for each in await dms(t, "maya"))
        await t.move(minutes=40)  # the next round meets a rotation that is no longer there, and goes on
        assert len([each for each in await dms(t, "maya") if "You are called" in each]) >= 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("people: [U0OMAR, lea@example.com, U0DANA]", "people: []"), "names nobody, so nobody would be on call"),
        (("U0OMAR, lea", "U0NOBODY, lea"), "nobody in Slack's directory is known by 'U0NOBODY'"),
        (("U0OMAR, lea", "U0GINA, lea"), "is a guest"),
        (("Asia/Beirut", "Asia/Beiruth"), "is not an IANA time zone"),
        (('"mon 09:00"', '"monday morning"'), "does not have the right form"),
        (("every: 1w", "every: 3d"), "names a weekday, and turns of 3d do not end on it"),
        (("every: 1w", "every: sometimes"), "does not have the right form"),
        (("starts: 2026-11-16", "starts: someday"), "is not a day"),
        ((", starts: 2026-11-16", ""), "is required"),
        (("rotation:night-watch", "rotation:night-wach"), "there is no rotation 'night-wach'"),
    ],
)
async def test_plan_refuses_a_rotation_that_cannot_be(database_url: str, start: MovedClock, wrong: tuple[str, str], said: str) -> None:
    if database_url.startswith("postgresql"):
        pytest.skip("the file is read the same on both")
    async with town(database_url, start) as t:
        assert wrong[0] in WITH
        with pytest.raises(BadFile, match=said.replace("(", r"\(")):
            await t.apply(WITH.replace(*wrong))
