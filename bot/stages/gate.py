"""What every agent has to obey, kept in memory: answered at once, told to those who wait, and never older than the last commit seen."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.clock import Clock
from bot.lanes import Lanes
from bot.tables import Agent, Stage

FRESH = 2.0  # seconds; where the loop that looks is held up for longer, the rows are asked themselves
ANEW = 30.0  # seconds after which all orders are compared, whatever the sums say
READ_AGAIN = timedelta(minutes=10)  # how seldom it is written down that an agent reads its gate
LOOP = "gate"
NOTES = "switches"  # the loop that writes down who read what


@dataclass(frozen=True, slots=True)
class Told:
    """One agent's order as the gate answers it."""

    agent_id: int
    rev: int
    etag: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """An agent read its gate with a token of its own."""

    agent_id: int
    rev: int
    at: datetime


class Gate:
    """Orders by slug. `step` looks for newer ones (woken by a commit here, by NOTIFY elsewhere, and twice a second).

    A commit in this process makes the memory stale before the one who ordered is answered: until `step` has looked,
    requests go to the rows.
    """

    def __init__(self, lanes: Lanes, clock: Clock, wake: Callable[[str], None]) -> None:
        self._lanes, self._clock, self._wake = lanes, clock, wake
        self._told: dict[str, Told] = {}
        self._sums: tuple[Any, ...] = ()
        self._looked = self._compared = float("-inf")
        self._stale = 0  # counts the commits seen: a look that began before one does not make it fresh
        self._fresh = -1
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._closing = False
        self._written: dict[int, Read] = {}
        self._reads: dict[int, Read] = {}

    def forget(self) -> None:
        """Something was ordered in this process: from any thread, after the commit."""
        self._stale += 1

    def now(self, slug: str) -> Told | None:
        """The order as far as memory may say it; None where the rows must be asked (`ask`)."""
        if self._fresh != self._stale or self._clock.monotonic() - self._looked > FRESH:
            return None
        return self._told.get(slug)

    async def ask(self, slug: str) -> Told | None:
        """The order of a live agent; None where there is none."""
        return self.now(slug) or await self._lanes.read(lambda tx: _one(tx, slug))

    async def step(self, now: datetime) -> bool:
        """Take over what was ordered, and wake who waits for it."""
        seen, at = self._stale, self._clock.monotonic()
        anew = at - self._compared > ANEW
        sums = await self._lanes.read(_sums)
        changed: list[str] = []
        if sums != self._sums or anew:
            known = {slug: told.rev for slug, told in self._told.items()}
            found, gone = await self._lanes.read(lambda tx: _newer(tx, known))
            self._told.update(found)
            for slug in gone:
                self._told.pop(slug, None)
            changed, self._sums, self._compared = [*found, *gone], sums, at
        self._looked, self._fresh = at, seen
        for slug in changed:
            self._ring(slug)
        return False

    async def wait(self, slug: str, rev: int, seconds: float) -> Told | None:
        """The order once it is another than `rev`, or as it stands after so long; None where the agent is gone."""
        ends = self._clock.monotonic() + seconds
        while True:
            bell: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[slug].add(bell)  # before looking: what is ordered meanwhile rings
            try:
                told = await self.ask(slug)
                left = ends - self._clock.monotonic()
                if told is None or told.rev != rev or left <= 0 or self._closing:
                    return told
                await asyncio.wait((bell,), timeout=left)
            finally:
                self._waiting[slug].discard(bell)
                if not self._waiting[slug]:
                    del self._waiting[slug]

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def let_go(self) -> None:
        """Answer everybody who waits as it stands: the process stops."""
        self._closing = True
        for slug in list(self._waiting):
            self._ring(slug)

    def _ring(self, slug: str) -> None:
        for bell in self._waiting.get(slug, ()):
            if not bell.done():
                bell.set_result(None)

    # --- who read what ------------------------------------------------------------------------------------------

    def note(self, told: Told) -> None:
        """An agent has this order now; what is news is written down soon."""
        before = self._written.get(told.agent_id)
        now = self._clock.now()
        if before is None or before.rev != told.rev or now - before.at >= READ_AGAIN:
            self._reads[told.agent_id] = self._written[told.agent_id] = Read(told.agent_id, told.rev, now)
            self._wake(NOTES)

    def reads(self) -> list[Read]:
        """Take up to 200 notes to write down, in the order of agents."""
        taken = sorted(self._reads)[:200]
        return [self._reads.pop(agent_id) for agent_id in taken]

    def not_written(self, reads: list[Read]) -> None:
        """Writing failed: they are noted again, unless something newer was."""
        for read in reads:
            self._reads.setdefault(read.agent_id, read)


_COLUMNS = (Agent.slug, Stage.agent_id, Stage.rev, Stage.stage, Stage.version, Stage.since, Stage.reason)


def _told(row: Any) -> Told:
    body = orjson.dumps({"stage": row.stage, "version": row.version, "rev": row.rev, "since": row.since.isoformat(), "reason": row.reason})
    return Told(row.agent_id, row.rev, f'"{row.rev}"'.encode(), body)


def _one(tx: Session, slug: str) -> Told | None:
    row = tx.execute(select(*_COLUMNS).join(Stage, Stage.agent_id == Agent.id).where(Agent.slug == slug, Agent.archived_at.is_(None))).first()
    return _told(row) if row is not None else None


def _sums(tx: Session) -> tuple[Any, ...]:
    """Changes with every order, and with every agent that comes or goes."""
    wanted = select(func.count(), func.sum(Stage.rev), func.sum(Agent.id)).select_from(Stage).join(Agent, Agent.id == Stage.agent_id).where(Agent.archived_at.is_(None))
    return tuple(tx.execute(wanted).one())


def _newer(tx: Session, known: dict[str, int]) -> tuple[dict[str, Told], list[str]]:
    """The orders that are not those known, and the slugs that are gone."""
    revs = {row.slug: row.rev for row in tx.execute(select(Agent.slug, Stage.rev).join(Stage, Stage.agent_id == Agent.id).where(Agent.archived_at.is_(None)))}
    news = [slug for slug, rev in revs.items() if known.get(slug) != rev]
    found: dict[str, Told] = {}
    for first in range(0, len(news), 500):
        rows = tx.execute(select(*_COLUMNS).join(Stage, Stage.agent_id == Agent.id).where(Agent.slug.in_(news[first : first + 500]), Agent.archived_at.is_(None)))
        found.update((row.slug, _told(row)) for row in rows)
    return found, [slug for slug in known if slug not in revs]
