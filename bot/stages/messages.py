"""What people are told when an agent is switched: asked, obeyed, late, and over: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.blocks import Message, actions, button, clip, clock_time, escape, section, when

_NOW = {
    "assisted": ("is asked to work under human review", "is under human review", "Look at each of its outputs before you use it or let it go out; nothing of it counts unseen."),
    "shadow": ("is asked to work in shadow", "works in shadow", "Use nothing that it makes: people do the work, and it runs beside them."),
    "suspended": ("is asked to stop", "is stopped", "Do its work by hand, and use nothing that it still makes. Its checks rest until an owner starts it again with `/aiops stage`."),
    "retired": ("is asked to stop for good", "is retired", "Use nothing that it still makes; it does no more work."),
}
_AGAIN = {
    "shadow": "It runs beside people; use nothing that it makes.",
    "assisted": "Look at each of its outputs before you use it or let it go out.",
    "autonomous": "It works by itself; go on looking at samples, and rate what you see.",
}
_HOW = {"gate": "it read the order at its gate", "webhook": "its webhook took the order", "run": "a run reported it", "hand": "switched by hand"}


@dataclass(frozen=True)
class OrderView:
    """One order as every place tells it. Names (`by`, `ask`, `hand_by`) are escaped already."""

    agent: str
    value: str  # slug:rev
    stage: str
    before: str
    version: str | None
    left: str | None  # the version rolled back from
    rolls: bool  # it is about the version, not the stage
    lowers: bool
    at: datetime
    by: str
    reason: str
    ask: str
    back_to: str | None = None
    obeyed_at: datetime | None = None
    obeyed_how: str | None = None
    hand_by: str = ""
    late_at: datetime | None = None
    over_at: datetime | None = None
    connected: bool = False  # it has read its gate, or has a webhook
    manual: str = ""  # what the runbook says
    hook_said: str = ""  # how the last try of its webhook failed


def standing(order: OrderView) -> str:
    """Asked, obeyed or late, in a sentence or two; the same words in the channel, on pages and in `/aiops stage`."""
    if order.obeyed_at is not None:
        how = f"{order.hand_by} switched it by hand" if order.obeyed_how == "hand" and order.hand_by else _HOW.get(order.obeyed_how or "", "it confirmed it")
        return f"Obeyed {clock_time(order.obeyed_at)}: {how}."
    if order.over_at is not None:
        return "It was never confirmed."
    hook = f" Its webhook did not take it ({escape(order.hook_said)}) and is told again." if order.hook_said else ""
    if order.connected:
        said = "the agent has not confirmed it yet." if order.late_at is None else f"the agent has not confirmed it since {when(order.at)}."
        more = "" if order.late_at is None else f" {by_hand(order.manual)}"
        return f"Asked {clock_time(order.at)}: {said}{hook}{more}"
    return f"Asked {clock_time(order.at)}: {never_read(order.manual)}"


def never_read(manual: str) -> str:
    """Why the press alone changes nothing, and what does."""
    return f"it has never read its gate, so nothing switches it by itself. {by_hand(manual)}"


def by_hand(manual: str) -> str:
    """The manual way, from the runbook."""
    if not manual:
        return "Its registry entry names no runbook: its operations owner has to switch it by hand."
    return f"Switch it by hand; its runbook: {escape(clip(manual, 400))}"


def told(order: OrderView) -> Message:
    """For the owner channel: what is so, who ordered it and why, what to do differently from when, whom to ask, and how far it has come."""
    lines = _rolled(order) if order.rolls else _lowered(order) if order.lowers else _given_back(order)
    lines.append(f"*{standing(order)}*" if order.obeyed_at else standing(order))
    if order.over_at is not None:
        lines.append(f"Over since {when(order.over_at)}: the newer order says what holds now.")
    text = "\n".join(lines)
    blocks = [section(text)]
    if order.obeyed_at is None and order.over_at is None:
        blocks.append(actions(button("I switched it by hand", "autonomy.switched", order.value, label=clip(f"I switched {order.agent} by hand", 75))))
    return Message(text, blocks)


def _lowered(order: OrderView) -> list[str]:
    asked, done, differently = _NOW[order.stage]
    return [
        f"*{escape(order.agent)} {done if order.obeyed_at else asked}* since {when(order.at)}. {order.by} ordered it: {escape(clip(order.reason, 400))}",
        f"*What to do differently:* {differently}",
        f"*Whom to ask:* {order.ask}.",
    ]


def _rolled(order: OrderView) -> list[str]:
    if order.version is None:
        return [
            f"*{escape(order.agent)} may use its newest version again* since {when(order.at)}. {order.by} ordered it: {escape(clip(order.reason, 400))}",
            f"*What to do now:* Go on looking at samples, and rate what you see: version {_name(order.left)} was held until now.",
        ]
    doing = "works with" if order.obeyed_at else "is asked to go back to"
    return [
        f"*{escape(order.agent)} {doing} version {_name(order.version)}* since {when(order.at)}. {order.by} ordered it: {escape(clip(order.reason, 400))}",
        f"*What to do differently:* Look again at what version {_name(order.left)} made, and do not count on what was new in it." if order.left else "*What to do differently:* Do not count on what came after that version.",
        f"*Whom to ask:* {order.ask}.",
    ]


def _given_back(order: OrderView) -> list[str]:
    now = {"shadow": "works in shadow", "assisted": "works under human review", "autonomous": "works by itself"}[order.stage]
    was = {"suspended": "was stopped", "shadow": "worked in shadow", "assisted": "was under human review"}.get(order.before, f"was {order.before}")
    lines = [
        f"*{escape(order.agent)} {now} again* since {when(order.at)}; it {was}. {order.by} ordered it: {escape(clip(order.reason, 400))}",
        f"*What to do now:* {_AGAIN[order.stage]}" + (" Its checks look again." if order.before in ("suspended", "retired") else ""),
    ]
    if order.back_to is not None:
        lines.append(f"Before it was lowered it was {order.back_to}; `/aiops stage` is the way back to that, too.")
    return lines


def _name(version: str | None) -> str:
    return f"`{escape(clip((version or 'unknown').replace('`', chr(39)), 80))}`"
