"""What status knows before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bot.agents.reading import OwnerNames
from bot.charts.values import Chart
from bot.quality.drift.messages import Watched
from bot.quality.reading import Source, Totals
from bot.quality.rules import Score
from bot.status.believed import Believed
from bot.tables import Baseline, Change, Check, Incident, Page, Problem, Stage


@dataclass(frozen=True)
class Line:
    """One agent as a look at many shows it."""

    agent_id: int
    slug: str
    name: str
    department: str
    zone: str
    verdict: str
    why: str
    share: float | None
    low: float | None
    high: float | None
    n: int
    machine: bool
    days: int  # over which the headline is counted
    last_at: datetime | None
    problems: tuple[Problem, ...]
    calling: bool  # an open page nobody has acknowledged
    owners: OwnerNames
    told_at: datetime | None = None  # when this was found out


@dataclass(frozen=True)
class Fleet:
    """Many agents at a glance; `lines` are the worst of them."""

    department: str | None
    counts: dict[str, int]
    departments: dict[str, dict[str, int]]
    lines: tuple[Line, ...]
    pages: int  # open ones
    incidents: int  # open ones
    unconfirmed: int  # agents without a confirmed business and operations owner

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Depth:
    """One agent, whole."""

    line: Line
    target: float
    default_target: bool
    scores: dict[Source, Score]
    days_of: dict[Source, int]  # over how many days each of them is counted
    baseline: Baseline | None
    trailing: Score  # the last seven days, of the source that the headline tells
    before: Score  # the seven days before those
    quality_days: tuple[float | None, ...]  # share by people (else machines), the last 14 days
    output_days: tuple[int, ...]
    first_day: str
    last_day: str
    week: Totals
    pages: tuple[Page, ...]
    incidents: tuple[Incident, ...]
    changes: tuple[Change, ...]
    stage: Stage | None
    channel: str
    next_digest: datetime | None
    about: str = ""
    runbook: str = ""
    quiet: tuple[str, ...] = ()  # what is silenced or in maintenance now, and until when
    handing: str = ""  # what share of its runs it hands to people, against the plan
    watched: Watched | None = None  # whether it drifts, and how many outputs people are asked to judge
    may_sample: bool = False  # the reader may ask people for more, or for as few as before
    drift: tuple[str, ...] = ()  # how each source is watched against its baseline, and what was noticed
    silenced: tuple[Check, ...] = ()  # somebody said that these are wrong: they rest until they are changed
    chart: Chart | None = None  # the last four weeks
    believed: Believed = field(default_factory=Believed)  # what stands behind the scores
