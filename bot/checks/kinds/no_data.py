"""`no_data`: nothing was heard from the agent for too long."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.calendars import day_bounds, days_between, is_working_day, local_day
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Span, span_words
from bot.paging.rules import Finding, State

LONGEST = 400  # days looked back at: beyond this it is silent by any calendar


class NoDataSpec(CheckSpec):
    """Silence longer than promised, counted in working days."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=1)

    kind: Literal["no_data"] = Field("no_data", description="Always `no_data`.")
    of: Literal["any", "run", "output"] = Field("any", description="What must come: a run, an output, or any of the two.")
    within: Span = Field(timedelta(days=1), description="The longest silence that is still fine.")
    always: bool = Field(False, description="Count every day; else only the working days of the agent's zone.")


@dataclass(frozen=True)
class SilenceFacts:
    """When something was last heard, and the calendar that counts."""

    last_at: datetime | None
    known_since: datetime  # before the first word, silence counts from here
    zone: str = "UTC"
    working_days: frozenset[int] = frozenset(range(5))
    holidays: frozenset[date] = frozenset()
    resumed_at: datetime | None = None  # when it last began to work again after it was stopped


def judge(facts: SilenceFacts, spec: NoDataSpec, now: datetime) -> Finding:
    """Failing once more than `within` of counted time has gone by without a word."""
    what = {"any": "run or output", "run": "run", "output": "output"}[spec.of]
    heard = facts.last_at or facts.known_since
    if facts.resumed_at is not None:
        heard = max(heard, facts.resumed_at)  # while it was stopped, it was right to be silent
    quiet = max(now - heard, timedelta(0)) if spec.always else working_time(heard, now, facts.zone, facts.working_days, facts.holidays)
    hours = round(quiet.total_seconds() / 3600, 2)
    limit = round(spec.within.total_seconds() / 3600, 2)
    counted = "" if spec.always else ", counting working days"
    promise = f"promised at least every {span_words(spec.within)}{counted}"
    last = f"{facts.last_at:%Y-%m-%d %H:%M} UTC" if facts.last_at else "never"
    if quiet > spec.within:
        says = f"No {what} since {last} ({promise})." if facts.last_at else f"No {what} was ever reported ({promise})."
        evidence = {f"Last {what}": last, "Promised": f"every {span_words(spec.within)}{counted}"}
        return Finding(State.FAILING, f"no {what} for too long", says, since=heard, value=hours, threshold=limit, evidence=evidence)
    if facts.last_at is None:
        return Finding(State.UNKNOWN, "Nothing yet", f"No {what} was reported yet ({promise}).", value=hours, threshold=limit)
    return Finding(State.OK, "It is heard", f"The last {what} came at {last} ({promise}).", since=heard, value=hours, threshold=limit)


def working_time(start: datetime, end: datetime, zone: str, working_days: Collection[int], holidays: Collection[date]) -> timedelta:
    """How much of the time between two moments falls on working days of the zone (a day may have 23 or 25 hours)."""
    if end <= start:
        return timedelta(0)
    start = max(start, end - timedelta(days=LONGEST))
    total = timedelta(0)
    for day in days_between(local_day(start, zone), local_day(end, zone)):
        if is_working_day(date.fromisoformat(day), working_days, holidays):
            first, after = day_bounds(day, zone)
            total += max(min(after, end) - max(first, start), timedelta(0))
    return total


KIND = Kind(
    name="no_data",
    about="Fails when no run or output came for longer than `within`; weekends and holidays do not count unless `always` is set.",
    spec=NoDataSpec,
    judge=judge,
    woken_by=frozenset({"run", "output"}),
    example="heard: {kind: no_data, of: output, within: 4h, severity: page}",
)
