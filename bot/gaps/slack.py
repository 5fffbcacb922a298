"""Presses, forms and words about gaps."""

from __future__ import annotations

import re
from datetime import date, timedelta

import orjson
from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug, find_agents, owners_named
from bot.blocks import Message, escape, mention, when
from bot.calendars import local_day
from bot.gaps import flows, messages
from bot.gaps.reading import all_gaps, gaps_of
from bot.gaps.rules import Share
from bot.people.flows import find_person, require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Tell
from bot.tables import Agent, Gap, Person

GONE = "This is no longer known here. `/aiops gaps` shows what is missing now."
USUAL = timedelta(days=14)


def words_gaps(tx: Session, press: Press) -> Answer:
    """`/aiops gaps [agent]`."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    said = " ".join(press.words)
    if not said:
        return Tell(messages.fleet_message(*all_gaps(tx, press.now)), share=True)
    found = find_agents(tx, said)
    if len(found) != 1:
        names = ", ".join(f"`{agent.slug}`" for agent in found[:10])
        return Tell(Message(f"Which agent? {names}" if found else f"I know no agent called {escape(said[:60])}. `/aiops gaps` tells of all."))
    return Tell(messages.gaps_message(found[0], gaps_of(tx, press.now, found[0])), share=True)


def press_show(tx: Session, press: Press) -> Answer:
    """`Show` on a line about one agent."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    agent = agent_by_slug(tx, press.value.removeprefix("agent:"))
    return Tell(messages.gaps_message(agent, gaps_of(tx, press.now, agent)) if agent is not None else Message(GONE))


def press_assign(tx: Session, press: Press) -> Answer:
    """`Assign` opens its form."""
    about = _about(tx, press)
    if about is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message(GONE))
    agent, key, label = about
    require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.GAPS)
    owner = owners_named(tx, agent).business
    due = date.fromisoformat(local_day(press.now + USUAL, press.actor.zone))
    return Ask(messages.assign_form(agent, key, label, (owner.slack_id or "") if owner else "", due))


def press_assign_gap(tx: Session, press: Press) -> Answer:
    """`Somebody else, or another day` opens the same form."""
    gap = _gap(tx, press)
    if gap is None:
        return Tell(Message(GONE))
    agent, owner = _may(tx, press, gap), tx.get(Person, gap.owner_id)
    zone = owner.zone if owner else "UTC"
    return Ask(messages.assign_form(agent, gap.topic, gap.label, (owner.slack_id or "") if owner else "", date.fromisoformat(local_day(gap.due_at, zone))))


def submit_assign(tx: Session, press: Press) -> Answer:
    """The form behind `Assign`."""
    about = _about(tx, press)
    if about is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message(GONE))
    agent, key, label = about
    open_gap = flows.open_gap(tx, agent, key)
    if open_gap is not None:
        _may(tx, press, open_gap)
    else:
        require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.GAPS)
    owner, day = find_person(tx, str(press.values.get("person") or "")), _day(press.values.get("due"))
    wrong: dict[str, str] = {}
    if owner is None or not owner.active or owner.kind != "member":
        wrong["person"] = "Name a full member of this workspace."
    if day is None or day < date.fromisoformat(local_day(press.now, press.actor.zone)):
        wrong["due"] = "Choose today or a later day."
    if wrong or owner is None or day is None:
        return Mend(wrong)
    gap = flows.assign(tx, press.now, agent, key, label, owner, day, tx.get_one(Person, press.actor.person_id))
    return Tell(messages.assigned(label, agent.name, mention(owner.slack_id, owner.name), when(gap.due_at, messages.DAY)), heading="Given")


def press_supplied(tx: Session, press: Press) -> Answer:
    """`Supplied` asks what was."""
    gap = _gap(tx, press)
    if gap is None:
        return Tell(Message(GONE))
    agent = _may(tx, press, gap)
    if gap.supplied_at is not None:
        return Tell(Message(f"{escape(gap.label)} was supplied {when(gap.supplied_at)} already."))
    return Ask(messages.supplied_form(gap.id, agent.name, gap.label))


def submit_supplied(tx: Session, press: Press) -> Answer:
    """The form behind `Supplied`."""
    gap = _gap(tx, press)
    if gap is None:
        return Tell(Message(GONE))
    _may(tx, press, gap)
    words = str(press.values.get("words") or "").strip()
    if len(words) < 3:
        return Mend({"words": "Say what was supplied, and where it stands."})
    if not flows.supply(tx, press.now, gap, tx.get_one(Person, press.actor.person_id), words):
        return Tell(Message("Somebody was quicker: it is supplied already."), heading="Already there")
    return Tell(messages.supplied(gap.label, Share(gap.before_missing or 0, gap.before_cases or 0)), heading="Thank you")


ACTIONS: dict[str, Handler] = {"gaps.show": press_show, "gaps.assign": press_assign, "gaps.assign_gap": press_assign_gap, "gaps.supplied": press_supplied}
VIEWS: dict[str, Handler] = {"gaps.assign": submit_assign, "gaps.supplied": submit_supplied}
WORDS: dict[str, Handler] = {"gaps": words_gaps, "gap": words_gaps}


def _may(tx: Session, press: Press, gap: Gap) -> Agent:
    """Whoever has it, and those who may give it."""
    agent = tx.get_one(Agent, gap.agent_id)
    roles = roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id)
    require(roles, Act.SEE if gap.owner_id == press.actor.person_id else Act.GAPS)
    return agent


def _gap(tx: Session, press: Press) -> Gap | None:
    matched = re.fullmatch(r"gap:(\d{1,15})", press.value)
    gap = tx.get(Gap, int(matched[1])) if matched else None
    if gap is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
    return gap


def _about(tx: Session, press: Press) -> tuple[Agent, str, str] | None:
    try:
        about = orjson.loads(press.value)
        agent = tx.get(Agent, int(about["agent"]))
        return (agent, str(about["key"])[:80], str(about["label"])[:120]) if agent is not None and about["key"] else None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _day(written: object) -> date | None:
    try:
        return date.fromisoformat(str(written or ""))
    except ValueError:
        return None
