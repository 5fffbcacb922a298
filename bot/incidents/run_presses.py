"""Presses and forms of a running incident: status updates and roles."""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from bot.blocks import Message, escape
from bot.incidents import forms, run_words, running
from bot.incidents.people import full_member
from bot.incidents.reading import incident_view
from bot.incidents.thread import incident_roles
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Incident, Person

_GONE = "This incident is no longer known here. `/aiops incident` lists the open ones."


def press_status(tx: Session, press: Press) -> Answer:
    """`Status update` opens its form."""
    incident = incident_of(tx, press)
    return _why_not(incident) or Ask(forms.status_form(incident.id if incident else 0))


def submit_status(tx: Session, press: Press) -> Answer:
    """The form "Status update"."""
    incident = incident_of(tx, press)
    return _why_not(incident) or tell(tx, press, incident, str(press.values.get("words") or ""), form=True)


def tell(tx: Session, press: Press, incident: Incident | None, words: str, *, form: bool = False) -> Answer:
    if incident is None:
        return Tell(Message(_GONE))
    require(incident_roles(tx, incident, press.actor), Act.WORK_INCIDENT)
    if not words.strip():
        told = "Say in two sentences how it stands."
        return Mend({"words": told}) if form else Tell(Message(f"{told} `update the index is rebuilt, half of it is done`."))
    if not running.tell_status(tx, press.now, incident.id, tx.get_one(Person, press.actor.person_id), words):
        return Tell(Message(f"Incident #{incident.id} is closed already. Your words stand in its thread and on its timeline."))
    return Quiet()


def said_role(tx: Session, press: Press, incident: Incident, role: str) -> Answer:
    """`lead @lea`, `scribe @lea`, `owner me`: in the thread."""
    require(incident_roles(tx, incident, press.actor), Act.WORK_INCIDENT)
    named = [word for word in press.words if word.lower() not in ("to", "is")]
    ref = (press.actor.slack_id or press.actor.email or "") if named and named[0].lower() == "me" else named[0] if named else ""
    person = full_member(tx, ref.rstrip(".,")) if len(named) == 1 else None
    if person is None:
        return Tell(Message(f"Name one full member of this workspace, such as `{role} @lea`."))
    if incident.closed_at is not None:
        return Tell(Message(f"Incident #{incident.id} is closed."))
    if not running.set_roles(tx, press.now, incident.id, tx.get_one(Person, press.actor.person_id), {role: person}):
        return Tell(Message(f"{escape(person.name)} is the {role} already."))
    return Quiet()


def said_roles(tx: Session, press: Press, incident: Incident) -> Answer:
    """`roles`: who has which, and the button that names them."""
    view = incident_view(tx, incident)
    return Tell(run_words.roles(incident.id, view.lead, view.scribe, view.owner, closed=incident.closed_at is not None))


def press_roles(tx: Session, press: Press) -> Answer:
    """`Set roles` opens its form."""
    incident = incident_of(tx, press)
    if incident is None or incident.closed_at is not None:
        return _why_not(incident) or Tell(Message(_GONE))
    ids = [tx.get(Person, each) if each else None for each in (incident.lead_id, incident.scribe_id, incident.owner_id)]
    lead, scribe, owner = ((person.slack_id or "") if person is not None else "" for person in ids)
    return Ask(forms.roles_form(incident.id, lead, scribe, owner))


def submit_roles(tx: Session, press: Press) -> Answer:
    """The form "Roles"."""
    incident = incident_of(tx, press)
    if incident is None or incident.closed_at is not None:
        return _why_not(incident) or Tell(Message(_GONE))
    chosen: dict[str, Person | None] = {}
    wrong = {}
    for role in running.ROLE_COLUMNS:
        ref = str(press.values.get(role) or "")
        chosen[role] = full_member(tx, ref) if ref else None
        if ref and chosen[role] is None:
            wrong[role] = "Name a full member of this workspace."
    if wrong:
        return Mend(wrong)
    running.set_roles(tx, press.now, incident.id, tx.get_one(Person, press.actor.person_id), chosen)
    return Quiet()


def incident_of(tx: Session, press: Press) -> Incident | None:
    """The incident of a button or form, for those who may work on it."""
    matched = re.fullmatch(r"incident:(\d{1,15})", press.value)
    incident = tx.get(Incident, int(matched[1])) if matched else None
    if incident is None:
        require(roles_of(tx, press.actor, None), Act.WORK_INCIDENT)
        return None
    require(incident_roles(tx, incident, press.actor), Act.WORK_INCIDENT)
    return incident


def _why_not(incident: Incident | None) -> Answer | None:
    if incident is None:
        return Tell(Message(_GONE))
    return Tell(Message(f"Incident #{incident.id} is closed.")) if incident.closed_at is not None else None


ACTIONS: dict[str, Handler] = {"incidents.status": press_status, "incidents.roles": press_roles}
VIEWS: dict[str, Handler] = {"incidents.status": submit_status, "incidents.roles": submit_roles}
