"""Presses, forms and words about follow-ups: who may is asked here, what happens is in following."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import find_agents
from bot.agents.telling import which
from bot.blocks import Message, escape
from bot.incidents import following, forms
from bot.incidents.follow_words import FollowUpView, listed
from bot.incidents.people import full_member, whose
from bot.incidents.thread import incident_roles
from bot.paging.reading import named
from bot.people.flows import require, roles_of
from bot.people.rules import Act, Role
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, FollowUp, Incident, Person

_GONE = "This is no longer known here. `/aiops followups` lists the open follow-ups."
_WHO = "Name a full member of this workspace."
SHORTEST = 3


# --- adding, or signing that none is needed --------------------------------------------------------------------------


def press_add(tx: Session, press: Press) -> Answer:
    """`Add follow-up` opens its form."""
    incident = _incident(tx, press)
    if incident is None:
        return Tell(Message(_GONE))
    owner = whose(tx, incident, "operations_owner") or tx.get(Person, press.actor.person_id)
    agent = tx.get_one(Agent, incident.agent_id)
    due = following.default_due(incident, press.now, owner)
    return Ask(forms.follow_up_form(incident.id, agent.name, (owner.slack_id or "") if owner else "", due))


def submit_add(tx: Session, press: Press) -> Answer:
    """The form "Add a follow-up"."""
    incident = _incident(tx, press)
    if incident is None:
        return Tell(Message(_GONE))
    words, owner = str(press.values.get("words") or "").strip(), full_member(tx, str(press.values.get("person") or ""))
    day = _day(press.values.get("due"))
    wrong = _wrong(tx, press, owner, day)
    if len(words) < SHORTEST:
        wrong["words"] = "Say what is to be done."
    if wrong or owner is None or day is None:
        return Mend(wrong)
    following.add_follow_up(tx, press.now, incident.id, words[:3000], owner, _me(tx, press), day)
    return Quiet()


def said(tx: Session, press: Press, incident: Incident) -> Answer:
    """`followup @lea test every new prompt`, in the incident's thread."""
    require(incident_roles(tx, incident, press.actor), Act.WORK_INCIDENT)
    owner = full_member(tx, press.words[0]) if press.words else None
    words = " ".join(press.words[1:])
    if owner is None and press.words and press.words[0][:1] in ("<", "@"):
        return Tell(Message("A follow-up is done by a full member of this workspace, such as @lea: name one."))
    if owner is None or len(words) < SHORTEST:
        return Tell(Message("Name who does it, and what: `followup @lea test every new prompt against old orders`."))
    row = following.add_follow_up(tx, press.now, incident.id, words[:3000], owner, _me(tx, press))
    return Tell(Message(f"Follow-up {row.id} is on {escape(owner.name)}'s list."))


def press_none(tx: Session, press: Press) -> Answer:
    """`None needed` asks why."""
    incident = _incident(tx, press, Act.CLOSE_INCIDENT)
    return Tell(Message(_GONE)) if incident is None else Ask(forms.none_needed_form(incident.id))


def submit_none(tx: Session, press: Press) -> Answer:
    """The form "No follow-up needed"."""
    incident = _incident(tx, press, Act.CLOSE_INCIDENT)
    if incident is None:
        return Tell(Message(_GONE))
    why = str(press.values.get("reason") or "").strip()
    if not why:
        return Mend({"reason": "Say why nothing need follow: it stands there with your name."})
    if incident.closed_at is not None:
        return Tell(Message(f"Incident #{incident.id} is closed already."))
    if not following.sign_none_needed(tx, press.now, incident.id, _me(tx, press), why):
        return Tell(Message("There is a follow-up already, so that cannot be signed."))
    return Quiet()


# --- one follow-up ---------------------------------------------------------------------------------------------------


def press_done(tx: Session, press: Press) -> Answer:
    """`Done` asks what shows it."""
    row = _follow_up(tx, press)
    if row is None:
        return Tell(Message(_GONE))
    if row.closed_at is not None:
        return Tell(Message(f"Follow-up {row.id} is done already."))
    return Ask(forms.done_form(row.id, row.words, following.newest_version(tx, row.agent_id)))


def submit_done(tx: Session, press: Press) -> Answer:
    """The form "Follow-up done"."""
    row = _follow_up(tx, press)
    if row is None:
        return Tell(Message(_GONE))
    evidence = str(press.values.get("evidence") or "").strip()
    if len(evidence) < SHORTEST:
        return Mend({"evidence": "Say what shows that it is done: a link, or what you saw."})
    if not following.close_follow_up(tx, press.now, row, _me(tx, press), evidence, str(press.values.get("version") or "")):
        return Tell(Message(f"Follow-up {row.id} is done already."))
    return Quiet()


def press_change(tx: Session, press: Press) -> Answer:
    """`Change` opens the form for owner and day."""
    row = _follow_up(tx, press)
    if row is None:
        return Tell(Message(_GONE))
    if row.closed_at is not None:
        return Tell(Message(f"Follow-up {row.id} is done already."))
    owner = tx.get_one(Person, row.owner_id)
    return Ask(forms.change_form(row.id, row.words, owner.slack_id or "", max(row.due_at.date(), press.now.date())))


