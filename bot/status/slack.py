"""`/aiops status`, `help`, `away`, the answer to unknown words, and the button that shows one agent in depth."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug, find_agents, is_retired
from bot.blocks import Message, clip, context, escape
from bot.handover import slack as handover
from bot.incidents.reading import incident_of_thread
from bot.incidents.run_words import thread_help
from bot.people.flows import require, roles_of
from bot.people.rules import Act, may
from bot.quality.charting import chart_of
from bot.quality.drift import slack as drift
from bot.quality.drift.reading import watched_of
from bot.stages.resting import resting
from bot.status import messages, words
from bot.status.away import away, declared, press_back, press_form
from bot.status.reading import agents_meant, department_meant, depth, fleet, nearest
from bot.status.sprints import sprint
from bot.surface.press import Answer, Handler, Press, Tell
from bot.tables import Agent


def status(tx: Session, press: Press) -> Answer:
    """The fleet, a department, or one agent: whatever the words mean."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    sought = " ".join(press.words).strip()
    if not sought:
        return Tell(_with_resting(tx, messages.fleet(fleet(tx))), share=True)
    agents = agents_meant(tx, sought)
    if len(agents) == 1:
        return Tell(messages.depth(depth(tx, press.now, agents[0], may_sample=_may_sample(tx, press, agents[0]))), share=True)
    department = department_meant(tx, sought)
    if department is not None:
        return Tell(_with_resting(tx, messages.fleet(fleet(tx, department)), department), share=True)
    if agents:
        return Tell(messages.choose(sought, [(agent.name, agent.slug) for agent in agents]))
    return Tell(messages.unknown_agent(sought, nearest(tx, sought)))


def _with_resting(tx: Session, message: Message, department: str | None = None) -> Message:
    """Which agents are stopped or retired, so that nobody takes their silence for health."""
    slugs = None if department is None else tx.scalars(select(Agent.slug).where(Agent.department == department, Agent.archived_at.is_(None))).all()
    rows = resting(tx, slugs)
    if not rows:
        return message
    told = "; ".join(f"`{slug}` {escape(words)}" for slug, words in list(rows.items())[:8]) + (f"; and {len(rows) - 8} more" if len(rows) > 8 else "")
    line = f"At rest, and so are their checks: {told}."
    return Message(f"{message.text}\n{line}", [*message.blocks[:49], context(clip(line, 1900))])


def look_closer(tx: Session, press: Press) -> Answer:
    """The button beside an agent."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    agent = agent_by_slug(tx, press.value.removeprefix("agent:"))
    if agent is None:
        return Tell(messages.gone())
    return Tell(messages.depth(depth(tx, press.now, agent, may_sample=_may_sample(tx, press, agent))), share=True)


def _may_sample(tx: Session, press: Press, agent: Agent) -> bool:
    return may(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.SAMPLE) and not is_retired(tx, agent)


def agent(tx: Session, press: Press) -> Answer:
    """`/aiops agent`: what the registry knows of one, and how its quality goes; `agent <name> baseline` what it is compared with."""
    if len(press.words) > 1 and press.words[-1].lower() == "baseline":
        return drift.baseline(tx, replace(press, words=press.words[:-1]))
    answer = handover.agent(tx, press)
    found = find_agents(tx, " ".join(press.words)) if press.words and isinstance(answer, Tell) and answer.share else []
    if len(found) != 1 or not isinstance(answer, Tell):
        return answer
    said, chart = answer.message, chart_of(tx, press.now, found[0])
    if not is_retired(tx, found[0]):
        said = messages.with_sampling(said, watched_of(tx, press.now, found)[found[0].id], may_sample=_may_sample(tx, press, found[0]))
    return replace(answer, message=messages.with_chart(said, chart) if chart is not None else said)


def help_(tx: Session, press: Press) -> Answer:
    """What the bot understands."""
    return Tell(words.help_message())


def unknown(tx: Session, press: Press) -> Answer:
    """Words that nobody claims: a helpful answer; nothing at all after `/aiops` or a mention is a call for help. In an incident's thread, its own words."""
    incident = incident_of_thread(tx, press.channel, press.thread_ts)
    if incident is not None:
        return Tell(thread_help(incident.id, press.name))
    return Tell(words.help_message(press.name))


ACTIONS: dict[str, Handler] = {"status.agent": look_closer, "status.away": press_form, "status.back": press_back}
VIEWS: dict[str, Handler] = {"status.away": declared}
WORDS: dict[str, Handler] = {"status": status, "sprint": sprint, "agent": agent, "help": help_, "away": away, "": unknown}
