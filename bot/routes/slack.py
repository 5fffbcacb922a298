"""Slack's Web API through slack_sdk, with every failure turned into a named outcome and nothing repeated on its own."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.routes.outcome import Kind, Outcome

# Read methods take no JSON; being reads they may be repeated by the HTTP client on a stale connection.
READS = frozenset({"conversations.history", "conversations.info", "conversations.replies", "files.getUploadURLExternal", "users.info"})

# Errors by what they mean for delivery, as named in Slack's reference of each method.
UNAUTHORISED = frozenset({
    "account_inactive", "ekm_access_denied", "invalid_auth", "not_allowed_token_type", "not_authed", "org_login_required",
    "token_expired", "token_revoked",
})
LAYOUT = frozenset({
    "block_mismatch", "invalid_attachments", "invalid_blocks", "invalid_blocks_format", "invalid_metadata_format",
    "invalid_metadata_schema", "markdown_text_conflict", "metadata_must_be_sent_from_app", "metadata_too_large",
    "msg_blocks_too_long", "msg_too_long", "no_text", "too_many_attachments",
})
NO_PLACE = frozenset({
    "cannot_dm_bot", "channel_not_found", "external_channel_migrating", "is_archived", "is_inactive", "messages_tab_disabled",
    "no_permission", "not_in_channel", "restricted_action", "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel", "restricted_action_thread_locked", "restricted_action_thread_only_channel",
    "team_not_found", "user_disabled", "user_is_deactivated", "user_not_found", "user_not_visible", "users_not_found",
})
NO_MESSAGE = frozenset({"cant_delete_message", "cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"})
# Slack says of these that part of the operation may have been done.
UNSURE = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})


class SlackCalls:
    """Calls methods of the Web API. slack_sdk's own retry handlers are off: they would post twice after a dropped answer."""

    def __init__(self, token: str, base_url: str = "https://slack.com/api/", *, timeout: float = 10.0, at_once: int = 64) -> None:
        self._token = token
        self._base_url = base_url
        self._timeout = timeout
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncWebClient | None = None

    async def call(self, method: str, args: dict[str, Any] | None = None) -> Outcome:
        """Call a method once."""
        client = self._opened()
        given = {name: value for name, value in (args or {}).items() if value is not None}
        try:
            if method in READS:
                answer = await client.api_call(method, http_verb="GET", params=given)
            else:
                answer = await client.api_call(method, json=given)
        except SlackApiError as refused:
            return _judge(refused)
        except aiohttp.ClientConnectorError as error:
            return Outcome(Kind.UNREACHABLE, type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Outcome(Kind.UNKNOWN, type(error).__name__)
        except SlackClientError as error:
            return Outcome(Kind.REFUSED, type(error).__name__)
        data = answer.data
        return Outcome(Kind.OK, found=data if isinstance(data, dict) else {})

    async def upload(self, url: str, content: bytes) -> Outcome:
        """Send the bytes of a file to the address that files.getUploadURLExternal gave out."""
        self._opened()
        assert self._session is not None
        try:
            async with self._session.post(url, data=content, headers={"Content-Type": "application/octet-stream"}) as answer:
                await answer.read()
                if answer.status == 200:
                    return Outcome(Kind.OK)
                if answer.status == 429:
                    return Outcome(Kind.RATE_LIMITED, "ratelimited", _seconds(answer.headers.get("Retry-After")))
                return Outcome(Kind.UNREACHABLE, f"upload_{answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Bytes that belong to no message yet are seen by nobody: sending them again is harmless.
            return Outcome(Kind.UNREACHABLE, type(error).__name__)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)
        self._session = self._client = None

    def _opened(self) -> AsyncWebClient:
        """The client, on one session of the running loop (aiohttp wants it made there)."""
        if self._client is None or self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                connector=aiohttp.TCPConnector(limit=self._at_once, keepalive_timeout=10),
            )
            self._client = AsyncWebClient(
                token=self._token, base_url=self._base_url, timeout=int(self._timeout), session=self._session, retry_handlers=[]
            )
        return self._client


def _judge(refused: SlackApiError) -> Outcome:
    """Which outcome an answer of Slack is that is not `ok`."""
    status = int(getattr(refused.response, "status_code", 0) or getattr(refused.response, "status", 0) or 0)
    data = getattr(refused.response, "data", None)
    found: dict[str, Any] = data if isinstance(data, dict) else {}
    error = str(found.get("error") or f"http_{status}")
    headers = getattr(refused.response, "headers", None) or {}
    if status == 429 or error in ("ratelimited", "rate_limited"):
        return Outcome(Kind.RATE_LIMITED, "ratelimited", _seconds(headers.get("Retry-After") or headers.get("retry-after")))
    if not found or status >= 500 or error in UNSURE:
        return Outcome(Kind.UNKNOWN, error)
    return Outcome(kind_of(error), error, found=found)


def seconds_to_wait(refused: SlackApiError) -> float | None:
    """How long Slack asks to be left alone, where it does."""
    judged = _judge(refused)
    return judged.seconds if judged.kind is Kind.RATE_LIMITED else None


def word_of(error: SlackApiError) -> str:
    """Slack's name of an error; where a proxy or an outage answered with something that is not Slack's, the status."""
    data = getattr(error.response, "data", None)
    word = data.get("error") if isinstance(data, dict) else None
    return str(word or f"http_{getattr(error.response, 'status_code', 0)}")


def kind_of(error: str) -> Kind:
    """Slack's own name of an error, as the kind of outcome it is; what nobody knows yet is a plain refusal."""
    if error in UNAUTHORISED:
        return Kind.UNAUTHORISED
    if error in LAYOUT:
        return Kind.LAYOUT
    if error in NO_PLACE:
        return Kind.NO_PLACE
    if error in NO_MESSAGE:
        return Kind.NO_MESSAGE
    return Kind.REFUSED


def _seconds(header: str | None) -> float:
    try:
        return max(1.0, float(header or 1))
    except ValueError:
        return 1.0
