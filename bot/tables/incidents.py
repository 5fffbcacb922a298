"""Incidents, their checklist, timeline and follow-ups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Incident(Table):
    """A failure that people work on in a thread, along the failure protocol."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("ix_incidents_agent_id", "agent_id"),
        Index("ix_incidents_fingerprint_opened_at", "fingerprint", "opened_at"),
        Index("uq_incidents_page", "page_id", unique=True, sqlite_where=text("closed_at IS NULL AND page_id IS NOT NULL"), postgresql_where=text("closed_at IS NULL AND page_id IS NOT NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    page_id: Mapped[int | None] = mapped_column(ForeignKey("pages.id"))
    output_id: Mapped[int | None] = mapped_column(ForeignKey("outputs.id"))
    fingerprint: Mapped[str] = mapped_column(String(200))
    severity: Mapped[str] = mapped_column(String(8))
    title: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="open")  # open, closed
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    opened_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    template: Mapped[dict[str, Any]] = mapped_column(JSON)  # the protocol as it was when the incident began
    channel_id: Mapped[str] = mapped_column(String(32))


class IncidentItem(Table):
    """One step of the checklist: open, done, or waived with a reason."""

    __tablename__ = "incident_items"
    __table_args__ = (UniqueConstraint("incident_id", "item_key"),)

    id: Mapped[Identity]
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"))
    item_key: Mapped[str] = mapped_column(String(64))
    position: Mapped[Whole]
    phase: Mapped[str] = mapped_column(String(16))
    words: Mapped[str] = mapped_column(Text)
    required: Mapped[bool] = mapped_column(default=True)
    state: Mapped[str] = mapped_column(String(16), default="open")
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(Text, default="")  # what was done, or why it was waived


class TimelineEntry(Table):
    """One line of what happened, by whom; `source_key` keeps it from being written twice."""

    __tablename__ = "timeline"
    __table_args__ = (UniqueConstraint("incident_id", "source_key"), Index("ix_timeline_incident_id_at", "incident_id", "at"))

    id: Mapped[Identity]
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"))
    at: Mapped[datetime]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[str] = mapped_column(String(16))
    words: Mapped[str] = mapped_column(Text)
    source_key: Mapped[str] = mapped_column(String(200))
