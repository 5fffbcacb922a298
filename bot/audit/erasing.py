"""Erasing what the record says of a person: the seals stay whole, because they only ever held a commitment to it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, String, cast, or_, select
from sqlalchemy.orm import Session

from bot.audit import record
from bot.audit.sealing import bound_of
from bot.tables import Decision, Person

SHORTEST = 4  # letters of a name that is looked for in words; a shorter one would meet too much


def erase_person(tx: Session, now: datetime, person: Person, *, by_id: int | None = None, came_from: str = "cli", reason: str = "") -> int:
    """Empty person, words and evidence of every decision that this person made or that names them; returns how many.

    What was decided, when and about what stays. The erasure is itself a decision, which names the rows and not the person.
    """
    rows = list(tx.scalars(select(Decision).where(Decision.erased_at.is_(None), Decision.action != "audit.erase", _tells_of(person)).order_by(Decision.id).with_for_update()))
    for row in rows:
        row.bound = bound_of(row)
        row.person_id, row.words, row.evidence, row.salt, row.erased_at = None, "", {}, "", now
    if rows:
        record(tx, now, "audit.erase", "audit:personal", person_id=by_id, came_from=came_from, words=reason[:500], evidence={"decisions": [row.id for row in rows]})
    return len(rows)


def _tells_of(person: Person) -> ColumnElement[bool]:
    names = [name for name in (person.slack_id, person.email, person.name if len(person.name or "") >= SHORTEST else None) if name]
    said = cast(Decision.evidence, String)
    told = [column.icontains(name, autoescape=True) for name in names for column in (Decision.words, said)]
    return or_(Decision.person_id == person.id, Decision.subject == f"person:{person.id}", *told)
