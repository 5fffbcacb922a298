"""The small forms behind a page's menu, and what is said when somebody's hold on it ends: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.blocks import (
    Block,
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
    select,
    text_input,
    when,
)
from bot.calendars import zone_named
from bot.paging.rules import SNOOZES, UNTIL_LATER, snooze_ends
from bot.paging.words.phrases import lead
from bot.paging.words.views import PageView

_LENGTHS = {"15m": "15 minutes", "1h": "1 hour", "4h": "4 hours", "8h": "8 hours"}


def snooze_form(page: PageView, now: datetime, zone: str) -> dict[str, Any]:
    """Until when nobody is called; the morning is that of the one who asks."""
    morning = snooze_ends(UNTIL_LATER, now, zone)
    day = f" ({morning.astimezone(zone_named(zone)):%A})" if morning else ""
    choices = [option(_LENGTHS[each], each) for each in SNOOZES] + [option(f"until 09:00 my time{day}", UNTIL_LATER)]
    element = {"type": "radio_buttons", "action_id": "until", "options": choices, "initial_option": choices[1]}
    told = section(f"*{escape(lead(page))}*\nYou have it, and nobody is called until the end you choose. Then calling begins again, unless the check recovers before.")
    return modal("Snooze the page", [told, input_block("until", "For how long?", element)], callback_id="paging.snooze", submit="Snooze", metadata=page.value)


def resolve_form(page: PageView, failing: Sequence[tuple[int, str, str]]) -> dict[str, Any]:
    """A check still fails: say that it is fixed, or that the check (number, name, what it says) is wrong; or leave it."""
    blocks: list[Block] = [section(f"*{escape(lead(page))}*\nIt still failed when it was last looked at:")]
    blocks += [section(f"`{escape(clip(name, 100))}`: {escape(clip(says, 500))}") for _, name, says in failing[:5]]
    choices = [option("It is fixed: look again now", "fixed", "The page closes once the check is well, and stays open if it still fails")]
    choices += [option(f"The check {clip(name, 40)} is wrong: silence it", f"wrong:{number}", "It rests until it is changed in aiops.yml; the owners are told") for number, name, _ in failing[:5]]
    element = {"type": "radio_buttons", "action_id": "how", "options": choices, "initial_option": choices[0]}
    return modal("Resolve the page", [*blocks, input_block("how", "What is true?", element)], callback_id="paging.resolve", submit="Resolve", metadata=page.value)


def stop_form(page: PageView) -> dict[str, Any]:
    """The question before an agent is stopped, with the reason that its channel reads."""
    told = section(
        f"*{escape(lead(page))}*\nStopping {escape(clip(page.agent, 60))} orders it to do nothing until somebody starts it again. "
        "Its checks rest, its channel is told, and you have this page unless somebody else does."
        + (f"\n*Mind:* {page.by_hand}" if page.by_hand else "")
    )
    reason = input_block("reason", "Why?", text_input("reason", multiline=True, placeholder="It answers customers with wrong prices", most=500), hint="Its channel reads this.")
    return modal("Stop the agent", [told, reason], callback_id="paging.stop", submit="Stop agent", metadata=page.value)


def which_form(page: PageView, agents: Sequence[tuple[int, str]], stage: str) -> dict[str, Any]:
    """Which agent of a page about several is stopped (and why), or put under human review; or all of them."""
    stop = stage == "suspended"
    choices = [option(clip(name, 75), str(number)) for number, name in agents[:99]]
    if len(agents) > 1:
        choices.append(option(f"All {len(agents)} of them", "all"))
    what = "Stopping an agent orders it to do nothing until somebody starts it again. Its checks rest, and you have this page unless somebody else does." if stop else "From then on a person looks at every output of it before it counts."
    more = f" The list shows the first 99 of {len(agents)}." if len(agents) > 99 else ""
    blocks: list[Block] = [section(f"*{escape(lead(page))}*\nThis page is about {page.agent_count} agents. {what} The agent's channel is told.{more}" + (f"\n*Mind:* {page.by_hand}" if page.by_hand else ""))]
    blocks.append(input_block("agent", "Which agent?", select("agent", choices, placeholder="Choose an agent")))
    if stop:
        blocks.append(input_block("reason", "Why?", text_input("reason", multiline=True, placeholder="It answers customers with wrong prices", most=500), hint="Its channel reads this."))
    return modal("Stop an agent" if stop else "Human review", blocks, callback_id="paging.stop" if stop else "paging.review", submit="Stop" if stop else "Order it", metadata=page.value)


def ends_soon(page: PageView, *, to: str | None) -> Message:
    """The quiet warning before a hold ends; `to` is the escaped name where others read it, None for the one who has it."""
    ends = when(page.until) if page.until else "soon"
    if to is None:
        text = f"You have this page until {ends}. Then calling begins again. Press `Still on it` if you are."
    else:
        text = f"{to} has this page until {ends}. Then calling begins again, unless they press `Still on it`."
    return Message(text, [section(text), actions(still_button(page))])


def still_button(page: PageView) -> dict[str, Any]:
    stamp = int(page.until.timestamp()) if page.until else 0
    return button("Still on it", "paging.still", f"{page.value}:{stamp}", label=clip(f"Still on the page about {page.agent}", 75))


def renewed(name: str, until: datetime | None) -> Message:
    """The warning, once they said that they are still on it."""
    text = f"{name} is still on it{f', until {when(until)}' if until else ''}. Nobody else is called."
    return Message(text, [context(text)])


def ended(text: str) -> Message:
    """The warning, once its button means nothing any more."""
    return Message(text, [context(text)])
