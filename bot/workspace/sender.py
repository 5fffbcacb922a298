"""Brings events, commands and presses to an app: signed HTTP or Socket Mode, with Slack's 3 seconds and its retries."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import aiohttp

from bot.workspace.answers import Answer
from bot.workspace.things import App, Doc

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

DeliveryKind = Literal["events_api", "interactive", "slash_commands"]
RETRY_AFTER = (0, 60, 300)  # seconds: at once, after a minute, after five more


@dataclass(frozen=True)
class Retry:
    due: int  # microseconds, by the workspace's clock
    app_id: str
    payload: Doc
    attempt: int
    reason: str


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Slack's v0 signature of a request body."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()


class Sender:
    def __init__(self, ws: "Workspace", within: float = 3.0, keep: int = 1000, again: Sequence[float] = RETRY_AFTER) -> None:
        self.ws = ws
        self.within = within
        self.again = again
        self.retries: list[Retry] = []
        self.sent: deque[tuple[str, Doc, Answer]] = deque(maxlen=keep)  # the last deliveries: app, payload, answer
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # one delivery ---------------------------------------------------------------------------------------------
    async def send(self, app: App, kind: DeliveryKind, payload: Doc, *, retry: int = 0, reason: str = "") -> Answer:
        """One attempt. Socket Mode wins when the app has an open connection, as in Slack."""
        started = time.perf_counter()
        if self.ws.sockets.open_for(app.id):
            answer = await self.ws.sockets.send(app.id, kind, payload, self.within, retry, reason)
        elif url := self._url(app, kind, payload):
            answer = await self._post(app, url, kind, payload, retry, reason)
        else:
            answer = Answer(False, error="nowhere_to_send")
        answer = Answer(
            answer.ok, answer.status, answer.body, time.perf_counter() - started, answer.error, answer.headers
        )
        self.sent.append((app.id, payload, answer))
        return answer

    def _url(self, app: App, kind: DeliveryKind, payload: Doc) -> str:
        if kind == "slash_commands" and not app.request_url:
            named = (command for command in app.commands if command["command"] == payload["command"])
            return str(next(named, {}).get("url", ""))
        return app.request_url

    async def _post(self, app: App, url: str, kind: DeliveryKind, payload: Doc, retry: int, reason: str) -> Answer:
        if kind == "events_api":
            body, content = json.dumps(payload).encode(), "application/json"
        elif kind == "interactive":
            body, content = urlencode({"payload": json.dumps(payload)}).encode(), "application/x-www-form-urlencoded"
        else:
            body, content = urlencode(payload).encode(), "application/x-www-form-urlencoded"
        stamp = str(int(self.ws.signing_clock().timestamp()))
        headers = {
            "Content-Type": content, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(app.signing_secret, stamp, body),
        }
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100), trust_env=False)
        try:
            async with asyncio.timeout(self.within):
                async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as reply:
                    text = await reply.text()
                    ok = 200 <= reply.status < 300
                    answered = {key.lower(): value for key, value in reply.headers.items()}
                    return Answer(ok, reply.status, read_body(text), 0, "" if ok else "http_error", answered)
        except TimeoutError:
            return Answer(False, error="http_timeout")
        except aiohttp.ClientError as trouble:
            return Answer(False, error="connection_failed", body=str(trouble))

    # events are tried again -----------------------------------------------------------------------------------
    async def send_event(self, app: App, payload: Doc, attempt: int = 0, reason: str = "") -> Answer:
        """Up to four attempts; the later ones wait in `retries` until their time by the workspace's clock."""
        if attempt == 0 and not self._url(app, "events_api", payload) and not self.ws.sockets.open_for(app.id):
            return Answer(False, error="nowhere_to_send")
        answer = await self.send(app, "events_api", payload, retry=attempt, reason=reason)
        no_retry = answer.headers.get("x-slack-no-retry") == "1"
        if answer.ok or no_retry or attempt >= len(self.again):
            return answer
        wait = self.again[attempt]
        if wait == 0:
            return await self.send_event(app, payload, attempt + 1, answer.error)
        due = self.ws.micros() + int(wait * 1_000_000)
        self.retries.append(Retry(due, app.id, payload, attempt + 1, answer.error))
        return answer

    async def retry_due(self) -> int:
        """Try again what is due by now; answers how many were tried."""
        now = self.ws.micros()
        due = [retry for retry in self.retries if retry.due <= now]
        self.retries = [retry for retry in self.retries if retry.due > now]
        for retry in due:
            app = self.ws.store.apps.get(retry.app_id)
            if app is not None:
                await self.send_event(app, retry.payload, retry.attempt, retry.reason)
        return len(due)


def read_body(text: str) -> Any:
    """JSON when it is JSON, else the text itself (a command may answer plain words)."""
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
