from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.db import Database
from bot.feedback.flows import RatingIn, rate_many
from bot.quality import counting, reading
from bot.quality.counting import Counts
from bot.quality.flows import fold_step, mark_dirty, reobserve
from bot.quality.folding import claim_due, decide, fold_now, write
from bot.stats import wilson
from bot.tables import Agent, AgentNow, Baseline, Day, Decision, Evaluation, Observation, Outcome, Run, Stage
from tests.feedback.scene import make_agent, make_output, make_person, rate


def fold(db: Database, now: datetime) -> None:
    for _ in range(20):
        with db.transaction() as tx:
            if not fold_step(tx, now):
                return
    raise AssertionError("folding does not come to rest")


def rows_add_up(db: Database) -> None:
    """The counters say exactly what the observations say."""
    with db.reading() as tx:
        for source, metric in reading.METRIC_OF.items():
            wanted = select(func.count(), func.coalesce(func.sum(func.round(Observation.share * 1000)), 0))
            wanted = wanted.where(Observation.source == "people", Observation.sampled) if source == "people.sampled" else wanted.where(Observation.source == source)
            n, thousandths = tx.execute(wanted).one()
            counted = tx.execute(select(func.coalesce(func.sum(Day.n), 0), func.coalesce(func.sum(Day.sum), 0)).where(Day.metric == metric)).one()
            assert (int(counted[0]), int(counted[1])) == (int(n), int(thousandths)), source


def test_an_output_is_judged_by_the_mean_of_its_votes(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent, output = make_agent(tx, now), None
        output = make_output(tx, agent, now)
        for name, good in (("lea", True), ("omar", True), ("maya", False)):
            rate(tx, now, output, make_person(tx, name, now), good)
    with db.reading() as tx:
        observation = tx.scalars(select(Observation)).one()
        assert (round(observation.share, 4), observation.votes, observation.settles_at) == (0.6667, 3, now)
        score = reading.score(tx, agent.id, "2026-11-20", "2026-11-20", "people")
        assert (score.share, score.n) == (0.667, 1)
        assert (score.low, score.high) == wilson(0.667, 1)
    rows_add_up(db)


def test_counters_follow_changed_and_taken_back_votes_by_the_difference(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        one, two = make_output(tx, agent, now), make_output(tx, agent, now - timedelta(days=3))
        lea = make_person(tx, "lea", now)
        rate(tx, now, one, lea, True)
        rate(tx, now, two, lea, True)
    with db.transaction() as tx:
        rate(tx, now, one, lea, False)
        rate(tx, now, two, lea, None)
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Observation)) == 1
        assert reading.score(tx, agent.id, "2026-11-01", "2026-11-30", "people").share == 0.0
        assert reading.score(tx, agent.id, "2026-11-17", "2026-11-17", "people").n == 0
    rows_add_up(db)


