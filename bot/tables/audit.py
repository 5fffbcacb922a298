"""Who decided what, when, on which evidence; and the seals that make a later change show."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Seal(Table):
    """The decisions of a moment, chained to all that were sealed before them."""

    __tablename__ = "seals"
    __table_args__ = (UniqueConstraint("number"),)  # two processes cannot both add the next one

    id: Mapped[Identity]
    number: Mapped[Whole]  # 1, 2, 3, ... without a gap
    at: Mapped[datetime]
    count: Mapped[Whole]  # decisions in it
    root: Mapped[str] = mapped_column(String(64))
    before: Mapped[str] = mapped_column(String(64))  # hash of the seal before it
    hash: Mapped[str] = mapped_column(String(64))


class Decision(Table):
    """One decision, inserted once and never changed; only its seal is noted, and personal fields may be erased."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_subject_at", "subject", "at"),
        Index("ix_decisions_person_id", "person_id"),
        Index("ix_decisions_unsealed", "id", sqlite_where=text("seal_number IS NULL"), postgresql_where=text("seal_number IS NULL")),
        Index("ix_decisions_seal_number", "seal_number"),
    )

    id: Mapped[Identity]
    at: Mapped[datetime]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # null: the product itself
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))  # page:12, agent:support-triage
    came_from: Mapped[str] = mapped_column(String(32))  # slack, cli, http, timer
    words: Mapped[str] = mapped_column(Text, default="")
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    salt: Mapped[str] = mapped_column(String(32), default=lambda: secrets.token_hex(16), server_default="")  # of the commitment to person, words and evidence
    bound: Mapped[str | None] = mapped_column(String(64))  # that commitment, kept once they are erased
    erased_at: Mapped[datetime | None]
    seal_number: Mapped[int | None]
