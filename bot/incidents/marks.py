"""Messages marked with a pushpin in an incident's thread: read from Slack, put on its timeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import typed
from bot.incidents.reading import root_key
from bot.incidents.thread import note, show_incident
from bot.lanes import Lanes
from bot.outbox import flows as outbox
from bot.people.flows import actor_of, find_person, roles_of
from bot.people.rules import Act, may
from bot.routes.slack import seconds_to_wait, word_of
from bot.tables import Incident, MarkedMessage, Person

log = structlog.get_logger(__name__)
PUSHPIN = "pushpin"
TRIES = 8
AT_ONCE = 500  # marked messages looked for in one turn
PAGE, PAGES = 200, 20  # messages of one answer, and answers of one thread: 4,000 messages between the first mark and the last
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


def waiting_marks(tx: Session, now: datetime) -> list[MarkedMessage]:
    """The marked messages of one channel that wait to be read, by the time they were written."""
    first = tx.scalars(select(MarkedMessage).where(MarkedMessage.due_at <= now).order_by(MarkedMessage.due_at).limit(1)).first()
    if first is None:
        return []
    rows = tx.scalars(select(MarkedMessage).where(MarkedMessage.due_at <= now, MarkedMessage.channel == first.channel).order_by(MarkedMessage.due_at).limit(AT_ONCE))
    return sorted(rows, key=lambda row: row.ts)


class MarkReader:
    """The loop "marks": asks Slack for the words of marked messages, a page of the thread at a time.

    Slack lets replies be read about 50 times a minute, and delivery looks messages up by the same method: of a thread
    with hundreds of marks three questions are asked, not hundreds, and where Slack asks for a pause it gets it.
    """

    def __init__(self, client: AsyncWebClient, lanes: Lanes) -> None:
        self.client, self.lanes = client, lanes
        self._pause_until: datetime | None = None

    async def step(self, now: datetime) -> bool:
        if self._pause_until is not None and now < self._pause_until:
            return False
        rows = await self.lanes.read(lambda tx: waiting_marks(tx, now))
        if not rows:
            return False
        channel = rows[0].channel
        left = {row.ts: row.id for row in rows}
        try:
            for incident_id, root in await self.lanes.read(lambda tx: _incidents(tx, now, channel)):
                await self._read(now, channel, root, incident_id, left)
        except SlackApiError as error:
            wait = seconds_to_wait(error)
            if wait is not None:
                self._pause_until = now + timedelta(seconds=wait)
                return False
            await self._put_off(now, left, word_of(error))
            return False
        except (SlackClientError, OSError, TimeoutError) as error:
            await self._put_off(now, left, type(error).__name__)
            return False
        await self.lanes.write(lambda tx: _settle(tx, list(left.values())))  # in no thread of an incident
        return True

    async def _read(self, now: datetime, channel: str, root: str, incident_id: int, left: dict[str, int]) -> None:
        """Take from a thread what is marked in it, and out of `left`."""
        if not left:
            return
        oldest, latest, cursor = min(left), max(left), ""  # the same for every page: a cursor belongs to its question
        for _ in range(PAGES):
            try:
                answer = await self.client.conversations_replies(channel=channel, ts=root, oldest=oldest, latest=latest, inclusive=True, limit=PAGE, cursor=cursor or None)
            except SlackApiError as error:
                if word_of(error) in ("thread_not_found", "message_not_found"):
                    return  # somebody deleted that root
                raise
            messages: list[dict[str, Any]] = answer.get("messages") or []
            found = [(left[ts], message) for message in messages if (ts := str(message.get("ts"))) in left and ts != root]
            if found:
                await self.lanes.write(lambda tx, found=found: take_marked(tx, now, incident_id, found))  # type: ignore[misc]  # bound now, run at once
                for _, message in found:
                    del left[str(message["ts"])]
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    async def _put_off(self, now: datetime, left: dict[str, int], why: str) -> None:
        log.warning("marked messages were not read; trying again", error=why, messages=len(left))
        await self.lanes.write(lambda tx: _later(tx, now, list(left.values())))


def take_marked(tx: Session, now: datetime, incident_id: int, found: list[tuple[int, dict[str, Any]]]) -> None:
    """Their words join the timeline at the times they were written, each once."""
    incident = tx.get_one(Incident, incident_id)
    for mark_id, message in found:
        row = tx.get_one(MarkedMessage, mark_id)
        writer = find_person(tx, str(message.get("user") or ""))
        marker = tx.get_one(Person, row.person_id)
        words = " ".join(typed(str(message.get("text") or "")).split()) or "(a message without words)"
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


def _later(tx: Session, now: datetime, mark_ids: list[int]) -> None:
    for row in tx.scalars(select(MarkedMessage).where(MarkedMessage.id.in_(mark_ids))):
        row.tries += 1
        row.due_at = now + timedelta(seconds=2**row.tries) if row.tries < TRIES else None


def _settle(tx: Session, mark_ids: list[int]) -> None:
    for row in tx.scalars(select(MarkedMessage).where(MarkedMessage.id.in_(mark_ids))):
        row.due_at = None


def _written(ts: str, now: datetime) -> datetime:
    """When Slack says it was written; never later than now."""
    try:
        return min(datetime.fromtimestamp(float(ts), UTC), now)
    except (ValueError, OverflowError, OSError):
        return now
