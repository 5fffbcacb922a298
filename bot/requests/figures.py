"""How asking went: waits, shares, approvals given by habit or taken back, and how often agents hand over."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import zone_named
from bot.quality.counting import RUNS
from bot.quality.reading import totals
from bot.requests.flows import key_of
from bot.requests.messages import Figures
from bot.requests.reading import terms_of
from bot.requests.rules import BY_HABIT, HandoffRate
from bot.tables import Agent, OutMessage, PermissionCount, Request

WINDOW = timedelta(days=28)
RATE_DAYS = 7
MOST = 5000  # requests looked at; the newest, where there are more


def figures_of(tx: Session, now: datetime, agent: Agent | None) -> Figures:
    """The last four weeks of one agent, or of all."""
    since = now - WINDOW
    mine = [Request.agent_id == agent.id] if agent is not None else []
    rows = list(tx.scalars(select(Request).where(Request.received_at >= since, *mine).order_by(Request.id.desc()).limit(MOST)))
    decided = [row for row in rows if row.state in ("approved", "rejected")]
    given = [row for row in decided if row.state == "approved"]
    handoffs = [row for row in rows if row.kind == "handoff"]
    waits = [(row.decided_at - row.received_at).total_seconds() for row in rows if row.decided_at is not None and row.decided_by is not None]
    counted = select(PermissionCount.rule, func.sum(PermissionCount.n)).where(PermissionCount.minute_at >= since).group_by(PermissionCount.rule)
    if agent is not None:
        counted = counted.where(PermissionCount.agent_id == agent.id)
    allowed = sorted(((str(rule), int(n)) for rule, n in tx.execute(counted)), key=lambda each: -each[1])
    handed = sorted({row.agent_id for row in handoffs}) if agent is None else [agent.id]
    return Figures(
        approvals=len(decided), approved=len(given), quick=_quick(tx, given), undone=sum(row.undone_at is not None for row in given),
        timed_out=sum(row.state == "timed_out" for row in rows), handoffs=len(handoffs), answered=sum(row.state == "answered" for row in handoffs),
        withdrawn=sum(row.state == "withdrawn" for row in rows), wait_seconds=median(waits) if waits else None, longest_seconds=max(waits, default=None),
        allowed=tuple(allowed), rates=_rates(tx, now, handed[:50], asked=agent is None),
    )  # fmt: skip


def _quick(tx: Session, given: list[Request]) -> int:
    """Approvals that came within three seconds of being shown: hardly read."""
    keys = {key_of(row.id): row for row in given}
    found, names = 0, sorted(keys)
    for start in range(0, len(names), 500):
        shown = tx.execute(select(OutMessage.key, OutMessage.ts).where(OutMessage.key.in_(names[start : start + 500])))
        for key, ts in shown:
            at = keys[key].decided_at
            # Slack's own time of the message is when people first could see it.
            if at is not None and ts is not None and at.timestamp() - float(ts) < BY_HABIT.total_seconds():
                found += 1
    return found


def _rates(tx: Session, now: datetime, agent_ids: list[int], *, asked: bool) -> tuple[tuple[str, HandoffRate], ...]:
    found = []
    for agent_id in agent_ids:
        agent = tx.get_one(Agent, agent_id)
        rate = rate_of(tx, now, agent)
        if asked or rate.handoffs or spec_of(agent).handoffs is not None:
            found.append((agent.name, rate))
    return tuple(found)


def rate_of(tx: Session, now: datetime, agent: Agent) -> HandoffRate:
    """Hand-offs of the last seven days (today included) against the runs of the same days."""
    today = now.astimezone(zone_named(agent.zone)).date()
    first = today - timedelta(days=RATE_DAYS - 1)
    runs = totals(tx, agent.id, first.isoformat(), today.isoformat()).counters.get(RUNS, (0, 0))[0]
    begins = datetime.combine(first, datetime.min.time(), zone_named(agent.zone))
    handed = tx.scalar(select(func.count()).select_from(Request).where(Request.agent_id == agent.id, Request.kind == "handoff", Request.received_at >= begins)) or 0
    terms = terms_of(spec_of(agent), "handoff")
    return HandoffRate(int(handed), int(runs), getattr(terms, "share", 0.2))
