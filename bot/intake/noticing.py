"""What newly stored events set off at once: an agent heard for the first time, and runs that a check must see."""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select, update

from bot.checks.kinds.stage import STOPPED
from bot.db import wake
from bot.intake import messages
from bot.intake.judging import Item
from bot.intake.runs import Run
from bot.intake.work import Work
from bot.outbox import flows as outbox
from bot.tables import Agent, Check
from bot.tables.table import UtcDateTime


def first_heard(work: Work, accepted: list[Item]) -> None:
    """The first live event of an agent: its channel learns that the bot can hear it."""
    first: dict[int, Item] = {}
    for item in accepted:
        if not item.agent.heard:
            first.setdefault(item.agent.id, item)
    for agent_id, item in sorted(first.items()):
        changed = work.tx.execute(update(Agent).where(Agent.id == agent_id, Agent.heard_at.is_(None)).values(heard_at=work.now))
        work.learned.heard.append(item.agent)
        if changed.rowcount:  # type: ignore[attr-defined]
            agent = work.tx.get_one(Agent, agent_id)
            if agent.channel_id:
                said = messages.heard(agent.name, type(item.event).noun, item.event.at)
                outbox.show(work.tx, work.now, key=f"heard:{agent_id}", to=agent.channel_id, message=said)


# Built once: nearly every group holds a failure, and building it anew was 11% of the server's time in the interpreter.
_DUE_BY_RUNS = (
    select(Check.id)
    .where(
        Check.agent_id.in_(bindparam("agents", expanding=True)),
        Check.kind.in_(("run_failed", "stage")),
        Check.archived_at.is_(None),
        or_(Check.due_at.is_(None), Check.due_at > bindparam("now", type_=UtcDateTime)),
    )
    .order_by(Check.id)
    .with_for_update()
)


def look_at_failures(work: Work, accepted: list[Item]) -> None:
    """A failed run, one of an agent whose runs fail, or one in another stage than ordered: its checks are due at once."""
    told = set[int]()
    for item in accepted:
        run, agent = item.event, item.agent
        if not isinstance(run, Run):
            continue
        if run.status == "failed":
            agent.troubled = True  # what ends it is looked at at once, too
        if agent.troubled or (agent.ordered and run.stage != agent.ordered and (run.stage or agent.ordered in STOPPED)):
            told.add(agent.id)
    if not told:
        return
    ids = work.tx.scalars(_DUE_BY_RUNS, {"agents": sorted(told), "now": work.now}).all()
    if ids:
        work.tx.execute(update(Check).where(Check.id.in_(ids)).values(due_at=work.now))
        wake(work.tx, "checks")
