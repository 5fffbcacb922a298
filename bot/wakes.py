"""Other processes on the same PostgreSQL wake our loops by NOTIFY; where that line is cut, the loops' own polls go on."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

import psycopg
import structlog

from bot.db import Database
from bot.loops import Loops

log = structlog.get_logger(__name__)

AGAIN = 2.0  # seconds before a cut line is opened anew


class Wakes:
    """Listens on `aiops_wake` for as long as the block lasts.

    What another process committed does here all that a commit of our own does: it also makes stale what is kept in
    memory, so that an ordered stage is obeyed by the next question at every process.
    """

    def __init__(self, db: Database, loops: Loops) -> None:
        self._url = db.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._woken = db.on_wake or loops.wake
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Wakes:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as line:
                    await line.execute("LISTEN aiops_wake")
                    async for notice in line.notifies():
                        self._woken(notice.payload)
            except psycopg.Error as error:
                log.warning("not listening for wakes; the loops poll", error=type(error).__name__)
                await asyncio.sleep(AGAIN)
