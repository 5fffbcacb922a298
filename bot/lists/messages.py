"""How a person's list reads: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from bot.blocks import Block, Message, clip, context, escape, header, section, when
from bot.quality.words import joined, plural

MOST_SHOWN = 20  # items with their button; the rest are counted
MOST_DONE = 12


@dataclass(frozen=True)
class Item:
    """One thing that waits for a person: what, since when, and what to press. `what` is plain text, escaped here."""

    key: str
    what: str
    since: datetime | None = None
    button: dict[str, Any] | None = None
    detail: str = ""  # why it is asked, plain
    counts: int = 1  # how many things it stands for


def list_message(day: date, items: Sequence[Item], done: Sequence[str]) -> Message:
    """The list of the day: what waits first, with its buttons, then what was done since the morning."""
    total = sum(item.counts for item in items)
    title = f"Your list · {day:%a} {day.day} {day:%b}"
    said = f"{plural(total, 'thing')} for you today." if items else "All done. Thank you."
    blocks: list[Block] = [header(title), section(said)]
    blocks.extend(item_blocks(items))
    if done:
        shown = [*done[:MOST_DONE], f"{len(done) - MOST_DONE} more"] if len(done) > MOST_DONE else list(done)
        blocks.append(context(clip("☑️ Done: " + escape("; ".join(shown)), 1900)))
    if items:
        blocks.append(context("I edit this list as things get done, and remind you at most once. `/aiops mine` shows it at any time."))
    return Message(_text(f"{title}. {said}", items), blocks)


def mine_message(items: Sequence[Item]) -> Message:
    """The same, asked for at any time; an empty list is good news."""
    if not items:
        said = "Nothing waits for you. If an agent of yours needs you, it will be here, and on your list in the morning."
        return Message(said, [section(f"🌤️ {said}")])
    said = f"{plural(sum(item.counts for item in items), 'thing')} for you now."
    return Message(_text(said, items), [section(f"*{said}*"), *item_blocks(items)])


def reminder(items: Sequence[Item]) -> Message:
    """The one reminder of the afternoon; edited when all is done."""
    if not items:
        return Message("All of today's list is done. Thank you.")
    total = sum(item.counts for item in items)
    first = joined([item.what for item in items[:2]] + ([f"{len(items) - 2} more"] if len(items) > 2 else []))
    return Message(escape(clip(f"Still on your list today: {first}.", 1500)), [section(escape(clip(f"{plural(total, 'thing')} still on your list today: {first}.", 1500))), context("The list of this morning, above, has the buttons. I will not remind you again today.")])


def item_blocks(items: Sequence[Item]) -> list[Block]:
    """A section per item, its button beside it; beyond twenty they are counted."""
    blocks = [section(_words(item), accessory=item.button) for item in items[:MOST_SHOWN]]
    if len(items) > MOST_SHOWN:
        left = [item.what for item in items[MOST_SHOWN : MOST_SHOWN + 8]]
        blocks.append(context(clip(escape(f"And {len(items) - MOST_SHOWN} more, shown when these are done: {'; '.join(left)}"), 1900)))
    return blocks


def _words(item: Item) -> str:
    since = f"since {when(item.since)}" if item.since else ""
    below = " · ".join(part for part in (escape(clip(item.detail, 400)), since) if part)
    return f"{escape(clip(item.what, 600))}" + (f"\n{below}" if below else "")


def _text(title: str, items: Sequence[Item]) -> str:
    lines = [title]
    for item in items[:30]:
        lines.append(f"• {clip(item.what, 300)}")
        if sum(map(len, lines)) > 3000:
            break
    if len(items) + 1 > len(lines):
        lines.append(f"And {len(items) + 1 - len(lines)} more.")
    return escape("\n".join(lines))
