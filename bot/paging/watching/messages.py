"""What the pager says about itself: what it repaired, and what it could not: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.blocks import Message, clip, escape, when
from bot.paging.words.phrases import span

SHOWN = 5


def repaired_line(why: str) -> Message:
    """In the page's own thread."""
    return Message(f"The bot looked after its own work: {escape(why)}. It is repaired, and calling goes on.")


def repaired(found: Sequence[tuple[str, int, str]]) -> Message:
    """To the leads, once for each look that found something: (what was wrong, page, agent)."""
    told = "; ".join(f"page {page} ({escape(clip(agent, 60))}): {escape(why)}" for why, page, agent in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    count = "one thing" if len(found) == 1 else f"{len(found)} things"
    return Message(
        f"Looking after its own calls, the bot found {count} wrong and put it right. {told[:1].upper()}{told[1:]}{more}. "
        "That was a mistake of ours, not of your agents. Nobody is left uncalled, and there is nothing for you to do; the log has the details."
    )


def not_repaired(why: str, row_id: int) -> Message:
    """The last resort: somebody must look."""
    return Message(
        f"The bot found a mistake in its own calls and could not put it right: {escape(why)} (row {row_id}). Somebody may not have been called. "
        "Please look at the open pages with `/aiops page`, call the owner yourself, and run `aiops doctor`. The log has the details."
    )


def queue_stuck(count: int, oldest: datetime, now: datetime, why: str) -> Message:
    """To a lead, by a route that is not Slack: calls wait."""
    calls = "One call to a person is" if count == 1 else f"{count} calls to people are"
    return Message(
        f"PAGE aiops-bot: calls to people are not delivered\n{calls} waiting for Slack, the oldest since {when(oldest)} ({span(now - oldest)})"
        f"{f'; Slack says: {escape(clip(why, 100))}' if why else ''}. People with another route are called by that; everybody else is not reached.\n"
        "What to do: run `aiops status` and `aiops doctor` where the server runs, call the owners of open pages yourself, and answer a page with `aiops ack <number>`. "
        "You are told once more when calls are delivered again."
    )


def queue_flows(since: datetime, now: datetime) -> Message:
    """To the same leads: it is over."""
    return Message(f"aiops-bot: calls to people are delivered again\nThey waited since {when(since)} ({span(now - since)}). All of them were sent by now or are no longer needed. There is nothing for you to do.")


def synthetic(number: int) -> Message:
    """The page that the bot sends itself; it calls nobody, and is taken away once Slack has accepted it."""
    return Message(f"TEST aiops-bot looks whether pages arrive (self-test {number}). Nothing is broken, and nobody is called; this line goes away by itself.")
