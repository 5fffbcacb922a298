"""What an incident says: its root in the channel, the checklist in the thread, and the closing words: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.blocks import (
    Block,
    Message,
    actions,
    button,
    clip,
    context,
    divider,
    escape,
    header,
    option,
    overflow,
    section,
    when,
)
from bot.incidents.protocol import PHASES
from bot.incidents.rules import Blocked, Failing
from bot.incidents.switch_words import SwitchView, line, switch_blocks
from bot.paging.messages import span

MENU = "surface.menu"  # a menu whose options name their own actions
DO_WORDS = {"confirm": "Done", "choose": "Choose", "evidence": "Link", "decision": "Decide", "number": "Count", "person": "Name"}


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
    kind: str = "confirm"
    options: tuple[str, ...] = ()
    assignee: str = ""  # escaped name
    due_at: datetime | None = None
    answer: str = ""
    first: tuple[int, ...] = ()  # numbers of the steps that come before it and are open


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
    scribe: str | None = None
    owner: str | None = None
    began_at: datetime | None = None
    failing: tuple[Failing, ...] = ()
    affected: str = ""
    follow_ups: tuple[tuple[str, bool], ...] = ()  # words, and whether it is done
    none_needed: str = ""  # escaped: who signed it, and why
    before_id: int | None = None
    before_at: datetime | None = None
    before_link: str = ""
    reopened: tuple[str, ...] = ()  # follow-ups that did not hold
    unfinished: tuple[str, ...] = ()  # follow-ups of the incident before that nobody has done yet
    checklist_link: str = ""
    status_at: datetime | None = None
    switches: tuple[SwitchView, ...] = ()
    agents: int = 1  # how many it is about

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
    """The incident in its channel: severity, lead, status, since when, what it touched, how far it is."""
    light = ":white_check_mark:" if incident.closed_at else ":fire:"
    state = _state(incident)
    began = incident.began_at or incident.opened_at
    fields = [
        f"*Status*\n{state}",
        f"*Lead*\n{incident.lead or 'nobody yet'}",
        f"*Scribe and owner*\n{incident.scribe or 'no scribe yet'}, {incident.owner or 'no owner yet'}",
        f"*Since*\n{when(began)}",
        f"*Severity*\n{incident.severity}",
        f"*Steps*\n{incident.settled} of {len(incident.items)} settled",
    ]
    if incident.affected:
        fields.append(f"*Outputs*\n{incident.affected}")
    if incident.page_id is not None:
        over = f", over since {when(incident.page_over_at)}" if incident.page_over_at else ", still failing"
        fields.append(f"*Page*\npage {incident.page_id}{over}")
    if incident.follow_ups or incident.none_needed:
        fields.append(f"*Follow-ups*\n{_follow_ups(incident)}")
    blocks: list[Block] = [header(f"Incident #{incident.id}: {clip(incident.agent, 50)}")]
    if incident.before_id is not None:
        blocks.append(section(_again(incident)))
    blocks += [section(f"{light} *{escape(clip(incident.title, 500))}*"), section("", fields=fields)]
    if incident.closed_at is None:
        blocks += switch_blocks(incident.switches, incident.agents)
        more = [option("Add a follow-up", f"incidents.follow_up {incident.value}"), option("No follow-up needed", f"incidents.none_needed {incident.value}"), option("Set roles", f"incidents.roles {incident.value}")]
        blocks.append(actions(_lead_button(incident), _note_button(incident), _close_button(incident), overflow(MENU, more)))
        where = f"<{incident.checklist_link}|The checklist> is in the thread." if incident.checklist_link else "The checklist is in the thread."
        blocks.append(context(f"{where} There, mention me with `note` and your words, `assign 3 to @somebody`, `update` and how it stands, `checklist`, `close` or `review`."))
    else:
        blocks.append(actions(button("Review", "incidents.review", incident.value, label=f"Write the review of incident {incident.id}")))
    text = f"{escape(lead_words(incident))}\n{state}. Lead: {incident.lead or 'nobody yet'}. Since {when(began)}. {incident.settled} of {len(incident.items)} steps settled."
    text += "".join(f"\n{line(row)}" for row in incident.switches if row.order is not None and incident.closed_at is None)
    if incident.before_id is not None:
        text += f"\n{_again(incident)}"
    return Message(clip(text, 3500), blocks)


def _again(incident: IncidentView) -> str:
    """The same failure was here before: what came of it."""
    before = f"incident #{incident.before_id}"
    linked = f"<{incident.before_link}|{before}>" if incident.before_link else before
    told = f":repeat: *This happened before*: {linked}, {when(incident.before_at or incident.opened_at)}."
    if incident.reopened:
        names = "; ".join(f"“{escape(clip(words, 120))}”" for words in incident.reopened[:5])
        told += f" {'A follow-up' if len(incident.reopened) == 1 else f'{len(incident.reopened)} follow-ups'} of then did not hold and {'is' if len(incident.reopened) == 1 else 'are'} open again: {names}."
    if incident.unfinished and incident.closed_at is None:
        names = "; ".join(f"“{escape(clip(words, 120))}”" for words in incident.unfinished[:5])
        told += f" {'A follow-up' if len(incident.unfinished) == 1 else f'{len(incident.unfinished)} follow-ups'} of then {'is' if len(incident.unfinished) == 1 else 'are'} not done yet: {names}."
    return told


def _follow_ups(incident: IncidentView) -> str:
    if not incident.follow_ups:
        return "none needed"
    done = sum(is_done for _, is_done in incident.follow_ups)
    return f"{done} of {len(incident.follow_ups)} done"


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


def closing_words(incident: IncidentView, doers: Sequence[tuple[str, int]], minutes: int = 0, kept: int = 0, failing_why: str = "") -> Message:
    """The last line in the thread: how long it took, who did what, and what follows."""
    lasted = span((incident.closed_at or incident.opened_at) - incident.opened_at)
    who = ", ".join(f"{name} ({steps} {'step' if steps == 1 else 'steps'})" for name, steps in doers) or "nobody settled a step"
    waived = [f"{item.number}. {escape(clip(item.words.rstrip('.'), 120))} ({escape(clip(item.note, 200))})" for item in incident.items if item.state == "waived"]
    text = f"Incident #{incident.id} is closed by {incident.closed_by} after {lasted}. Who did what: {who}."
    if waived:
        text += "\nWaived: " + "; ".join(waived) + "."
    if failing_why:
        text += f"\nThe check still fails, and the agent is stopped: {escape(clip(failing_why, 300))}"
    text += f"\nPeople worked {minutes} minutes on it." if minutes else ""
    if incident.none_needed:
        text += f"\nNo follow-up is needed, says {clip(incident.none_needed, 400)}"
    elif incident.follow_ups:
        text += "\nFollow-ups: " + "; ".join(escape(clip(words, 150)) for words, _ in incident.follow_ups[:10]) + "."
    if kept:
        text += f"\n{kept} {'output joins' if kept == 1 else 'outputs join'} the regression set of {escape(incident.agent)}."
    return Message(text, [section(clip(text, 2900)), actions(button("Review", "incidents.review", incident.value, label=f"Write the review of incident {incident.id}"))])


def refused_words(incident: IncidentView, blocked: Blocked) -> Message:
    """Why it cannot close yet, naming each thing, with what helps beside it."""
    parts = []
    if blocked.items:
        lines = "\n".join(f"• {item.number}. {escape(clip(item.words, 150))}" for item in blocked.items[:15])
        many = "One required step is" if len(blocked.items) == 1 else f"{len(blocked.items)} required steps are"
        parts.append(f"{many} neither done nor waived:\n{lines}\nDo them, or let an owner, the lead of the incident or a lead waive them with a reason.")
    if blocked.failing:
        lines = "\n".join(f"• {escape(clip(each.agent, 60))}: {escape(clip(each.title, 150))}, since {when(each.since)}" + (f" (well since {when(each.well_at)}, but it comes and goes)" if each.well_at else "") for each in blocked.failing[:10])
        parts.append(f"{'A check still fails' if len(blocked.failing) == 1 else f'{len(blocked.failing)} checks still fail'}:\n{lines}\nBring it back, or stop the agent: an incident of a stopped agent may close with a reason.")
    helps = []
    if blocked.follow_up:
        parts.append("There is no follow-up yet: say what keeps it from happening again, and who does it, or sign that none is needed.")
        helps = [button("Add follow-up", "incidents.follow_up", incident.value, style="primary"), button("None needed", "incidents.none_needed", incident.value)]
    text = f"Incident #{incident.id} cannot be closed yet. " + "\n".join(parts)
    return Message(text, [section(clip(text, 2900)), *([actions(*helps)] if helps else [])])


def ready_words(incident: IncidentView) -> Message:
    """All is done: what is left is a form, which Slack opens only from a button."""
    text = f"Incident #{incident.id} can be closed. One question is left: how long did people work on it?"
    return Message(text, [section(text), actions(_close_button(incident))])


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
    told = "\n".join(f"{when(at)}: {clip(words, 200)}" for at, words in timeline[-15:])
    earlier = f"({len(timeline) - 15} earlier entries left out)\n" if len(timeline) > 15 else ""
    head = f"*{escape(lead_words(incident))}*\n{_state(incident)}. Lead: {incident.lead or 'nobody yet'}. {incident.settled} of {len(incident.items)} steps settled."
    return Message(f"{head}\n{told}", [section(head), section(clip(f"{earlier}{told}" or "Nothing happened yet.", 2900))])


# --- parts -----------------------------------------------------------------------------------------------------------


def _item(item: ItemView, *, closed: bool) -> list[Block]:
    told = f"{_mark(item)} {item.number}. {escape(clip(item.words, 600))}" + ("" if item.required else " _(optional)_")
    if item.state != "open":
        how = "done" if item.state == "done" else "waived"
        answer = f" *{escape(clip(item.answer, 300))}*" if item.answer else ""
        told += f"{answer}\n_{how} by {item.by}{f', {when(item.at)}' if item.at else ''}_" + (f"\n{_quoted(item.note)}" if item.note else "")
        again = overflow("incidents.item", [option("Open it again", f"reopen:{item.id}")])
        return [section(told, accessory=None if closed else again)]
    whose = " · ".join(part for part in (item.assignee, f"due {when(item.due_at)}" if item.due_at else "") if part)
    told += f"\n_{whose}_" if whose else ""
    if closed:
        return [section(told)]
    if item.first:
        told += f"\n_comes after step {', '.join(map(str, item.first))}_"
    more = overflow("incidents.item", [option("Done, with a note", f"note:{item.id}"), option("Waive, with a reason", f"waive:{item.id}"), option("Give it to somebody", f"assign:{item.id}")])
    done = button(DO_WORDS.get(item.kind, "Done"), "incidents.done", f"item:{item.id}", label=f"Step {item.number} is done")
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


def _note_button(incident: IncidentView) -> dict[str, Any]:
    return button("Status update", "incidents.status", incident.value, label=f"Tell how incident {incident.id} stands")


def _close_button(incident: IncidentView) -> dict[str, Any]:
    return button("Close incident", "incidents.close", incident.value, label=f"Close incident {incident.id}")
