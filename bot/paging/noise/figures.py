"""How often people are called, how fast they answer, and how much of it was noise: pure.

The formulas, over pages opened in the last 7 or 28 times 24 hours (test pages, pages about checks that come and go, and
pages that became part of another one are left out):

- time to answer (MTTA): from the opening to the first acknowledgement, take-over or snooze, over pages that got one;
- time to recover (MTTR): from the opening to the end, over pages that have ended;
- half of them (median): the middle value, or the mean of the two in the middle; 9 of 10 (p90): the value at rank ceil(0.9 n);
- noise: the share of ended pages that nobody answered and nobody resolved: they went away by themselves;
- woken: a page that called somebody between 22:00 and 08:00 of their own time, by each hour of the first such call.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from bot.calendars import zone_named
from bot.paging.rules import EVENING, MORNING

SPANS = (7, 28)  # days
NIGHT = (22, 23, 0, 1, 2, 3, 4, 5, 6, 7)


@dataclass(frozen=True)
class Called:
    """One person's first call about one page, and their zone."""

    person_id: int
    name: str
    at: datetime
    zone: str


@dataclass(frozen=True)
class PageFact:
    """One page, as far as the figures look at it."""

    agent: str  # slug
    opened_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    by_hand: bool = False  # somebody resolved it
    called: tuple[Called, ...] = ()

    @property
    def alone(self) -> bool:
        """It went away by itself: nobody answered, nobody resolved it."""
        return self.ended_at is not None and self.answered_at is None and not self.by_hand


@dataclass(frozen=True)
class Times:
    """The middle and the long end of some lengths, in seconds."""

    n: int
    half: float | None = None
    nine_of_ten: float | None = None


@dataclass(frozen=True)
class Share:
    """How many pages somebody or something had, and how many of them were noise or woke somebody."""

    name: str
    pages: int
    night: int = 0
    ended: int = 0
    alone: int = 0
    id: int = 0


@dataclass(frozen=True)
class Figures:
    """Everything `/aiops page stats` tells about one span of days."""

    days: int
    pages: int
    open: int
    answer: Times
    recover: Times
    ended: int
    alone: int
    agents: tuple[Share, ...]  # the loudest first
    people: tuple[Share, ...]
    hours: tuple[tuple[int, int], ...]  # local hour of the night, pages that woke somebody in it

    @property
    def noise(self) -> float | None:
        return self.alone / self.ended if self.ended else None


def times_of(lengths: Sequence[float]) -> Times:
    """Median and nearest-rank 90th percentile."""
    if not lengths:
        return Times(0)
    ordered = sorted(lengths)
    return Times(len(ordered), float(median(ordered)), float(ordered[math.ceil(0.9 * len(ordered)) - 1]))


def is_night(call: Called) -> bool:
    """Between 22:00 and 08:00 where the person is."""
    local = call.at.astimezone(zone_named(call.zone)).time()
    return local >= EVENING or local < MORNING


def figures_of(facts: Iterable[PageFact], now: datetime, days: int) -> Figures:
    """The figures of the pages opened in the last so many days."""
    since = now - timedelta(days=days)
    pages = [fact for fact in facts if since < fact.opened_at <= now]
    hours: Counter[int] = Counter()
    names: dict[int, str] = {}
    called: Counter[int] = Counter()
    woken: Counter[int] = Counter()
    for page in pages:
        for call in page.called:
            names[call.person_id] = call.name
            called[call.person_id] += 1
            woken[call.person_id] += is_night(call)
        first = min((call for call in page.called if is_night(call)), key=lambda call: call.at, default=None)
        if first is not None:
            hours[first.at.astimezone(zone_named(first.zone)).hour] += 1
    ended = [page for page in pages if page.ended_at is not None]
    by_agent: dict[str, list[PageFact]] = {}
    for page in pages:
        by_agent.setdefault(page.agent, []).append(page)
    return Figures(
        days=days,
        pages=len(pages),
        open=len(pages) - len(ended),
        answer=times_of([(page.answered_at - page.opened_at).total_seconds() for page in pages if page.answered_at is not None]),
        recover=times_of([(page.ended_at - page.opened_at).total_seconds() for page in ended if page.ended_at is not None]),
        ended=len(ended),
        alone=sum(page.alone for page in ended),
        agents=_loudest(
            Share(slug, len(own), sum(any(map(is_night, page.called)) for page in own), sum(page.ended_at is not None for page in own), sum(page.alone for page in own))
            for slug, own in by_agent.items()
        ),
        people=_loudest(Share(names[person_id], count, woken[person_id], id=person_id) for person_id, count in called.items()),
        hours=tuple((hour, hours[hour]) for hour in NIGHT if hours[hour]),
    )


def _loudest(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda share: (-share.pages, -share.night, share.name)))


def as_json(figures: Figures) -> dict[str, Any]:
    """For scripts: lengths in seconds, shares from 0 to 1, nothing where nothing was measured."""
    return {
        "days": figures.days,
        "pages": figures.pages,
        "open": figures.open,
        "mtta_seconds": {"n": figures.answer.n, "median": figures.answer.half, "p90": figures.answer.nine_of_ten},
        "mttr_seconds": {"n": figures.recover.n, "median": figures.recover.half, "p90": figures.recover.nine_of_ten},
        "resolved_by_themselves": {"pages": figures.alone, "of": figures.ended, "share": figures.noise},
        "agents": [{"agent": each.name, "pages": each.pages, "woke_somebody": each.night, "resolved_by_themselves": each.alone} for each in figures.agents],
        "people": [{"name": each.name, "pages": each.pages, "at_night": each.night} for each in figures.people],
        "night_hours": {f"{hour:02}": count for hour, count in figures.hours},
    }
