"""Slack's edge of baselines: `/aiops baseline <agent>`, and the decisions under it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug, agents_of, find_agents, is_retired
from bot.agents.sampling import rooms_of, sample_as_before, sample_more, sampling_of
from bot.agents.telling import which
from bot.people.flows import Refused, require, roles_of
from bot.people.rules import Act, may
from bot.quality.baselines import SOURCES
from bot.quality.drift import messages, rebasing
from bot.quality.drift.reading import watched_of
from bot.surface.press import Answer, Handler, Press, Tell
from bot.tables import Agent


def baseline(tx: Session, press: Press) -> Answer:
    """How an agent's quality is watched against its baseline, with what may be decided; without a name the reader's own one."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    words = " ".join(press.words)
    found = find_agents(tx, words) if words else _mine(tx, press.actor.person_id)
    if len(found) != 1:
        names = [(each.name, each.slug) for each in found]
        return Tell(which(words, names) if words else messages.which_one(names))
    may_decide = may(roles_of(tx, press.actor, found[0].id, channel_id=found[0].channel_id), Act.REBASELINE)
    return Tell(messages.shown(watched_of(tx, press.now, found)[found[0].id], press.now, may_decide=may_decide), share=not may_decide)


def _mine(tx: Session, person_id: int) -> list[Agent]:
    return list(tx.scalars(select(Agent).where(Agent.id.in_(agents_of(tx, person_id)), Agent.archived_at.is_(None)).order_by(Agent.name)))


def known(tx: Session, press: Press) -> Answer:
    """`It is known`."""
    agent, source = _meant(tx, press)
    done = rebasing.call_known(tx, press.now, agent, source, person_id=press.actor.person_id)
    return Tell(messages.known(agent.name, source) if done else messages.nothing_open(agent.name, source))


def rebase(tx: Session, press: Press) -> Answer:
    """`New baseline`."""
    agent, source = _meant(tx, press)
    first, judged = rebasing.rebase(tx, press.now, agent, source, person_id=press.actor.person_id)
    return Tell(messages.rebased(agent.name, source, first, judged))


def sample(tx: Session, press: Press) -> Answer:
    """`Sample 12 a day`."""
    slug, _, number = press.value.partition(":")
    agent = _sampled(tx, press, slug)
    try:
        _, new = sample_more(tx, press.now, agent, int(number) if number.isdigit() else 0, person_id=press.actor.person_id)
    except ValueError as error:
        raise Refused(f"{str(error)[:1].upper()}{str(error)[1:]}. Nothing was changed.") from error
    return Tell(messages.sampled(agent.name, watched_of(tx, press.now, [agent])[agent.id], rooms_of(tx, press.now, [agent])[agent.id], new=new))


def sample_back(tx: Session, press: Press) -> Answer:
    """`Back to 5 a day`."""
    agent = _sampled(tx, press, press.value)
    ended = sample_as_before(tx, press.now, agent, person_id=press.actor.person_id)
    return Tell(messages.sampled_as_before(agent.name, sampling_of(tx, press.now, agent).registry, ended=ended))


def _sampled(tx: Session, press: Press, slug: str) -> Agent:
    agent = agent_by_slug(tx, slug)
    if agent is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This agent is no longer in the registry. Nothing was changed.")
    require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.SAMPLE)
    if is_retired(tx, agent):
        raise Refused("This agent is retired: no outputs of it are drawn for review. Nothing was changed.")
    return agent


def _meant(tx: Session, press: Press) -> tuple[Agent, str]:
    slug, _, source = press.value.partition(":")
    agent = agent_by_slug(tx, slug)
    if agent is None or source not in SOURCES:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This agent is no longer in the registry. Nothing was changed.")
    require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.REBASELINE)
    return agent, source


ACTIONS: dict[str, Handler] = {"drift.known": known, "drift.rebase": rebase, "drift.sample": sample, "drift.sample_back": sample_back}
WORDS: dict[str, Handler] = {"baseline": baseline}
