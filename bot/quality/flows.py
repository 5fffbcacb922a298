"""What people, evaluations and outcomes say of an output becomes one observation per source, and moves the counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import at_local
from bot.quality import counting
from bot.quality.counting import Counts
from bot.quality.folding import fold_step
from bot.quality.marks import mark_dirty
from bot.quality.parts import EVALUATOR, MOST_NAMES, NAME, Ballot, PartCounts, Placed, place
from bot.quality.reading import METRIC_OF
from bot.quality.rules import OUTCOME_SHARES, SETTLES_AFTER, SETTLES_AT_VOTES, evaluation_good
from bot.quality.weights import agreement_metric
from bot.tables import Agent, AwaitedRun, Drawn, Evaluation, Fed, Observation, Outcome, Output, Review, Run, Vote

__all__ = ["SOURCES", "fold_step", "late_runs_step", "mark_dirty", "reobserve", "runs_awaited"]

CHUNK = 500
RUNS_AWAITED = timedelta(hours=6)


@dataclass(frozen=True)
class Judged:
    """What one source says of one output now."""

    share: float
    votes: int
    first_at: datetime
    ballots: tuple[Ballot, ...] = ()  # people's votes
    parts: dict[str, dict[str, float]] = field(default_factory=dict)  # evaluations, by name and by evaluator


def reobserve(tx: Session, now: datetime, agent_id: int, output_ids: Iterable[int], source: str) -> int:
    """Recompute the observations of those outputs from the rows present, and correct the counters by the difference.

    `source` is people, evaluations or outcomes. An output nothing is said of any more loses its observation. The
    outputs are locked (in the order of their ids) before anything is read, so two people at once both count.
    Returns how many observations changed. Whoever calls this marks the agent dirty.
    """
    agent = tx.get_one(Agent, agent_id)
    ids = sorted(set(output_ids))
    tally = Tallying(agent, source)
    for start in range(0, len(ids), CHUNK):
        _reobserve(tx, now, agent, ids[start : start + CHUNK], source, tally)
    tally.counts.write(tx, now)
    tally.parts.write(tx)
    return tally.changed


class Tallying:
    """What reobserving adds to the counters, in one transaction."""

    def __init__(self, agent: Agent, source: str) -> None:
        self.counts, self.parts, self.changed = Counts(), PartCounts(agent.id), 0
        self._agent, self._source = agent, source
        self._noons: dict[str, datetime] = {}

    def observed(self, day: str, sampled: bool, share: float, parts: dict[str, Any] | None, n: int) -> None:
        """Count an observation (`n` 1), or take it back (-1)."""
        self.count(METRIC_OF[self._source], day, n, n * round(share * 1000))
        if sampled:
            self.count(counting.QUALITY_PEOPLE_SAMPLED, day, n, n * round(share * 1000))
        if (parts or {}).get("shown"):
            self.count(counting.QUALITY_PEOPLE_SHOWN, day, n, 0)
        self.parts.add(self._source, day, share, parts, n)

    def count(self, metric: str, day: str, n: int, total: int) -> None:
        at = self._noons.get(day) or self._noons.setdefault(day, at_local(date.fromisoformat(day), time(12), self._agent.zone))
        self.counts.add(self._agent.id, self._agent.zone, metric, at, n, total)


def _reobserve(tx: Session, now: datetime, agent: Agent, chunk: list[int], source: str, tally: Tallying) -> None:
    wanted = select(Output.id, Output.local_day).where(Output.id.in_(chunk), Output.agent_id == agent.id)
    days = {row.id: row.local_day for row in tx.execute(wanted.order_by(Output.id).with_for_update(key_share=True))}
    if source == "people":
        _note_drawn(tx, chunk)
    judged = SOURCES[source](tx, agent, chunk)
    placed = place(tx, now, agent.id, sorted(judged))
    seen = {(row.output_id, row.source): row for row in tx.execute(_observations(chunk))}
    new: list[dict[str, Any]] = []
    mended: list[dict[str, Any]] = []
    gone: list[int] = []
    for output_id, day in days.items():
        old, says = seen.get((output_id, source)), judged.get(output_id)
        if old is None and says is None:
            continue
        sampled = says is not None and any(asked for _, _, asked in says.ballots)
        parts = _parts(placed[output_id], says, source) if says is not None else None
        if old is not None and says is not None:
            # A thumb pressed again has a new time; the output was still judged first when it was.
            says = replace(says, first_at=min(says.first_at, old.first_at))
            if (old.share, old.votes, old.sampled, old.local_day, old.first_at, old.parts) == (says.share, says.votes, sampled, day, says.first_at, parts):
                continue
        tally.changed += 1
        _count_agreement(tally, source, old, says, day, seen.get((output_id, BESIDE.get(source, ""))))
        if old is not None:
            tally.observed(old.local_day, old.sampled, old.share, old.parts, -1)
        if says is None:
            if old is not None:
                gone.append(old.id)
            continue
        tally.observed(day, sampled, says.share, parts, 1)
        settles = min(now, says.first_at + SETTLES_AFTER) if says.votes >= SETTLES_AT_VOTES else says.first_at + SETTLES_AFTER
        row = {"share": says.share, "votes": says.votes, "sampled": sampled, "local_day": day, "first_at": says.first_at, "parts": parts}
        if old is not None:
            mended.append({"id": old.id, **row, "settles_at": min(settles, old.settles_at) if says.votes >= SETTLES_AT_VOTES else settles})
        else:
            new.append({"agent_id": agent.id, "output_id": output_id, "source": source, "settled": False, **row, "settles_at": settles})
    if new:
        # An output whose observation was fed to a detector and taken back is not fed again (see quality.drift).
        fed = set(tx.scalars(select(Fed.output_id).where(Fed.source == source, Fed.output_id.in_([row["output_id"] for row in new]))))
        tx.execute(insert(Observation), [{**row, "settled": row["output_id"] in fed} for row in new])
    if mended:
        tx.execute(update(Observation), mended)
    if gone:
        removed = delete(Observation).where(Observation.id.in_(gone)).returning(Observation.output_id, Observation.settled)
        fed = {output_id for output_id, settled in tx.execute(removed, execution_options={"synchronize_session": False}) if settled}
        fed -= set(tx.scalars(select(Fed.output_id).where(Fed.source == source, Fed.output_id.in_(fed))))
        if fed:
            tx.execute(insert(Fed), [{"output_id": output_id, "source": source} for output_id in sorted(fed)])


def _parts(placed: Placed, says: Judged, source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"s": placed.segments, **says.parts}
    if source == "people":
        found["v"] = [list(each) for each in says.ballots]
        if placed.shown:
            found["shown"] = True
    return found


BESIDE = {"people": "evaluations", "evaluations": "people"}


def _count_agreement(tally: Tallying, source: str, old: Any, says: Judged | None, day: str, other: Any) -> None:
    """Whether people and evaluations say the same of an output that both judged, counted on the output's day."""
    if other is None:
        return

    def pair(share: float) -> str | None:
        return agreement_metric(share, other.share) if source == "people" else agreement_metric(other.share, share)

    before = pair(old.share) if old is not None else None
    after = pair(says.share) if says is not None else None
    if old is not None and before is not None:
        tally.count(before, old.local_day, -1, 0)
    if after is not None:
        tally.count(after, day, 1, 0)


