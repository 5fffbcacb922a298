"""What the agents of an incident must obey, and the switches beside it: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.blocks import Block, actions, button, clip, confirm, context, escape, section
from bot.stages.messages import OrderView, standing

SHOWN = 4  # agents with switches of their own in one message
_IS = {"shadow": "works in shadow", "assisted": "works under human review", "autonomous": "works by itself", "suspended": "is stopped", "retired": "is retired"}
_TO = {"shadow": "is to work in shadow", "assisted": "is to work under human review", "autonomous": "is to work by itself again", "suspended": "is to stop", "retired": "is to stop for good"}


@dataclass(frozen=True)
class SwitchView:
    """One agent of an incident: what it must obey now, how far that has come, and what may be ordered."""

    agent: str
    value: str  # slug:rev
    stage: str
    order: OrderView | None = None  # the order in force, where it came since the failure began
    version: str | None = None  # the version ordered
    good: str | None = None  # the last good version to go back to
    back: bool = False  # whether something was taken from it that can be given back
    by_hand: str = ""  # why a press reaches it by nothing, and the manual way; escaped


def line(row: SwitchView) -> str:
    """`Support triage is to work under human review. Omar ordered it. Asked 03:10: ...`, later `works ... Obeyed 03:12: ...`."""
    name = f"*{escape(clip(row.agent, 80))}*"
    order = row.order
    if order is None:
        return f"{name} {_IS[row.stage]}; nothing was ordered since this began."
    obeyed = order.obeyed_at is not None
    if order.rolls:
        version = f"version `{escape(clip((row.version or '').replace('`', chr(39)), 80))}`" if row.version else "its newest version again"
        is_so = f"{name} {'works' if obeyed else 'is to work'} with {version}."
    else:
        is_so = f"{name} {(_IS if obeyed else _TO)[order.stage]}."
    told = standing(order)
    return f"{is_so} {order.by} ordered it: {escape(clip(order.reason, 300))}\n" + (f":white_check_mark: *{told}*" if obeyed else f":hourglass_flowing_sand: {told}")


def switch_blocks(rows: Sequence[SwitchView], total: int) -> list[Block]:
    """Each agent with its switches; before the press it says whether the agent would hear it at all."""
    blocks: list[Block] = []
    for row in rows[:SHOWN]:
        told = line(row)
        if row.by_hand and (row.order is None or row.order.obeyed_at is not None):
            told += f"\n:warning: Before you press: {row.by_hand}"
        blocks.append(section(told))
        pressed = _buttons(row, named=total > 1)
        if pressed:
            blocks.append(actions(*pressed))
    if total > len(rows[:SHOWN]):
        blocks.append(context(f"And {total - len(rows[:SHOWN])} more agents: `/aiops stage <agent>` switches each."))
    return blocks


def _buttons(row: SwitchView, *, named: bool) -> list[dict[str, object]]:
    about = escape(clip(row.agent, 60))
    found: list[dict[str, object]] = []
    if row.stage == "autonomous":
        asked = f"Mind: {row.by_hand}" if row.by_hand else f"From now on a person looks at every output of {about} before it counts. Its channel is told."
        found.append(button("Human review", "autonomy.review", row.value, confirm=confirm("Human review", asked, "Order it", "Not now"), label=clip(f"Put {row.agent} under human review", 75)))
    if row.good is not None and row.stage != "retired":
        found.append(button("Roll back", "autonomy.roll_back", row.value, label=clip(f"Roll {row.agent} back to version {row.good}", 75)))
    if row.stage not in ("suspended", "retired"):
        found.append(button("Stop agent", "autonomy.stop", row.value, style="danger", label=clip(f"Stop {row.agent}", 75)))
    if row.order is not None and row.order.obeyed_at is None:
        found.append(button("I switched it by hand", "autonomy.switched", row.value, label=clip(f"I switched {row.agent} by hand", 75)))
    if row.back:
        words = "Start again" if row.stage == "suspended" else "Let it work as before"
        found.append(button(words, "autonomy.start", row.value, label=clip(f"{words}: {row.agent}", 75)))
    if row.version is not None:
        found.append(button("End the roll back", "autonomy.forward", row.value, label=clip(f"Let {row.agent} use its newest version again", 75)))
    return found
