"""Who could not be reached if a page called them now or in the night, and why: for the weekly line, `doctor` and `plan`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.files import OWNER_CALLS
from bot.agents.names import ROLE_WORDS
from bot.agents.owners import ANSWER_WITHIN
from bot.agents.reading import retired_ids
from bot.agents.spec import STANDARD_LADDER, RegistrySpec
from bot.ladders.everybody import may_be_called, people_by_id
from bot.ladders.reaching import ROTATION
from bot.people.flows import find_group, find_ref, group_people
from bot.people.quiet_hours import has_wake_route, quiet_words
from bot.tables import Agent, AgentOwner, OutMessage, Person

LATELY = timedelta(days=30)  # a send that failed before that is history
WAYS = {"email": "e-mail", "webhook": "webhook", "pagerduty": "PagerDuty"}


@dataclass(frozen=True)
class Unreached:
    """One reason for which people cannot be reached, and who they are (plain names)."""

    why: str  # "cannot be woken 22:00-08:00: ..."
    names: tuple[str, ...]
    broken: bool  # nothing calls them at all, or what should did not; otherwise only at night

    def line(self, most: int = 12) -> str:
        """`Omar, Lea and 3 more: cannot be woken 22:00-08:00 ...`, in plain words."""
        shown = list(self.names[:most])
        more = len(self.names) - len(shown)
        who = ", ".join(shown) + (f" and {more} more" if more else "")
        return f"{who}: {self.why}"


def unreached(tx: Session, now: datetime) -> list[Unreached]:
    """By the registry in force, the broken ones first."""
    called = may_be_called(tx)
    people = people_by_id(tx, sorted(called))
    failed, waiting = _failed(tx, now), _unaccepted(tx, now)
    found: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for person_id in called:
        person = people.get(person_id)
        if person is None:
            continue
        for broken, why in (*_reasons(person, has_wake_route(person)), *_failures(person, failed), *waiting.get(person_id, ())):
            found[not broken, why].append(_name(person))
    return [Unreached(why, tuple(sorted(names)), not late) for (late, why), names in sorted(found.items())]


def unreached_by(tx: Session, spec: RegistrySpec) -> list[Unreached]:
    """The same for a file that is not in force yet: only what is known before anybody is called."""
    names = spec.model_dump(mode="json", by_alias=True, exclude_unset=True).get("people", {})
    routes: dict[int, bool] = {}
    for name, entry in names.items():
        if (person := find_ref(tx, name, names)) is not None:
            routes[person.id] = any(entry.get(route) for route in entry.get("wake", []))
    found: dict[str, list[str]] = defaultdict(list)
    for person in {each.id: each for each in _named_in(tx, spec, names)}.values():
        for _, why in _reasons(person, routes.get(person.id, False)):
            found[why].append(_name(person))
    return [Unreached(why, tuple(sorted(who)), False) for why, who in sorted(found.items())]


def _reasons(person: Person, wakes: bool) -> Iterator[tuple[bool, str]]:
    if not person.active:
        yield True, "left the workspace, and is still named."
    elif person.kind != "member":
        yield True, "is a guest and cannot answer a page."
    elif not person.slack_id and not wakes:
        yield True, "has neither a Slack account nor another route."
    elif not person.slack_id:
        yield True, "has no Slack account, so no direct message calls them."
    elif not wakes and (hours := quiet_words(person)):
        yield False, f"cannot be woken {hours}: Slack does not ring then, and they have no other route (`wake:` in aiops.yml)."


def _failures(person: Person, failed: Mapping[tuple[str, str], str]) -> Iterator[tuple[bool, str]]:
    for route in person.wake:
        day = failed.get((route, str(person.addresses.get(route, ""))))
        if day is not None:
            yield True, f"the last call by {WAYS.get(route, route)} did not get through ({day}). `/aiops page test` tries it again and says why."


def _failed(tx: Session, now: datetime) -> dict[tuple[str, str], str]:
    """Addresses whose newest call failed, with its day."""
    rows = tx.execute(
        select(OutMessage.route, OutMessage.target, OutMessage.state, OutMessage.tries, OutMessage.created_at)
        .where(OutMessage.route != "slack", OutMessage.kind == "call", OutMessage.state != "dropped", OutMessage.created_at > now - LATELY)
        .order_by(OutMessage.id)
    )
    newest = {(route, target): (state, tries, at) for route, target, state, tries, at in rows}
    return {key: f"{at:%Y-%m-%d}" for key, (state, tries, at) in newest.items() if state == "failed" or (state == "pending" and tries >= 3)}


def _unaccepted(tx: Session, now: datetime) -> dict[int, list[tuple[bool, str]]]:
    """Owners who were named three days ago or longer, and have not accepted."""
    rows = tx.execute(
        select(AgentOwner.person_id, AgentOwner.role, Agent.name)
        .join(Agent, Agent.id == AgentOwner.agent_id)
        .where(AgentOwner.until.is_(None), AgentOwner.accepted_at.is_(None), AgentOwner.since < now - ANSWER_WITHIN, Agent.archived_at.is_(None), Agent.id.not_in(retired_ids()))
        .order_by(Agent.name)
    )
    held: dict[int, list[str]] = defaultdict(list)
    for person_id, role, name in rows:
        held[person_id].append(f"{ROLE_WORDS[role]} of {name}")
    return {who: [(True, f"has not accepted to be {', '.join(roles[:3])}{f' and {len(roles) - 3} more' if len(roles) > 3 else ''}.")] for who, roles in held.items()}


def _named_in(tx: Session, spec: RegistrySpec, names: Mapping[str, object]) -> Iterator[Person]:
    for agent in spec.agents.values():
        steps: Sequence[str] = [step.call for step in spec.ladders.get(agent.ladder) or spec.ladders.get("standard") or []] or [str(each["call"]) for each in STANDARD_LADDER]
        owners = {f"{role}_owner" if role in ("business", "operations") else role: ref for role, ref in agent.owners.model_dump().items() if ref}
        yield from _found(tx, [owners[call] for call in steps if call in OWNER_CALLS and call in owners], names)
        yield from _found(tx, [call for call in steps if call not in OWNER_CALLS and call != "leads" and not call.startswith((ROTATION, "#"))], names)
        if "leads" in steps:
            yield from _found(tx, spec.workspace.leads, names)
    for rotation in spec.rotations.values():
        yield from _found(tx, rotation.people, names)


def _found(tx: Session, refs: Iterable[str], names: Mapping[str, object]) -> Iterator[Person]:
    for ref in refs:
        if (person := find_ref(tx, ref, names)) is not None:
            yield person
        elif (group := find_group(tx, ref)) is not None:
            yield from group_people(tx, group)


def _name(person: Person) -> str:
    return person.name or person.email or person.slack_id or "someone"
