"""Presses and words about pages: who may is asked here, what happens is in flows."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlalchemy.orm import Session

from bot.agents.reading import find_agents
from bot.blocks import Message, clip, escape
from bot.paging import messages
from bot.paging.answering import menu, stopping, typed
from bot.paging.flows import Answered, acknowledge, send_test_page, told
from bot.paging.noise.stats import stats, stats_message
from bot.paging.reading import open_pages
from bot.paging.rules import routes_of as ways_of
from bot.paging.scope import require_on
from bot.paging.trying.flows import heard, start_test
from bot.paging.trying.messages import ROUTES
from bot.paging.viewing import page_view
from bot.paging.waking import heard_quiet_hours
from bot.paging.words.phrases import listed
from bot.people.flows import require, roles_of
from bot.people.rules import Act, Role
from bot.surface.press import Answer, Handler, Press, Quiet, Tell
from bot.tables import Agent, Page, Person, RouteTest


def press_acknowledge(tx: Session, press: Press) -> Answer:
    """`Acknowledge`, in the DM of somebody called or, for owners, in the channel."""
    return _answer_page(tx, press, Act.ACKNOWLEDGE, took=False)


def press_take(tx: Session, press: Press) -> Answer:
    """`I'll take it`, in the channel."""
    return _answer_page(tx, press, Act.TAKE, took=True)


def _answer_page(tx: Session, press: Press, act: Act, *, took: bool) -> Answer:
    page = _page(tx, press.value)
    if page is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message(menu.STALE))
    require_on(tx, page, press.actor, act)
    answered = acknowledge(tx, press.now, page.id, press.actor.person_id, took=took)
    if answered is Answered.DONE and press.came_from == "button":
        return Quiet()  # every place shows it
    return Tell(Message(told(tx, page, answered, press.actor.person_id)))


def press_test(tx: Session, press: Press) -> Answer:
    """`Test page`: a page to the one who pressed, and to nobody else."""
    agent = _agent(tx, press.value)
    if agent is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message("This agent is no longer known here."))
    return _send_test(tx, press, agent)


def _send_test(tx: Session, press: Press, agent: Agent) -> Answer:
    require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.TEST_PAGE)
    send_test_page(tx, press.now, agent, tx.get_one(Person, press.actor.person_id))
    return Tell(Message(f"A test page about {escape(agent.name)} is on its way to you, and only to you. Press `Acknowledge` on it, and I tell you how long it took."))


def _try_routes(tx: Session, press: Press) -> Answer:
    require(roles_of(tx, press.actor, None), Act.TRY_ROUTES)
    person = tx.get_one(Person, press.actor.person_id)
    start_test(tx, press.now, person)
    ways = [ROUTES[route] for route in ways_of(person.slack_id, person.wake, person.addresses)]
    return Tell(Message(f"I am calling you now by {listed(ways, len(ways)) or 'nothing: you have no route'}. My direct message shows how each did, and is edited as answers come in."))


def press_heard(tx: Session, press: Press) -> Answer:
    """`It reached me`, on a test call in Slack."""
    require(roles_of(tx, press.actor, None), Act.TRY_ROUTES)
    number = press.value.removeprefix("routetest:")
    test = tx.get(RouteTest, int(number)) if number.isdigit() and len(number) < 16 else None
    if test is None or test.person_id != press.actor.person_id:
        return Tell(Message("This test is somebody else's, or no longer known here. `/aiops page test` starts one of your own."))
    heard(tx, press.now, test, "slack")
    return Quiet()


def words_page(tx: Session, press: Press) -> Answer:
    """`/aiops page`, `page ack|snooze|resolve|escalate <number>`, `page test <agent>`."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    verb = press.words[0].lower() if press.words else ""
    rest = press.words[1:]
    verb = "ack" if verb == "acknowledge" else verb
    if verb == "ack" or verb in typed.ACTS:
        return _answer_in_words(tx, press, verb, rest)
    if verb == "test" and not rest:
        return _try_routes(tx, press)
    if verb == "test":
        found = find_agents(tx, " ".join(rest))
        if len(found) != 1:
            names = ", ".join(f"`{agent.slug}`" for agent in found[:10])
            return Tell(Message(f"Which agent? {names}" if found else "Name an agent: `/aiops page test support-triage`."))
        return _send_test(tx, press, found[0])
    if verb in ("stats", "statistics"):
        return _stats(tx, press, " ".join(rest))
    if verb and verb != "list":
        return Tell(Message("I know `/aiops page` (the open ones), `/aiops page ack|snooze|escalate|resolve <number>`, `/aiops page test` (calls you by each of your routes), `/aiops page test <agent>` and `/aiops page stats` (how often, how fast, how much noise)."))
    return Tell(messages.open_pages_list([page_view(tx, page) for page in open_pages(tx)]), share=True)


