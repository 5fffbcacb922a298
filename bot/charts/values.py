"""What a chart shows of one agent, and how an outgoing message carries it until it is known how it can be shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

PLACE = "aiops_chart"  # our own kind of block: replaced before anything leaves the house


@dataclass(frozen=True)
class Point:
    """The score on one local day, of the days up to it; no share where too few were judged."""

    day: str
    share: float | None
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Mark:
    """A change: the day it came, and what it was (`prompt 14`)."""

    day: str
    words: str


@dataclass(frozen=True)
class Chart:
    """Quality over time with its 90% interval, against baseline and target, with what changed."""

    name: str
    slug: str
    points: tuple[Point, ...]
    days: int  # each point counts so many days up to it
    machine: bool  # evaluations stand in for people
    target: float
    default_target: bool = False
    baseline: float | None = None
    baseline_label: str = ""
    marks: tuple[Mark, ...] = ()

    @property
    def known(self) -> tuple[Point, ...]:
        """The days that have a share."""
        return tuple(point for point in self.points if point.share is not None)

    @property
    def last(self) -> Point | None:
        """The newest day that has a share."""
        return next((point for point in reversed(self.points) if point.share is not None), None)


def place(charts: Iterable[Chart]) -> dict[str, Any]:
    """The block that stands for these charts: one large, or several small ones in one picture."""
    return {"type": PLACE, "charts": [asdict(chart) for chart in charts]}


def charts_in(block: dict[str, Any]) -> list[Chart]:
    """The charts that such a block stands for."""
    found = []
    for doc in block["charts"]:
        points = tuple(Point(**each) for each in doc["points"])
        found.append(Chart(**{**doc, "points": points, "marks": tuple(Mark(**each) for each in doc["marks"])}))
    return found
