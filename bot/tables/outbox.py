"""Messages as rows: what Slack (or another route) should show, every attempt at it, pace and leases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class OutMessage(Table):
    """One thing to be delivered. `want` is the wanted content, `shown_rev` the revision known to stand outside."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_messages_due", "priority", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_messages_thread_key_seq", "thread_key", "seq"),
        Index("ix_messages_cause", "cause"),
        Index("ix_messages_place", "channel", "ts"),
    )

    id: Mapped[Identity]
    key: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(8))  # show, call, line, file
    route: Mapped[str] = mapped_column(String(16), default="slack")
    target: Mapped[str] = mapped_column(String(300))  # C0.. or U0.. for Slack; an address elsewhere
    thread_key: Mapped[str | None] = mapped_column(String(200))  # the key of the root message it stands under
    seq: Mapped[Whole] = mapped_column(default=0)  # order within a thread
    priority: Mapped[Whole]  # see outbox.rules.Priority; lower goes first
    cause: Mapped[str | None] = mapped_column(String(200))  # pending calls of a cause are dropped together
    want: Mapped[dict[str, Any]] = mapped_column(JSON)  # {text, blocks, ...}
    want_rev: Mapped[Whole] = mapped_column(default=1)
    shown_rev: Mapped[Whole] = mapped_column(default=0)
    gone: Mapped[bool] = mapped_column(default=False)  # it should no longer be shown
    state: Mapped[str] = mapped_column(String(16), default="pending")  # pending, shown, dropped, failed, removed
    channel: Mapped[str | None] = mapped_column(String(32))  # the receipt: where Slack put it
    ts: Mapped[str | None] = mapped_column(String(32))
    plain: Mapped[bool] = mapped_column(default=False)  # Slack refused the blocks: shown as a plain section
    due_at: Mapped[datetime | None]  # null: nothing to do
    expires_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    lease_by: Mapped[str | None] = mapped_column(String(64))
    tries: Mapped[Whole] = mapped_column(default=0)
    created_at: Mapped[datetime]
    shown_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


class Attempt(Table):
    """One try at delivering one revision, committed before the network is touched."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_message_id", "message_id"), UniqueConstraint("nonce"))

    id: Mapped[Identity]
    message_id: Mapped[int]
    rev: Mapped[Whole]
    nonce: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    outcome: Mapped[str | None] = mapped_column(String(32))  # null while unknown
    detail: Mapped[str | None] = mapped_column(Text)


class Pace(Table):
    """When the next call of a method (in a channel) may go out: from our own pacing or a 429's Retry-After."""

    __tablename__ = "paces"
    __table_args__ = (UniqueConstraint("scope"),)

    id: Mapped[Identity]
    scope: Mapped[str] = mapped_column(String(200))  # post:C0.., method:chat.update, edits
    next_at: Mapped[datetime]


class Lease(Table):
    """Who may do a job that one process at a time does; `fence` grows with every new holder."""

    __tablename__ = "leases"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[Identity]
    name: Mapped[str] = mapped_column(String(64))
    holder: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]
    fence: Mapped[Whole] = mapped_column(default=1)
