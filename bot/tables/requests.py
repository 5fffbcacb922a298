"""What agents ask of people (hand-offs and approvals), what was answered, and how often their rules allowed something."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Name, Table, Whole


class Request(Table):
    """The agent asks a person: to take something over (handoff), or whether it may do exactly one thing (approval)."""

    __tablename__ = "requests"
    __table_args__ = (
        UniqueConstraint("agent_id", "ext_id"),
        Index("ix_requests_agent_id_received_at", "agent_id", "received_at"),
        Index("ix_requests_agent_id_action_hash", "agent_id", "action_hash", sqlite_where=text("action_hash IS NOT NULL"), postgresql_where=text("action_hash IS NOT NULL")),
        Index("ix_requests_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_requests_hook_at", "hook_at", sqlite_where=text("hook_at IS NOT NULL"), postgresql_where=text("hook_at IS NOT NULL")),
        Index("ix_requests_open", "received_at", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))  # handoff, approval
    topic: Mapped[str | None] = mapped_column(String(64))  # what it is about, as the agent says
    title: Mapped[str] = mapped_column(Text)
    context: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    action: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # exactly what would be done, as it is shown
    action_hash: Mapped[str | None] = mapped_column(String(64))
    rule: Mapped[str | None] = mapped_column(String(64))  # the rule of the registry that asked
    triggered_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who had the agent do it: they may not approve it
    deadline_at: Mapped[datetime | None]  # the agent's own: afterwards no answer helps it
    state: Mapped[str] = mapped_column(String(16))  # open, approved, rejected, answered, withdrawn, timed_out
    channel_id: Mapped[str | None] = mapped_column(String(32))  # its queue in Slack
    sla_at: Mapped[datetime | None]  # until when somebody is to have answered (a hand-off: to have claimed it)
    due_at: Mapped[datetime | None]  # its timer; null once nothing more is due
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    claimed_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]  # when whoever claimed it was reminded
    late_at: Mapped[datetime | None]  # when its SLA passed without anybody
    on_timeout: Mapped[str | None] = mapped_column(String(8))  # deny, allow
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(Text)
    used_at: Mapped[datetime | None]  # an approval is used once
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    undone_at: Mapped[datetime | None]  # an approval that somebody took back
    undone_why: Mapped[str | None] = mapped_column(Text)
    hook_at: Mapped[datetime | None]  # when the agent's webhook is (again) told; null where it knows, or there is none
    hook_tries: Mapped[Whole | None]
    hook_said: Mapped[str | None] = mapped_column(String(64))  # how the last try ended, without any address


class RequestEnd(Table):
    """The agent takes a request back: it no longer needs the answer."""

    __tablename__ = "request_ends"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"),)

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))
    request_id: Mapped[int] = mapped_column(ForeignKey("requests.id"))
    note: Mapped[str | None] = mapped_column(Text)


class PermissionCount(Table):
    """How often a rule allowed something in one minute; each process adds to rows of its own."""

    __tablename__ = "permission_counts"
    __table_args__ = (UniqueConstraint("agent_id", "rule", "minute_at", "slot"), Index("ix_permission_counts_minute_at", "minute_at"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    rule: Mapped[str] = mapped_column(String(64))
    minute_at: Mapped[datetime]
    slot: Mapped[Whole]
    n: Mapped[Whole]
