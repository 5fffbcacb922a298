"""Slack's edge of hand-overs: `/aiops agent hand-over`, its form and buttons; and the word `agent` with all that follows it."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy.orm import Session

from bot.agents import slack as agents_slack
from bot.agents.messages import travels_with
from bot.agents.names import ROLE_WORDS, ROLES
from bot.agents.owners import find_named, naming_of
from bot.agents.reading import agent_by_slug, agents_of, find_agents, is_retired
from bot.agents.telling import which
from bot.blocks import Message, escape
from bot.clock import Ids
from bot.handover import flows, forms, retiring_slack, telling
from bot.handover.knowledge import knowledge_of
from bot.handover.telling import Yours
from bot.people.flows import SLACK_USER, Refused, find_person, owners_of, require, roles_of
from bot.people.rules import Act, may
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Tell
from bot.tables import Agent, Handover, Person

NOTE = 1000
_PERSON = re.compile(r"^(<@[UW][A-Z0-9]+(\|[^>]*)?>|@?[UW][A-Z0-9]{2,}|<mailto:[^>]+>|[^\s@]+@[^\s@]+\.[^\s@]+)$")
Word = Callable[[Session, Press, tuple[str, ...]], Answer]


# --- /aiops agent ----------------------------------------------------------------------------------------------------


def agent(tx: Session, press: Press) -> Answer:
    """`agent hand-over | take-back | retire | bring-back ...`; everything else is the registry's own."""
    said = tuple(press.words)
    for verb, handler in VERBS.items():
        parts = verb.split()
        if tuple(word.lower() for word in said[: len(parts)]) == tuple(parts) and not _is_agent(tx, " ".join(said)):
            require(roles_of(tx, press.actor, None), Act.SEE)
            return handler(tx, press, said[len(parts) :])
    return agents_slack.agent(tx, press)


def _is_agent(tx: Session, words: str) -> bool:
    """Whether somebody called an agent just so: then that agent is meant."""
    return any(words.lower() in (found.slug, found.name.lower()) for found in find_agents(tx, words))


def words_hand_over(tx: Session, press: Press, said: tuple[str, ...]) -> Answer:
    """`agent hand-over [agent] [role] [to] [@person] [a word to them]`."""
    at = next((place for place, word in enumerate(said) if _PERSON.match(word.strip(",.;"))), None)
    before = list(said if at is None else said[:at])
    if before and before[-1].lower() == "to":
        before.pop()
    role = _role_of(before)
    if not before:
        return _mine(tx, press) if at is None else Tell(Message("Of which agent? For example `/aiops agent hand-over support-triage operations to @lea`."))
    found, refusal = _one(tx, before)
    if found is None:
        return refusal
    require(roles_of(tx, press.actor, found.id), Act.NAME_OWNER)
    if is_retired(tx, found):
        raise Refused(f"{escape(found.name)} is retired: nobody needs to answer for it any more.")
    if at is None:
        return _form(tx, press, f"{found.slug}:{role or ''}")
    mine = [each for each, row in owners_of(tx, found.id).items() if row.person_id == press.actor.person_id]
    if role is None and len(mine) != 1:
        held = ", ".join(f"`{each}`" for each in owners_of(tx, found.id))
        return Tell(Message(f"Which role of {escape(found.name)}: {held}? For example `/aiops agent hand-over {found.slug} operations to {said[at]}`."))
    role = role or mine[0]
    ref = _ref(said[at])
    wrong = flows.why_not(tx, found, role, ref, press.actor)
    if wrong is not None:
        return Tell(Message(escape(wrong)))
    return _started(tx, press, found, role, ref, " ".join(said[at + 1 :]))


def words_take_back(tx: Session, press: Press, said: tuple[str, ...]) -> Answer:
    """`agent take-back <agent> [role]`."""
    words = list(said)
    role = _role_of(words)
    found, refusal = _one(tx, words)
    if found is None:
        return refusal
    rows = [row for row in flows.open_handovers(tx, found) if role is None or row.role == role]
    if not rows:
        return Tell(Message(f"No role of {escape(found.name)} is on its way to somebody else: there is nothing to take back."))
    if len(rows) > 1:
        return Tell(Message(f"Several roles of {escape(found.name)} are on their way: say `/aiops agent take-back {found.slug} {rows[0].role}`, or {', '.join(f'`{row.role}`' for row in rows[1:])}."))
    return _taken_back(tx, press, rows[0])


def _one(tx: Session, words: list[str]) -> tuple[Agent | None, Answer]:
    """The one agent that is meant, or the answer that says why not."""
    named = " ".join(words)
    if not named:
        return None, Tell(Message("Of which agent? For example `/aiops agent take-back support-triage`."))
    found = find_agents(tx, named)
    if len(found) == 1:
        return found[0], Tell(Message(""))
    return None, Tell(which(named, [(each.name, each.slug) for each in found]))


def _role_of(words: list[str]) -> str | None:
    """The role at the end of what was said, which is taken off."""
    for size in (2, 1):
        tail = " ".join(words[-size:]).lower()
        role = next((each for each in ROLES if tail in (each, ROLE_WORDS[each])), None)
        if role is not None and len(words) > size:  # what is left names the agent
            del words[-size:]
            return role
    return None


def _ref(word: str) -> str:
    word = word.strip(",.;")
    mail = re.match(r"^<mailto:([^|>]+)", word)
    person = SLACK_USER.match(word)
    return mail.group(1) if mail else person.group(1) if person else word


# --- the form -----------------------------------------------------------------------------------------------------------


def ask(tx: Session, press: Press) -> Answer:
    """`Hand over` beside an agent."""
    return _form(tx, press, press.value)


