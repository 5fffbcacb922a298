"""What intake says in Slack: only that it hears an agent for the first time."""

from __future__ import annotations

from datetime import datetime

from bot.blocks import Message, context, escape, section, when


def heard(name: str, noun: str, at: datetime) -> Message:
    """Told once in the agent's channel."""
    text = f"I can hear {escape(name)}: its first event came in, {noun} of {when(at)}."
    told = f"*I can hear {escape(name)}.* Its first event came in: {noun} of {when(at)}."
    next_ = "From now on its work is counted for the daily summary, and its checks watch over it. There is nothing to press."
    return Message(f"{text} {next_}", [section(told), context(next_)])
