"""How many outputs of an agent people are asked to judge a day: the registry's number, or for some weeks more, as somebody asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import people_named, spec_of, workspace_of
from bot.calendars import day_before, local_day
from bot.marks import mark_of, put_mark
from bot.people.flows import find_group, find_ref, group_people
from bot.tables import Agent, AgentOwner, Mark, Person, Review

SAMPLED_FOR = 28  # days that more are asked for
MOST_REVIEWS = 200  # a day, as the registry allows
LOOKED_BACK = 14  # days over which it is counted how much reviewers are asked
OWNERS = ("business", "operations")


@dataclass(frozen=True)
class Sampling:
    """The number in force, and whose it is."""

    slug: str = ""
    per_day: int = 5
    registry: int = 5
    until: str = ""  # the last local day on which more is asked for; empty where the registry's number holds
    by: str = ""


@dataclass(frozen=True)
class Room:
    """How much more reviewers can be asked: how many they are, the most asked of each a day, and how many outputs of this agent that makes."""

    people: int = 0
    each: int = 0
    outputs: float = 0.0


def samplings_of(tx: Session, now: datetime, agents: Iterable[Agent]) -> dict[int, Sampling]:
    """What is in force for each of these agents; two looks, however many."""
    by_mark = {_mark(agent.id): agent for agent in agents}
    values = {row.name: row.value for row in tx.execute(select(Mark.name, Mark.value).where(Mark.name.in_(by_mark)))}
    askers = {value["by"] for value in values.values() if value.get("by")}
    names = {row.id: row.name for row in tx.execute(select(Person.id, Person.name).where(Person.id.in_(askers)))} if askers else {}
    return {agent.id: _in_force(now, agent, values.get(name, {}), names) for name, agent in by_mark.items()}


def sampling_of(tx: Session, now: datetime, agent: Agent) -> Sampling:
    """What is in force for one agent."""
    return samplings_of(tx, now, [agent])[agent.id]


def _in_force(now: datetime, agent: Agent, value: dict[str, Any], names: dict[int, str]) -> Sampling:
    registry = spec_of(agent).reviews.per_day
    if value and value["registry"] == registry and local_day(now, agent.zone) <= value["until"]:
        return Sampling(agent.slug, value["per_day"], registry, value["until"], names.get(value.get("by") or 0, ""))
    return Sampling(agent.slug, registry, registry)


def sample_more(tx: Session, now: datetime, agent: Agent, number: int, *, person_id: int | None, came_from: str = "slack", words: str = "") -> tuple[Sampling, bool]:
    """Ask people to judge so many outputs a day for four weeks; returns what is in force, and False where that stood so already.

    Raises ValueError where there is nothing to ask for. It ends with its last day, by a press, or when the registry's number changes.
    """
    _hold(tx, agent)
    before = sampling_of(tx, now, agent)
    if before.registry == 0:
        raise ValueError(f"people are not asked to judge outputs of {agent.name}: aiops.yml says `reviews: {{per_day: 0}}`, and is changed there")
    if number <= before.registry:
        raise ValueError(f"{number} a day is no more than the {before.registry} that aiops.yml asks for")
    if number > MOST_REVIEWS:
        raise ValueError(f"{number} a day is more than the {MOST_REVIEWS} that people may be asked for")
    if before.until and before.per_day == number:
        return before, False
    until = day_before(local_day(now, agent.zone), -SAMPLED_FOR)
    put_mark(tx, _mark(agent.id), {"per_day": number, "registry": before.registry, "until": until, "by": person_id})
    tx.flush()
    audit.record(tx, now, "reviews.more", f"agent:{agent.slug}", person_id=person_id, came_from=came_from, words=words, evidence={"per_day": number, "before": before.per_day, "registry": before.registry, "until": until})
    return sampling_of(tx, now, agent), True


def sample_as_before(tx: Session, now: datetime, agent: Agent, *, person_id: int | None, came_from: str = "slack", words: str = "") -> bool:
    """The registry's number holds again; False where it held."""
    _hold(tx, agent)
    before = sampling_of(tx, now, agent)
    tx.execute(delete(Mark).where(Mark.name == _mark(agent.id)))
    if not before.until:
        return False
    audit.record(tx, now, "reviews.as_before", f"agent:{agent.slug}", person_id=person_id, came_from=came_from, words=words, evidence={"per_day": before.registry, "before": before.per_day})
    return True


