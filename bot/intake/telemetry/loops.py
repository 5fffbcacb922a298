"""What telemetry does by itself: runs from traces, scores that wait, days of metrics, the unowned, and forgetting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.agents.unowned import something_unowned, unowned_step
from bot.clock import Clock
from bot.intake.agents import AgentBook
from bot.intake.telemetry.folding import TraceFolding
from bot.intake.telemetry.meters import forget_series, meters_due, meters_step
from bot.intake.telemetry.owners import View, owners_of_traffic
from bot.intake.telemetry.scores import forget_scores, scores_due, waiting_scores_step
from bot.intake.telemetry.storing import forget_spans
from bot.lanes import Lanes

FORGET_EVERY = timedelta(hours=1)
GIVE_WAY = 2  # times as long as a turn took


class TelemetryLoops:
    """The steps of the loops "telemetry" and "telemetry kept"."""

    def __init__(self, lanes: Lanes, clock: Clock, agents: AgentBook, kept: timedelta, waiting: Callable[[], int] = lambda: 0) -> None:
        self._lanes = lanes
        self._clock = clock
        self._waiting = waiting  # how much of intake is not stored yet
        self._kept = kept
        self._folding = TraceFolding(lanes, clock, agents)
        self._forgot_at: datetime | None = None

    async def step(self, now: datetime) -> bool:
        """Traces that are due, then scores and days that wait; says whether there was more than one turn's work."""
        began = self._clock.monotonic()
        busy = await self._folding.step(now)
        if busy and self._waiting():  # exports wait for the same database, and their senders for an answer
            await asyncio.sleep(min(GIVE_WAY * (self._clock.monotonic() - began), 1.0))
        if await self._lanes.read(lambda tx: scores_due(tx, now)):
            busy = await self._lanes.write(lambda tx: waiting_scores_step(tx, now)) or busy
        if await self._lanes.read(lambda tx: meters_due(tx, now)):
            busy = await self._lanes.write(lambda tx: meters_step(tx, now)) or busy
        return busy

    async def keep_step(self, now: datetime) -> bool:
        """Tell of the unowned, and drop spans whose time is over."""
        if await self._lanes.read(lambda tx: something_unowned(tx, now)):
            await self._lanes.write(lambda tx: self._tell(tx, now))
        more = await self._lanes.write(lambda tx: forget_spans(tx, now, self._kept))
        if self._forgot_at is None or now - self._forgot_at >= FORGET_EVERY:
            await self._lanes.write(lambda tx: _forget(tx, now))
            self._forgot_at = now
        return more

    def _tell(self, tx: Session, now: datetime) -> bool:
        view = View(owners_of_traffic(tx), None)

        def find(service: str, agent: str) -> int | None:
            owner, _ = view.find(service, agent)
            return owner.id if owner is not None else None

        return unowned_step(tx, now, find)


def _forget(tx: Session, now: datetime) -> None:
    forget_scores(tx, now)
    forget_series(tx, now)
