"""App Home as each person has it open: what it shows, and when it is looked at anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table


class HomeView(Table):
    """One person's App Home."""

    __tablename__ = "home_views"
    __table_args__ = (
        UniqueConstraint("person_id"),
        Index("ix_home_views_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),
    )

    id: Mapped[Identity]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    opened_at: Mapped[datetime]  # when they last opened it, or pressed something in it
    due_at: Mapped[datetime | None]  # when it is looked at anew; null once they have not opened it for a while
    published_at: Mapped[datetime | None]
    shown: Mapped[str] = mapped_column(String(64), default="")  # fingerprint of what it shows: the same is not published again
    hash: Mapped[str] = mapped_column(String(64), default="")  # Slack's, against races
    pages: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # part of the view -> which page of it they turned to
