"""What others read of feedback: an output as it may be shown, a person's own vote, and a reviewer's day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import local_day
from bot.feedback.messages import LastReview, ReviewItem, Shown
from bot.feedback.rules import Tally, may_show_text
from bot.outbox import flows as outbox
from bot.quality.parts import VOTES
from bot.tables import Agent, AgentOwner, DayPart, Output, Person, Review, Vote


def shown(agent: Agent, output: Output) -> Shown:
    """The output as the registry lets it be shown."""
    may = may_show_text(spec_of(agent))
    return Shown(output.id, agent.name, output.kind, output.text if may else None, output.url, hidden=bool(output.text) and not may, known=output.known, asked=output.input if may else None)


def tallies(tx: Session, output_ids: Iterable[int]) -> dict[int, Tally]:
    """How many people's votes count on each output, and how many of them are good."""
    ids = sorted(set(output_ids))
    votes: dict[int, dict[int, bool]] = {output_id: {} for output_id in ids}
    for start in range(0, len(ids), 500):
        wanted = select(Vote.output_id, Vote.person_id, Vote.good).where(Vote.output_id.in_(ids[start : start + 500]), Vote.good.is_not(None))
        for output_id, person_id, good in tx.execute(wanted.order_by(Vote.voted_at, Vote.received_at, Vote.id)):
            votes[output_id][person_id] = bool(good)
    return {output_id: Tally(len(people), sum(people.values())) for output_id, people in votes.items()}


def vote_of(tx: Session, output_id: int, person_id: int) -> Vote | None:
    """The one vote of this person that counts: the latest not removed over all surfaces. For that person's eyes only."""
    wanted = select(Vote).where(Vote.output_id == output_id, Vote.person_id == person_id, Vote.good.is_not(None))
    return tx.scalars(wanted.order_by(Vote.voted_at.desc(), Vote.received_at.desc(), Vote.id.desc()).limit(1)).first()


def output_at(tx: Session, channel: str | None, ts: str | None) -> Output | None:
    """The output that stands at this place in Slack: posted by us, linked, or a message of an agent's own app."""
    if not channel or not ts:
        return None
    found = tx.scalars(select(Output).where(Output.channel_id == channel, Output.slack_ts == ts)).first()
    if found is not None:
        return found
    row = outbox.at_place(tx, channel, ts)
    if row is None or not row.key.startswith("output:"):
        return None
    return tx.get(Output, int(row.key.removeprefix("output:")))


def reviews_for(tx: Session, person_id: int, day: str) -> list[ReviewItem]:
    """What a reviewer was asked to judge on their local day, done or not, in the order it was drawn."""
    rows = tx.execute(
        select(Review, Output, Agent)
        .join(Output, Output.id == Review.output_id)
        .join(Agent, Agent.id == Review.agent_id)
        .where(Review.person_id == person_id, Review.local_day == day)
        .order_by(Review.id)
    )
    return [ReviewItem(review.id, shown(agent, output), review.state, output.occurred_at, output.channel_id) for review, output, agent in rows]


def last_of(tx: Session, person_id: int, day: str) -> LastReview | None:
    """What the reviewer judged or skipped last on that day; for that person's eyes only."""
    wanted = select(Review).where(Review.person_id == person_id, Review.local_day == day, Review.state.in_(("done", "skipped")))
    review = tx.scalars(wanted.order_by(Review.done_at.desc(), Review.id.desc()).limit(1)).first()
    if review is None:
        return None
    vote = vote_of(tx, review.output_id, person_id) if review.state == "done" else None
    return LastReview(review.id, review.output_id, review.state, vote.good if vote else None, vote.reason if vote else None)


def reviews_stand(tx: Session, person_id: int, day: str) -> bool:
    """Whether the reviewer's message of that day stands in their DM already."""
    row = outbox.find(tx, f"reviews:{person_id}:{day}")
    return row is not None and not row.gone and row.state in ("pending", "shown")


@dataclass(frozen=True)
class Voters:
    """How many votes count, and how many of them are the agent's owners' own: counts, never whose or which."""

    votes: int
    by_owners: int
    people: int = 0  # who voted: below five nothing is told of the owners' part


def voters(tx: Session, agent_id: int, first_day: str, last_day: str) -> Voters:
    """The votes that count on the outputs of those local days, and the owners' part of them."""
    owners = {str(person_id) for person_id in tx.scalars(select(AgentOwner.person_id).where(AgentOwner.agent_id == agent_id, AgentOwner.until.is_(None)))}
    mine = (DayPart.agent_id == agent_id, DayPart.source == "people", DayPart.part == VOTES, DayPart.local_day >= first_day, DayPart.local_day <= last_day)
    rows = tx.execute(select(DayPart.value, func.sum(DayPart.n)).where(*mine).group_by(DayPart.value).having(func.sum(DayPart.n) > 0))
    counted = {value: int(n) for value, n in rows}
    return Voters(sum(counted.values()), sum(n for value, n in counted.items() if value in owners), len(counted))


def review_day(person: Person, now: datetime) -> str:
    """The reviewer's own calendar day."""
    return local_day(now, person.zone)