def late_runs_step(tx: Session, now: datetime) -> bool:
    """Outputs that were judged before their run was reported are counted under its model and version once it is."""
    forgotten = AwaitedRun.since < now - RUNS_AWAITED
    tx.execute(delete(AwaitedRun).where(forgotten), execution_options={"synchronize_session": False})
    there = select(AwaitedRun.id, AwaitedRun.agent_id, AwaitedRun.output_id).join(Run, and_(Run.agent_id == AwaitedRun.agent_id, Run.ext_id == AwaitedRun.run))
    rows = tx.execute(there.order_by(AwaitedRun.id).limit(CHUNK)).all()
    outputs: dict[int, list[int]] = {}
    for row in rows:
        outputs.setdefault(row.agent_id, []).append(row.output_id)
    tx.execute(delete(AwaitedRun).where(AwaitedRun.id.in_([row.id for row in rows])), execution_options={"synchronize_session": False})
    for agent_id, ids in sorted(outputs.items()):
        for source in SOURCES:
            reobserve(tx, now, agent_id, ids, source)
    mark_dirty(tx, now, outputs)
    return len(rows) == CHUNK


def runs_awaited(tx: Session, now: datetime) -> bool:
    """Whether any judged output waits for its run."""
    return tx.scalar(select(AwaitedRun.id).limit(1)) is not None


