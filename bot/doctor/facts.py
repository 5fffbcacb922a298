"""What the doctor judges by: what the database showed, and what Slack told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.tables import Channel, Person

LATELY = timedelta(days=7)  # messages given up before that are history


@dataclass(frozen=True)
class Place:
    """A channel that agents name, as the directory knows it; `row` is None where it does not."""

    slack_id: str
    agents: tuple[str, ...]
    row: Channel | None


@dataclass(frozen=True)
class Owner:
    """A person who holds roles, and how they stand."""

    person: Person
    roles: tuple[str, ...]  # "operations owner of Support triage"
    first_called: bool  # operations owner or backup of an agent
    unconfirmed: tuple[str, ...] = ()
    declined: tuple[str, ...] = ()
    asked_at: datetime | None = None  # the longest ago of what is unconfirmed


@dataclass(frozen=True)
class Seen:
    """Everything the judgement needs from the database."""

    agents: int = 0
    ownerless: tuple[str, ...] = ()  # agents whose business or operations owner is missing
    unheard: tuple[str, ...] = ()
    unlooked: tuple[str, ...] = ()  # "output of Support triage": checks that are due and were never looked at
    wrong: tuple[str, ...] = ()  # the same, of checks that somebody silenced as wrong
    places: tuple[Place, ...] = ()
    owners: tuple[Owner, ...] = ()
    leads_named: bool = False
    leads_reached: bool = False
    uses: dict[str, str] = field(default_factory=dict)  # optional scope -> what of the registry needs it
    tokens: int = 0
    team: str | None = None  # the workspace this database belongs to
    directory: dict[str, Any] | None = None
    delivery: dict[str, Any] = field(default_factory=dict)
    failed: int = 0
    failed_example: tuple[str, str] | None = None  # where to, why
    overdue: int = 0
    overdue_since: datetime | None = None
    unreached: tuple[tuple[str, bool], ...] = ()  # who cannot be reached and why, and whether that is broken
    from_slack: bool = False  # something came in from Slack lately


@dataclass(frozen=True)
class Told:
    """How Slack answered. `state`: ok, refused (the token), away (nobody answered, or it asked to slow down)."""

    state: str
    error: str = ""
    team: str = ""
    team_id: str = ""
    scopes: frozenset[str] | None = None  # None where Slack did not say
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)  # asked anew, by id
