"""The quality at launch, frozen once enough has been judged: found while looking, kept when the fold is written."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.calendars import day_before, local_day
from bot.quality.capping import cap_as_written, heavy_voters
from bot.quality.facts import Frozen
from bot.quality.reading import METRIC_OF
from bot.quality.rules import BASELINE_DAYS, BASELINE_N, baseline_span, day_words, percent
from bot.tables import Agent, Baseline, Day, Detector, ImportRun, StageOrder

LABEL = "since we started looking"
AT_LAUNCH = "at launch"
IMPORTING = timedelta(days=2)  # an import that began longer ago and never ended was given up: baselines wait for it no more
LIVE = "autonomous"
LEAST_AT_LAUNCH = 30  # judged outputs of a pilot from which it has a baseline at launch
SOURCES = ("people", "evaluations", "outcomes")


def due_baselines(tx: Session, now: datetime, agent_id: int, zone: str, today: str, known: dict[str, Frozen]) -> dict[str, Frozen]:
    """What has become due to be frozen, by source (looked at once a local day: days must be over).

    An agent that was launched before our eyes has the quality of the 28 days before its launch, at its launch. One that
    was live already has that of the first 28 days or 300 judged outputs, whichever takes longer. A known one is
    measured anew only where somebody decided so, from the day they named.
    """
    if _importing(tx, now):
        return {}  # half a history is no baseline: the end of the import looks again
    found = _first_days(tx, agent_id, [source for source in SOURCES if source not in known], today)
    found.update(_launched(tx, agent_id, zone, today))
    decided = select(Detector.source, Detector.rebase_from).where(Detector.agent_id == agent_id, Detector.rebase_from.is_not(None))
    for source, first in tx.execute(decided):
        found[source] = _anew(tx, agent_id, source, str(first), today)
    return {source: frozen for source, frozen in found.items() if frozen is not None}


def freeze(tx: Session, now: datetime, agent_id: int, slug: str, source: str, frozen: Frozen) -> None:
    """Keep a baseline from now on."""
    span = {"first_day": frozen.first_day, "last_day": frozen.last_day}
    old = (Baseline.agent_id == agent_id, Baseline.source == source, Baseline.current)
    tx.execute(update(Baseline).where(*old).values(current=False), execution_options={"synchronize_session": False})
    # Its detector begins anew, and is fed what came since.
    mine = (Detector.agent_id == agent_id, Detector.source == source)
    tx.execute(update(Detector).where(*mine).values(rebase_from=None, due_at=now), execution_options={"synchronize_session": False})
    tx.add(Baseline(agent_id=agent_id, source=source, share=frozen.share, n=frozen.n, label=frozen.label, set_at=now, **span))
    words = f"Baseline of {source} frozen: {percent(frozen.share)} of {frozen.n} outputs good, {frozen.first_day} to {frozen.last_day}, {frozen.label}"
    evidence = {"source": source, "share": frozen.share, "n": frozen.n, **span}
    audit.record(tx, now, "baseline.freeze", f"agent:{slug}", came_from="timer", words=words, evidence=evidence)


def _first_days(tx: Session, agent_id: int, sources: Collection[str], today: str) -> dict[str, Frozen | None]:
    """The first 28 days or 300 judged outputs of each source, whichever took longer: from the counters, however many observations there are."""
    if not sources:
        return {}
    rows = tx.execute(
        select(Day.metric, Day.local_day, func.sum(Day.sum), func.sum(Day.n))
        .where(Day.agent_id == agent_id, Day.metric.in_([METRIC_OF[source] for source in sources]))
        .group_by(Day.metric, Day.local_day)
        .order_by(Day.local_day)
    )
    judged: dict[str, list[tuple[str, int, int]]] = {}
    for metric, day, total, n in rows:
        if n > 0:
            judged.setdefault(metric, []).append((day, int(total), int(n)))
    found: dict[str, Frozen | None] = {}
    for source in sources:
        span = baseline_span(judged.get(METRIC_OF[source], []), today)
        if span is not None:
            first_day, last_day, thousandths, n = span
            found[source] = _frozen(tx, agent_id, source, (first_day, last_day), n, thousandths, LABEL)
    return found


def _anew(tx: Session, agent_id: int, source: str, first: str, today: str) -> Frozen | None:
    """Everything judged from that day until yesterday, once it is enough to watch against."""
    days = [each for each in judged_days(tx, agent_id, source, first) if each[0] < today]
    n = sum(count for _, _, count in days)
    if n < BASELINE_N:
        return None
    label = f"measured from {day_words(date.fromisoformat(first))}"
    return _frozen(tx, agent_id, source, (first, days[-1][0]), n, sum(total for _, total, _ in days), label)


def _importing(tx: Session, now: datetime) -> bool:
    return tx.scalar(select(ImportRun.id).where(ImportRun.finished_at.is_(None), ImportRun.started_at > now - IMPORTING).limit(1)) is not None


def _launched(tx: Session, agent_id: int, zone: str, today: str) -> dict[str, Frozen]:
    """The quality of the 28 days up to the launch, where it was seen: the first order that let the agent act alone."""
    orders = tx.execute(select(StageOrder.stage, StageOrder.before, StageOrder.asked_at).where(StageOrder.agent_id == agent_id).order_by(StageOrder.rev)).all()
    launched = next((order.asked_at for order in orders if order.stage == LIVE), None)
    if launched is None or orders[0].before == LIVE:
        return {}
    day = local_day(launched, zone)
    found: dict[str, Frozen] = {}
    if day >= today:
        return {}
    since = set(tx.scalars(select(Baseline.source).where(Baseline.agent_id == agent_id, Baseline.set_at >= launched)))
    for source in SOURCES:
        days = [each for each in judged_days(tx, agent_id, source, day_before(day, BASELINE_DAYS)) if each[0] < day] if source not in since else []
        n = sum(count for _, _, count in days)
        if n >= LEAST_AT_LAUNCH:
            frozen = _frozen(tx, agent_id, source, (days[0][0], days[-1][0]), n, sum(total for _, total, _ in days), AT_LAUNCH)
            found[source] = frozen
    return found


def _frozen(tx: Session, agent_id: int, source: str, span: tuple[str, str], n: int, thousandths: int, label: str) -> Frozen:
    """A baseline over some days; of people, nobody weighs more than the cap, as in every score."""
    judged, total = float(n), float(thousandths)
    if source == "people":
        cap = cap_as_written(tx.get_one(Agent, agent_id).spec)
        weighed = heavy_voters(tx, {agent_id: cap}, [span])[agent_id].weigh(*span, n, thousandths)
        judged, total = weighed.n, weighed.sum
    return Frozen(min(1.0, total / 1000 / judged), round(judged), label, *span)


def judged_days(tx: Session, agent_id: int, source: str, first: str) -> list[tuple[str, int, int]]:
    """(local day, thousandths, n) from a day on, in order; days without judgements left out."""
    rows = tx.execute(
        select(Day.local_day, func.sum(Day.sum), func.sum(Day.n))
        .where(Day.agent_id == agent_id, Day.metric == METRIC_OF[source], Day.local_day >= first)
        .group_by(Day.local_day)
        .order_by(Day.local_day)
    )
    return [(day, int(total), int(n)) for day, total, n in rows if n > 0]
