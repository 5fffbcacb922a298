"""Which agents really got better, read from their folded rows: the fleet, a channel's agents, or one. In plain words too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session

from bot.quality.sprints import LEAST, SPRINT, SURE, Change, step_words
from bot.quality.words import joined, plural
from bot.tables import Agent, AgentNow

MOVERS = 5  # agents named of the better and of the worse
COLUMNS = {"fortnight": AgentNow.better, "quarter": AgentNow.better_quarter}
THAN = {"fortnight": "two weeks ago", "quarter": "a quarter ago"}
ORDER = (Change.BETTER, Change.WORSE, Change.UNCLEAR, Change.TOO_LITTLE)


@dataclass(frozen=True)
class Mover:
    """One agent and how it compares."""

    slug: str
    name: str
    sprint: dict[str, Any]  # fortnight, quarter: see quality.sprints.as_json


@dataclass(frozen=True)
class Sprint:
    """Many agents: how many got better, and who moved most surely."""

    title: str
    counts: dict[str, dict[str, int]]  # fortnight, quarter -> change -> agents
    better: tuple[Mover, ...] = ()
    worse: tuple[Mover, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.counts["fortnight"].values())


def sprint_of_fleet(tx: Session, department: str | None = None, allowed: Collection[str] | None = None) -> Sprint:
    """The fleet, or a part of it: counts in one look each, from folded rows."""
    live: list[ColumnElement[bool]] = [Agent.archived_at.is_(None)]
    if department is not None:
        live.append(Agent.department == department)
    if allowed is not None:
        live.append(Agent.slug.in_(sorted(allowed)))
    counts: dict[str, dict[str, int]] = {}
    for name, column in COLUMNS.items():
        change = case((column.is_(None), Change.TOO_LITTLE.value), (column >= SURE, Change.BETTER.value), (column <= 1 - SURE, Change.WORSE.value), else_=Change.UNCLEAR.value)
        rows = select(change, func.count()).select_from(Agent).outerjoin(AgentNow, AgentNow.agent_id == Agent.id).where(*live).group_by(change)
        counts[name] = {said: int(count) for said, count in tx.execute(rows)}
    named = select(Agent.slug, Agent.name, AgentNow.facts).join(AgentNow, AgentNow.agent_id == Agent.id).where(*live)
    better = _movers(tx, named.where(AgentNow.better >= SURE).order_by(AgentNow.better.desc(), Agent.id))
    worse = _movers(tx, named.where(AgentNow.better <= 1 - SURE).order_by(AgentNow.better, Agent.id))
    return Sprint(department if department is not None else "The fleet", counts, better, worse)


def sprint_of_agents(tx: Session, agent_ids: Sequence[int]) -> Sprint:
    """The same of some agents, for a channel's summary."""
    found: list[tuple[float | None, float | None, Mover]] = []
    for start in range(0, len(agent_ids), 500):
        chosen = AgentNow.agent_id.in_(agent_ids[start : start + 500])
        rows = select(AgentNow.better, AgentNow.better_quarter, Agent.slug, Agent.name, AgentNow.facts).join(Agent, Agent.id == AgentNow.agent_id).where(chosen)
        found += [(row.better, row.better_quarter, Mover(row.slug, row.name, (row.facts or {}).get("sprint") or {})) for row in tx.execute(rows.order_by(Agent.name, Agent.id))]
    counts: dict[str, dict[str, int]] = {"fortnight": {}, "quarter": {}}
    for now, quarter, _ in found:
        for name, probability in (("fortnight", now), ("quarter", quarter)):
            change = _change(probability).value
            counts[name][change] = counts[name].get(change, 0) + 1
    better = sorted((each for each in found if _change(each[0]) is Change.BETTER), key=lambda each: -(each[0] or 0.0))
    worse = sorted((each for each in found if _change(each[0]) is Change.WORSE), key=lambda each: each[0] or 0.0)
    return Sprint("", counts, tuple(each[2] for each in better[:MOVERS]), tuple(each[2] for each in worse[:MOVERS]))


def sprint_of_agent(tx: Session, agent: Agent) -> Mover:
    """One agent."""
    facts = tx.scalar(select(AgentNow.facts).where(AgentNow.agent_id == agent.id)) or {}
    return Mover(agent.slug, agent.name, facts.get("sprint") or {})


def lines(found: Sprint) -> list[str]:
    """The fleet in plain words."""
    if not found.total:
        return ["There are no agents to compare yet."]
    told = [f"{found.title}, {plural(found.total, 'agent')}: are they getting better?"]
    told += [f"Against {THAN[name]}: {counts_words(counts)}" for name, counts in found.counts.items()]
    for title, movers in (("Better", found.better), ("Worse", found.worse)):
        for mover in movers:
            told.append(f"{title}: {mover.name}, {step_words(mover.sprint['fortnight'], THAN['fortnight'])}")
    return told


def agent_lines(mover: Mover) -> list[str]:
    """One agent in plain words."""
    told = [f"{name[:1].upper()}{name[1:]}" for key, than in THAN.items() if key in mover.sprint for name in (step_words(mover.sprint[key], than),)]
    return [f"{mover.name}: is it getting better?", *(told or ["Nothing has been judged yet: there is nothing to compare."])]


def counts_words(counts: dict[str, int]) -> str:
    """`2 better, 1 worse, 4 with no clear change, 3 with too little to say`."""
    words = {Change.BETTER: "better", Change.WORSE: "worse", Change.UNCLEAR: "with no clear change", Change.TOO_LITTLE: "with too little to say"}
    return ", ".join(f"{counts[change.value]:,} {words[change]}" for change in ORDER if counts.get(change.value))


def digest_line(found: Sprint) -> str:
    """One line for the summary that opens a fortnight; empty where there is nothing to compare."""
    counts = found.counts["fortnight"]
    if not any(counts.get(change.value) for change in ORDER[:3]):
        return ""
    named = [f"better: {joined([mover.name for mover in found.better])}" if found.better else "", f"worse: {joined([mover.name for mover in found.worse])}" if found.worse else ""]
    who = "; ".join(part for part in named if part)
    return f"Better every sprint? Against two weeks ago, {counts_words(counts)}{f' ({who})' if who else ''}; against a quarter ago, {counts_words(found.counts['quarter'])}."


HOW = (
    f"Each compares the last {SPRINT} days with {SPRINT} days before, by people's judgements (else evaluations', marked). "
    f"“Really better” is the probability that the true share of good outputs is higher now; from {SURE:.0%} on it is called better. Below {LEAST} judged outputs on either side nothing is said."
)


def _movers(tx: Session, rows: Select[Any]) -> tuple[Mover, ...]:
    return tuple(Mover(slug, name, (facts or {}).get("sprint") or {}) for slug, name, facts in tx.execute(rows.limit(MOVERS)))


def _change(probability: float | None) -> Change:
    if probability is None:
        return Change.TOO_LITTLE
    return Change.BETTER if probability >= SURE else Change.WORSE if probability <= 1 - SURE else Change.UNCLEAR
