"""A vote is given, changed or taken back, over every surface; the score, the counts and the lists follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.feedback.outward.letters import votes_changed
from bot.feedback.posting import outputs_arrived, recount
from bot.feedback.reading import tallies
from bot.feedback.reviews import reviews_judged
from bot.feedback.rules import REASONS, Tally
from bot.people.flows import person_for_report
from bot.people.rules import RULES, Act, Role, may
from bot.quality import counting
from bot.quality.counting import Counts
from bot.quality.flows import mark_dirty, reobserve
from bot.tables import Agent, Output, Vote

__all__ = ["RatingIn", "outputs_arrived", "rate_many", "rate_output", "take_back", "tell_more"]

CHUNK = 500


@dataclass(frozen=True, slots=True)
class RatingIn:
    """One person's rating of one output as an agent reports it; `good` None takes back what the API said before."""

    agent_id: int
    output_id: int
    person: str  # a Slack id or an e-mail address
    good: bool | None
    reason: str | None
    comment: str | None
    correction: str | None
    at: datetime  # the source's time


@dataclass(frozen=True, slots=True)
class Given:
    """A rating whose person is known, over one surface."""

    output_id: int
    person_id: int
    good: bool | None
    at: datetime
    surface: str
    reason: str | None = None
    comment: str | None = None
    correction: str | None = None


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
    people's votes count now. Whether the person may is the caller's question.
    """
    _take(tx, now, output.agent_id, [Given(output.id, person_id, good, at or now, surface, reason)], live=True)
    mark_dirty(tx, now, [output.agent_id])
    return tallies(tx, [output.id])[output.id]


def rate_many(tx: Session, now: datetime, rows: list[RatingIn], *, live: bool) -> list[str | None]:
    """Take ratings in that agents report; says for each why it was not counted, or None where it was.

    Of one person and output the latest by the source's time stays. `live` also brings what Slack shows up to date;
    an import does not. Marking the agents dirty is the caller's, last in the transaction.
    """
    people: dict[str, tuple[int, str | None]] = {}
    answers: list[str | None] = []
    by_agent: dict[int, list[Given]] = {}
    for row in rows:
        if row.person not in people:
            people[row.person] = _rater(tx, row.person)
        person_id, refused = people[row.person]
        answers.append(refused)
        if refused is None:
            given = Given(row.output_id, person_id, row.good, row.at, "api", row.reason, row.comment, row.correction)
            by_agent.setdefault(row.agent_id, []).append(given)
    for agent_id in sorted(by_agent):
        _take(tx, now, agent_id, by_agent[agent_id], live=live)
    return answers


def _rater(tx: Session, ref: str) -> tuple[int, str | None]:
    person = person_for_report(tx, ref, None)
    if person is None:
        return 0, f"{ref[:100]!r} is neither a Slack id nor an e-mail address"
    role = {"member": Role.MEMBER, "guest": Role.GUEST}.get(person.kind, Role.STRANGER)
    return person.id, None if may({role}, Act.RATE) else RULES[Act.RATE].else_ask


def _take(tx: Session, now: datetime, agent_id: int, given: list[Given], *, live: bool) -> None:
    """Lock the outputs in the order of their ids, write the votes, and let reviews, score and counts follow."""
    ids = sorted({each.output_id for each in given})
    for start in range(0, len(ids), CHUNK):
        tx.execute(select(Output.id).where(Output.id.in_(ids[start : start + CHUNK])).order_by(Output.id).with_for_update(key_share=True))
    agent = tx.get_one(Agent, agent_id)
    counts = Counts()
    for each in given:
        if each.good is not None:
            counts.add(agent_id, agent.zone, counting.RATINGS_GOOD if each.good else counting.RATINGS_BAD, each.at)
    counts.write(tx, now)
    _vote(tx, now, agent_id, given, ids)
    reviews_judged(tx, now, {(each.output_id, each.person_id) for each in given}, live=live)
    reobserve(tx, now, agent_id, ids, "people")
    if live:
        recount(tx, now, agent_id, ids)
        votes_changed(tx, now, agent, {(each.output_id, each.person_id) for each in given})


def _vote(tx: Session, now: datetime, agent_id: int, given: Iterable[Given], ids: list[int]) -> None:
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
                "agent_id": agent_id, "output_id": row.output_id, "person_id": row.person_id, "surface": row.surface,
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
        gone = [Given(output.id, person_id, None, max(now, vote.voted_at), vote.surface) for vote in votes]
        _take(tx, now, output.agent_id, gone, live=True)
        mark_dirty(tx, now, [output.agent_id])
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
    # A reason that only the API knows cannot be chosen in a form: saving the form must not lose it.
    vote.reason = reason or (vote.reason if vote.good is False and vote.reason not in REASONS else None)
    vote.correction, vote.comment, vote.may_ask = correction or None, comment or None, may_ask
    vote.received_at = now  # whoever reads lessons from here on sees it again
    tx.flush()
    votes_changed(tx, now, tx.get_one(Agent, output.agent_id), [(output.id, person_id)])
    return True
