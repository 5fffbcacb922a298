"""What an incident says: its root in the channel, the checklist in the thread, forms, and the closing words: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    clip,
    confirm,
    context,
    divider,
    escape,
    header,
    input_block,
    modal,
    option,
    overflow,
    section,
    select,
    text_input,
    when,
)
from bot.incidents.protocol import PHASES
from bot.paging.messages import span


@dataclass(frozen=True)
class ItemView:
    """One step as the checklist shows it."""

    id: int
    number: int
    phase: str
    words: str
    required: bool
    state: str = "open"
    by: str = ""  # escaped name
    at: datetime | None = None
    note: str = ""


@dataclass(frozen=True)
class IncidentView:
    """All that an incident's messages show."""

    id: int
    agent: str
    title: str
    severity: str
    opened_at: datetime
    opened_by: str
    items: tuple[ItemView, ...]
    lead: str | None = None
    page_id: int | None = None
    page_over_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""

    @property
    def value(self) -> str:
        return f"incident:{self.id}"

    @property
    def settled(self) -> int:
        return sum(item.state != "open" for item in self.items)


def lead_words(incident: IncidentView) -> str:
    """Number, agent and title within what a notification shows."""
    return clip(f"Incident #{incident.id} {clip(incident.agent, 30)}: {incident.title}", 120)


def root_message(incident: IncidentView) -> Message:
    """The incident in its channel: severity, lead, status, since when, how far it is."""
    light = ":white_check_mark:" if incident.closed_at else ":fire:"
    state = _state(incident)
    fields = [
        f"*Status*\n{state}",
        f"*Lead*\n{incident.lead or 'nobody yet'}",
        f"*Since*\n{when(incident.opened_at)}",
        f"*Severity*\n{incident.severity}",
        f"*Steps*\n{incident.settled} of {len(incident.items)} settled",
    ]
    if incident.page_id is not None:
        over = f", over since {when(incident.page_over_at)}" if incident.page_over_at else ", still failing"
        fields.append(f"*Page*\npage {incident.page_id}{over}")
    blocks: list[Block] = [
        header(f"Incident #{incident.id}: {clip(incident.agent, 50)}"),
        section(f"{light} *{escape(clip(incident.title, 500))}*"),
        section("", fields=fields),
    ]
    if incident.closed_at is None:
        blocks.append(actions(_lead_button(incident), _close_button(incident)))
        blocks.append(context("The checklist is in the thread. There, write `note` and your words to me to put them on the timeline."))
    text = f"{escape(lead_words(incident))}\n{state}. Lead: {incident.lead or 'nobody yet'}. Since {when(incident.opened_at)}. {incident.settled} of {len(incident.items)} steps settled."
    return Message(text, blocks)


def checklist_message(incident: IncidentView) -> Message:
    """The protocol as a checklist; who did what and when is shown at each step."""
    blocks: list[Block] = [section(f"*Checklist of incident #{incident.id}* ({incident.settled} of {len(incident.items)} settled)")]
    phase = ""
    for item in incident.items[:20]:
        if item.phase != phase:
            phase = item.phase
            blocks.append(context(f"*{PHASES.get(phase, phase.capitalize())}*"))
        blocks += _item(item, closed=incident.closed_at is not None)
    if incident.closed_at is None:
        blocks += [divider(), actions(_close_button(incident))]
    lines = [f"{item.number}. {_mark(item)} {escape(clip(item.words, 200))}" for item in incident.items]
    return Message(f"Checklist of incident #{incident.id}\n" + "\n".join(lines), blocks)


def closing_words(incident: IncidentView, doers: Sequence[tuple[str, int]]) -> Message:
    """The last line in the thread: how long it took, and who did what."""
    lasted = span((incident.closed_at or incident.opened_at) - incident.opened_at)
    who = ", ".join(f"{name} ({steps} {'step' if steps == 1 else 'steps'})" for name, steps in doers) or "nobody settled a step"
    waived = [f"{item.number}. {escape(clip(item.words.rstrip('.'), 120))} ({escape(clip(item.note, 200))})" for item in incident.items if item.state == "waived"]
    text = f"Incident #{incident.id} is closed by {incident.closed_by} after {lasted}. Who did what: {who}."
    if waived:
        text += "\nWaived: " + "; ".join(waived) + "."
    return Message(text)


def refused_words(incident: IncidentView, open_items: Sequence[ItemView]) -> Message:
    """Why it cannot close yet, naming each step."""
    lines = "\n".join(f"• {item.number}. {escape(clip(item.words, 200))}" for item in open_items)
    many = "One required step is" if len(open_items) == 1 else f"{len(open_items)} required steps are"
    return Message(f"Incident #{incident.id} cannot be closed yet. {many} neither done nor waived:\n{lines}\nDo them, or let an owner, the lead of the incident or a lead waive them with a reason.")


