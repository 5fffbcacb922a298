"""When a digest is due, what it covers, how it is worded and who is needed: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from bot.calendars import (
    at_local,
    day_before,
    day_bounds,
    due_day,
    is_working_day,
    local_day,
    next_working_time,
    week_of,
    zone_named,
)
from bot.quality.rules import Verdict
from bot.quality.words import joined, plural

LOOK_EVERY = timedelta(minutes=10)  # how often late data is looked for
MORNING = timedelta(hours=9)  # from a midnight to about when it is told
STAYS_OPEN = timedelta(days=2)  # how long late data may still edit a posted digest


@dataclass(frozen=True)
class Hours:
    """When a channel gets its digest."""

    zone: str
    at: time
    working_days: frozenset[int]
    holidays: frozenset[date]


class Move(StrEnum):
    """What to do with a timer that has come due."""

    POST = "post"  # its day is a working day, its time has come, and nothing was posted for it
    WAIT = "wait"  # not now: the time in `next_at` is the right one


@dataclass(frozen=True)
class Turn:
    """The decision about one due timer."""

    move: Move
    day: date  # the local day the digest is for
    next_at: datetime  # when the timer is due again


def next_due(now: datetime, hours: Hours, posted_for: date | None) -> datetime:
    """The next digest time after `now`, on a working day that has none yet."""
    moment = next_working_time(now, hours.at, hours.zone, hours.working_days, hours.holidays)
    while posted_for is not None and due_day(moment, hours.at, hours.zone) <= posted_for:
        moment = next_working_time(moment, hours.at, hours.zone, hours.working_days, hours.holidays)
    return moment


def turn(now: datetime, hours: Hours, posted_for: date | None) -> Turn:
    """Post once for the day whose time has come; whatever was missed before is covered by that one.

    After downtime over a whole day the digest waits for nothing: it is posted the same working day, late. On a day
    off it waits for the next working morning.
    """
    day = due_day(now, hours.at, hours.zone)
    today = now.astimezone(zone_named(hours.zone)).date()
    following = next_due(now, hours, posted_for)
    fresh = day == today or local_day(at_local(day, hours.at, hours.zone), hours.zone) == today.isoformat()
    if not fresh or not is_working_day(day, hours.working_days, hours.holidays) or (posted_for is not None and day <= posted_for):
        return Turn(Move.WAIT, day, following)
    return Turn(Move.POST, day, next_due(now, hours, day))


def covered(day: date, hours: Hours, covered_until: datetime | None) -> tuple[datetime, datetime]:
    """The span of whole local days a digest reports: from where the last one ended to the midnight before its day.

    The first digest of a channel begins where one of the working day before would have ended.
    """
    until = day_bounds(day.isoformat(), hours.zone)[0]
    if covered_until is not None and covered_until < until:
        return covered_until, until
    before = day - timedelta(days=1)
    for _ in range(31):
        if is_working_day(before, hours.working_days, hours.holidays):
            break
        before -= timedelta(days=1)
    return day_bounds(before.isoformat(), hours.zone)[0], until


def days_of(covers_from: datetime, covers_until: datetime, zone: str) -> tuple[str, str]:
    """The first and last local day of an agent that a span covers: those that are over in the morning the span is told.

    An agent an hour west of the channel still has the last hour of its day before it at the channel's midnight, but
    not at nine. Spans that meet never share a day, and leave none out.
    """
    first, after = local_day(covers_from + MORNING, zone), local_day(covers_until + MORNING, zone)
    return first, max(first, day_before(after))


@dataclass(frozen=True)
class Asked:
    """A person a digest names."""

    id: int
    name: str
    slack_id: str | None = None
    confirmed: bool = True


@dataclass(frozen=True)
class Report:
    """What a digest knows of one agent, frozen when it is posted."""

    agent_id: int
    slug: str
    name: str
    verdict: str
    why: str
    rank: int
    share: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    machine: bool = False
    days: int = 7  # over which the headline is counted
    target: float = 0.8
    default_target: bool = False
    before: float | None = None  # the share of the seven days before the last seven
    baseline: float | None = None
    baseline_label: str = ""
    outputs: int = 0
    runs: int = 0
    failed: int = 0
    p95_ms: float | None = None
    costs: dict[str, int] = field(default_factory=dict)  # nano-units by currency
    guessed: int = 0  # nano-dollars of the costs that are by list prices
    judged: int = 0  # outputs of the covered days judged so far
    judged_share: float | None = None
    silent_since: str | None = None  # ISO time of its last sign of life
    year: int | None = None  # in which this was told
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # open ones, in words
    calling: bool = False  # an open page that nobody has acknowledged
    incidents: tuple[str, ...] = ()
    operations: Asked | None = None
    asked: Asked | None = None  # of whom the review and the work are asked: the backup while the owner is away
    blind: tuple[str, ...] = ()  # checks that never had data: they cannot fail
    few: tuple[str, ...] = ()  # too few judgements to notice a drop within a week, and how to get more
    sample: int = 0  # so many a day an owner may ask people to judge, so that it is noticed sooner
    quiet: tuple[str, ...] = ()  # what is silenced or in maintenance now, and until when
    handing: str = ""  # that it hands over more, or less, to people than planned
    unconfirmed: tuple[str, ...] = ()  # roles nobody has accepted: "operations owner Omar"


def worst_first(reports: Sequence[Report]) -> list[Report]:
    """By verdict and lower bound; among equals those with an open problem first, then by name."""
    return sorted(reports, key=lambda r: (-(r.rank + (600 if r.calling else 0)), not r.problems, r.name.lower(), r.agent_id))


def is_fine(report: Report) -> bool:
    """Nothing to look at: worth using or paused, with no open problem or incident, something produced, owners confirmed."""
    calm = not report.problems and not report.incidents and not report.unconfirmed and not report.blind
    return calm and (report.verdict == Verdict.PAUSED or (report.verdict == Verdict.WORTH_USING and report.outputs > 0))


def needs_of(report: Report) -> str:
    """What is needed for this agent, in words that follow a name and `to`; empty where nothing is."""
    if report.calling:
        return "answer the open page"
    if report.incidents:
        return "bring the open incident to its end"
    if report.verdict == Verdict.NOT_WORTH_USING:
        return "find out why its outputs are rated bad, and decide whether people should review them until then"
    if report.verdict == Verdict.SILENT:
        return "find out why nothing comes"
    if report.problems:
        return "look at the open problem" + ("s" if len(report.problems) > 1 else "")
    if report.verdict == Verdict.WATCH:
        return "judge the outputs in the thread"
    if report.blind:
        checks = " and ".join(f"`{name}`" for name in report.blind[:2]) + (f" and {len(report.blind) - 2} more" if len(report.blind) > 2 else "")
        return f"see to its check{'s' if len(report.blind) > 1 else ''} {checks}, which never had data and so cannot fail"
    if report.verdict == Verdict.LEARNING and report.outputs:
        return "judge outputs, so that its learning ends"
    return ""


def period_words(first: str, last: str, day: date) -> str:
    """`yesterday's output`, or the output of the days since the last digest."""
    if first == last:
        if last == (day - timedelta(days=1)).isoformat():
            return "yesterday's output"
        return f"the output of {day_name(first)}"
    return f"the output of {day_name(first)} to {day_name(last)}"


def day_name(day: str) -> str:
    """`Fri 20 Nov`."""
    moment = date.fromisoformat(day)
    return f"{moment:%a} {moment.day} {moment:%b}"


def headline(reports: Sequence[Report], period: str) -> str:
    """In two or three sentences: was the output worth using, what changed, what needs whom. Names are not escaped here."""
    if not reports:
        return "No agents live in this channel any more."
    return " ".join(part for part in (_worth(reports, period), _changed(reports), _needed(reports)) if part)


def _worth(reports: Sequence[Report], period: str) -> str:
    total = len(reports)
    producing = [r for r in reports if r.verdict == Verdict.WORTH_USING and r.outputs]
    quiet = [r for r in reports if r.verdict == Verdict.WORTH_USING and not r.outputs]
    others = Counter(r.verdict for r in reports if r.verdict != Verdict.WORTH_USING)
    start = period[:1].upper() + period[1:]
    if len(producing) == total:
        return f"{start} was worth using{'' if total == 1 else f', all {total} agents'}."
    rest = []
    for verdict, said in _REST.items():
        named = [r.name for r in reports if r.verdict == verdict]
        if named:
            rest.append(f"{joined(named) if len(named) <= 2 else plural(len(named), 'agent')} {said[len(named) > 1]}")
    if quiet:
        rest.append(f"{joined([r.name for r in quiet]) if len(quiet) <= 2 else plural(len(quiet), 'agent')} produced nothing to judge it by")
    if producing:
        return f"{start} was worth using for {len(producing)} of {total} agents; {joined(rest)}."
    if set(others) <= {Verdict.LEARNING} and not quiet:
        return f"Whether {period} was worth using cannot be said yet: {joined(rest)}."
    return f"{start} cannot be called worth using: {joined(rest)}."


_REST: dict[str, tuple[str, str]] = {
    Verdict.NOT_WORTH_USING: ("is not worth using", "are not worth using"),
    Verdict.SILENT: ("is silent", "are silent"),
    Verdict.WATCH: ("is to be watched", "are to be watched"),
    Verdict.LEARNING: ("is still learning", "are still learning"),
    Verdict.PAUSED: ("is paused", "are paused"),
}


def _changed(reports: Sequence[Report]) -> str:
    changed = [r for r in reports if r.changes]
    if not changed:
        return ""
    if len(changed) == 1:
        return f"{changed[0].name} changed: {joined(changed[0].changes[:2])}."
    return f"{plural(sum(len(r.changes) for r in changed), 'change')}: {joined([r.name for r in changed[:3]] + ([f'{len(changed) - 3} more'] if len(changed) > 3 else []))}."


def _needed(reports: Sequence[Report]) -> str:
    by_person: dict[str, list[Report]] = {}
    for report in reports:
        if needs_of(report) and urgent(report):
            by_person.setdefault(report.asked.name if report.asked else "An owner", []).append(report)
    if not by_person:
        return "Nobody is needed beyond the daily look."
    if len(by_person) == 1:
        ((name, theirs),) = by_person.items()
        if len(theirs) == 1:
            return f"{name} is needed to {needs_of(theirs[0])}."
        return f"{name} is needed for {plural(len(theirs), 'agent')}."
    named = [f"{name} ({theirs[0].name if len(theirs) == 1 else plural(len(theirs), 'agent')})" for name, theirs in by_person.items()]
    if len(named) > 4:
        named = [*named[:4], f"{len(named) - 4} more"]
    return f"Needed: {joined(named)}."


def urgent(report: Report) -> bool:
    """Whether the headline names who is needed; watching and judging are part of the daily look."""
    return report.calling or bool(report.incidents or report.problems) or report.verdict in (Verdict.NOT_WORTH_USING, Verdict.SILENT)


def reviews_needed(reports: Sequence[Report], day: date, posted_before: Collection[date], working_days: Collection[int]) -> list[Report]:
    """The agents that someone must mark as reviewed.

    An owner whose agents are all worth using has only the week's first digest to mark; everybody else, every one.
    """
    first_of_week = week_of(day, working_days)
    first = not any(first_of_week <= posted < day for posted in posted_before)
    by_owner: dict[int, list[Report]] = {}
    for report in reports:
        if report.asked is not None:
            by_owner.setdefault(report.asked.id, []).append(report)
    needed: list[Report] = []
    for theirs in by_owner.values():
        if first or not all(r.verdict == Verdict.WORTH_USING and is_fine(r) for r in theirs):
            needed.extend(theirs)
    return needed


def opens_fortnight(day: date, last_posted: date | None, working_days: Collection[int]) -> bool:
    """Whether this is the first summary of its fortnight (two working weeks, counted from the first week of all): then sprints are compared."""

    def fortnight(of: date) -> int:
        return (week_of(of, working_days).toordinal() - 1) // 7 // 2

    return last_posted is None or fortnight(last_posted) != fortnight(day)


@dataclass(frozen=True)
class Volume:
    """The counts that late data can change."""

    outputs: int
    runs: int
    failed: int


def late_words(changes: Sequence[tuple[str, Volume, Volume]]) -> str:
    """One line on what came in after the digest was posted; empty where nothing did. `changes` are (agent, posted, now)."""
    told = []
    for name, then, now in changes:
        parts = []
        for more, word in ((now.outputs - then.outputs, "output"), (now.runs - then.runs, "run")):
            if more:
                parts.append(plural(more, f"more {word}") if more > 0 else plural(-more, f"{word} fewer", f"{word}s fewer"))
        failed = now.failed - then.failed
        if failed > 0 and parts:
            parts[-1] += f" ({failed:,} failed)"
        elif failed > 0:
            parts.append(plural(failed, "more failed run"))
        if parts:
            told.append(f"{name}: {joined(parts)}")
    if not told:
        return ""
    shown = "; ".join(told[:3]) + (f"; and {plural(len(told) - 3, 'more agent')}" if len(told) > 3 else "")
    return f"Came in after this was posted, for the days it covers: {shown}."
