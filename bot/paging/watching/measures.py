"""What /metrics tells of paging: counted from the rows when somebody asks, the same in every process."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from bot.marks import mark_of
from bot.outbox.rules import Priority
from bot.paging.watching import auditor, stuck, synthetic
from bot.paging.watching.auditor import Fault
from bot.tables import Call, Climb, OutMessage, Page, Problem

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)  # seconds
FALLBACKS = ("email", "webhook", "pagerduty")


@dataclass(frozen=True)
class Figure:
    """One metric with its labels; `counts` where it only grows."""

    name: str
    words: str
    samples: dict[tuple[tuple[str, str], ...], float]
    counts: bool = False


@dataclass(frozen=True)
class Spread:
    """A histogram: how many values up to each bound, and their sum."""

    name: str
    words: str
    buckets: tuple[tuple[float, float], ...]
    total: float
    count: float


@dataclass(frozen=True)
class Measures:
    """All of paging at one moment."""

    figures: list[Figure] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)


def measures(tx: Session, now: datetime) -> Measures:
    """A few counts by index; no row is loaded."""
    found = [*_pages(tx, now), *_calls(tx), *_queue(tx, now), *_watch(tx, now)]
    return Measures(found, [_called(tx)])


def _called(tx: Session) -> Spread:
    sums = [func.sum(case((Page.called_ms <= bound * 1000, 1), else_=0)) for bound in BOUNDS]
    row = tx.execute(select(func.count(), func.sum(Page.called_ms), *sums).where(Page.called_ms.is_not(None))).one()
    counted = tuple((bound, float(n or 0)) for bound, n in zip(BOUNDS, row[2:], strict=True))
    words = "Seconds from a check's deadline, or the arrival of the event behind it, until the first call of its page was accepted."
    return Spread("aiops_page_called_seconds", words, counted, float(row[1] or 0) / 1000, float(row[0]))


def _pages(tx: Session, now: datetime) -> list[Figure]:
    open_ = select(Page.acked_at.is_(None), func.count()).where(Page.resolved_at.is_(None), Page.test.is_(False)).group_by(Page.acked_at.is_(None))
    by_state = {bool(waits): float(n) for waits, n in tx.execute(open_)}
    problems = tx.scalar(select(func.count()).select_from(Problem).where(Problem.closed_at.is_(None), Problem.severity == "page")) or 0
    late = tx.scalar(select(func.min(Climb.next_at)).where(Climb.next_at <= now))
    return [
        Figure("aiops_pages_open", "Open pages, by whether somebody has them.", {(("answered", "no"),): by_state.get(True, 0.0), (("answered", "yes"),): by_state.get(False, 0.0)}),
        Figure("aiops_problems_open", "Open problems of severity page.", {(): float(problems)}),
        Figure("aiops_ladders_late_seconds", "How late the latest rung is that should have been called.", {(): (now - late).total_seconds() if late is not None else 0.0}),
    ]


def _calls(tx: Session) -> list[Figure]:
    made = {(state, route): float(n) for state, route, n in tx.execute(select(Call.state, Call.route, func.count()).group_by(Call.state, Call.route))}
    fallbacks = dict.fromkeys(FALLBACKS, 0.0)
    lost = 0.0
    for (state, route), n in made.items():
        if route in fallbacks:
            fallbacks[route] += n
        if state in ("failed", "late"):
            lost += n
    return [
        Figure("aiops_calls", "Calls to people, by what became of them and by route.", {(("route", route), ("state", state)): n for (state, route), n in made.items()}),
        Figure("aiops_calls_lost", "Calls that were refused, or had no proof of arrival in time; the next route or rung took over.", {(): lost}, counts=True),
        Figure("aiops_calls_fallback", "Calls by a route other than Slack.", {(("route", route),): n for route, n in fallbacks.items()}, counts=True),
    ]


def _queue(tx: Session, now: datetime) -> list[Figure]:
    due = select(OutMessage.kind, OutMessage.priority, func.count(), func.min(OutMessage.due_at)).where(OutMessage.due_at <= now, OutMessage.state == "pending")
    waiting: dict[tuple[tuple[str, str], ...], float] = {(("kind", "call"), ("priority", "call")): 0.0}
    age = dict(waiting)
    for kind, priority, n, oldest in tx.execute(due.group_by(OutMessage.kind, OutMessage.priority)):
        labels = (("kind", kind), ("priority", _name(priority)))
        waiting[labels], age[labels] = float(n), (now - oldest).total_seconds() if oldest is not None else 0.0
    return [
        Figure("aiops_queue_waiting", "Messages that are due and not delivered yet.", waiting),
        Figure("aiops_queue_age_seconds", "For how long the oldest of them has been due.", age),
    ]


def _name(priority: int) -> str:
    return next((each.name.lower() for each in Priority if each == priority), str(priority))


def _watch(tx: Session, now: datetime) -> list[Figure]:
    audited, tested, queue = (mark_of(tx, name) for name in (auditor.MARK, synthetic.MARK, stuck.MARK))
    repairs = audited.get("repairs") or {}
    found = [
        Figure("aiops_auditor_repairs", "What the auditor found wrong with paging and repaired.", {(("fault", fault.name.lower()),): float(repairs.get(fault.name.lower(), 0)) for fault in Fault}, counts=True),
        Figure("aiops_queue_stuck", "1 while calls to people are stuck.", {(): 1.0 if queue.get("since") else 0.0}),
    ]
    for name, words, value in (
        ("aiops_auditor_age_seconds", "Since the auditor last looked.", audited.get("at")),
        ("aiops_synthetic_age_seconds", "Since a self-test page last arrived.", tested.get("ok_at")),
        ("aiops_synthetic_told_age_seconds", "Since the outside watcher was last told.", tested.get("told_at")),
    ):
        if value:
            found.append(Figure(name, words, {(): (now - datetime.fromisoformat(value)).total_seconds()}))
    if tested.get("ok_ms") is not None:
        found.append(Figure("aiops_synthetic_seconds", "How long the last self-test page that arrived took.", {(): tested["ok_ms"] / 1000}))
    if tested:
        found.append(Figure("aiops_synthetic_failing", "1 where the last self-test page did not arrive.", {(): 1.0 if tested.get("failed_at") else 0.0}))
    return found
