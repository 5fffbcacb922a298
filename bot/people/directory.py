"""Slack's directory taken over into rows: who is here, in which groups, and which channels there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.calendars import zone_named
from bot.db import wake
from bot.people.flows import normal_email
from bot.people.merging import Merged, merge_people, point_channels_at
from bot.tables import Channel, Person, UserGroup

Doc = Mapping[str, Any]


@dataclass(frozen=True)
class Team:
    """The workspace (or Enterprise organisation) this deployment serves, and who the bot is in it.

    `on_merge` is told when two rows became one person: the quality room counts their votes anew.
    """

    team_id: str
    bot_user: str = ""
    enterprise_id: str | None = None
    on_merge: Callable[[Session, datetime, Merged], None] | None = None

    def is_ours(self, team_id: str | None) -> bool:
        return not team_id or team_id in (self.team_id, self.enterprise_id)


def kind_of(user: Doc, team: Team) -> str:
    """What a Slack account is to us: a member, a guest, a stranger (of another workspace) or a bot; in doubt the lesser."""
    enterprise = (user.get("enterprise_user") or {}).get("enterprise_id")
    if user.get("is_bot") or user.get("id") == "USLACKBOT" or user.get("is_workflow_bot"):
        return "bot"
    ours = team.is_ours(user.get("team_id")) or (enterprise is not None and enterprise == team.enterprise_id)
    if user.get("is_stranger") or not ours:
        return "stranger"
    if user.get("is_restricted") or user.get("is_ultra_restricted") or user.get("is_invited_user"):
        return "guest"
    return "member"


def take_user(tx: Session, user: Doc, team: Team, now: datetime) -> Person:
    """Write down one account as users.list, users.info, user_change or team_join tell it.

    A person first known by e-mail alone becomes this account, with everything they did.
    """
    slack_id, profile = str(user["id"]), user.get("profile") or {}
    kind = kind_of(user, team)
    person = tx.scalars(select(Person).where(Person.slack_id == slack_id).order_by(Person.id)).first()
    # A stranger's or bot's address proves nothing about a person of ours.
    email = normal_email(str(profile.get("email") or "")) if kind in ("member", "guest") and not user.get("deleted") else ""
    namesake = tx.scalars(select(Person).where(Person.email == email)).first() if email else None
    if namesake is not None and namesake is not person:
        if namesake.slack_id is None:
            if person is None:
                person = namesake
            else:
                merged = merge_people(tx, now, keep=person, gone=namesake)
                if team.on_merge is not None:
                    team.on_merge(tx, now, merged)
        else:
            namesake.email = None  # the address moved to another account: Slack keeps one account an address
            tx.flush()
    if person is None:
        person = Person()
        tx.add(person)
    person.slack_id, person.team_id = slack_id, str(user.get("team_id") or team.team_id)
    person.name = str(profile.get("display_name") or profile.get("real_name") or user.get("real_name") or user.get("name") or person.name or "")[:200]
    person.title = str(profile.get("title") or "")[:200]
    person.kind, person.seen_at = kind, now
    set_active(tx, person, not user.get("deleted"), now)
    if email and len(email) <= 254:
        person.email = email
    person.zone = _zone(user.get("tz"), person.zone)
    tx.flush()
    return person


def set_active(tx: Session, person: Person, active: bool, now: datetime) -> None:
    """They are here or have left; that somebody left is reported once, by the room that knows what they answered for."""
    if person.active is not False and not active and person.id is not None:
        person.left_at, person.left_told_at = now, None
        wake(tx, "owners")
    elif active:
        person.left_at = person.left_told_at = None
    person.active = active


def _zone(given: Any, before: str | None) -> str:
    """Slack's zone where it is one; deleted people have none, and keep theirs."""
    try:
        return str(given) if given and zone_named(str(given)) else before or "UTC"
    except ValueError:
        return before or "UTC"


def take_group(tx: Session, group: Doc, team: Team) -> UserGroup:
    """Write down one user group (usergroups.list with users, subteam_created, subteam_updated); a disabled one has nobody."""
    slack_id = str(group["id"])
    row = tx.scalars(select(UserGroup).where(UserGroup.slack_id == slack_id)).first()
    if row is None:
        row = UserGroup(team_id=str(group.get("team_id") or team.team_id), slack_id=slack_id)
        tx.add(row)
    row.handle = str(group.get("handle") or "").lower()[:128]
    row.name = str(group.get("name") or "")[:200]
    if group.get("date_delete"):
        row.members = []
    elif "users" in group:  # Slack leaves the list out of large groups' events: then what we know stays
        row.members = list(group["users"] or [])
    tx.flush()
    return row


