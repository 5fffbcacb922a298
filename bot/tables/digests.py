"""Daily digests, who reviewed what of them, and each person's list of the day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table


class DigestTimer(Table):
    """When a channel's next digest is due, and up to which moment the last one reported."""

    __tablename__ = "digest_timers"
    __table_args__ = (UniqueConstraint("channel_id"), Index("ix_digest_timers_due_at", "due_at"))

    id: Mapped[Identity]
    channel_id: Mapped[str] = mapped_column(String(32))  # Slack's id; "leads" for the fleet line
    due_at: Mapped[datetime | None]
    covered_until: Mapped[datetime | None]


class Digest(Table):
    """The health summary of one channel on one local working day, frozen when posted but for a line on late data."""

    __tablename__ = "digests"
    __table_args__ = (UniqueConstraint("channel_id", "local_date"), Index("ix_digests_look_at", "look_at"))

    id: Mapped[Identity]
    channel_id: Mapped[str] = mapped_column(String(32))
    local_date: Mapped[str] = mapped_column(String(10))
    covers_from: Mapped[datetime]
    covers_until: Mapped[datetime]
    posted_at: Mapped[datetime]
    content: Mapped[dict[str, Any]] = mapped_column(JSON)  # the facts it was written from
    late: Mapped[str | None] = mapped_column(String(500))  # the line on late data
    closes_at: Mapped[datetime | None]  # until when late data may still edit it
    look_at: Mapped[datetime | None]  # when late data is next looked for; null once it is closed


class DigestReview(Table):
    """One agent of one digest that someone must mark as reviewed."""

    __tablename__ = "digest_reviews"
    __table_args__ = (
        UniqueConstraint("digest_id", "agent_id"),
        Index("ix_digest_reviews_person_id", "person_id"),
        Index("ix_digest_reviews_chase_at", "chase_at"),
    )

    id: Mapped[Identity]
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))  # of whom it is asked
    asked_at: Mapped[datetime]
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    chase_at: Mapped[datetime | None]  # when it goes one person further up
    chased: Mapped[int] = mapped_column(default=0)


class PersonList(Table):
    """The one DM a day that holds all a person should look at; edited in place as items are done."""

    __tablename__ = "person_lists"
    __table_args__ = (UniqueConstraint("person_id", "local_date"), Index("ix_person_lists_look_at", "look_at"))

    id: Mapped[Identity]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    local_date: Mapped[str] = mapped_column(String(10))
    posted_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]  # when it is next brought up to date; null once the day is over
    content: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class ListTimer(Table):
    """When a person's next list is due."""

    __tablename__ = "list_timers"
    __table_args__ = (UniqueConstraint("person_id"), Index("ix_list_timers_due_at", "due_at"))

    id: Mapped[Identity]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    due_at: Mapped[datetime | None]
    kind: Mapped[str] = mapped_column(String(16), default="list")  # list, reminder
