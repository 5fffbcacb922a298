"""Reading Slack's whole directory, page by page, and one person at once: the network first, then one short write a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.lanes import Lanes, Urgency
from bot.marks import mark_of, put_mark
from bot.people.directory import Team, missing_now, take_channel, take_group, take_user
from bot.routes.slack import word_of
from bot.tables import Person

PAGE = 200  # as Slack recommends
PATIENCE = 5  # times a page is asked for again after "slow down"

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Synced:
    """How much a sync took over, and which parts Slack would not tell (a missing scope), with its word for it."""

    people: int
    groups: int
    channels: int
    refused: dict[str, str]


async def sync(client: AsyncWebClient, lanes: Lanes, now: datetime, team: Team, *, sleep: Sleep = asyncio.sleep) -> Synced:
    """Take the whole directory over. A part that Slack refuses leaves the others and what is known untouched.

    Raises what slack_sdk raises when Slack cannot be reached at all.
    """
    refused: dict[str, str] = {}
    seen: list[str] = []
    groups = channels = 0
    try:
        async for page in _pages(client, "users.list", "members", sleep):
            seen += [str(user["id"]) for user in page]
            await lanes.write(_taking(page, lambda tx, user: take_user(tx, user, team, now)))
        await lanes.write(lambda tx: missing_now(tx, team, seen, now))
    except SlackApiError as error:
        refused["people"] = _word(error)
    try:
        answer = await _ask(client, "usergroups.list", {"include_users": "true", "include_disabled": "true"}, sleep)
        found = answer.get("usergroups") or []
        groups = len(found)
        await lanes.write(_taking(found, lambda tx, group: take_group(tx, group, team)))
    except SlackApiError as error:
        refused["user groups"] = _word(error)
    # Asked one by one: who declined the right to private channels must not lose the public ones with them.
    for part, kind in (("channels", "public_channel"), ("private channels", "private_channel")):
        try:
            async for page in _pages(client, "conversations.list", "channels", sleep, types=kind, exclude_archived="false"):
                channels += len(page)
                await lanes.write(_taking(page, lambda tx, channel: take_channel(tx, channel, team)))
        except SlackApiError as error:
            refused[part] = _word(error)
    result = Synced(len(seen), groups, channels, refused)
    await lanes.write(lambda tx: _remember(tx, now, result))
    return result


async def identify(client: AsyncWebClient, lanes: Lanes, team: Team, slack_id: str, now: datetime) -> Person | None:
    """Ask Slack who one person is and write it down; None where Slack did not say."""
    try:
        answer = await client.users_info(user=slack_id, include_locale=True)
    except (SlackApiError, SlackClientError, OSError, TimeoutError):
        return None
    user = answer.get("user")
    if not user:
        return None
    try:
        return await lanes.write(lambda tx: take_user(tx, user, team, now), urgency=Urgency.PRESS)
    except IntegrityError:  # two presses of somebody new at once: the other one wrote them down first
        return await lanes.write(lambda tx: take_user(tx, user, team, now), urgency=Urgency.PRESS)


async def _pages(client: AsyncWebClient, method: str, part: str, sleep: Sleep, **params: str) -> AsyncIterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        answer = await _ask(client, method, {"limit": str(PAGE), **params, **({"cursor": cursor} if cursor else {})}, sleep)
        yield answer.get(part) or []
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return


async def _ask(client: AsyncWebClient, method: str, params: dict[str, str], sleep: Sleep) -> dict[str, Any]:
    """Call, and wait as long as Slack says when it says "slow down"."""
    for attempt in range(PATIENCE + 1):
        try:
            answer = await client.api_call(method, http_verb="GET", params=params)
            return dict(answer.data) if isinstance(answer.data, dict) else {}
        except SlackApiError as error:
            if error.response.status_code != 429 or attempt == PATIENCE:
                raise
            await sleep(float(error.response.headers.get("Retry-After", 1)))
    raise AssertionError("unreachable")


def _taking(items: list[dict[str, Any]], take: Callable[[Session, dict[str, Any]], object]) -> Callable[[Session], None]:
    def work(tx: Session) -> None:
        for item in items:
            take(tx, item)

    return work


def _word(error: SlackApiError) -> str:
    data = getattr(error.response, "data", None)
    needed = data.get("needed") if isinstance(data, dict) else None
    return word_of(error) + (f" (needs the scope {needed})" if needed else "")


def _remember(tx: Session, now: datetime, result: Synced) -> None:
    value = {"at": now.isoformat(), "people": result.people, "groups": result.groups, "channels": result.channels, "refused": result.refused}
    put_mark(tx, "directory", value)


def last_sync(tx: Session) -> dict[str, Any] | None:
    """When the directory was last read and what was refused; None where it never was."""
    return mark_of(tx, "directory") or None
