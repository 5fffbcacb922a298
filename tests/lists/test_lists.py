"""Your list: one message a day, edited as things get done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.calendars import at_local, local_day, parse_working_days
from bot.db import Database
from bot.lists import flows
from bot.lists.messages import Item, list_message, mine_message, reminder
from bot.lists.rules import AT, REMIND_AT, TOO_LATE, Move, turn
from bot.lists.slack import mine
from bot.people.absences import declare_absence
from bot.surface.press import Tell
from bot.tables import AgentOwner, Incident, IncidentItem, OutMessage, Output, Page, PersonList, Problem, Review
from bot.workspace.blocks import check_blocks
from tests.digests import scene

MORNING = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)  # 09:00 in Paris
WEEK = parse_working_days("mon-fri")


def step(db: Database, now: datetime) -> None:
    """The steps of lists alone."""
    with db.transaction() as tx:
        for _ in range(10):
            if not [one for one in (flows.plan_step, flows.post_step, flows.look_step) if one(tx, now)]:
                return
            tx.flush()


def omars(tx: Session) -> list[OutMessage]:
    """What Omar was sent by lists."""
    return [row for row in scene.shown(tx, "list:") if row.target == "U0OMAR"]


@pytest.fixture
def busy(db: Database) -> Database:
    """Omar has one thing of every kind; Lea has nothing."""
    earlier = MORNING - timedelta(hours=3)
    with db.transaction() as tx:
        scene.registry(tx, earlier)
        omar, maya, lea = (scene.person(tx, name) for name in ("omar", "maya", "lea"))
        one = scene.agent(tx, earlier, "support-triage", {"business": maya, "operations": omar})
        two = scene.agent(tx, earlier, "quote-writer", {"business": maya, "operations": omar}, accepted=False)
        scene.agent(tx, earlier, "newsletter", {"business": lea, "operations": lea})
        page = Page(agent_id=one.id, owner_id=omar.id, severity="page", opened_at=earlier)
        tx.add(page)
        tx.add(Problem(agent_id=two.id, fingerprint="quote-writer/quality", severity="notice", title="Quality below 85%", says="Between 70% and 79% good.", since=earlier, opened_at=earlier))
        incident = Incident(agent_id=one.id, fingerprint="x", severity="page", title="Wrong refunds", lead_id=omar.id, opened_at=earlier, template={}, channel_id="C0SUPPORT")
        tx.add(incident)
        output = Output(agent_id=one.id, ext_id="o", occurred_at=earlier, received_at=earlier, local_day="2026-11-20", text="x")
        tx.add(output)
        tx.flush()
        for position, words in enumerate(("Stop the damage", "Tell those affected")):
            tx.add(IncidentItem(incident_id=incident.id, item_key=words, position=position, phase="contain", words=words, state="done" if position == 0 else "open"))
        tx.add(Review(agent_id=one.id, output_id=output.id, person_id=omar.id, local_day="2026-11-20"))
    step(db, earlier)
    return db


def test_the_morning_list_names_everything_once_with_its_button(busy: Database) -> None:
    step(busy, MORNING)
    with busy.reading() as tx:
        (row,) = omars(tx)
        assert row.target == "U0OMAR"
        assert scene.read_aloud(row) == snapshot("""\
Your list · Fri 20 Nov
5 things for you today.
Answer the open page about Support triage
since <!date^1795150800^{date_short_pretty} at {time}|2026-11-20 05:00 UTC>
[Acknowledge]
Incident of Support triage: Tell those affected
Wrong refunds; 1 required step left · since <!date^1795150800^{date_short_pretty} at {time}|2026-11-20 05:00 UTC>
[Done]
You are named operations owner of Quote writer: accept, or say it is not you
Until then it is shown as not confirmed; `Not me` is in the message that asked you · since <!date^1795150800^{date_short_pretty} at {time}|2026-11-20 05:00 UTC>
[Accept]
Quote writer: Quality below 85%
Between 70% and 79% good. · since <!date^1795150800^{date_short_pretty} at {time}|2026-11-20 05:00 UTC>
[Look closer]
Judge 1 output of Support triage
Drawn at random, so that the scores are fair
[Judge 1 output]
I edit this list as things get done, and remind you at most once. `/aiops mine` shows it at any time.\
""")
        assert row.want["text"] == snapshot("""\
