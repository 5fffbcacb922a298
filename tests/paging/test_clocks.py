"""Clocks that change, jump and sleep: pages are late at worst, never lost, never doubled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select

from bot.app import House
from bot.clock import MovedClock, RandomIds
from bot.db import Database
from bot.outbox.rules import Rhythm
from bot.paging import rules
from bot.tables import Lease, Page, Person
from tests.kit.house import Town, town
from tests.paging.world import World

# The nights of both changes: zone, the evening before (local), and what 09:00 and 08:00 of the next morning are in UTC.
NIGHTS = [
    ("Europe/Paris", "2027-03-27", "2027-03-28T07:00", "2027-03-28T06:00"),  # 02:00 becomes 03:00
    ("Europe/Paris", "2027-10-30", "2027-10-31T08:00", "2027-10-31T07:00"),  # 03:00 becomes 02:00
    ("America/New_York", "2027-03-13", "2027-03-14T13:00", "2027-03-14T12:00"),
    ("America/New_York", "2027-11-06", "2027-11-07T14:00", "2027-11-07T13:00"),
    ("Asia/Beirut", "2027-03-27", "2027-03-28T06:00", "2027-03-28T05:00"),  # midnight becomes 01:00
    ("Asia/Beirut", "2027-10-30", "2027-10-31T07:00", "2027-10-31T06:00"),  # midnight becomes 23:00 of the day before
    ("Australia/Lord_Howe", "2027-04-03", "2027-04-03T22:30", "2027-04-03T21:30"),  # by half an hour
    ("Australia/Lord_Howe", "2027-10-02", "2027-10-02T22:00", "2027-10-02T21:00"),
    ("Africa/Cairo", "2027-04-29", "2027-04-30T06:00", "2027-04-30T05:00"),  # Friday's midnight
    ("Africa/Cairo", "2027-10-28", "2027-10-29T07:00", "2027-10-29T06:00"),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(zone: str, day: str, clock: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


# --- the hours of the day, over both changes ------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "evening", "nine", "eight"), NIGHTS)
def test_until_nine_my_time_and_my_morning_are_right_over_a_change(zone: str, evening: str, nine: str, eight: str) -> None:
    for clock, fold in (("18:00", 0), ("22:30", 0), ("23:30", 0), ("23:30", 1)):
        now = local(zone, evening, clock, fold)
        assert rules.snooze_ends(rules.UNTIL_LATER, now, zone) == utc(nine), (zone, clock, fold)
        if clock != "18:00":
            assert rules.ack_ends(now, zone) == utc(eight), (zone, clock, fold)
    # In the morning itself, a minute before and at nine.
    assert rules.snooze_ends(rules.UNTIL_LATER, utc(nine) - timedelta(minutes=1), zone) == utc(nine)
    next_day = (rules.snooze_ends(rules.UNTIL_LATER, utc(nine), zone) or utc(nine)) - utc(nine)
    assert next_day == timedelta(days=1)
    # At eight the night is over: four hours from then on.
    assert rules.ack_ends(utc(eight) - timedelta(hours=4), zone) == utc(eight)
    assert rules.ack_ends(utc(eight), zone) == utc(eight) + timedelta(hours=4)


@pytest.mark.parametrize(("zone", "evening", "nine", "eight"), NIGHTS)
def test_lengths_are_lengths_over_a_change(zone: str, evening: str, nine: str, eight: str) -> None:
    now = local(zone, evening, "22:30")
    for chosen, length in rules.SNOOZES.items():
        assert rules.snooze_ends(chosen, now, zone) == now + length


@pytest.mark.parametrize(("zone", "evening", "nine", "eight"), NIGHTS)
def test_a_page_in_the_night_of_a_change_is_called_acknowledged_and_called_again_on_time(db: Database, zone: str, evening: str, nine: str, eight: str) -> None:
    """Opened at 23:20 local, acknowledged by the backup after ten minutes; in the morning calling begins again, once."""
    world = World(db, MovedClock(local(zone, evening, "23:00"))).found({"runs": {"kind": "run_failed"}})
    world.do(lambda tx: [setattr(person, "zone", zone) for person in tx.scalars(select(Person))])
    world.move(minutes=20)
    world.run("failed")
    assert world.called() == ["Omar"]
    world.move(minutes=9, seconds=59)
    assert world.called() == ["Omar"]
    world.move(seconds=1)
    assert world.called() == ["Omar", "Lea"]
    world.press("lea", "paging.acknowledge", "page:1")
    assert world.pages()[0].ack_until == utc(eight)
    for at in (utc(eight) - timedelta(minutes=15), utc(eight) - timedelta(seconds=1)):
        world.clock.move(to=at)
        world.settle()
    assert world.called() == ["Omar", "Lea"]
    world.move(seconds=1)
    assert world.called() == ["Omar", "Lea", "Omar"]
    world.press("omar", "paging.snooze", "page:1", how="view", values={"until": rules.UNTIL_LATER})
    assert world.pages()[0].ack_until == utc(nine)
    world.clock.move(to=utc(nine))
    world.settle()
    world.settle()
    assert world.called() == ["Omar", "Lea", "Omar", "Omar"]


# --- jumps, on the whole path --------------------------------------------------------------------------------------------


def called(t: Town, who: str) -> int:
    return len([message for message in t.ws.dm(who) if "paging.acknowledge" in str(message.get("blocks")) and "You are called" in message["text"]])


def pages(t: Town) -> int:
    return len([message for message in t.ws.messages("support-ai") if message["text"].startswith("PAGE Support triage")])


async def fail(t: Town) -> None:
    await t.apply()
    await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
    await t.settle()


async def test_a_clock_that_jumps_ahead_by_hours_calls_each_once_and_gives_everybody_their_time(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await fail(t)
        await t.move(hours=5)
        assert (called(t, "omar"), called(t, "lea"), called(t, "maya")) == (1, 1, 0)
        await t.move(minutes=19)
        assert called(t, "maya") == 0
        await t.move(minutes=1)
        assert (called(t, "omar"), called(t, "lea"), called(t, "maya"), pages(t)) == (1, 1, 1, 1)


@pytest.mark.parametrize("hours", [1, 5, 30])
async def test_a_clock_set_back_delays_neither_the_next_call_nor_a_page_of_unknown_outcome(database_url: str, clock: MovedClock, hours: int) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        t.ws.faults.add("drop_before", method="chat.postMessage", times=None)
        await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
        await t.settle()
        assert (called(t, "omar"), pages(t)) == (0, 0)
        t.ws.faults.clear()
        clock.move(to=clock.now() - timedelta(hours=hours))
        await t.settle()
        for _ in range(5):
            await t.move(seconds=10)
        assert (called(t, "omar"), pages(t)) == (1, 1)
        await t.move(minutes=10)
        assert (called(t, "omar"), called(t, "lea"), called(t, "maya")) == (1, 1, 0)
        await t.move(minutes=20)
        await t.move(minutes=1)
        assert (called(t, "omar"), called(t, "lea"), called(t, "maya"), pages(t)) == (1, 1, 1, 1)


async def test_a_clock_set_back_after_an_acknowledgement_keeps_its_four_hours(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await fail(t)
        message = next(each for each in t.ws.dm("omar") if "paging.acknowledge" in str(each.get("blocks")) and "You are called" in each["text"])
        await t.ws.press("omar", t.ws.im("omar"), message["ts"], "paging.acknowledge", "page:1")
        await t.settle()
        clock.move(to=clock.now() - timedelta(hours=5))
        await t.settle()
        until = await t.read(lambda tx: tx.get_one(Page, 1).ack_until)
        assert until == clock.now() + rules.ACK_LASTS
        await t.move(hours=3)
        assert len([each for each in t.ws.dm("omar") if "You are called" in each["text"]]) == 0, "the call says who has it, and nobody is called"
        await t.move(hours=1)
        assert called(t, "omar") == 1


async def test_a_clock_set_back_while_the_product_was_off_is_noticed_at_the_start(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        t.ws.faults.add("status", status=500, method="chat.postMessage", times=None)
        await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
        await t.settle()
        t.ws.faults.clear()
        clock.move(to=clock.now() - timedelta(hours=5))
        await t.write(lambda tx: tx.execute(delete(Lease)))  # the process before ended in order
        again = House(t.house.settings, clock=clock, ids=RandomIds(), rhythm=Rhythm.limitless())
        await again.open()
        for _ in range(5):
            await again.loops.settle()
            clock.move(timedelta(seconds=10))
        assert (called(t, "omar"), pages(t)) == (1, 1)
        await again.close()


@pytest.mark.parametrize("fault", ["nothing", "drop_before", "drop_after"])
async def test_a_machine_asleep_for_a_day_pages_late_and_once(database_url: str, clock: MovedClock, fault: str) -> None:
    """It falls asleep in the middle of opening a page, with its posts of unknown outcome."""
    async with town(database_url, clock) as t:
        await t.apply()
        if fault != "nothing":
            t.ws.faults.add(fault, method="chat.postMessage", times=None)  # type: ignore[arg-type]
        await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
        await t.settle()
        t.ws.faults.clear()
        await t.move(days=1)
        for _ in range(4):
            await t.move(seconds=20)
        assert pages(t) == 1
        assert called(t, "omar") == 1
        assert called(t, "lea") == 1, "the next on the ladder is called late, and at once"
        assert called(t, "maya") == 0, "and everybody after has their time"
        await t.move(minutes=20)
        assert (called(t, "omar"), called(t, "lea"), called(t, "maya"), pages(t)) == (1, 1, 1, 1)


async def test_a_heartbeat_that_was_due_while_the_machine_slept_pages_once_when_it_wakes(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(
            """
workspace: {timezone: Europe/Paris, leads: [U0HALA]}
agents:
  support-triage:
    name: Support triage
    department: Customer service
    owners: {business: maya@example.com, operations: U0OMAR, backup: U0LEA}
    channel: "#support-ai"
    checks: {alive: {kind: heartbeat, every: 1h, grace: 5m, severity: page}}
"""
        )
        await t.post({"id": "h1", "type": "heartbeat", "agent": "support-triage", "at": clock.now().isoformat(), "check": "alive", "status": "success"})
        await t.settle()
        assert pages(t) == 0
        await t.move(days=1)
        assert (called(t, "omar"), pages(t)) == (1, 1)
        await t.move(minutes=1)
        assert (called(t, "omar"), pages(t)) == (1, 1)
