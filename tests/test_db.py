from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from bot.db import SCHEMA, Database, DatabaseInUse
from bot.migrate import check
from bot.tables import Decision


def test_the_migrations_build_exactly_the_tables_in_code(db: Database) -> None:
    assert db.schema() == SCHEMA
    check(db)


def test_a_transaction_that_raises_keeps_nothing(db: Database) -> None:
    now = datetime(2026, 11, 20, 8, tzinfo=UTC)

    def broken() -> None:
        with db.transaction() as tx:
            tx.add(Decision(at=now, action="a", subject="s", came_from="cli"))
            tx.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    with db.transaction() as tx:
        tx.add(Decision(at=now, action="b", subject="s", came_from="cli"))
    with db.reading() as tx:
        rows = tx.scalars(select(Decision)).all()
        assert [row.action for row in rows] == ["b"]
        assert rows[0].at == now


def test_a_second_process_may_not_write_the_same_file(db: Database) -> None:
    if not db.is_sqlite:
        pytest.skip("PostgreSQL takes any number of processes")
    db.hold()
    other = Database(str(db.url))
    with pytest.raises(DatabaseInUse, match="in use by another"):
        other.hold()
    other.close()
