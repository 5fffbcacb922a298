"""An outbox beside a Slack-like workspace, with the clock in the test's hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import Message, section
from bot.clock import MovedClock
from bot.db import Database
from bot.lanes import Lanes
from bot.outbox import flows
from bot.outbox.delivery import Delivery
from bot.outbox.rules import Rhythm
from bot.routes.slack import SlackCalls
from bot.tables import Attempt, OutMessage
from bot.workspace import Workspace, serve

T = TypeVar("T")

SCOPES = [
    "chat:write", "im:write", "im:history", "channels:read", "groups:read", "channels:history", "groups:history", "files:write",
]
MANIFEST = {
    "display_information": {"name": "aiops-bot"},
    "features": {"bot_user": {"display_name": "aiops"}, "app_home": {"messages_tab_enabled": True}},
    "oauth_config": {"scopes": {"bot": SCOPES}},
}


def words(text: str, **more: Any) -> Message:
    return Message(text, [section(text, **more)])


@dataclass
class Post:
    """What a test needs: write rows, let them take effect, move the clock, look into Slack."""

    db: Database
    clock: MovedClock
    ws: Workspace
    lanes: Lanes
    delivery: Delivery
    made: list[Delivery] = field(default_factory=list)

    async def write(self, work: Callable[[Session], T]) -> T:
        return await self.lanes.write(work)

    async def show(self, key: str, text: str = "hello", to: str = "C0SUPPORT", **more: Any) -> None:
        await self.write(lambda tx: flows.show(tx, self.clock.now(), key=key, to=to, message=words(text), **more))

    async def call(self, key: str, text: str = "wake up", to: str = "U0MAYA", cause: str = "page:1", **more: Any) -> None:
        await self.write(lambda tx: flows.call(tx, self.clock.now(), key=key, to=to, message=words(text), cause=cause, **more))

    async def line(self, key: str, thread: str, text: str) -> None:
        await self.write(lambda tx: flows.line(tx, self.clock.now(), key=key, thread=thread, message=words(text)))

    async def settle(self) -> None:
        for _ in range(400):
            if not await self.delivery.step(self.clock.now()):
                return
        raise AssertionError("delivery did not come to rest")

    async def later(self, seconds: float) -> None:
        self.clock.move(timedelta(seconds=seconds))
        await self.settle()

    def row(self, key: str) -> OutMessage:
        with self.db.reading() as tx:
            row = flows.find(tx, key)
            assert row is not None
            tx.expunge(row)
            return row

    def outcomes(self, key: str) -> list[str | None]:
        row = self.row(key)
        with self.db.reading() as tx:
            return list(tx.scalars(select(Attempt.outcome).where(Attempt.message_id == row.id).order_by(Attempt.id)))

    def texts(self, where: str = "support") -> list[str]:
        return [message["text"] for message in self.ws.messages(where)]

    def dm(self, who: str = "maya") -> list[str]:
        return [message["text"] for message in self.ws.dm(who)]

    def called(self, method: str) -> int:
        return len(self.ws.called(method))

    def new_delivery(self, **settings: Any) -> Delivery:
        """Another process that delivers (or the same after a restart)."""
        settings.setdefault("rhythm", Rhythm.limitless())
        slack = SlackCalls("xoxb-1", f"{self.ws.base_url}/api/", timeout=2)
        delivery = Delivery(self.lanes, self.clock, slack, **settings)
        self.made.append(delivery)
        return delivery

    def use(self, **settings: Any) -> None:
        """Deliver with other settings from now on."""
        self.delivery = self.new_delivery(**settings)


@asynccontextmanager
async def opened(db: Database, clock: MovedClock) -> AsyncIterator[Post]:
    async with serve(Workspace(clock=clock.now)) as ws:
        ws.add_person("maya", "Maya Haddad", id="U0MAYA", email="maya@example.com")
        ws.add_person("omar", "Omar Aziz", id="U0OMAR", email="omar@example.com")
        ws.install_app(MANIFEST, bot_token="xoxb-1", signing_secret="s")
        ws.add_channel("support", members=["maya", "aiops"], id="C0SUPPORT")
        ws.add_channel("sales", members=["omar", "aiops"], id="C0SALES")
        lanes = Lanes(db)
        post = Post(db, clock, ws, lanes, None)  # type: ignore[arg-type]
        post.use()
        try:
            yield post
        finally:
            ws.faults.clear()
            for delivery in post.made:
                await delivery.close()
            lanes.close()


@pytest.fixture
async def post(db: Database, clock: MovedClock) -> AsyncIterator[Post]:
    async with opened(db, clock) as made:
        yield made
