"""What watches quality for drift: the detectors' memory, what they noticed, and what was fed to them and is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Detector(Table):
    """One agent's detectors of one source, both directions: fed one settled observation per output, under this row's lock."""

    __tablename__ = "detectors"
    __table_args__ = (
        UniqueConstraint("agent_id", "source"),
        Index("ix_detectors_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_detectors_unmarked", "agent_id", sqlite_where=text("marked IS FALSE"), postgresql_where=text("marked IS FALSE")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    source: Mapped[str] = mapped_column(String(16))  # people, evaluations, outcomes
    state: Mapped[str] = mapped_column(String(8), default="waiting")  # waiting (for a baseline), small, steady, worse, better
    baseline_id: Mapped[int | None] = mapped_column(ForeignKey("baselines.id"))
    body: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # what quality.drift.watching folds
    fed: Mapped[Whole] = mapped_column(default=0)  # observations since the baseline
    settled_at: Mapped[datetime | None]  # of the newest observation fed
    due_at: Mapped[datetime | None]  # the baseline is new, or history is being fed again
    replay_at: Mapped[datetime | None]  # how far history has been fed again; None where it has not begun, or is done
    replay_id: Mapped[Whole | None]
    rebase_from: Mapped[str | None] = mapped_column(String(10))  # a decision: measure a new baseline from this local day on
    marked: Mapped[bool] = mapped_column(default=True)  # false: the agent must be folded anew


class Drift(Table):
    """One change of quality that a detector noticed: kept as evidence, open until it is over."""

    __tablename__ = "drifts"
    __table_args__ = (
        Index("ix_drifts_agent_id_noticed_at", "agent_id", "noticed_at"),
        Index("ix_drifts_open", "agent_id", sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    source: Mapped[str] = mapped_column(String(16))
    side: Mapped[str] = mapped_column(String(8))  # worse, better
    noticed_at: Mapped[datetime]  # when the observation settled that gave the alarm
    since: Mapped[datetime]  # when it likely began
    before: Mapped[float]  # share of good outputs, of the baseline
    before_n: Mapped[Whole]
    after: Mapped[float]  # since the change, as of the alarm
    low: Mapped[float]
    high: Mapped[float]
    n: Mapped[Whole]  # outputs since the change
    told: Mapped[bool] = mapped_column(default=False)  # it is of the present; what an import brought is told to nobody
    segment: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # where most of it is
    near: Mapped[list[Any]] = mapped_column(JSON, default=list)  # what changed near it, in words
    known_at: Mapped[datetime | None]  # somebody said that it is known: no problem is open for it any more
    known_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    known_why: Mapped[str] = mapped_column(Text, default="")
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str] = mapped_column(String(16), default="")  # recovered, over, rebased


class Fed(Table):
    """A settled observation that is gone (every vote was taken back): its output is never fed again."""

    __tablename__ = "fed"

    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
