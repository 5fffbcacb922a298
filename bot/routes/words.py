"""Slack's mrkdwn as plain words, for routes that know no Slack: pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bot.blocks import typed
from bot.calendars import zone_named

_DATE = re.compile(r"<!date\^(\d{1,11})\^([^<>|^]*)(?:\^[^<>|]*)?\|[^<>]*>")
_ANGLE = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")


def plain_words(text: str) -> str:
    """Mentions, dates and links as a person would write them; escapes taken back."""
    words = _ANGLE.sub(_spoken, text)
    return typed(words)


def times_in(text: str, zone: str) -> str:
    """Slack's dates as the reader's own clock shows them, with its zone: other routes do not know where they are read."""
    try:
        at = zone_named(zone)
    except ValueError:  # a zone that only Slack knows: a call is never lost to it
        return text

    def local(found: re.Match[str]) -> str:
        moment = datetime.fromtimestamp(int(found[1]), UTC).astimezone(at)
        return f"{moment:%H:%M %Z}" if found[2] == "{time}" else f"{moment:%Y-%m-%d %H:%M %Z}"

    return _DATE.sub(local, text)


def first_line(text: str, limit: int = 120) -> str:
    """The first line as a subject: no line breaks, at most `limit` characters."""
    line = next((line.strip() for line in plain_words(text).splitlines() if line.strip()), "A message from aiops-bot")
    line = re.sub(r"[\x00-\x1f\x7f]", " ", line.replace("*", ""))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _spoken(found: re.Match[str]) -> str:
    what, label = found.group(1), found.group(2)
    if what.startswith(("!date^", "!subteam^")):
        return label or what
    if what.startswith(("@", "#", "!")):
        return label or what.lstrip("!")
    shown = what.removeprefix("mailto:")
    return f"{label} ({shown})" if label and label != shown else shown
