"""People, user groups and channels as Slack's directory tells them, and who is away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Name, Table


class Person(Table):
    """Someone, known by a Slack account, an e-mail address, or both."""

    __tablename__ = "people"
    __table_args__ = (
        UniqueConstraint("team_id", "slack_id"),
        Index("uq_people_email", "email", unique=True),
    )

    id: Mapped[Identity]
    team_id: Mapped[str | None] = mapped_column(String(32))
    slack_id: Mapped[str | None] = mapped_column(String(32))
    email: Mapped[str | None] = mapped_column(String(254))  # normalised: trimmed, lower case
    name: Mapped[str] = mapped_column(String(200), default="")
    title: Mapped[str] = mapped_column(String(200), default="")
    zone: Mapped[str] = mapped_column(String(64), default="UTC")
    kind: Mapped[str] = mapped_column(String(16), default="member")  # member, guest, stranger, bot
    active: Mapped[bool] = mapped_column(default=True)
    dm_channel: Mapped[str | None] = mapped_column(String(32))  # the bot's DM with them, once opened
    wake: Mapped[list[Any]] = mapped_column(JSON, default=list)  # routes beyond Slack, in order
    addresses: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # route -> where it reaches them
    seen_at: Mapped[datetime | None]
    quiet_from: Mapped[datetime | None]  # Slack's do-not-disturb, now or next: it does not ring between these two
    quiet_until: Mapped[datetime | None]
    quiet_known_at: Mapped[datetime | None]  # when Slack said so; null where it never did
    left_at: Mapped[datetime | None]  # when we learned that they left the workspace
    left_told_at: Mapped[datetime | None]  # when that was reported, once
    erased_at: Mapped[datetime | None]


class UserGroup(Table):
    """A Slack user group, with its members as last synced."""

    __tablename__ = "user_groups"
    __table_args__ = (UniqueConstraint("team_id", "slack_id"),)

    id: Mapped[Identity]
    team_id: Mapped[str] = mapped_column(String(32))
    slack_id: Mapped[str] = mapped_column(String(32))
    handle: Mapped[Name]
    name: Mapped[str] = mapped_column(String(200), default="")
    members: Mapped[list[Any]] = mapped_column(JSON, default=list)  # Slack user ids


class Channel(Table):
    """A Slack channel the product knows of, by id; the name is only for reading."""

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("team_id", "slack_id"),)

    id: Mapped[Identity]
    team_id: Mapped[str] = mapped_column(String(32))
    slack_id: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(200), default="")
    is_member: Mapped[bool] = mapped_column(default=False)
    is_private: Mapped[bool] = mapped_column(default=False)
    is_shared: Mapped[bool] = mapped_column(default=False)
    is_archived: Mapped[bool] = mapped_column(default=False)
    introduced_at: Mapped[datetime | None]  # when the bot said who it is and whose agents live here
    topic: Mapped[str] = mapped_column(Text, default="")


class Absence(Table):
    """A declared absence: the only thing that makes the product pass over a person."""

    __tablename__ = "absences"
    __table_args__ = (Index("ix_absences_person_id_until", "person_id", "until"),)

    id: Mapped[Identity]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
