"""Who holds a role of an incident: its own roles, and the agent's owners."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.agents.names import ROLES
from bot.people.flows import find_person, owners_of
from bot.tables import Incident, Person


def whose(tx: Session, incident: Incident, role: str) -> Person | None:
    """The active person behind a role; None where nobody holds it."""
    own = {"lead": incident.lead_id, "scribe": incident.scribe_id, "owner": incident.owner_id}
    if role in own:
        person_id = own[role]
    else:
        row = owners_of(tx, incident.agent_id).get(role.removesuffix("_owner"))
        person_id = row.person_id if row is not None and role.removesuffix("_owner") in ROLES else None
    person = tx.get(Person, person_id) if person_id else None
    return person if person is not None and person.active else None


def full_member(tx: Session, ref: str) -> Person | None:
    """The full member of this workspace behind a Slack id, a mention or an e-mail address."""
    person = find_person(tx, ref)
    return person if person is not None and person.active and person.kind == "member" else None