def test_an_edited_output_counts_half_and_an_ignored_one_not_at_all(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        outputs = [make_output(tx, agent, now) for _ in range(4)]
        for number, (output, result) in enumerate(zip(outputs, ("accepted", "edited", "overridden", "ignored"), strict=True)):
            tx.add(Outcome(agent_id=agent.id, ext_id=f"c{number}", occurred_at=now, received_at=now, content="", output_id=output.id, result=result))
        reobserve(tx, now, agent.id, [output.id for output in outputs], "outcomes")
    with db.reading() as tx:
        score = reading.score(tx, agent.id, "2026-11-20", "2026-11-20", "outcomes")
        assert (score.share, score.n) == (0.5, 3)
    rows_add_up(db)


def test_evaluations_of_an_output_are_averaged_over_their_names(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now, evaluations={"toxicity": {"at_most": 0.1}})
        output = make_output(tx, agent, now)
        for number, (name, score, label) in enumerate((("toxicity", 0.05, None), ("faithfulness", 0.2, None), ("format", None, "pass"))):
            tx.add(Evaluation(agent_id=agent.id, ext_id=f"e{number}", occurred_at=now, received_at=now, content="", output_id=output.id, name=name, score=score, label=label))
        reobserve(tx, now, agent.id, [output.id], "evaluations")
        reobserve(tx, now, agent.id, [output.id], "evaluations")
    with db.reading() as tx:
        assert round(tx.scalars(select(Observation.share)).one(), 4) == 0.6667
    rows_add_up(db)


def test_thousands_of_imported_ratings_are_observed_once_each(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        outputs = [make_output(tx, agent, now - timedelta(days=number % 40)) for number in range(1200)]
        given = [RatingIn(agent.id, output.id, f"rater-{who}@example.com", (number + who) % 4 != 0, None, None, None, output.occurred_at) for number, output in enumerate(outputs) for who in range(2)]
        answers = rate_many(tx, now, given, live=False)
        assert answers == [None] * 2400
    with db.reading() as tx:
        score = reading.score(tx, agent.id, "2026-01-01", "2026-12-31", "people")
        assert (score.n, round(score.share or 0, 4)) == (1200, 0.75)
        assert reading.totals(tx, agent.id, "2026-01-01", "2026-12-31").ratings == 2400
    rows_add_up(db)


def test_the_folded_row_says_what_status_shows(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now - timedelta(days=60))
        people = [make_person(tx, f"p{number}", now) for number in range(2)]
        for number in range(40):
            rate(tx, now, make_output(tx, agent, now - timedelta(hours=number)), people[number % 2], number % 10 != 0)
        counts = Counts()
        counts.add(agent.id, "UTC", counting.RUNS, now - timedelta(minutes=5), 3, 900)
        counts.add(agent.id, "UTC", counting.RUNS_FAILED, now - timedelta(minutes=5), 1)
        counts.add(agent.id, "UTC", counting.OUTPUTS, now - timedelta(minutes=5), 2)
        counts.add(agent.id, "UTC", "cost.USD", now - timedelta(minutes=5), 1, 3_100_000)
        counts.write(tx, now)
    fold(db, now)
    with db.reading() as tx:
        row = reading.now_of(tx, agent.id)
        assert row is not None
        assert (row.verdict, row.share, row.n, row.machine, row.dirty_at) == ("watch", 0.9, 40, False, None)
        assert row.why == "people found 90% of 40 outputs good in 7 days (79.6% to 95%); the target of 80% (a default) lies inside the interval"
        facts = row.facts
        assert facts["today"]["runs"] == 3
        assert (facts["today"]["failed"], facts["today"]["outputs"], facts["today"]["costs"]) == (1, 2, {"USD": 3_100_000})
        assert len(facts["series"]["days"]) == 14
        assert facts["series"]["judged"][-4:] == [0, 7, 24, 9]
        assert facts["scores"]["people.volunteers"]["trailing"]["n"] == 40
        assert facts["scores"]["people.sampled"]["trailing"] == {"share": None, "low": 0.0, "high": 1.0, "n": 0, "cut": 0}
        assert row.refresh_at == datetime(2026, 11, 21, tzinfo=UTC)
        assert reading.recent(tx, agent.id, now - timedelta(hours=1), now).runs == 3
    with db.transaction() as tx:
        assert fold_step(tx, now) is False


def test_an_agent_grows_silent_by_time_alone_and_speaks_again(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now - timedelta(days=9))
        make_output(tx, agent, now)
        mark_dirty(tx, now, [agent.id])
    fold(db, now)

    def verdict() -> str:
        with db.reading() as tx:
            return tx.scalars(select(AgentNow.verdict)).one()

    assert verdict() == "learning"
    fold(db, datetime(2026, 11, 23, 7, 59, tzinfo=UTC))
    assert verdict() == "learning"  # the weekend is no working day
    fold(db, datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    assert verdict() == "silent"
    with db.transaction() as tx:
        make_output(tx, tx.get_one(Agent, agent.id), datetime(2026, 11, 23, 9, tzinfo=UTC))
        mark_dirty(tx, datetime(2026, 11, 23, 9, tzinfo=UTC), [agent.id])
    fold(db, datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert verdict() == "learning"


def test_an_agent_that_reports_only_runs_is_heard_by_them(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now - timedelta(days=30), expect_every="1h")
        tx.add(Run(agent_id=agent.id, ext_id="r", occurred_at=now - timedelta(minutes=30), received_at=now, content="", status="ok"))
    fold(db, now)
    with db.reading() as tx:
        assert tx.scalars(select(AgentNow.verdict)).one() == "learning"
    fold(db, now + timedelta(minutes=30))
    with db.reading() as tx:
        assert tx.scalars(select(AgentNow.verdict)).one() == "silent"


def test_a_stopped_agent_is_paused_and_a_new_target_is_noticed_without_any_event(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
    fold(db, now)
    with db.transaction() as tx:
        tx.scalars(select(Stage)).one().stage = "suspended"
    fold(db, now)
    with db.reading() as tx:
        assert tx.scalars(select(AgentNow.why)).one() == "suspended since 20 Nov; its checks rest"
    with db.transaction() as tx:
        tx.scalars(select(Stage)).one().stage = "assisted"
        changed = tx.get_one(Agent, agent.id)
        changed.spec, changed.spec_rev = {**changed.spec, "target": 0.95}, 2
    fold(db, now)
    with db.reading() as tx:
        row = tx.scalars(select(AgentNow)).one()
        assert (row.verdict, row.facts["target"], row.facts["target_is_default"]) == ("learning", 0.95, False)


def test_a_poisoned_agent_steps_aside_and_the_others_are_folded(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        bad, good = make_agent(tx, now, "bad-one"), make_agent(tx, now, "good-one")
        bad.spec = {"name": "no owners, no channel"}
        mark_dirty(tx, now, [bad.id, good.id])
    fold(db, now)
    with db.reading() as tx:
        rows = {row.agent_id: row for row in tx.scalars(select(AgentNow))}
        assert rows[good.id].folded_at == now
        assert (rows[bad.id].folded_at, rows[bad.id].dirty_at) == (None, now + timedelta(minutes=5))


def test_the_baseline_is_frozen_once_and_the_decision_is_recorded(db: Database, clock: MovedClock) -> None:
    start = datetime(2026, 10, 1, 12, tzinfo=UTC)
    with db.transaction() as tx:
        agent = make_agent(tx, start)
        given = []
        for number in range(45 * 12):
            output = make_output(tx, agent, start + timedelta(days=number // 12))
            good = number % 10 != 0 if number // 12 < 28 else number % 2 == 0
            given.append(RatingIn(agent.id, output.id, f"p{number % 4}@example.com", good, None, None, None, output.occurred_at))
        rate_many(tx, clock.now(), given, live=False)
        mark_dirty(tx, clock.now(), [agent.id])
    fold(db, clock.now())
    fold(db, clock.now() + timedelta(days=3))
    with db.reading() as tx:
        baseline = tx.scalars(select(Baseline)).one()
        assert (baseline.first_day, baseline.last_day, baseline.n, baseline.label) == ("2026-10-01", "2026-10-28", 336, "since we started looking")
        assert round(baseline.share, 3) == round(302 / 336, 3)
        decision = tx.scalars(select(Decision)).one()
        assert decision.words == "Baseline of people frozen: 90% of 336 outputs good, 2026-10-01 to 2026-10-28, since we started looking"
    fold(db, datetime(2026, 11, 14, 13, tzinfo=UTC))
    with db.reading() as tx:
        row = reading.now_of(tx, agent.id)
        assert row is not None
        assert row.facts["baseline"]["people"]["n"] == 336


def test_what_comes_in_while_an_agent_is_being_folded_is_folded_next(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        mark_dirty(tx, now, [agent.id])
    with db.transaction() as tx:
        claim = claim_due(tx, now)
    with db.reading() as tx:
        decided = decide(tx, now, claim)
    with db.transaction() as tx:
        rate(tx, now, make_output(tx, agent, now), make_person(tx, "lea", now), True)
        mark_dirty(tx, now - timedelta(seconds=1), [agent.id])  # a group that took its time before it waited for the lane
    with db.transaction() as tx:
        write(tx, now, claim, decided)
    with db.reading() as tx:
        row = tx.scalars(select(AgentNow)).one()
        assert (row.folded_at, row.dirty_at, row.n) == (now, now - timedelta(seconds=1), 0)
    fold(db, now)
    with db.reading() as tx:
        row = tx.scalars(select(AgentNow)).one()
        assert (row.dirty_at, row.n) == (None, 1)


def test_an_agent_whose_fold_died_is_folded_a_minute_later_and_who_cannot_wait_folds_it_now(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        mark_dirty(tx, now, [agent.id])
    with db.transaction() as tx:
        claim = claim_due(tx, now)
        assert list(claim.rows) == [agent.id]
        assert claim_due(tx, now).rows == {}
        assert list(claim_due(tx, now + timedelta(minutes=1)).rows) == [agent.id]
    with db.reading() as tx:
        decided = decide(tx, now, claim)
    later = now + timedelta(seconds=2)
    with db.transaction() as tx:
        fold_now(tx, later, [agent.id])
        assert claim_due(tx, now + timedelta(minutes=1)).rows == {}
    with db.transaction() as tx:
        write(tx, now, claim, decided)  # the one that was slower changes nothing
    with db.reading() as tx:
        assert tx.scalars(select(AgentNow.folded_at)).one() == later
