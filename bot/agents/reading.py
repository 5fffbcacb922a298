"""What other rooms ask of the registry: which agents there are, what is promised, and who answers for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from bot.agents.names import NOT_CONFIRMED as NOT_CONFIRMED
from bot.agents.names import ROLE_WORDS as ROLE_WORDS
from bot.agents.names import ROLES as ROLES
from bot.agents.names import OwnerName as OwnerName
from bot.agents.names import OwnerNames as OwnerNames
from bot.agents.protocols import ProtocolSpec
from bot.agents.spec import STANDARD_LADDER, AgentSpec, PersonSpec, StepSpec, WorkspaceSpec
from bot.known import is_known, known, learn
from bot.people.flows import find_group, find_ref, group_people, lead_ids, owners_of, shared_registry
from bot.tables import Agent, AgentOwner, Channel, Person, Registry, Stage

FOUND = 200  # more than anybody reads; a list that long is told as "several"


def agent_by_slug(tx: Session, slug: str) -> Agent | None:
    """The live agent of that id; None where there is none."""
    return tx.scalars(select(Agent).where(Agent.slug == slug, Agent.archived_at.is_(None))).first()


def live_agents(tx: Session) -> list[Agent]:
    """All agents that are not archived, by name."""
    return list(tx.scalars(select(Agent).where(Agent.archived_at.is_(None)).order_by(Agent.name, Agent.id)))


def is_retired(tx: Session, agent: Agent) -> bool:
    """Whether it is no longer at work: in the registry still, with its history, and nobody is asked about it."""
    return tx.scalar(select(Stage.stage).where(Stage.agent_id == agent.id)) == "retired"


def retired_ids(before: datetime | None = None) -> Select[int]:
    """The ids of retired agents (since before then), to leave them out of a look."""
    found = select(Stage.agent_id).where(Stage.stage == "retired")
    return found if before is None else found.where(Stage.since < before)


def retired_words(tx: Session, agent_ids: Iterable[int]) -> dict[int, str]:
    """Of those that are retired: `was retired on 2026-11-21 by Hala: the new desk does it`."""
    ids = sorted(agent_ids)
    rows = tx.execute(
        select(Stage.agent_id, Stage.since, Stage.reason, Person.name).outerjoin(Person, Person.id == Stage.by_id).where(Stage.agent_id.in_(ids), Stage.stage == "retired")
    )
    return {agent_id: f"was retired on {since:%Y-%m-%d}{f' by {name}' if name else ''}{f': {reason[:300]}' if reason else ''}" for agent_id, since, reason, name in rows}


def agents_in_channel(tx: Session, channel_id: str) -> list[Agent]:
    """The live agents whose owner channel this is, by name."""
    found = select(Agent).where(Agent.channel_id == channel_id, Agent.archived_at.is_(None)).order_by(Agent.name, Agent.id)
    return list(tx.scalars(found))


@lru_cache(maxsize=4096)
def _parsed(written: bytes) -> AgentSpec:
    return AgentSpec.model_validate(orjson.loads(written))


def spec_of(agent: Agent) -> AgentSpec:
    """The agent's accepted description; parsed once per content."""
    return _parsed(orjson.dumps(agent.spec))


def newest_registry(tx: Session) -> Registry | None:
    """The file in force, all agents included: the last one applied. For what agents share, ask the functions below."""
    return tx.scalars(select(Registry).order_by(Registry.id.desc()).limit(1)).first()


def workspace_of(tx: Session) -> WorkspaceSpec:
    """What holds for all agents; the defaults before any file was applied."""
    return WorkspaceSpec.model_validate(shared_registry(tx).get("workspace", {}))


def people_named(tx: Session) -> dict[str, PersonSpec]:
    """The short names under `people:` in the file in force."""
    return {name: PersonSpec.model_validate(each) for name, each in shared_registry(tx).get("people", {}).items()}


