"""What people, evaluations and outcomes say of an output becomes one observation per source, and moves the counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import at_local
from bot.quality import counting
from bot.quality.counting import Counts
from bot.quality.folding import fold_step
from bot.quality.marks import mark_dirty
from bot.quality.reading import METRIC_OF
from bot.quality.rules import OUTCOME_SHARES, SETTLES_AFTER, SETTLES_AT_VOTES, evaluation_good
from bot.tables import Agent, Evaluation, Observation, Outcome, Output, Review, Vote

__all__ = ["SOURCES", "fold_step", "mark_dirty", "reobserve"]

CHUNK = 500


@dataclass(frozen=True)
class Judged:
    """What one source says of one output now."""

    share: float
    votes: int
    first_at: datetime


def reobserve(tx: Session, now: datetime, agent_id: int, output_ids: Iterable[int], source: str) -> int:
    """Recompute the observations of those outputs from the rows present, and correct the counters by the difference.

    `source` is people, evaluations or outcomes. An output nothing is said of any more loses its observation. The
    outputs are locked (in the order of their ids) before anything is read, so two people at once both count.
    Returns how many observations changed. Whoever calls this marks the agent dirty.
    """
    agent = tx.get_one(Agent, agent_id)
    ids = sorted(set(output_ids))
    counts, noons, changed = Counts(), dict[str, datetime](), 0

    def count(day: str, sampled: bool, n: int, share: float) -> None:
        at = noons.get(day) or noons.setdefault(day, at_local(date.fromisoformat(day), time(12), agent.zone))
        total = n * round(share * 1000)
        counts.add(agent_id, agent.zone, METRIC_OF[source], at, n, total)
        if sampled:
            counts.add(agent_id, agent.zone, counting.QUALITY_PEOPLE_SAMPLED, at, n, total)

    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        wanted = select(Output.id, Output.local_day).where(Output.id.in_(chunk), Output.agent_id == agent_id)
        days = {row.id: row.local_day for row in tx.execute(wanted.order_by(Output.id).with_for_update(key_share=True))}
        judged = SOURCES[source](tx, agent, chunk)
        sampled = _sampled(tx, chunk) if source == "people" else set()
        had = {row.output_id: row for row in tx.execute(_observations(chunk, source))}
        new: list[dict[str, Any]] = []
        mended: list[dict[str, Any]] = []
        gone: list[int] = []
        for output_id, day in days.items():
            old, says = had.get(output_id), judged.get(output_id)
            now_sampled = output_id in sampled
            if old is None and says is None:
                continue
            if old is not None and says is not None:
                # A thumb pressed again has a new time; the output was still judged first when it was.
                says = replace(says, first_at=min(says.first_at, old.first_at))
                same = (old.share, old.votes, old.sampled, old.local_day, old.first_at)
                if same == (says.share, says.votes, now_sampled, day, says.first_at):
                    continue
            changed += 1
            if old is not None:
                count(old.local_day, old.sampled, -1, old.share)
            if says is None:
                if old is not None:
                    gone.append(old.id)
                continue
            count(day, now_sampled, 1, says.share)
            settles = min(now, says.first_at + SETTLES_AFTER) if says.votes >= SETTLES_AT_VOTES else says.first_at + SETTLES_AFTER
            row = {"share": says.share, "votes": says.votes, "sampled": now_sampled, "local_day": day, "first_at": says.first_at}
            if old is not None:
                mended.append({"id": old.id, **row, "settles_at": min(settles, old.settles_at) if says.votes >= SETTLES_AT_VOTES else settles})
            else:
                new.append({"agent_id": agent_id, "output_id": output_id, "source": source, "settled": False, **row, "settles_at": settles})
        if new:
            tx.execute(insert(Observation), new)
        if mended:
            tx.execute(update(Observation), mended)
        if gone:
            tx.execute(delete(Observation).where(Observation.id.in_(gone)), execution_options={"synchronize_session": False})
    counts.write(tx, now)
    return changed


def _people(tx: Session, agent: Agent, ids: list[int]) -> dict[int, Judged]:
    wanted = select(Vote.output_id, Vote.person_id, Vote.good, Vote.voted_at).where(Vote.output_id.in_(ids), Vote.good.is_not(None))
    latest: dict[int, dict[int, tuple[bool, datetime]]] = {}
    for output_id, person_id, good, at in tx.execute(wanted.order_by(Vote.voted_at, Vote.received_at, Vote.id)):
        latest.setdefault(output_id, {})[person_id] = (bool(good), at)
    return {
        output_id: Judged(sum(good for good, _ in votes.values()) / len(votes), len(votes), min(at for _, at in votes.values()))
        for output_id, votes in latest.items()
    }


def _evaluations(tx: Session, agent: Agent, ids: list[int]) -> dict[int, Judged]:
    rules = spec_of(agent).evaluations
    rows = tx.execute(
        select(Evaluation.output_id, Evaluation.good, Evaluation.name, Evaluation.score, Evaluation.label, Evaluation.occurred_at).where(Evaluation.output_id.in_(ids))
    )
    said: dict[int, list[tuple[float, datetime]]] = {}
    for output_id, good, name, score, label, at in rows:
        verdict = good if good is not None else evaluation_good(rules.get(name), score, label)
        if output_id is not None and verdict is not None:
            said.setdefault(output_id, []).append((float(verdict), at))
    return _means(said)


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


def _sampled(tx: Session, ids: list[int]) -> set[int]:
    # Asked for and judged: an output of the sample that only a passer-by judged is a volunteer's after all.
    return set(tx.scalars(select(Review.output_id).where(Review.output_id.in_(ids), Review.state == "done")))


def _observations(ids: list[int], source: str) -> Any:
    seen = Observation
    columns = (seen.id, seen.output_id, seen.share, seen.votes, seen.sampled, seen.local_day, seen.first_at, seen.settles_at)
    return select(*columns).where(seen.output_id.in_(ids), seen.source == source)