def pick(tx: Session, press: Press) -> Answer:
    """`Hand over` where somebody sees all their agents."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    rows = _held(tx, press)
    return Ask(forms.hand_over(rows, "", "")) if rows else Tell(telling.yours(()))


def _form(tx: Session, press: Press, value: str) -> Answer:
    slug, _, role = value.partition(":")
    found = _agent(tx, press, slug)
    held = owners_of(tx, found.id)
    rows = [Yours(found.name, found.slug, each, tx.get_one(Person, held[each].person_id).name) for each in ROLES if each in held]
    mine = next((each for each in ROLES if each in held and held[each].person_id == press.actor.person_id), rows[0].role)
    chosen = role if role in held else mine
    if press.came_from == "mention":
        return Tell(telling.press_here(found.name, f"{found.slug}:{chosen}", "Hand over", "handover.ask", style="primary"))
    known = knowledge_of(tx, press.now, found, chosen, held[chosen].person_id)
    return Ask(forms.hand_over(rows, f"{found.slug}:{chosen}", telling.brief(known)))


def asked(tx: Session, press: Press) -> Answer:
    """The submitted form."""
    slug, _, role = str(press.values.get("role") or "").partition(":")
    found = _agent(tx, press, slug)
    ref = str(press.values.get("person") or "")
    if role not in owners_of(tx, found.id):
        return Mend({"role": "Choose what you hand over."})
    wrong = flows.why_not(tx, found, role, ref, press.actor) if ref else "Choose a person."
    if wrong is not None:
        return Mend({"person": wrong})
    return _started(tx, press, found, role, ref, str(press.values.get("note") or ""))


def _started(tx: Session, press: Press, found: Agent, role: str, ref: str, note: str) -> Answer:
    person = find_person(tx, ref)
    assert person is not None
    also = [each for each, row in owners_of(tx, found.id).items() if row.person_id == person.id]
    row = flows.start(tx, press.now, press.actor, found, role, person, " ".join(note.replace("\0", "").split())[:NOTE])
    if row is None:
        return Tell(Message(f"{escape(person.name)} is asked already to take over as {ROLE_WORDS[role]} of {escape(found.name)}. Nothing changed."))
    return Tell(telling.started(flows.giving_of(tx, row), also), heading="Asked")


def _mine(tx: Session, press: Press) -> Answer:
    return Tell(telling.yours(_held(tx, press)))


def _held(tx: Session, press: Press) -> list[Yours]:
    found = []
    for agent_id, roles in agents_of(tx, press.actor.person_id).items():
        held = tx.get_one(Agent, agent_id)
        if not is_retired(tx, held):
            found += [Yours(held.name, held.slug, role, "you") for role in roles]
    return sorted(found, key=lambda each: (each.agent, ROLES.index(each.role)))


def _agent(tx: Session, press: Press, slug: str) -> Agent:
    found = agent_by_slug(tx, slug)
    if found is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This agent is no longer in the registry. `/aiops status` shows those that are.")
    require(roles_of(tx, press.actor, found.id), Act.NAME_OWNER)
    if is_retired(tx, found):
        raise Refused(f"{escape(found.name)} is retired: nobody needs to answer for it any more.")
    return found


# --- buttons --------------------------------------------------------------------------------------------------------------


def press_take_back(tx: Session, press: Press) -> Answer:
    """`Take back`."""
    row = find_named(tx, press.value)
    if not isinstance(row, Handover):
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This is from an older message and no longer stands. `/aiops agent` shows how it is now.")
    return _taken_back(tx, press, row)


def _taken_back(tx: Session, press: Press, row: Handover) -> Answer:
    name, found = tx.get_one(Person, row.person_id).name, tx.get_one(Agent, row.agent_id)
    if flows.take_back(tx, press.now, press.actor, row):
        return Tell(Message(f"Taken back: {escape(name)} is no longer asked to be {ROLE_WORDS[row.role]} of {escape(found.name)}, and who has the role keeps it."))
    return Tell(Message(f"There is nothing to take back any more: {'it was accepted' if row.how == 'accepted' else 'it is settled already'}. `/aiops agent {found.slug}` shows who has the role."))


def travels(tx: Session, press: Press) -> Answer:
    """`What comes with it`: for the one who is asked, and for those who may hand over."""
    row = find_named(tx, press.value)
    if not isinstance(row, Handover):
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This is from an older message and no longer stands. `/aiops agent` shows how it is now.")
    roles = roles_of(tx, press.actor, row.agent_id)
    if row.person_id != press.actor.person_id or not may(roles, Act.SEE):
        require(roles, Act.NAME_OWNER)
    return Tell(travels_with(naming_of(tx, row)))


VERBS: dict[str, Word] = {
    "hand-over": words_hand_over,
    "handover": words_hand_over,
    "hand over": words_hand_over,
    "take-back": words_take_back,
    "take back": words_take_back,
    "retire": retiring_slack.words_retire,
    "bring-back": retiring_slack.words_bring_back,
    "bring back": retiring_slack.words_bring_back,
}
# `agent` is one of the words of the status room, which puts the chart beside it.
ACTIONS: dict[str, Handler] = {
    "handover.ask": ask,
    "handover.pick": pick,
    "handover.take_back": press_take_back,
    "handover.travels": travels,
    **retiring_slack.ACTIONS,
}
VIEWS: dict[str, Handler] = {"handover.ask": asked, **retiring_slack.VIEWS}


def views(ids: Ids, base_url: str) -> dict[str, Handler]:
    """The form that brings an agent back needs to make a token and to say where to send events."""
    return {"handover.bring_back": retiring_slack.bringer(ids, base_url)}
