"""A drop of quality is noticed, told once with what is known of it, and ended by recovery or by a decision."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from bot.agents.sampling import Sampling
from bot.checks import drifting
from bot.checks import flows as checks
from bot.clock import MovedClock
from bot.db import Database
from bot.feedback.flows import RatingIn, rate_many
from bot.quality.drift import flows, rebasing
from bot.quality.drift.messages import few_lines, offered, reach_words, state_lines
from bot.quality.drift.reading import better_since, watched_of
from bot.quality.drift.watching import Watch, alarms_a_year
from bot.quality.flows import fold_step, mark_dirty, reobserve
from bot.tables import (
    Agent,
    AgentNow,
    Baseline,
    Change,
    Check,
    Decision,
    Detector,
    Drift,
    Evaluation,
    Fed,
    ImportRun,
    Observation,
    Output,
    Problem,
    Vote,
)
from tests.feedback.scene import make_agent, make_output, make_person, rate

DAY = timedelta(days=1)
_ids = count(1)


def judged(tx: Session, now: datetime, agent: Agent, days: Iterable[tuple[datetime, int, int]], kind: str = "reply") -> None:
    """Evaluated outputs: (day, good ones, bad ones), mixed by a fixed seed, an output every few minutes."""
    dice, labels, outputs = random.Random(7), list[str](), list[dict[str, Any]]()
    for day, good, bad in days:
        verdicts = ["pass"] * good + ["fail"] * bad
        dice.shuffle(verdicts)
        labels += verdicts
        for number in range(len(verdicts)):
            at = day + timedelta(minutes=number * 5)
            outputs.append({"agent_id": agent.id, "ext_id": f"x{next(_ids)}", "occurred_at": at, "received_at": at, "kind": kind, "local_day": f"{at:%Y-%m-%d}", "content": "", "known": True, "ours": False})
    ids = list(tx.scalars(insert(Output).returning(Output.id, sort_by_parameter_order=True), outputs))
    said = [{"agent_id": agent.id, "ext_id": each["ext_id"], "occurred_at": each["occurred_at"], "received_at": each["occurred_at"], "content": "", "name": "judge"} for each in outputs]
    tx.execute(insert(Evaluation), [{**each, "output_id": output_id, "label": label} for each, output_id, label in zip(said, ids, labels, strict=True)])
    reobserve(tx, now, agent.id, ids, "evaluations")
    mark_dirty(tx, now, [agent.id])


def settle(db: Database, now: datetime) -> None:
    """Let detectors, folds and checks come to rest."""
    for _ in range(60):
        busy = False
        for step in (flows.settle_step, flows.mark_step, fold_step, drifting.watch_step):
            with db.transaction() as tx:
                busy = step(tx, now) or busy
        if not busy:
            break
    with db.transaction() as tx:
        tx.execute(update(Check).values(due_at=now))
        checks.look_step(tx, now)


def with_baseline(db: Database, now: datetime) -> int:
    """An agent with 28 days of 12 judged outputs, one in twelve bad, and a frozen baseline."""
    with db.transaction() as tx:
        agent = make_agent(tx, now - 60 * DAY, target=0.5)
        judged(tx, now, agent, [(now - (30 - day) * DAY, 11, 1) for day in range(28)])
    settle(db, now)
    return agent.id


def test_a_drop_is_noticed_told_once_with_what_is_near_it_and_ends_when_quality_is_back(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    agent_id = with_baseline(db, now)
    with db.transaction() as tx:
        base = tx.scalars(select(Baseline)).one()
        assert (base.source, base.n, round(base.share, 3)) == ("evaluations", 336, 0.917)
        agent = tx.get_one(Agent, agent_id)
        judged(tx, now, agent, [(now - (1 - day) * DAY, 11, 1) for day in range(2)])
        tx.add(Change(agent_id=agent_id, ext_id="c1", occurred_at=now + 2 * DAY, received_at=now, content="c", input="system-prompt", version="prompt-15"))
    for day in range(1, 9):
        with db.transaction() as tx:
            agent = tx.get_one(Agent, agent_id)
            judged(tx, now + day * DAY, agent, [(now + day * DAY, 11, 1) if day == 1 else (now + day * DAY, 4, 4)], kind="reply" if day == 1 else "refund")
            if day > 1:
                judged(tx, now + day * DAY, agent, [(now + day * DAY + timedelta(hours=2), 4, 0)])
        settle(db, now + day * DAY + timedelta(hours=23))
    later = now + 10 * DAY
    settle(db, later)
    with db.reading() as tx:
        drift = tx.scalars(select(Drift)).one()
        assert (drift.side, drift.told, drift.ended_at) == ("worse", True, None)
        assert abs(drift.since - (now + 2 * DAY)) < DAY
        assert any("prompt-15" in each for each in drift.near)
        assert drift.segment is not None
        assert (drift.segment["part"], drift.segment["value"]) == ("kind", "refund")
        problem = tx.scalars(select(Problem)).one()
        assert problem.severity == "notice"
        assert "refund" in problem.says
        assert "prompt-15" in problem.says
        assert "good by evaluations since about" in problem.says
        row = tx.scalars(select(AgentNow).where(AgentNow.agent_id == agent_id)).one()
        assert (row.verdict, "it is drifting" in row.why) == ("watch", True)
        assert [each["side"] for each in row.facts["drift"]] == ["worse"]
        noticed = drift.noticed_at
        fed = tx.scalars(select(Detector.fed)).one()
        assert fed == tx.scalar(select(func.count()).where(Observation.settled, Observation.local_day > "2026-11-17"))
    # Nothing more is said while it lasts; then quality comes back.
    for day in range(11, 50):
        with db.transaction() as tx:
            judged(tx, now + day * DAY, tx.get_one(Agent, agent_id), [(now + day * DAY, 11, 1)])
        if day % 10 == 9:
            settle(db, now + day * DAY + timedelta(hours=23))
    with db.reading() as tx:
        drift = tx.scalars(select(Drift)).one()
        assert (drift.noticed_at, drift.ended_why) == (noticed, "recovered")
        assert tx.scalars(select(Problem)).one().closed_at is not None
        assert tx.scalars(select(AgentNow.verdict).where(AgentNow.agent_id == agent_id)).one() == "worth using"
        assert [each.action for each in tx.scalars(select(Decision).order_by(Decision.id)) if each.action.startswith("drift.")] == ["drift.worse", "drift.recovered"]


def test_each_output_is_fed_once_whatever_is_said_of_it_later(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    agent_id = with_baseline(db, now)
    with db.transaction() as tx:
        output = make_output(tx, tx.get_one(Agent, agent_id), now)
        people = [make_person(tx, f"p{number}", now) for number in range(4)]
        for person in people[:3]:
            rate(tx, now, output, person, True)
    settle(db, now)

    def stands(source: str) -> tuple[bool, int]:
        with db.reading() as tx:
            return tx.scalar(select(Observation.settled).where(Observation.source == source, Observation.output_id == output.id)), int(tx.scalar(select(func.count()).where(Observation.settled, Observation.source == source)) or 0)

    assert stands("people") == (True, 1)
    with db.transaction() as tx:  # a late vote changes the score, not what was fed
        rate(tx, now, output, people[3], False)
    settle(db, now)
    assert stands("people") == (True, 1)
    with db.transaction() as tx:  # all take their votes back, and one votes again
        for person in people:
            rate(tx, now, output, person, None)
        assert tx.scalars(select(Fed.source)).all() == ["people"]
        rate(tx, now + DAY, output, people[0], False)
    with db.reading() as tx:
        assert tx.scalars(select(Observation.settled).where(Observation.source == "people")).one() is True  # never fed again


def test_two_processes_at_once_and_a_lost_transaction_feed_nothing_twice(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    agent_id = with_baseline(db, now)
    later = now + 5 * DAY
    with db.transaction() as tx:
        judged(tx, now, tx.get_one(Agent, agent_id), [(now + day * DAY, 18, 2) for day in range(3)])
    try:
        with db.transaction() as tx:
            flows.settle_step(tx, later)
            raise RuntimeError("killed before the commit")
    except RuntimeError:
        pass
    with db.transaction() as tx:
        flows.settle_step(tx, later)
        if not db.is_sqlite:  # the second finds the row taken, and waits for nothing
            with db.transaction() as other:
                other.execute(text("SET LOCAL lock_timeout = '1s'"))
                assert flows.settle_step(other, later) is False
    settle(db, later)
    with db.reading() as tx:
        detector = tx.scalars(select(Detector).where(Detector.source == "evaluations")).one()
        rows = tx.execute(select(Observation.share, Observation.settles_at).where(Observation.local_day > "2026-11-17", Observation.settled).order_by(Observation.settles_at, Observation.id)).all()
        assert detector.fed == len(rows) == 60
        base = tx.scalars(select(Baseline)).one()
        alone = Watch.begin(base.share, base.n, 1, 28)
        for share, at in rows:
            alone.add(1 - share, at.timestamp(), alarms_a_year(1))
        assert detector.body == alone.as_json()  # to the last bit


def test_a_history_with_a_drop_in_it_is_learnt_from_and_told_to_nobody(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now, target=0.5)
        good = [(now - (200 - day) * DAY, 18, 2) for day in range(60)]
        bad = [(now - (140 - day) * DAY, 12, 8) for day in range(30)]
        back = [(now - (110 - day) * DAY, 18, 2) for day in range(60)]
        rise = [(now - (50 - day) * DAY, 20, 0) for day in range(49)]
        judged(tx, now, agent, [*good, *bad, *back, *rise])
        tx.add(ImportRun(digest="history", started_at=now, finished_at=now, done_bytes=1, accepted=1, duplicates=0, refused=0))
    settle(db, now)
    with db.reading() as tx:
        drifts = tx.scalars(select(Drift).order_by(Drift.id)).all()
        assert [(each.side, each.ended_why, each.told) for each in drifts] == [("worse", "recovered", False), ("better", "", False)]
        assert abs(drifts[0].since - (now - 139 * DAY)) < 3 * DAY
        assert tx.scalars(select(Problem)).all() == []
        assert tx.scalars(select(Check)).all() == []
        assert better_since(tx, agent.id) == []
    # What people judge from now on makes the rise the present: evidence for promotion.
    with db.transaction() as tx:
        judged(tx, now, tx.get_one(Agent, agent.id), [(now + timedelta(minutes=1), 20, 0)])
    settle(db, now + DAY + timedelta(hours=3))
    with db.reading() as tx:
        (rise_,) = better_since(tx, agent.id)
        assert rise_.after > rise_.before
        assert tx.scalars(select(Problem)).all() == []


def test_a_known_drift_is_not_told_again_and_a_new_baseline_is_a_recorded_decision(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    agent_id = with_baseline(db, now)
    with db.transaction() as tx:
        judged(tx, now, tx.get_one(Agent, agent_id), [(now + day * DAY, 6, 6) for day in range(4)])
        maya = make_person(tx, "maya", now)
    at = now + 5 * DAY
    settle(db, at)
    with db.transaction() as tx:
        assert tx.scalars(select(Problem.closed_at)).one() is None
        assert rebasing.call_known(tx, at, tx.get_one(Agent, agent_id), "evaluations", person_id=maya.id, words="the new index")
        assert not rebasing.call_known(tx, at, tx.get_one(Agent, agent_id), "people", person_id=maya.id)
    settle(db, at + timedelta(hours=1))
    with db.transaction() as tx:
        assert tx.scalars(select(Problem.closed_at)).one() is not None
        agent = tx.get_one(Agent, agent_id)
        assert any("Known since" in line and "Maya" in line for line in state_lines(watched_of(tx, at, [agent])[agent_id], at))
        first, judged_ = rebasing.rebase(tx, at, agent, "evaluations", person_id=maya.id, words="the new index stays")
        assert (first, judged_) == ("2026-11-20", 48)
        source = watched_of(tx, at, [agent])[agent_id].sources[0]
        assert "48 of 300 judged outputs, 252 more are needed" in reach_words(source, Sampling())
    with db.transaction() as tx:
        judged(tx, at, tx.get_one(Agent, agent_id), [(at + day * DAY, 15, 15) for day in range(10)])
    for day in (11, 12, 14):
        settle(db, at + day * DAY)
    with db.reading() as tx:
        old, new = tx.scalars(select(Baseline).order_by(Baseline.id)).all()
        assert (old.current, new.current, new.label, round(new.share, 1)) == (False, True, "measured from 20 Nov", 0.5)
        detector = tx.scalars(select(Detector).where(Detector.source == "evaluations")).one()
        assert (detector.state, detector.baseline_id, detector.rebase_from) == ("steady", new.id, None)
        assert tx.scalars(select(Drift)).one().ended_why == "rebased"
        assert {"drift.worse", "drift.known", "baseline.rebase"} <= set(tx.scalars(select(Decision.action)))


def test_too_few_judgements_are_said_with_how_many_it_takes_and_how_to_get_them(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now - 200 * DAY)
        outputs = [make_output(tx, agent, now - timedelta(hours=8 * number + 30)) for number in range(480)]
        given = [RatingIn(agent.id, each.id, f"rater-{number % 40}@example.com", number % 10 != 0, None, None, None, each.occurred_at) for number, each in enumerate(outputs)]
        rate_many(tx, now, given, live=False)
        mark_dirty(tx, now, [agent.id])
    settle(db, now)
    with db.reading() as tx:
        (source,) = watched_of(tx, now, [agent])[agent.id].sources
        assert source.reach is not None
        assert not source.reach.enough
        assert source.reach.needed is not None
        assert 15 < source.reach.needed < 60
        said = reach_words(source, Sampling(agent.slug))
        assert few_lines(watched_of(tx, now, [agent])[agent.id]) == [said]
        assert f"within 7 days it takes about {source.reach.needed} a day" in said
        # Nobody owns it, so nobody is there to be asked: that is said, and nothing is offered.
        assert "there is nobody to ask: name reviewers in aiops.yml" in said
        assert offered(watched_of(tx, now, [agent])[agent.id]) == 0
        plan = tx.execute(text("EXPLAIN " + ("QUERY PLAN " if db.is_sqlite else "") + "SELECT agent_id, source FROM observations WHERE observations.settled IS FALSE AND settles_at <= '2026-11-20' ORDER BY settles_at LIMIT 1000")).all()
        if db.is_sqlite:
            assert "ix_observations_settles_at" in str(plan)


def test_what_was_fed_of_a_stub_is_not_fed_again_of_the_output_it_turned_out_to_be(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        stub, heard = make_output(tx, agent, now, known=False), make_output(tx, agent, now)
        for name in ("lea", "omar", "maya"):
            rate(tx, now, stub, make_person(tx, name, now), True)
    settle(db, now)
    with db.transaction() as tx:
        assert tx.scalars(select(Observation.settled)).one() is True
        tx.execute(update(Vote).values(output_id=heard.id))
        reobserve(tx, now, agent.id, [stub.id], "people")
        flows.pass_on_fed(tx, stub.id, heard.id)
        tx.execute(delete(Output).where(Output.id == stub.id))
        reobserve(tx, now, agent.id, [heard.id], "people")
    with db.reading() as tx:
        assert tx.execute(select(Observation.output_id, Observation.settled)).all() == [(heard.id, True)]
