"""What of paging waits for its moment: asked beside the writers, so that a turn with nothing to do takes no place in their queue."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot.ladders.flows import may_be_due
from bot.paging.calling import slack_is_down
from bot.tables import Call, Climb, OutMessage, Page, Problem

TIMERS = (Climb.next_at, Page.ack_due_at, Call.confirm_by, Problem.free_at, Problem.steady_at)


def next_due(tx: Session, now: datetime) -> datetime | None:
    """When the first rung, end of a hold or missing confirmation after `now` is due."""
    found = [tx.scalar(select(func.min(column)).where(column > now)) for column in TIMERS]
    return min((at for at in found if at is not None), default=None)


def hold_ends(tx: Session, now: datetime) -> bool:
    """Whether the hold of a page ends or is to be warned of."""
    return tx.scalars(select(Page.id).where(Page.ack_due_at <= now).limit(1)).first() is not None


def look_awaited(tx: Session, now: datetime) -> bool:
    """Whether somebody waits for a look at checks they say are mended."""
    return tx.scalars(select(Page.id).where(Page.checking_at.is_not(None)).limit(1)).first() is not None


def somebody_to_call(tx: Session, now: datetime) -> bool:
    """Whether a rung is due, or a call that waits for its confirmation has an answer or none in time."""
    if tx.scalars(select(Climb.id).where(Climb.next_at.is_not(None), may_be_due(now)).limit(1)).first() is not None:
        return True
    waiting = select(Call.id).join(Climb, Climb.id == Call.climb_id).where(Climb.subject_kind == "page", Call.confirm_by.is_not(None))
    if slack_is_down(tx):
        return tx.scalars(waiting.limit(1)).first() is not None
    told = or_(Call.confirm_by <= now, OutMessage.shown_rev > 0, OutMessage.state.in_(("failed", "dropped")))
    return tx.scalars(waiting.join(OutMessage, OutMessage.key == Call.message_key).where(told).limit(1)).first() is not None
