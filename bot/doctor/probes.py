"""What the doctor asks outside: Slack, its sockets, the mail server. Each question has its own patience, and none changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor.facts import Told
from bot.routes.outcome import Kind
from bot.routes.slack import UNAUTHORISED, kind_of, word_of

if TYPE_CHECKING:  # named only for its type: importing it costs every start a fifth of a second
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

PATIENCE = 5.0  # seconds for one question
AT_ONCE = 5
MOST_CHANNELS = 30  # conversations.info allows about 50 a minute


async def ask_slack(client: AsyncWebClient) -> Told:
    """Does the token open the door, whose is it, and what may it do?"""
    try:
        answer = await asyncio.wait_for(client.auth_test(), PATIENCE)
    except SlackApiError as error:
        word = word_of(error)
        return Told("refused" if word in UNAUTHORISED else "away", word)
    except (SlackClientError, OSError, TimeoutError) as error:
        return Told("away", "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
    given = next((value for name, value in (answer.headers or {}).items() if name.lower() == "x-oauth-scopes"), None)
    scopes = frozenset(part.strip() for part in str(given).split(",") if part.strip()) if given is not None else None
    return Told("ok", "", str(answer.get("team") or ""), str(answer.get("team_id") or ""), scopes)


async def ask_channels(client: AsyncWebClient, slack_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """These channels as Slack tells them now; one it does not know is an empty dict, one it did not tell of is left out."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(slack_id: str) -> tuple[str, dict[str, Any] | None]:
        async with gate:
            try:
                answer = await asyncio.wait_for(client.conversations_info(channel=slack_id), PATIENCE)
            except SlackApiError as error:
                return slack_id, {} if word_of(error) == "channel_not_found" else None
            except (SlackClientError, OSError, TimeoutError):
                return slack_id, None
            return slack_id, answer.get("channel") or {}

    asked = await asyncio.gather(*(one(slack_id) for slack_id in slack_ids[:MOST_CHANNELS]))
    return {slack_id: told for slack_id, told in asked if told is not None}


async def ask_app_token(client: AsyncWebClient, token: str) -> str | None:
    """Slack's word against the app-level token; None where it is good, or Slack did not say."""
    try:
        await asyncio.wait_for(client.apps_connections_open(app_token=token), PATIENCE)
    except SlackApiError as error:
        word = word_of(error)
        return word if kind_of(word) is Kind.UNAUTHORISED or word in ("missing_scope", "not_allowed_token_type") else None
    except (SlackClientError, OSError, TimeoutError):
        return None
    return None


async def any_connected(sockets: Iterable[AsyncSocketModeHandler]) -> bool:
    """Whether at least one of Socket Mode's connections stands."""
    for socket in sockets:
        if await socket.client.is_connected():
            return True
    return False


async def ask_mail_server(url: str) -> str | None:
    """Why the mail server cannot be reached; None where it can (nothing is said to it)."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (465 if parts.scheme == "smtps" else 587)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), PATIENCE)
    except (OSError, TimeoutError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else "the connection failed"
        return f"{host}:{port}: {why}"
    writer.close()
    return None
