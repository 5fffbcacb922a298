"""Slack's edge: identify, take each delivery once, store, acknowledge, and only then answer."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, cast

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot.blocks import Message, context, mention, modal, section
from bot.charts.dress import holds_chart
from bot.clock import Clock
from bot.db import is_outage
from bot.lanes import Lanes, LanesClosed, Urgency
from bot.outbox import flows as outbox
from bot.outbox.charting import Charts
from bot.people.directory import Team
from bot.people.flows import Actor, Refused, actor_of, find_person, require, roles_of
from bot.people.rules import Act
from bot.surface import reading
from bot.surface.answering import NOTE, Answers, from_home, words_of
from bot.surface.press import Answer, Ask, Gone, Handler, Mend, Press, Quiet, Surface, Tell
from bot.tables import Person, SeenSlack

log = structlog.get_logger(__name__)

_OOPS = "Something went wrong on our side and nothing was saved. Please press again; if it stays so, tell whoever runs aiops-bot."


# Asks Slack who a person is (guest? stranger?) and keeps the answer; None where Slack did not say.
Identify = Callable[[str, datetime], Awaitable[Person | None]]


class Edge:
    """Turns Slack's deliveries into presses, and answers into what Slack shows."""

    def __init__(
        self, surface: Surface, lanes: Lanes, clock: Clock, client: AsyncWebClient, team: Team, identify: Identify, charts: Charts | None = None
    ) -> None:
        self.surface = surface
        self.lanes = lanes
        self.clock = clock
        self.client = client
        self.team = team
        self.identify = identify
        self.answers = Answers(client, charts or Charts(lanes, clock, None))
        self._under_way: set[asyncio.Task[Any]] = set()
        surface.add(actions={"surface.share": self._share})

    def bolt(self) -> AsyncApp:
        """The Bolt app in front of this edge. Requests reach it with their signature already checked."""
        quiet = logging.getLogger("aiops.bolt")
        quiet.setLevel(logging.ERROR)

        async def authorize() -> AuthorizeResult:
            # One deployment serves one workspace: its identity is known from the start, not asked for at every press.
            return AuthorizeResult(
                enterprise_id=self.team.enterprise_id,
                team_id=self.team.team_id,
                bot_user_id=self.team.bot_user,
                bot_token=self.client.token,
            )

        app = AsyncApp(
            name="aiops",  # else it looks for its caller in all frames: 80 ms
            client=self.client,
            authorize=authorize,
            request_verification_enabled=False,
            logger=quiet,
            attaching_conversation_kwargs_enabled=False,
        )
        everything = re.compile(".*", re.DOTALL)

        async def action(body: dict[str, Any], ack: Any, respond: Any) -> None:
            await self._follow(self._on_action(body, ack, respond))

        async def shortcut(body: dict[str, Any], ack: Any, respond: Any) -> None:
            await self._follow(self._on_shortcut(body, ack, respond))

        async def command(body: dict[str, Any], ack: Any, respond: Any) -> None:
            await self._follow(self._on_command(body, ack, respond))

        async def view(body: dict[str, Any], ack: Any) -> None:
            await self._follow(self._on_view(body, ack))

        async def events(body: dict[str, Any], next_: Any) -> BoltResponse:
            # Bolt's own listeners acknowledge an event before they run: a process that dies then has lost it.
            if body.get("type") != "event_callback":
                return cast(BoltResponse, await next_())
            await self._follow(self._on_event(body))
            return BoltResponse(status=200)

        app.action(everything)(action)
        app.view(everything)(view)
        app.shortcut(everything)(shortcut)
        app.command(everything)(command)
        app.middleware(events)
        return app

    async def rest(self) -> None:
        """Wait until every delivery taken in so far is answered: before stopping, and in tests."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it; whoever stops the process waits for it."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await task

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """The same, after the delivery was acknowledged."""

        async def aside() -> None:
            try:
                await self._follow(work)
            except Exception:
                log.exception("an answer was not given")

        task = asyncio.ensure_future(aside())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    # --- who is asking -------------------------------------------------------------------------------------------

    async def _actor(self, who: reading.Who | None) -> Actor | None:
        """The person, as the directory knows them; strangers stay strangers, and who cannot be checked is refused."""
        if who is None or not who.slack_id:
            return None
        if not who.team_id or not self.team.is_ours(who.team_id):
            return await self._stranger(who)
        found = await self.lanes.read(lambda tx: _known(tx, who.slack_id))
        if found is not None:
            return found
        person = await self.identify(who.slack_id, self.clock.now())
        if person is None:
            raise Refused("I could not check who you are just now (Slack did not say). Please press again in a moment.")
        return actor_of(person)

    async def _stranger(self, who: reading.Who) -> Actor:
        return Actor(0, who.slack_id, who.team_id, who.name or "someone", "stranger", "UTC")

    # --- deliveries ----------------------------------------------------------------------------------------------

    async def _on_action(self, body: dict[str, Any], ack: Any, respond: Any) -> None:
        answer, press = await self._take(body, reading.read_action, self.surface.actions, lost="This button is from an older message and no longer does anything. Look for the newest one.")
        await ack()
        await self.answers.answer(answer, press, body, respond)
        if self.surface.home is not None and press is not None and from_home(body):
            await self.surface.home.pressed(press.actor)

    async def _on_shortcut(self, body: dict[str, Any], ack: Any, respond: Any) -> None:
        answer, press = await self._take(body, reading.read_shortcut, self.surface.shortcuts, lost="This shortcut is not one of mine.")
        await ack()
        await self.answers.answer(answer, press, body, respond)

    async def _on_command(self, body: dict[str, Any], ack: Any, respond: Any) -> None:
        answer, press = await self._take(body, reading.read_command, self.surface.words)
        if isinstance(answer, Tell) and not holds_chart(answer.message.blocks):
            await ack(response_type="ephemeral", **words_of(answer, press))
            return
        await ack()
        await self.answers.answer(answer, press, body, respond)

    async def _on_view(self, body: dict[str, Any], ack: Any) -> None:
        answer, _ = await self._take(body, reading.read_view, self.surface.views, lost="This form is from an older version. Please open it again.")
        if isinstance(answer, Mend):
            await ack(response_action="errors", errors=answer.errors)
        elif isinstance(answer, Ask):
            await ack(response_action="push" if answer.how == "push" else "update", view=answer.view)
        elif isinstance(answer, Tell):
            blocks = self.answers.charts.plainly(answer.message.blocks) or [section(answer.message.text)]
            await ack(response_action="update", view=modal(answer.heading, blocks, callback_id="surface.told", close="Close"))
        else:
            await ack()

    async def _on_event(self, body: dict[str, Any]) -> None:
        """What raises is not acknowledged: Slack tells an event again at once, after a minute and after five."""
        event = body.get("event") or {}
        kind = str(event.get("type", ""))
        if kind == "app_home_opened":
            self._later(self._show_home(event))
            return
        if self._is_spoken_to(event):
            answer, press = await self._take(body, self._read_mention, self.surface.words, told_again=True)
            self._later(self.answers.in_channel(answer, press))
            return
        handlers = self.surface.events.get(kind, [])
        now = self.clock.now()

        def take(tx: Session) -> None:
            if _first_time(tx, reading.once_key(body), now):
                for handler in handlers:
                    handler(tx, {**event, "team_id": body.get("team_id")}, now)

        if handlers:
            await self.lanes.write(take, urgency=Urgency.PRESS)

    def _is_spoken_to(self, event: dict[str, Any]) -> bool:
        if event.get("bot_id") or event.get("subtype"):
            return False
        return event.get("type") == "app_mention" or (event.get("type") == "message" and event.get("channel_type") == "im")

    def _read_mention(self, body: Any, actor: Actor, now: datetime) -> Press:
        return reading.read_mention(body, actor, now, self.team.bot_user)

    async def _take(
        self,
        body: dict[str, Any],
        read: Callable[[Any, Actor, datetime], Press],
        handlers: dict[str, Handler],
        lost: str = "",
        told_again: bool = False,
    ) -> tuple[Answer, Press | None]:
        """Do what was asked, once, in one transaction; every way this can fail becomes words for the person.

        What Slack tells again (`told_again`) is left to that where the database is away or this process stops.
        """
        now = self.clock.now()
        press: Press | None = None
        try:
            actor = await self._actor(reading.who_acts(body))
            if actor is None:
                return Quiet(), None
            press = read(body, actor, now)
            handler = handlers.get(press.name)
            if handler is None and handlers is self.surface.words:
                handler = handlers[""]
            if handler is None:
                return Tell(Message(lost), heading=NOTE), press
            chosen, asked = handler, press

            def work(tx: Session) -> Answer:
                if not _first_time(tx, reading.once_key(body), now):
                    return Quiet()
                return chosen(tx, asked)

            return await self.lanes.write(work, urgency=Urgency.PRESS), press
        except Refused as refused:
            return Tell(Message(str(refused)), heading=NOTE), press
        except Exception as error:
            if told_again and (is_outage(error) or isinstance(error, LanesClosed)):
                raise
            log.exception("press failed", name=press.name if press else None)
            return Tell(Message(_OOPS), heading=NOTE), press

    async def _show_home(self, event: dict[str, Any]) -> None:
        if self.surface.home is None or event.get("tab") not in (None, "home"):
            return
        try:
            actor = await self._actor(reading.Who(str(event.get("user", "")), self.team.team_id, ""))
            if actor is not None:
                await self.surface.home.opened(actor)
        except Refused:
            return

    def _share(self, tx: Session, press: Press) -> Answer:
        """Post the answer again for all to see: the same words are asked anew, so it is never stale."""
        require(roles_of(tx, press.actor, None), Act.SHARE)
        words = str(press.value).split()
        handler = self.surface.words.get(words[0] if words else "") or self.surface.words[""]
        again = Press(actor=press.actor, now=press.now, came_from="command", name=words[0] if words else "", words=tuple(words[1:]), channel=press.channel)
        answer = handler(tx, again)
        if not isinstance(answer, Tell) or press.channel is None:
            return Quiet()
        by = context(f"Shared by {mention(press.actor.slack_id, press.actor.name)} from `/aiops {' '.join(words)}`")
        shared = Message(answer.message.text, [*(answer.message.blocks or [section(answer.message.text)])[:49], by])
        outbox.show(tx, press.now, key=f"share:{press.channel}:{press.message_ts}:{press.actor.person_id}", to=press.channel, message=shared)
        return Gone()


def forget_old(tx: Session, before: datetime) -> int:
    """Forget deliveries that Slack will not repeat any more; returns how many."""
    return int(tx.execute(delete(SeenSlack).where(SeenSlack.at < before)).rowcount)  # type: ignore[attr-defined]


def _known(tx: Session, slack_id: str) -> Actor | None:
    person = find_person(tx, slack_id)
    return actor_of(person) if person is not None and person.seen_at is not None else None


def _first_time(tx: Session, key: str | None, now: datetime) -> bool:
    if key is None:
        return True
    insert = sqlite_insert if tx.get_bind().dialect.name == "sqlite" else postgres_insert
    done = tx.execute(insert(SeenSlack).values(key=key[:200], at=now).on_conflict_do_nothing().returning(SeenSlack.key))
    return done.first() is not None


