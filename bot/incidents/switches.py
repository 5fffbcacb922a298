"""What the agents of an incident must obey now, with what may be ordered: loaded for its root message."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.incidents.failing import agents_of_incident
from bot.incidents.switch_words import SHOWN, SwitchView
from bot.stages import orders
from bot.stages.flows import stage_of
from bot.stages.rules import ways_back
from bot.stages.versions import last_good
from bot.tables import Agent, Incident


def switches_of(tx: Session, incident: Incident) -> tuple[tuple[SwitchView, ...], int]:
    """The first few agents of an incident with their switches, and how many agents there are."""
    ids = agents_of_incident(tx, incident)
    agents = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_(ids[:SHOWN]), Agent.archived_at.is_(None)))}
    return tuple(_switch(tx, incident, agents[each]) for each in ids[:SHOWN] if each in agents), len(ids)


def _switch(tx: Session, incident: Incident, agent: Agent) -> SwitchView:
    row = stage_of(tx, agent.id)
    began = min(incident.began_at or incident.opened_at, incident.opened_at)
    order = orders.order_in_force(tx, agent.id)
    if order is not None and (order.rev != row.rev or order.asked_at < began):
        order = None  # what was ordered before all this is no part of it
    good = last_good(tx, agent.id, began) if row.version is None and row.stage != "retired" else None
    return SwitchView(
        agent=agent.name, value=f"{agent.slug}:{row.rev}", stage=row.stage, order=orders.view_of(tx, agent, order) if order is not None else None,
        version=row.version, good=good.version if good is not None else None, back=bool(ways_back(row.stage, row.back_to)), by_hand=orders.manual_way(tx, agent),
    )  # fmt: skip
