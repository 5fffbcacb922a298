"""Requests of an agent whose owner, or whose work, comes to an end: passed on, or withdrawn with the agent told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import clip, escape
from bot.ladders.flows import call_anew, live_climb
from bot.requests.flows import give_back, held, ladder_of, settle
from bot.requests.reading import KIND
from bot.tables import Agent, Call, Request


def pass_requests(tx: Session, now: datetime, agent: Agent, old_id: int, by_id: int, why: str) -> tuple[str, ...]:
    """What the old one had claimed is anybody's again, and what had called them calls anew: the ladder now finds the new one.

    Returns a line for each, escaped.
    """
    told = []
    for number in tx.scalars(select(Request.id).where(Request.agent_id == agent.id, Request.state == "open").order_by(Request.id)).all():
        request = held(tx, number)
        if request is None or request.state != "open":
            continue
        title = escape(clip(request.title, 150))
        if request.claimed_by == old_id:
            give_back(tx, now, request, by_id, why)
            told.append(f"request {request.id}, which had been claimed: {title}")
            continue
        climb = live_climb(tx, KIND, request.id)
        if request.claimed_by is None and climb is not None and _called(tx, climb.id, old_id):
            call_anew(tx, now, KIND, request.id, ladder_of(tx, agent, request.kind))
            told.append(f"request {request.id}, which waits: {title}")
    return tuple(told)


def withdraw_all(tx: Session, now: datetime, agent: Agent, by_id: int, why: str) -> int:
    """Nobody answers any more: each open request is withdrawn, and the agent's webhook hears it; returns how many."""
    count = 0
    for number in tx.scalars(select(Request.id).where(Request.agent_id == agent.id, Request.state == "open").order_by(Request.id)).all():
        request = held(tx, number)
        count += request is not None and settle(tx, now, request, "withdrawn", by_id, why)
    return count


def _called(tx: Session, climb_id: int, person_id: int) -> bool:
    return tx.scalars(select(Call.id).where(Call.climb_id == climb_id, Call.person_id == person_id).limit(1)).first() is not None
