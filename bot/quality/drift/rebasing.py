"""Decisions about drift: that one is known, and that a new baseline is measured. Both are kept in the audit trail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.calendars import day_before, local_day
from bot.quality.baselines import SOURCES, judged_days
from bot.quality.drift.flows import end_drifts
from bot.quality.drift.watching import State
from bot.quality.marks import mark_dirty
from bot.quality.rules import BASELINE_DAYS, BASELINE_N
from bot.tables import Agent, AgentNow, Detector, Drift


def open_drift(tx: Session, agent_id: int, source: str) -> Drift | None:
    """What is open of a source, and people were told of."""
    wanted = select(Drift).where(Drift.agent_id == agent_id, Drift.source == source, Drift.ended_at.is_(None), Drift.told)
    return tx.scalars(wanted.order_by(Drift.id.desc()).with_for_update()).first()


def call_known(tx: Session, now: datetime, agent: Agent, source: str, *, person_id: int | None, came_from: str = "slack", words: str = "") -> bool:
    """Somebody says that a drop is known: its notice closes, the verdict stays. False where none is open."""
    mark_dirty(tx, now, [agent.id])
    row = open_drift(tx, agent.id, source)
    if row is None or row.side != State.WORSE:
        return False
    if row.known_at is None:
        row.known_at, row.known_by, row.known_why = now, person_id, words[:1000]
        audit.record(tx, now, "drift.known", f"agent:{agent.slug}", person_id=person_id, came_from=came_from, words=words, evidence={"source": source, "drift": row.id})
    return True


def first_day_of(tx: Session, now: datetime, agent: Agent, source: str) -> str:
    """From when a new baseline is measured where nobody names a day: since the change that is open, else the last 28 days, or as many more as hold 300 judged outputs."""
    row = open_drift(tx, agent.id, source)
    if row is not None:
        return local_day(row.since, agent.zone)
    today = local_day(now, agent.zone)
    first, n = day_before(today, BASELINE_DAYS), 0
    for day, _, count in reversed([each for each in judged_days(tx, agent.id, source, day_before(today, 365)) if each[0] < today]):
        if day < first and n >= BASELINE_N:
            break
        n, first = n + count, min(first, day)
    return first


def rebase(tx: Session, now: datetime, agent: Agent, source: str, *, person_id: int | None, first_day: str | None = None, came_from: str = "slack", words: str = "") -> tuple[str, int]:
    """Measure the baseline of a source anew from a local day on; returns that day, and how many outputs have been judged since.

    Until 300 are judged the source rests. The agent's row is taken before the detector's, as the fold takes them.
    """
    if source not in SOURCES:
        raise ValueError(f"{source!r} is no source of judgements: write people, evaluations or outcomes")
    first = first_day or first_day_of(tx, now, agent, source)
    today = local_day(now, agent.zone)
    if first > today:
        raise ValueError(f"{first} has not begun yet: a baseline is measured from today or an earlier day on")
    judged = sum(n for day, _, n in judged_days(tx, agent.id, source, first) if day < today)
    mark_dirty(tx, now, [agent.id])
    # The next fold looks for a baseline, as it does on a new day.
    tx.execute(update(AgentNow).where(AgentNow.agent_id == agent.id).values(folded_at=None), execution_options={"synchronize_session": False})
    row = tx.scalars(select(Detector).where(Detector.agent_id == agent.id, Detector.source == source).with_for_update()).first()
    if row is None:
        row = Detector(agent_id=agent.id, source=source, state=State.WAITING.value, body={}, fed=0, marked=True)
        tx.add(row)
    row.rebase_from, row.state, row.replay_at, row.replay_id = first, State.WAITING.value, None, None
    end_drifts(tx, now, agent.id, source, "rebased")
    audit.record(tx, now, "baseline.rebase", f"agent:{agent.slug}", person_id=person_id, came_from=came_from, words=words, evidence={"source": source, "from": first, "judged": judged})
    return first, judged
