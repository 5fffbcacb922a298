"""`/aiops stage`: what an agent may do now, and the way back after `Human review` or `Stop agent`."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import agents_of, find_agents
from bot.agents.telling import which
from bot.autonomy import messages, switching
from bot.blocks import Message, escape
from bot.paging import showing
from bot.people.flows import require, roles_of
from bot.people.rules import Act, may
from bot.quality.flows import mark_dirty
from bot.stages.flows import raise_stage
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Page, Person


def words(tx: Session, press: Press) -> Answer:
    """`stage` lists mine, `stage <agent>` shows one with its way back."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    if not press.words:
        rows = tx.scalars(select(Agent).where(Agent.id.in_(agents_of(tx, press.actor.person_id)), Agent.archived_at.is_(None)).order_by(Agent.name))
        return Tell(messages.mine(sorted((switching.stands(tx, each) for each in rows), key=lambda row: not row.ways)))
    named = " ".join(press.words)
    found = find_agents(tx, named)
    if len(found) != 1:
        return Tell(which(named, [(each.name, each.slug) for each in found]))
    roles = switching.roles_about(tx, press, found[0])
    return Tell(messages.stands(switching.stands(tx, found[0]), may_start=may(roles, Act.START_AGENT), may_stop=may(roles, Act.STOP_AGENT)))


def ask_start(tx: Session, press: Press) -> Answer:
    """`Start again` asks for the stage, and why."""
    agent, row = switching.asked(tx, press, Act.START_AGENT)
    if f"{agent.slug}:{row.rev}" != press.value or not row.ways:
        return Tell(messages.changed(row))
    return Ask(messages.start_form(row))


def started(tx: Session, press: Press) -> Answer:
    """The submitted form."""
    agent, row = switching.asked(tx, press, Act.START_AGENT)
    stage = str(press.values.get("stage") or "")
    reason = " ".join(str(press.values.get("reason") or "").replace("\0", "").split())[:500]
    if not reason:
        return Mend({"reason": "Say in a few words what has changed."})
    if f"{agent.slug}:{row.rev}" != press.value:
        return Mend({"reason": f"Meanwhile {row.by or 'somebody'} ordered {row.stage}: close this, and look again with /aiops stage."})
    person = tx.get_one(Person, press.actor.person_id)
    # First the pages, then the stage: the order in which everybody takes their locks.
    pages = tx.scalars(select(Page).where(Page.agent_id == agent.id, Page.resolved_at.is_(None), Page.test.is_(False)).order_by(Page.id).with_for_update(key_share=True)).all()
    if not raise_stage(tx, press.now, agent, stage, person, reason):
        return Mend({"stage": "It may not go back to that. Choose another."})
    for page in pages:
        line = Message(f"{escape(person.name or 'Somebody')} let the agent work again, as {stage}.")
        showing.add_line(tx, press.now, page, f"stage:{stage}:{int(press.now.timestamp())}", line)
        showing.show_page(tx, press.now, page)
    mark_dirty(tx, press.now, [agent.id])
    return Quiet()


ACTIONS: dict[str, Handler] = {"autonomy.start": ask_start, **switching.ACTIONS}
VIEWS: dict[str, Handler] = {"autonomy.start": started, **switching.VIEWS}
WORDS: dict[str, Handler] = {"stage": words}
