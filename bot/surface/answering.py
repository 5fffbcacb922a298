"""Saying the answer to a press: beside it, in a window, or where a mention was written. Losing one loses no state."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.blocks import Block, Message, actions, button, modal, section
from bot.charts.dress import holds_chart
from bot.outbox.charting import Charts
from bot.routes.slack import word_of
from bot.surface.press import FORM, Answer, Ask, Gone, Press, Tell

log = structlog.get_logger(__name__)

NOTE = "Please note"


class Answers:
    """What a handler answered, shown to the one who pressed; charts in the best form that is taken."""

    def __init__(self, client: AsyncWebClient, charts: Charts) -> None:
        self.client, self.charts = client, charts

    async def answer(self, answer: Answer, press: Press | None, body: dict[str, Any], respond: Any) -> None:
        try:
            if isinstance(answer, Tell) and press is not None:
                if body.get("response_url") or body.get("response_urls"):
                    await self._respond(answer, press, respond)
                elif press.view_id:
                    await self._tell_in_window(answer, body)
                else:
                    await self.in_channel(answer, press)
            elif isinstance(answer, Gone):
                await respond(delete_original=True)
            elif isinstance(answer, Ask):
                await self._ask(answer, press, body)
        except (SlackApiError, SlackClientError, OSError, TimeoutError) as error:
            log.warning("answer not shown", error=_named(error), name=press.name if press else None)
            if isinstance(answer, Ask):
                with suppress(Exception):
                    await respond(response_type="ephemeral", replace_original=False, text="Slack did not open the form in time. Please press again.")

    async def _respond(self, answer: Tell, press: Press, respond: Any) -> None:
        words = words_of(answer, press)

        async def say(blocks: list[Block]) -> Any:
            shown = {**words, "blocks": blocks} if blocks else words
            return await respond(response_type="ephemeral", replace_original=answer.replace, thread_ts=_thread(press), **shown)

        await self.charts.through(words.get("blocks") or [], say, lambda said: "invalid_blocks" in str(getattr(said, "body", "")))

    async def _tell_in_window(self, answer: Tell, body: dict[str, Any]) -> None:
        """In a window of its own: over the form that is open, or over App Home. Pictures follow, as a press waits three seconds only."""
        blocks = answer.message.blocks or [section(answer.message.text)]

        def window(shown: list[Block]) -> dict[str, Any]:
            return modal(NOTE, shown, callback_id="surface.told", close="Close")

        opening = self.client.views_open if from_home(body) else self.client.views_push
        opened = await opening(trigger_id=body["trigger_id"], view=window(self.charts.plainly(blocks)))
        view_id = str((opened.get("view") or {}).get("id") or "")
        if not holds_chart(blocks) or not view_id:
            return

        async def update(shown: list[Block]) -> str:
            try:
                await self.client.views_update(view_id=view_id, view=window(shown))
            except SlackApiError as error:
                return word_of(error)
            return ""

        await self.charts.through(blocks, update, lambda error: error == "invalid_arguments", native=False)

    async def _ask(self, answer: Ask, press: Press | None, body: dict[str, Any]) -> None:
        if answer.how == "update" and press is not None and press.view_id and not from_home(body):
            await self.client.views_update(view_id=press.view_id, view=answer.view)
        elif answer.how == "push" and not from_home(body):
            await self.client.views_push(trigger_id=body["trigger_id"], view=answer.view)
        else:
            await self.client.views_open(trigger_id=body["trigger_id"], view=answer.view)

    async def in_channel(self, answer: Answer, press: Press | None) -> None:
        """A mention has no response_url: answer that person where they spoke."""
        if press is None or press.channel is None:
            return
        if isinstance(answer, Ask):
            said = "This takes a few words more, in a form: press here."
            answer = Tell(Message(said, [section(said), actions(button("Open the form", FORM, " ".join([press.name, *press.words])[:2000], style="primary"))]))
        if not isinstance(answer, Tell):
            return
        words, channel = words_of(answer, press), press.channel

        async def say(blocks: list[Block]) -> str:
            shown = {**words, "blocks": blocks} if blocks else words
            try:
                if channel.startswith("D"):
                    await self.client.chat_postMessage(channel=channel, thread_ts=press.thread_ts, unfurl_links=False, **shown)
                else:
                    await self.client.chat_postEphemeral(channel=channel, user=press.actor.slack_id or "", thread_ts=press.thread_ts, **shown)
            except (SlackApiError, SlackClientError, OSError, TimeoutError) as error:
                return _named(error)
            return ""

        error = await self.charts.through(words.get("blocks") or [], say, lambda error: error == "invalid_blocks")
        if error:
            log.warning("answer not shown", error=error, name=press.name)


def words_of(answer: Tell, press: Press | None) -> dict[str, Any]:
    """The arguments that say an answer; after a slash command with the button that shares it."""
    blocks = list(answer.message.blocks)
    if answer.share and press is not None and press.came_from == "command":
        blocks = blocks or [section(answer.message.text)]
        again = " ".join((press.name, *press.words)).strip()
        blocks = [*blocks[:49], actions(button("Share in this channel", "surface.share", again[:2000] or "help"))]
    return {"text": answer.message.want()["text"], **({"blocks": blocks} if blocks else {})}


def from_home(body: dict[str, Any]) -> bool:
    """Whether it was pressed in App Home: no window is open there that another could be put on."""
    return bool((body.get("view") or {}).get("type") == "home")


def _thread(press: Press) -> str | None:
    """The thread that was pressed in, so that the answer appears there; none for the first message of one, which people read in the channel."""
    return press.thread_ts if press.thread_ts != press.message_ts else None


def _named(error: BaseException) -> str:
    return word_of(error) if isinstance(error, SlackApiError) else type(error).__name__
