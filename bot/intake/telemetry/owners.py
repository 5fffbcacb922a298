"""Whose traffic it is: by the token, by `telemetry:` in the registry, else by an agent's id or name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.clock import Clock
from bot.lanes import Lanes
from bot.tables import Agent

FRESH = 2.0  # seconds until it is asked whether the registry changed


@dataclass(frozen=True)
class Owner:
    """One agent, as far as its traffic is concerned."""

    id: int
    slug: str
    keep_text: bool
    outputs: bool
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # of scores, by the evaluation's name


@dataclass
class Owners:
    """All agents, by what their traffic says. The most specific fit wins: service and name, the name, the service."""

    by_both: dict[tuple[str, str], Owner] = field(default_factory=dict)
    by_agent: dict[str, Owner] = field(default_factory=dict)
    by_service: dict[str, Owner] = field(default_factory=dict)
    by_id: dict[int, Owner] = field(default_factory=dict)
    by_slug: dict[str, Owner] = field(default_factory=dict)

    def named(self, service: str, agent: str) -> Owner | None:
        """By the agent's own name in the span."""
        if not agent:
            return None
        return self.by_both.get((service, agent)) or self.by_agent.get(agent) or self.by_slug.get(slug_of(agent))

    def serving(self, service: str) -> Owner | None:
        """By the service alone."""
        return (self.by_service.get(service) or self.by_slug.get(slug_of(service))) if service else None


@dataclass(frozen=True)
class View:
    """What one token may see of them."""

    owners: Owners
    allowed: frozenset[str] | None

    def find(self, service: str, agent: str) -> tuple[Owner | None, bool]:
        """Whose span it is, and whether its own name says so."""
        if self.allowed is not None and len(self.allowed) == 1:
            return self.owners.by_slug.get(next(iter(self.allowed))), False
        named = self.owners.named(service, agent)
        if named is not None and (self.allowed is None or named.slug in self.allowed):
            return named, True
        serving = self.owners.serving(service)
        return (serving if serving is not None and (self.allowed is None or serving.slug in self.allowed) else None), False


def slug_of(name: str) -> str:
    """A name as an id is written, so that "Support Triage" and support_triage find support-triage."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def owners_of_traffic(tx: Session) -> Owners:
    """Every agent of the registry that is not archived."""
    found = Owners()
    names: dict[str, Owner | None] = {}
    for id_, slug, name, spec in tx.execute(select(Agent.id, Agent.slug, Agent.name, Agent.spec).where(Agent.archived_at.is_(None)).order_by(Agent.id)):
        told: dict[str, Any] = (spec or {}).get("telemetry") or {}
        keep = ((spec or {}).get("data") or {}).get("store_text") is not False
        rules: dict[str, Any] = (spec or {}).get("evaluations") or {}
        ranges = {name: (float(rule["range"][0]), float(rule["range"][1])) for name, rule in rules.items() if rule.get("range")}
        owner = Owner(id_, slug, keep, told.get("outputs") is not False, ranges)
        found.by_id[id_] = found.by_slug[slug] = owner
        names[slug_of(name)] = None if slug_of(name) in names else owner  # a name of two agents names neither
        service, agent = told.get("service"), told.get("agent")
        if service and agent:
            found.by_both.setdefault((service, agent), owner)
        elif agent:
            found.by_agent.setdefault(agent, owner)
        elif service:
            found.by_service.setdefault(service, owner)
    for name, one in names.items():
        if one is not None:
            found.by_slug.setdefault(name, one)
    return found


class OwnersBook:
    """The same, remembered: read anew only after the registry changed."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._owners = Owners()
        self._stamp: tuple[Any, ...] | None = None
        self._asked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def now(self) -> Owners:
        """The agents as they stand, at most two seconds old."""
        if self._clock.monotonic() - self._asked_at > FRESH:
            async with self._looking:  # whoever comes meanwhile waits: with nothing known yet, all traffic would be nobody's
                asked = self._clock.monotonic()
                if asked - self._asked_at > FRESH:
                    found = await self._lanes.read(self._look)
                    if found is not None:
                        self._stamp, self._owners = found
                    self._asked_at = asked
        return self._owners

    def _look(self, tx: Session) -> tuple[tuple[Any, ...], Owners] | None:
        stamp = tuple(tx.execute(select(func.count(), func.max(Agent.id), func.sum(Agent.spec_rev), func.count(Agent.archived_at))).one())
        return None if stamp == self._stamp else (stamp, owners_of_traffic(tx))
