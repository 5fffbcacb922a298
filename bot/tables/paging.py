"""Problems, the pages that call people about them, and the climbs up a ladder of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.tables.table import Identity, Table, Whole


class Problem(Table):
    """A failing check of an agent, open until it recovers."""

    __tablename__ = "problems"
    __table_args__ = (
        Index("uq_problems_open", "check_id", unique=True, sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")),
        Index("ix_problems_agent_id", "agent_id", sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")),
        Index("ix_problems_fingerprint", "fingerprint"),
        Index("ix_problems_page_id", "page_id"),
        Index("ix_problems_under_id", "under_id", sqlite_where=text("under_id IS NOT NULL"), postgresql_where=text("under_id IS NOT NULL")),
        Index("ix_problems_check_id_opened_at", "check_id", "opened_at"),
        Index("ix_problems_free_at", "free_at", sqlite_where=text("free_at IS NOT NULL"), postgresql_where=text("free_at IS NOT NULL")),
        Index("ix_problems_steady_at", "steady_at", sqlite_where=text("steady_at IS NOT NULL"), postgresql_where=text("steady_at IS NOT NULL")),
        Index("ix_problems_quiet_until", "quiet_until", sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    check_id: Mapped[int | None] = mapped_column(ForeignKey("checks.id"))
    page_id: Mapped[int | None] = mapped_column(ForeignKey("pages.id"))  # the page that called, or calls, people about it
    under_id: Mapped[int | None] = mapped_column(ForeignKey("pages.id"))  # the page of what took it down: it calls nobody itself
    free_at: Mapped[datetime | None]  # what took it down is over: if it still fails then, it calls people itself
    fingerprint: Mapped[str] = mapped_column(String(200))  # agent slug and check name: what recurs
    severity: Mapped[str] = mapped_column(String(8))
    title: Mapped[str] = mapped_column(Text)  # what fails, in a few words
    says: Mapped[str] = mapped_column(Text)  # the finding in words, with its numbers
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    since: Mapped[datetime]  # when the failure began, as far as we know
    deadline_at: Mapped[datetime | None]  # when the look that opened it was due: a missed deadline, or the arrival of an event
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_why: Mapped[str] = mapped_column(Text, default="")
    quiet_by: Mapped[str | None] = mapped_column(String(40))  # silence:3 or maintenance:5: it calls nobody meanwhile
    quiet_until: Mapped[datetime | None]  # then it is looked at anew: its timer
    flapping_at: Mapped[datetime | None]  # it comes and goes: since then it is held open
    turns: Mapped[Whole] = mapped_column(default=0, server_default="0")  # how often it failed anew since it comes and goes
    well_at: Mapped[datetime | None]  # held open, though it has been well since then
    steady_at: Mapped[datetime | None]  # when it has been the same for long enough: well, and it closes; failing, and it no longer flaps


class Page(Table):
    """The call to people about one or more problems; one state, shown in the channel and in each DM."""

    __tablename__ = "pages"
    __table_args__ = (
        Index("ix_pages_agent_id", "agent_id"),
        Index("ix_pages_owner_id", "owner_id", sqlite_where=text("resolved_at IS NULL"), postgresql_where=text("resolved_at IS NULL")),
        Index("ix_pages_parent_id", "parent_id", sqlite_where=text("parent_id IS NOT NULL"), postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_pages_opened_at", "opened_at"),
        Index("ix_pages_open", "opened_at", sqlite_where=text("resolved_at IS NULL"), postgresql_where=text("resolved_at IS NULL")),
        Index("ix_pages_ack_due_at", "ack_due_at"),
        Index("ix_pages_checking_at", "checking_at", sqlite_where=text("checking_at IS NOT NULL"), postgresql_where=text("checking_at IS NOT NULL")),
    )

    id: Mapped[Identity]
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("pages.id"))  # the page of what took its agents down: it is part of that one, and calls nobody
    severity: Mapped[str] = mapped_column(String(8))
    opened_at: Mapped[datetime]
    acked_at: Mapped[datetime | None]
    acked_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    took: Mapped[bool] = mapped_column(default=False)  # acked by `I'll take it` rather than by someone called
    renewed_at: Mapped[datetime | None]  # when they last said that they are still on it
    ack_until: Mapped[datetime | None]  # then calling begins again, unless they are still on it
    ack_due_at: Mapped[datetime | None]  # the timer of that: the warning before the end, then the end
    snoozed: Mapped[bool] = mapped_column(default=False)  # the end was chosen by the one who has it
    lapsed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # who had it last, until `lapsed_at`
    lapsed_at: Mapped[datetime | None]
    checking_at: Mapped[datetime | None]  # somebody says it is fixed: since then its checks are looked at anew
    checking_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    resolved_why: Mapped[str] = mapped_column(Text, default="")
    test: Mapped[bool] = mapped_column(default=False)  # a test page: no check behind it
    synthetic: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # a test page that the bot sends itself, to see that pages arrive
    called_ms: Mapped[int | None] = mapped_column(BigInteger)  # from the deadline of its first problem until the outside accepted the first call
    quiet_until: Mapped[datetime | None]  # all its open problems are silenced or in maintenance: it calls nobody until then


class Climb(Table):
    """A running ladder: which rung comes next, and when. Durable: the timer is this row."""

    __tablename__ = "climbs"
    __table_args__ = (
        Index("uq_climbs_live", "subject_kind", "subject_id", unique=True, sqlite_where=text("stopped_at IS NULL"), postgresql_where=text("stopped_at IS NULL")),
        Index("ix_climbs_next_at", "next_at"),
        Index("ix_climbs_subject", "subject_kind", "subject_id"),
    )

    id: Mapped[Identity]
    subject_kind: Mapped[str] = mapped_column(String(16))  # page, ...
    subject_id: Mapped[int]
    steps: Mapped[list[Any]] = mapped_column(JSON)  # [{after: seconds, call: what}], `after` from the start of the round
    rung: Mapped[Whole] = mapped_column(default=0)  # index of the next step
    round: Mapped[Whole] = mapped_column(default=1)
    round_at: Mapped[datetime]  # when this round began
    next_at: Mapped[datetime | None]  # null once stopped
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    stopped_why: Mapped[str] = mapped_column(Text, default="")


class Call(Table):
    """One person (or channel) called on one rung by one route, and whether it arrived."""

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("climb_id", "round", "rung", "target", "route"),
        Index("ix_calls_confirm_by", "confirm_by"),
    )

    id: Mapped[Identity]
    climb_id: Mapped[int] = mapped_column(ForeignKey("climbs.id"))
    round: Mapped[Whole]
    rung: Mapped[Whole]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    target: Mapped[str] = mapped_column(String(200))  # person:12 or channel:C0...
    route: Mapped[str] = mapped_column(String(16))  # slack, email, webhook, pagerduty
    message_key: Mapped[str] = mapped_column(String(200))  # the outbox row
    called_at: Mapped[datetime]
    confirm_by: Mapped[datetime | None]  # when the next route is used unless delivery is confirmed; null once settled
    state: Mapped[str] = mapped_column(String(16), default="sent")  # sent, confirmed, failed, dropped


class RouteTest(Table):
    """Somebody tries whether they can be reached: one test call by each of their routes, and what became of it."""

    __tablename__ = "route_tests"
    __table_args__ = (Index("ix_route_tests_look_at", "look_at"),)

    id: Mapped[Identity]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    started_at: Mapped[datetime]
    heard: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # route -> when they said that it reached them (ISO)
    look_at: Mapped[datetime | None]  # null once it is over
    ended_at: Mapped[datetime | None]
