"""The same figures once more, straight from the raw files in plain Python: nothing of the product is imported here."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from statistics import NormalDist, fmean
from zoneinfo import ZoneInfo

from tests.replay.convert import AIRLINE, HELP, PAUSE, Row, moments, rated_at

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
Z = NormalDist().inv_cdf(0.95)  # two-sided 90%


@dataclass
class Sum:
    """What happened in some days."""

    runs: int = 0
    failed: int = 0
    outputs: int = 0
    took: list[int] = field(default_factory=list)  # milliseconds
    tokens_in: int = 0
    tokens_out: int = 0
    nano: int = 0  # USD
    changes: int = 0  # models and versions heard of for the first time
    thumbs: Counter[bool] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    people: list[float] = field(default_factory=list)  # the mean of each output
    evaluations: list[float] = field(default_factory=list)
    outcomes: list[float] = field(default_factory=list)

    def __iadd__(self, other: Sum) -> Sum:
        for name in self.__dataclass_fields__:
            mine = getattr(self, name)
            mine += getattr(other, name)
            setattr(self, name, mine)
        return self

    def within(self, share: float) -> int:
        """Nearest rank: the least time within which that share of the runs ended."""
        return sorted(self.took)[math.ceil(share * len(self.took)) - 1]


@dataclass(frozen=True)
class Told:
    """A share of good outputs."""

    share: float | None
    low: float
    high: float
    n: int

    def verdict(self, target: float) -> str:
        if self.high < target:
            return "not worth using"
        return "worth using" if self.low >= target else "watch"


def told(shares: list[float]) -> Told:
    """Mean and Wilson interval, z narrowed by n / (n + 0.2): the two roots p of (mean - p)^2 = z^2 p (1 - p) / n."""
    n = len(shares)
    if not n:
        return Told(None, 0.0, 1.0, 0)
    mean = fmean(shares)
    z = Z * n / (n + 0.2)
    a, b, c = 1 + z * z / n, -(2 * mean + z * z / n), mean * mean
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return Told(mean, (-b - root) / (2 * a), (-b + root) / (2 * a), n)


@dataclass
class Record:
    """One agent's days in its own zone."""

    zone: str
    days: dict[date, Sum] = field(default_factory=lambda: defaultdict(Sum))
    last_output: datetime = LONG_AGO

    def day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def at(self, moment: datetime) -> Sum:
        return self.days[self.day(moment)]

    def between(self, first: date, last: date) -> Sum:
        total = Sum()
        for day, each in self.days.items():
            if first <= day <= last:
                total += each
        return total

    def trailing(self, now: datetime, count: int, back: int = 0) -> Sum:
        """The last `count` days, today included; or those that ended `back` days ago."""
        last = self.day(now) - timedelta(days=back)
        return self.between(last - timedelta(days=count - 1), last)

    @property
    def whole(self) -> Sum:
        return self.between(date.min, date.max)


def help_desk(rows: list[Row], until: datetime, zone: str) -> Record:
    record = Record(zone)
    for row, at in zip(rows, moments(HELP, len(rows), until), strict=True):
        found_good = [label in ("Excellent", "Acceptable") for label in row["ratings"]]
        record.at(at).outputs += 1
        record.at(at).people.append(found_good.count(True) / len(found_good))
        for position, good in enumerate(found_good, start=1):
            record.at(rated_at(at, position)).thumbs[good] += 1
        record.last_output = max(record.last_output, at)
    return record


def airline_desk(rows: list[Row], until: datetime, zone: str) -> Record:
    record = Record(zone)
    trials: set[int] = set()
    for row, at in zip(rows, moments(AIRLINE, len(rows), until), strict=True):
        here = record.at(at)
        here.runs += 1
        here.outputs += 1
        here.changes += (not trials) + (row["trial"] not in trials)  # the one model, and each trial as a version
        trials.add(row["trial"])
        here.evaluations.append(1.0 if row["reward"] >= 1 else 0.0)
        record.last_output = max(record.last_output, at)
    return record


def coding_agent(rows: list[Row], zone: str) -> Record:
    """Of one user, as the file has it: each message with the newest start before it, each undo and commit with the newest message."""
    assert len({row["user_id"] for row in rows}) == 1
    record = Record(zone)
    models: set[str] = set()
    sends = [index for index, row in enumerate(rows) if row["event"] == "message_send"]
    sessions = _sessions(rows)
    judged: dict[int, list[float]] = defaultdict(list)
    for index, row in enumerate(rows):
        kind, said, moment = row["event"], row["properties"], datetime.fromtimestamp(row["time"], UTC)
        here = record.at(moment) if kind in ("message_send", "message_send_exception", "command_undo", "auto_commits") else Sum()
        if kind in ("message_send", "message_send_exception"):
            here.runs += 1
            start = _start_of(rows, index)
            if start is not None:
                here.took.append((row["time"] - start) * 1000)
        if kind == "message_send_exception":
            here.failed += 1
        if kind == "message_send":
            here.outputs += 1
            here.changes += said["main_model"] not in {*models, None}
            models.add(said["main_model"])
            here.tokens_in += said["prompt_tokens"]
            here.tokens_out += said["completion_tokens"]
            here.nano += int((Decimal(str(said["cost"])) * 10**9).to_integral_value(ROUND_HALF_EVEN))
            record.last_output = moment
        if kind in ("command_undo", "auto_commits"):
            before = [each for each in sends if each < index and sessions[each] == sessions[index]]
            if before:
                here.results["overridden" if kind == "command_undo" else "accepted"] += 1
                judged[before[-1]].append(0.0 if kind == "command_undo" else 1.0)
    for index, shares in judged.items():
        record.at(datetime.fromtimestamp(rows[index]["time"], UTC)).outcomes.append(fmean(shares))
    return record


def _sessions(rows: list[Row]) -> list[int]:
    numbers = [0]
    for before, row in pairwise(rows):
        numbers.append(numbers[-1] + (row["time"] - before["time"] > PAUSE))
    return numbers


def _start_of(rows: list[Row], index: int) -> int | None:
    """When the message that ended at this row was sent; None where another ended, or the program began, in between."""
    for row in reversed(rows[:index]):
        if row["event"] == "message_send_starting":
            return int(row["time"])
        if row["event"] in ("launched", "message_send", "message_send_exception"):
            return None
    return None


def baseline(record: Record, today: date, days: int = 28, least: int = 300) -> tuple[date, date, Told] | None:
    """The first 28 days that people judged, or as many more as 300 judged outputs took, once they are over."""
    judged = sorted(day for day, each in record.days.items() if each.people)
    if not judged:
        return None
    last = judged[0] + timedelta(days=days - 1)
    while len(record.between(judged[0], last).people) < least:
        later = [day for day in judged if day > last]
        if not later:
            return None
        last = later[0]
    return (judged[0], last, told(record.between(judged[0], last).people)) if last < today else None


def working_day_after(moment: datetime, zone: str) -> datetime:
    """24 hours later, where Saturdays and Sundays of the zone do not pass."""
    left = 24 * 60
    while left:
        if moment.astimezone(ZoneInfo(zone)).weekday() < 5:
            left -= 1
        moment += timedelta(minutes=1)
    return moment
