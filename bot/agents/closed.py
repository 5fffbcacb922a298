"""The channel of agents was archived, or the bot was taken out of it: their owners are told at once what that means."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents import messages
from bot.agents.reading import agents_in_channel, retired_ids
from bot.outbox import flows as outbox
from bot.people.flows import owners_of
from bot.tables import Channel, Person


def heard(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """Slack says that a channel is closed to the bot: one direct message to each owner of the agents that live there."""
    channel = tx.scalars(select(Channel).where(Channel.slack_id == str(event.get("channel")))).first()
    if channel is None:
        return
    resting = set(tx.scalars(retired_ids()))
    affected: dict[str, list[str]] = defaultdict(list)
    for agent in agents_in_channel(tx, channel.slack_id):
        rows = owners_of(tx, agent.id) if agent.id not in resting else {}
        people = [tx.get_one(Person, rows[role].person_id) for role in ("operations", "business") if role in rows]
        for target in dict.fromkeys(person.slack_id for person in people if person.slack_id and person.active):
            affected[target].append(agent.name)
    archived = str(event.get("type", "")).endswith("_archive")
    for target, names in affected.items():
        outbox.show(tx, now, key=f"closed:{channel.slack_id}:{int(now.timestamp())}:{target}", to=target, message=messages.channel_closed(channel.name or channel.slack_id, names, archived=archived))


EVENTS = {"channel_archive": heard, "group_archive": heard, "channel_left": heard, "group_left": heard}
