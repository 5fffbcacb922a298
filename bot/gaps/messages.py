"""How gaps read: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import orjson

from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    clip,
    context,
    escape,
    header,
    input_block,
    mention,
    modal,
    option,
    overflow,
    plain,
    section,
    text_input,
    when,
)
from bot.gaps.rules import FEW, OTHER, Share, change
from bot.gaps.views import GapView
from bot.quality.rules import percent
from bot.quality.words import plural
from bot.tables import Agent

DAY = "{date_short}"
SHOWN = 8  # topics of one agent
MENU = "surface.menu"


def gaps_message(agent: Agent, views: Sequence[GapView]) -> Message:
    """`/aiops gaps support-triage`."""
    if not views:
        return Message(f"{escape(agent.name)} lacked nothing that I know of in the last four weeks: no output was marked “did not know” or “outdated”, and nothing was handed to people.")
    title = f"What {clip(agent.name, 80)} did not know"
    blocks: list[Block] = [header(title), context("Outputs marked “did not know” or “outdated” and hand-offs of the last 28 days, by topic. Somebody supplies what is missing; afterwards I compare.")]
    for view in views[:SHOWN]:
        blocks.append(section(_words(view)))
        if (pressed := _buttons(view)) is not None:
            blocks.append(pressed)
    if len(views) > SHOWN:
        blocks.append(context(f"And {len(views) - SHOWN} more topics, each with fewer cases."))
    return Message(clip("\n".join([title, *(_words(view) for view in views[:SHOWN])]), 3500), blocks)


def fleet_message(found: Sequence[tuple[Agent, Sequence[GapView]]], more: int = 0) -> Message:
    """`/aiops gaps`."""
    if not found:
        return Message("No agent lacked anything that I know of in the last four weeks. A gap shows here when an output is marked “did not know” or “outdated”, or something is handed to people.")
    lines = [_line(agent, views) for agent, views in found]
    blocks: list[Block] = [header("What agents did not know")]
    for (agent, _), line in zip(found, lines, strict=False):
        blocks.append(section(line, accessory=button("Show", "gaps.show", f"agent:{agent.slug}", label=clip(f"What {agent.name} did not know", 75))))
    if more:
        blocks.append(context(f"And {plural(more, 'agent')} that lacked less: `/aiops gaps <agent>` shows one."))
    return Message(clip("\n".join(["*What agents did not know in the last 28 days*", *lines]), 3500), blocks)


def weekly(found: Sequence[tuple[Agent, Sequence[GapView]]], day: str) -> Message:
    """In the digest's thread, once a week."""
    text = "\n".join([f":books: *What was missing in the four weeks up to {date.fromisoformat(day):%a} {date.fromisoformat(day).day} {date.fromisoformat(day):%b}*", *(f"• {_line(agent, views)}" for agent, views in found)])
    return Message(clip(text, 3000), [section(clip(text, 2900)), actions(*(button(clip(f"Show {agent.name}", 70), "gaps.show", f"agent:{agent.slug}") for agent, _ in found[:3]))])


def assigned(view_label: str, agent: str, owner: str, due: str) -> Message:
    """To whoever gave it."""
    return Message(f"{owner} supplies what {escape(agent)} does not know about {escape(view_label)}, by {due}. It is on their list.")


def supplied(label: str, before: Share) -> Message:
    """To whoever supplied it."""
    told = f" Before: {_share(before)}." if before.cases else ""
    return Message(f"Noted: {escape(label)} is supplied.{told} `/aiops gaps` shows from now on whether it helped.")


def assign_form(agent: Agent, key: str, label: str, owner: str, due: date) -> dict[str, Any]:
    """Who supplies it, and by when."""
    who: dict[str, Any] = {"type": "users_select", "action_id": "person", "placeholder": plain("Choose a person")}
    blocks = [
        section(f"What {escape(clip(agent.name, 100))} does not know about *{escape(clip(label, 120))}*"),
        input_block("person", "Who supplies it?", {**who, "initial_user": owner} if owner else who),
        input_block("due", "By when?", {"type": "datepicker", "action_id": "due", "initial_date": due.isoformat()}, hint="It is on their list from now on, until they press Supplied."),
    ]
    return modal("Who supplies it", blocks, callback_id="gaps.assign", submit="Give", metadata=orjson.dumps({"agent": agent.id, "key": key, "label": label[:120]}).decode())