def registry_says(tx: Session, now: datetime, agent: Agent, number: int) -> None:
    """The file in force asks for another number than it did: what somebody asked for ends, also where the file goes back later."""
    value = mark_of(tx, _mark(agent.id))
    if value and value["registry"] != number:
        tx.execute(delete(Mark).where(Mark.name == _mark(agent.id)))
        audit.record(tx, now, "reviews.as_before", f"agent:{agent.slug}", came_from="file", words="the registry's own number was changed", evidence={"per_day": number, "before": value["per_day"]})


def _mark(agent_id: int) -> str:
    return f"reviews:{agent_id}"


def _hold(tx: Session, agent: Agent) -> None:
    """Two people at once: the second sees what the first asked for."""
    tx.execute(select(Agent.id).where(Agent.id == agent.id).with_for_update(key_share=True))


# --- who is asked -------------------------------------------------------------------------------------------------


def reviewers_of(tx: Session, agent_ids: Iterable[int] | None = None) -> dict[int, list[int]]:
    """Per live agent with reviews (of these, else of all), the ids of its reviewers: those it names, else its business and operations owners."""
    ids = None if agent_ids is None else list(agent_ids)
    owners: dict[int, list[int]] = {}
    held = select(AgentOwner.agent_id, AgentOwner.person_id).where(AgentOwner.until.is_(None), AgentOwner.role.in_(OWNERS))
    live = select(Agent.id, Agent.spec["reviews"]).where(Agent.archived_at.is_(None), Agent.paused_at.is_(None))
    if ids is not None:
        held, live = held.where(AgentOwner.agent_id.in_(ids)), live.where(Agent.id.in_(ids))
    for agent_id, person_id in tx.execute(held.order_by(AgentOwner.agent_id, AgentOwner.person_id)):
        owners.setdefault(agent_id, []).append(person_id)
    names = people_named(tx)
    known: dict[str, list[int]] = {}
    found: dict[int, list[int]] = {}
    for agent_id, written in tx.execute(live.order_by(Agent.id)):
        told = written or {}
        if told.get("per_day") == 0:
            continue
        refs = told.get("reviewers") or []
        for ref in refs:
            if ref not in known:
                person, group = find_ref(tx, ref, names), find_group(tx, ref)
                known[ref] = [person.id] if person else [each.id for each in group_people(tx, group)] if group else []
        people = [person_id for ref in refs for person_id in known[ref]] or owners.get(agent_id, [])
        if people:
            found[agent_id] = sorted(set(people))
    return found


def rooms_of(tx: Session, now: datetime, agents: Iterable[Agent]) -> dict[int, Room]:
    """How many outputs of each agent its reviewers can be asked a day, beside what they are asked of other agents."""
    asked_of = {agent.id: agent for agent in agents}
    roll, most = reviewers_of(tx, asked_of), workspace_of(tx).reviews_per_person
    people = sorted({person_id for reviewers in roll.values() for person_id in reviewers})
    since = day_before(local_day(now, "UTC"), LOOKED_BACK)
    load: dict[int, dict[int, int]] = {}
    asked = (Review.person_id.in_(people), Review.local_day >= since)
    days = {row[0]: row[1] for row in tx.execute(select(Review.person_id, func.count(Review.local_day.distinct())).where(*asked).group_by(Review.person_id))}
    for person_id, agent_id, n in tx.execute(select(Review.person_id, Review.agent_id, func.count()).where(*asked).group_by(Review.person_id, Review.agent_id)):
        load.setdefault(person_id, {})[agent_id] = n
    found = {}
    for agent_id, agent in asked_of.items():
        reviewers = roll.get(agent_id, [])
        free = sum(left_for_one(most, [n / days[each] for other, n in load.get(each, {}).items() if other != agent_id]) for each in reviewers)
        twice = spec_of(agent).reviews.twice if len(reviewers) > 1 else 0.0
        found[agent_id] = Room(len(reviewers), most, free / (1 + twice))
    return found


def left_for_one(most: float, others: Iterable[float]) -> float:
    """How much of a reviewer's day one more agent gets, however much it wants: agents are dealt in turn, so none takes what another one wants before having as much."""
    left, waiting = float(most), sorted(others)
    for place, want in enumerate(waiting):
        equal = left / (len(waiting) - place + 1)
        if want >= equal:
            return equal
        left -= want
    return left