def _people(tx: Session, agent: Agent, ids: list[int]) -> dict[int, Judged]:
    wanted = select(Vote.output_id, Vote.person_id, Vote.good, Vote.voted_at).where(Vote.output_id.in_(ids), Vote.good.is_not(None))
    latest: dict[int, dict[int, tuple[bool, datetime]]] = {}
    for output_id, person_id, good, at in tx.execute(wanted.order_by(Vote.voted_at, Vote.received_at, Vote.id)):
        latest.setdefault(output_id, {})[person_id] = (bool(good), at)
    asked = _asked(tx, ids)
    return {
        output_id: Judged(
            sum(good for good, _ in votes.values()) / len(votes),
            len(votes),
            min(at for _, at in votes.values()),
            tuple((person_id, good, (output_id, person_id) in asked) for person_id, (good, _) in sorted(votes.items())),
        )
        for output_id, votes in latest.items()
    }


def _evaluations(tx: Session, agent: Agent, ids: list[int]) -> dict[int, Judged]:
    rules = spec_of(agent).evaluations
    columns = (Evaluation.output_id, Evaluation.good, Evaluation.name, Evaluation.score, Evaluation.label, Evaluation.occurred_at, Evaluation.evaluator)
    said: dict[int, list[tuple[float, datetime]]] = {}
    apart: dict[int, dict[str, dict[str, list[float]]]] = {}
    for row in tx.execute(select(*columns).where(Evaluation.output_id.in_(ids)).order_by(Evaluation.id)):
        verdict = row.good if row.good is not None else evaluation_good(rules.get(row.name), row.score, row.label)
        if row.output_id is None or verdict is None:
            continue
        said.setdefault(row.output_id, []).append((float(verdict), row.occurred_at))
        mine = apart.setdefault(row.output_id, {NAME: {}, EVALUATOR: {}})
        for part, value in ((NAME, row.name), (EVALUATOR, row.evaluator)):
            if value is not None and (value in mine[part] or len(mine[part]) < MOST_NAMES):
                mine[part].setdefault(value, []).append(float(verdict))
    found = _means(said)
    for output_id, parts in apart.items():
        means = {part: {value: round(sum(each) / len(each), 4) for value, each in sorted(values.items())} for part, values in parts.items()}
        found[output_id] = replace(found[output_id], parts=means)
    return found


def _outcomes(tx: Session, agent: Agent, ids: list[int]) -> dict[int, Judged]:
    said: dict[int, list[tuple[float, datetime]]] = {}
    for output_id, result, at in tx.execute(select(Outcome.output_id, Outcome.result, Outcome.occurred_at).where(Outcome.output_id.in_(ids))):
        if result in OUTCOME_SHARES:
            said.setdefault(output_id, []).append((OUTCOME_SHARES[result], at))
    return _means(said)


def _means(said: dict[int, list[tuple[float, datetime]]]) -> dict[int, Judged]:
    return {output_id: Judged(sum(share for share, _ in votes) / len(votes), len(votes), min(at for _, at in votes)) for output_id, votes in said.items()}


SOURCES: dict[str, Callable[[Session, Agent, list[int]], dict[int, Judged]]] = {
    "people": _people,
    "evaluations": _evaluations,
    "outcomes": _outcomes,
}


def _asked(tx: Session, ids: list[int]) -> set[tuple[int, int]]:
    # Asked for and judged: an output of the sample that only a passer-by judged is a volunteer's after all.
    done = select(Review.output_id, Review.person_id).where(Review.output_id.in_(ids), Review.state == "done")
    return {(output_id, person_id) for output_id, person_id in tx.execute(done)}


def _note_drawn(tx: Session, ids: list[int]) -> None:
    """What those who were asked say of the drawn ones among these outputs: the unbiased estimate is made of it."""
    drawn = list(tx.scalars(select(Drawn).where(Drawn.output_id.in_(ids)).execution_options(populate_existing=True)))
    if not drawn:
        return
    ids = [row.output_id for row in drawn]
    asked, said = _asked(tx, ids), dict[int, dict[int, bool]]()
    votes = select(Vote.output_id, Vote.person_id, Vote.good).where(Vote.output_id.in_(ids), Vote.good.is_not(None))
    for output_id, person_id, good in tx.execute(votes.order_by(Vote.voted_at, Vote.received_at, Vote.id)):
        if (output_id, person_id) in asked:
            said.setdefault(output_id, {})[person_id] = bool(good)
    for row in drawn:
        mine = said.get(row.output_id, {})
        row.judges, row.good = len(mine), sum(mine.values())
        row.share = row.good / row.judges if mine else None
    tx.flush()


def _observations(ids: list[int]) -> Any:
    seen = Observation
    columns = (seen.id, seen.output_id, seen.source, seen.share, seen.votes, seen.sampled, seen.local_day, seen.first_at, seen.settles_at, seen.parts)
    return select(*columns).where(seen.output_id.in_(ids), seen.source.in_(SOURCES))
