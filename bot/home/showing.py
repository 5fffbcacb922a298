"""Publishing App Home: when it is opened, after a press in it, and when something it shows has changed."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.blocks import Block
from bot.charts.dress import holds_chart
from bot.clock import Clock
from bot.home.reading import home_view
from bot.lanes import Lanes, Urgency
from bot.outbox.charting import Charts
from bot.people.flows import Actor, actor_of
from bot.routes.slack import word_of
from bot.tables import HomeView, Person

log = structlog.get_logger(__name__)

FRESH = timedelta(minutes=5)  # somebody who opened it just now looks at it: it is kept close
LATELY = timedelta(hours=1)  # later it is published when they open it again
SOON, LATER = timedelta(seconds=10), timedelta(seconds=60)
A_MINUTE = 60  # publications unasked: views.publish takes more than 100 a minute, and the rest is for who opens it
A_STEP = 20
REFUSED = ("invalid_arguments", "invalid_blocks")


@dataclass(frozen=True)
class _Due:
    actor: Actor
    shown: str
    hash: str


class Homes:
    """Shows each person their App Home, and keeps it true for who opened it lately."""

    def __init__(self, lanes: Lanes, clock: Clock, client: AsyncWebClient, charts: Charts) -> None:
        self.lanes, self.clock, self.client, self.charts = lanes, clock, client, charts
        self._published: deque[datetime] = deque()
        self._rests_until: datetime | None = None  # Slack asked for a pause

    async def opened(self, actor: Actor) -> None:
        """They opened it: it begins on its first pages."""
        await self._show(actor, anew=True)

    async def pressed(self, actor: Actor) -> None:
        """They pressed something in it: it shows at once what came of it."""
        await self._show(actor, anew=False)

    async def _show(self, actor: Actor, *, anew: bool) -> None:
        now = self.clock.now()
        if actor.person_id:
            await self.lanes.write(lambda tx: _note_opened(tx, now, actor.person_id, anew), urgency=Urgency.PRESS)
        view = await self.lanes.read(lambda tx: home_view(tx, actor, now))
        # Words first: a picture that is not at Slack yet takes a second.
        if holds_chart(view["blocks"]) and not self.charts.has(view["blocks"]):
            await self._publish(actor, {**view, "blocks": self.charts.plainly(view["blocks"])})
        await self._publish_best(actor, view, "")

    async def step(self, now: datetime) -> bool:
        """Look at the Homes that are due, and publish those that show something else by now."""
        while self._published and self._published[0] <= now - timedelta(minutes=1):
            self._published.popleft()
        room = min(A_STEP, A_MINUTE - len(self._published))
        if room <= 0 or (self._rests_until is not None and now < self._rests_until):
            return False
        if not await self.lanes.read(lambda tx: tx.scalars(select(HomeView.id).where(HomeView.due_at <= now).limit(1)).first() is not None):
            return False
        due = await self.lanes.write(lambda tx: _claim(tx, now, room))
        for each in due:
            actor = each.actor
            try:
                view = await self.lanes.read(lambda tx, actor=actor: home_view(tx, actor, now))  # type: ignore[misc]
                if fingerprint(view) != each.shown:
                    self._published.append(now)
                    await self._publish_best(actor, view, each.hash)
            except Exception:
                log.exception("a home steps aside", person_id=actor.person_id)
        return bool(due)

    async def _publish_best(self, actor: Actor, view: dict[str, Any], old_hash: str) -> None:
        """Publish in the best form that is taken, and remember what is shown."""

        async def attempt(blocks: list[Block]) -> dict[str, Any]:
            return await self._publish(actor, {**view, "blocks": blocks}, old_hash)

        answer = await self.charts.through(view["blocks"], attempt, lambda answer: answer.get("error") in REFUSED, native=False)
        if answer.get("error") == "hash_conflict":
            await self.lanes.write(lambda tx: _forget_hash(tx, actor.person_id, old_hash))
        if actor.person_id and answer.get("hash"):
            # Words in the place of a picture are not the whole: it is looked at again, and by then the picture may go.
            shown = fingerprint(view)
            await self.lanes.write(lambda tx: _note_shown(tx, self.clock.now(), actor.person_id, shown, str(answer["hash"])))

    async def _publish(self, actor: Actor, view: dict[str, Any], old_hash: str = "") -> dict[str, Any]:
        """One call of views.publish: {hash} or {error}. A view published meanwhile by somebody else stays: it is newer."""
        try:
            answer = await self.client.views_publish(user_id=actor.slack_id or "", view=view, **({"hash": old_hash} if old_hash else {}))
        except SlackApiError as error:
            word = word_of(error)
            if word == "ratelimited":
                seconds = float((error.response.headers or {}).get("Retry-After", 5))
                self._rests_until = self.clock.now() + timedelta(seconds=seconds)
            elif word not in REFUSED:
                log.warning("home not shown", error=word)
            return {"error": word}
        except (SlackClientError, OSError, TimeoutError) as error:
            log.warning("home not shown", error=type(error).__name__)
            return {"error": type(error).__name__}
        return {"hash": str((answer.get("view") or {}).get("hash") or "-")}


def fingerprint(view: dict[str, Any]) -> str:
    """The same for the same content."""
    return hashlib.sha256(orjson.dumps(view, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _note_opened(tx: Session, now: datetime, person_id: int, anew: bool) -> None:
    row = tx.scalars(select(HomeView).where(HomeView.person_id == person_id).with_for_update()).first()
    if row is None:
        row = HomeView(person_id=person_id, opened_at=now)
        tx.add(row)
    row.opened_at, row.due_at = now, now + SOON
    if anew:
        row.pages = {}


def _note_shown(tx: Session, now: datetime, person_id: int, shown: str, hash: str) -> None:
    row = tx.scalars(select(HomeView).where(HomeView.person_id == person_id).with_for_update()).first()
    if row is not None:
        row.shown, row.hash, row.published_at = shown, "" if hash == "-" else hash[:64], now


def _forget_hash(tx: Session, person_id: int, old_hash: str) -> None:
    """It shows something we do not know of (the answer to a publication was lost): the next look publishes whatever stands there."""
    tx.execute(update(HomeView).where(HomeView.person_id == person_id, HomeView.hash == old_hash).values(hash="", shown=""))


def _claim(tx: Session, now: datetime, room: int) -> list[_Due]:
    rows = tx.scalars(select(HomeView).where(HomeView.due_at <= now).order_by(HomeView.due_at).limit(room).with_for_update(skip_locked=True))
    found = []
    for row in rows:
        since = now - row.opened_at
        row.due_at = None if since > LATELY else now + (SOON if since <= FRESH else LATER)
        person = tx.get(Person, row.person_id)
        if person is None or not person.active or not person.slack_id:
            row.due_at = None
        elif row.due_at is not None:
            found.append(_Due(actor_of(person), row.shown, row.hash))
    return found
