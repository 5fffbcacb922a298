"""Domain gaps: topics that an agent does not know, and who supplies what is missing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Gap(Table):
    """One topic of one agent that somebody supplies the knowledge for; closed with what was supplied."""

    __tablename__ = "gaps"
    __table_args__ = (
        UniqueConstraint("agent_id", "topic", "round"),  # two people give the same topic at once: one gap
        Index("ix_gaps_owner_id", "owner_id", sqlite_where=text("supplied_at IS NULL"), postgresql_where=text("supplied_at IS NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    topic: Mapped[str] = mapped_column(String(80))  # as the agent names it; "words:refund" where it names none
    label: Mapped[str] = mapped_column(String(120))  # as people read it
    round: Mapped[Whole] = mapped_column(default=1)  # how often the same topic was missing
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    due_at: Mapped[datetime]
    opened_at: Mapped[datetime]
    opened_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    supplied_at: Mapped[datetime | None]
    supplied_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    supplied: Mapped[str] = mapped_column(Text, default="")  # what was supplied, and where it stands
    before_missing: Mapped[Whole | None]  # of the cases in the topic in the four weeks before: how many lacked it
    before_cases: Mapped[Whole | None]