Your list · Fri 20 Nov. 5 things for you today.
• Answer the open page about Support triage
• Incident of Support triage: Tell those affected
• You are named operations owner of Quote writer: accept, or say it is not you
• Quote writer: Quality below 85%
• Judge 1 output of Support triage\
""")


def test_done_things_are_crossed_off_in_place_and_nothing_new_is_posted(busy: Database) -> None:
    step(busy, MORNING)
    with busy.transaction() as tx:
        tx.scalars(select(Page)).one().acked_at = MORNING
        for owner in tx.scalars(select(AgentOwner).where(AgentOwner.accepted_at.is_(None))):
            owner.accepted_at = MORNING
    step(busy, MORNING + timedelta(minutes=2))
    with busy.reading() as tx:
        (row,) = omars(tx)
        said = scene.read_aloud(row)
        assert "4 things" not in said
        assert "3 things for you today." in said
        assert "Done: Answer the open page about Support triage; You are named operations owner of Quote writer: accept, or say it is not you" in said


def test_one_reminder_in_the_afternoon_and_no_second_one(busy: Database) -> None:
    now = MORNING
    while now < MORNING + timedelta(hours=15):
        step(busy, now)
        now += timedelta(minutes=45)
    with busy.reading() as tx:
        rows = omars(tx)
        assert [row.key.rpartition(":")[2] == "reminder" for row in rows] == [False, True]
        assert rows[1].created_at >= at_local(date(2026, 11, 20), REMIND_AT, "Europe/Paris")
        assert rows[1].want["text"] == snapshot('Still on your list today: Answer the open page about Support triage, Incident of Support triage: Tell those affected and 3 more.')


def test_when_all_is_done_before_the_afternoon_nobody_is_reminded(busy: Database) -> None:
    step(busy, MORNING)
    with busy.transaction() as tx:
        for page in tx.scalars(select(Page)):
            page.resolved_at = MORNING
        for problem in tx.scalars(select(Problem)):
            problem.closed_at = MORNING
        for incident in tx.scalars(select(Incident)):
            incident.state = "closed"
        for review in tx.scalars(select(Review)):
            review.state = "done"
        for owner in tx.scalars(select(AgentOwner)):
            owner.accepted_at = MORNING
    step(busy, MORNING + timedelta(minutes=2))
    step(busy, MORNING + timedelta(hours=7))
    with busy.reading() as tx:
        (row,) = omars(tx)
        assert "All done. Thank you." in scene.read_aloud(row)


def test_who_has_nothing_gets_nothing_and_a_kind_answer_when_asking(busy: Database) -> None:
    step(busy, MORNING)
    with busy.transaction() as tx:
        lea = scene.find_person(tx, "lea")
        assert tx.scalars(select(PersonList).where(PersonList.person_id == lea.id)).first() is None
        told = mine(tx, scene.press(lea, MORNING, "mine"))
        assert isinstance(told, Tell)
        assert told.message.text == "Nothing waits for you. If an agent of yours needs you, it will be here, and on your list in the morning."


def test_somebody_away_gets_no_list_until_they_are_back(busy: Database) -> None:
    monday = MORNING + timedelta(days=3)
    with busy.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        declare_absence(tx, MORNING - timedelta(hours=1), omar.id, MORNING - timedelta(hours=1), monday - timedelta(hours=2))
    step(busy, MORNING)
    with busy.reading() as tx:
        assert omars(tx) == []
    step(busy, monday)
    with busy.reading() as tx:
        assert len(omars(tx)) == 1


ZONES = ["Europe/Paris", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu"]


@settings(max_examples=80)
@given(st.sampled_from(ZONES), st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)), st.sampled_from(["list", "reminder"]), st.booleans(), st.booleans(), st.booleans())
def test_a_list_is_posted_only_in_working_hours_and_the_timer_always_moves_on(zone: str, naive: datetime, kind: str, posted: bool, reminded: bool, away: bool) -> None:
    now = naive.replace(tzinfo=UTC)
    decided = turn(now, kind, zone, WEEK, (), posted, reminded, away)
    assert decided.next_at > now
    today = date.fromisoformat(local_day(now, zone))
    if decided.move is not Move.WAIT:
        assert not away
        assert today.weekday() < 5
        assert at_local(today, AT, zone) <= now < at_local(today, TOO_LATE, zone)
    if decided.move is Move.LIST:
        assert not posted
    if decided.move is Move.REMIND:
        assert posted
        assert not reminded
        assert now >= at_local(today, REMIND_AT, zone)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.builds(Item, st.uuids().map(str), st.text(min_size=1, max_size=900), st.none(), st.none(), st.text(max_size=600)), max_size=70), st.lists(st.text(min_size=1, max_size=300), max_size=40))
def test_however_much_waits_the_list_stays_within_slacks_limits(items: list[Item], done: list[str]) -> None:
    for message in (list_message(date(2026, 11, 20), items, done), mine_message(items), reminder(items)):
        if message.blocks:
            check_blocks(message.blocks, "message")
        assert len(message.blocks) < 50
        assert len(message.want()["text"]) < 4000
        assert "<!" not in message.text
