"""The charts in a digest's thread: the agents that are worst off, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from bot.digests import messages
from bot.digests.rules import Report
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.quality.charting import charts_of
from bot.tables import Agent, Digest

LOOKED_AT = 12  # of the worst agents
SHOWN = 4
TOGETHER = 2  # in one message: as many of its chart blocks as Slack allows


def show_charts(tx: Session, now: datetime, digest: Digest, key: str, agents: Sequence[Agent], reports: Sequence[Report]) -> None:
    """Write the charts of the worst agents that have one into the thread; frozen, like the summary above them."""
    by_id = {agent.id: agent for agent in agents}
    worst = [by_id[report.agent_id] for report in reports[:LOOKED_AT] if report.agent_id in by_id]
    found = charts_of(tx, now, worst)
    charts = [found[agent.id] for agent in worst if agent.id in found][:SHOWN]
    for number in range(0, len(charts), TOGETHER):
        said = messages.charts(charts[number : number + TOGETHER])
        outbox.show(tx, now, key=f"{key}:charts:{number // TOGETHER + 1}", to=digest.channel_id, message=said, priority=Priority.DIGEST, thread=key)
