"""Fixtures for every test: the same suite runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import settings

from bot.clock import MovedClock
from bot.db import Database
from tests.kit.databases import PostgresDatabases, SqliteDatabases

# A busy machine makes any example slow: that is no finding about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@cache
def sqlite_databases() -> SqliteDatabases:
    return SqliteDatabases()


@cache
def postgres_databases() -> PostgresDatabases:
    return PostgresDatabases()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database at the newest schema, on each of the two kinds."""
    source = sqlite_databases() if request.param == "sqlite" else postgres_databases()
    url = source.fresh()
    yield url
    source.forget(url)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """An open database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> MovedClock:
    """A clock that stands at a Friday morning until it is moved."""
    return MovedClock(datetime(2026, 11, 20, 8, 0, tzinfo=UTC))


def pytest_configure(config: pytest.Config) -> None:
    """Tests reach only this machine."""
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
