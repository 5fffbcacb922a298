"""A gap as it is shown: values only."""

from __future__ import annotations

from dataclasses import dataclass

from bot.gaps.rules import Share, Topic
from bot.tables import Agent, Gap


@dataclass(frozen=True)
class GapView:
    """A topic with who supplies it, and what supplying it changed."""

    agent: Agent
    key: str
    label: str
    topic: Topic | None  # None: nothing of it was missing lately
    gap: Gap | None = None
    owner: str = ""
    owner_slack: str | None = None
    before: Share | None = None
    after: Share | None = None
