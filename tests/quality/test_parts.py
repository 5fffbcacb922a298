from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.db import Database
from bot.feedback.flows import RatingIn, rate_many
from bot.feedback.reading import voters
from bot.feedback.reviews import review_step
from bot.feedback.slack import judge, undo
from bot.quality import counting, reading
from bot.quality.counting import Counts
from bot.quality.flows import fold_step, late_runs_step, mark_dirty, reobserve
from bot.quality.parts import MOST_VALUES, OTHER, UNASKED, VOTES
from bot.quality.segments import segments
from bot.status.believed import as_json, believed, machine_lines, people_lines, segment_lines, sprint_lines
from bot.tables import (
    Agent,
    AgentNow,
    AwaitedRun,
    Baseline,
    DayPart,
    Drawn,
    Evaluation,
    ImportRun,
    Observation,
    Output,
    Person,
    Review,
    Run,
    StageOrder,
    Vote,
)
from tests.feedback.scene import make_agent, make_output, make_person, own, press, rate
from tests.quality.test_quality import fold

DAY = timedelta(days=1)


def evaluate(db_tx, agent: Agent, output: Output, good: bool, name: str = "faithfulness", evaluator: str | None = "judge-3") -> None:  # type: ignore[no-untyped-def]
    number = db_tx.scalar(select(func.count()).select_from(Evaluation))
    db_tx.add(Evaluation(agent_id=agent.id, ext_id=f"e{number}", occurred_at=output.occurred_at, received_at=output.occurred_at, content="", output_id=output.id, name=name, score=0.9 if good else 0.1, evaluator=evaluator))
    db_tx.flush()


def run_of(db_tx, agent: Agent, name: str, model: str, version: str) -> None:  # type: ignore[no-untyped-def]
    at = agent.created_at
    db_tx.add(Run(agent_id=agent.id, ext_id=name, occurred_at=at, received_at=at, content="", status="ok", model=model, version=version))
    db_tx.flush()


def counted(db: Database) -> dict[tuple[str, str, str], tuple[int, int]]:
    with db.reading() as tx:
        rows = tx.execute(select(DayPart.source, DayPart.part, DayPart.value, func.sum(DayPart.n), func.sum(DayPart.sum)).group_by(DayPart.source, DayPart.part, DayPart.value))
        return {(source, part, value): (int(n), int(total)) for source, part, value, n, total in rows if n or total}


