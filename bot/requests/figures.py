"""How asking went: waits, shares, approvals given by habit or taken back, and how often agents hand over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import zone_named
from bot.quality.counting import RUNS
from bot.requests.flows import key_of
from bot.requests.messages import Figures, rate_words
from bot.requests.reading import terms_of
from bot.requests.rules import BY_HABIT, HandoffRate
from bot.tables import Agent, Day, OutMessage, PermissionCount, Request

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
    return rates_of(tx, now, [agent])[agent.id]


def rates_of(tx: Session, now: datetime, agents: Sequence[Agent]) -> dict[int, HandoffRate]:
    """The same of many agents: one look a time zone."""
    zones: dict[str, list[Agent]] = defaultdict(list)
    for agent in agents:
        zones[agent.zone].append(agent)
    found: dict[int, HandoffRate] = {}
    for zone, those in zones.items():
        today = now.astimezone(zone_named(zone)).date()
        first = today - timedelta(days=RATE_DAYS - 1)
        begins = datetime.combine(first, datetime.min.time(), zone_named(zone)).astimezone(UTC)
        for start in range(0, len(those), 500):
            part = those[start : start + 500]
            ids = [agent.id for agent in part]
            ran = select(Day.agent_id, func.sum(Day.n)).where(Day.agent_id.in_(ids), Day.metric == RUNS, Day.local_day >= first.isoformat(), Day.local_day <= today.isoformat())
            runs = {agent_id: int(n) for agent_id, n in tx.execute(ran.group_by(Day.agent_id))}
            asked = select(Request.agent_id, func.count()).where(Request.agent_id.in_(ids), Request.kind == "handoff", Request.received_at >= begins)
            handed = {agent_id: int(n) for agent_id, n in tx.execute(asked.group_by(Request.agent_id))}
            for agent in part:
                terms = terms_of(spec_of(agent), "handoff")
                found[agent.id] = HandoffRate(handed.get(agent.id, 0), runs.get(agent.id, 0), getattr(terms, "share", 0.2))
    return found


def rate_lines(tx: Session, now: datetime, agents: Sequence[Agent], *, only_off: bool) -> dict[int, str]:
    """A line for each agent that hands over, or has a plan to; with `only_off` only where it is too many or too few."""
    planned = [agent for agent in agents if spec_of(agent).handoffs is not None]
    asks: set[int] = set()
    for start in range(0, len(agents), 500):
        ids = [agent.id for agent in agents[start : start + 500]]
        asks |= set(tx.scalars(select(Request.agent_id).where(Request.agent_id.in_(ids), Request.kind == "handoff", Request.received_at >= now - WINDOW).distinct()))
    those = [agent for agent in agents if agent in planned or agent.id in asks]
    rates = rates_of(tx, now, those)
    return {agent_id: rate_words(rate) for agent_id, rate in rates.items() if rate.says in ("too many", "too few") or (not only_off and (rate.handoffs or rate.runs))}
