from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.db import Database
from bot.feedback import reading, slack
from bot.feedback.reviews import review_step
from bot.outbox import flows as outbox
from bot.people.flows import Refused
from bot.quality import reading as quality
from bot.surface.press import Quiet, Tell
from bot.tables import Absence, Agent, Drawn, Output, Person, Registry, Review, ReviewTimer, Vote
from tests.feedback.scene import make_agent, make_output, make_person, own, press, rate

FRIDAY = datetime(2026, 11, 20, 8, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


def step(db: Database, now: datetime) -> None:
    for _ in range(20):
        with db.transaction() as tx:
            if not review_step(tx, now):
                return
    raise AssertionError("the reviews do not come to rest")


def fleet(db: Database, agents: int = 1, outputs: int = 40, **spec: object) -> tuple[int, int]:
    """Agents owned by Omar and Maya, with outputs on Friday and over the weekend; the reviewers are looked up."""
    with db.transaction() as tx:
        omar, maya = make_person(tx, "omar", FRIDAY), make_person(tx, "maya", FRIDAY)
        for number in range(agents):
            agent = make_agent(tx, FRIDAY, f"agent-{number}", **spec)
            own(tx, FRIDAY, agent, omar, "operations")
            own(tx, FRIDAY, agent, maya, "business")
            for each in range(outputs):
                make_output(tx, agent, FRIDAY + timedelta(hours=each))
        ids = omar.id, maya.id
    step(db, FRIDAY + timedelta(hours=2))
    return ids


def asked(db: Database, person_id: int | None = None) -> int:
    with db.reading() as tx:
        wanted = select(func.count()).select_from(Review)
        return tx.scalar(wanted if person_id is None else wanted.where(Review.person_id == person_id)) or 0


def test_a_seeded_sample_is_drawn_once_on_each_working_morning_and_shared(db: Database, clock: MovedClock) -> None:
    omar, maya = fleet(db, outputs=30)
    step(db, MONDAY - timedelta(seconds=1))
    assert asked(db) == 0
    step(db, MONDAY)
    step(db, MONDAY + timedelta(hours=5))
    assert (asked(db), asked(db, omar), asked(db, maya)) == (6, 3, 3)  # one of the five is given to both
    with db.reading() as tx:
        assert set(tx.scalars(select(Review.local_day))) == {"2026-11-23"}
        assert tx.scalar(select(func.count(func.distinct(Review.output_id)))) == 5
        due = set(tx.scalars(select(ReviewTimer.due_at).where(ReviewTimer.person_id.is_not(None))))
        assert due == {datetime(2026, 11, 24, 8, 30, tzinfo=UTC)}


def test_nobody_is_asked_for_more_than_ten_a_day_and_every_agent_has_its_turn(db: Database, clock: MovedClock) -> None:
    omar, maya = fleet(db, agents=6, reviews={"per_day": 20})
    step(db, MONDAY)
    assert (asked(db, omar), asked(db, maya)) == (10, 10)
    with db.reading() as tx:
        per_agent = tx.execute(select(func.count()).where(Review.person_id == omar).group_by(Review.agent_id)).scalars().all()
        assert sorted(per_agent) == [1, 1, 2, 2, 2, 2]


def test_the_workspace_may_ask_for_less(db: Database, clock: MovedClock) -> None:
    omar, _ = fleet(db, agents=3)
    with db.transaction() as tx:
        tx.add(Registry(at=FRIDAY, by="x", digest="", document={"workspace": {"reviews_per_person": 2}}, agents=[]))
    step(db, MONDAY)
    assert asked(db, omar) == 2


def test_nobody_is_asked_to_judge_what_they_may_not_see(db: Database, clock: MovedClock) -> None:
    fleet(db, outputs=30, data={"class": "restricted"})
    with db.transaction() as tx:
        linked = list(tx.scalars(select(Output).order_by(Output.id).limit(3)))
        linked[0].url, linked[1].url = "https://example.com/1", "https://example.com/2"
        linked[2].channel_id, linked[2].slack_ts = "C0SUPPORT", "1.000001"
        ids = {each.id for each in linked}
    step(db, MONDAY)
    with db.reading() as tx:
        assert set(tx.scalars(select(Review.output_id))) == ids
        assert set(tx.scalars(select(Drawn.population))) == {3}  # it speaks for no more than could be drawn


def test_an_output_without_a_text_is_not_drawn_either(db: Database, clock: MovedClock) -> None:
    fleet(db, outputs=4)
    with db.transaction() as tx:
        first, second = tx.scalars(select(Output).order_by(Output.id).limit(2))
        first.text, second.text = None, ""
    step(db, MONDAY)
    with db.reading() as tx:
        assert len(set(tx.scalars(select(Review.output_id)))) == 2


def test_named_reviewers_are_asked_instead_of_the_owners_and_who_is_away_is_passed_over(db: Database, clock: MovedClock) -> None:
    with db.transaction() as tx:
        lea, sam, gus = make_person(tx, "lea", FRIDAY), make_person(tx, "sam", FRIDAY), make_person(tx, "gus", FRIDAY, kind="guest")
        agent = make_agent(tx, FRIDAY, reviews={"per_day": 4, "reviewers": ["lea@example.com", "U0SAM", "gus@example.com"]})
        own(tx, FRIDAY, agent, make_person(tx, "omar", FRIDAY), "operations")
        for each in range(10):
            make_output(tx, agent, FRIDAY + timedelta(hours=each))
        tx.add(Absence(person_id=sam.id, since=FRIDAY, until=MONDAY + timedelta(days=1)))
        ids = lea.id, sam.id, gus.id
    step(db, FRIDAY + timedelta(hours=2))
    step(db, MONDAY)
    assert [asked(db, each) for each in ids] == [4, 0, 0]
    assert asked(db) == 4


def test_a_timer_that_fires_days_late_draws_in_the_morning_and_once(db: Database, clock: MovedClock) -> None:
    fleet(db, outputs=30)
    step(db, datetime(2026, 11, 24, 3, 0, tzinfo=UTC))  # down since Friday, back on Tuesday night
    assert asked(db) == 0
    step(db, datetime(2026, 11, 24, 11, 0, tzinfo=UTC))
    assert asked(db) == 0  # Monday had no outputs
    with db.transaction() as tx:
        for hour in range(8):
            make_output(tx, tx.scalars(select(Agent)).one(), datetime(2026, 11, 24, 8 + hour, tzinfo=UTC))
    step(db, datetime(2026, 11, 25, 15, 0, tzinfo=UTC))
    assert asked(db) == 6


def test_the_morning_is_the_reviewers_own(db: Database, clock: MovedClock) -> None:
    with db.transaction() as tx:
        lea = make_person(tx, "lea", FRIDAY, zone="America/New_York")
        agent = make_agent(tx, FRIDAY, reviews={"per_day": 2, "reviewers": ["U0LEA"]})
        make_output(tx, agent, FRIDAY)
        person_id = lea.id
    step(db, FRIDAY)  # 03:00 there, a working day
    with db.reading() as tx:
        assert tx.scalars(select(ReviewTimer.due_at).where(ReviewTimer.person_id == person_id)).one() == datetime(2026, 11, 20, 13, 30, tzinfo=UTC)


def test_judging_shows_the_next_output_in_the_same_message_until_all_is_done(db: Database, clock: MovedClock) -> None:
    omar, _ = fleet(db, outputs=30)
    step(db, MONDAY)
    with db.transaction() as tx:
        person = tx.get_one(Person, omar)
        assert slack.open_reviews(tx, press(person, MONDAY, "feedback.reviews", "reviews:2026-11-23", channel="D1")) == Quiet()
        again = slack.open_reviews(tx, press(person, MONDAY, "feedback.reviews", "reviews:2026-11-23", channel="C1"))
        assert isinstance(again, Tell)
        assert "open in our direct messages already" in again.message.text
        items = reading.reviews_for(tx, omar, "2026-11-23")
        key = f"reviews:{omar}:2026-11-23"

        def thumb() -> str:
            row = outbox.find(tx, key)
            assert row is not None
            block = next(block for block in row.want["blocks"] if block["type"] == "context_actions")
            return str(block["elements"][0]["positive_button"]["value"])

        def pressable() -> dict[str, str]:
            row = outbox.find(tx, key)
            assert row is not None
            return {each["action_id"]: each["value"] for block in row.want["blocks"] if block["type"] == "actions" for each in block["elements"]}

        assert thumb() == f"review:{items[0].review_id}:good"
        assert slack.judge(tx, press(person, MONDAY, "feedback.judge", thumb())) == Quiet()
        assert thumb() == f"review:{items[1].review_id}:good"
        assert "feedback.review_reason.outdated" not in pressable()
        assert slack.judge(tx, press(person, MONDAY, "feedback.judge", thumb().replace("good", "bad"))) == Quiet()
        # A thumbs-down can be explained in one press, or undone: then the same output is asked again.
        assert slack.review_reason(tx, press(person, MONDAY, "feedback.review_reason.outdated", pressable()["feedback.review_reason.outdated"])) == Quiet()
        assert [vote.reason for vote in tx.scalars(select(Vote).order_by(Vote.id))] == [None, "outdated"]
        assert slack.undo(tx, press(person, MONDAY, "feedback.undo", pressable()["feedback.undo"])) == Quiet()
        assert thumb() == f"review:{items[1].review_id}:good"
        slack.judge(tx, press(person, MONDAY, "feedback.judge", thumb().replace("good", "bad")))
        slack.skip(tx, press(person, MONDAY, "feedback.skip", f"review:{items[2].review_id}"))
        slack.undo(tx, press(person, MONDAY, "feedback.undo", pressable()["feedback.undo"]))
        assert thumb() == f"review:{items[2].review_id}:good"
        slack.skip(tx, press(person, MONDAY, "feedback.skip", f"review:{items[2].review_id}"))
        row = outbox.find(tx, key)
        assert row is not None
        assert row.want["text"] == "All done: you judged 2 of 3 outputs today and skipped 1. Thank you, the scores stand on this."
        assert (row.target, row.kind) == ("U0OMAR", "show")
        agent_id = tx.scalars(select(Agent.id)).one()
        totals = quality.totals(tx, agent_id, "2026-11-01", "2026-11-30")
        assert (totals.score("people.sampled").n, totals.score("people.volunteers").n, totals.score("people").share) == (2, 0, 0.5)


def test_an_output_belongs_to_the_sample_or_to_volunteers_never_to_both(db: Database, clock: MovedClock) -> None:
    omar, _ = fleet(db, outputs=30)
    with db.transaction() as tx:
        lea = make_person(tx, "lea", FRIDAY)
        for output in tx.scalars(select(Output)).all():
            rate(tx, MONDAY - timedelta(hours=1), output, lea, True)
    step(db, MONDAY)
    with db.transaction() as tx:
        review = tx.scalars(select(Review).where(Review.person_id == omar)).first()
        assert review is not None
        output = tx.get_one(Output, review.output_id)
        rate(tx, MONDAY, output, tx.get_one(Person, omar), False, surface="link")
        assert review.state == "done"  # judged over another surface, not asked again
        totals = quality.totals(tx, review.agent_id, "2026-11-01", "2026-11-30")
        assert (totals.score("people").n, totals.score("people.sampled").n, totals.score("people.volunteers").n) == (30, 1, 29)
        rate(tx, MONDAY, output, tx.get_one(Person, omar), None, surface="link")
        assert review.state == "asked"
        assert quality.totals(tx, review.agent_id, "2026-11-01", "2026-11-30").score("people.sampled").n == 0


def test_a_review_is_answered_by_the_person_it_was_asked_of(db: Database, clock: MovedClock) -> None:
    omar, maya = fleet(db, outputs=30)
    step(db, MONDAY)
    with db.transaction() as tx:
        review = tx.scalars(select(Review).where(Review.person_id == omar)).first()
        assert review is not None
        with pytest.raises(Refused, match=r"This review was asked of somebody else\."):
            slack.judge(tx, press(tx.get_one(Person, maya), MONDAY, "feedback.judge", f"review:{review.id}:good"))
        assert tx.scalar(select(func.count()).select_from(Vote)) == 0
