"""The last good version of an agent: what it ran as before the failure began, known from its runs and changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.tables import Change, Run, StageOrder

NEWEST = 300  # runs that are read, on each side of the moment
SEEN = "seen"  # the content of a change that was first seen in a run


@dataclass(frozen=True)
class Good:
    """A version to go back to, when it was last known to be in use, and the one that fails."""

    version: str
    known_at: datetime
    fails: str | None


def last_good(tx: Session, agent_id: int, began: datetime) -> Good | None:
    """The newest version before the one that was in use when the failure began; None where none is known.

    What ran since it began is no candidate, and neither is a version that was rolled back from before.
    """
    left = set(tx.scalars(select(StageOrder.left).where(StageOrder.agent_id == agent_id, StageOrder.left.is_not(None), StageOrder.version.is_not(None))))
    return _by_runs(tx, agent_id, began, left) or _by_changes(tx, agent_id, began, left)


def _by_runs(tx: Session, agent_id: int, began: datetime, left: set[str | None]) -> Good | None:
    known = select(Change.version, Change.occurred_at).where(Change.agent_id == agent_id, Change.input == "version", Change.content == SEEN)
    first_seen = tx.execute(known.where(Change.occurred_at <= began).order_by(Change.occurred_at.desc(), Change.id.desc()).limit(50)).all()
    if not first_seen:
        return None
    of = select(Run.version, Run.occurred_at, Run.status).where(Run.agent_id == agent_id, Run.version.is_not(None))
    before = tx.execute(of.where(Run.occurred_at <= began).order_by(Run.occurred_at.desc(), Run.id.desc()).limit(NEWEST)).all()
    since = tx.execute(of.where(Run.occurred_at > began).order_by(Run.occurred_at.desc(), Run.id.desc()).limit(NEWEST)).all()
    fails = before[0].version if before else first_seen[0].version
    bad = {fails, *(row.version for row in since), *left}
    ran = next((Good(row.version, row.occurred_at, fails) for row in before if row.version not in bad and row.status == "ok"), None)
    return ran or next((Good(row.version, row.occurred_at, fails) for row in first_seen if row.version not in bad), None)


def _by_changes(tx: Session, agent_id: int, began: datetime, left: set[str | None]) -> Good | None:
    """Agents whose runs name no version, and announce their changes: the version before the newest one, of the same input."""
    told = select(Change.input, Change.version, Change.occurred_at).where(Change.agent_id == agent_id, Change.content != SEEN, Change.occurred_at <= began)
    rows = tx.execute(told.order_by(Change.occurred_at.desc(), Change.id.desc()).limit(NEWEST)).all()
    if not rows:
        return None
    newest = rows[0]
    return next((Good(row.version, row.occurred_at, newest.version) for row in rows if row.input == newest.input and row.version != newest.version and row.version not in left), None)