def list_message(incidents: Sequence[IncidentView]) -> Message:
    """The answer to `/aiops incident`."""
    if not incidents:
        return Message("No incident is open. `/aiops incident open <agent> <what happened>` opens one.")
    lines = [
        f"• *#{each.id}* {escape(each.agent)}: {escape(clip(each.title, 120))} (since {when(each.opened_at)}, lead {each.lead or 'nobody yet'}, {each.settled} of {len(each.items)} steps)"
        for each in incidents[:15]
    ]
    more = f"\nAnd {len(incidents) - 15} more." if len(incidents) > 15 else ""
    return Message(clip(f"{len(incidents)} open {'incident' if len(incidents) == 1 else 'incidents'}:\n" + "\n".join(lines) + more, 2900))


def one_message(incident: IncidentView, timeline: Sequence[tuple[datetime, str]]) -> Message:
    """The answer to `/aiops incident 3`: where it stands and what happened so far."""
    told = "\n".join(f"{when(at)}: {words}" for at, words in timeline[-15:])
    earlier = f"({len(timeline) - 15} earlier entries left out)\n" if len(timeline) > 15 else ""
    head = f"*{escape(lead_words(incident))}*\n{_state(incident)}. Lead: {incident.lead or 'nobody yet'}. {incident.settled} of {len(incident.items)} steps settled."
    return Message(f"{head}\n{told}", [section(head), section(clip(f"{earlier}{told}" or "Nothing happened yet.", 2900))])


# --- forms -----------------------------------------------------------------------------------------------------------


def open_form(agents: Sequence[tuple[str, str]], chosen: str, title: str, about: dict[str, Any]) -> dict[str, Any]:
    """Choose the agent (slug, name) and say what happened."""
    fields: list[Block] = []
    # Slack's menus hold 100 options: beyond that the agent is written.
    if len(agents) <= 100:
        options = [option(name, slug) for slug, name in agents]
        fields.append(input_block("agent", "Agent", select("agent", options, placeholder="Which agent?", initial=chosen)))
    else:
        fields.append(input_block("agent", "Agent", text_input("agent", initial=chosen, most=120), hint="Its id or name."))
    fields.append(input_block("title", "What happened?", text_input("title", placeholder="Answers quote a price that is wrong", initial=title, most=300)))
    return modal("Open an incident", fields, callback_id="incidents.new", submit="Open", metadata=orjson.dumps(about).decode())


def note_form(item: ItemView) -> dict[str, Any]:
    """Done, with a few words on what was done."""
    what = section(f"{item.number}. {escape(clip(item.words, 500))}")
    field = input_block("note", "What was done?", text_input("note", multiline=True, most=1500))
    return modal("Done, with a note", [what, field], callback_id="incidents.note", submit="Done", metadata=f"item:{item.id}")


def waive_form(item: ItemView) -> dict[str, Any]:
    """Waive a step: the reason is kept and shown."""
    what = section(f"{item.number}. {escape(clip(item.words, 500))}")
    field = input_block("reason", "Why is it not needed?", text_input("reason", multiline=True, most=1500), hint="It is shown on the checklist and kept.")
    return modal("Waive a step", [what, field], callback_id="incidents.waive", submit="Waive", metadata=f"item:{item.id}")


# --- parts -----------------------------------------------------------------------------------------------------------


def _item(item: ItemView, *, closed: bool) -> list[Block]:
    told = f"{_mark(item)} {item.number}. {escape(clip(item.words, 600))}" + ("" if item.required else " _(optional)_")
    if item.state != "open":
        how = "done" if item.state == "done" else "waived"
        told += f"\n_{how} by {item.by}{f', {when(item.at)}' if item.at else ''}_" + (f"\n{_quoted(item.note)}" if item.note else "")
        again = overflow("incidents.item", [option("Open it again", f"reopen:{item.id}")])
        return [section(told, accessory=None if closed else again)]
    if closed:
        return [section(told)]
    more = overflow("incidents.item", [option("Done, with a note", f"note:{item.id}"), option("Waive, with a reason", f"waive:{item.id}")])
    done = button("Done", "incidents.done", f"item:{item.id}", label=f"Step {item.number} is done")
    return [section(told), actions(done, more)]


def _quoted(note: str) -> str:
    return "\n".join(f"> {line}" for line in clip(escape(note), 400).splitlines()[:6])


def _mark(item: ItemView) -> str:
    return {"open": ":white_large_square:", "done": ":white_check_mark:", "waived": ":heavy_minus_sign:"}[item.state]


def _state(incident: IncidentView) -> str:
    if incident.closed_at is not None:
        return f"Closed after {span(incident.closed_at - incident.opened_at)}"
    phase = next((item.phase for item in incident.items if item.state == "open"), "learn")
    return f"Open, at “{PHASES.get(phase, phase)}”"


def _lead_button(incident: IncidentView) -> dict[str, Any]:
    return button("I'll lead", "incidents.lead", incident.value, label=f"Lead incident {incident.id}")


def _close_button(incident: IncidentView) -> dict[str, Any]:
    ask = confirm("Close the incident", "Its checklist stays readable; nothing can be changed on it afterwards.", "Close it", "Not yet")
    return button("Close incident", "incidents.close", incident.value, confirm=ask, label=f"Close incident {incident.id}")
