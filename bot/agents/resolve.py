"""The names in the file become rows of the directory; those nobody answers to are told with their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from bot.agents.files import OWNER_CALLS, BadFile, Mistake, Read
from bot.agents.marked import Path
from bot.agents.reading import ROLES, find_channel
from bot.people.flows import find_group, find_ref, group_people
from bot.people.sync import last_sync
from bot.tables import Channel, Person


@dataclass
class Resolved:
    """Whom and what the file means, by Slack's directory."""

    owners: dict[tuple[str, str], Person] = field(default_factory=dict)  # by slug and role
    channels: dict[str, Channel] = field(default_factory=dict)  # by slug
    people: dict[str, Person] = field(default_factory=dict)  # by the short name under `people`


def resolve(tx: Session, read: Read) -> Resolved:
    """Look up every person, group and channel; raises BadFile with all that cannot be found."""
    found = Resolved()
    mistakes = list(_look_up(tx, read, found))
    if mistakes:
        raise BadFile(mistakes)
    return found


def _look_up(tx: Session, read: Read, found: Resolved) -> Iterator[Mistake]:
    document, marked = read.document, read.marked
    names: Mapping[str, Any] = document.get("people", {})

    def wrong(path: Path, told: tuple[str, str] | None) -> Iterator[Mistake]:
        if told is not None:
            yield marked.mistake(path, *told)

    for name in names:
        person = find_ref(tx, name, names)
        told = why_not_person(tx, name, names)
        if person is not None and told is None:
            found.people[name] = person
        yield from wrong(("people", name), told)
    for i, ref in enumerate(document.get("workspace", {}).get("leads", [])):
        yield from wrong(("workspace", "leads", i), why_not_anybody(tx, ref, names, channel=True))
    for ladder, steps in document.get("ladders", {}).items():
        for i, step in enumerate(steps):
            if step["call"] not in (*OWNER_CALLS, "leads") and not step["call"].startswith("rotation:"):
                yield from wrong(("ladders", ladder, i, "call"), why_not_anybody(tx, step["call"], names, channel=True))
    for rotation, given in document.get("rotations", {}).items():
        for i, ref in enumerate(given["people"]):
            yield from wrong(("rotations", rotation, "people", i), why_not_person(tx, ref, names))
    for slug, agent in document.get("agents", {}).items():
        at: Path = ("agents", slug)
        for role in ROLES:
            if ref := agent["owners"].get(role):
                told = why_not_person(tx, ref, names)
                person = find_ref(tx, ref, names)
                if told is None and person is not None:
                    found.owners[slug, role] = person
                yield from wrong((*at, "owners", role), told)
        channel = find_channel(tx, agent["channel"])
        told = why_not_channel(tx, agent["channel"], channel)
        if channel is not None and told is None:
            found.channels[slug] = channel
        yield from wrong((*at, "channel"), told)
        if shown_in := agent.get("outputs", {}).get("in"):
            yield from wrong((*at, "outputs", "in"), why_not_channel(tx, shown_in, find_channel(tx, shown_in)))
        for i, ref in enumerate(agent.get("reviews", {}).get("reviewers", [])):
            yield from wrong((*at, "reviews", "reviewers", i), why_not_anybody(tx, ref, names))
        for i, ref in enumerate(agent.get("may_take") or []):
            yield from wrong((*at, "may_take", i), why_not_anybody(tx, ref, names))
        for part in ("approvals", "handoffs"):
            given = agent.get(part) or {}
            for i, ref in enumerate(given.get("by", [])):
                yield from wrong((*at, part, "by", i), why_not_anybody(tx, ref, names))
            if queue := given.get("in"):
                yield from wrong((*at, part, "in"), why_not_channel(tx, queue, find_channel(tx, queue)))
        for i, rule in enumerate(agent.get("permissions", [])):
            if ref := rule.get("agreed_by"):
                yield from wrong((*at, "permissions", i, "agreed_by"), why_not_person(tx, ref, names))
        for name, given in agent.get("inputs", {}).items():
            if ref := given.get("owner"):
                yield from wrong((*at, "inputs", name, "owner"), why_not_person(tx, ref, names))


def why_not_person(tx: Session, ref: str, names: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why this reference is no full member who can be asked and called, with the remedy; None where it is one."""
    person = find_ref(tx, ref, names)
    if person is None:
        group = find_group(tx, ref) if ref.startswith(("@", "S", "<!")) else None
        if group is not None:
            members = ", ".join(each.slack_id or each.name for each in group_people(tx, group)[:8]) or "nobody"
            return f"{ref!r} is a user group, and this must be one person", f"Name one of its members: {members}"
        entry = names.get(ref) or {}
        sought = " or ".join(repr(way) for way in (entry.get("slack"), entry.get("email")) if way) or repr(ref)
        return f"nobody in Slack's directory is known by {sought}", f"Use a Slack member id or the e-mail address of their Slack account. {_directory(tx)}"
    name = person.name or ref
    if person.slack_id is None:
        return f"{ref!r} is known only by e-mail, without a Slack account", f"Use their Slack member id, or the address of their Slack account. {_directory(tx)}"
    if not person.active:
        return f"the Slack account of {name} ({ref}) is deactivated", "Name somebody who is still here"
    if person.kind != "member":
        what = {"guest": "a guest", "bot": "a bot", "stranger": "from another workspace"}.get(person.kind, person.kind)
        return f"{name} ({ref}) is {what}", "Name a full member of this workspace"
    return None


def why_not_anybody(tx: Session, ref: str, names: Mapping[str, Any], *, channel: bool = False) -> tuple[str, str] | None:
    """The same for a place where a person, a user group or (where allowed) a channel may stand."""
    if ref.startswith("#") or (ref[:1] in "CG" and ref.isupper() and ref not in names):
        if not channel:
            return f"{ref!r} is a channel, and people are named here", "Name people or a user group"
        return why_not_channel(tx, ref, find_channel(tx, ref))
    if find_ref(tx, ref, names) is None and (group := find_group(tx, ref)) is not None:
        return None if group_people(tx, group) else (f"the user group {ref!r} has no active member", "Add someone to it in Slack, or name somebody else")
    if ref.startswith("@"):
        return f"there is no user group {ref!r} in Slack's directory", f"Look at its handle in Slack. {_directory(tx)}"
    return why_not_person(tx, ref, names)


def why_not_channel(tx: Session, ref: str, channel: Channel | None) -> tuple[str, str] | None:
    """Why this is no channel to speak in."""
    if channel is None:
        return f"there is no channel {ref!r} that the bot can see", f"A private channel shows up once the bot is invited to it. {_directory(tx)}"
    if channel.is_archived:
        return f"the channel {ref!r} is archived", "Name a channel that is in use"
    return None


def _directory(tx: Session) -> str:
    """How fresh the directory is that was searched: the cause of many a name not found."""
    synced = last_sync(tx)
    if synced is None:
        return "The directory was never read: start `aiops up` once with the Slack token"
    refused = [f"{part} ({word})" for part, word in synced["refused"].items()]
    return f"The directory was read at {synced['at'][:16].replace('T', ' ')} UTC" + (f", without {', '.join(refused)}" if refused else "")
