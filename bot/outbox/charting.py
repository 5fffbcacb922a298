"""Finding out how this workspace can show charts, remembering what it refused, and getting pictures to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy.orm import Session

from bot.blocks import Block
from bot.charts import words
from bot.charts.dress import Form, drawn, dress, holds_chart
from bot.charts.values import Chart
from bot.clock import Clock
from bot.lanes import Lanes
from bot.routes.outcome import Kind
from bot.routes.slack import SlackCalls
from bot.tables import Mark

T = TypeVar("T")
Link = Callable[[Sequence[Chart]], str | None]  # where Slack can fetch a picture from us; None where it cannot

log = structlog.get_logger(__name__)

MARK = "slack.charts"  # {refused_at}: this workspace does not know Slack's chart block
ASK_AGAIN = {Form.BLOCK: timedelta(days=7), Form.FILE: timedelta(minutes=10), Form.LINK: timedelta(hours=1)}
NOT_ALLOWED = timedelta(hours=6)  # how long uploads rest after Slack said that we may not
UPLOADS_WITHIN = 6  # seconds for all pictures of a message
SLACK_LOOKS = 1.0  # seconds that Slack needs until a fresh file can be shown
KEPT = 200  # files remembered
NEVER = datetime.min.replace(tzinfo=UTC)


class Charts:
    """Shows messages that hold charts in the best form this workspace takes: its chart block, an uploaded picture, a link to one, words."""

    def __init__(self, lanes: Lanes, clock: Clock, slack: SlackCalls | None, link: Link | None = None) -> None:
        self.lanes, self.clock, self.slack, self.link = lanes, clock, slack, link
        self._rests: dict[Form, datetime] = {}  # until when a form is not tried
        self._files: dict[str, str] = {}  # key of a picture -> Slack's file
        self._known = False

    def has(self, blocks: list[Block]) -> bool:
        """Whether every picture of these blocks is at Slack already, so that showing it takes no longer than words."""
        return all(key in self._files for key in drawn(blocks, False))

    def plainly(self, blocks: list[Block]) -> list[Block]:
        """With words for charts: for answers that cannot wait."""
        return dress(blocks, False, lambda key: None) if holds_chart(blocks) else blocks

    async def through(self, blocks: list[Block], attempt: Callable[[list[Block]], Awaitable[T]], refused: Callable[[T], bool], *, native: bool = True) -> T:
        """Try one form after the other until the layout is not refused; words are the last. Only a refusal, which has no effect, is followed by another try.

        `native` is False where Slack's chart block is not allowed (App Home, forms).
        """
        if not holds_chart(blocks):
            return await attempt(blocks)
        await self._remember()
        blamed: list[Form] = []
        for form in self._forms(native):
            dressed = await self._dressed(blocks, form)
            if dressed is None:
                continue
            answer = await attempt(dressed)
            if form is Form.FILE and refused(answer):
                await asyncio.sleep(SLACK_LOOKS)
                answer = await attempt(dressed)
            if not refused(answer):
                await self._learn(blamed)  # the same words went through without them: it was the chart
                return answer
            blamed.append(form)
            if form is Form.FILE:  # perhaps somebody deleted it: the next message gets a new one
                for key in drawn(blocks, False):
                    self._files.pop(key, None)
            if form is Form.WORDS:
                return answer
        raise AssertionError("words are always tried")

    async def files_for(self, wanted: dict[str, list[Chart]]) -> dict[str, dict[str, Any]]:
        """These pictures at Slack, by key: uploaded where they are not yet; left out where that fails."""
        found: dict[str, dict[str, Any]] = {}
        if self.slack is None or self._rests_now(Form.FILE):
            return found
        try:
            async with asyncio.timeout(UPLOADS_WITHIN):
                for key, charts in wanted.items():
                    file = self._files.get(key) or await self._upload(key, charts)
                    if file is not None:
                        found[key] = {"slack_file": {"id": file}}
        except TimeoutError:
            log.warning("a picture was not uploaded in time")
        return found

    def _forms(self, native: bool) -> list[Form]:
        wanted = [Form.BLOCK] if native else []
        wanted += [Form.FILE] if self.slack is not None else []
        wanted += [Form.LINK] if self.link is not None else []
        return [form for form in wanted if not self._rests_now(form)] + [Form.WORDS]

    def _rests_now(self, form: Form) -> bool:
        return self._rests.get(form, NEVER) > self.clock.now()

    async def _dressed(self, blocks: list[Block], form: Form) -> list[Block] | None:
        """The blocks in one form; None where it shows nothing better than words."""
        native = form is Form.BLOCK
        if form is Form.WORDS:
            return self.plainly(blocks)
        wanted = drawn(blocks, native)
        if native and len(wanted) == len(drawn(blocks, False)):
            return None  # Slack's block can show none of them
        where: dict[str, dict[str, Any]] = {}
        if form is not Form.LINK and wanted:
            where = await self.files_for(wanted)
        if self.link is not None and not self._rests_now(Form.LINK):
            for key, charts in wanted.items():
                if key not in where and (url := self.link(charts)):
                    where[key] = {"image_url": url}
        if not native and not where:
            return None
        return dress(blocks, native, where.get)

    async def _upload(self, key: str, charts: list[Chart]) -> str | None:
        """Draw and upload: until a message names it nobody sees it, so whatever fails has no effect."""
        from bot.charts import picture  # the drawing library is loaded with the first picture

        assert self.slack is not None
        content = await asyncio.to_thread(picture.draw, charts)
        alt = words.alt(charts[0]) if len(charts) == 1 else words.alt_of_many(charts)
        title = words.title(charts[0], 150) if len(charts) == 1 else "Quality of agents"
        place = await self.slack.call("files.getUploadURLExternal", {"filename": "quality.png", "length": len(content), "alt_txt": alt[:1000]})
        if place.ok:
            file_id = str(place.found["file_id"])
            sent = await self.slack.upload(str(place.found["upload_url"]), content)
            done = await self.slack.call("files.completeUploadExternal", {"files": [{"id": file_id, "title": title}]}) if sent.ok else sent
            if done.ok:
                while len(self._files) >= KEPT:
                    self._files.pop(next(iter(self._files)))
                self._files[key] = file_id
                return file_id
            place = done
        wait = NOT_ALLOWED if place.kind is Kind.REFUSED else timedelta(seconds=max(place.seconds, 60))
        self._rests[Form.FILE] = self.clock.now() + wait
        log.warning("pictures are not uploaded for a while", error=place.error or place.kind.value)
        return None

    async def _remember(self) -> None:
        if self._known:
            return
        mark = await self.lanes.read(lambda tx: tx.get(Mark, MARK))
        if mark is not None:
            self._rests[Form.BLOCK] = datetime.fromisoformat(str(mark.value["refused_at"])) + ASK_AGAIN[Form.BLOCK]
        self._known = True

    async def _learn(self, blamed: list[Form]) -> None:
        now = self.clock.now()
        for form in blamed:
            self._rests[form] = now + ASK_AGAIN[form]
        if Form.BLOCK not in blamed:
            return
        log.info("this workspace does not take Slack's chart block; charts go as pictures")

        def write(tx: Session) -> None:
            row = tx.get(Mark, MARK)
            if row is None:
                tx.add(Mark(name=MARK, value={"refused_at": now.isoformat()}))
            else:
                row.value = {"refused_at": now.isoformat()}

        await self.lanes.write(write)

