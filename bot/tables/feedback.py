"""Thumbs: votes on outputs, and the daily review queue."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table


class Vote(Table):
    """One person's thumb on one output from one surface; `good` is null once taken back. The latest not removed counts."""

    __tablename__ = "votes"
    __table_args__ = (UniqueConstraint("output_id", "person_id", "surface"), Index("ix_votes_person_id", "person_id"))

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


class ReviewTimer(Table):
    """When a reviewer's next share of the daily sample is drawn (`person_id` null: when reviewers are looked up anew)."""

    __tablename__ = "review_timers"
    __table_args__ = (UniqueConstraint("person_id"), Index("ix_review_timers_due_at", "due_at"))

    id: Mapped[Identity]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    due_at: Mapped[datetime | None]
    asked_until: Mapped[datetime | None]  # outputs up to here were in the last draw