def test_parts_follow_every_vote_change_and_end_and_a_run_that_comes_late(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        lea, omar, dana = (make_person(tx, name, now) for name in ("lea", "omar", "dana"))
        run_of(tx, agent, "r1", "gpt-4o", "prompt-14")
        one = make_output(tx, agent, now, run="r1", extra={"language": "fr", "department": "Sales"})
        two = make_output(tx, agent, now, run="r2", extra={"language": "en"})
        for person, output, good in ((lea, one, True), (omar, one, False), (dana, one, True), (lea, two, True)):
            rate(tx, now, output, person, good)
        evaluate(tx, agent, one, True)
        evaluate(tx, agent, one, False, "tone", None)
        reobserve(tx, now, agent.id, [one.id], "evaluations")
    found = counted(db)
    assert found["people", "kind", "reply"] == (2, 1667)
    assert (found["people", "model", "gpt-4o"], found["people", "version", "prompt-14"]) == ((1, 667), (1, 667))
    assert (found["people", "language", "fr"], found["people", "department", "Sales"], found["people", "language", "en"]) == ((1, 667), (1, 667), (1, 1000))
    assert found["people", VOTES, str(lea.id)] == (2, 0)
    assert found["people", UNASKED, str(lea.id)] == (333_333 + 1_000_000, 333_333 + 1_000_000)
    assert found["people", UNASKED, str(omar.id)] == (333_333, 0)
    assert (found["evaluations", "name", "faithfulness"], found["evaluations", "name", "tone"], found["evaluations", "evaluator", "judge-3"]) == ((1, 1000), (1, 0), (1, 1000))
    with db.transaction() as tx:
        assert tx.scalars(select(AwaitedRun.run)).all() == ["r2"]
        run_of(tx, tx.get_one(Agent, agent.id), "r2", "gpt-5", "prompt-15")
        late_runs_step(tx, now)
        assert tx.scalar(select(func.count()).select_from(AwaitedRun)) == 0
        rate(tx, now, tx.get_one(Output, one.id), tx.get_one(Person, omar.id), True)
        rate(tx, now, tx.get_one(Output, one.id), tx.get_one(Person, dana.id), None)
    found = counted(db)
    assert (found["people", "model", "gpt-5"], found["people", "model", "gpt-4o"]) == ((1, 1000), (1, 1000))
    assert ("people", UNASKED, str(dana.id)) not in found
    assert found["people", UNASKED, str(omar.id)] == (500_000, 500_000)
    with db.transaction() as tx:
        for output, person in ((one, lea), (one, omar), (two, lea)):
            rate(tx, now, tx.get_one(Output, output.id), tx.get_one(Person, person.id), None)
        assert tx.scalar(select(func.count()).select_from(Observation).where(Observation.source == "people")) == 0
    assert {key for key in counted(db) if key[0] == "people"} == set()


def test_segments_beyond_thirty_count_as_others(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        outputs = [make_output(tx, agent, now) for _ in range(MOST_VALUES + 7)]
        for number, output in enumerate(outputs):
            output.kind = f"kind {number:02}"
        tx.flush()
        given = [RatingIn(agent.id, output.id, "lea@example.com", True, None, None, None, now) for output in outputs]
        rate_many(tx, now, given, live=False)
        pieces = segments(tx, agent.id, "2026-11-20", "2026-11-20")["people"]["kind"]
    assert len(pieces) == MOST_VALUES + 1
    assert [(piece.value, piece.n, piece.score is not None) for piece in pieces if piece.n > 1] == [(OTHER, 7, True)]
    assert all(piece.score is None for piece in pieces if piece.n == 1)


def test_what_stands_behind_a_score_is_told_and_no_ones_vote_is(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now - 60 * DAY, reviews={"per_day": 40, "twice": 0.5}, quality={"agreement": 0.9})
        people = [make_person(tx, name, now) for name in ("maya", "omar", "lea", "dana", "sam", "noor")]
        own(tx, now, agent, people[0], "business")
        own(tx, now, agent, people[1], "operations")
        made = defaultdict(list)
        # Two kinds of yesterday's outputs: replies are good nine times in ten, refunds never; people vote mostly for refunds.
        for number in range(200):
            output = make_output(tx, agent, now - DAY + timedelta(minutes=number))
            output.kind = "refund" if number % 20 == 0 else "reply"
            made[output.kind].append(output)
        tx.flush()
        counts = Counts()
        counts.add(agent.id, "UTC", counting.OUTPUTS_SHOWN, now - DAY, 200)
        counts.write(tx, now)
        truth = {output.id: output.kind == "reply" and place % 10 != 0 for outputs in made.values() for place, output in enumerate(outputs)}
        for person in people[2:]:
            for output in made["refund"]:
                rate(tx, now, output, person, False)
        for output in made["reply"][:60]:
            evaluate(tx, agent, output, True)
        for output in made["refund"]:
            evaluate(tx, agent, output, True)
        reobserve(tx, now, agent.id, [each.id for outputs in made.values() for each in outputs], "evaluations")
        agent_id, reviewers = agent.id, {person.id: person for person in people[:2]}
    later = now + timedelta(hours=1)
    for moment in (now, later):
        for _ in range(8):
            with db.transaction() as tx:
                review_step(tx, moment)
    with db.transaction() as tx:
        drawn = list(tx.scalars(select(Drawn)))
        assert {(each.stratum, each.population) for each in drawn} <= {("reply", 190), ("refund", 10)}
        for review in list(tx.scalars(select(Review).where(Review.state == "asked"))):
            said = "good" if truth[review.output_id] else "bad"
            judge(tx, press(reviewers[review.person_id], later, "feedback.judge", f"review:{review.id}:{said}"))
        review = tx.scalars(select(Review).order_by(Review.id).limit(1)).one()
        undo(tx, press(reviewers[review.person_id], later, "feedback.undo", f"review:{review.id}"))
        assert review.state == "asked"
        assert tx.scalar(select(func.count()).select_from(Vote).where(Vote.output_id == review.output_id, Vote.person_id == review.person_id, Vote.good.is_not(None))) == 0
    fold(db, later)
    with db.reading() as tx:
        agent = tx.get_one(Agent, agent_id)
        found = believed(tx, later, agent, tx.scalars(select(AgentNow)).one())
        # By hand: what was judged of each kind, weighed by the kind's size.
        rows = list(tx.scalars(select(Drawn)))
        kinds = {name: [row.share for row in rows if row.stratum == name and row.share is not None] for name in ("reply", "refund")}
        weights = {"reply": 190, "refund": 10}
        by_hand = sum(weights[name] * sum(shares) / len(shares) for name, shares in kinds.items() if shares) / sum(weights[name] for name, shares in kinds.items() if shares)
        assert found.asked is not None
        assert round(found.asked["share"], 9) == round(by_hand, 9)
        assert found.asked["n"] == sum(len(shares) for shares in kinds.values()) < found.asked["drawn"]
        given = list(tx.scalars(select(Vote).where(Vote.good.is_not(None))))
        votes, by_owners = len({(vote.output_id, vote.person_id) for vote in given}), sum(vote.person_id in reviewers for vote in given)
        seen = voters(tx, agent_id, "2026-11-01", "2026-11-30")
        assert (seen.votes, seen.by_owners, seen.people) == (votes, by_owners, 6)
        told = "\n".join(people_lines(found) + machine_lines(found) + segment_lines(found) + sprint_lines(found))
        assert f"{by_owners} of {votes} votes by owners" in told
        assert "Asked (drawn at random, 28 days): " in told
        assert "Outputs nobody judged count for nothing" in told
        assert "so evaluations decide nothing here" in told
        assert "By kind: " in told
        assert "two weeks ago" in told
        assert all(person.name not in told and (person.slack_id or "?") not in told for person in people)
        assert as_json(found)["voters"] == {"votes": votes, "by_owners": by_owners}


def test_five_hundred_votes_of_one_person_do_not_carry_the_score(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now - 60 * DAY)
        outputs = [make_output(tx, agent, now - timedelta(minutes=number)) for number in range(560)]
        given = [RatingIn(agent.id, output.id, "loud@example.com", False, None, None, None, now) for output in outputs[:500]]
        given += [RatingIn(agent.id, output.id, f"p{number % 6}@example.com", True, None, None, None, now) for number, output in enumerate(outputs[500:])]
        rate_many(tx, now, given, live=False)
        mark_dirty(tx, now, [agent.id])
        # 60 good of others, and of the 500 as many as make a quarter of all: 20.
        score = reading.score(tx, agent.id, "2026-11-14", "2026-11-20", "people")
        assert (score.n, score.share, score.cut) == (80, 0.75, 480)
    fold(db, now)
    with db.reading() as tx:
        row = tx.scalars(select(AgentNow)).one()
        assert (row.n, row.share, row.verdict) == (80, 0.75, "watch")
        found = believed(tx, now, tx.scalars(select(Agent)).one(), row)
        assert "The cap on one person's weight left out 480 judged outputs: no one person carries the score" in people_lines(found)


def test_a_baseline_waits_for_the_end_of_an_import_and_a_seen_launch_has_its_own(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now - 90 * DAY)
        given = []
        for number in range(400):
            output = make_output(tx, agent, now - 40 * DAY + number // 10 * DAY)
            given.append(RatingIn(agent.id, output.id, f"p{number % 5}@example.com", number % 10 != 0, None, None, None, output.occurred_at))
        rate_many(tx, now, given, live=False)
        mark_dirty(tx, now, [agent.id])
        importing = ImportRun(digest="d", started_at=now - timedelta(hours=3), done_bytes=1, accepted=400, duplicates=0, refused=0)
        tx.add(importing)
    fold(db, now)
    with db.transaction() as tx:
        assert tx.scalars(select(Baseline)).all() == []
        tx.scalars(select(ImportRun)).one().finished_at = now
        tx.scalars(select(AgentNow)).one().folded_at = None
        mark_dirty(tx, now, [agent.id])
    fold(db, now)
    with db.transaction() as tx:
        found = tx.scalars(select(Baseline)).one()
        assert (found.label, found.n, round(found.share, 3)) == ("since we started looking", 300, 0.9)
        tx.add(StageOrder(agent_id=agent.id, rev=1, stage="autonomous", before="assisted", lowers=False, asked_at=now + timedelta(hours=1)))
    fold(db, now + DAY)
    fold(db, now + 2 * DAY)
    with db.reading() as tx:
        found = tx.scalars(select(Baseline).where(Baseline.current)).one()
        assert (found.label, found.last_day, found.n) == ("at launch", "2026-11-19", 280)
    with db.transaction() as tx:
        assert fold_step(tx, now + 2 * DAY) is False
