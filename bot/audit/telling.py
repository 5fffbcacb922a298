"""The record in words and as lines to keep: what `aiops audit` prints."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.audit.sealing import bound_of, leaf_of
from bot.audit.verifying import SHOWN, Verified
from bot.tables import Decision, Person, Seal

PAGE = 1000  # rows read together


def verified_words(found: Verified) -> str:
    """What a verification found, to be read by a person."""
    if not found.seals and not found.faults:
        waits = f" {found.unsealed} decisions wait for the first seal: a running server seals every second." if found.unsealed else ""
        return f"Nothing is sealed yet.{waits}"
    span = f"{found.first_at:%Y-%m-%d %H:%M:%S} to {found.last_at:%Y-%m-%d %H:%M:%S} UTC" if found.first_at and found.last_at else "no time"
    lines = [f"{found.decisions:,} decisions in {found.seals:,} seals, from {span}."]
    if found.erased:
        lines.append(f"Personal fields of {found.erased:,} of them were erased; what was decided, and when, still agrees with its seal.")
    if found.unsealed:
        lines.append(f"{found.unsealed:,} newer ones wait for the next seal.")
    if found.faults:
        lines.append("One thing does not agree:" if len(found.faults) == 1 else f"{len(found.faults):,} things do not agree:")
        lines += [f"  {fault}" for fault in found.faults[:SHOWN]]
        if len(found.faults) > SHOWN:
            lines.append(f"  and {len(found.faults) - SHOWN:,} more (`--json` names all).")
    else:
        lines.append("Everything agrees: no sealed decision was changed, removed or inserted.")
    lines.append(f"The newest seal is {found.head}\nNote it somewhere else; `aiops audit verify --head <it>` then also proves that nothing was cut off the end.")
    return "\n".join(lines)


def verified_json(found: Verified) -> dict[str, Any]:
    return {
        "agrees": not found.faults, "decisions": found.decisions, "seals": found.seals, "erased": found.erased, "unsealed": found.unsealed,
        "head": found.head, "head_found": found.head_found, "faults": found.faults,
    }  # fmt: skip


def exported(tx: Session, since: datetime | None, until: datetime | None) -> Iterator[dict[str, Any]]:
    """Decisions (oldest first) and the seals that hold them, each as one object; hashes included, so that anybody can check them."""
    people = {id_: slack_id or email for id_, slack_id, email in tx.execute(select(Person.id, Person.slack_id, Person.email))}
    after, seals = 0, set[int]()
    while rows := list(tx.scalars(select(Decision).where(Decision.id > after, *_within(since, until)).order_by(Decision.id).limit(PAGE))):
        for row in rows:
            after = row.id
            seals.add(row.seal_number or 0)
            yield {
                "decision": row.id, "at": row.at.isoformat(), "action": row.action, "subject": row.subject, "came_from": row.came_from,
                "person_id": row.person_id, "person": people.get(row.person_id) if row.person_id else None, "words": row.words, "evidence": row.evidence,
                "salt": row.salt, "commitment": bound_of(row), "leaf": leaf_of(row), "erased_at": row.erased_at.isoformat() if row.erased_at else None, "seal": row.seal_number,
            }  # fmt: skip
        tx.expunge_all()
    numbers = sorted(seals - {0})
    for start in range(0, len(numbers), 500):
        for seal in tx.scalars(select(Seal).where(Seal.number.in_(numbers[start : start + 500])).order_by(Seal.number)):
            yield {"seal": seal.number, "at": seal.at.isoformat(), "count": seal.count, "root": seal.root, "before": seal.before, "hash": seal.hash}


def _within(since: datetime | None, until: datetime | None) -> list[Any]:
    return [*([Decision.at >= since] if since else []), *([Decision.at < until] if until else [])]
