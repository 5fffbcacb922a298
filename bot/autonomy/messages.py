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
    confirm,
    context,
    escape,
    input_block,
    modal,
    option,
    section,
    text_input,
    when,
)
from bot.stages.versions import Good


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
    order: str = ""  # how far the order in force has come; escaped, a sentence
    by_hand: str = ""  # why a press reaches nobody by itself, and the manual way; escaped
    version: str | None = None  # the version ordered
    good: str | None = None  # the last good version before that

    @property
    def value(self) -> str:
        return f"{self.slug}:{self.rev}"


def stands(row: Stands, *, may_start: bool, may_stop: bool = False) -> Message:
    """`/aiops stage <agent>`."""
    by = f" by {escape(row.by)}" if row.by else ""
    why = f"\n*Why:* {escape(clip(row.reason, 400))}" if row.reason else ""
    held = f" It is held at version {named(row.version)}." if row.version else ""
    order = f"\n*The order:* {row.order}" if row.order else ""
    lines = f"*{escape(row.name)}* is *{row.stage}*: {row.means}.{held}\nSince {when(row.since)}{by}.{why}{order}"
    blocks = [section(lines)]
    pressed = []
    if row.ways and may_start:
        pressed.append(button(verb(row.stage), "autonomy.start", row.value, style="primary", label=clip(f"{verb(row.stage)}: {row.name}", 75)))
    if row.version and may_start:
        pressed.append(button("End the roll back", "autonomy.forward", row.value, label=clip(f"Let {row.name} use its newest version again", 75)))
    if may_stop:
        pressed += _switches(row)
    if pressed:
        blocks.append(actions(*pressed))
    if row.ways and may_start:
        note = f"The way back goes as far as {row.ways[-1]}."
    elif row.ways:
        note = row.who
    elif row.stage == "retired":
        note = f"It is retired: its checks rest, and nothing is taken for it. `/aiops agent bring-back {row.slug}` is the way back, within 30 days."
    else:
        note = "Nothing was taken from it, so there is no way back to go."
    if row.by_hand and not row.order:
        note += f" Mind: {row.by_hand}"
    text = f"{lines}\n{note}"
    return Message(text, [*blocks, context(note)])


def _switches(row: Stands) -> list[dict[str, Any]]:
    """What may be ordered in a hurry."""
    if row.stage == "retired":
        return []
    found = []
    if row.stage == "autonomous":
        asked = f"Mind: {row.by_hand}" if row.by_hand else f"From now on a person looks at every output of {escape(clip(row.name, 60))} before it counts. Its channel is told."
        found.append(button("Human review", "autonomy.review", row.value, confirm=confirm("Human review", asked, "Order it", "Not now"), label=clip(f"Put {row.name} under human review", 75)))
    if row.good is not None:
        found.append(button("Roll back", "autonomy.roll_back", row.value, label=clip(f"Roll {row.name} back to version {row.good}", 75)))
    if row.stage != "suspended":
        found.append(button("Stop agent", "autonomy.stop", row.value, style="danger", label=clip(f"Stop {row.name}", 75)))
    return found


def named(version: str | None) -> str:
    return f"`{escape(clip((version or 'unknown').replace('`', chr(39)), 80))}`"


def stop_form(row: Stands) -> dict[str, Any]:
    """The question before an agent is stopped, with the reason that its channel reads."""
    mind = f"\n*Mind:* {row.by_hand}" if row.by_hand else ""
    told = section(f"Stopping *{escape(row.name)}* orders it to do nothing until somebody starts it again. Its checks rest, and its channel is told.{mind}")
    reason = input_block("reason", "Why?", text_input("reason", multiline=True, placeholder="It answers customers with wrong prices", most=500), hint="Its channel reads this.")
    return modal("Stop the agent", [told, reason], callback_id="autonomy.stop", submit="Stop agent", metadata=row.value)


def roll_back_form(row: Stands, good: Good, began: datetime | None) -> dict[str, Any]:
    """The question before an agent goes back: to which version, how we know it, and why."""
    fails = f" Since {when(began)} it fails" + (f", with version {named(good.fails)}." if good.fails else ".") if began is not None else (f" Version {named(good.fails)} came after it." if good.fails else "")
    mind = f"\n*Mind:* {row.by_hand}" if row.by_hand else ""
    told = section(f"*{escape(row.name)}* goes back to version {named(good.version)}, last known to work on {when(good.known_at)}.{fails}\nIts gate orders that version until somebody ends the roll back with `/aiops stage`, and its channel is told.{mind}")
    reason = input_block("reason", "Why?", text_input("reason", multiline=True, placeholder="The newest prompt quotes wrong prices", most=500), hint="Its channel reads this.")
    return modal("Roll back", [told, reason], callback_id="autonomy.roll_back", submit="Roll back", metadata=f"{row.value}:{good.version}")


def forward_form(row: Stands) -> dict[str, Any]:
    """The question before an agent uses its newest version again."""
    told = section(f"*{escape(row.name)}* is held at version {named(row.version)} since {when(row.since)}. Ending the roll back lets it use its newest version again.")
    reason = input_block("reason", "What has changed?", text_input("reason", multiline=True, placeholder="The prompt is mended, and ten answers were checked", most=500), hint="Its channel reads this.")
    return modal("End the roll back", [told, reason], callback_id="autonomy.forward", submit="End it", metadata=row.value)


def no_version(row: Stands) -> Message:
    """There is nothing to go back to, and what can be done instead."""
    return Message(f"No earlier version of {escape(row.name)} is known from its runs and changes, so there is nothing to roll back to. It can be stopped or put under human review. For the next time: report `version` with its runs, or send a `change` event with each new version.")


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
