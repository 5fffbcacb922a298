"""Which agents are at rest, in words: stopped or retired, their checks look at nothing, and everybody is to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.plan import Plan
from bot.stages.flows import STOPPED
from bot.tables import Agent, Person, Stage

SHOWN = 20
_WORDS = {"suspended": "was stopped", "retired": "was retired"}


def resting(tx: Session, slugs: Iterable[str] | None = None) -> dict[str, str]:
    """By slug, of those at rest: `was stopped on 2026-11-21 by Maya: wrong prices`."""
    sought = select(Agent.slug, Stage.stage, Stage.since, Stage.reason, Person.name).join(Stage, Stage.agent_id == Agent.id).outerjoin(Person, Person.id == Stage.by_id)
    sought = sought.where(Stage.stage.in_(STOPPED), Agent.archived_at.is_(None)).order_by(Agent.name, Agent.id)
    wanted = None if slugs is None else set(slugs)
    return {
        slug: f"{_WORDS[stage]} on {since:%Y-%m-%d}{f' by {name}' if name else ''}{f': {reason[:300]}' if reason else ''}"
        for slug, stage, since, reason, name in tx.execute(sought)
        if wanted is None or slug in wanted
    }


def noted(tx: Session, plan: Plan) -> Plan:
    """The plan, with a note for each of its agents that is at rest."""
    names = {each.slug: each.name for each in plan.agents if each.what != "remove"}
    notes = [f"{names[slug]} ({slug}) {words}; its checks rest, and call nobody" for slug, words in resting(tx, names).items()]
    if len(notes) > SHOWN:
        notes = [*notes[:SHOWN], f"{len(notes) - SHOWN} more agents are at rest: `aiops status` tells them"]
    return replace(plan, notes=(*plan.notes, *notes))