def submit_change(tx: Session, press: Press) -> Answer:
    """The form "Change a follow-up"."""
    row = _follow_up(tx, press)
    if row is None:
        return Tell(Message(_GONE))
    owner, day = full_member(tx, str(press.values.get("person") or "")), _day(press.values.get("due"))
    wrong = _wrong(tx, press, owner, day)
    if wrong or owner is None or day is None:
        return Mend(wrong)
    following.change_follow_up(tx, press.now, row, _me(tx, press), owner, day)
    return Quiet()


def words_follow_ups(tx: Session, press: Press) -> Answer:
    """`/aiops followups`, `followups mine`, `followups <agent>`, `followups reopen 3 <why>`."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    first = press.words[0].lower() if press.words else ""
    if first in ("done", "change") and len(press.words) > 1:
        chosen = Press(**{**press.__dict__, "value": f"followup:{press.words[1].strip('#')}"})
        return press_done(tx, chosen) if first == "done" else press_change(tx, chosen)
    if first == "reopen":
        return _reopen(tx, press)
    sought = select(FollowUp).where(FollowUp.closed_at.is_(None))
    whose_words = ""
    if first == "mine":
        sought, whose_words = sought.where(FollowUp.owner_id == press.actor.person_id), "you"
    elif press.words:
        found = find_agents(tx, " ".join(press.words))
        if len(found) != 1:
            return Tell(which(" ".join(press.words), [(each.name, each.slug) for each in found]))
        sought, whose_words = sought.where(FollowUp.agent_id == found[0].id), found[0].name
    total = tx.scalar(select(func.count()).select_from(sought.subquery())) or 0
    rows = tx.execute(sought.add_columns(Agent, Person).join(Agent, Agent.id == FollowUp.agent_id).join(Person, Person.id == FollowUp.owner_id).order_by(FollowUp.due_at, FollowUp.id).limit(15))
    views = [_view(row, agent, person, press.now) for row, agent, person in rows]
    return Tell(listed(views, total, escape(whose_words)), share=True)


def _reopen(tx: Session, press: Press) -> Answer:
    number = press.words[1].strip("#") if len(press.words) > 1 else ""
    row = _follow_up(tx, Press(**{**press.__dict__, "value": f"followup:{number}"}))
    why = " ".join(press.words[2:])
    if row is None or not why:
        return Tell(Message("Name the follow-up and why it is not done after all: `followups reopen 3 the test was never merged`."))
    if not following.reopen_follow_up(tx, press.now, row, _me(tx, press), why):
        return Tell(Message(f"Follow-up {row.id} is open."))
    return Tell(Message(f"Follow-up {row.id} is open again."))


def _view(row: FollowUp, agent: Agent, person: Person, now: datetime) -> FollowUpView:
    return FollowUpView(row.id, row.words, agent.name, row.incident_id, named(person), row.due_at, row.due_at <= now, row.closed_at, row.evidence, row.turns)


def _wrong(tx: Session, press: Press, owner: Person | None, day: date | None) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if owner is None:
        wrong["person"] = _WHO
    if day is None:
        wrong["due"] = "Choose a day."
    elif owner is not None and following.end_of(day, owner) <= press.now:
        wrong["due"] = "That day is over: choose a later one."
    elif (day - press.now.date()).days > 366:
        wrong["due"] = "That is more than a year away: choose an earlier day."
    return wrong


def _incident(tx: Session, press: Press, act: Act = Act.WORK_INCIDENT) -> Incident | None:
    matched = re.fullmatch(r"incident:(\d{1,15})", press.value)
    incident = tx.get(Incident, int(matched[1])) if matched else None
    if incident is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return None
    require(incident_roles(tx, incident, press.actor), act)
    return incident


def _follow_up(tx: Session, press: Press) -> FollowUp | None:
    """The follow-up meant, for those who may close or change it: its owner, the agent's owners, the incident's lead, a lead."""
    matched = re.fullmatch(r"followup:(\d{1,15})", press.value)
    row = tx.get(FollowUp, int(matched[1])) if matched else None
    if row is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return None
    roles = incident_roles(tx, tx.get_one(Incident, row.incident_id), press.actor)
    if not roles & {Role.GUEST, Role.STRANGER} and row.owner_id == press.actor.person_id:
        roles.add(Role.RESPONDER)
    require(roles, Act.FOLLOW_UP)
    return row


def _day(given: Any) -> date | None:
    try:
        return date.fromisoformat(str(given or ""))
    except ValueError:
        return None


def _me(tx: Session, press: Press) -> Person:
    return tx.get_one(Person, press.actor.person_id)


ACTIONS: dict[str, Handler] = {
    "incidents.follow_up": press_add,
    "incidents.none_needed": press_none,
    "followups.done": press_done,
    "followups.change": press_change,
}
VIEWS: dict[str, Handler] = {
    "incidents.follow_up": submit_add,
    "incidents.none_needed": submit_none,
    "followups.done": submit_done,
    "followups.change": submit_change,
}
