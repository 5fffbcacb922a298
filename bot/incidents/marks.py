"""Messages marked with a pushpin in an incident's thread: read from Slack, put on its timeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.incidents.reading import root_key
from bot.incidents.thread import note, show_incident
from bot.lanes import Lanes
from bot.outbox import flows as outbox
from bot.people.flows import actor_of, find_person, roles_of
from bot.people.rules import Act, may
from bot.tables import Incident, MarkedMessage, Person

log = structlog.get_logger(__name__)
PUSHPIN = "pushpin"
TRIES = 8
SEARCHED = 5  # incidents of one channel whose threads are looked through, the newest first
AFTER_CLOSING = timedelta(days=7)  # so long words of a closed incident's thread still join its timeline


def marked(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """Somebody put a pushpin on a message: remembered where it may be in the thread of an incident; who may work on one, may."""
    item = event.get("item") or {}
    if event.get("reaction") != PUSHPIN or item.get("type") != "message":
        return
    person = find_person(tx, str(event.get("user") or ""))
    # Somebody the directory has not told us of could be a guest.
    if person is None or person.seen_at is None or not may(roles_of(tx, actor_of(person), None), Act.WORK_INCIDENT):
        return
    channel, ts = str(item.get("channel") or ""), str(item.get("ts") or "")
    if not ts or not _incidents(tx, now, channel):
        return
    known = select(MarkedMessage.id).where(MarkedMessage.channel == channel, MarkedMessage.ts == ts)
    if tx.scalars(known).first() is None:
        tx.add(MarkedMessage(channel=channel[:32], ts=ts[:32], person_id=person.id, at=now, due_at=now))


def something_marked(tx: Session, now: datetime) -> MarkedMessage | None:
    """The first marked message that waits to be read."""
    return tx.scalars(select(MarkedMessage).where(MarkedMessage.due_at <= now).order_by(MarkedMessage.due_at).limit(1)).first()


class MarkReader:
    """The loop "marks": asks Slack for the words of marked messages, one at a time."""

    def __init__(self, client: AsyncWebClient, lanes: Lanes) -> None:
        self.client, self.lanes = client, lanes

    async def step(self, now: datetime) -> bool:
        row = await self.lanes.read(lambda tx: something_marked(tx, now))
        if row is None:
            return False
        roots = await self.lanes.read(lambda tx: _incidents(tx, now, row.channel))
        try:
            for incident_id, root in roots:
                found = await self._message(row.channel, root, row.ts)
                if found is not None:
                    await self.lanes.write(lambda tx, incident_id=incident_id, found=found: take_marked(tx, now, row.id, incident_id, found))  # type: ignore[misc]  # bound now, run at once
                    return True
        except (SlackApiError, SlackClientError, OSError, TimeoutError) as error:
            log.warning("a marked message was not read; trying again", error=type(error).__name__)
            await self.lanes.write(lambda tx: _later(tx, now, row.id))
            return False
        await self.lanes.write(lambda tx: _settle(tx, row.id))
        return True

    async def _message(self, channel: str, root: str, ts: str) -> dict[str, Any] | None:
        """A message of a thread; None where it stands elsewhere."""
        answer = await self.client.conversations_replies(channel=channel, ts=root, oldest=ts, latest=ts, inclusive=True, limit=10)
        messages: list[dict[str, Any]] = answer.get("messages") or []
        return next((message for message in messages if message.get("ts") == ts and ts != root), None)


def take_marked(tx: Session, now: datetime, mark_id: int, incident_id: int, message: dict[str, Any]) -> None:
    """Its words join the timeline at the time they were written, once."""
    row = tx.get_one(MarkedMessage, mark_id)
    incident = tx.get_one(Incident, incident_id)
    writer = find_person(tx, str(message.get("user") or ""))
    marker = tx.get_one(Person, row.person_id)
    words = " ".join(str(message.get("text") or "").split()) or "(a message without words)"
    author = writer.name if writer is not None and not message.get("bot_id") else "the bot"
    note(tx, _written(row.ts, now), incident, "marked", f"marked what {author} wrote: {words}", marker, key=f"marked:{row.channel}:{row.ts}")
    row.due_at = None
    show_incident(tx, now, incident)


def _incidents(tx: Session, now: datetime, channel: str) -> list[tuple[int, str]]:
    """The incidents whose threads stand in a channel, with the ts of their roots."""
    live = (Incident.closed_at.is_(None)) | (Incident.closed_at >= now - AFTER_CLOSING)
    ids = tx.scalars(select(Incident.id).where(Incident.channel_id == channel, live).order_by(Incident.id.desc()).limit(SEARCHED))
    found = ((each, outbox.receipt(tx, root_key(each))) for each in ids)
    return [(each, place.ts) for each, place in found if place is not None and place.channel == channel]


def _later(tx: Session, now: datetime, mark_id: int) -> None:
    row = tx.get_one(MarkedMessage, mark_id)
    row.tries += 1
    row.due_at = now + timedelta(seconds=2**row.tries) if row.tries < TRIES else None


def _settle(tx: Session, mark_id: int) -> None:
    tx.get_one(MarkedMessage, mark_id).due_at = None


def _written(ts: str, now: datetime) -> datetime:
    """When Slack says it was written; never later than now."""
    try:
        return min(datetime.fromtimestamp(float(ts), UTC), now)
    except (ValueError, OverflowError, OSError):
        return now