def ladder_of(tx: Session, agent: Agent) -> list[StepSpec]:
    """The steps of the agent's ladder, in order of time; the standard one where its own is no longer there."""
    ladders = shared_registry(tx).get("ladders", {})
    written = ladders.get(spec_of(agent).ladder) or ladders.get("standard") or STANDARD_LADDER
    return sorted((StepSpec.model_validate(step) for step in written), key=lambda step: step.after)


def protocol_written(tx: Session, agent: Agent) -> tuple[str, dict[str, Any] | None]:
    """The failure protocol of the agent's incidents as the file in force has it: its name, and None for the one built in."""
    name = spec_of(agent).protocol
    given = shared_registry(tx).get("protocols", {}).get(name)
    if given is None and name != "standard":  # it was taken out of the file meanwhile
        name, given = "standard", shared_registry(tx).get("protocols", {}).get("standard")
    if given is None:
        return "standard", None
    return name, ProtocolSpec.model_validate(given).document()


@dataclass(frozen=True)
class Reached:
    """Whom one rung calls: people (deduplicated, in order) and, for a channel rung, its Slack id."""

    people: tuple[Person, ...]
    channel: str | None = None


def who_is_called(tx: Session, agent: Agent, call: str) -> Reached:
    """The people or the channel behind a rung's `call`; nobody where the role is empty or the name is no longer known."""
    call = call.strip()
    role = call.removesuffix("_owner")
    if role in ROLES:
        row = owners_of(tx, agent.id).get(role)
        person = tx.get(Person, row.person_id) if row else None
        return Reached((person,) if person is not None and person.active else ())
    if call == "leads":
        return Reached(tuple(lead_people(tx)))
    if call.startswith("#") or (call[:1] in "CG" and find_channel(tx, call) is not None):
        channel = find_channel(tx, call)
        return Reached((), channel.slack_id if channel else None)
    person = find_ref(tx, call)
    if person is not None:
        return Reached((person,) if person.active else ())
    group = find_group(tx, call)
    return Reached(tuple(group_people(tx, group)) if group else ())


def lead_people(tx: Session) -> list[Person]:
    """The active leads, by name."""
    ids = lead_ids(tx)
    return list(tx.scalars(select(Person).where(Person.id.in_(ids), Person.active).order_by(Person.name, Person.id))) if ids else []


def leads_channel_or_people(tx: Session) -> list[str]:
    """Where to tell the leads something, as outbox targets: their channel where `leads` names one, else each lead's DM."""
    for ref in workspace_of(tx).leads:
        if ref.startswith("#") and (channel := find_channel(tx, ref)) is not None:
            return [channel.slack_id]
    return [person.slack_id for person in lead_people(tx) if person.slack_id]


def find_channel(tx: Session, ref: str) -> Channel | None:
    """A channel by id, `#name` or Slack's own link to it; an archived one only where no other has the name."""
    ref = ref.strip()
    if ref.startswith("<#"):
        ref = ref[2:].split("|")[0].rstrip(">")
    if ref.startswith("#"):
        named = select(Channel).where(Channel.name == ref[1:].lower()).order_by(Channel.is_archived, Channel.id)
        return tx.scalars(named).first()
    return tx.scalars(select(Channel).where(Channel.slack_id == ref)).first()


def owners_named(tx: Session, agent: Agent) -> OwnerNames:
    """Names and mentions of the agent's owners, each marked until they have accepted."""
    return owners_named_of(tx, [agent.id])[agent.id]


def owners_named_of(tx: Session, agent_ids: list[int]) -> dict[int, OwnerNames]:
    """The same for many agents, in one look."""
    if all(is_known(tx, "owner names", agent_id) for agent_id in agent_ids):
        return {agent_id: known(tx, "owner names", agent_id, OwnerNames) for agent_id in agent_ids}
    return _names(agent_ids, _owners_and_people(tx, agent_ids))


