"""A page, its problems and its calls, as every message shows them: pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.ladders.rules import NextCall


@dataclass(frozen=True)
class ProblemView:
    """One failing check, as a page tells it."""

    title: str
    says: str
    since: datetime
    evidence: tuple[tuple[str, str], ...] = ()
    closed_at: datetime | None = None
    agent: str = ""  # told where a page is about several
    flapping_at: datetime | None = None  # it comes and goes since then
    turns: int = 0
    well_at: datetime | None = None  # held open, though it is well since then
    steady_at: datetime | None = None
    elsewhere: int | None = None  # it is part of that page now
    check: str = ""  # the name of its check, as aiops.yml has it

    @property
    def short(self) -> str:
        """What fails, in a few words."""
        return f"flapping: {self.title}" if self.flapping_at is not None and self.closed_at is None else self.title


@dataclass(frozen=True)
class CallView:
    """One person or channel called."""

    name: str
    at: datetime
    route: str = "slack"
    state: str = "sent"


@dataclass(frozen=True)
class DownView:
    """One failure that another one took down."""

    agent: str
    title: str
    closed_at: datetime | None = None
    free_at: datetime | None = None  # what took it down is over: then it calls people itself, if it still fails


@dataclass(frozen=True)
class RootView:
    """The page that a page is part of."""

    id: int
    lead: str
    over: bool = False
    free_at: datetime | None = None


@dataclass(frozen=True)
class PageView:
    """All that a page shows, the same in every place."""

    id: int
    agent: str  # the one whose failure is told first
    severity: str
    opened_at: datetime
    problems: tuple[ProblemView, ...]  # open ones first; of very many only the first
    more_problems: int = 0  # how many it has beyond these
    agents: tuple[str, ...] = ()  # the names where it is about several; of very many only the first
    agent_count: int = 1
    down: tuple[DownView, ...] = ()  # what it takes down; of very many only the first
    down_count: int = 0
    root: RootView | None = None  # it is part of that page
    upstream: str = ""  # the shared upstream that its first failure stands for
    calls: tuple[CallView, ...] = ()
    next: NextCall | None = None
    round: int = 1
    acked_by: str | None = None  # escaped name
    acked_at: datetime | None = None
    took: bool = False
    until: datetime | None = None  # when that ends
    snoozed: bool = False  # the end was chosen
    lapsed_by: str | None = None  # who had it before, until `lapsed_at`; escaped name
    lapsed_at: datetime | None = None
    stage: str = ""  # what the agent may do now; where it is about several: the freest of theirs
    ordered_by: str | None = None  # who lowered it since the page opened; escaped name
    ordered_at: datetime | None = None
    order: str = ""  # how far that order has come: asked, obeyed, late; escaped, a sentence
    obeyed: bool = True  # whether the agent confirmed it
    orders_at: str = ""  # what a press on another room's switch is about: slug and number of the order in force
    by_hand: str = ""  # why a press reaches nobody by itself, and the manual way; empty where the agent is connected
    roll_back: str | None = None  # the last good version before it failed
    version: str | None = None  # the version ordered since the page opened
    stopped: tuple[str, ...] = ()  # the names of those stopped since it opened, where it is about several
    resolved_at: datetime | None = None
    resolved_why: str = ""
    runbook: str | None = None
    changes: tuple[str, ...] = ()
    incident: int | None = None
    test: bool = False
    unconfirmed: bool = False  # its owners have not accepted
    why: str = ""  # why the promise was made
    quiet: str = ""  # why nobody is called, though it is open: silenced, or in maintenance; escaped, a sentence
    history: str | None = None  # the channel whose thread has the history, where another shows the page

    @property
    def value(self) -> str:
        return f"page:{self.id}"

    @property
    def worst(self) -> ProblemView | None:
        return next((each for each in self.problems if each.closed_at is None), self.problems[0] if self.problems else None)

    @property
    def several(self) -> bool:
        return self.agent_count > 1

    @property
    def whom(self) -> str:
        """The agent, or the first of several and how many more."""
        return f"{self.agent} and {self.agent_count - 1} more" if self.several else self.agent
