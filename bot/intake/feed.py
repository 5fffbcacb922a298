"""What comes in, as it comes in: for whoever is watching with `aiops events tail`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bot.intake.judging import Item, Refusal

BEHIND = 1000  # events a slow watcher may lag; older ones are dropped, and it is told how many


class Feed:
    """A bounded window on accepted and refused events; costs nothing while nobody watches."""

    def __init__(self) -> None:
        self._watchers: dict[asyncio.Queue[dict[str, Any]], int] = {}

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    def publish(self, now: datetime, items: Iterable[Item], refused: Iterable[Refusal]) -> None:
        """Show everybody who watches what became of a request's events."""
        if not self._watchers:
            return
        for item in items:
            event = item.event
            told: dict[str, Any] = {"received_at": now.isoformat(), "agent": event.agent, "type": event.type, "id": event.id, "at": event.at.isoformat()}
            if isinstance(item.said, Refusal):
                told |= {"said": "refused", **item.said.told()}
            else:
                told["said"] = item.said
            self._tell(told)
        for each in refused:
            self._tell({"received_at": now.isoformat(), "said": "refused", **each.told()})

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        """Every event from now on, until the watcher goes away."""
        with self._watching() as queue:
            while True:
                told = await queue.get()
                missed, self._watchers[queue] = self._watchers[queue], 0
                if missed:
                    yield {"said": "missed", "events": missed}
                yield told

    @contextmanager
    def _watching(self) -> Any:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(BEHIND)
        self._watchers[queue] = 0
        try:
            yield queue
        finally:
            del self._watchers[queue]

    def _tell(self, told: dict[str, Any]) -> None:
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
                self._watchers[queue] += 1
            queue.put_nowait(told)
