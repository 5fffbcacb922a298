"""Reading Slack's payloads into a Press: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.blocks import typed
from bot.people.flows import Actor
from bot.surface.press import Press


@dataclass(frozen=True)
class Who:
    """The person in a payload, before they are looked up."""

    slack_id: str
    team_id: str
    name: str


def who_acts(body: Mapping[str, Any]) -> Who | None:
    """Who pressed, submitted, typed or spoke; None where the payload names nobody (a bot's or system event)."""
    if "command" in body:
        return Who(body.get("user_id", ""), body.get("team_id", ""), body.get("user_name", ""))
    if "user" in body and isinstance(body["user"], dict):
        user = body["user"]
        team = user.get("team_id") or (body.get("team") or {}).get("id") or ""
        return Who(user.get("id", ""), team, user.get("username") or user.get("name") or "")
    event = body.get("event") or {}
    if isinstance(event.get("user"), str):
        # In a shared channel the speaker's own team differs from the one the event was sent to.
        return Who(event["user"], event.get("user_team") or event.get("team") or body.get("team_id") or "", "")
    return None


def once_key(body: Mapping[str, Any]) -> str | None:
    """What names this delivery for good: Slack repeats events, and anyone may replay a request."""
    if body.get("event_id"):
        return f"event:{body['event_id']}"
    if body.get("trigger_id"):
        return f"trigger:{body['trigger_id']}"
    return None


def read_action(body: Mapping[str, Any], actor: Actor, now: datetime) -> Press:
    """A block_actions payload; one press holds one action."""
    action = body["actions"][0]
    container = body.get("container") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id")
    message = body.get("message") or {}
    view = body.get("view") or {}
    state = (view.get("state") or body.get("state") or {}).get("values") or {}
    return Press(
        actor=_in_channel(actor, channel),
        now=now,
        came_from="button",
        name=str(action.get("action_id", "")),
        value=value_of(action),
        values=unwrap(state),
        channel=channel,
        message_ts=container.get("message_ts") or message.get("ts"),
        thread_ts=message.get("thread_ts") or container.get("thread_ts"),
        message=message,
        view_id=view.get("id"),
    )


def read_view(body: Mapping[str, Any], actor: Actor, now: datetime) -> Press:
    """A view_submission payload; `value` is the private_metadata."""
    view = body["view"]
    values = unwrap((view.get("state") or {}).get("values") or {})
    return Press(
        actor=actor,
        now=now,
        came_from="view",
        name=str(view.get("callback_id", "")),
        value=str(view.get("private_metadata", "")),
        values=values,
        view_id=view.get("id"),
    )


def read_shortcut(body: Mapping[str, Any], actor: Actor, now: datetime) -> Press:
    """A message shortcut."""
    channel = (body.get("channel") or {}).get("id")
    message = body.get("message") or {}
    return Press(
        actor=_in_channel(actor, channel),
        now=now,
        came_from="shortcut",
        name=str(body.get("callback_id", "")),
        channel=channel,
        message_ts=body.get("message_ts") or message.get("ts"),
        thread_ts=message.get("thread_ts"),
        message=message,
    )


def read_command(body: Mapping[str, Any], actor: Actor, now: datetime) -> Press:
    """A slash command."""
    words = typed(str(body.get("text", ""))).split()
    channel = body.get("channel_id")
    return Press(
        actor=_in_channel(actor, channel),
        now=now,
        came_from="command",
        name=words[0].lower() if words else "",
        words=tuple(words[1:]),
        channel=channel,
    )


def read_mention(body: Mapping[str, Any], actor: Actor, now: datetime, bot_user: str) -> Press:
    """A mention of the bot, or words written to it in a DM."""
    event = body["event"]
    text = typed(str(event.get("text", "")).replace(f"<@{bot_user}>", " "))
    words = text.split()
    channel = event.get("channel")
    return Press(
        actor=_in_channel(actor, channel),
        now=now,
        came_from="mention",
        name=words[0].lower() if words else "",
        words=tuple(words[1:]),
        channel=channel,
        message_ts=event.get("ts"),
        thread_ts=event.get("thread_ts"),
        message=event,
    )


def value_of(element: Mapping[str, Any]) -> Any:
    """What an interactive element holds, as plain text (or a list of them)."""
    for key in ("selected_option",):
        if element.get(key):
            return element[key].get("value", "")
    if "selected_options" in element:
        return [each.get("value", "") for each in element["selected_options"] or []]
    for key in (
        "selected_user", "selected_users", "selected_conversation", "selected_conversations", "selected_channel",
        "selected_channels", "selected_date", "selected_time", "selected_date_time", "value",
    ):  # fmt: skip
        if element.get(key) is not None:
            return element[key]
    return ""


def unwrap(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`{block: {action: {...}}}` as `{block: value}`: our forms have one element a block."""
    return {block: value_of(next(iter(inner.values()), {})) for block, inner in values.items()}


def _in_channel(actor: Actor, channel: str | None) -> Actor:
    return replace(actor, channels=actor.channels | {channel}) if channel else actor
