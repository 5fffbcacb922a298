"""`aiops baseline`: the same look and the same decisions as in Slack, on the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from html import unescape
from typing import Any

from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug, is_retired
from bot.agents.sampling import rooms_of, sample_as_before, sample_more, sampling_of
from bot.people.flows import actor_of, find_person, require, roles_of
from bot.people.rules import Act
from bot.quality.baselines import SOURCES
from bot.quality.drift import messages, rebasing
from bot.quality.drift.reading import watched_of
from bot.tables import Agent, Person

Line = dict[str, Any]
WRONG_INPUT = 2


def look(tx: Session, now: datetime, slug: str) -> Line:
    """How an agent's quality is watched."""
    agent = agent_by_slug(tx, slug)
    if agent is None:
        return _wrong(f"There is no agent {slug!r}: `aiops status` lists them.")
    watched = watched_of(tx, now, [agent])[agent.id]
    return {"text": "\n".join([f"Baseline and drift of {agent.name}", *(f"    {line}" for line in messages.state_lines(watched, now))]), "json": asdict(watched)}


def decide(tx: Session, now: datetime, args: dict[str, Any]) -> Line:
    """Measure a baseline anew, or call a drift known; raises Refused for who may not."""
    slug, new, known = str(args["agent"]), args.get("new"), args.get("known")
    agent, source = agent_by_slug(tx, slug), str(new or known)
    if agent is None:
        return _wrong(f"There is no agent {slug!r}: `aiops status` lists them.")
    if new and known:
        return _wrong("Write either --new or --known: a new baseline ends the drift by itself.")
    if source not in SOURCES:
        return _wrong(f"{source!r} is no source of judgements: write people, evaluations or outcomes.")
    ref = str(args.get("person") or "")
    person = find_person(tx, ref) if ref else None
    if person is None:
        return _nobody(ref)
    require(roles_of(tx, actor_of(person), agent.id, channel_id=agent.channel_id), Act.REBASELINE)
    return _call_known(tx, now, agent, source, person, args) if known else _rebase(tx, now, agent, source, person, args)


def sample(tx: Session, now: datetime, args: dict[str, Any]) -> Line:
    """Ask people to judge so many outputs a day for four weeks; 0 for as many as the registry says. Raises Refused for who may not."""
    slug, number, ref = str(args["agent"]), int(args["sample"]), str(args.get("person") or "")
    agent = agent_by_slug(tx, slug)
    if agent is None:
        return _wrong(f"There is no agent {slug!r}: `aiops status` lists them.")
    if args.get("new") or args.get("known"):
        return _wrong("Write --sample by itself: it is a decision of its own.")
    person = find_person(tx, ref) if ref else None
    if person is None:
        return _nobody(ref)
    require(roles_of(tx, actor_of(person), agent.id, channel_id=agent.channel_id), Act.SAMPLE)
    if is_retired(tx, agent):
        return _wrong(f"{agent.name} is retired: no outputs of it are drawn for review.")
    why = str(args.get("why") or "")
    if number == 0:
        ended = sample_as_before(tx, now, agent, person_id=person.id, came_from="cli", words=why)
        return {"text": unescape(messages.sampled_as_before(agent.name, sampling_of(tx, now, agent).registry, ended=ended).text)}
    try:
        _, new = sample_more(tx, now, agent, number, person_id=person.id, came_from="cli", words=why)
    except ValueError as error:
        return _wrong(f"{str(error)[:1].upper()}{str(error)[1:]}. Nothing was changed.")
    return {"text": unescape(messages.sampled(agent.name, watched_of(tx, now, [agent])[agent.id], rooms_of(tx, now, [agent])[agent.id], new=new).text)}


def _call_known(tx: Session, now: datetime, agent: Agent, source: str, person: Person, args: dict[str, Any]) -> Line:
    done = rebasing.call_known(tx, now, agent, source, person_id=person.id, came_from="cli", words=str(args.get("why") or ""))
    return {"text": messages.known(agent.name, source).text} if done else _wrong(messages.nothing_open(agent.name, source).text)


def _rebase(tx: Session, now: datetime, agent: Agent, source: str, person: Person, args: dict[str, Any]) -> Line:
    first = str(args["first"]) if args.get("first") else None
    try:
        first = date.fromisoformat(first).isoformat() if first else rebasing.first_day_of(tx, now, agent, source)
    except ValueError:
        return _wrong(f"{first!r} is no day: write it as 2026-11-12.")
    if not args.get("yes"):
        return _wrong(f"This would measure the baseline of {agent.name} by {source} anew from {first} on, and compare with it from then on. Say so with --yes.")
    try:
        first, judged = rebasing.rebase(tx, now, agent, source, person_id=person.id, first_day=first, came_from="cli", words=str(args.get("why") or ""))
    except ValueError as error:
        return _wrong(f"{error}.")
    return {"text": messages.rebased(agent.name, source, first, judged).text}


def _nobody(ref: str) -> Line:
    return _wrong(f"Nobody is known as {ref!r}: write --as with a Slack id or an e-mail address." if ref else "This is a decision: say whose it is with --as and a Slack id or an e-mail address.")


def _wrong(words: str) -> Line:
    return {"error": words, "exit": WRONG_INPUT}
