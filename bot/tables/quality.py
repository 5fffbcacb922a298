"""What is counted once, when it arrives: observations, tallies, days, baselines, and the row `status` reads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Observation(Table):
    """The verdict of one source on one output: `share` is the mean of its current votes, 0 to 1."""

    __tablename__ = "observations"
    __table_args__ = (
        UniqueConstraint("source", "output_id"),
        Index("ix_observations_agent_id_local_day", "agent_id", "local_day"),
        Index(
            "ix_observations_settles_at",
            "settles_at",
            sqlite_where=text("settled IS FALSE"),
            postgresql_where=text("settled IS FALSE"),
        ),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"))
    source: Mapped[str] = mapped_column(String(16))  # people, evaluations, outcomes
    local_day: Mapped[str] = mapped_column(String(10))  # the output's day in the agent's zone
    share: Mapped[float]
    votes: Mapped[Whole]
    sampled: Mapped[bool] = mapped_column(default=False)  # it was in the review sample (else: volunteers)
    first_at: Mapped[datetime]
    settles_at: Mapped[datetime]
    settled: Mapped[bool] = mapped_column(default=False)
    # What it was counted under, to be taken back by the difference: its segments, its voters, its evaluations' names.
    parts: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class Addition(Table):
    """What one transaction of intake adds to the counters: one short row then, gathered into `tallies` and `days` a moment later."""

    __tablename__ = "additions"

    id: Mapped[Identity]
    body: Mapped[str] = mapped_column(Text)  # JSON: [[agent ids], [[agent id, zone, bucket, [[metric, bin, n, sum], ...]], ...]]


class Tally(Table):
    """A counter of one agent in one 5-minute bucket, owned by one writing process (`slot`); readers sum the slots.

    `bin` is 0 for plain counters, and the histogram bin (see stats.bin_of) for latency and cost.
    """

    __tablename__ = "tallies"

    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    metric: Mapped[str] = mapped_column(String(48), primary_key=True)
    bucket_at: Mapped[datetime] = mapped_column(primary_key=True)
    bin: Mapped[int] = mapped_column(primary_key=True, default=0)
    slot: Mapped[int] = mapped_column(primary_key=True, default=0)
    n: Mapped[Whole] = mapped_column(default=0)
    sum: Mapped[Whole] = mapped_column(default=0)


class Day(Table):
    """The same counters by the agent's local day; the quality metrics keep thousandths of a share in `sum`."""

    __tablename__ = "days"

    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    local_day: Mapped[str] = mapped_column(String(10), primary_key=True)
    metric: Mapped[str] = mapped_column(String(48), primary_key=True)
    bin: Mapped[int] = mapped_column(primary_key=True, default=0)
    slot: Mapped[int] = mapped_column(primary_key=True, default=0)
    n: Mapped[Whole] = mapped_column(default=0)
    sum: Mapped[Whole] = mapped_column(default=0)


class DayPart(Table):
    """A part of a day's quality: one segment (a kind, a model, ...), one evaluation's name, or one voter's share of the weight.

    `part` says what `value` is. n counts outputs and `sum` thousandths, as in `days`; of the part `unasked` (what one
    person judged without being asked) both are millionths of an output, because an output of k voters is k-ths of each.
    """

    __tablename__ = "day_parts"

    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)  # people, evaluations, outcomes
    part: Mapped[str] = mapped_column(String(16), primary_key=True)
    local_day: Mapped[str] = mapped_column(String(10), primary_key=True)
    value: Mapped[str] = mapped_column(String(128), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, default=0)
    n: Mapped[Whole] = mapped_column(default=0)
    sum: Mapped[Whole] = mapped_column(default=0)


class Segment(Table):
    """The values of a segment that are counted apart for an agent; beyond its first thirty, all count as "other"."""

    __tablename__ = "segments"
    __table_args__ = (UniqueConstraint("agent_id", "part", "value"),)

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    part: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(128))


class AwaitedRun(Table):
    """A judged output whose run has not been reported yet: it is counted anew, under its model and version, once it is."""

    __tablename__ = "awaited_runs"
    __table_args__ = (UniqueConstraint("output_id"), Index("ix_awaited_runs_since", "since"))

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    output_id: Mapped[int] = mapped_column(ForeignKey("outputs.id"))
    run: Mapped[str] = mapped_column(String(128))
    since: Mapped[datetime]


class Baseline(Table):
    """The quality at launch, frozen; a new one is set only by a recorded decision."""

    __tablename__ = "baselines"
    __table_args__ = (Index("ix_baselines_agent_id_source", "agent_id", "source"),)

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    source: Mapped[str] = mapped_column(String(16))
    share: Mapped[float]
    n: Mapped[Whole]
    first_day: Mapped[str] = mapped_column(String(10))
    last_day: Mapped[str] = mapped_column(String(10))
    label: Mapped[str] = mapped_column(String(64))  # "at launch" or "since we started looking"
    set_at: Mapped[datetime]
    current: Mapped[bool] = mapped_column(default=True)


class AgentNow(Table):
    """One row per agent, folded: all that `status` shows, ready to read."""

    __tablename__ = "agent_now"
    __table_args__ = (
        UniqueConstraint("agent_id"),
        Index("ix_agent_now_rank", "rank"),
        Index(
            "ix_agent_now_dirty_at",
            "dirty_at",
            sqlite_where=text("dirty_at IS NOT NULL"),
            postgresql_where=text("dirty_at IS NOT NULL"),
        ),
        Index("ix_agent_now_refresh_at", "refresh_at"),
        Index("ix_agent_now_better", "better"),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    verdict: Mapped[str] = mapped_column(String(24), default="learning")
    rank: Mapped[int] = mapped_column(default=0)  # the higher the worse
    why: Mapped[str] = mapped_column(Text, default="")  # the rule that gave the verdict, in words
    share: Mapped[float | None]
    low: Mapped[float | None]
    high: Mapped[float | None]
    n: Mapped[Whole] = mapped_column(default=0)
    machine: Mapped[bool] = mapped_column(default=False)  # evaluations stand in for people
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # the rest that is shown, never queried
    last_output_at: Mapped[datetime | None]
    last_run_at: Mapped[datetime | None]
    dirty_at: Mapped[datetime | None]  # something came in since the last fold
    refresh_at: Mapped[datetime | None]  # when time alone can change the verdict (silence, a new day)
    folded_at: Mapped[datetime | None]
    spec_rev: Mapped[int] = mapped_column(default=0)  # of the agent, as last folded
    better: Mapped[float | None]  # the probability that the last two weeks are better than the two before
    better_quarter: Mapped[float | None]  # ... than two weeks a quarter ago
