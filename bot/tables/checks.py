"""Promises about agents, and what was found when they were looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Name, Table, Whole


class Check(Table):
    """A promise about an agent, when it is next looked at, and how it stands."""

    __tablename__ = "checks"
    __table_args__ = (UniqueConstraint("agent_id", "name"), Index("ix_checks_due_at", "due_at"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    name: Mapped[Name]
    kind: Mapped[str] = mapped_column(String(32))
    severity: Mapped[str] = mapped_column(String(8))  # page, notice
    spec: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    why: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(String(16), default="new")  # new, ok, failing, unknown
    fails: Mapped[Whole] = mapped_column(default=0)  # in a row
    passes: Mapped[Whole] = mapped_column(default=0)  # in a row
    since: Mapped[datetime | None]  # of the present state
    watched_at: Mapped[datetime | None]  # since when it is promised in these words: nothing before can be missed
    due_at: Mapped[datetime | None]
    looked_at: Mapped[datetime | None]
    says: Mapped[str] = mapped_column(Text, default="")  # the latest finding in words
    cursor: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # the kind's own memory between looks
    wrong_at: Mapped[datetime | None]  # somebody said that the check itself is wrong: it rests until its spec changes
    wrong_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    archived_at: Mapped[datetime | None]


class Finding(Table):
    """The result of one look that changed something: value, threshold and the evidence behind it."""

    __tablename__ = "findings"
    __table_args__ = (Index("ix_findings_check_id_at", "check_id", "at"),)

    id: Mapped[Identity]
    check_id: Mapped[int] = mapped_column(ForeignKey("checks.id"))
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    says: Mapped[str] = mapped_column(Text)
    value: Mapped[float | None]
    threshold: Mapped[float | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
