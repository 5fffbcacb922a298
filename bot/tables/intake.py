"""Tokens that may speak for agents, Slack events already seen, and imports under way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Token(Table):
    """A bearer token; only the SHA-256 of its 256-bit secret is kept. `agents` null: the whole workspace."""

    __tablename__ = "tokens"
    __table_args__ = (UniqueConstraint("public_id"),)

    id: Mapped[Identity]
    public_id: Mapped[str] = mapped_column(String(32))
    hash: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200), default="")
    scopes: Mapped[list[Any]] = mapped_column(JSON)
    agents: Mapped[list[Any] | None] = mapped_column(JSON)  # slugs
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_for: Mapped[int | None] = mapped_column(ForeignKey("agents.id"))  # the agent whose retirement ended it
    revoked_why: Mapped[str | None] = mapped_column(Text)  # said to whoever still uses it


class SeenSlack(Table):
    """A Slack event or press that was already taken in: Slack repeats, we do not."""

    __tablename__ = "seen_slack"
    __table_args__ = (Index("ix_seen_slack_at", "at"),)

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    at: Mapped[datetime]


class ImportRun(Table):
    """How far an `aiops import` of one file came, so that it can go on where it stopped."""

    __tablename__ = "import_runs"
    __table_args__ = (UniqueConstraint("digest"),)

    id: Mapped[Identity]
    digest: Mapped[str] = mapped_column(String(64))  # of the file's content
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    done_bytes: Mapped[Whole] = mapped_column(default=0)
    accepted: Mapped[Whole] = mapped_column(default=0)
    duplicates: Mapped[Whole] = mapped_column(default=0)
    refused: Mapped[Whole] = mapped_column(default=0)


class Mark(Table):
    """A small fact about the deployment itself (its kind, its Slack team, the state of its tokens)."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(JSON)