def look_owners_ahead(tx: Session, agent_ids: Sequence[int]) -> None:
    """Learn for a batch who owns each of these agents."""
    pairs = _owners_and_people(tx, agent_ids)
    rows: dict[int, list[AgentOwner]] = {agent_id: [] for agent_id in agent_ids}
    for row, _ in pairs:
        rows[row.agent_id].append(row)
    learn(tx, "owners", rows)
    learn(tx, "owner names", _names(agent_ids, pairs))
    learn(tx, "people", {person.id: person for _, person in pairs})  # held here, so that asking for one by its id is no look


def _owners_and_people(tx: Session, agent_ids: Sequence[int]) -> list[tuple[AgentOwner, Person]]:
    found: list[tuple[AgentOwner, Person]] = []
    for first in range(0, len(agent_ids), 500):
        chosen = agent_ids[first : first + 500]
        rows = tx.execute(select(AgentOwner, Person).join(Person, Person.id == AgentOwner.person_id).where(AgentOwner.agent_id.in_(chosen), AgentOwner.until.is_(None)))
        found += ((row, person) for row, person in rows)
    return found


def _names(agent_ids: Sequence[int], pairs: Iterable[tuple[AgentOwner, Person]]) -> dict[int, OwnerNames]:
    found: dict[int, dict[str, OwnerName]] = {agent_id: {} for agent_id in agent_ids}
    for row, person in pairs:
        name = person.name or person.email or person.slack_id or ""
        found[row.agent_id][row.role] = OwnerName(row.role, person.id, name, person.slack_id, row.accepted_at is not None, row.since, left=not person.active)
    return {agent_id: OwnerNames(**roles) for agent_id, roles in found.items()}


def find_agents(tx: Session, words: str) -> list[Agent]:
    """The live agents meant by someone's words: the exact id or name, else those whose id or name begins with or holds them.

    At most FOUND of them, by name.
    """
    sought = " ".join(words.lower().split()).strip("\"'`“”")
    if not sought:
        return []
    dashed = sought.replace(" ", "-")
    # Only ids and names are looked through: with 10,000 agents their whole descriptions would take too long.
    known = [(agent_id, slug, name.lower()) for agent_id, slug, name in tx.execute(select(Agent.id, Agent.slug, Agent.name).where(Agent.archived_at.is_(None)))]
    found = [agent_id for agent_id, slug, name in known if sought in (slug, name)]
    found = found or [agent_id for agent_id, slug, name in known if slug.startswith(dashed) or name.startswith(sought)]
    found = found or [agent_id for agent_id, slug, name in known if sought in name or dashed in slug]
    return list(tx.scalars(select(Agent).where(Agent.id.in_(found[:FOUND])).order_by(Agent.name, Agent.id))) if found else []


def find_removed(tx: Session, words: str) -> Agent | None:
    """The agent of exactly that id or name that was taken out of the registry, the newest."""
    sought = " ".join(words.lower().split()).strip("\"'`“”")
    owned = select(AgentOwner.id).where(AgentOwner.agent_id == Agent.id).exists()  # the self-test's agent never lived anywhere
    gone = select(Agent).where(Agent.archived_at.is_not(None), owned, (Agent.slug == sought) | (func.lower(Agent.name) == sought))
    return tx.scalars(gone.order_by(Agent.archived_at.desc()).limit(1)).first()


def agents_of(tx: Session, person_id: int) -> dict[int, list[str]]:
    """The live agents a person answers for: agent id to the roles they hold."""
    rows = tx.execute(
        select(AgentOwner.agent_id, AgentOwner.role)
        .join(Agent, Agent.id == AgentOwner.agent_id)
        .where(AgentOwner.person_id == person_id, AgentOwner.until.is_(None), Agent.archived_at.is_(None))
        .order_by(AgentOwner.agent_id)
    )
    found: dict[int, list[str]] = {}
    for agent_id, role in rows:
        found.setdefault(agent_id, []).append(role)
    return {agent_id: sorted(roles, key=ROLES.index) for agent_id, roles in found.items()}
