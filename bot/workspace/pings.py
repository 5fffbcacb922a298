"""Who is notified by a message: mentions in mrkdwn, markdown and rich text ping; plain text and escaped text do not."""

import re
from collections.abc import Iterator
from typing import Any

from bot.workspace.store import Store
from bot.workspace.things import Channel, Doc

MENTION = re.compile(r"<(@[UW][A-Z0-9]+|!channel|!here|!everyone|!subteam\^S[A-Z0-9]+)(?:\|[^<>]*)?>")


def mentions_in_blocks(blocks: Any) -> Iterator[str]:
    """Every mention that Slack would resolve, as `@U..`, `!channel` or `!subteam^S..`."""
    if isinstance(blocks, list):
        for part in blocks:
            yield from mentions_in_blocks(part)
    elif isinstance(blocks, dict):
        kind = blocks.get("type")
        if kind in ("mrkdwn", "markdown") and isinstance(blocks.get("text"), str):
            yield from MENTION.findall(blocks["text"])
        elif kind == "user" and "user_id" in blocks:
            yield f"@{blocks['user_id']}"
        elif kind == "usergroup" and "usergroup_id" in blocks:
            yield f"!subteam^{blocks['usergroup_id']}"
        elif kind == "broadcast" and "range" in blocks:
            yield f"!{blocks['range']}"
        else:
            for value in blocks.values():
                if isinstance(value, (list, dict)):
                    yield from mentions_in_blocks(value)


def mentions(message: Doc) -> set[str]:
    """All mentions of a message, in its text and its blocks."""
    found = set(MENTION.findall(message.get("text") or ""))
    found.update(mentions_in_blocks(message.get("blocks")))
    for attachment in message.get("attachments") or []:
        found.update(MENTION.findall(f"{attachment.get('text') or ''} {attachment.get('pretext') or ''}"))
        found.update(mentions_in_blocks(attachment.get("blocks")))
    return found


def notified(store: Store, channel: Channel, message: Doc) -> dict[str, str]:
    """The members this message notifies, and how: `direct`, `mention`, `group` or `broadcast`; never its author."""
    how: dict[str, str] = {}
    for mention in mentions(message):
        if mention.startswith("@"):
            how[mention[1:]] = "mention"
        elif mention.startswith("!subteam^"):
            group = store.groups.get(mention.removeprefix("!subteam^"))
            for user in group.users if group and not group.disabled else ():
                how.setdefault(user, "group")
        else:
            for user in channel.members:
                how.setdefault(user, "broadcast")
    if channel.kind in ("im", "mpim"):
        for user in channel.members:
            how.setdefault(user, "direct")
    author = message.get("user")
    return {
        user: way for user, way in how.items()
        if user in channel.members and user != author and user in store.people and not store.people[user].is_bot
    }
