"""Who is on call in a rotation, shifts that people take and give, and telling a hand-over: in one open transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import workspace_of
from bot.agents.spec import RotationSpec
from bot.blocks import escape, when
from bot.db import wake
from bot.ladders.turns import Rotation, rotation_of, turn_at
from bot.people.flows import find_ref, shared_registry
from bot.tables import Person, RotationTimer, Shift

LONGEST = timedelta(days=62)  # of a shift that is taken or given by hand
AHEAD = timedelta(days=366)  # as far ahead as one may be taken


class BadShift(ValueError):
    """This shift cannot be; the text says why."""


@dataclass(frozen=True)
class OnCall:
    """Who is on call now, until when, and why it is not who the order says."""

    name: str
    person: Person | None
    since: datetime
    until: datetime
    shift: Shift | None = None  # by which they have it, where it is not their turn
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def _parsed(written: bytes) -> RotationSpec:
    return RotationSpec.model_validate(orjson.loads(written))


def rotations(tx: Session) -> dict[str, Rotation]:
    """The rotations of the registry in force, by name."""
    given = shared_registry(tx).get("rotations", {})
    zone = workspace_of(tx).timezone if given else "UTC"
    return {name: rotation_of(_parsed(orjson.dumps(each)), zone) for name, each in given.items()}


def members(tx: Session, rotation: Rotation) -> list[Person]:
    """The people of a rotation in the order of their turns, each once; names nobody answers to are left out."""
    found = [person for ref in rotation.people if (person := find_ref(tx, ref)) is not None]
    return list({person.id: person for person in found}.values())


def shifts_of(tx: Session, name: str, now: datetime) -> list[Shift]:
    """Shifts by hand that run or come, the newest first: it holds where two overlap."""
    sought = select(Shift).where(Shift.rotation == name, Shift.until > now, Shift.ended_at.is_(None))
    return list(tx.scalars(sought.order_by(Shift.id.desc())))


def on_call(tx: Session, now: datetime, name: str, why_unable: Callable[[Person], str]) -> OnCall | None:
    """Who has the rotation at this moment; None where there is no such rotation.

    Who cannot be called (`why_unable` says why) passes it on: from a shift to the turn, from a turn to the next in the order.
    """
    rotation = rotations(tx).get(name)
    if rotation is None:
        return None
    turn, shifts = turn_at(rotation, now), shifts_of(tx, name, now)
    until = min([turn.until, *(shift.since for shift in shifts if shift.since > now)])
    in_turn = find_ref(tx, rotation.people[turn.index]) if rotation.people else None
    notes: list[str] = []
    for shift in shifts:
        if shift.since > now:
            continue
        person = tx.get_one(Person, shift.person_id)
        if why := why_unable(person):
            notes.append(f"{named(person)}, who has a shift of {escape(name)}, {why}: passed over.")
            continue
        if in_turn is not None and in_turn.id != person.id:
            notes.append(f"{named(person)} stands in for {named(in_turn)} in {escape(name)} until {when(shift.until)}.")
        starts = [each.since for each in shifts if each.id > shift.id and each.since > now]
        return OnCall(name, person, shift.since, min([shift.until, *starts]), shift, tuple(notes))
    ordered = rotation.people[turn.index :] + rotation.people[: turn.index]
    for ref in dict.fromkeys(ordered):
        candidate = find_ref(tx, ref)
        if candidate is None:
            notes.append(f"Nobody is known as {escape(ref)} any more ({escape(name)}): passed over.")
        elif why := why_unable(candidate):
            notes.append(f"{named(candidate)} ({escape(name)}) {why}: passed over.")
        else:
            return OnCall(name, candidate, turn.since, until, None, tuple(notes))
    return OnCall(name, None, turn.since, until, None, tuple(notes))


def take_shift(tx: Session, now: datetime, name: str, person: Person, since: datetime, until: datetime, *, by_id: int) -> Shift:
    """This person has the rotation for that time, whatever its turns say. Leave was asked before. Raises BadShift."""
    rotation = rotations(tx).get(name)
    if rotation is None:
        raise BadShift(f"There is no rotation {name}.")
    since = max(since, now)
    if until <= since:
        raise BadShift("The shift ends before it begins.")
    if until - since > LONGEST or since - now > AHEAD:
        raise BadShift("A shift lasts two months at most, and begins within a year.")
    if person.kind != "member" or not person.active or not person.slack_id:
        raise BadShift(f"{person.name or 'This person'} is no full member of this workspace, so a page could not call them.")
    row = Shift(rotation=name, person_id=person.id, since=since, until=until, by_id=by_id, made_at=now)
    tx.add(row)
    tx.flush()
    _look_soon(tx, now, name)
    evidence = {"person": person.id, "since": since.isoformat(), "until": until.isoformat()}
    audit.record(tx, now, "oncall.take" if by_id == person.id else "oncall.give", f"rotation:{name}", person_id=by_id, evidence=evidence)
    return row


def end_shift(tx: Session, now: datetime, shift: Shift, *, by_id: int) -> bool:
    """Take a shift back: the turns count again. False where it is over or taken back already."""
    tx.refresh(shift, with_for_update=True)
    if shift.ended_at is not None or shift.until <= now:
        return False
    shift.ended_at, shift.ended_by = now, by_id
    tx.flush()
    _look_soon(tx, now, shift.rotation)
    audit.record(tx, now, "oncall.take_back", f"rotation:{shift.rotation}", person_id=by_id, evidence={"shift": shift.id, "person": shift.person_id})
    return True


def digest_of(rotation: Rotation) -> str:
    """Tells whether a rotation is described as it was."""
    return hashlib.sha256(repr(rotation).encode()).hexdigest()


def _look_soon(tx: Session, now: datetime, name: str) -> None:
    row = tx.scalars(select(RotationTimer).where(RotationTimer.rotation == name).with_for_update()).first()
    if row is not None:
        row.next_at = now
    wake(tx, "oncall")


def named(person: Person) -> str:
    """Their name, escaped, pinging nobody."""
    return escape(person.name or person.email or "someone")
