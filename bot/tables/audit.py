"""Who decided what, when, on which evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table


class Decision(Table):
    """One decision, inserted once and never changed."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_subject_at", "subject", "at"),)

    id: Mapped[Identity]
    at: Mapped[datetime]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # null: the product itself
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))  # page:12, agent:support-triage
    came_from: Mapped[str] = mapped_column(String(32))  # slack, cli, http, timer
    words: Mapped[str] = mapped_column(Text, default="")
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
