"""Words to the bot about incidents, and inside their threads, where slash commands do not work; with the lists of all handlers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.blocks import Message, escape
from bot.incidents import flows, follow_presses, messages, presses, run_presses
from bot.incidents.marks import marked
from bot.incidents.presses import SHORTCUTS, assign, close, lead, person_of, read_answer, settle, words_incident
from bot.incidents.reading import incident_of_thread, incident_view
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Handler, Press, Tell
from bot.tables import Incident, IncidentItem

__all__ = ["ACTIONS", "SHORTCUTS", "VIEWS", "WORDS"]

EXAMPLES = {"choose": "prompt", "evidence": "https://...", "decision": "we go back to the last version", "number": "12", "person": "@lea"}
_ELSEWHERE = "This works in the thread of an incident: mention me there. `/aiops incident` lists the open incidents."


def words_done(tx: Session, press: Press) -> Answer:
    """`done 3`, `done 3 rolled back to prompt-14`."""
    return _on_step(tx, press, "done")


def words_waive(tx: Session, press: Press) -> Answer:
    """`waive 7 nobody had used them yet`."""
    return _on_step(tx, press, "waived")


def words_reopen(tx: Session, press: Press) -> Answer:
    """`reopen 3`."""
    return _on_step(tx, press, "open")


def _on_step(tx: Session, press: Press, wanted: str) -> Answer:
    incident = _here(tx, press)
    if incident is None:
        return Tell(Message(_ELSEWHERE))
    number = press.words[0].strip(".,#") if press.words else ""
    item: IncidentItem | None = flows.item_numbered(tx, incident.id, int(number)) if number.isdigit() and len(number) < 6 else None
    if item is None:
        return Tell(Message(f"Which step? Write its number, such as `{press.name} 3`. `checklist` shows them."))
    words = " ".join(press.words[1:])
    if wanted == "waived" and not words:
        return Tell(Message(f"Waiving needs a reason: `waive {number} because ...`."))
    if wanted == "done" and item.kind != "confirm" and item.state == "open":
        flows.may_settle(tx, incident, press.actor, wanted, required=item.required)
        read = read_answer(tx, item, words)
        if read.wrong:
            return Tell(Message(f"Step {number} asks for an answer. {escape(read.wrong)} For example `done {number} {EXAMPLES[item.kind]}`."))
        return settle(tx, press, item, wanted, read.note, read.answer)
    return settle(tx, press, item, wanted, words)


def words_note(tx: Session, press: Press) -> Answer:
    """`note the vendor confirmed it`: onto the timeline."""
    incident = _here(tx, press)
    if incident is None:
        return Tell(Message(_ELSEWHERE))
    words = " ".join(press.words)
    if not words:
        return Tell(Message("Write what to note: `note the vendor confirmed it`."))
    flows.add_note(tx, press.now, incident, person_of(tx, press), words, key=f"said:{press.channel}:{press.message_ts}" if press.message_ts else "")
    return Tell(Message("Noted on the timeline."))


def words_close(tx: Session, press: Press) -> Answer:
    """`close`."""
    incident = _here(tx, press)
    return Tell(Message(_ELSEWHERE)) if incident is None else close(tx, press, incident)


def words_lead(tx: Session, press: Press) -> Answer:
    """`lead`: I'll lead."""
    incident = _here(tx, press)
    return Tell(Message(_ELSEWHERE)) if incident is None else lead(tx, press, incident)


def words_checklist(tx: Session, press: Press) -> Answer:
    """`checklist`: here it is again, for you alone."""
    incident = _here(tx, press)
    return Tell(Message(_ELSEWHERE)) if incident is None else Tell(messages.checklist_message(incident_view(tx, incident)))


def _here(tx: Session, press: Press) -> Incident | None:
    require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
    return incident_of_thread(tx, press.channel, press.thread_ts)


def words_assign(tx: Session, press: Press) -> Answer:
    """`assign 3 to @lea`."""
    incident = _here(tx, press)
    if incident is None:
        return Tell(Message(_ELSEWHERE))
    number = press.words[0].strip(".,#") if press.words else ""
    item = flows.item_numbered(tx, incident.id, int(number)) if number.isdigit() and len(number) < 6 else None
    named = [word for word in press.words[1:] if word.lower() != "to"]
    if item is None or len(named) != 1:
        return Tell(Message("Write a step's number and a person, such as `assign 3 to @lea`. `checklist` shows the numbers."))
    me = press.actor.slack_id or press.actor.email or ""
    return assign(tx, press, item, me if named[0].lower() == "me" else named[0])


def words_update(tx: Session, press: Press) -> Answer:
    """`update half of the index is rebuilt`: a status update, in the thread."""
    incident = _here(tx, press)
    return Tell(Message(_ELSEWHERE)) if incident is None else run_presses.tell(tx, press, incident, " ".join(press.words))


def words_follow_up(tx: Session, press: Press) -> Answer:
    """`followup @lea test every new prompt`: in the thread."""
    incident = _here(tx, press)
    return Tell(Message(_ELSEWHERE)) if incident is None else follow_presses.said(tx, press, incident)


ACTIONS: dict[str, Handler] = {**presses.ACTIONS, **follow_presses.ACTIONS, **run_presses.ACTIONS}
VIEWS: dict[str, Handler] = {**presses.VIEWS, **follow_presses.VIEWS, **run_presses.VIEWS}
EVENTS: dict[str, Callable[[Session, dict[str, Any], datetime], None]] = {"reaction_added": marked}
WORDS: dict[str, Handler] = {
    "incident": words_incident,
    "incidents": words_incident,
    "done": words_done,
    "waive": words_waive,
    "reopen": words_reopen,
    "note": words_note,
    "close": words_close,
    "lead": words_lead,
    "checklist": words_checklist,
    "assign": words_assign,
    "update": words_update,
    "followup": words_follow_up,
    "followups": follow_presses.words_follow_ups,
}
