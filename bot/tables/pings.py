"""Pings of heartbeats, and alerts of outside monitors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Ping(Table):
    """One word of a job: that a run began, how it ended, or a line of its log. `ext_id` only where it came as an event."""

    __tablename__ = "pings"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"), Index("ix_pings_check_id_occurred_at", "check_id", "occurred_at"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[str | None] = mapped_column(String(128))
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str | None] = mapped_column(String(32))  # digest of the event
    check_id: Mapped[int] = mapped_column(ForeignKey("checks.id"))
    status: Mapped[str] = mapped_column(String(8))  # start, success, fail, log
    rid: Mapped[str | None] = mapped_column(String(128))  # which run, where it says so
    exit_code: Mapped[int | None]
    body: Mapped[str | None] = mapped_column(Text)  # evidence, as it came, cut to 100 kB
    sender: Mapped[str | None] = mapped_column(String(200))  # method and program


class Alert(Table):
    """One alert of an outside monitor, by its fingerprint; `ended_at` null while it fires."""

    __tablename__ = "alerts"
    __table_args__ = (UniqueConstraint("check_id", "fingerprint"), Index("ix_alerts_check_id_ended_at", "check_id", "ended_at"))

    id: Mapped[Identity]
    check_id: Mapped[int] = mapped_column(ForeignKey("checks.id"))
    fingerprint: Mapped[str] = mapped_column(String(128))
    severity: Mapped[str] = mapped_column(String(8))  # page, notice
    starts_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    labels: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    notes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # its annotations
    url: Mapped[str] = mapped_column(Text, default="")  # where the monitor shows it
    left_out: Mapped[Whole] = mapped_column(default=0)  # further alerts of its message that the monitor cut off
