"""Everybody whom a page may ever call, and as what: for knowing before the night who cannot be reached."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.files import OWNER_CALLS
from bot.agents.reading import ROLE_WORDS, spec_of
from bot.agents.spec import STANDARD_LADDER
from bot.ladders.reaching import ROTATION
from bot.ladders.rotations import rotations
from bot.people.flows import find_group, find_ref, group_people, lead_ids, shared_registry
from bot.tables import Agent, AgentOwner, Person


def may_be_called(tx: Session) -> dict[int, list[str]]:
    """Person id to what they may be called as, in words; one look, whatever the number of agents."""
    found: dict[int, list[str]] = defaultdict(list)
    calls = _calls_in_use(tx)
    roles = {call.removesuffix("_owner") for call in calls if call in OWNER_CALLS}
    rows = tx.execute(
        select(AgentOwner.person_id, AgentOwner.role, Agent.name)
        .join(Agent, Agent.id == AgentOwner.agent_id)
        .where(AgentOwner.until.is_(None), Agent.archived_at.is_(None), AgentOwner.role.in_(sorted(roles)))
        .order_by(Agent.name, AgentOwner.id)
    )
    for person_id, role, name in rows:
        found[person_id].append(f"{ROLE_WORDS[role]} of {name}")
    for person_id, words in _named(tx, calls):
        found[person_id].append(words)
    return dict(found)


def _calls_in_use(tx: Session) -> set[str]:
    """The `call` of every rung that an agent's ladder has."""
    ladders = shared_registry(tx).get("ladders", {})
    used = {spec_of(agent).ladder for agent in tx.scalars(select(Agent).where(Agent.archived_at.is_(None)))}
    return {str(step["call"]) for name in used for step in (ladders.get(name) or ladders.get("standard") or STANDARD_LADDER)}


def _named(tx: Session, calls: set[str]) -> Iterator[tuple[int, str]]:
    known = rotations(tx)
    for name in sorted(known):
        for ref in known[name].people:
            if (person := find_ref(tx, ref)) is not None:
                yield person.id, f"in the rotation {name}"
    for call in sorted(calls):
        if call in OWNER_CALLS or call.startswith((ROTATION, "#")):
            continue
        if call == "leads":
            for person_id in sorted(lead_ids(tx)):
                yield person_id, "lead"
        elif (person := find_ref(tx, call)) is not None:
            yield person.id, "named on a ladder"
        elif (group := find_group(tx, call)) is not None:
            for member in group_people(tx, group):
                yield member.id, f"in {call}"


def people_by_id(tx: Session, ids: list[int]) -> dict[int, Person]:
    """Many people at once."""
    found: dict[int, Person] = {}
    for first in range(0, len(ids), 500):
        found |= {person.id: person for person in tx.scalars(select(Person).where(Person.id.in_(ids[first : first + 500])))}
    return found
