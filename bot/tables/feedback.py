"""Thumbs: votes on outputs, the daily review queue, and what trace stores are told of votes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole

LACKING = text("reason IN ('did_not_know', 'outdated')")  # what an agent did not know: few of all votes


class Vote(Table):
    """One person's thumb on one output from one surface; `good` is null once taken back. The latest not removed counts."""

    __tablename__ = "votes"
    __table_args__ = (UniqueConstraint("output_id", "person_id", "surface"), Index("ix_votes_person_id_voted_at", "person_id", "voted_at"), Index("ix_votes_agent_id_received_at", "agent_id", "received_at"), Index("ix_votes_lacking", "agent_id", "received_at", sqlite_where=LACKING, postgresql_where=LACKING))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    surface: Mapped[str] = mapped_column(String(16))  # button, shortcut, link, api, reaction
    good: Mapped[bool | None]
    reason: Mapped[str | None] = mapped_column(String(64))
    comment: Mapped[str | None] = mapped_column(Text)
    correction: Mapped[str | None] = mapped_column(Text)
    may_ask: Mapped[bool] = mapped_column(default=False)  # "you may ask me": owners may see the name
    voted_at: Mapped[datetime]  # the source's time
    received_at: Mapped[datetime]


class RatingEvent(Table):
    """The ids of rating events already counted (a rating event is unique per agent and id, like any other)."""

    __tablename__ = "rating_events"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"),)

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[str] = mapped_column(String(128))
    content: Mapped[str] = mapped_column(String(32))
    received_at: Mapped[datetime]


class Review(Table):
    """One output of the seeded daily sample, asked of one named reviewer."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("output_id", "person_id"),
        Index("ix_reviews_person_id_local_day", "person_id", "local_day"),
        Index("ix_reviews_agent_id_local_day", "agent_id", "local_day"),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    local_day: Mapped[str] = mapped_column(String(10))  # the reviewer's day it was asked for
    state: Mapped[str] = mapped_column(String(16), default="asked")  # asked, done, skipped
    done_at: Mapped[datetime | None]


class Drawn(Table):
    """One output of a day's draw for review: from which kind, out of how many, and what those asked found."""

    __tablename__ = "drawn"
    __table_args__ = (
        UniqueConstraint("output_id"),
        Index("ix_drawn_agent_id_local_day", "agent_id", "local_day"),
        Index("ix_drawn_agent_id_output_day", "agent_id", "output_day"),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"))
    local_day: Mapped[str] = mapped_column(String(10))  # the agent's day on which it was drawn
    output_day: Mapped[str] = mapped_column(String(10))  # the output's own day
    stratum: Mapped[str] = mapped_column(String(64))  # its kind, or the pool of rare kinds
    population: Mapped[Whole]  # outputs of that stratum it was drawn from
    number: Mapped[Whole]  # how many of them were drawn
    place: Mapped[int]  # in the seeded order they are dealt out in
    twice: Mapped[bool] = mapped_column(default=False)  # given to two reviewers
    share: Mapped[float | None]  # the mean of the votes of those who were asked; null: nobody judged it
    judges: Mapped[Whole] = mapped_column(default=0)  # how many of those asked judged it
    good: Mapped[Whole] = mapped_column(default=0)  # ... and found it good


class ReviewTimer(Table):
    """When a reviewer's next share of the daily sample is drawn (`person_id` null: when reviewers are looked up anew)."""

    __tablename__ = "review_timers"
    __table_args__ = (UniqueConstraint("person_id"), Index("ix_review_timers_due_at", "due_at"))

    id: Mapped[Identity]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    due_at: Mapped[datetime | None]
    asked_until: Mapped[datetime | None]  # outputs up to here were in the last draw


class FeedbackLetter(Table):
    """What one place outside should know of one person's vote on one output: `told` is what it is known to have.

    The output and the voter are kept as plain numbers: where two people turn out to be one, what was said in the
    name of the other has still to be taken back.
    """

    __tablename__ = "feedback_letters"
    __table_args__ = (
        UniqueConstraint("output_id", "voter", "target"),
        Index("ix_feedback_letters_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_feedback_letters_voter", "voter"),
        Index("ix_feedback_letters_aside", "target", sqlite_where=text("state = 'aside'"), postgresql_where=text("state = 'aside'")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    output_id: Mapped[Whole]
    voter: Mapped[Whole]  # the person's row, as it was
    target: Mapped[str] = mapped_column(String(520))  # "langfuse https://..."; "webhook" is the agent's own
    key: Mapped[str] = mapped_column(String(36))  # the id it has outside, made once from what it is about
    rev: Mapped[Whole] = mapped_column(default=1)  # grows with every change of what should stand there
    told: Mapped[str | None] = mapped_column(String(32))  # digest of what stands there; null where nothing does
    maybe: Mapped[bool] = mapped_column(default=False)  # a try went out, and its answer is not known: it may stand there
    lease_until: Mapped[datetime | None]  # a try is under way: no other may overtake it
    remote_id: Mapped[str | None] = mapped_column(String(128))  # what the place calls it
    state: Mapped[str] = mapped_column(String(16), default="due")  # due, told, aside, dropped
    due_at: Mapped[datetime | None]
    tries: Mapped[Whole] = mapped_column(default=0)
    since: Mapped[datetime | None]  # since when it cannot be told
    said: Mapped[str] = mapped_column(String(64), default="")  # how the last try ended, without any address
    created_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
