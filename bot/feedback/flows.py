"""A vote is given, changed or taken back, over every surface; the score, the counts and the lists follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.feedback.posting import outputs_arrived, recount
from bot.feedback.reading import tallies
from bot.feedback.reviews import reviews_judged
from bot.feedback.rules import Tally
from bot.quality import counting
from bot.quality.counting import Counts
from bot.quality.flows import mark_dirty, reobserve
from bot.tables import Agent, Output, Vote

__all__ = ["RatingIn", "outputs_arrived", "rate_many", "rate_output", "take_back", "tell_more"]

CHUNK = 500


@dataclass(frozen=True, slots=True)
class RatingIn:
    """One person's rating of one output as it comes in; `good` None takes back what this surface said before."""

    agent_id: int
    output_id: int
    person_id: int
    good: bool | None
    at: datetime  # the source's time
    reason: str | None = None
    comment: str | None = None
    correction: str | None = None
    surface: str = "api"


def rate_output(
    tx: Session,
    now: datetime,
    output: Output,
    person_id: int,
    good: bool | None,
    *,
    surface: str,
    at: datetime | None = None,
    reason: str | None = None,
) -> Tally:
    """One press: this person finds this output good or bad (None: this surface takes its vote back).

    The same thumb twice keeps the vote with its reason and words; the other thumb begins anew. Returns how many
    people's votes count now.
    """
    rating = RatingIn(output.agent_id, output.id, person_id, good, at or now, reason=reason, surface=surface)
    agent = tx.get_one(Agent, output.agent_id)
    if good is not None:
        counts = Counts()
        counts.add(agent.id, agent.zone, counting.RATINGS_GOOD if good else counting.RATINGS_BAD, at or now)
        counts.write(tx, now)
    rate_many(tx, now, [rating], live=True)
    return tallies(tx, [output.id])[output.id]


def rate_many(tx: Session, now: datetime, rows: list[RatingIn], *, live: bool) -> None:
    """Take many ratings in: of one person, output and surface the latest by the source's time stays.

    The outputs are locked in the order of their ids. `live` also brings what Slack shows up to date; an import does
    not. The counters `ratings.*` are the caller's.
    """
    by_agent: dict[int, list[RatingIn]] = {}
    for row in rows:
        by_agent.setdefault(row.agent_id, []).append(row)
    for agent_id in sorted(by_agent):
        given = by_agent[agent_id]
        ids = sorted({row.output_id for row in given})
        for start in range(0, len(ids), CHUNK):
            tx.execute(select(Output.id).where(Output.id.in_(ids[start : start + CHUNK])).order_by(Output.id).with_for_update(key_share=True))
        _vote(tx, now, given, ids)
        reviews_judged(tx, now, {(row.output_id, row.person_id) for row in given}, live=live)
        reobserve(tx, now, agent_id, ids, "people")
        if live:
            recount(tx, now, agent_id, ids)
    mark_dirty(tx, now, by_agent)


def _vote(tx: Session, now: datetime, given: Iterable[RatingIn], ids: list[int]) -> None:
    had: dict[tuple[int, int, str], Vote] = {}
    for start in range(0, len(ids), CHUNK):
        wanted = select(Vote).where(Vote.output_id.in_(ids[start : start + CHUNK]))
        for vote in tx.scalars(wanted.execution_options(populate_existing=True)):
            had[vote.output_id, vote.person_id, vote.surface] = vote
    new: dict[tuple[int, int, str], dict[str, Any]] = {}
    for row in sorted(given, key=lambda each: each.at):
        key = (row.output_id, row.person_id, row.surface)
        words = {"reason": row.reason, "comment": row.comment, "correction": row.correction}
        old = had.get(key)
        if old is None:
            before = new.get(key)
            if before is not None and before["good"] == row.good:
                words = {name: value if value is not None else before[name] for name, value in words.items()}
            new[key] = {
                "agent_id": row.agent_id, "output_id": row.output_id, "person_id": row.person_id, "surface": row.surface,
                "good": row.good, "may_ask": False, "voted_at": row.at, "received_at": now, **words,
            }  # fmt: skip
        elif row.at >= old.voted_at:
            if old.good is not row.good:
                old.reason = old.comment = old.correction = None
                old.may_ask = False
            old.good, old.voted_at, old.received_at = row.good, row.at, now
            for name, value in words.items():
                if value is not None:
                    setattr(old, name, value)
    tx.flush()
    fresh = list(new.values())
    for start in range(0, len(fresh), CHUNK):
        tx.execute(insert(Vote), fresh[start : start + CHUNK])


def take_back(tx: Session, now: datetime, output: Output, person_id: int) -> bool:
    """`Take back`: nothing this person said of this output over any surface counts any more; False where nothing did."""
    tx.execute(select(Output.id).where(Output.id == output.id).with_for_update(key_share=True))
    wanted = select(Vote).where(Vote.output_id == output.id, Vote.person_id == person_id, Vote.good.is_not(None))
    votes = list(tx.scalars(wanted.execution_options(populate_existing=True)))
    if votes:
        gone = [RatingIn(output.agent_id, output.id, person_id, None, max(now, vote.voted_at), surface=vote.surface) for vote in votes]
        rate_many(tx, now, gone, live=True)
    return bool(votes)


def tell_more(
    tx: Session, now: datetime, output: Output, person_id: int, *, reason: str | None, correction: str | None, comment: str | None, may_ask: bool
) -> bool:
    """Words beside a vote that counts: what it should have said, and whether the owners may ask; False where there is no vote."""
    tx.execute(select(Output.id).where(Output.id == output.id).with_for_update(key_share=True))
    wanted = select(Vote).where(Vote.output_id == output.id, Vote.person_id == person_id, Vote.good.is_not(None))
    vote = tx.scalars(wanted.order_by(Vote.voted_at.desc(), Vote.received_at.desc(), Vote.id.desc()).limit(1)).first()
    if vote is None:
        return False
    vote.reason, vote.correction, vote.comment, vote.may_ask = reason or None, correction or None, comment or None, may_ask
    tx.flush()
    return True
