"""Saying hello in a channel, once, and keeping it true: in one open transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents import messages
from bot.agents.messages import Resident
from bot.agents.reading import agents_in_channel, owners_named_of, spec_of
from bot.outbox import flows as outbox
from bot.tables import Channel, Stage


def introduce(tx: Session, now: datetime, channel_id: str, *, only_edit: bool = False) -> bool:
    """Tell the channel which agents live here, who owns them, how to rate and how to get help. Returns whether it was said.

    Said once where the bot is a member; afterwards the same message is edited. `only_edit` never says it for the
    first time (an owner's answer is no occasion to speak up).
    """
    channel = tx.scalars(select(Channel).where(Channel.slack_id == channel_id)).first()
    if channel is None or not channel.is_member or channel.is_archived:
        return False
    if only_edit and channel.introduced_at is None:
        return False
    tx.flush()
    agents = agents_in_channel(tx, channel_id)
    owners = owners_named_of(tx, [agent.id for agent in agents])
    stages = {row.agent_id: row.stage for row in tx.scalars(select(Stage).where(Stage.agent_id.in_(owners)))}
    residents = [Resident(agent.name, spec_of(agent).about, owners[agent.id], stages.get(agent.id, "")) for agent in agents]
    outbox.show(tx, now, key=f"intro:{channel.id}", to=channel_id, message=messages.introduction(residents))
    channel.introduced_at = channel.introduced_at or now
    return True
