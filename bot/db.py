"""The database: engines for SQLite and PostgreSQL, the only commit, and who is woken after it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import Session, sessionmaker

SCHEMA = "0003"  # the newest migration; serving refuses any other (a test holds it equal to Alembic's head)

# psycopg's 100 are fewer than the statements of this product: each turn would prepare and forget some anew.
PREPARED = 500
IDLE = 1.0  # seconds unused after which a connection to PostgreSQL is asked whether it still stands

_WAKES = "wakes"
_WAKES_HERE = "wakes here"


class DatabaseInUse(Exception):
    """Another process holds this SQLite file for writing."""


class SchemaMismatch(Exception):
    """The database's schema is not the one this version works with."""


class Database:
    """One database, opened once per process.

    On SQLite looking has an engine of its own on the same file, in WAL mode (readers never wait for the writer), whose
    connections remember fewer pages; a lock file beside it makes this the one writing process.
    """

    def __init__(self, url: str, *, pool_size: int = 8, on_wake: Callable[[str], None] | None = None) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.on_wake = on_wake
        self._lock_file: int | None = None
        self.engine = self._sqlite_engine(pool_size, "BEGIN IMMEDIATE", cache=32) if self.is_sqlite else self._postgres_engine(pool_size)
        self.looking = self._sqlite_engine(pool_size, "BEGIN", cache=4) if self.is_sqlite else self.engine
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._looks = sessionmaker(self.looking, expire_on_commit=False)
        self._glances = self._looks if self.is_sqlite else sessionmaker(self.engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False)

    def _sqlite_engine(self, pool_size: int, begin: str, *, cache: int) -> Engine:
        """`begin` takes the write lock at once, or two readers that turn writers deadlock each other; `cache` is MB a connection."""
        if self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self.url,
            json_serializer=_dump,
            json_deserializer=orjson.loads,
            pool_size=pool_size,
            pool_use_lifo=True,  # the writer gets the connection back whose pages and statements are warm
            max_overflow=4,
            connect_args={"check_same_thread": False, "timeout": 30, "cached_statements": 512},
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # we say BEGIN ourselves: Python's own comes too late
            # Intake writes the same pages over and over: with room for 4,000 of them in the log (16 MB) they are copied back less often.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", f"cache_size=-{cache}000", "wal_autocheckpoint=4000"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def say_begin(connection: Any) -> None:
            connection.exec_driver_sql(begin)

        return engine

    def _postgres_engine(self, pool_size: int) -> Engine:
        """Statements go out with the server's own placeholders (`$1`): psycopg has nothing to rewrite in them (measured: a tenth of a storm's computing)."""
        import psycopg  # only where there is a PostgreSQL

        engine = create_engine(
            self.url.set(drivername="postgresql+psycopg"),
            json_serializer=_dump,
            json_deserializer=orjson.loads,
            pool_size=pool_size,
            pool_use_lifo=True,
            max_overflow=4,
            paramstyle="numeric_dollar",
            connect_args={"options": "-c timezone=UTC", "cursor_factory": psycopg.RawCursor},
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            connection.prepared_max = PREPARED

        @event.listens_for(engine, "checkin")
        def put_back(_connection: Any, record: Any) -> None:
            record.info["used_at"] = time.monotonic()

        @event.listens_for(engine, "checkout")
        def still_there(connection: Any, record: Any, _fairy: Any) -> None:
            if time.monotonic() - record.info.get("used_at", 0.0) < IDLE:
                return
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError from error  # the pool opens another one in its place

        return engine

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open the one transaction of this click, request or step; commit at the end, roll back on any error."""
        with self._sessions() as tx, tx.begin():
            yield tx
            wakes: set[str] = tx.info.get(_WAKES, set())
            if wakes and not self.is_sqlite:
                tx.execute(text("SELECT pg_notify('aiops_wake', name) FROM unnest(:names ::text[]) AS name"), {"names": sorted(wakes)})
        if self.on_wake is not None:
            for name in wakes | tx.info.get(_WAKES_HERE, set()):
                self.on_wake(name)

    def reading(self) -> AbstractContextManager[Session]:
        """Look at what is committed; nothing written here is kept."""
        return _looking(self._looks)

    def glancing(self) -> AbstractContextManager[Session]:
        """Ask one question, such as whether any row is due. On PostgreSQL without a transaction around it, which would make one way to the server three."""
        return _looking(self._glances)

    def hold(self) -> None:
        """Become the one writing process of this SQLite file; raises DatabaseInUse. PostgreSQL needs none."""
        if not self.is_sqlite or not self.url.database or self._lock_file is not None:
            return
        handle = os.open(f"{self.url.database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise DatabaseInUse(f"{self.url.database} is in use by another aiops process") from error
        self._lock_file = handle

    def check_schema(self) -> None:
        """Raise SchemaMismatch unless the migrations of this version have run."""
        found = self.schema()
        if found != SCHEMA:
            said = f"the database is at schema {found}" if found else "the database has no tables yet"
            raise SchemaMismatch(f"{said}, this version needs {SCHEMA}: run `aiops migrate`")

    def schema(self) -> str | None:
        """The migration the database stands at, or None where none has run."""
        try:
            with self.reading() as tx:
                return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except DBAPIError:
            return None

    def answers(self) -> bool:
        """Whether the database can be asked anything."""
        try:
            with self.reading() as tx:
                tx.execute(text("SELECT 1"))
        except (DBAPIError, OSError):
            return False
        return True

    def close(self) -> None:
        """Close every connection and let go of the lock file."""
        self.engine.dispose()
        self.looking.dispose()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


@contextlib.contextmanager
def _looking(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as tx:
        try:
            yield tx
        finally:
            tx.expunge_all()  # what was loaded stays readable: a rollback would expire it
            tx.rollback()


def wake(tx: Session, loop: str, *, here: bool = False) -> None:
    """After this transaction commits, wake the loop of that name here and in the other processes.

    `here` wakes only this one: for what every commit of intake does, where a NOTIFY each time would cost more than
    the work (PostgreSQL lets one transaction at a time commit with one).
    """
    tx.info.setdefault(_WAKES_HERE if here else _WAKES, set()).add(loop)


def is_outage(error: BaseException) -> bool:
    """Whether the database itself was away (not a constraint, not our mistake): worth trying again."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or type(error).__name__ == "OperationalError")


def insert_many(connection: Connection, head: str, tail: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """`head VALUES (...), (...) tail` on SQLite, in as few statements as fit; returns how many rows it wrote.

    sqlite3's executemany lets go of the interpreter around every single row, and beside a busy event loop it waits each
    time to get it back. Here 128 rows are one step (alone, measured: 4.1 us a run instead of 4.8). Sizes are
    powers of two, so that a few statements per table serve every number of rows and stay prepared.
    """
    written, start, size = 0, 0, 128
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        values = tuple(chain.from_iterable(rows[start : start + size]))
        written += connection.exec_driver_sql(_insert_of(head, tail, len(rows[0]), size), values).rowcount
        start += size
    return written


@lru_cache(512)
def _insert_of(head: str, tail: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{head} VALUES {', '.join([row] * count)} {tail}"


def is_standstill(error: BaseException) -> bool:
    """Whether the database ended the transaction, and not the row it was at: that row must not step aside for it.

    Two transactions waited for each other, the connection is gone, or SQLite cannot write (busy, read-only, full, broken).
    """
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    return is_deadlock(error) or error.connection_invalidated or (code is not None and code & 0xFF in (5, 8, 10, 13, 14))


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL ended this transaction because two waited for each other: doing it again at once is right."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in ("40P01", "40001")


def _dump(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
