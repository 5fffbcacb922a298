"""`Human review`, `Stop agent`, `Roll back` and `I switched it by hand`, wherever they stand: pressed by agent and order."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug
from bot.autonomy import messages
from bot.autonomy.messages import Stands
from bot.autonomy.switches import Confirmed, confirm
from bot.blocks import Message, escape
from bot.incidents.reading import incidents_about
from bot.outbox import flows as outbox
from bot.paging import showing
from bot.paging.reading import open_pages, open_problems
from bot.paging.scope import roles_on
from bot.people.flows import Refused, require, roles_of
from bot.people.rules import RULES, Act, Role
from bot.quality.flows import mark_dirty
from bot.stages import orders
from bot.stages.flows import MEANING, lower_stage, order_version, stage_of
from bot.stages.messages import standing
from bot.stages.rules import ways_back
from bot.stages.versions import Good, last_good
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Incident, Page, Person

_ALREADY = {"assisted": "under human review", "shadow": "in shadow, where nothing it makes is used", "suspended": "stopped", "retired": "retired"}


def press_review(tx: Session, press: Press) -> Answer:
    """`Human review`, once they have confirmed."""
    agent, row = asked(tx, press, Act.HUMAN_REVIEW)
    return _lower(tx, press, agent, row, "assisted", _where(tx, press))


def ask_stop(tx: Session, press: Press) -> Answer:
    """`Stop agent` asks first, and why."""
    _, row = asked(tx, press, Act.STOP_AGENT)
    if row.stage in ("suspended", "retired"):
        return _stands_already(row)
    return Ask(messages.stop_form(row)) if row.value == press.value else Tell(messages.changed(row))


def stopped(tx: Session, press: Press) -> Answer:
    """The submitted form of `Stop agent`."""
    agent, row = asked(tx, press, Act.STOP_AGENT)
    reason = _reason(press)
    return _lower(tx, press, agent, row, "suspended", reason) if reason else Mend({"reason": "Say in a few words why."})


def ask_roll_back(tx: Session, press: Press) -> Answer:
    """`Roll back` asks first, naming the version; where no earlier one is known it says so."""
    agent, row = asked(tx, press, Act.ROLL_BACK)
    if row.stage == "retired":
        return _stands_already(row)
    if row.value != press.value:
        return Tell(messages.changed(row))
    began = _began(tx, agent)
    good = last_good(tx, agent.id, began or press.now)
    if good is None or good.version == row.version:
        return Tell(messages.no_version(row) if row.version is None else Message(f"{escape(row.name)} is held at version {messages.named(row.version)} already, and no version before it is known."))
    return Ask(messages.roll_back_form(row, good, began))


def rolled_back(tx: Session, press: Press) -> Answer:
    """The submitted form of `Roll back`."""
    agent, row = asked(tx, press, Act.ROLL_BACK)
    reason = _reason(press)
    if not reason:
        return Mend({"reason": "Say in a few words why."})
    good = last_good(tx, agent.id, _began(tx, agent) or press.now)
    if good is None or f"{row.value}:{good.version}" != press.value:
        return Mend({"reason": "Meanwhile something else was ordered, or another version ran: close this, and look again with /aiops stage."})
    return _order_version(tx, press, agent, good, reason)


def ask_forward(tx: Session, press: Press) -> Answer:
    """`End the roll back` asks what has changed."""
    _, row = asked(tx, press, Act.START_AGENT)
    if row.value != press.value or row.version is None:
        return Tell(messages.changed(row))
    return Ask(messages.forward_form(row))


def forward(tx: Session, press: Press) -> Answer:
    """The submitted form of `End the roll back`."""
    agent, row = asked(tx, press, Act.START_AGENT)
    reason = _reason(press)
    if not reason:
        return Mend({"reason": "Say in a few words what has changed."})
    if row.value != press.value:
        return Mend({"reason": "Meanwhile something else was ordered: close this, and look again with /aiops stage."})
    return _order_version(tx, press, agent, None, reason)


def press_switched(tx: Session, press: Press) -> Answer:
    """`I switched it by hand`: the order counts as obeyed, in their name."""
    agent, row = asked(tx, press, Act.SWITCHED)
    if row.value != press.value:
        return Tell(messages.changed(row))
    rev = stage_of(tx, agent.id).rev
    if confirm(tx, press.now, Confirmed(agent.id, rev, "hand", press.now), press.actor.person_id):
        return Quiet()
    return Tell(Message(f"There is nothing left to confirm for {escape(agent.name)}. {row.order}"))


def asked(tx: Session, press: Press, act: Act) -> tuple[Agent, Stands]:
    """The agent a press is about (`slug:rev`, perhaps with more), once they may; raises Refused."""
    agent = agent_by_slug(tx, press.value.partition(":")[0])
    if agent is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("That agent is not in the registry any more.")
    require(roles_about(tx, press, agent), act)
    return agent, stands(tx, agent)


def roles_about(tx: Session, press: Press, agent: Agent) -> set[Role]:
    """Their roles for the agent, with those that its open pages give them: called, or on it."""
    roles = roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id)
    for page in open_pages(tx, [agent.id]):
        roles |= roles_on(tx, page, agent, press.actor)
    for incident in incidents_about(tx, agent.id):  # who leads or owns it responds
        if not roles & {Role.GUEST, Role.STRANGER} and press.actor.person_id in (incident.lead_id, incident.owner_id):
            roles.add(Role.RESPONDER)
    return roles


def _where(tx: Session, press: Press) -> str:
    """The reason of an order that needs no words of its own: what the button stood on."""
    row = outbox.at_place(tx, press.channel, press.message_ts) if press.channel and press.message_ts else None
    kind, _, number = (row.key if row is not None else "").partition(":")
    incident = tx.get(Incident, int(number)) if kind == "incident" and number.isdigit() else None
    return f"incident #{incident.id}, {' '.join(incident.title.split())[:300]}" if incident is not None else "ordered with `/aiops stage`."


def stands(tx: Session, agent: Agent) -> Stands:
    """What an agent must obey now, and how far the order has come."""
    row = stage_of(tx, agent.id)
    by = tx.get(Person, row.by_id) if row.by_id else None
    order = orders.order_in_force(tx, agent.id)
    told = standing(orders.view_of(tx, agent, order)) if order is not None and order.rev == row.rev else ""
    good = last_good(tx, agent.id, _began(tx, agent) or datetime.max.replace(tzinfo=row.since.tzinfo)) if row.stage != "retired" else None
    return Stands(
        agent.name, agent.slug, row.stage, MEANING[row.stage], row.since, by.name if by else "", row.reason, row.rev, ways_back(row.stage, row.back_to),
        RULES[Act.START_AGENT].else_ask, told, orders.manual_way(tx, agent), row.version, good.version if good is not None and good.version != row.version else None,
    )  # fmt: skip


def _began(tx: Session, agent: Agent) -> datetime | None:
    """When the failure began: of the agent's open problems the first; None where nothing fails."""
    return min((problem.since for problem in open_problems(tx, [agent.id])), default=None)


