"""What OpenTelemetry sends: spans for a short time, traces and what was made of them, scores that wait, traffic of nobody."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Name, Table, Whole


class Trace(Table):
    """One trace: when it is looked at next. Its spans are pruned before the row is, so that a late span undoes nothing."""

    __tablename__ = "traces"
    __table_args__ = (
        Index("ix_traces_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_traces_heard_at", "heard_at"),
    )

    trace_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    heard_at: Mapped[datetime]  # when its newest span came
    due_at: Mapped[datetime | None]
    rooted: Mapped[bool] = mapped_column(default=False)  # a span without a parent (or with one elsewhere) is there
    spans: Mapped[Whole] = mapped_column(default=0)  # as they came, repeated ones too
    folded_at: Mapped[datetime | None]  # when its runs were last made from its spans
    nobody: Mapped[str | None] = mapped_column(Text)  # JSON: what of it was counted as traffic of nobody
    closed_at: Mapped[datetime | None]  # its spans are gone: what it said is settled


class Span(Table):
    """One span, read: ids to find it by, and the rest as one bounded JSON text. No content where the registry keeps none."""

    __tablename__ = "spans"
    __table_args__ = (
        Index("ix_spans_response_id", "response_id", sqlite_where=text("response_id IS NOT NULL"), postgresql_where=text("response_id IS NOT NULL")),
        {"sqlite_with_rowid": False},
    )

    trace_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    span_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agents.id"))  # as far as the span alone tells
    response_id: Mapped[str | None] = mapped_column(String(128))
    body: Mapped[str] = mapped_column(Text)


class SpanScore(Table):
    """An automated score of a span or a response, until what it judges is known; kept a while, so that a repeat is known."""

    __tablename__ = "span_scores"
    __table_args__ = (
        Index("ix_span_scores_trace_id", "trace_id", sqlite_where=text("trace_id IS NOT NULL"), postgresql_where=text("trace_id IS NOT NULL")),
        Index("ix_span_scores_response_id", "response_id", sqlite_where=text("response_id IS NOT NULL"), postgresql_where=text("response_id IS NOT NULL")),
        Index("ix_span_scores_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_span_scores_received_at", "received_at"),
    )

    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agents.id"))
    trace_id: Mapped[str | None] = mapped_column(String(32))
    span_id: Mapped[str | None] = mapped_column(String(16))
    response_id: Mapped[str | None] = mapped_column(String(128))
    received_at: Mapped[datetime]
    due_at: Mapped[datetime | None]  # when it is no longer waited for; null once it has found its run
    body: Mapped[str] = mapped_column(Text)


class UnownedAgent(Table):
    """Traffic that belongs to no agent of the registry: its name, how much, since when. Never what it said."""

    __tablename__ = "unowned_agents"
    __table_args__ = (UniqueConstraint("service", "agent_name"),)

    id: Mapped[Identity]
    service: Mapped[Name]
    agent_name: Mapped[Name]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    traces: Mapped[Whole] = mapped_column(default=0)
    shown_at: Mapped[datetime | None]
    ignored_until: Mapped[datetime | None]
    ignored_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agents.id"))  # whom it was registered as


class MetricSeries(Table):
    """The latest value of one series of a metric: what came since is the difference, and a repeat is nothing."""

    __tablename__ = "metric_series"
    __table_args__ = (Index("ix_metric_series_received_at", "received_at"),)

    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    began: Mapped[Whole]  # nanoseconds: another start is another counter
    at: Mapped[Whole]  # nanoseconds
    value: Mapped[Whole]
    received_at: Mapped[datetime]


class Metered(Table):
    """What metrics (or a coding agent's logs) said of one day, and how much of it the counters hold beside the runs' own."""

    __tablename__ = "metered"
    __table_args__ = (Index("ix_metered_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),)

    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    local_day: Mapped[str] = mapped_column(String(10), primary_key=True)
    metric: Mapped[str] = mapped_column(String(48), primary_key=True)
    by_metrics: Mapped[Whole] = mapped_column(default=0)
    by_logs: Mapped[Whole] = mapped_column(default=0)
    counted: Mapped[Whole] = mapped_column(default=0)
    due_at: Mapped[datetime | None]
