"""One transaction of intake under way: what its steps share, and what to remember once it has committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.intake.agents import AgentRef
from bot.intake.bulk import stamp_for
from bot.quality.counting import Counts


@dataclass
class Learned:
    """What to remember once the transaction has committed."""

    heard: list[AgentRef] = field(default_factory=list)
    seen: list[tuple[AgentRef, tuple[str, str]]] = field(default_factory=list)

    def remember(self) -> None:
        for agent in self.heard:
            agent.heard = True
        for agent, what in self.seen:
            if len(agent.seen) > 1000:  # an agent that names every run's version anew must not fill the memory
                agent.seen.clear()
            agent.seen.add(what)


@dataclass
class Work:
    """One transaction under way."""

    tx: Session
    now: datetime
    live: bool
    counts: Counts = field(default_factory=Counts)
    learned: Learned = field(default_factory=Learned)
    # (agent id, source) -> outputs whose observations may be others now
    judged: dict[tuple[int, str], set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stamp = stamp_for(self.tx)
        self.received: Any = self.stamp(self.now)

    def judge_again(self, agent_id: int, source: str, output_id: int) -> None:
        self.judged.setdefault((agent_id, source), set()).add(output_id)