def _lower(tx: Session, press: Press, agent: Agent, row: Stands, stage: str, reason: str) -> Answer:
    if row.stage in (stage, "suspended", "retired") or (stage == "assisted" and row.stage == "shadow"):
        return _stands_already(row)
    if row.value != press.value:
        return Mend({"reason": "Meanwhile something else was ordered: close this, and look again with /aiops stage."}) if press.came_from == "view" else Tell(messages.changed(row))
    person = tx.get_one(Person, press.actor.person_id)
    pages = _held(tx, agent)
    if not lower_stage(tx, press.now, agent, stage, person, reason):
        return _stands_already(stands(tx, agent))
    _show(tx, press, agent, pages, "stopped the agent." if stage == "suspended" else "ordered human review.")
    return Quiet()


def _order_version(tx: Session, press: Press, agent: Agent, good: Good | None, reason: str) -> Answer:
    person = tx.get_one(Person, press.actor.person_id)
    pages = _held(tx, agent)
    if not order_version(tx, press.now, agent, good.version if good else None, good.fails if good else None, person, reason):
        return Tell(messages.changed(stands(tx, agent)))
    _show(tx, press, agent, pages, f"ordered version {messages.named(good.version)}." if good else "ended the roll back.")
    return Quiet()


def _held(tx: Session, agent: Agent) -> list[Page]:
    """First the pages, then the stage: the order in which everybody takes their locks."""
    ids = [page.id for page in open_pages(tx, [agent.id])]
    return list(tx.scalars(select(Page).where(Page.id.in_(ids)).order_by(Page.id).with_for_update(key_share=True)))


def _show(tx: Session, press: Press, agent: Agent, pages: list[Page], did: str) -> None:
    person = tx.get_one(Person, press.actor.person_id)
    rev = stage_of(tx, agent.id).rev
    for page in pages:
        showing.add_line(tx, press.now, page, f"order:{agent.id}:{rev}", Message(f"{escape(person.name or 'Somebody')} {did}"))
        showing.show_page(tx, press.now, page)
    mark_dirty(tx, press.now, [agent.id])


def _stands_already(row: Stands) -> Answer:
    by = f", ordered by {escape(row.by)}" if row.by else ""
    return Tell(Message(f"{escape(row.name)} is {_ALREADY.get(row.stage, row.stage)} already{by}; nothing was changed by this. {row.order}".strip()))


def _reason(press: Press) -> str:
    return " ".join(str(press.values.get("reason") or "").replace("\0", "").split())[:500]


ACTIONS: dict[str, Handler] = {
    "autonomy.review": press_review, "autonomy.stop": ask_stop, "autonomy.roll_back": ask_roll_back, "autonomy.forward": ask_forward, "autonomy.switched": press_switched,
}  # fmt: skip
VIEWS: dict[str, Handler] = {"autonomy.stop": stopped, "autonomy.roll_back": rolled_back, "autonomy.forward": forward}
