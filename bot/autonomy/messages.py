"""The stage of an agent as a person sees it, and the form of the way back: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.blocks import (
    Message,
    actions,
    button,
    clip,
    context,
    escape,
    input_block,
    modal,
    option,
    section,
    text_input,
    when,
)


@dataclass(frozen=True)
class Stands:
    """One agent and what it must obey now; `ways` are the stages it may go back to, `who` says who may order that."""

    name: str
    slug: str
    stage: str
    means: str
    since: datetime
    by: str
    reason: str
    rev: int
    ways: tuple[str, ...] = ()
    who: str = ""


def stands(row: Stands, *, may_start: bool) -> Message:
    """`/aiops stage <agent>`."""
    by = f" by {escape(row.by)}" if row.by else ""
    why = f"\n*Why:* {escape(clip(row.reason, 400))}" if row.reason else ""
    lines = f"*{escape(row.name)}* is *{row.stage}*: {row.means}.\nSince {when(row.since)}{by}.{why}"
    blocks = [section(lines)]
    if row.ways and may_start:
        blocks.append(actions(button(verb(row.stage), "autonomy.start", f"{row.slug}:{row.rev}", style="primary", label=clip(f"{verb(row.stage)}: {row.name}", 75))))
        note = f"The way back goes as far as {row.ways[-1]}."
    elif row.ways:
        note = row.who
    else:
        note = "Nothing was taken from it, so there is no way back to go. Less is ordered on a page, with `Human review` or `Stop agent`."
    text = f"{lines}\n{note}"
    return Message(text, [*blocks, context(note)])


def verb(stage: str) -> str:
    """What the button is called."""
    return "Start again" if stage == "suspended" else "Let it work as before"


def mine(rows: Sequence[Stands]) -> Message:
    """`/aiops stage` alone: those of my agents that may do less than before, or the stages of all of mine."""
    if not rows:
        return Message("You have no agents. `/aiops stage <agent>` shows what any agent may do now.")
    lines = [f"• *{escape(row.name)}* (`{row.slug}`): {row.stage}, since {when(row.since, '{date_short_pretty}')}" + (f". Back to {row.ways[-1]}: `/aiops stage {row.slug}`" if row.ways else "") for row in rows[:30]]
    more = f"\nand {len(rows) - 30} more." if len(rows) > 30 else ""
    text = "What your agents may do now:\n" + "\n".join(lines) + more
    return Message(text, [section(text)])


def start_form(row: Stands) -> dict[str, Any]:
    """Which stage, and why: its channel reads both."""
    means = {"shadow": "It runs, and nothing it makes is used", "assisted": "A person looks at every output before it counts", "autonomous": "It works by itself, as before"}
    choices = [option(each.capitalize(), each, means[each]) for each in row.ways]
    told = section(f"*{escape(row.name)}* is {row.stage} since {when(row.since)}" + (f": {escape(clip(row.reason, 300))}" if row.reason else ".") + "\nIts checks look at it again, and what it missed meanwhile is held against nobody.")
    element = {"type": "radio_buttons", "action_id": "stage", "options": choices, "initial_option": choices[0]}
    reason = input_block("reason", "What has changed?", text_input("reason", multiline=True, placeholder="The price list is mended, and ten answers were checked", most=500), hint="Its channel reads this.")
    return modal(verb(row.stage), [told, input_block("stage", "What may it do?", element), reason], callback_id="autonomy.start", submit="Start" if row.stage == "suspended" else "Order", metadata=f"{row.slug}:{row.rev}")


def changed(row: Stands) -> Message:
    """Somebody was quicker, or it is done already."""
    return Message(f"{escape(row.name)} is {row.stage} since {when(row.since)}" + (f", ordered by {escape(row.by)}" if row.by else "") + f". Nothing was changed by this; `/aiops stage {row.slug}` shows how it stands.")
