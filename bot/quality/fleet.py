"""The whole fleet in a few numbers, from folded rows: for status, digests and App Home."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from bot.agents.reading import retired_ids
from bot.quality.rules import Verdict
from bot.tables import Agent, AgentNow, AgentOwner, Person


def verdict_counts(tx: Session) -> dict[str, int]:
    """How many live agents have each verdict; one never folded is still learning."""
    counts: dict[str, int] = {}
    for found in verdicts_by_department(tx).values():
        for verdict, count in found.items():
            counts[verdict] = counts.get(verdict, 0) + count
    return counts


def verdicts_by_department(tx: Session, department: str | None = None) -> dict[str, dict[str, int]]:
    """The same, department by department."""
    verdict = func.coalesce(AgentNow.verdict, Verdict.LEARNING.value)
    rows = select(Agent.department, verdict, func.count()).select_from(Agent).outerjoin(AgentNow, AgentNow.agent_id == Agent.id)
    found: dict[str, dict[str, int]] = {}
    for name, said, count in tx.execute(rows.where(*_live(department)).group_by(Agent.department, verdict)):
        found.setdefault(name, {})[said] = int(count)
    return found


def unconfirmed_count(tx: Session, department: str | None = None) -> int:
    """How many live agents lack a confirmed business or operations owner."""
    settled = (
        select(AgentOwner.agent_id)
        .where(AgentOwner.until.is_(None), AgentOwner.accepted_at.is_not(None), AgentOwner.role.in_(("business", "operations")))
        .group_by(AgentOwner.agent_id)
        .having(func.count() == 2)
    )
    return int(tx.scalar(select(func.count()).select_from(Agent).where(*_live(department), Agent.id.not_in(settled), Agent.id.not_in(retired_ids()))) or 0)


def unconfirmed_names(tx: Session, most: int) -> list[str]:
    """Some of these agents with what is missing: `Triage (operations owner Omar has not accepted)`."""
    told = []
    settled = (
        select(AgentOwner.agent_id)
        .where(AgentOwner.until.is_(None), AgentOwner.accepted_at.is_not(None), AgentOwner.role.in_(("business", "operations")))
        .group_by(AgentOwner.agent_id)
        .having(func.count() == 2)
    )
    agents = tx.execute(select(Agent.id, Agent.name).where(*_live(None), Agent.id.not_in(settled)).order_by(Agent.name, Agent.id).limit(most)).all()
    held: dict[int, dict[str, tuple[str, bool]]] = {}
    owners = select(AgentOwner, Person.name).join(Person, Person.id == AgentOwner.person_id).where(AgentOwner.agent_id.in_([agent_id for agent_id, _ in agents]), AgentOwner.until.is_(None))
    for owner, name in tx.execute(owners):
        held.setdefault(owner.agent_id, {})[owner.role] = (name, owner.accepted_at is not None)
    for agent_id, name in agents:
        missing = []
        for role in ("business", "operations"):
            who, accepted = held.get(agent_id, {}).get(role, ("", False))
            if not accepted:
                missing.append(f"{role} owner {who} has not accepted" if who else f"no {role} owner")
        told.append(f"{name} ({', '.join(missing)})")
    return told


def _live(department: str | None) -> list[ColumnElement[bool]]:
    live: list[ColumnElement[bool]] = [Agent.archived_at.is_(None)]
    return live if department is None else [*live, Agent.department == department]
