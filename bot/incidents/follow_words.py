"""What is said about follow-ups: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.blocks import Block, Message, actions, button, clip, context, escape, option, overflow, section, when
from bot.quality.words import plural

MENU = "surface.menu"
DAY = "{date_short}"
SHOWN = 15


@dataclass(frozen=True)
class FollowUpView:
    """One follow-up as a list shows it; names are escaped."""

    id: int
    words: str
    agent: str
    incident_id: int
    owner: str
    due_at: datetime
    late: bool
    closed_at: datetime | None = None
    evidence: str = ""
    turns: int = 0


def added(words: str, owner: str, due: datetime, follow_up_id: int) -> Message:
    """In the thread: who does what by when. `owner` is a mention."""
    text = f":memo: Follow-up for {owner}, due {when(due, DAY)}: {escape(clip(words, 1000))}"
    return Message(text, [section(text), actions(*_buttons(follow_up_id))])


def again(words: str, owner: str, due: datetime, follow_up_id: int) -> Message:
    text = f":repeat: {owner}, this follow-up did not hold, because the failure is back. It is open again, due {when(due, DAY)}: {escape(clip(words, 1000))}"
    return Message(text, [section(text), actions(*_buttons(follow_up_id))])


def reminder(words: str, owner: str, due: datetime, follow_up_id: int) -> Message:
    text = f"{owner}, this follow-up was due {when(due, DAY)} and is still open: {escape(clip(words, 1000))}\nDone? Say what shows it. Otherwise name a new day, or somebody who can do it."
    return Message(text, [section(text), actions(*_buttons(follow_up_id))])


def escalated(words: str, owner: str, business: str, due: datetime, follow_up_id: int) -> Message:
    text = f"{business}: a follow-up of {owner} was due {when(due, DAY)}, and three days later it is still open: {escape(clip(words, 1000))}\nYou answer for the outcome: give it time, or give it to somebody else."
    return Message(text, [section(text), actions(*_buttons(follow_up_id))])


def fixed(agent: str, reported_at: datetime, count: int, version: str, zone: str) -> Message:
    """One line for somebody who had reported an output."""
    local = reported_at.astimezone(ZoneInfo(zone))
    what = "this" if count == 1 else f"{count} outputs"
    return Message(f"You reported {what} on {local.day} {local:%b}, an output of {escape(agent)}; fixed{f' in {escape(version)}' if version else ''}. Thank you.")


def listed(found: Sequence[FollowUpView], total: int, whose: str) -> Message:
    """The answer to `/aiops followups`."""
    if not found:
        return Message(f"No follow-up is open{f' for {whose}' if whose else ''}. They are added in an incident: what keeps a failure from happening again, who does it by when.")
    late = sum(each.late for each in found)
    head = f"*{plural(total, 'open follow-up')}{f' of {whose}' if whose else ''}*" + (f", {late} late" if late else "")
    blocks: list[Block] = [section(head)]
    for each in found[:SHOWN]:
        again = f" · opened again {each.turns}×" if each.turns else ""
        told = f"{escape(clip(each.words, 300))}\n{escape(clip(each.agent, 60))}, incident #{each.incident_id} · {each.owner} · {':warning: was due' if each.late else 'due'} {when(each.due_at, DAY)}{again}"
        more = overflow(MENU, [option("Done", f"followups.done followup:{each.id}"), option("Change owner or day", f"followups.change followup:{each.id}"), option("Show incident", f"incidents.show incident:{each.incident_id}")])
        blocks.append(section(f"*{each.id}.* {told}", accessory=more))
    if total > SHOWN:
        blocks.append(context(f"And {total - SHOWN} more: `/aiops followups <agent>` shows those of one agent."))
    lines = [f"{each.id}. {escape(clip(each.words, 150))} ({escape(each.agent)}, {each.owner}, {'was due' if each.late else 'due'} {when(each.due_at, DAY)})" for each in found[:SHOWN]]
    return Message(clip("\n".join([head, *lines]), 3500), blocks)


def _buttons(follow_up_id: int) -> list[dict[str, object]]:
    return [button("Done", "followups.done", f"followup:{follow_up_id}", label="This follow-up is done"), button("Change", "followups.change", f"followup:{follow_up_id}", label="Another owner or day for this follow-up")]
