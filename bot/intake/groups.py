"""Group commit: requests of the same moment share one transaction, and are answered after it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.clock import Clock
from bot.db import is_outage
from bot.intake.store import store
from bot.lanes import Lanes, LanesClosed, Urgency

log = structlog.get_logger(__name__)

# Rows of one transaction. On SQLite a click waits for it (1,000 runs are some 20 ms), and every commit costs one's wait for the
# disk; on PostgreSQL two halves of a batch are under way at a time. Measured both ways: the other size was 10 to 30% slower.
GROUP_SQLITE, GROUP_POSTGRES = 1000, 500
SMALL = 50  # events of a request that may share its transaction with others
QUEUED = 20_000  # events waiting to be stored; beyond it the sender is asked to come back


class Busy(Exception):
    """Too much is waiting to be stored: come back in a moment."""


class Away(Exception):
    """The database is away, or this process is stopping: nothing was stored, come back later."""


class Storable(Protocol):
    """Something to be stored: an event, or a part of an export."""

    @property
    def told_as(self) -> str: ...

    def refuse(self, field: str | None, code: str, message: str) -> None: ...


class Learned(Protocol):
    """What to remember once a group has committed."""

    def remember(self) -> None: ...


Keep = Callable[[Session, datetime, Sequence[Any]], Learned]


def _keep_events(tx: Session, now: datetime, items: Sequence[Any]) -> Learned:
    return store(tx, now, items, live=True)


Done = Callable[[Exception | None], None]  # told once: None where all were stored or refused for good


@dataclass(slots=True, eq=False)
class Waiting:
    """The events of one request, or a part of a large one, until they are stored."""

    items: Sequence[Storable]
    done: Done


class Groups:
    """Two queues: small requests are stored together, large ones in parts of at most so many events.

    On SQLite both pass the one lane in turn, so a single event waits for at most one part of a batch. On PostgreSQL two
    parts of large ones are under way at a time: one is made ready here while the server stores the other.
    """

    def __init__(self, lanes: Lanes, clock: Clock, keep: Keep = _keep_events) -> None:
        self._lanes = lanes
        self._keep = keep
        self._clock = clock
        self._queues: tuple[deque[Waiting], deque[Waiting]] = (deque(), deque())
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = [0, 0]  # tasks that will look at their queue once more
        self._at_once = (1, 1 if lanes.db.is_sqlite else 2)
        self._most = GROUP_SQLITE if lanes.db.is_sqlite else GROUP_POSTGRES
        self.queued = 0  # events not yet stored
        self.commits = 0

    async def add(self, items: Sequence[Storable]) -> None:
        """Store the items; returns when they are committed and each `said` is set. Raises Busy or Away."""
        if not self.has_room(len(items)):
            raise Busy
        loop, parts = asyncio.get_running_loop(), list[asyncio.Future[None]]()
        for start in range(0, len(items), self._most):
            parts.append(loop.create_future())
            self.add_soon(items[start : start + self._most], _settling(parts[-1]), large=len(items) > SMALL)
        for result in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def has_room(self, events: int = 1) -> bool:
        """Whether so many may still wait to be stored."""
        return not self.queued or self.queued + events <= QUEUED

    def add_soon(self, items: Sequence[Storable], done: Done, *, large: bool = False) -> None:
        """Store at most one part of items; `done` is told once they are committed and each `said` is set, or why not (Away)."""
        which = 1 if large else 0
        self._queues[which].append(Waiting(items, done))
        self.queued += len(items)
        if self._running[which] < self._at_once[which]:
            self._running[which] += 1
            task = asyncio.create_task(self._empty(which), name=f"intake:{('small', 'large')[which]}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let what was accepted be stored."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=30)

    async def _empty(self, which: int) -> None:
        queue = self._queues[which]
        try:
            while queue:
                group, rows = [queue.popleft()], 0
                rows += len(group[0].items)
                while queue and rows + len(queue[0].items) <= self._most:
                    rows += len(queue[0].items)
                    group.append(queue.popleft())
                try:
                    await self._store_group(group)
                finally:
                    self.queued -= rows
        finally:
            self._running[which] -= 1

    async def _store_group(self, group: list[Waiting]) -> None:
        """Store the group; where that fails its requests one by one, and where one fails the two halves of it."""
        try:
            await self._commit([item for part in group for item in part.items])
        except Exception as error:  # noqa: BLE001 - told to the one who waits, or tried again in parts
            if is_outage(error) or isinstance(error, LanesClosed):
                _tell(group, Away(type(error).__name__))
            elif len(group) > 1:
                for part in group:
                    await self._store_group([part])
            else:
                _tell(group, await self._store_halves(group[0].items, error))
        else:
            _tell(group, None)

    async def _store_halves(self, items: Sequence[Storable], error: Exception) -> Away | None:
        """One event spoils its request: halve it until that one is found and refused; the others are stored."""
        if len(items) == 1:
            log.error("event cannot be stored", what=items[0].told_as, error=f"{type(error).__name__}: {error}"[:500])
            items[0].refuse(None, "not_stored", "this event could not be stored: the server's log says why")
            return None
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            try:
                await self._commit(half)
            except Exception as inner:  # noqa: BLE001 - halved again
                if is_outage(inner) or isinstance(inner, LanesClosed):
                    return Away(type(inner).__name__)
                if (away := await self._store_halves(half, inner)) is not None:
                    return away
        return None

    async def _commit(self, items: Sequence[Storable]) -> None:
        now = self._clock.now()
        for tries in range(3, 0, -1):
            try:
                learned: Learned = await self._lanes.write(lambda tx: self._keep(tx, now, items), urgency=Urgency.INTAKE)
                break
            except OperationalError as error:
                # PostgreSQL ended one of two transactions that waited for each other: ours may try again.
                if tries == 1 or getattr(error.orig, "sqlstate", None) not in ("40P01", "40001"):
                    raise
        learned.remember()
        self.commits += 1


def _tell(group: list[Waiting], error: Exception | None) -> None:
    for part in group:
        try:
            part.done(error)
        except Exception:  # one sender's trouble is not the others'
            log.exception("a sender could not be answered")


def _settling(future: asyncio.Future[None]) -> Done:
    def settle(error: Exception | None) -> None:
        if future.done():  # the sender went away
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    return settle
