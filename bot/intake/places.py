"""Outputs that stand in Slack already: the place is taken by another, free, or held by the same message heard of first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from bot.feedback.outward.letters import outputs_merged
from bot.quality.drift.flows import pass_on_fed
from bot.quality.flows import SOURCES, reobserve
from bot.tables import Evaluation, Outcome, Output, Vote

SAID_OF = (Vote, Evaluation, Outcome)


def heard_as(channel: str, ts: str) -> str:
    """The id of an output that we know from its message alone, because its app's message came before the agent's report."""
    return f"slack:{channel}:{ts}"


def take_over(tx: Session, now: datetime, agent_id: int, place: tuple[str, str], ext_id: str, values: dict[str, Any]) -> datetime | None:
    """The agent reports the output whose message we heard of: one row, under the agent's own id, with all that was said of it.

    Returns when the message was counted as an output, or None where it cannot be: the agent uses that id for another.
    """
    both = select(Output).where(Output.agent_id == agent_id, or_(Output.ext_id == ext_id, Output.ext_id == heard_as(*place)))
    rows = {row.ext_id: row for row in tx.scalars(both.order_by(Output.id).with_for_update().execution_options(populate_existing=True))}
    heard, stub = rows.get(heard_as(*place)), rows.get(ext_id)
    if heard is None or (stub is not None and stub.known):
        return None
    counted_at = heard.occurred_at
    if stub is not None:  # judged by its own id before it was reported
        _merge(tx, now, agent_id, stub.id, heard.id)
    tx.execute(update(Output).where(Output.id == heard.id).values(**values).execution_options(synchronize_session=False))
    tx.expire_all()
    for source in SOURCES:
        reobserve(tx, now, agent_id, [heard.id], source)
    return counted_at


def _merge(tx: Session, now: datetime, agent_id: int, stub: int, heard: int) -> None:
    there = select(Vote.person_id, Vote.surface).where(Vote.output_id == heard)
    twice = {(person_id, surface) for person_id, surface in tx.execute(there)}
    for vote in tx.scalars(select(Vote).where(Vote.output_id == stub)).all():
        if (vote.person_id, vote.surface) in twice:
            tx.delete(vote)
    tx.flush()
    for table in SAID_OF:
        tx.execute(update(table).where(table.output_id == stub).values(output_id=heard).execution_options(synchronize_session=False))
    outputs_merged(tx, now, stub, heard)
    for source in SOURCES:
        reobserve(tx, now, agent_id, [stub], source)  # nothing is said of it any more
    pass_on_fed(tx, stub, heard)
    tx.execute(delete(Output).where(Output.id == stub).execution_options(synchronize_session=False))
