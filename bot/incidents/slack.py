"""Words to the bot about incidents, and inside their threads, where slash commands do not work; with the lists of all handlers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
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
from bot.surface.press import Answer, Handler, Press, Quiet, Tell
from bot.tables import Incident, IncidentItem

__all__ = ["ACTIONS", "SHORTCUTS", "VIEWS", "WORDS"]

EXAMPLES = {"choose": "prompt", "evidence": "https://...", "decision": "we go back to the last version", "number": "12", "person": "@lea"}
_ELSEWHERE = "This works in the thread of an incident: mention me there. Elsewhere name the incident's number, such as `/aiops incident 3 {said}`. `/aiops incident` lists the open ones."

OnIncident = Callable[[Session, Press, Incident], Answer]


def words_done(tx: Session, press: Press, incident: Incident) -> Answer:
    """`done 3`, `done 3 rolled back to prompt-14`."""
    return _on_step(tx, press, incident, "done")


def words_waive(tx: Session, press: Press, incident: Incident) -> Answer:
    """`waive 7 nobody had used them yet`."""
    return _on_step(tx, press, incident, "waived")


def words_reopen(tx: Session, press: Press, incident: Incident) -> Answer:
    """`reopen 3`."""
    return _on_step(tx, press, incident, "open")


def _on_step(tx: Session, press: Press, incident: Incident, wanted: str) -> Answer:
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


def words_note(tx: Session, press: Press, incident: Incident) -> Answer:
    """`note the vendor confirmed it`: onto the timeline."""
    words = " ".join(press.words)
    if not words:
        return Tell(Message("Write what to note: `note the vendor confirmed it`."))
    flows.add_note(tx, press.now, incident, person_of(tx, press), words, key=f"said:{press.channel}:{press.message_ts}" if press.message_ts else "")
    return Tell(Message("Noted on the timeline."))


def words_close(tx: Session, press: Press, incident: Incident) -> Answer:
    """`close`."""
    return close(tx, press, incident)


def words_lead(tx: Session, press: Press, incident: Incident) -> Answer:
    """`lead`: I'll lead; `lead @lea`: she does."""
    return run_presses.said_role(tx, press, incident, "lead") if press.words else lead(tx, press, incident)


def words_scribe(tx: Session, press: Press, incident: Incident) -> Answer:
    """`scribe @lea`."""
    return run_presses.said_role(tx, press, incident, "scribe")


def words_owner(tx: Session, press: Press, incident: Incident) -> Answer:
    """`owner @lea`."""
    return run_presses.said_role(tx, press, incident, "owner")


def words_checklist(tx: Session, press: Press, incident: Incident) -> Answer:
    """`checklist`: here it is again, for you alone."""
    return Tell(messages.checklist_message(incident_view(tx, incident)))


def words_assign(tx: Session, press: Press, incident: Incident) -> Answer:
    """`assign 3 to @lea`."""
    number = press.words[0].strip(".,#") if press.words else ""
    item = flows.item_numbered(tx, incident.id, int(number)) if number.isdigit() and len(number) < 6 else None
    named = [word for word in press.words[1:] if word.lower() != "to"]
    if item is None or len(named) != 1:
        return Tell(Message("Write a step's number and a person, such as `assign 3 to @lea`. `checklist` shows the numbers."))
    me = press.actor.slack_id or press.actor.email or ""
    return assign(tx, press, item, me if named[0].lower() == "me" else named[0])


def words_update(tx: Session, press: Press, incident: Incident) -> Answer:
    """`update half of the index is rebuilt`: a status update, in the thread."""
    return run_presses.tell(tx, press, incident, " ".join(press.words))


def words_follow_up(tx: Session, press: Press, incident: Incident) -> Answer:
    """`followup @lea test every new prompt`: in the thread."""
    return follow_presses.said(tx, press, incident)


ON_INCIDENT: dict[str, OnIncident] = {
    "done": words_done,
    "waive": words_waive,
    "reopen": words_reopen,
    "note": words_note,
    "close": words_close,
    "lead": words_lead,
    "scribe": words_scribe,
    "owner": words_owner,
    "roles": run_presses.said_roles,
    "checklist": words_checklist,
    "assign": words_assign,
    "update": words_update,
    "followup": words_follow_up,
    "follow-up": words_follow_up,
}


def anywhere(name: str) -> Handler:
    """The word in an incident's thread; elsewhere with the incident's number before it (`note #3 ...`)."""

    def word(tx: Session, press: Press) -> Answer:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        incident = incident_of_thread(tx, press.channel, press.thread_ts)
        if incident is None and press.words and (named := re.fullmatch(r"#(\d{1,14})", press.words[0])):
            incident, press = tx.get(Incident, int(named[1])), replace(press, words=press.words[1:])
        if incident is None:
            return Tell(Message(_ELSEWHERE.format(said=escape(" ".join([name, *press.words])[:200]))))
        return _said(tx, press, incident, name)

    return word


def _said(tx: Session, press: Press, incident: Incident, name: str) -> Answer:
    answer = ON_INCIDENT[name](tx, replace(press, name=name), incident)
    if press.came_from == "command" and isinstance(answer, Quiet):  # typed from afar, so its effect is not before their eyes
        return Tell(Message(f"Done, in incident #{incident.id}: {escape(incident.title[:200])}. It stands in <#{incident.channel_id}>."))
    return answer


def words_of_incident(tx: Session, press: Press) -> Answer:
    """`incident 3 done 2`: a word on the incident of that number; everything else of `incident`."""
    number = press.words[0].strip("#") if press.words else ""
    if len(press.words) > 1 and number.isdigit() and len(number) < 15 and press.words[1].lower() in ON_INCIDENT:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        incident = tx.get(Incident, int(number))
        if incident is not None:
            return _said(tx, replace(press, words=press.words[2:]), incident, press.words[1].lower())
    if len(press.words) == 2 and number.isdigit() and press.words[1].lower() == "review":
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message(f"The review of incident #{number[:15]} comes with `/aiops review {number[:15]}`."))
    return words_incident(tx, press)


ACTIONS: dict[str, Handler] = {**presses.ACTIONS, **follow_presses.ACTIONS, **run_presses.ACTIONS}
VIEWS: dict[str, Handler] = {**presses.VIEWS, **follow_presses.VIEWS, **run_presses.VIEWS}
EVENTS: dict[str, Callable[[Session, dict[str, Any], datetime], None]] = {"reaction_added": marked}
WORDS: dict[str, Handler] = {
    "incident": words_of_incident,
    "incidents": words_of_incident,
    **{name: anywhere(name) for name in ON_INCIDENT},
    "followups": follow_presses.words_follow_ups,
}
