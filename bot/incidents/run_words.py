"""What is said while an incident runs: reminders, requests for a status update and for roles: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.blocks import Message, actions, button, clip, context, escape, quote, section, when
from bot.quality.words import joined

ROLE_WORDS = {"lead": "nobody leads it (decides, gives out the steps)", "scribe": "nobody keeps the timeline (scribe)", "owner": "nobody answers for the outcome (owner)"}


def nag(number: int, words: str, item_id: int, who: str, due: datetime, *, first: bool) -> Message:
    """A step is due; `who` is a mention."""
    why = "is yours, and was due" if first else "was due, and is still open since"
    text = f"{who}, step {number} {why} {when(due)}: {escape(clip(words, 600))}"
    return Message(text, [section(text), actions(button("Done", "incidents.done", f"item:{item_id}", label=f"Step {number} is done"), button("Give it to somebody", "incidents.item", f"assign:{item_id}", label=f"Give step {number} to somebody"))])


def ask_status(incident_id: int, who: str, last: datetime) -> Message:
    """People wait for news; `who` is a mention, or says that nobody leads."""
    text = f"{who}: how does incident #{incident_id} stand? The last word was {when(last)}. Two sentences are enough: what is known, what is done now."
    return Message(text, [section(text), actions(button("Status update", "incidents.status", f"incident:{incident_id}"))])


def status(by: str, words: str, next_at: datetime | None) -> Message:
    text = f":loudspeaker: *Status*, by {escape(by)}\n{quote(words, 2500)}" + (f"\nThe next one is asked for {when(next_at)}." if next_at else "")
    return Message(text, [section(text)])


def ask_roles(incident_id: int, who: str, empty: Sequence[str]) -> Message:
    """The panel of roles that are nobody's."""
    text = f"{who}: in incident #{incident_id} {joined([ROLE_WORDS[role] for role in empty])}. Name them, or take them yourself."
    buttons = [button("Set roles", "incidents.roles", f"incident:{incident_id}")]
    if "lead" in empty:
        buttons.append(button("I'll lead", "incidents.lead", f"incident:{incident_id}", label=f"Lead incident {incident_id}"))
    return Message(text, [section(text), actions(*buttons)])


def roles(incident_id: int, lead: str | None, scribe: str | None, owner: str | None, *, closed: bool) -> Message:
    """Who has which role; the names are escaped."""
    text = f"Incident #{incident_id}: lead {lead or 'nobody yet'}, scribe {scribe or 'nobody yet'}, owner {owner or 'nobody yet'}."
    if closed:
        return Message(text)
    text += " `lead @lea`, `scribe @lea` and `owner @lea` name them; `lead` alone is you."
    return Message(text, [section(text), actions(button("Set roles", "incidents.roles", f"incident:{incident_id}"))])


_THREAD_WORDS = (
    ("`checklist`", "the steps, for you alone"),
    ("`done 3`, `waive 3 because ...`, `reopen 3`", "settle a step, or open it again"),
    ("`assign 3 to @lea`", "give a step to somebody"),
    ("`note ...`", "onto the timeline; the reaction :pushpin: puts any message there"),
    ("`update ...`", "tell everybody how it stands"),
    ("`lead`, `lead @lea`, `scribe @lea`, `owner @lea`, `roles`", "who has which role"),
    ("`followup @lea ...`", "what keeps it from happening again"),
    ("`review`", "what happened, as a file and a page"),
    ("`close`", "end it; what is still missing is named"),
)


def thread_help(incident_id: int, unknown: str) -> Message:
    """What a mention understands in an incident's thread; first what was not understood, where something was said."""
    said = f"I do not know “{clip(unknown, 60)}”. " if unknown else ""
    text = f"{escape(said)}In this thread of incident #{incident_id}, mention me with:\n" + "\n".join(f"• {words}: {what}" for words, what in _THREAD_WORDS)
    return Message(text, [section(text), context("`help` tells everything that I understand elsewhere.")])
