"""Many new rows at once, past what is already there: one statement per table, in each database's fastest way.

SQLAlchemy's executemany converts every value of every row in Python; a group of intake is up to 1,000 rows, so here the rows are
tuples in the order of the columns, and only times and JSON are converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy.orm import Session

from bot.db import insert_many

Key = tuple[int, str]  # agent id, the event's own id
Row = tuple[Any, ...]  # the first two values are the key


@dataclass(frozen=True)
class Kept:
    """A row that is already there."""

    id: int
    content: str


@dataclass(frozen=True)
class Columns:
    """One table's columns, in the order of its rows; each with PostgreSQL's type."""

    table: str
    types: tuple[tuple[str, str], ...]

    @cached_property
    def head(self) -> str:
        return f"INSERT INTO {self.table} ({', '.join(name for name, _ in self.types)})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.types)

    @cached_property
    def postgres_insert(self) -> str:
        # One JSON text: psycopg writes it at once, where arrays cost it a microsecond a value (6 against 24 us a run).
        shown = ", ".join(f"{name}::json" if kind == "json" else name for name, kind in self.types)
        told = ", ".join(f"{name} {'text' if kind == 'json' else kind}" for name, kind in self.types)
        return (
            f"{self.head} SELECT {shown} FROM json_to_recordset($1::json) AS r({told})"  # noqa: S608 - our own names
            " ON CONFLICT (agent_id, ext_id) DO NOTHING RETURNING agent_id, ext_id, id"
        )


def stamp_for(tx: Session) -> Callable[[datetime], Any]:
    """How this database's driver takes a time (UTC): as SQLAlchemy's own type writes it."""
    return _as_text if tx.get_bind().dialect.name == "sqlite" else _as_is


def as_json(value: dict[str, Any] | None) -> str | None:
    """A small JSON column's value."""
    return None if value is None else orjson.dumps(value).decode()


def insert_new(tx: Session, columns: Columns, rows: Sequence[Row], *, want_ids: bool = False) -> dict[Key, int] | None:
    """Insert those rows whose key is new. Returns the keys inserted with their ids, or None where all were (and ids are not wanted)."""
    if tx.get_bind().dialect.name == "sqlite":
        return _insert_sqlite(tx, columns, rows, want_ids)
    ordered = sorted(rows, key=lambda row: (row[0], row[1]))  # in one order, or two groups could deadlock over the same ids
    values = orjson.dumps([dict(zip(columns.names, row, strict=True)) for row in ordered]).decode()
    found = tx.connection().exec_driver_sql(columns.postgres_insert, (values,))
    return {(agent_id, ext_id): id_ for agent_id, ext_id, id_ in found}


def _insert_sqlite(tx: Session, columns: Columns, rows: Sequence[Row], want_ids: bool) -> dict[Key, int] | None:
    connection = tx.connection()
    before = connection.exec_driver_sql(f"SELECT max(id) FROM {columns.table}").scalar() or 0  # noqa: S608 - our own names
    inserted = insert_many(connection, columns.head, "ON CONFLICT (agent_id, ext_id) DO NOTHING", rows)
    if inserted == len(rows) and not want_ids:
        return None
    new = f"SELECT agent_id, ext_id, id FROM {columns.table} WHERE id > ?"  # noqa: S608 - this is the one writer, and ids grow
    return {(agent_id, ext_id): id_ for agent_id, ext_id, id_ in connection.exec_driver_sql(new, (before,))}


def hold_outputs(tx: Session, keys: Iterable[tuple[int, str | None]]) -> None:
    """Lock those outputs that are there, in the order of their ids, before any of them is judged.

    A group judges in several passes (evaluations, outcomes, ratings). Without this, two groups on PostgreSQL that judge
    two outputs crosswise wait for each other (tried: a deadlock at every meeting). SQLite has one writer.
    """
    if tx.get_bind().dialect.name == "sqlite":
        return
    wanted = [(agent_id, ext_id) for agent_id, ext_id in keys if ext_id is not None]
    if wanted:
        tx.connection().exec_driver_sql(
            "SELECT o.id FROM outputs o JOIN unnest($1::bigint[], $2::text[]) AS k(agent_id, ext_id) USING (agent_id, ext_id)"
            " ORDER BY o.id FOR NO KEY UPDATE OF o",
            ([agent_id for agent_id, _ in wanted], [ext_id for _, ext_id in wanted]),
        )


def find_kept(tx: Session, table: str, keys: Iterable[Key]) -> dict[Key, Kept]:
    """Those of the keys that are already there."""
    by_agent: dict[int, list[str]] = {}
    for agent_id, ext_id in keys:
        by_agent.setdefault(agent_id, []).append(ext_id)
    connection, found = tx.connection(), dict[Key, Kept]()
    sqlite = tx.get_bind().dialect.name == "sqlite"
    for agent_id, ext_ids in by_agent.items():
        if sqlite:
            query = f"SELECT ext_id, id, content FROM {table} WHERE agent_id = ? AND ext_id IN (SELECT value FROM json_each(?))"  # noqa: S608
            rows = connection.exec_driver_sql(query, (agent_id, orjson.dumps(ext_ids).decode()))
        else:
            query = f"SELECT ext_id, id, content FROM {table} WHERE agent_id = $1 AND ext_id = ANY($2::text[])"  # noqa: S608
            rows = connection.exec_driver_sql(query, (agent_id, ext_ids))
        for ext_id, id_, content in rows:
            found[agent_id, ext_id] = Kept(id_, content)
    return found


def _as_text(moment: datetime) -> str:
    return moment.isoformat(" ", "microseconds")[:26]  # without its +00:00


def _as_is(moment: datetime) -> datetime:
    return moment
