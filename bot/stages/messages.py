"""What people are told when an agent's stage is lowered or given back: pure."""

from __future__ import annotations

from datetime import datetime

from bot.blocks import Message, clip, escape, section, when

_NOW = {
    "assisted": ("is under human review", "Look at each of its outputs before you use it or let it go out; nothing of it counts unseen."),
    "suspended": ("is stopped", "Do its work by hand, and use nothing that it still makes. Its checks rest until an owner starts it again with `/aiops stage`."),
}


def ordered(agent: str, stage: str, at: datetime, by: str, reason: str, ask: str) -> Message:
    """For the owner channel, plainly: what is so now, who ordered it and why, what to do differently, whom to ask. `by` and `ask` are escaped."""
    now, differently = _NOW[stage]
    lines = [
        f"*{escape(agent)} {now}* since {when(at)}. {by} ordered it: {escape(clip(reason, 400))}",
        f"*What to do differently:* {differently}",
        f"*Whom to ask:* {ask}.",
        "An agent that reads its gate obeys by itself; where it does not, its operations owner has to switch it.",
    ]
    text = "\n".join(lines)
    return Message(text, [section(text)])


_AGAIN = {
    "shadow": "It runs beside people; use nothing that it makes.",
    "assisted": "Look at each of its outputs before you use it or let it go out.",
    "autonomous": "It works by itself; go on looking at samples, and rate what you see.",
}


def given_back(agent: str, before: str, stage: str, at: datetime, by: str, reason: str, back_to: str | None) -> Message:
    """For the owner channel: it may do more again, who said so and why, what that means. `by` is escaped."""
    now = {"shadow": "works in shadow", "assisted": "works under human review", "autonomous": "works by itself"}[stage]
    was = {"suspended": "was stopped", "shadow": "worked in shadow", "assisted": "was under human review"}.get(before, f"was {before}")
    lines = [
        f"*{escape(agent)} {now} again* since {when(at)}; it {was}. {by} ordered it: {escape(clip(reason, 400))}",
        f"*What to do now:* {_AGAIN[stage]}" + (" Its checks look again." if before == "suspended" else ""),
    ]
    if back_to is not None:
        lines.append(f"Before it was lowered it was {back_to}; `/aiops stage` is the way back to that, too.")
    text = "\n".join(lines)
    return Message(text, [section(text)])
