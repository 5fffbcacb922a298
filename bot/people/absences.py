"""Declared absences: the only thing that makes the product pass over a person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.tables import Absence


def declare_absence(tx: Session, now: datetime, person_id: int, since: datetime, until: datetime, *, reason: str = "", by_id: int | None = None) -> Absence:
    """Write down that a person is away; what overlaps it is joined into one span, so that coming back ends it all.

    The same absence said anew (it runs already, or begins at the same time) ends when they say now, also if that is earlier.
    Raises ValueError for a span that ends before it begins or is already over.
    """
    if until <= since:
        raise ValueError("the absence ends before it begins")
    if until <= now:
        raise ValueError("this absence is already over")
    overlapping = list(
        tx.scalars(select(Absence).where(Absence.person_id == person_id, Absence.since <= until, Absence.until >= since, Absence.until > now).with_for_update())
    )
    others = [each for each in overlapping if each.since != since and not each.since <= since <= now]
    row = Absence(person_id=person_id, since=min([since, *(each.since for each in overlapping)]), until=max([until, *(each.until for each in others)]))
    row.reason, row.by_id = reason.strip()[:500], by_id or person_id
    for each in overlapping:
        tx.delete(each)
    tx.add(row)
    tx.flush()
    audit.record(
        tx, now, "absence.declare", f"person:{person_id}", person_id=by_id or person_id, words=row.reason, evidence={"since": row.since.isoformat(), "until": row.until.isoformat()}
    )
    return row


def end_absence(tx: Session, now: datetime, person_id: int, *, by_id: int | None = None) -> int:
    """They are back: what runs now ends now; where nothing runs, what was still to come is taken back. Returns how many spans that were."""
    ahead = list(tx.scalars(select(Absence).where(Absence.person_id == person_id, Absence.until > now)))
    rows = [row for row in ahead if row.since <= now] or ahead  # who is back today still has their holiday in December
    for row in rows:
        if row.since < now:
            row.until = now
        else:
            tx.delete(row)
    if rows:
        tx.flush()
        audit.record(tx, now, "absence.end", f"person:{person_id}", person_id=by_id or person_id)
    return len(rows)


def absences_ahead(tx: Session, now: datetime, person_ids: list[int]) -> list[Absence]:
    """Running and coming absences of these people, the soonest first."""
    if not person_ids:
        return []
    return list(tx.scalars(select(Absence).where(Absence.person_id.in_(person_ids), Absence.until > now).order_by(Absence.since, Absence.id)))
