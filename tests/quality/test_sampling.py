"""Too few judgements: what can be offered is worked out from who may be asked and what the agent makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from bot.agents.sampling import (
    Room,
    Sampling,
    left_for_one,
    rooms_of,
    sample_as_before,
    sample_more,
    sampling_of,
    samplings_of,
)
from bot.clock import MovedClock
from bot.db import Database
from bot.feedback.flows import RatingIn, rate_many
from bot.quality.counting import OUTPUTS, Counts
from bot.quality.drift.messages import Source, Watched, few_lines, offered, reach_words, sampling_buttons
from bot.quality.drift.offers import Lacking, Offer, offer_of
from bot.quality.drift.reading import watched_of
from bot.quality.drift.watching import Reach
from bot.quality.flows import mark_dirty
from bot.tables import Agent, Decision, Drawn, Mark, Person, Review
from tests.feedback.scene import make_agent, make_output, make_person, own
from tests.feedback.test_reviews import FRIDAY, MONDAY, asked, fleet
from tests.feedback.test_reviews import step as draw_step
from tests.quality.test_drift import DAY, settle


def offer(room: Room, made: float, per_day: float = 3.0, needed: int = 20, registry: int = 5) -> Offer:
    reach = Reach(per_day, 60.0, needed)
    return offer_of(reach, Sampling("triage", registry, registry), room, made, 5, lambda rate: 120.0)


def test_a_reviewers_day_is_shared_among_agents_in_turn() -> None:
    assert left_for_one(10, []) == 10
    assert left_for_one(10, [2.5, 2.5]) == 5
    assert left_for_one(10, [9]) == 5  # neither takes what the other wants before having as much
    assert left_for_one(10, [1] * 9) == 1
    assert left_for_one(0, [3]) == 0


def test_what_is_offered_can_be_had_else_it_is_said_why_not() -> None:
    # 17 a day are missing on all seven days, so 23.8 on each of the five on which outputs are drawn.
    assert (offer(Room(4, 10, 40), 100).number, offer(Room(4, 10, 40), 100).wanted) == (29, 29)
    short = offer(Room(2, 10, 16.7), 100)
    assert (short.lacking, short.number, short.wanted) == (Lacking.REVIEWERS, 16, 29)
    assert short.days == pytest.approx(120 / (3 + 11 * 5 / 7))
    assert offer(Room(1, 10, 4.2), 100) == Offer(29, 0, Lacking.REVIEWERS, None, Room(1, 10, 4.2), 140)
    rare = offer(Room(4, 10, 40), 8)
    assert (rare.lacking, rare.number, round(rare.made, 1)) == (Lacking.OUTPUTS, 11, 11.2)
    assert offer(Room(4, 10, 40), 2).number == 0
    assert offer(Room(), 100).lacking == Lacking.NOBODY
    assert offer(Room(90, 10, 900), 900, needed=190).lacking == Lacking.TOO_MANY
    assert offer(Room(4, 10, 40), 100, registry=0).lacking == Lacking.ON_PURPOSE


def said(room: Room, made: float, **more: int) -> str:
    found = offer(room, made, **more)
    return reach_words(Source("people", "steady", 0.9, 480, "at launch", 480, Reach(3.0, 60.0, 20), 900, offer=found), Sampling("triage", 5, 5))


def test_each_way_to_more_judgements_and_each_limit_is_said_in_words() -> None:
    assert said(Room(4, 10, 40), 100).endswith("Sampling 29 a day for review instead of 5 would do: an owner may ask for that with a press (`/aiops baseline triage`), or `reviews: {per_day: 29}` in aiops.yml does it for good")
    assert said(Room(2, 10, 16.7), 100).endswith(
        "That is a sample of 29 a day, and its 2 reviewers are asked 10 a day each at most, over all their agents; 16 can be had, which would make it about 11 days: "
        "an owner may ask for that with a press (`/aiops baseline triage`). More take more reviewers in aiops.yml"
    )
    assert "and its reviewer is asked 10 a day at most, over all their agents, which they are already: name more reviewers in aiops.yml" in said(Room(1, 10, 4), 100)
    assert "it makes about 11 a working day; judging 11 can be had, which would make it about" in said(Room(4, 10, 40), 8)
    assert "it makes about 2.8 a working day, which are sampled already: people cannot notice it sooner" in said(Room(4, 10, 40), 2)
    assert "Nobody is asked to judge its outputs, because aiops.yml says `reviews: {per_day: 0}`" in said(Room(4, 10, 40), 100, registry=0)
    assert "let evaluations judge every output" in said(Room(90, 10, 900), 900, needed=190)
    assert all(len(said(*each)) < 500 for each in ((Room(4, 10, 40), 100), (Room(2, 10, 16.7), 100), (Room(4, 10, 40), 8)))  # whole in a digest


def with_few_judgements(db: Database, now: datetime) -> tuple[int, int]:
    """An agent of Omar and Maya with a baseline of which people judge three outputs a day, of twelve."""
    with db.transaction() as tx:
        agent = make_agent(tx, now - 200 * DAY)
        omar, maya = make_person(tx, "omar", now), make_person(tx, "maya", now)
        own(tx, now, agent, omar, "operations")
        own(tx, now, agent, maya, "business")
        outputs = [make_output(tx, agent, now - timedelta(hours=8 * number + 30)) for number in range(480)]
        given = [RatingIn(agent.id, each.id, f"rater-{number % 40}@example.com", number % 10 != 0, None, None, None, each.occurred_at) for number, each in enumerate(outputs)]
        rate_many(tx, now, given, live=False)
        mark_dirty(tx, now, [agent.id])
    settle(db, now)
    return agent.id, omar.id


def look(db: Database, now: datetime, agent_id: int) -> Watched:
    with db.reading() as tx:
        return watched_of(tx, now, [tx.get_one(Agent, agent_id)])[agent_id]


def test_more_are_drawn_for_four_weeks_and_then_as_many_as_the_registry_says(db: Database, clock: MovedClock) -> None:
    omar, _ = fleet(db, outputs=40)
    with db.transaction() as tx:
        agent = tx.scalars(select(Agent)).one()
        found, new = sample_more(tx, FRIDAY, agent, 12, person_id=omar)
        assert (found, new) == (Sampling("agent-0", 12, 5, "2026-12-18", "Omar"), True)
        assert sample_more(tx, FRIDAY, agent, 12, person_id=omar) == (found, False)
    draw_step(db, MONDAY)
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Drawn)) == 12
        decision = tx.scalars(select(Decision).where(Decision.action == "reviews.more")).one()
        assert (decision.person_id, decision.subject, decision.evidence["until"]) == (omar, "agent:agent-0", "2026-12-18")
        agent = tx.scalars(select(Agent)).one()
        assert sampling_of(tx, datetime(2026, 12, 18, 23, 59, tzinfo=UTC), agent).per_day == 12
        assert sampling_of(tx, datetime(2026, 12, 19, 0, 1, tzinfo=UTC), agent) == Sampling("agent-0", 5, 5)
    assert asked(db) == 14  # two of the twelve are given to both: a fifth, by the seeded dice


def test_undone_or_overruled_by_the_registry_it_ends_and_does_not_come_back(db: Database, clock: MovedClock) -> None:
    omar, _ = fleet(db)
    with db.transaction() as tx:
        agent = tx.scalars(select(Agent)).one()
        assert not sample_as_before(tx, FRIDAY, agent, person_id=omar)
        sample_more(tx, FRIDAY, agent, 12, person_id=omar)
        assert sample_as_before(tx, FRIDAY, agent, person_id=omar)
        assert sampling_of(tx, FRIDAY, agent).per_day == 5
        assert tx.scalars(select(Mark.name).where(Mark.name.like("reviews:%"))).all() == []
        sample_more(tx, FRIDAY, agent, 12, person_id=omar)
        agent.spec = {**agent.spec, "reviews": {"per_day": 7}}
        tx.flush()
        assert samplings_of(tx, FRIDAY, [agent])[agent.id] == Sampling("agent-0", 7, 7)
    for number, why in ((0, "no more than the 7"), (7, "no more than the 7"), (201, "more than the 200")):
        with db.transaction() as tx, pytest.raises(ValueError, match=f"{number} a day is {why}"):
            sample_more(tx, FRIDAY, tx.scalars(select(Agent)).one(), number, person_id=omar)
    with db.transaction() as tx:
        agent = tx.scalars(select(Agent)).one()
        agent.spec = {**agent.spec, "reviews": {"per_day": 0}}
        with pytest.raises(ValueError, match="people are not asked"):
            sample_more(tx, FRIDAY, agent, 12, person_id=omar)


def test_the_room_of_reviewers_counts_what_other_agents_ask_of_them(db: Database, clock: MovedClock) -> None:
    fleet(db, agents=4, outputs=40)
    draw_step(db, MONDAY)
    with db.reading() as tx:
        agents = list(tx.scalars(select(Agent).order_by(Agent.id)))
        rooms = rooms_of(tx, MONDAY + timedelta(hours=1), agents)
        room = rooms[agents[0].id]
        each = {person: [n for (n,) in tx.execute(select(func.count()).where(Review.person_id == person, Review.agent_id != agents[0].id).group_by(Review.agent_id))] for person in tx.scalars(select(Person.id))}
        assert (room.people, room.each) == (2, 10)
        assert room.outputs == pytest.approx(sum(left_for_one(10, others) for others in each.values()) / 1.2)
        assert room.outputs < 10  # alone it would be 16.7


def test_an_owner_is_offered_what_helps_and_then_the_way_back(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    agent_id, omar = with_few_judgements(db, now)
    with db.transaction() as tx:
        agent = tx.get_one(Agent, agent_id)
        made = Counts()
        for day in range(28):
            made.add(agent.id, agent.zone, OUTPUTS, now - day * DAY, 20, 20)
        made.write(tx, now)
    watched = look(db, now, agent_id)
    number = offered(watched)
    assert 0 < number <= 16
    (pressed,) = sampling_buttons(watched)
    assert (pressed["text"]["text"], pressed["value"]) == (f"Sample {number} a day", f"support-triage:{number}")
    with db.transaction() as tx:
        sample_more(tx, now, tx.get_one(Agent, agent_id), number, person_id=omar)
    watched = look(db, now, agent_id)
    assert offered(watched) == 0
    assert [each["text"]["text"] for each in sampling_buttons(watched)] == ["Back to 5 a day"]
    (line,) = few_lines(watched)
    assert f"{number} outputs a day are sampled for review until" in line
    assert "as Omar asked; the registry says 5" in line