def supplied_form(gap_id: int, agent: str, label: str) -> dict[str, Any]:
    """What was supplied."""
    blocks = [
        section(f"{escape(clip(agent, 100))}: *{escape(clip(label, 120))}*"),
        input_block("words", "What was supplied, and where?", text_input("words", multiline=True, most=2000, placeholder="The return policy of May, in the help centre's index"), hint="It is kept with your name. From now on I compare how often this is missing."),
    ]
    return modal("Supplied", blocks, callback_id="gaps.supplied", submit="Supplied", metadata=f"gap:{gap_id}")


def _words(view: GapView) -> str:
    lines = [f"*{escape(clip(view.label, 120))}*"]
    topic = view.topic
    if topic is not None:
        marked = topic.missing - topic.handoffs
        parts = [part for part in (f"{plural(marked, 'output')} marked" if marked else "", plural(topic.handoffs, "hand-off") if topic.handoffs else "") if part]
        among = "" if not topic.by_word and topic.key != OTHER else " without a topic"
        lines.append(f"{' and '.join(parts)} of {plural(topic.cases, 'case')}{among}, first {when(topic.first_at, DAY)}, last {when(topic.last_at, DAY)}")
    gap = view.gap
    if gap is None:
        lines.append("Nobody supplies it yet." if view.key != OTHER else "These share no topic and no word. Agents can name one: `topic` in their output, run or request events.")
    elif gap.supplied_at is None:
        lines.append(f"{mention(view.owner_slack, view.owner)} supplies it by {when(gap.due_at, DAY)}.")
    else:
        lines.append(f":white_check_mark: Supplied {when(gap.supplied_at, DAY)}: {escape(clip(gap.supplied, 200))}")
        lines.append(_effect(view.before or Share(0, 0), view.after or Share(0, 0)))
    return "\n".join(lines)


def _effect(before: Share, after: Share) -> str:
    told = f"Missing before: {_share(before)}. Since then: {_share(after)}."
    found = change(before, after)
    if found is None:
        return f"{told} Too few cases (under {FEW} on a side) to compare."
    difference, low, high = (round(100 * each) for each in found)
    if high < 0:
        return f"{told} It helped: {-difference} points fewer, 90% sure of {-high} to {-low}."
    if low > 0:
        return f"{told} It is worse: {difference} points more, 90% sure of {low} to {high}."
    return f"{told} No clear change yet ({difference:+} points, between {low:+} and {high:+})."


def _share(share: Share) -> str:
    told = f"{share.missing} of {plural(share.cases, 'case')}"
    if share.share is None:
        return told
    low, high = share.interval()
    return f"{told} ({percent(share.share)}, {percent(low)} to {percent(high)})"


def _line(agent: Agent, views: Sequence[GapView]) -> str:
    named = [view for view in views if view.topic is not None]
    missing = sum(view.topic.missing for view in named if view.topic)
    open_ones = sum(view.gap is None and view.key != OTHER for view in named)
    shown = ", ".join(f"{escape(clip(view.label, 60))} ({view.topic.missing})" for view in named[:3] if view.topic)
    told = f"*{escape(clip(agent.name, 80))}*: {plural(missing, 'case')}" + (f", most of all {shown}" if shown else "")
    done = sum(view.gap is not None and view.gap.supplied_at is None for view in views)
    return told + (f". Nobody supplies {plural(open_ones, 'topic')} yet." if open_ones else ".") + (f" {plural(done, 'topic')} being supplied." if done else "")


def _buttons(view: GapView) -> Block | None:
    about = orjson.dumps({"agent": view.agent.id, "key": view.key, "label": view.label[:120]}).decode()
    if view.gap is not None and view.gap.supplied_at is None:
        return actions(button("Supplied", "gaps.supplied", f"gap:{view.gap.id}", style="primary"), overflow(MENU, [option("Somebody else, or another day", f"gaps.assign_gap gap:{view.gap.id}")]))
    if view.topic is None or view.key == OTHER:
        return None
    return actions(button("Assign", "gaps.assign", about, label=clip(f"Say who supplies {view.label}", 75)))
