"""The way of one request's events: judged in slices, stored in a group, and every one answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.clock import Clock
from bot.intake.agents import AgentBook
from bot.intake.doors import Doors
from bot.intake.feed import Feed
from bot.intake.groups import Groups
from bot.intake.judging import Item, Refusal, Terms, judge
from bot.lanes import Lanes

SLICE = 100  # events judged before the loop may do something else


@dataclass
class Taken:
    """What became of a request's events."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        return {"accepted": self.accepted, "duplicates": self.duplicates, "refused": [each.told() for each in self.refused]}


class Intake:
    """Everything that comes in goes through here; one per process."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        self.lanes = lanes
        self.clock = clock
        self.agents = AgentBook(lanes, clock)
        self.doors = Doors(lanes, clock)
        self.groups = Groups(lanes, clock)
        self.feed = Feed()
        self.totals = Taken()  # since the process started, for /metrics
        self.refusals = 0

    async def take(self, raws: Sequence[Any], allowed: frozenset[str] | None, *, dry_run: bool = False) -> Taken:
        """Judge and store the events of one request; returns after the commit. Raises groups.Busy or groups.Away."""
        alone = self.judge_alone(raws[0], allowed) if len(raws) == 1 else None
        items, refused = ([alone], []) if alone is not None else await self.judge_all(raws, allowed)
        if dry_run:
            return Taken(accepted=len(items), refused=refused)
        if items:
            await self.groups.add(items)
        return self._told(items, refused)

    def take_soon(self, item: Item, done: Callable[[Taken | Exception], None]) -> bool:
        """Store one judged event; `done` is told after the commit. False where too much waits."""
        if not self.groups.has_room():
            return False
        self.groups.add_soon([item], lambda error: done(error or self._told([item], [])))
        return True

    def _told(self, items: Sequence[Item], refused: list[Refusal]) -> Taken:
        """What became of them, now that they are stored."""
        taken = Taken(refused=refused)
        for item in items:
            if item.said == "accepted":
                taken.accepted += 1
            elif item.said == "duplicate":
                taken.duplicates += 1
            elif isinstance(item.said, Refusal):
                taken.refused.append(item.said)
        if self.feed.watched:
            self.feed.publish(self.clock.now(), items, refused)
        if len(taken.refused) > 1:
            taken.refused.sort(key=lambda each: each.index)
        self.totals.accepted += taken.accepted
        self.totals.duplicates += taken.duplicates
        self.refusals += len(taken.refused)
        return taken

    def judge_alone(self, raw: Any, allowed: frozenset[str] | None) -> Item | None:
        """The short way of a single event of an agent known by now; None where the long way must be gone."""
        slug = raw.get("agent") if isinstance(raw, dict) else None
        if not isinstance(slug, str) or not self.agents.fresh(slug):
            return None
        found = judge(0, raw, Terms(self.clock.now(), self.agents.get, allowed))
        return found if isinstance(found, Item) else None

    async def judge_all(self, raws: Sequence[Any], allowed: frozenset[str] | None, *, any_age: bool = False, first: int = 0) -> tuple[list[Item], list[Refusal]]:
        """Those that can be stored, and why the others cannot; a slice at a time, so that a click never waits behind a batch."""
        slugs = {slug for raw in raws if isinstance(raw, dict) and isinstance(slug := raw.get("agent"), str) and len(slug) <= 128 and slug.isascii()}
        await self.agents.know(slugs)
        terms = Terms(self.clock.now(), self.agents.get, allowed, any_age)
        items: list[Item] = []
        refused: list[Refusal] = []
        for start in range(0, len(raws), SLICE):
            for index in range(start, min(start + SLICE, len(raws))):
                found = judge(first + index, raws[index], terms)
                if isinstance(found, Item):
                    items.append(found)
                else:
                    refused.append(found)
            if start + SLICE < len(raws):
                await asyncio.sleep(0)
        return items, refused

    async def close(self) -> None:
        """Store what was accepted, then stop."""
        await self.groups.close()
