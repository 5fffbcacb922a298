"""Problems that come and go: held open, so that nobody is called each time, until they have been the same for a while."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.known import known
from bot.paging import rules
from bot.tables import Check, Problem


def opens(tx: Session, now: datetime, check: Check, problem: Problem) -> bool:
    """Note on a problem that just opened whether it comes and goes; True where that is new."""
    sought = select(Problem.opened_at).where(Problem.check_id == check.id, Problem.opened_at > now - rules.FLAPS_WITHIN, Problem.id != problem.id)
    openings = [*known(tx, "openings", check.id, lambda: list(tx.scalars(sought))), problem.opened_at]
    if not rules.is_flapping(openings, now):
        return False
    problem.flapping_at, problem.turns, problem.well_at = min(openings), len(openings), None
    problem.steady_at = now + rules.STEADY
    audit.record(tx, now, "problem.flaps", f"problem:{problem.id}", came_from="timer", words=problem.says, evidence={"openings": len(openings)})
    return True


def fails_again(now: datetime, problem: Problem) -> None:
    """A problem that is held open failed anew: one turn more, and no new page."""
    if problem.flapping_at is not None and problem.well_at is not None:
        problem.well_at, problem.turns, problem.steady_at = None, problem.turns + 1, now + rules.STEADY


def recovers(now: datetime, problem: Problem) -> bool:
    """Whether a recovery is held back because the problem comes and goes."""
    if problem.flapping_at is None:
        return False
    if problem.well_at is None:
        problem.well_at, problem.steady_at = now, now + rules.STEADY
    return True
