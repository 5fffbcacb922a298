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
        Index("ix_incidents_look_at", "look_at", sqlite_where=text("look_at IS NOT NULL"), postgresql_where=text("look_at IS NOT NULL")),
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
    began_at: Mapped[datetime | None]  # since when it fails, as far as we know
    before_id: Mapped[int | None] = mapped_column(ForeignKey("incidents.id"))  # the one before it, of the same fingerprint
    scribe_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who answers for the outcome while it runs
    none_needed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who signed that no follow-up is needed
    none_needed_at: Mapped[datetime | None]
    none_needed_why: Mapped[str] = mapped_column(Text, default="", server_default="")
    failing_why: Mapped[str] = mapped_column(Text, default="", server_default="")  # closed while its check failed, of an agent at rest: why
    status_at: Mapped[datetime | None]  # of the newest status update
    status_asked_at: Mapped[datetime | None]  # when one was asked for last
    roles_asked_at: Mapped[datetime | None]  # when the empty roles were asked about last
    look_at: Mapped[datetime | None]  # its timer: something in it may be due


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
    kind: Mapped[str] = mapped_column(String(16), default="confirm", server_default="confirm")  # confirm, choose, evidence, decision, number, person
    options: Mapped[list[Any] | None] = mapped_column(JSON)  # what may be chosen
    comes_after: Mapped[list[Any] | None] = mapped_column(JSON)  # keys of the steps that come first
    role: Mapped[str] = mapped_column(String(24), default="lead", server_default="lead")  # whose it is, unless somebody was named
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    due_at: Mapped[datetime | None]
    nags: Mapped[Whole] = mapped_column(default=0, server_default="0")  # how many were reminded of it: assignee, lead, business owner
    nagged_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(Text, default="", server_default="")  # what was chosen, linked, decided, counted, or who was named


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


class Protocol(Table):
    """One version of a failure protocol, kept from its first use."""

    __tablename__ = "protocols"
    __table_args__ = (UniqueConstraint("name", "version"), UniqueConstraint("name", "digest"))

    id: Mapped[Identity]
    name: Mapped[str] = mapped_column(String(64))
    version: Mapped[Whole]
    digest: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    first_used_at: Mapped[datetime]


class FollowUp(Table):
    """What somebody does so that a failure does not recur; closed with evidence, opened again when it did not hold."""

    __tablename__ = "follow_ups"
    __table_args__ = (
        Index("ix_follow_ups_incident_id", "incident_id"),
        Index("ix_follow_ups_owner_id", "owner_id", sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")),
        Index("ix_follow_ups_agent_id", "agent_id"),
        Index("ix_follow_ups_next_at", "next_at", sqlite_where=text("next_at IS NOT NULL"), postgresql_where=text("next_at IS NOT NULL")),
    )

    id: Mapped[Identity]
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"))
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    words: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    next_at: Mapped[datetime | None]  # its timer: the reminder at its end, then the escalation
    reminded_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]  # when it went up to the business owner
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    evidence: Mapped[str] = mapped_column(Text, default="")
    fixed_in: Mapped[str] = mapped_column(String(128), default="")  # the version that holds the fix
    reopened_at: Mapped[datetime | None]
    reopened_for: Mapped[int | None] = mapped_column(ForeignKey("incidents.id"))  # the recurrence that showed that it did not hold
    turns: Mapped[Whole] = mapped_column(default=0)  # how often it was opened again


class IncidentMinutes(Table):
    """How long one person worked on an incident, as they or the one who closed it said."""

    __tablename__ = "incident_minutes"
    __table_args__ = (UniqueConstraint("incident_id", "person_id"),)

    id: Mapped[Identity]
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    minutes: Mapped[Whole]
    said_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    said_at: Mapped[datetime]


class RegressionCase(Table):
    """An output that failed in an incident: whatever comes next is to be tried against it."""

    __tablename__ = "regression_cases"
    __table_args__ = (UniqueConstraint("agent_id", "output_id"), Index("ix_regression_cases_incident_id", "incident_id"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"))
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"))
    added_at: Mapped[datetime]
    fixed_at: Mapped[datetime | None]
    fixed_in: Mapped[str] = mapped_column(String(128), default="")


class MarkedMessage(Table):
    """A message that somebody marked with a pushpin: read from Slack, then put on the timeline of its thread."""

    __tablename__ = "marked_messages"
    __table_args__ = (UniqueConstraint("channel", "ts"), Index("ix_marked_messages_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")))

    id: Mapped[Identity]
    channel: Mapped[str] = mapped_column(String(32))
    ts: Mapped[str] = mapped_column(String(32))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    tries: Mapped[Whole] = mapped_column(default=0)
