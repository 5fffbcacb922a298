from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import inspect, select, text

from bot import migrate
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


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_a_database_of_a_version_before_with_a_row_in_every_table_is_brought_here(db: Database, version: str) -> None:
    with db.engine.connect() as connection, connection.begin():
        if not db.is_sqlite:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    if db.is_sqlite:
        db = Database(str(db.url).replace(".db", "-before.db"))
    migrate.upgrade(db, version)
    with db.engine.begin() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys=ON" if db.is_sqlite else "SET session_replication_role = replica"))
        looked = inspect(connection)
        tables = [name for name in looked.get_table_names() if name != "alembic_version"]
        for table in tables:
            values = {column["name"]: _some(str(column["type"])) for column in looked.get_columns(table)}
            names = ", ".join(f'"{name}"' for name in values)
            connection.execute(text(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join(f":{name}" for name in values)})'), values)
        if not db.is_sqlite:
            connection.execute(text("SET session_replication_role = DEFAULT"))
    migrate.upgrade(db)
    migrate.check(db)
    with db.reading() as tx:
        assert [tx.execute(text(f'SELECT count(*) FROM "{table}"')).scalar() for table in tables] == [1] * len(tables)
    db.close()


def _some(kind: str) -> object:
    """Any value of a column of that type; every key is 1, so that all rows name each other."""
    kinds = {("CHAR", "TEXT"): "x", ("BOOL",): False, ("JSON",): "{}", ("TIME", "DATE"): "2026-11-20 08:00:00", ("FLOAT", "DOUBLE"): 0.5}
    return next((value for names, value in kinds.items() if any(name in kind.upper() for name in names)), 1)
