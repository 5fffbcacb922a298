"""Sealing: every second the decisions written since are bound to all that came before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.audit.rules import FIRST, Personal, commitment, leaf, merkle_root, seal_hash
from bot.tables import Decision, Seal

BATCH = 2000  # decisions of one seal
_ONE_AT_A_TIME = 7_301_946_001  # an advisory lock: any number, the same in every process


def seal_step(tx: Session, now: datetime) -> bool:
    """Seal up to 2,000 decisions; says whether there were more. A decision committed late is in a later seal."""
    if tx.get_bind().dialect.name == "postgresql" and not tx.scalar(select(func.pg_try_advisory_xact_lock(_ONE_AT_A_TIME))):
        return False  # another process adds the next seal
    last = tx.scalars(select(Seal).order_by(Seal.number.desc()).limit(1)).first()
    rows = list(tx.scalars(select(Decision).where(Decision.seal_number.is_(None)).order_by(Decision.id).limit(BATCH)))
    if not rows:
        return False
    number, before = (last.number + 1, last.hash) if last is not None else (1, FIRST)
    root = merkle_root([leaf_of(row) for row in rows])
    tx.add(Seal(number=number, at=now, count=len(rows), root=root, before=before, hash=seal_hash(number, now, len(rows), root, before)))
    tx.execute(update(Decision).where(Decision.id.in_([row.id for row in rows])).values(seal_number=number), execution_options={"synchronize_session": False})
    return len(rows) == BATCH


def something_unsealed(tx: Session, now: datetime) -> bool:
    """Whether a decision waits for its seal."""
    return tx.scalars(select(Decision.id).where(Decision.seal_number.is_(None)).limit(1)).first() is not None


def bound_of(row: Decision) -> str:
    """The commitment to what is personal in a decision."""
    if row.erased_at is not None and row.bound is not None:
        return row.bound
    return commitment(row.salt, Personal(row.person_id, row.words, row.evidence))


def leaf_of(row: Decision) -> str:
    """The hash that a seal holds of a decision."""
    return leaf(row.at, row.action, row.subject, row.came_from, bound_of(row))
