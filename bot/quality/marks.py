"""Marking agents whose row must be folded anew: the last thing a transaction does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot.db import wake
from bot.tables import AgentNow

CHUNK = 500
_TOGETHER = "marked together"
CLAIMED = timedelta(minutes=1)  # the mark of a row that a fold has claimed lies that far ahead
STILL_CLAIMED = 2 * CLAIMED  # seen by a process whose clock, or whose `now`, is older


@contextmanager
def marked_together(tx: Session, now: datetime) -> Iterator[None]:
    """What is marked inside is marked at the end, at once."""
    if _TOGETHER in tx.info:
        yield
        return
    agent_ids: set[int] = set()
    tx.info[_TOGETHER] = agent_ids
    try:
        yield
    finally:
        tx.info.pop(_TOGETHER, None)
    mark_dirty(tx, now, agent_ids)


def mark_dirty(tx: Session, now: datetime, agent_ids: Iterable[int]) -> None:
    """Something came in for these agents: their row is folded soon. Call it last in the transaction.

    The row is locked until the commit (in id order), also where it is dirty already: a fold could otherwise claim the
    row and clear the mark without having seen what this transaction brings. A row that a fold has claimed is marked
    anew, and so stays due when that fold is written.
    """
    together: set[int] | None = tx.info.get(_TOGETHER)
    if together is not None:
        together.update(agent_ids)
        return
    ids = sorted(set(agent_ids))
    sqlite = tx.get_bind().dialect.name == "sqlite"
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        if not (_marked_sqlite(tx, now, chunk) if sqlite else _marked_postgres(tx, now, chunk)):
            _first_marks(tx, now, chunk)
    if ids:
        wake(tx, "fold", here=True)


# Every group of events passes here: as plain statements, a tenth of what the mapped ones cost.
_UNMARKED = "(dirty_at IS NULL OR (dirty_at > {now} AND dirty_at <= {claimed}))"
_IN_JSON = "agent_id IN (SELECT value FROM json_each(?))"
_KNOWN_SQLITE = f"SELECT count(*) FROM agent_now WHERE {_IN_JSON}"  # noqa: S608 - our own names
_MARK_SQLITE = f"UPDATE agent_now SET dirty_at = ? WHERE {_UNMARKED.format(now='?', claimed='?')} AND {_IN_JSON}"  # noqa: S608
_LOCK_POSTGRES = (
    f"SELECT agent_id, {_UNMARKED.format(now='$1', claimed='$2')} FROM agent_now"  # noqa: S608
    " WHERE agent_id = ANY($3) ORDER BY agent_id FOR NO KEY UPDATE"
)
_MARK_POSTGRES = "UPDATE agent_now SET dirty_at = $1 WHERE agent_id = ANY($2)"


def _marked_sqlite(tx: Session, now: datetime, ids: list[int]) -> bool:
    """False where an agent has no row yet. One transaction writes at a time here: there is nothing to lock."""
    connection, given = tx.connection(), json.dumps(ids)
    if connection.exec_driver_sql(_KNOWN_SQLITE, (given,)).scalar() != len(ids):
        return False
    text, claimed = (f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" for at in (now, now + STILL_CLAIMED))  # as UtcDateTime writes it
    connection.exec_driver_sql(_MARK_SQLITE, (text, text, claimed, given))
    return True


def _marked_postgres(tx: Session, now: datetime, ids: list[int]) -> bool:
    connection = tx.connection()
    found = connection.exec_driver_sql(_LOCK_POSTGRES, (now, now + STILL_CLAIMED, ids)).all()
    if len(found) != len(ids):
        return False
    clean = [agent_id for agent_id, unmarked in found if unmarked]
    if clean:
        connection.exec_driver_sql(_MARK_POSTGRES, (now, clean))
    return True


def _first_marks(tx: Session, now: datetime, ids: list[int]) -> None:
    """Some of these agents have no row yet."""
    insert_now = sqlite_insert if tx.get_bind().dialect.name == "sqlite" else postgres_insert
    new = {"verdict": "learning", "rank": 0, "why": "", "n": 0, "machine": False, "facts": {}, "spec_rev": 0, "dirty_at": now}
    first = insert_now(AgentNow).values([{"agent_id": agent_id, **new} for agent_id in ids])
    tx.execute(first.on_conflict_do_update(index_elements=["agent_id"], set_={"dirty_at": now}))
