"""Agents that wait for an answer: each is told as soon as it is there, whichever process took it."""

from __future__ import annotations

import asyncio
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.lanes import Lanes
from bot.tables import Request


class Board:
    """Who waits for which request. The loop "answers" looks whenever one was answered (and a few times a second behind that)."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many requests are waited for."""
        return len(self._waiting)

    async def wait(self, request_id: int, seconds: float) -> None:
        """Return once the request is answered, or the time is up."""
        if self._closed or seconds <= 0:
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request_id, set()).add(mine)
        try:
            if await self._lanes.read(lambda tx: tx.scalar(select(Request.state).where(Request.id == request_id))) != "open":
                return  # answered between the first look and now
            await asyncio.wait([mine], timeout=seconds)
        finally:
            waiting = self._waiting.get(request_id, set())
            waiting.discard(mine)
            if not waiting:
                self._waiting.pop(request_id, None)

    async def step(self, now: datetime) -> bool:
        """Tell those whose request is answered; never finds more work."""
        if not self._waiting:
            return False
        ids = list(self._waiting)

        def over(tx: Session) -> set[int]:
            found: set[int] = set()
            for start in range(0, len(ids), 500):
                found.update(tx.scalars(select(Request.id).where(Request.id.in_(ids[start : start + 500]), Request.state != "open")))
            return found

        for request_id in await self._lanes.read(over):
            self._tell(request_id)
        return False

    def close(self) -> None:
        """The process stops: everybody hears how it stands now."""
        self._closed = True
        for request_id in list(self._waiting):
            self._tell(request_id)

    def _tell(self, request_id: int) -> None:
        for waiting in self._waiting.get(request_id, ()):
            if not waiting.done():
                waiting.set_result(None)
