"""What a silence or a maintenance window covers, how long it may last, and when the next window is: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.calendars import cron_times, shortest_gap

USUAL = timedelta(hours=2)  # a silence without a length
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=30)  # of a silence: what is to rest for longer is taken out of aiops.yml
LONGEST_WINDOW = timedelta(days=7)
FAR = timedelta(days=366)  # how far ahead a single window may be planned
LATE = timedelta(minutes=5)  # a start told later than this says so
REASON = 500  # characters

_PATTERN = re.compile(r"^[a-z0-9*?][a-z0-9*?-]{0,126}$")
_CHECK = re.compile(r"^[a-z0-9*?][a-z0-9*?:._-]{0,126}$")
_LENGTH = re.compile(r"^(\d{1,5})([mhd])$")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Scope:
    """Which problems are meant; what is None means any."""

    agent: str = "*"
    department: str | None = None
    check: str | None = None
    kind: str | None = None
    severity: str | None = None

    @property
    def one_agent(self) -> bool:
        """Whether it names one agent, and can never cover another."""
        return not is_pattern(self.agent)


@dataclass(frozen=True)
class Target:
    """A problem, as far as quiet looks at it."""

    agent: str
    department: str
    check: str
    kind: str
    severity: str


@dataclass(frozen=True)
class Cover:
    """Why a problem calls nobody now, and until when."""

    key: str  # silence:3 or maintenance:5
    until: datetime
    reason: str
    by: str = ""  # who agreed to it; empty where the registry file did
    scope: Scope = Scope()

    @property
    def is_silence(self) -> bool:
        return self.key.startswith("silence:")


def is_pattern(words: str) -> bool:
    return any(each in words for each in "*?")


def covers_agent(scope: Scope, slug: str, department: str) -> bool:
    """Whether an agent is meant. Departments are compared without regard to case."""
    return fnmatchcase(slug, scope.agent) and (scope.department is None or scope.department.casefold() == department.casefold())


def covers(scope: Scope, target: Target) -> bool:
    """Whether a problem is meant: everything that the scope names must fit."""
    return (
        covers_agent(scope, target.agent, target.department)
        and (scope.check is None or fnmatchcase(target.check, scope.check))
        and (scope.kind is None or scope.kind == target.kind)
        and (scope.severity is None or scope.severity == target.severity)
    )


def longest(covers: Iterable[Cover]) -> Cover | None:
    """Of several that cover one problem, the one that ends last; among equals the silence, which has an author."""
    return max(covers, key=lambda cover: (cover.until, cover.is_silence, cover.key), default=None)


def length_of(words: str) -> timedelta | None:
    """`30m`, `2h`, `3d`; None where it is no length."""
    matched = _LENGTH.match(words.strip().lower())
    return int(matched[1]) * _UNITS[matched[2]] if matched else None


def length_mistake(length: timedelta | None, most: timedelta) -> str:
    """What is wrong with a length, with the remedy; empty where nothing is."""
    if length is None:
        return "Write how long as 30m, 2h or 3d."
    if not SHORTEST <= length <= most:
        return f"Choose between 1 minute and {most.days} days."
    return ""


def agent_mistake(words: str) -> str:
    """What is wrong with an agent's id or a pattern of ids."""
    return "" if _PATTERN.match(words) else "Write an agent's id, a pattern such as support-*, or * for all agents."


def check_mistake(words: str) -> str:
    return "" if _CHECK.match(words) else "Write a check's name, or a pattern such as nightly-*."


# --- maintenance windows ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A window, and whether it comes again. It lasts as long in real time, also over a change of the clocks."""

    starts_at: datetime
    ends_at: datetime
    cron: str | None = None
    zone: str = "UTC"
    begun: bool = False  # its start was told

    @property
    def lasts(self) -> timedelta:
        return self.ends_at - self.starts_at


class Move(StrEnum):
    """What a window needs now."""

    BEGIN = "begin"  # tell that it has begun
    END = "end"  # tell that it is over
    MISSED = "missed"  # it came and went while nobody could tell: say so, once
    WAIT = "wait"


def move(plan: Plan, now: datetime) -> Move:
    """The next thing to tell about a window."""
    if now >= plan.ends_at:
        return Move.END if plan.begun else Move.MISSED
    return Move.BEGIN if now >= plan.starts_at and not plan.begun else Move.WAIT


def due(plan: Plan) -> datetime:
    """When a window must next be looked at."""
    return plan.ends_at if plan.begun else plan.starts_at


def window_after(cron: str, zone: str, lasts: timedelta, after: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    """The first window that starts after `after` and is not over by `now`; None where the schedule never comes again."""
    try:
        starts_at = next(cron_times(cron, max(after, now - lasts), zone))
    except StopIteration:
        return None
    return starts_at, starts_at + lasts


def overlap_mistake(cron: str, zone: str, lasts: timedelta, since: datetime) -> str:
    """A window must be over before the next one starts."""
    gap = shortest_gap(cron, zone, since)
    return "A window would still run when the next one starts. Make it shorter, or let it come less often." if gap is not None and lasts >= gap else ""
