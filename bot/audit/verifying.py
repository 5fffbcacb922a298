"""Verifying: every seal is computed again from the rows, and what does not agree is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.audit.rules import FIRST, merkle_root, seal_hash
from bot.audit.sealing import leaf_of
from bot.tables import Decision, Seal

BATCH = 500  # seals looked at together
LATE = timedelta(minutes=5)  # a decision may be committed that much after it was made
SHOWN = 20  # faults named one by one


@dataclass
class Verified:
    """What was found: `faults` is empty where everything agrees."""

    decisions: int = 0
    seals: int = 0
    erased: int = 0
    unsealed: int = 0
    head: str = FIRST  # the newest seal's hash: kept elsewhere, it proves that nothing was cut off the end
    first_at: datetime | None = None
    last_at: datetime | None = None
    faults: list[str] = field(default_factory=list)
    head_found: bool | None = None  # whether the hash asked for is in the chain


def verify(tx: Session, *, head: str | None = None) -> Verified:
    """Look at everything, in the order of the seals. `head` is a hash noted earlier: it must still be in the chain."""
    found = Verified(head_found=None if head is None else head == FIRST)
    erasures = _erasures(tx)
    before_at: datetime | None = None
    number = 0
    while batch := list(tx.scalars(select(Seal).where(Seal.number > number).order_by(Seal.number).limit(BATCH))):
        rows: dict[int, list[Decision]] = {}
        for row in tx.scalars(select(Decision).where(Decision.seal_number >= batch[0].number, Decision.seal_number <= batch[-1].number).order_by(Decision.id)):
            rows.setdefault(row.seal_number or 0, []).append(row)
        for seal in batch:
            _look(found, seal, rows.pop(seal.number, []), number, before_at, erasures)
            number, before_at = seal.number, seal.at
            found.head, found.last_at = seal.hash, seal.at
            found.first_at = found.first_at or seal.at
            if head is not None and seal.hash == head:
                found.head_found = True
        for gone, left in rows.items():
            found.faults.append(f"{len(left)} decisions say that they are in seal {gone}, and there is no such seal: it was removed.")
        tx.expunge_all()
    beyond = tx.scalar(select(func.count()).select_from(Decision).where(Decision.seal_number > number)) or 0
    if beyond:
        found.faults.append(f"{beyond} decisions are in seals after the last one: the newest seals were removed.")
    found.unsealed = tx.scalar(select(func.count()).select_from(Decision).where(Decision.seal_number.is_(None))) or 0
    if found.head_found is False:
        found.faults.append("The hash you noted earlier is not in the chain: what was sealed up to it was removed or written anew.")
    return found


def _look(found: Verified, seal: Seal, rows: list[Decision], number: int, before_at: datetime | None, erasures: dict[int, int]) -> None:
    found.seals += 1
    found.decisions += len(rows)
    named = f"seal {seal.number} ({seal.at:%Y-%m-%d %H:%M:%S} UTC)"
    faults = found.faults
    if seal.number != number + 1:
        faults.append(f"Before {named}, {seal.number - number - 1} seals are missing.")
    elif seal.before != found.head:
        faults.append(f"{named[0].upper()}{named[1:]} does not follow from the one before it: one of the two was changed.")
    if seal.hash != seal_hash(seal.number, seal.at, seal.count, seal.root, seal.before):
        faults.append(f"{named[0].upper()}{named[1:]} itself was changed.")
    if len(rows) != seal.count:
        faults.append(f"{named[0].upper()}{named[1:]} holds {seal.count} decisions, and {len(rows)} are there: {'some were inserted' if len(rows) > seal.count else 'some were removed'}.")
    elif merkle_root([leaf_of(row) for row in rows]) != seal.root:
        faults.append(f"A decision of {named} was changed: one of {_ids(rows)}.")
    for row in rows:
        if row.erased_at is not None:
            found.erased += 1
            if row.id not in erasures:
                faults.append(f"Decision {row.id} ({row.action}) is marked as erased, and no erasure is recorded for it.")
        if before_at is not None and row.at < before_at - LATE:
            faults.append(f"Decision {row.id} ({row.action} of {row.subject}) says {row.at:%Y-%m-%d %H:%M:%S} and was sealed after {before_at:%Y-%m-%d %H:%M:%S}: it was inserted afterwards, or the clock was set back.")


def _erasures(tx: Session) -> dict[int, int]:
    """Decision id -> the recorded erasure that covers it."""
    covered: dict[int, int] = {}
    for row in tx.scalars(select(Decision).where(Decision.action == "audit.erase")):
        covered.update(dict.fromkeys(row.evidence.get("decisions", ()), row.id))
    return covered


def _ids(rows: list[Decision]) -> str:
    ids = [str(row.id) for row in rows]
    return f"{ids[0]} to {ids[-1]}" if len(ids) > 10 else ", ".join(ids)