def _answer_in_words(tx: Session, press: Press, verb: str, rest: tuple[str, ...]) -> Answer:
    """What the buttons of a page do, by its number: for a message that is out of reach or broken."""
    page = _page(tx, f"page:{rest[0].lstrip('#')}") if rest else None
    if page is None:
        return Tell(Message(f"There is no page {escape(clip(rest[0], 60))}. `/aiops page` lists the open ones." if rest else f"Which page? Write its number: `/aiops page {verb} 12`. `/aiops page` lists the open ones."))
    if verb == "ack":
        require_on(tx, page, press.actor, Act.ACKNOWLEDGE)
        return Tell(Message(told(tx, page, acknowledge(tx, press.now, page.id, press.actor.person_id), press.actor.person_id)))
    asked = replace(press, value=f"page:{page.id}")
    if verb == "snooze" and not rest[1:]:
        return menu.ask_snooze(tx, asked)
    menu.require_act(tx, page, press.actor, typed.ACTS[verb])
    try:
        return Tell(Message(typed.say(tx, press.now, page, press.actor, verb, " ".join(rest[1:]), came_from="slack")))
    except typed.StillFails:
        return menu.press_resolve(tx, asked)
    except typed.Unclear as error:
        return Tell(Message(str(error)))


def _stats(tx: Session, press: Press, words: str) -> Answer:
    """Of single people leads see every line, others only their own: whom pages woke is for those who arrange the work."""
    found = find_agents(tx, words)
    if words and len(found) != 1:
        names = ", ".join(f"`{agent.slug}`" for agent in found[:10])
        return Tell(Message(f"Which agent? {names}" if found else f"I know no agent called {escape(words[:60])}. `/aiops page stats` tells of all."))
    chosen = found[0] if words else None
    lead = Role.LEAD in roles_of(tx, press.actor, None)
    told = stats(tx, press.now, [chosen.id] if chosen else None)
    sees = None if lead else frozenset({press.actor.person_id})
    return Tell(stats_message(told, about=chosen.name if chosen else "", sees=sees, one_agent=chosen is not None))


def _page(tx: Session, value: str) -> Page | None:
    matched = re.fullmatch(r"page:(\d{1,15})", value)
    return tx.get(Page, int(matched[1])) if matched else None


def _agent(tx: Session, value: str) -> Agent | None:
    """The live agent behind `agent:<id or slug>`."""
    named = value.removeprefix("agent:")
    if named.isdigit():
        agent = tx.get(Agent, int(named))
        return agent if agent is not None and agent.archived_at is None else None
    return next((agent for agent in find_agents(tx, named) if agent.slug == named), None)


ACTIONS: dict[str, Handler] = {
    "paging.acknowledge": press_acknowledge,
    "paging.take": press_take,
    "paging.test": press_test,
    "paging.heard": press_heard,
    **menu.ACTIONS,
    **stopping.ACTIONS,
}
VIEWS: dict[str, Handler] = {**menu.VIEWS, **stopping.VIEWS}
WORDS: dict[str, Handler] = {"page": words_page, "pages": words_page}
EVENTS = {"dnd_updated_user": heard_quiet_hours}
