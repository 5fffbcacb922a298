"""What agents report: runs, outputs, evaluations, outcomes, measures, costs and changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Name, Table, Whole


class Run(Table):
    """One execution. Money is nano-units of `currency`; `ms` is how long it took."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("agent_id", "ext_id"),
        Index("ix_runs_agent_id_occurred_at", "agent_id", "occurred_at"),
        Index("ix_runs_received_at", "received_at"),
        Index("ix_runs_trace_id", "trace_id", sqlite_where=text("trace_id IS NOT NULL"), postgresql_where=text("trace_id IS NOT NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))  # digest of the event: same id, other content is a conflict
    status: Mapped[str] = mapped_column(String(16))  # ok, failed, ...
    ms: Mapped[Whole | None]
    model: Mapped[str | None] = mapped_column(String(128))
    version: Mapped[str | None] = mapped_column(String(128))
    stage: Mapped[str | None] = mapped_column(String(16))
    tokens_in: Mapped[Whole | None]
    tokens_cached: Mapped[Whole | None]
    tokens_out: Mapped[Whole | None]
    nano: Mapped[Whole | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    parent: Mapped[str | None] = mapped_column(String(128))
    trace_id: Mapped[str | None] = mapped_column(String(128))
    error: Mapped[str | None] = mapped_column(Text)
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class Output(Table):
    """Something a person can judge or use. `known` is false for a stub made by a rating that came first."""

    __tablename__ = "outputs"
    __table_args__ = (
        UniqueConstraint("agent_id", "ext_id"),
        Index(
            "uq_outputs_slack",
            "channel_id",
            "slack_ts",
            unique=True,
            sqlite_where=text("slack_ts IS NOT NULL"),
            postgresql_where=text("slack_ts IS NOT NULL"),
        ),
        Index("ix_outputs_agent_id_occurred_at", "agent_id", "occurred_at"),
        Index("ix_outputs_run", "agent_id", "run", sqlite_where=text("run IS NOT NULL"), postgresql_where=text("run IS NOT NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32), default="")
    known: Mapped[bool] = mapped_column(default=True)
    run: Mapped[str | None] = mapped_column(String(128))  # ext_id of its run
    kind: Mapped[str] = mapped_column(String(64), default="output")
    text: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    channel_id: Mapped[str | None] = mapped_column(String(32))  # where it stands in Slack, once it does
    slack_ts: Mapped[str | None] = mapped_column(String(32))
    ours: Mapped[bool] = mapped_column(default=False)  # we posted it, so it carries our buttons
    local_day: Mapped[str] = mapped_column(String(10))  # YYYY-MM-DD in the agent's zone
    input: Mapped[str | None] = mapped_column(Text)  # what the agent was asked; kept as long as the text
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # trace_id, span_id, topic


class Evaluation(Table):
    """An automated score of an output or of a run; `good` is its verdict by the registry's rule for its name."""

    __tablename__ = "evaluations"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"), Index("ix_evaluations_output_id", "output_id"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))
    output_id: Mapped[int | None] = mapped_column(ForeignKey("outputs.id"))
    run: Mapped[str | None] = mapped_column(String(128))
    name: Mapped[Name]
    score: Mapped[float | None]
    label: Mapped[str | None] = mapped_column(String(128))
    good: Mapped[bool | None]
    evaluator: Mapped[str | None] = mapped_column(String(128))
    explanation: Mapped[str | None] = mapped_column(Text)


class Outcome(Table):
    """What a person did with an output: accepted, edited, overridden or ignored."""

    __tablename__ = "outcomes"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"), Index("ix_outcomes_output_id", "output_id"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))
    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    result: Mapped[str] = mapped_column(String(16))
    seconds: Mapped[Whole | None]


class Measure(Table):
    """A business number; `value` keeps the decimal as text, `number` is for summing."""

    __tablename__ = "measures"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"), Index("ix_measures_agent_id_name_occurred_at", "agent_id", "name", "occurred_at"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))
    name: Mapped[Name]
    value: Mapped[str] = mapped_column(String(64))
    number: Mapped[float]
    unit: Mapped[str | None] = mapped_column(String(32))
    output: Mapped[str | None] = mapped_column(String(128))


class Cost(Table):
    """Money spent beside the runs' own: nano-units of one currency."""

    __tablename__ = "costs"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"), Index("ix_costs_agent_id_local_day", "agent_id", "local_day"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))
    local_day: Mapped[str] = mapped_column(String(10))
    run: Mapped[str | None] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(64), default="other")
    nano: Mapped[Whole]
    currency: Mapped[str] = mapped_column(String(3))


class Change(Table):
    """A new version of a prompt, index, model or instruction, announced by an event or first seen in a run."""

    __tablename__ = "changes"
    __table_args__ = (UniqueConstraint("agent_id", "ext_id"), Index("ix_changes_agent_id_occurred_at", "agent_id", "occurred_at"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    ext_id: Mapped[Name]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content: Mapped[str] = mapped_column(String(32))
    input: Mapped[Name]
    version: Mapped[Name]
    note: Mapped[str | None] = mapped_column(Text)
