"""The ordered way into the database: one lane of writes on SQLite (clicks and pages first), a few on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.db import Database, is_deadlock

T = TypeVar("T")

TRIES = 4  # of a transaction that met another one head-on


class Urgency(IntEnum):
    """Who goes first where writes must queue."""

    PRESS = 0  # a person waits for the answer
    PAGE = 1  # a person must be called
    FLOW = 2  # timers and deliveries
    INTAKE = 3  # batches of events, at most 500 rows each


# Transactions of one urgency that run at once on PostgreSQL. They share one interpreter: more of them only push each
# other aside (500 pages at once cost a tenth more computing with four). Presses are different people's, and never wait
# for a lock that one of the others holds.
AT_ONCE = {Urgency.PRESS: 4, Urgency.PAGE: 2, Urgency.FLOW: 1, Urgency.INTAKE: 1}


class LanesClosed(RuntimeError):
    """The process is stopping: no new work is begun."""


class Lanes:
    """Runs database work in threads, so that the event loop never waits for a disk.

    SQLite takes one writer at a time and its own queue is not fair (measured: a click waits 2 s behind batches), so
    all writes of the process pass one thread here, in order of urgency and then of arrival. PostgreSQL gets
    a few, so many for each urgency.
    """

    def __init__(self, db: Database, *, readers: int = 4) -> None:
        self.db = db
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._queues: dict[Urgency, deque[Callable[[], None]]] = {urgency: deque() for urgency in Urgency}
        self._running: Counter[Urgency] = Counter()
        self._ready = threading.Condition()
        self._closing = False
        count = 1 if db.is_sqlite else sum(AT_ONCE.values())
        self._threads = [threading.Thread(target=self._work, name=f"writer-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    async def write(self, work: Callable[[Session], T], *, urgency: Urgency = Urgency.FLOW) -> T:
        """Do `work` in one transaction; returns after the commit, or raises what it raised (rolled back).

        Where PostgreSQL ended it because two transactions waited for each other, it is done again: `work` may run
        more than once, and must do nothing that a rollback does not undo.
        """

        def in_transaction() -> T:
            for _ in range(TRIES - 1):
                try:
                    with self.db.transaction() as tx:
                        return work(tx)
                except DBAPIError as error:
                    if not is_deadlock(error):
                        raise
            with self.db.transaction() as tx:
                return work(tx)

        return await self.run(in_transaction, urgency=urgency)

    async def read(self, work: Callable[[Session], T]) -> T:
        """Look, in a transaction that is never committed."""
        return await self._look(self.db.reading, work)

    async def glance(self, work: Callable[[Session], T]) -> T:
        """Ask one question: what loops do all day long."""
        return await self._look(self.db.glancing, work)

    async def _look(self, open: Callable[[], AbstractContextManager[Session]], work: Callable[[Session], T]) -> T:
        def looking() -> T:
            with open() as tx:
                return work(tx)

        return await asyncio.get_running_loop().run_in_executor(self._readers, looking)

    async def run(self, work: Callable[[], T], *, urgency: Urgency = Urgency.FLOW) -> T:
        """Put `work` (which opens its own transaction) in the writers' queue and wait for it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        def job() -> None:
            result, error = None, None
            try:
                result = work()
            except BaseException as raised:  # noqa: BLE001 - handed to the one who waits
                error = raised
            loop.call_soon_threadsafe(settle, result, error)

        with self._ready:
            if self._closing:
                raise LanesClosed("the lanes are closed: the process is stopping")
            self._queues[urgency].append(job)
            self._ready.notify()
        return await future

    def waiting(self) -> int:
        """How much work is queued and not begun."""
        return sum(map(len, self._queues.values()))

    def close(self) -> None:
        """Finish what was accepted, then stop the threads."""
        with self._ready:
            self._closing = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(timeout=30)
        self._readers.shutdown(wait=True)

    def _work(self) -> None:
        while True:
            with self._ready:
                while (urgency := self._next()) is None:
                    if self._closing and not self.waiting():
                        self._ready.notify_all()
                        return
                    self._ready.wait()
                job = self._queues[urgency].popleft()
                self._running[urgency] += 1
            job()
            with self._ready:
                self._running[urgency] -= 1

    def _next(self) -> Urgency | None:
        """The most urgent kind of work that waits and may begin."""
        return next((urgency for urgency, queue in self._queues.items() if queue and self._running[urgency] < AT_ONCE[urgency]), None)
