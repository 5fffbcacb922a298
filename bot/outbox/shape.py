"""How a row looks in Slack: its marker, its blocks, and the plain forms for when blocks are refused. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bot.blocks import SECTION_TEXT, clip

MARK = "aiops."
EVENT_TYPE = "aiops_message"
FULL, PLAIN, BARE = 0, 1, 2  # with its blocks; as plain sections; as nothing but text


def marker_of(key: str, row_id: int, created_at: datetime) -> str:
    """The block_id that every post of a row carries: the same for all revisions and attempts, and only for this row.

    The row's age is part of it, so that a database started over never takes an old message for its own.
    """
    digest = hashlib.sha256(f"{key}|{row_id}|{int(created_at.timestamp() * 1000)}".encode()).hexdigest()
    return MARK + digest[:32]


def content(want: dict[str, Any], marker: str, rev: int, nonce: str, layout: int = FULL) -> dict[str, Any]:
    """The arguments of chat.postMessage and chat.update that say what is shown."""
    text = str(want.get("text") or "…")
    made: dict[str, Any] = {
        "text": text,
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"marker": marker, "rev": rev, "nonce": nonce}},
        "unfurl_links": False,
        "unfurl_media": False,
    }
    blocks = list(want.get("blocks") or [])
    if layout == FULL and blocks:
        made["blocks"] = marked(blocks, marker)
    elif layout == BARE:
        made["blocks"] = []
    else:
        made["blocks"] = plain_blocks(text, marker)
    return made


def marked(blocks: list[dict[str, Any]], marker: str) -> list[dict[str, Any]]:
    """The blocks with the marker on the first that has no name of its own, else on the first without buttons."""
    chosen = next((i for i, block in enumerate(blocks) if not block.get("block_id")), None)
    if chosen is None:
        quiet = ("section", "header", "divider", "context")
        chosen = next((i for i, block in enumerate(blocks) if block.get("type") in quiet and "accessory" not in block), 0)
    return [{**block, "block_id": marker} if i == chosen else block for i, block in enumerate(blocks)]


def plain_blocks(text: str, marker: str) -> list[dict[str, Any]]:
    """The same words as plain sections, at most two (a section holds 3,000 characters, a message 4,000)."""
    parts = [clip(text, SECTION_TEXT)]
    if len(text) > SECTION_TEXT:
        cut = text.rfind("\n", 1, SECTION_TEXT)
        cut = cut if cut > 0 else text.rfind(" ", 1, SECTION_TEXT)
        cut = cut if cut > 0 else SECTION_TEXT
        parts = [text[:cut], clip(text[cut:].strip() or "…", SECTION_TEXT)]
    made: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": part or "…", "verbatim": True}} for part in parts]
    made[0]["block_id"] = marker
    return made


def carries(message: dict[str, Any], marker: str) -> bool:
    """Whether a message that Slack tells of is a post of the row with this marker."""
    if any(isinstance(block, dict) and block.get("block_id") == marker for block in message.get("blocks") or []):
        return True
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return metadata.get("event_type") == EVENT_TYPE and payload.get("marker") == marker


def rev_of(message: dict[str, Any]) -> int | None:
    """Which revision a found message shows, where its metadata tells."""
    rev = ((message.get("metadata") or {}).get("event_payload") or {}).get("rev")
    return rev if isinstance(rev, int) else None


def order_of(ts: str) -> tuple[int, int]:
    """A Slack timestamp as something to sort by."""
    seconds, _, micros = ts.partition(".")
    return int(seconds or 0), int(micros or 0)


def to_keep(found: Iterable[str], known: str | None) -> str | None:
    """Which of several copies stays: the one we know of, else the first."""
    copies = sorted(found, key=order_of)
    if known in copies:
        return known
    return copies[0] if copies else None
