"""The registry as it stands: agents, their owners, what was applied, and each agent's stage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Name, Table, Whole


class Agent(Table):
    """An AI system at work. `spec` is the accepted description of DESIGN.md's registry, as plain JSON."""

    __tablename__ = "agents"
    __table_args__ = (UniqueConstraint("slug"), Index("ix_agents_department", "department"), Index("ix_agents_channel_id", "channel_id"))

    id: Mapped[Identity]
    slug: Mapped[Name]
    name: Mapped[str] = mapped_column(String(200))
    department: Mapped[str] = mapped_column(String(200), default="")
    zone: Mapped[str] = mapped_column(String(64), default="UTC")  # decides what "a day" is for this agent
    channel_id: Mapped[str | None] = mapped_column(String(32))  # Slack's id of the owner channel
    slack_app: Mapped[str | None] = mapped_column(String(32))  # the agent's own Slack app, if any
    spec: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    spec_rev: Mapped[int] = mapped_column(default=1)  # grows with every change of spec
    checks_rev: Mapped[int] = mapped_column(default=0)  # the spec_rev that the checks room has taken over
    in_file: Mapped[bool] = mapped_column(default=False)  # contained in an applied aiops.yml
    created_at: Mapped[datetime]
    heard_at: Mapped[datetime | None]  # when its first live event came in
    paused_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]


class AgentOwner(Table):
    """One person in one role for one agent, for a span of time; accepted, or still asked."""

    __tablename__ = "agent_owners"
    __table_args__ = (
        Index(
            "uq_agent_owners_current",
            "agent_id",
            "role",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
        Index("ix_agent_owners_person_id", "person_id"),
        Index("ix_agent_owners_chase_at", "chase_at"),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    role: Mapped[str] = mapped_column(String(16))  # business, operations, backup, sponsor
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]  # pressed `Not me`; the role is still theirs until someone else takes it
    chase_at: Mapped[datetime | None]  # when the leads are told that nobody accepted; null once settled or told
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who named them; null: the registry file


class Handover(Table):
    """A role on its way to another person: the one who holds it stays until the new one accepts."""

    __tablename__ = "handovers"
    __table_args__ = (
        Index(
            "uq_handovers_open",
            "agent_id",
            "role",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_handovers_person_id", "person_id"),
        Index("ix_handovers_chase_at", "chase_at"),
        Index("ix_handovers_next_at", "next_at", sqlite_where=text("next_at IS NOT NULL"), postgresql_where=text("next_at IS NOT NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    role: Mapped[str] = mapped_column(String(16))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))  # who shall take it
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who asked for it; null: the registry file
    asked_at: Mapped[datetime]
    chase_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]  # accepted, declined, or taken back
    from_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who held it when it was asked
    note: Mapped[str | None] = mapped_column(Text)  # a word of whoever hands it over
    next_at: Mapped[datetime | None]  # its timer: a reminder, then its end; null once it is settled
    reminded_at: Mapped[datetime | None]
    how: Mapped[str | None] = mapped_column(String(16))  # accepted, declined, taken_back, superseded, expired, left, ended
    told: Mapped[str | None] = mapped_column(String(16))  # how it stood when everybody concerned was told last: asked, or as `how`
    carries: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # what travels along, as its message tells it


class Stage(Table):
    """What the agent may do now, who ordered it and why; `rev` grows with every order."""

    __tablename__ = "stages"
    __table_args__ = (UniqueConstraint("agent_id"),)

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    stage: Mapped[str] = mapped_column(String(16))  # shadow, assisted, autonomous, suspended, retired
    version: Mapped[str | None] = mapped_column(String(128))
    rev: Mapped[Whole] = mapped_column(default=1)
    since: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    back_to: Mapped[str | None] = mapped_column(String(16))  # the freest stage before it was lowered: as far as the way back goes
    resumed_at: Mapped[datetime | None]  # when it last began to work again after it was stopped: silence before is no failure
    read_at: Mapped[datetime | None]  # when a token of its own last read the gate, to within some minutes
    read_rev: Mapped[int | None]  # the order it read then


class StageOrder(Table):
    """One order to an agent: asked, told to its webhook, and obeyed once the agent confirms it."""

    __tablename__ = "stage_orders"
    __table_args__ = (
        UniqueConstraint("agent_id", "rev"),
        Index("ix_stage_orders_look_at", "look_at", sqlite_where=text("look_at IS NOT NULL"), postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_stage_orders_late_at", "late_at", sqlite_where=text("late_at IS NOT NULL AND obeyed_at IS NULL AND over_at IS NULL"), postgresql_where=text("late_at IS NOT NULL AND obeyed_at IS NULL AND over_at IS NULL")),
        Index("ix_stage_orders_hook_at", "hook_at", sqlite_where=text("hook_at IS NOT NULL"), postgresql_where=text("hook_at IS NOT NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    rev: Mapped[Whole]
    stage: Mapped[str] = mapped_column(String(16))
    version: Mapped[str | None] = mapped_column(String(128))
    before: Mapped[str] = mapped_column(String(16))
    left: Mapped[str | None] = mapped_column(String(128))  # the version that was rolled back from: never gone back to
    lowers: Mapped[bool]  # it allows less, or another version: nobody obeying it is worth a page
    asked_at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    reason: Mapped[str] = mapped_column(Text, default="")
    obeyed_at: Mapped[datetime | None]
    obeyed_how: Mapped[str | None] = mapped_column(String(16))  # gate, webhook, run, hand
    obeyed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who says that they switched it by hand
    late_at: Mapped[datetime | None]  # when it had gone unconfirmed for too long
    over_at: Mapped[datetime | None]  # when another order took its place
    look_at: Mapped[datetime | None]  # its timer: new, then the end of the wait; null once nothing is waited for
    hook_at: Mapped[datetime | None]  # when the webhook is (again) told; null where it knows, or there is none
    hook_tries: Mapped[Whole] = mapped_column(default=0)
    hook_said: Mapped[str] = mapped_column(String(64), default="")  # why the last try failed, without any address


class Registry(Table):
    """Each aiops.yml that was applied; the newest row holds the workspace, people and ladders in force."""

    __tablename__ = "registries"

    id: Mapped[Identity]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the document
    document: Mapped[dict[str, Any]] = mapped_column(JSON)  # the whole parsed file
    agents: Mapped[list[Any]] = mapped_column(JSON)  # the slugs it contained
