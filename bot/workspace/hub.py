"""Tells open pages what changed: one queue per page, filled as things happen."""

import asyncio
from collections.abc import Iterable

from bot.workspace.things import Doc


class Hub:
    def __init__(self) -> None:
        self.pages: dict[str, list[asyncio.Queue[Doc]]] = {}
        self.closed = False

    def open(self, person: str) -> asyncio.Queue[Doc]:
        queue: asyncio.Queue[Doc] = asyncio.Queue()
        self.pages.setdefault(person, []).append(queue)
        return queue

    def leave(self, person: str, queue: asyncio.Queue[Doc]) -> None:
        queues = self.pages.get(person, [])
        if queue in queues:
            queues.remove(queue)
        if not queues:
            self.pages.pop(person, None)

    def tell(self, people: Iterable[str] | None, kind: str, **what: object) -> None:
        """Tell these people's open pages; None is everybody."""
        if not self.pages:
            return
        for person in list(self.pages) if people is None else people:
            for queue in self.pages.get(person, ()):
                queue.put_nowait({"type": kind, **what})

    def close(self) -> None:
        """Ends every stream, so that a stopping server does not wait for them."""
        self.closed = True
        self.tell(None, "bye")
