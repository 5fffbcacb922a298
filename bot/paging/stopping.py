"""`Human review` and `Stop agent` on a page: they order a stage, and the page shows who did and when."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.paging import forms, showing
from bot.paging.flows import acknowledge
from bot.paging.menu import allowed
from bot.paging.reading import named, page_view, problems_of
from bot.people.rules import Act
from bot.quality.flows import mark_dirty
from bot.stages.flows import lower_stage, stage_of
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Page, Person

_ALREADY = {
    "assisted": "It is under human review already: a person looks at every output before it counts.",
    "shadow": "It works in shadow: nothing it makes is used, so there is nothing to hold back.",
    "suspended": "It is stopped already, and does nothing until somebody starts it again.",
    "retired": "It is retired: it does nothing any more.",
}


def press_review(tx: Session, press: Press) -> Answer:
    """`Human review`, once they have confirmed."""
    page, _ = allowed(tx, press, Act.HUMAN_REVIEW)
    title = next((problem.title for problem in problems_of(tx, page.id)), "")
    return _order(tx, press, page, "assisted", f"page {page.id}" + (f", {title}." if title else "."))


def ask_stop(tx: Session, press: Press) -> Answer:
    """`Stop agent` asks first, and why."""
    page, _ = allowed(tx, press, Act.STOP_AGENT)
    stage = stage_of(tx, page.agent_id).stage
    if stage in ("suspended", "retired"):
        return Tell(Message(_ALREADY[stage]))
    return Ask(forms.stop_form(page_view(tx, page)))


def stopped(tx: Session, press: Press) -> Answer:
    """The submitted form of `Stop agent`."""
    page, _ = allowed(tx, press, Act.STOP_AGENT)
    reason = " ".join(str(press.values.get("reason") or "").replace("\0", "").split())[:500]
    if not reason:
        return Mend({"reason": "Say in a few words why."})
    return _order(tx, press, page, "suspended", reason)


def _order(tx: Session, press: Press, page: Page, stage: str, reason: str) -> Answer:
    agent = tx.get_one(Agent, page.agent_id)
    person = tx.get_one(Person, press.actor.person_id)
    if stage == "suspended":
        # First the page, then the stage: the order in which everybody takes their locks. Who stops an agent is on it.
        acknowledge(tx, press.now, page.id, person.id)
    if not lower_stage(tx, press.now, agent, stage, person, reason):
        return Tell(Message(_ALREADY[stage_of(tx, agent.id).stage]))
    what = "stopped the agent" if stage == "suspended" else "ordered human review"
    for each in tx.scalars(select(Page).where(Page.agent_id == agent.id, Page.resolved_at.is_(None), Page.test.is_(False)).order_by(Page.id)):
        showing.add_line(tx, press.now, each, f"stage:{stage}:{int(press.now.timestamp())}", Message(f"{named(person)} {what}."))
        showing.show_page(tx, press.now, each)
    mark_dirty(tx, press.now, [agent.id])
    return Quiet()


ACTIONS: dict[str, Handler] = {"paging.review": press_review, "paging.stop": ask_stop}
VIEWS: dict[str, Handler] = {"paging.stop": stopped}
