"""Checks that have nothing to judge by, and so can never fail: told by `aiops plan` and in the digest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.plan import Plan
from bot.agents.spec import RegistrySpec
from bot.checks.calendar import calendar_of
from bot.checks.facts import BATCHES
from bot.checks.kinds import KINDS, read_spec
from bot.checks.kinds.kind import CheckSpec
from bot.tables import Agent, Check

PATIENCE = timedelta(days=2)  # a new check may wait so long for its first fact before people are asked about it
PART = 100
SHOWN = 20


def warned(tx: Session, now: datetime, plan: Plan, spec: RegistrySpec) -> Plan:
    """The plan, with a note for each check of its agents that has nothing to judge by."""
    notes = list(_notes(tx, now, spec))
    if len(notes) > SHOWN:
        notes = [*notes[:SHOWN], f"{len(notes) - SHOWN} more checks have nothing to judge by: `aiops check test` tells them"]
    return replace(plan, notes=(*plan.notes, *notes))


def _notes(tx: Session, now: datetime, spec: RegistrySpec) -> Iterable[str]:
    """Only of checks that never had data; those judged by what an agent reports only where it reports at all."""
    slugs = sorted(spec.agents)
    by_kind: dict[str, list[tuple[str, Agent, CheckSpec]]] = defaultdict(list)
    for begin in range(0, len(slugs), PART):
        agents = tx.scalars(select(Agent).where(Agent.slug.in_(slugs[begin : begin + PART]), Agent.archived_at.is_(None))).all()
        kept = {(check.agent_id, check.name): check for check in tx.scalars(select(Check).where(Check.agent_id.in_([agent.id for agent in agents]), Check.archived_at.is_(None)))}
        for agent in agents:
            for name, written in spec.agents[agent.slug].checks.items():
                check = kept.get((agent.id, name))
                same = check if check is not None and check.spec == written else None
                if same is not None and same.kind == "alert" and same.state in ("new", "unknown"):
                    yield f"no alert {str(written.get('alert'))[:200]} ever arrived for {agent.name} ({agent.slug}), so nobody knows whether its check `{name}` names it right: send one to try it (`amtool alert add`)"
                elif same is not None and same.cursor.get("had_data"):
                    continue
                elif written.get("kind") in BATCHES:
                    if agent.heard_at is not None:
                        read = read_spec(written)
                        by_kind[read.kind].append((name, agent, read))
                elif same is not None and "nothing_since" in same.cursor:
                    yield _blind(name, agent, same.says)  # as its last look found it
    calendar = calendar_of(tx)
    for kind, asked in by_kind.items():
        for begin in range(0, len(asked), PART):
            part = asked[begin : begin + PART]
            facts = BATCHES[kind](tx, now, [(agent, read) for _, agent, read in part], calendar)
            for (name, agent, read), each in zip(part, facts, strict=True):
                finding = KINDS[kind].judge(each, read, now)
                if finding.nothing:
                    yield _blind(name, agent, finding.says)


def _blind(name: str, agent: Agent, says: str) -> str:
    return f"the check `{name}` of {agent.name} ({agent.slug}) has nothing to judge by, and cannot fail until it has: {says}"


def blind_checks(tx: Session, now: datetime, agent_ids: Iterable[int]) -> dict[int, list[str]]:
    """The names of checks that never had data in more than two days of looking, by agent."""
    found: dict[int, list[str]] = defaultdict(list)
    wanted = select(Check.agent_id, Check.name, Check.cursor).where(Check.agent_id.in_(list(agent_ids)), Check.state == "unknown", Check.archived_at.is_(None))
    for agent_id, name, cursor in tx.execute(wanted.order_by(Check.name)):
        since = cursor.get("nothing_since")
        if since is not None and not cursor.get("had_data") and datetime.fromtimestamp(since, UTC) <= now - PATIENCE:
            found[agent_id].append(name)
    return found
