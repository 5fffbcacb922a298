"""The state of the workspace as one person's page sees it."""

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bot.workspace.things import App, Channel, Doc, Person, ts_text

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace


def known_person(ws: "Workspace", body: Any) -> Person:
    """Who looks or acts: `as`, a living person."""
    person = ws.store.people.get(str(body.get("as") or ""))
    if person is None or person.deleted or person.is_bot:
        raise LookupError("nobody here has that id")
    return person


def seen_channel(ws: "Workspace", person: Person, channel_id: Any) -> Channel:
    channel = ws.store.channels.get(str(channel_id))
    if channel is None or (channel.kind != "channel" and person.id not in channel.members):
        raise LookupError("there is no such channel")
    return channel


def seen_app(ws: "Workspace", app_id: Any) -> App:
    if str(app_id) not in ws.store.apps:
        raise LookupError("there is no such app")
    return ws.store.apps[str(app_id)]


def state(ws: "Workspace", person: Person) -> Doc:
    return {
        "team": {"id": ws.team_id, "name": ws.team_name, "enterprise_id": ws.enterprise_id or None, "icon": None},
        "me": person.id,
        "people": [show_person(ws, one) for one in ws.store.people.values()],
        "usergroups": [
            {"id": group.id, "handle": group.handle, "name": group.name, "users": group.users}
            for group in ws.store.groups.values() if not group.disabled
        ],
        "channels": [
            show_channel(ws, person.id, channel) for channel in ws.store.channels.values()
            if not channel.archived and (channel.kind == "channel" or person.id in channel.members)
        ],
        "apps": [show_app(app) for app in ws.store.apps.values() if app.installed],
        "demo": ws.demo,
    }


def show_person(ws: "Workspace", person: Person) -> Doc:
    label = ws.now().astimezone(ZoneInfo(person.tz)).tzname() or person.tz
    return {
        "id": person.id, "name": person.name, "real_name": person.real_name, "display_name": person.display_name,
        "title": person.title, "email": person.email, "tz": person.tz, "tz_label": label, "is_bot": person.is_bot,
        "app_id": person.app_id or None, "deleted": person.deleted, "is_restricted": person.is_restricted,
        "is_ultra_restricted": person.is_ultra_restricted, "is_stranger": person.is_stranger,
        "color": person.color, "initials": person.initials,
    }


def show_channel(ws: "Workspace", person: str, channel: Channel) -> Doc:
    inside = person in channel.members
    unread, pings = ws.store.unread(person, channel.id) if inside else (0, 0)
    last = ws.store.last_ts.get(channel.id, 0)
    return {
        "id": channel.id, "name": channel.name, "kind": "private" if channel.kind == "mpim" else channel.kind,
        "topic": channel.topic, "purpose": channel.purpose, "member_ids": channel.members, "is_member": inside,
        "unread": unread, "mention_count": pings, "last_ts": ts_text(last) if last else None,
        "with": channel.other(person) if channel.kind == "im" else None,
    }


def show_app(app: App) -> Doc:
    def shortcuts(known: list[Doc]) -> list[Doc]:
        return [{"name": one.get("name", one["callback_id"]), "callback_id": one["callback_id"]} for one in known]

    return {
        "id": app.id, "name": app.name, "bot_user_id": app.bot_user_id,
        "commands": [
            {key: one.get(key, "") for key in ("command", "description", "usage_hint")} for one in app.commands
        ],
        "message_shortcuts": shortcuts(app.message_shortcuts), "global_shortcuts": shortcuts(app.global_shortcuts),
        "has_home": app.has_home,
    }


def channel_news(ws: "Workspace", person: str, news: Doc) -> Doc:
    """A `channel` line of the stream carries the channel as this person sees it."""
    channel = ws.store.channels.get(str(news["channel"]))
    if channel is None or channel.archived or (channel.kind != "channel" and person not in channel.members):
        return {"type": "reset"}
    return {"type": "channel", "channel": show_channel(ws, person, channel)}
