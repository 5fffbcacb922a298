"""What App Home knows before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bot.charts.values import Chart
from bot.feedback.messages import Shown
from bot.lists.messages import Item
from bot.requests.messages import RequestView

COUNTED = 500  # somebody's ratings are counted so far; who gave more is told "more than"


@dataclass(frozen=True)
class Turned:
    """A part of something longer: what is shown, from which place on, of how many, and on which page of it."""

    page: int = 0
    per: int = 1
    total: int = 0

    @property
    def first(self) -> int:
        return self.page * self.per

    @property
    def last(self) -> int:
        return min(self.first + self.per, self.total)


def turned(pages: dict[str, int], part: str, per: int, total: int) -> Turned:
    """The page somebody turned to; the last one where it has become shorter meanwhile."""
    wanted = pages.get(part, 0)
    return Turned(max(0, min(wanted, (total - 1) // per)), per, total)


@dataclass(frozen=True)
class Mine:
    """One agent at a glance."""

    slug: str
    name: str
    roles: tuple[str, ...]  # of the reader
    verdict: str
    why: str
    share: float | None
    low: float | None
    high: float | None
    n: int
    machine: bool
    days: int
    problem: str = ""  # the first of its open problems
    problems: int = 0
    paged: bool = False
    may_hand_over: bool = False  # the reader holds a role that is handed over
    operations: str = ""  # the name of who is asked first
    business: str = ""
    unconfirmed: tuple[str, ...] = ()  # "operations owner Omar"


@dataclass(frozen=True)
class OpenPage:
    """One open page that concerns the reader."""

    id: int
    names: str  # of the agents on it
    slug: str
    title: str
    problems: int
    opened_at: datetime
    acked_by: str | None = None  # who has it
    acked_at: datetime | None = None
    quiet_until: datetime | None = None


@dataclass(frozen=True)
class Became:
    """What became of one output that the reader called bad."""

    output_id: int
    agent: str
    said_at: datetime
    quote: str
    state: str  # fixed, worked, changed, counted
    version: str = ""  # which version fixed it, or came since
    at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class Rated:
    """The reader's newest vote, while it is fresh."""

    output_id: int
    agent: str
    good: bool
    at: datetime


@dataclass(frozen=True)
class Stray:
    """Traffic of an agent that nobody owns."""

    id: int
    name: str
    traces: int
    first_at: datetime


@dataclass(frozen=True)
class Fleet:
    """All agents, for leads."""

    counts: dict[str, int]
    worst: tuple[Mine, ...]
    turned: Turned
    unconfirmed: int
    unconfirmed_names: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()  # lines, the broken ones first
    unreached_more: int = 0
    strays: tuple[Stray, ...] = ()
    strays_more: int = 0


@dataclass(frozen=True)
class Home:
    """Everything one person's App Home shows."""

    mine: tuple[Mine, ...]
    mine_turned: Turned
    charts: tuple[Chart, ...] = ()  # of the agents shown
    pages: tuple[OpenPage, ...] = ()
    pages_turned: Turned = field(default_factory=Turned)
    requests: tuple[RequestView, ...] = ()  # of agents that wait for the reader
    requests_total: int = 0
    items: tuple[Item, ...] = ()
    items_turned: Turned = field(default_factory=Turned)
    rateable: tuple[Shown, ...] = ()
    just_rated: Rated | None = None
    rated: int = 0
    rated_lately: int = 0
    became: tuple[Became, ...] = ()
    became_turned: Turned = field(default_factory=Turned)
    became_counts: dict[str, int] = field(default_factory=dict)
    became_all: bool = True  # of the last 90 days; else only the newest reports are told of
    fleet: Fleet | None = None
