"""The quality at launch, frozen once enough has been judged: found while looking, kept when the fold is written."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.quality.facts import Frozen
from bot.quality.reading import METRIC_OF
from bot.quality.rules import BASELINE_DAYS, BASELINE_N, baseline_span, day_words, percent
from bot.tables import Baseline, Day, Detector, Observation

LABEL = "since we started looking"
SOURCES = ("people", "evaluations", "outcomes")


def due_baselines(tx: Session, agent_id: int, today: str, known: dict[str, Frozen]) -> dict[str, Frozen]:
    """What has become due to be frozen, by source (looked at once a local day: days must be over).

    A known one is measured anew only where somebody decided so, from the day they named.
    """
    found = {source: _due(tx, agent_id, source, today) for source in SOURCES if source not in known}
    decided = select(Detector.source, Detector.rebase_from).where(Detector.agent_id == agent_id, Detector.rebase_from.is_not(None))
    for source, first in tx.execute(decided).tuples():
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


def _due(tx: Session, agent_id: int, source: str, today: str) -> Frozen | None:
    mine = (Observation.agent_id == agent_id, Observation.source == source)
    first = tx.scalar(select(Observation.local_day).where(*mine).order_by(Observation.local_day).limit(1))
    if first is None or (date.fromisoformat(today) - date.fromisoformat(first)).days < BASELINE_DAYS:
        return None
    enough = tx.scalar(select(func.count()).select_from(select(Observation.id).where(*mine).limit(BASELINE_N).subquery()))
    if not enough or enough < BASELINE_N:
        return None
    span = baseline_span(judged_days(tx, agent_id, source, first), today)
    if span is None:
        return None
    first_day, last_day, thousandths, n = span
    return Frozen(thousandths / 1000 / n, n, LABEL, first_day, last_day)


def _anew(tx: Session, agent_id: int, source: str, first: str, today: str) -> Frozen | None:
    """Everything judged from that day until yesterday, once it is enough to watch against."""
    days = [each for each in judged_days(tx, agent_id, source, first) if each[0] < today]
    n = sum(count for _, _, count in days)
    if n < BASELINE_N:
        return None
    return Frozen(sum(total for _, total, _ in days) / 1000 / n, n, f"measured from {day_words(date.fromisoformat(first))}", first, days[-1][0])


def judged_days(tx: Session, agent_id: int, source: str, first: str) -> list[tuple[str, int, int]]:
    """(local day, thousandths, n) from a day on, in order; days without judgements left out."""
    rows = tx.execute(
        select(Day.local_day, func.sum(Day.sum), func.sum(Day.n))
        .where(Day.agent_id == agent_id, Day.metric == METRIC_OF[source], Day.local_day >= first)
        .group_by(Day.local_day)
        .order_by(Day.local_day)
    )
    return [(day, int(total), int(n)) for day, total, n in rows if n > 0]
