"""Who is on call by turns: shifts that somebody took or gave away, and who was last told that a turn is theirs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table


class Shift(Table):
    """Somebody takes (or is given) a rotation for a while, whatever its turns say; of two that overlap the newer holds."""

    __tablename__ = "shifts"
    __table_args__ = (Index("ix_shifts_rotation_until", "rotation", "until"),)

    id: Mapped[Identity]
    rotation: Mapped[str] = mapped_column(String(64))  # its name in the registry
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # taken back
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))


class RotationTimer(Table):
    """When a rotation changes hands next, and who was told last that they are on call."""

    __tablename__ = "rotation_timers"
    __table_args__ = (UniqueConstraint("rotation"), Index("ix_rotation_timers_next_at", "next_at"))

    id: Mapped[Identity]
    rotation: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))  # of its description: a changed one is looked at anew
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # on call, as they were told
    next_at: Mapped[datetime | None]