def take_channel(tx: Session, channel: Doc, team: Team) -> Channel | None:
    """Write down one channel (conversations.list, conversations.info); direct messages are none of it."""
    if channel.get("is_im") or channel.get("is_mpim"):
        return None
    row = _channel(tx, str(channel["id"]), team)
    row.name = str(channel.get("name") or row.name or "").lower()[:200]
    if "is_member" in channel:
        row.is_member = bool(channel["is_member"])
    row.is_private = bool(channel.get("is_private") or channel.get("is_group"))
    row.is_shared = bool(channel.get("is_ext_shared") or channel.get("is_shared"))
    row.is_archived = bool(channel.get("is_archived"))
    row.topic = str((channel.get("topic") or {}).get("value") or "")[:1000]
    tx.flush()
    return row


def _channel(tx: Session, slack_id: str, team: Team) -> Channel:
    row = tx.scalars(select(Channel).where(Channel.slack_id == slack_id)).first()
    if row is None:
        row = Channel(team_id=team.team_id, slack_id=slack_id, name="")
        tx.add(row)
        tx.flush()
    return row


Heard = Callable[[Session, dict[str, Any], datetime], None]


def events_of(team: Team) -> dict[str, list[Heard]]:
    """What to do with each event by which Slack keeps the directory true, for the surface's `events`."""

    def user(tx: Session, event: dict[str, Any], now: datetime) -> None:
        take_user(tx, event["user"], team, now)

    def group(tx: Session, event: dict[str, Any], now: datetime) -> None:
        take_group(tx, event["subteam"], team)

    def members(tx: Session, event: dict[str, Any], now: datetime) -> None:
        row = tx.scalars(select(UserGroup).where(UserGroup.slack_id == event["subteam_id"])).first()
        if row is not None:
            gone = set(event.get("removed_users") or [])
            row.members = [*dict.fromkeys(each for each in [*row.members, *(event.get("added_users") or [])] if each not in gone)]

    def renamed(tx: Session, event: dict[str, Any], now: datetime) -> None:
        _channel(tx, event["channel"]["id"], team).name = str(event["channel"].get("name", "")).lower()

    def archived(tx: Session, event: dict[str, Any], now: datetime) -> None:
        _channel(tx, event["channel"], team).is_archived = event["type"].endswith("_archive")

    def shared(tx: Session, event: dict[str, Any], now: datetime) -> None:
        _channel(tx, event["channel"], team).is_shared = event["type"] == "channel_shared"

    def joined(tx: Session, event: dict[str, Any], now: datetime) -> None:
        if event.get("user") == team.bot_user:
            _channel(tx, event["channel"], team).is_member = True

    def left(tx: Session, event: dict[str, Any], now: datetime) -> None:
        if event["type"] != "member_left_channel" or event.get("user") == team.bot_user:
            _channel(tx, event["channel"], team).is_member = False

    def moved(tx: Session, event: dict[str, Any], now: datetime) -> None:
        move_channel(tx, str(event["old_channel_id"]), str(event["new_channel_id"]))

    return {
        "user_change": [user], "team_join": [user],
        "subteam_created": [group], "subteam_updated": [group], "subteam_members_changed": [members],
        "channel_rename": [renamed], "group_rename": [renamed],
        "channel_archive": [archived], "channel_unarchive": [archived], "group_archive": [archived], "group_unarchive": [archived],
        "channel_shared": [shared], "channel_unshared": [shared],
        "member_joined_channel": [joined], "member_left_channel": [left], "channel_left": [left], "group_left": [left],
        "channel_id_changed": [moved],
    }  # fmt: skip


def move_channel(tx: Session, old: str, new: str) -> None:
    """Slack gave a channel another id (it was shared): whatever pointed at the old one points at the new one."""
    row = tx.scalars(select(Channel).where(Channel.slack_id == old)).first()
    taken = tx.scalars(select(Channel).where(Channel.slack_id == new)).first()
    if row is not None and taken is None:
        row.slack_id = new
    elif row is not None and taken is not None:
        taken.name, taken.is_member = taken.name or row.name, taken.is_member or row.is_member
        taken.introduced_at = taken.introduced_at or row.introduced_at
        tx.delete(row)
    tx.flush()
    point_channels_at(tx, old, new)


def missing_now(tx: Session, team: Team, seen: Iterable[str], now: datetime) -> list[Person]:
    """Accounts of ours that a whole users.list no longer holds: they are set inactive, and returned."""
    here = set(seen)
    rows = tx.scalars(select(Person).where(Person.slack_id.is_not(None), Person.active, Person.kind != "stranger"))
    gone = [row for row in rows if row.slack_id not in here and team.is_ours(row.team_id)]
    for row in gone:
        set_active(tx, row, False, now)
    return gone
