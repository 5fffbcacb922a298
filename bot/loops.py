"""Steps repeated until idle; APScheduler only wakes them and remembers nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.clock import Clock
from bot.db import is_outage

log = structlog.get_logger(__name__)

NET = 1.0  # seconds after which a loop looks although nobody rang

Step = Callable[[datetime], Awaitable[bool]]  # takes `now`; says whether it found work
Due = Callable[[datetime], Awaitable[datetime | None]]  # when the first row after `now` is due, as far as the rows tell


@dataclass
class Loop:
    """One named step, looked at every `every` seconds and whenever it is woken."""

    name: str
    step: Step
    every: float
    rest: float = 0.0
    due: Due | None = None
    bell: asyncio.TimerHandle | None = None  # rings when the next row is due; the row is the timer, this only wakes
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    steps: int = 0
    errors: int = 0
    ran_at: datetime | None = None


class Loops:
    """All loops of the process: started together, woken by name, stopped after the step under way."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.loops: dict[str, Loop] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._scheduler: AsyncIOScheduler | None = None
        self._running: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def add(self, name: str, step: Step, *, every: float, rest: float = 0.0, due: Due | None = None) -> None:
        """Register a step; the order of registration is the order in which tests settle them.

        With `due` the loop is woken at the very moment the next row is due, not up to `every` seconds later. Rows that
        are due already and were not taken (somebody else holds them) wait for the poll: they never make a loop spin.

        A step that many things wake gets a `rest`: seconds it pauses after each turn, and at least nine times as
        long as the turn took: what gathers up takes a tenth of the time at most, and never starves what wakes it.
        """
        self.loops[name] = Loop(name, step, every, rest, due)

    def wake(self, name: str) -> None:
        """Wake a loop from any thread; a name nobody registered is no error (another process may have it)."""
        loop = self.loops.get(name)
        if loop is None or self._running is None or self._running.is_closed():
            return
        self._running.call_soon_threadsafe(loop.woken.set)

    def start(self) -> None:
        """Begin turning; needs a running event loop."""
        self._running = asyncio.get_running_loop()
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        for loop in self.loops.values():
            loop.woken.set()
            self._scheduler.add_job(
                _ring, "interval", args=[loop], seconds=loop.every, max_instances=1, coalesce=True, misfire_grace_time=None
            )
            self._tasks.append(asyncio.create_task(self._turn(loop), name=f"loop:{loop.name}"))
        self._scheduler.start()

    async def stop(self) -> None:
        """Let each step under way finish, then stop."""
        self._stopping = True
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        for loop in self.loops.values():
            loop.woken.set()
            if loop.bell is not None:
                loop.bell.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=10) if self._tasks else (set(), set())
        for task in late:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def settle(self, now: datetime | None = None, *, rounds: int = 200) -> None:
        """Run every step until none finds work: how tests and drills let the present moment take effect."""
        for _ in range(rounds):
            busy = False
            for loop in self.loops.values():
                busy = await loop.step(now or self.clock.now()) or busy
            if not busy:
                return
        raise RuntimeError(f"the loops did not come to rest in {rounds} rounds")

    async def _turn(self, loop: Loop) -> None:
        while not self._stopping:
            # APScheduler goes by the clock on the wall and would keep silent where that is set back by hours; this does not.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(loop.woken.wait(), loop.every + NET)
            loop.woken.clear()
            busy = True
            while busy and not self._stopping:
                began = self.clock.monotonic()
                try:
                    loop.ran_at = self.clock.now()
                    busy = await loop.step(loop.ran_at)
                    loop.steps += 1
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
                    # A loop never dies: the step is tried again when it is next woken.
                    loop.errors += 1
                    _tell(error, "step failed", loop)
                    busy = False
                await asyncio.sleep(max(loop.rest, 9 * (self.clock.monotonic() - began)) if loop.rest else 0)
            if not loop.woken.is_set() and not self._stopping:
                await self._set_bell(loop)

    async def _set_bell(self, loop: Loop) -> None:
        """Ask when the next row is due; further away than the next poll need not be known."""
        if loop.due is None or loop.ran_at is None:
            return
        if loop.bell is not None:
            loop.bell.cancel()
            loop.bell = None
        try:
            at = await loop.due(loop.ran_at)
        except Exception as error:  # noqa: BLE001 - as above
            loop.errors += 1
            _tell(error, "no row could be asked when it is due; the poll goes on", loop)
            return
        if at is not None and (wait := (at - self.clock.now()).total_seconds()) < loop.every:
            loop.bell = asyncio.get_running_loop().call_later(max(wait, 0), loop.woken.set)


def _tell(error: Exception, words: str, loop: Loop) -> None:
    """Into the log. A database that is away fails every loop twice a second: a line says it, where tracebacks would stop the process."""
    if is_outage(error):
        log.error("the database is away; trying again", loop=loop.name, error=str(getattr(error, "orig", error)).split("\n")[0][:200])
    else:
        log.exception(words, loop=loop.name, exc_info=error)


async def _ring(loop: Loop) -> None:
    """Wake a loop on time. A coroutine, because APScheduler runs plain functions in other threads, where an Event may not be touched."""
    loop.woken.set()
