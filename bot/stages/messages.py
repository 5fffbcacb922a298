"""What people are told when an agent's stage is lowered: pure."""

from __future__ import annotations

from datetime import datetime

from bot.blocks import Message, clip, escape, section, when

_NOW = {
    "assisted": ("is under human review", "Look at each of its outputs before you use it or let it go out; nothing of it counts unseen."),
    "suspended": ("is stopped", "Do its work by hand, and use nothing that it still makes. Its checks rest until somebody starts it again."),
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
