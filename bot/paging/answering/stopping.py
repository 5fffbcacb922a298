"""`Human review` and `Stop agent` on a page: they order a stage, and the page shows who did and when."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from bot.blocks import Message, clip, escape
from bot.paging import showing
from bot.paging.answering.menu import allowed
from bot.paging.flows import acknowledge
from bot.paging.reading import named, open_pages, problems_of
from bot.paging.scope import agents_on, roles_on
from bot.paging.viewing import page_view
from bot.paging.words import forms
from bot.paging.words.phrases import listed
from bot.people.flows import require
from bot.people.rules import Act, may
from bot.quality.flows import mark_dirty
from bot.stages import orders
from bot.stages.flows import lower_stage, stage_of
from bot.stages.messages import standing as order_words
from bot.stages.rules import lowers
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Page, Person

_ALREADY = {
    "assisted": "It is under human review already: a person looks at every output before it counts.",
    "shadow": "It works in shadow: nothing it makes is used, so there is nothing to hold back.",
    "suspended": "It was stopped already, and is to do nothing until somebody starts it again.",
    "retired": "It is retired: it does nothing any more.",
}


def press_review(tx: Session, press: Press) -> Answer:
    """`Human review`, once they have confirmed; where the page is about several agents it asks which."""
    page, _ = allowed(tx, press, Act.HUMAN_REVIEW)
    agents = agents_on(tx, page)
    if len(agents) > 1:
        return _ask_which(tx, press, page, agents, "assisted")
    title = next((problem.title for problem in problems_of(tx, page.id)), "")
    return _order(tx, press, page, agents, "assisted", f"page {page.id}" + (f", {title}." if title else "."))


def ask_stop(tx: Session, press: Press) -> Answer:
    """`Stop agent` asks first, and why; where the page is about several agents also which."""
    page, _ = allowed(tx, press, Act.STOP_AGENT)
    agents = agents_on(tx, page)
    if len(agents) > 1:
        return _ask_which(tx, press, page, agents, "suspended")
    stage = stage_of(tx, page.agent_id).stage
    if stage in ("suspended", "retired"):
        return _already(tx, agents[0])
    return Ask(forms.stop_form(page_view(tx, page)))


def reviewed(tx: Session, press: Press) -> Answer:
    """The submitted form of `Human review`: which agent."""
    page, _ = allowed(tx, press, Act.HUMAN_REVIEW)
    chosen = _chosen(tx, press, page, Act.HUMAN_REVIEW)
    if not chosen:
        return Mend({"agent": "Choose an agent of this page."})
    return _order(tx, press, page, chosen, "assisted", f"page {page.id}.")


def stopped(tx: Session, press: Press) -> Answer:
    """The submitted form of `Stop agent`."""
    page, _ = allowed(tx, press, Act.STOP_AGENT)
    reason = " ".join(str(press.values.get("reason") or "").replace("\0", "").split())[:500]
    if not reason:
        return Mend({"reason": "Say in a few words why."})
    chosen = _chosen(tx, press, page, Act.STOP_AGENT)
    if not chosen:
        return Mend({"agent": "Choose an agent of this page."})
    return _order(tx, press, page, chosen, "suspended", reason)


def _ask_which(tx: Session, press: Press, page: Page, agents: Sequence[Agent], stage: str) -> Answer:
    """The form with those agents of the page that may do more than that, and that this person may hold back."""
    act = Act.STOP_AGENT if stage == "suspended" else Act.HUMAN_REVIEW
    able = [agent for agent in agents if lowers(stage_of(tx, agent.id).stage, stage) and may(roles_on(tx, page, agent, press.actor), act)]
    if not able:
        return Tell(Message("There is no agent on this page that you could stop: each is stopped already." if stage == "suspended" else "Each agent on this page is under human review already, or does even less."))
    return Ask(forms.which_form(page_view(tx, page), [(agent.id, agent.name) for agent in able], stage))


def _chosen(tx: Session, press: Press, page: Page, act: Act) -> list[Agent]:
    """The agents chosen in the form, all of the page or one of it; raises Refused where they may not. The one agent where the page has only one."""
    agents = agents_on(tx, page)
    wanted = str(press.values.get("agent") or "")
    if len(agents) > 1:
        agents = [agent for agent in agents if wanted in ("all", str(agent.id))]
    for agent in agents:
        require(roles_on(tx, page, agent, press.actor), act)
    return agents


def _order(tx: Session, press: Press, page: Page, agents: Sequence[Agent], stage: str, reason: str) -> Answer:
    person = tx.get_one(Person, press.actor.person_id)
    if stage == "suspended":
        # First the page, then the stage: the order in which everybody takes their locks. Who stops an agent is on it.
        acknowledge(tx, press.now, page.id, person.id)
    lowered = [agent for agent in sorted(agents, key=lambda each: each.id) if lower_stage(tx, press.now, agent, stage, person, reason)]
    if not lowered:
        return _already(tx, agents[0])
    names = [escape(clip(agent.name, 60)) for agent in lowered]
    whom = f"{listed(names, len(names))}" if len(agents_on(tx, page)) > 1 else "the agent"
    what = f"stopped {whom}" if stage == "suspended" else f"ordered human review{'' if whom == 'the agent' else f' of {whom}'}"
    for each in open_pages(tx, [agent.id for agent in lowered]):
        showing.add_line(tx, press.now, each, f"stage:{stage}:{lowered[0].id}:{int(press.now.timestamp())}", Message(f"{named(person)} {what}."))
        showing.show_page(tx, press.now, each)
    mark_dirty(tx, press.now, [agent.id for agent in lowered])
    return Quiet()


def _already(tx: Session, agent: Agent) -> Answer:
    """There is nothing more to order; how far the order has come that stands."""
    order = orders.order_in_force(tx, agent.id)
    standing = f" {order_words(orders.view_of(tx, agent, order))}" if order is not None else ""
    return Tell(Message(_ALREADY[stage_of(tx, agent.id).stage] + standing))


ACTIONS: dict[str, Handler] = {"paging.review": press_review, "paging.stop": ask_stop}
VIEWS: dict[str, Handler] = {"paging.stop": stopped, "paging.review": reviewed}
