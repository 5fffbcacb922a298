"""The database goes away in the middle of paging: what was accepted is paged, once, and every loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from bot.clock import MovedClock
from tests.kit.house import Town, town
from tests.paging.test_outages import PEOPLE, calls, registry, shown

START = "2026-11-20T08:00:00Z"  # where the clock of the tests begins
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


def need(database_url: str, kind: str) -> None:
    if not database_url.startswith(kind):
        pytest.skip(f"about {kind}")


async def send(t: Town, slug: str, name: str, status: str) -> httpx.Response:
    event = {"id": name, "type": "run", "agent": slug, "at": START, "status": status, "error": "the index is gone"}
    return await t.http.post("/v1/events", json=event, headers={"Authorization": f"Bearer {t.token}"}, timeout=60)


async def report(t: Town, slug: str) -> None:
    """As an agent does: the same event again until it is told that it was stored."""
    while True:
        answer = await send(t, slug, f"run-{slug}", "failed")
        if answer.status_code == 202:
            return
        assert answer.status_code >= 500, answer.text
        await asyncio.sleep(0.05)


async def until(t: Town, true: Callable[[], bool], *, seconds: float = 40) -> None:
    """Let the loops turn by themselves, with the clock moving along, until it is so."""
    for _ in range(int(seconds / 0.1)):
        if true():
            return
        t.clock.move(timedelta(seconds=1))
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come to pass")


def everybody_once(t: Town) -> bool:
    counted = {calls(t, owner, slug) for slug, (owner, _) in PEOPLE.items()}
    assert max(counted) <= 1
    return counted == {1} and {shown(t, slug) for slug in PEOPLE} == {1}


async def all_loops_turn(t: Town) -> None:
    before = {name: loop.steps for name, loop in t.house.loops.loops.items() if loop.every <= 1 and not loop.rest}
    for _ in range(100):
        await asyncio.sleep(0.1)
        if all(t.house.loops.loops[name].steps > steps for name, steps in before.items()):
            return
    raise AssertionError("a loop stands still")


@pytest.mark.timeout(90)
async def test_connections_that_postgresql_ends_again_and_again_lose_and_double_no_page(database_url: str, clock: MovedClock) -> None:
    need(database_url, "postgresql")
    async with town(database_url, clock) as t:
        await t.apply(registry())
        t.house.loops.start()
        with psycopg.connect(database_url, autocommit=True) as admin:
            name = admin.info.dbname

            async def cut() -> None:
                for _ in range(25):
                    await asyncio.to_thread(admin.execute, END_ALL, (name,))
                    await asyncio.sleep(0.04)

            cutting = asyncio.create_task(cut())
            await asyncio.gather(*(report(t, slug) for slug in PEOPLE))
            await cutting
        await until(t, lambda: everybody_once(t))
        await all_loops_turn(t)
        assert everybody_once(t)


@pytest.mark.timeout(90)
async def test_a_postgresql_that_takes_nobody_for_a_while_is_waited_for(database_url: str, clock: MovedClock) -> None:
    """As while it is started again: every connection is ended, and new ones are refused."""
    need(database_url, "postgresql")
    async with town(database_url, clock) as t:
        await t.apply(registry())
        await asyncio.gather(*(report(t, slug) for slug in PEOPLE))  # stored, and not looked at yet
        with psycopg.connect(database_url) as inside:
            name = inside.info.dbname
        with psycopg.connect(database_url.replace(f"/{name}?", "/postgres?"), autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            try:
                admin.execute(END_ALL, (name,))
                t.house.loops.start()
                await until(t, lambda: all(loop.errors for loop in t.house.loops.loops.values() if loop.name in ("checks", "ladders", "outbox")))
                refused = await send(t, "first", "r9", "ok")
                assert refused.status_code >= 500, "nothing is accepted that is not stored"
            finally:
                admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await until(t, lambda: everybody_once(t))
        await all_loops_turn(t)


@contextlib.contextmanager
def full_disk(beyond: int) -> Iterator[None]:
    """No file of this process may grow beyond this size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.timeout(90)
async def test_a_full_disk_refuses_events_and_loses_no_page_that_was_accepted(database_url: str, clock: MovedClock) -> None:
    need(database_url, "sqlite")
    async with town(database_url, clock) as t:
        await t.apply(registry())
        await asyncio.gather(*(report(t, slug) for slug in PEOPLE))  # stored, and not looked at yet
        log = Path(f"{database_url.removeprefix('sqlite:///')}-wal")
        with full_disk(log.stat().st_size):
            t.house.loops.start()
            await until(t, lambda: all(t.house.loops.loops[name].errors for name in ("checks",)))
            refused = await send(t, "first", "r9", "ok")
            assert refused.status_code >= 500, "nothing is accepted that is not stored"
        await until(t, lambda: everybody_once(t))
        await all_loops_turn(t)


@pytest.mark.timeout(90)
async def test_a_sqlite_file_that_somebody_locks_is_waited_for(database_url: str, clock: MovedClock) -> None:
    need(database_url, "sqlite")
    async with town(database_url, clock) as t:
        await t.apply(registry())
        t.house.loops.start()
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            reports = [asyncio.create_task(report(t, slug)) for slug in PEOPLE]
            await asyncio.sleep(1)
            assert not any(each.done() for each in reports), "nothing is accepted that is not stored"
            other.execute("ROLLBACK")
        await asyncio.gather(*reports)
        await until(t, lambda: everybody_once(t))
        await all_loops_turn(t)
