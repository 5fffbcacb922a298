"""Finding people, and telling which roles somebody holds: in one open transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.known import known, learn
from bot.people.rules import Act, Role, may, refusal
from bot.tables import Absence, AgentOwner, Person, Registry, UserGroup

SLACK_USER = re.compile(r"^<?@?([UW][A-Z0-9]{2,})(\|[^>]*)?>?$")


@dataclass(frozen=True)
class Actor:
    """Who is asking, as the edge established it; `person_id` is their row."""

    person_id: int
    slack_id: str | None
    team_id: str | None
    name: str
    kind: str  # member, guest, stranger, bot
    zone: str
    email: str | None = None
    channels: frozenset[str] = frozenset()  # channels this press proves membership of (Slack ids)

    @property
    def mention(self) -> str:
        return f"<@{self.slack_id}>" if self.slack_id else self.name


class Refused(Exception):
    """This person may not do this; the text is the polite answer, naming who can."""


def actor_of(person: Person) -> Actor:
    """The actor behind a row of people."""
    kind = person.kind if person.active else "stranger"
    return Actor(person.id, person.slack_id, person.team_id, person.name or person.email or "someone", kind, person.zone, person.email)


def normal_email(address: str) -> str:
    return address.strip().lower()


def find_person(tx: Session, ref: str) -> Person | None:
    """The person behind a Slack id (also as a mention) or an e-mail address; None where nobody is known by it."""
    ref = ref.strip()
    matched = SLACK_USER.match(ref)
    if matched:
        return tx.scalars(select(Person).where(Person.slack_id == matched.group(1)).order_by(Person.id)).first()
    if "@" in ref[1:]:
        return tx.scalars(select(Person).where(Person.email == normal_email(ref))).first()
    return None


_SHARED: dict[tuple[str, int, str], dict[str, Any]] = {}  # by database, row and content: never stale


def shared_registry(tx: Session) -> dict[str, Any]:
    """What the agents share in the registry file in force: `workspace`, `people`, `ladders`, `rotations`; empty before the first file.

    Kept in memory: every press asks for it, and the document holds all agents too (megabytes for thousands of them).
    """
    return known(tx, "registry", "", lambda: _shared_registry(tx))


def _shared_registry(tx: Session) -> dict[str, Any]:
    newest = tx.execute(select(Registry.id, Registry.digest).order_by(Registry.id.desc()).limit(1)).first()
    if newest is None:
        return {}
    key = (str(tx.get_bind().engine.url), newest.id, newest.digest)
    shared = _SHARED.get(key)
    if shared is None:
        document = tx.scalars(select(Registry.document).where(Registry.id == newest.id)).one()
        shared = {part: document[part] for part in ("workspace", "people", "ladders", "rotations", "upstreams", "protocols") if part in document}
        shared["depends_on"] = {slug: agent["depends_on"] for slug, agent in document.get("agents", {}).items() if agent.get("depends_on")}
        if len(_SHARED) >= 16:
            _SHARED.clear()
        _SHARED[key] = shared
    return shared


def find_ref(tx: Session, ref: str, names: Mapping[str, Any] | None = None) -> Person | None:
    """The person behind a reference of the registry: a name under `people:`, a Slack id, or an e-mail address.

    `names` is the file's `people` part; where unset, that of the file in force.
    """
    if names is None:
        names = shared_registry(tx).get("people", {})
    entry = names.get(ref.strip())
    if entry is None:
        return find_person(tx, ref)
    for way in (entry.get("slack"), entry.get("email")):
        if way and (person := find_person(tx, way)) is not None:
            return person
    return None


def find_group(tx: Session, ref: str) -> UserGroup | None:
    """A user group by `@handle`, id, or `<!subteam^S..>`."""
    ref = ref.strip()
    matched = re.match(r"^<!subteam\^(S[A-Z0-9]+)(\|[^>]*)?>$", ref) or re.match(r"^(S[A-Z0-9]{5,})$", ref)
    if matched:
        return tx.scalars(select(UserGroup).where(UserGroup.slack_id == matched.group(1))).first()
    return tx.scalars(select(UserGroup).where(UserGroup.handle == ref.lstrip("@").lower())).first()


def group_people(tx: Session, group: UserGroup) -> list[Person]:
    """The active people of a user group, in the group's order."""
    rows = {p.slack_id: p for p in tx.scalars(select(Person).where(Person.slack_id.in_(group.members), Person.active))}
    return [rows[slack_id] for slack_id in group.members if slack_id in rows]


