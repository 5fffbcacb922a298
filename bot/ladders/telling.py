"""Telling the two people when a rotation changes hands: quietly, once, also where the machine slept through it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.agents.reading import leads_channel_or_people
from bot.alone import alone
from bot.ladders import messages
from bot.ladders.reaching import why_unable
from bot.ladders.rotations import OnCall, digest_of, named, on_call, rotations
from bot.ladders.turns import Rotation, turn_at
from bot.outbox import flows as outbox
from bot.people.flows import find_ref
from bot.tables import Person, RotationTimer

BATCH = 100
AT_LEAST = timedelta(minutes=15)  # an absence begins or ends, somebody leaves: looked at this often


def rotations_due(tx: Session, now: datetime) -> bool:
    """Whether there is anything for the step: a look that costs the writers nothing."""
    known, rows = rotations(tx), {row.rotation: row for row in tx.scalars(select(RotationTimer))}
    if known.keys() != rows.keys() or any(digest_of(rotation) != rows[name].digest for name, rotation in known.items()):
        return True
    return any(row.next_at is not None and (row.next_at <= now or row.next_at > now + 2 * AT_LEAST) for row in rows.values())


def rotations_step(tx: Session, now: datetime) -> bool:
    """Look at the rotations whose turn may have passed on; says whether there was one."""
    known = rotations(tx)
    _keep(tx, now, known)
    # Further ahead than any timer reaches, the clock was set back.
    late = (RotationTimer.next_at <= now) | (RotationTimer.next_at > now + 2 * AT_LEAST)
    rows = tx.scalars(select(RotationTimer).where(late).order_by(RotationTimer.next_at).limit(BATCH).with_for_update(skip_locked=True)).all()
    for row in rows:
        with alone(tx, "a rotation raised and steps aside", rotation=row.rotation) as tried:
            _look(tx, now, row, known)
        if tried.failed:
            row.next_at = now + timedelta(minutes=1)
    return bool(rows)


def _keep(tx: Session, now: datetime, known: dict[str, Rotation]) -> None:
    """A timer for each rotation of the registry in force, and none for others."""
    rows = {row.rotation: row for row in tx.scalars(select(RotationTimer))}
    for name, rotation in known.items():
        row, digest = rows.pop(name, None), digest_of(rotation)
        if row is None:
            try:
                with tx.begin_nested():
                    tx.add(RotationTimer(rotation=name, digest=digest, next_at=now))
            except IntegrityError:  # another process saw it in the same moment
                continue
        elif row.digest != digest:
            row.digest, row.next_at = digest, now
    for row in rows.values():
        tx.delete(row)
    tx.flush()


def _look(tx: Session, now: datetime, row: RotationTimer, known: dict[str, Rotation]) -> None:
    rotation = known.get(row.rotation)
    found = on_call(tx, now, row.rotation, lambda person: why_unable(tx, now, person))
    if rotation is None or found is None:
        row.next_at = None
        return
    row.next_at = min(found.until, now + AT_LEAST)
    before = tx.get(Person, row.person_id) if row.person_id else None
    if found.person is None:
        if before is not None or row.person_id is None:
            _tell_nobody(tx, now, found)
        row.person_id = None
        return
    if before is not None and before.id == found.person.id:
        return
    row.person_id = found.person.id
    _tell(tx, now, found, before, rotation)


def _tell(tx: Session, now: datetime, found: OnCall, before: Person | None, rotation: Rotation) -> None:
    assert found.person is not None
    in_turn = find_ref(tx, rotation.people[turn_at(rotation, now).index]) if rotation.people else None
    in_place = named(in_turn) if in_turn is not None and in_turn.id != found.person.id else ""
    stamp = int(now.timestamp())
    if found.person.slack_id:
        told = messages.your_turn(found.name, found.until, named(before) if before else "", in_place=in_place)
        outbox.show(tx, now, key=f"oncall:{found.name}:{stamp}:{found.person.id}", to=found.person.slack_id, message=told)
    if before is not None and before.slack_id and before.active:
        outbox.show(tx, now, key=f"oncall:{found.name}:{stamp}:{before.id}", to=before.slack_id, message=messages.turn_over(found.name, named(found.person)))


def _tell_nobody(tx: Session, now: datetime, found: OnCall) -> None:
    for target in leads_channel_or_people(tx):
        outbox.show(tx, now, key=f"oncall:{found.name}:nobody:{int(found.since.timestamp())}:{target}", to=target, message=messages.nobody(found.name, found.until, found.notes))
