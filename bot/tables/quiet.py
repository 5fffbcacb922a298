"""Agreed quiet: silences that end by themselves, and maintenance windows, one-off and recurring."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Silence(Table):
    """Problems that fit are stored and shown, and call nobody, until it ends."""

    __tablename__ = "silences"
    __table_args__ = (
        Index("ix_silences_until", "until", sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")),
        Index("ix_silences_moved", "id", sqlite_where=text("taken_at IS NULL"), postgresql_where=text("taken_at IS NULL")),
    )

    id: Mapped[Identity]
    agent: Mapped[str] = mapped_column(String(128))  # an agent's id, a pattern such as support-*, or * for all
    department: Mapped[str | None] = mapped_column(String(200))
    check_name: Mapped[str | None] = mapped_column(String(128))  # a check's name or a pattern; null: every check
    kind: Mapped[str | None] = mapped_column(String(32))
    severity: Mapped[str | None] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(Text)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # at its end, or earlier by a person
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    taken_at: Mapped[datetime | None]  # when the open pages were last looked at because of it; null where they must be


class Maintenance(Table):
    """A plan of agreed quiet: `starts_at` and `ends_at` are those of the window under way, else of the next one."""

    __tablename__ = "maintenance"
    __table_args__ = (
        Index("uq_maintenance_source", "source", unique=True, sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")),
        Index("ix_maintenance_due_at", "due_at"),
        Index("ix_maintenance_starts_at", "starts_at", sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")),
        Index("ix_maintenance_moved", "id", sqlite_where=text("taken_at IS NULL"), postgresql_where=text("taken_at IS NULL")),
    )

    id: Mapped[Identity]
    agent: Mapped[str] = mapped_column(String(128))
    department: Mapped[str | None] = mapped_column(String(200))
    source: Mapped[str | None] = mapped_column(String(200))  # where in aiops.yml it is written; null: planned in Slack
    written: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # as that file says it
    cron: Mapped[str | None] = mapped_column(String(128))  # null: once
    zone: Mapped[str] = mapped_column(String(64))  # of the cron times
    lasts: Mapped[Whole]  # seconds
    reason: Mapped[str] = mapped_column(Text, default="")
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    begun_at: Mapped[datetime | None]  # when the start of this window was told
    due_at: Mapped[datetime | None]  # the next thing to do: tell the start, or the end; null once closed
    closed_at: Mapped[datetime | None]  # it is over, or was taken away
    taken_at: Mapped[datetime | None]