def person_for_report(tx: Session, ref: str, team_id: str | None) -> Person | None:
    """The person an event names (Slack id or e-mail); one never seen gets a row, because their rating counts.

    None where the reference is neither a Slack id nor an e-mail address.
    """
    found = find_person(tx, ref)
    if found is not None:
        return found
    matched = SLACK_USER.match(ref.strip())
    if matched:
        person = Person(team_id=team_id, slack_id=matched.group(1), kind="member", active=True)
    elif re.match(r"^[^@\s<>]+@[^@\s<>]+$", ref.strip()) and len(ref) <= 254:
        person = Person(email=normal_email(ref), name=ref.strip().split("@")[0], kind="member", active=True)
    else:
        return None
    tx.add(person)
    tx.flush()
    return person


def owners_of(tx: Session, agent_id: int) -> dict[str, AgentOwner]:
    """The current owners of an agent by role (business, operations, backup, sponsor)."""
    rows = known(tx, "owners", agent_id, lambda: tx.scalars(select(AgentOwner).where(AgentOwner.agent_id == agent_id, AgentOwner.until.is_(None))).all())
    return {row.role: row for row in rows}


def is_away(tx: Session, person_id: int, now: datetime) -> Absence | None:
    """The declared absence that covers this moment, if any."""
    ahead: tuple[datetime, list[Absence]] | None = known(tx, "absences", "", lambda: None)
    if ahead is not None and now >= ahead[0]:
        return max((each for each in ahead[1] if each.person_id == person_id and each.since <= now < each.until), key=lambda each: each.until, default=None)
    return tx.scalars(
        select(Absence).where(Absence.person_id == person_id, Absence.since <= now, Absence.until > now).order_by(Absence.until.desc())
    ).first()


def look_people_ahead(tx: Session, now: datetime) -> None:
    """Learn for a batch the registry in force, and who is away from now on."""
    learn(tx, "registry", {"": _shared_registry(tx)})
    learn(tx, "absences", {"": (now, list(tx.scalars(select(Absence).where(Absence.until > now).order_by(Absence.id))))})


def lead_ids(tx: Session) -> set[int]:
    """The people who are leads by the registry in force (persons and user groups named under workspace.leads)."""
    found: set[int] = set()
    document = shared_registry(tx)
    for ref in document.get("workspace", {}).get("leads", []):
        if person := find_ref(tx, ref, document.get("people", {})):
            found.add(person.id)
        elif group := find_group(tx, ref):
            found.update(person.id for person in group_people(tx, group))
    return found


ROLE_OF_OWNER = {"business": Role.BUSINESS, "operations": Role.OPERATIONS, "backup": Role.BACKUP, "sponsor": Role.SPONSOR}


def roles_of(tx: Session, actor: Actor, agent_id: int | None, *, channel_id: str | None = None) -> set[Role]:
    """All roles the actor holds for an agent; rooms above add theirs (called now, responder, reviewer)."""
    if actor.kind in ("stranger", "bot"):
        return {Role.STRANGER}
    if actor.kind == "guest":
        return {Role.GUEST}
    roles = {Role.MEMBER}
    if agent_id is not None:
        roles.update(ROLE_OF_OWNER[role] for role, row in owners_of(tx, agent_id).items() if row.person_id == actor.person_id)
    if channel_id is not None and channel_id in actor.channels:
        roles.add(Role.CHANNEL)
    if actor.person_id in lead_ids(tx):
        roles.add(Role.LEAD)
    return roles


def require(roles: set[Role], act: Act) -> None:
    """Raise Refused, with the sentence that says who could, unless the roles allow the act."""
    if not may(roles, act):
        raise Refused(refusal(roles, act))
