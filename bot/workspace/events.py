"""What apps hear: each thing that happens, in the Events API's shape, to the apps that subscribed and may see it."""

from typing import TYPE_CHECKING

from bot.workspace.things import App, Channel, Doc, Group, Person, ts_text

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

MESSAGE_EVENTS = {"channel": "message.channels", "private": "message.groups", "im": "message.im", "mpim": "message.mpim"}
CHANNEL_TYPES = {"channel": "channel", "private": "group", "im": "im", "mpim": "mpim"}


def envelope(ws: "Workspace", app: App, event: Doc) -> Doc:
    """The outer event, as the Events API wraps it."""
    return {
        "token": app.verification_token, "team_id": ws.team_id, "enterprise_id": ws.enterprise_id or None,
        "context_team_id": ws.team_id, "context_enterprise_id": ws.enterprise_id or None, "api_app_id": app.id,
        "event": event, "type": "event_callback", "event_id": ws.store.new_id("Ev"),
        "event_time": ws.micros() // 1_000_000, "is_ext_shared_channel": False,
        "authorizations": [{
            "enterprise_id": ws.enterprise_id or None, "team_id": ws.team_id, "user_id": app.bot_user_id,
            "is_bot": True, "is_enterprise_install": False,
        }],
        "event_context": f"4-{ws.store.next_number('event_context')}",
    }


def announce(
    ws: "Workspace", subscription: str, event: Doc, *, channel: Channel | None = None, only: App | None = None,
    installed_only: bool = True,
) -> None:
    """Send to every app that subscribed and, for what happens in a channel, is a member of it."""
    if ws.quiet:
        return
    for app in ws.store.apps.values():
        if only is not None and app.id != only.id:
            continue
        if subscription not in app.events or (installed_only and not app.installed):
            continue
        if channel is not None and app.bot_user_id not in channel.members:
            continue
        wrapped = envelope(ws, app, {**event, "event_ts": event.get("event_ts") or ts_text(ws.micros())})
        if channel is not None and channel.shared:
            wrapped["is_ext_shared_channel"] = True
        ws.later(ws.sender.send_event(app, wrapped))


def message_posted(ws: "Workspace", channel: Channel, message: Doc) -> None:
    event = {
        **message, "channel": channel.id, "channel_type": CHANNEL_TYPES[channel.kind], "event_ts": message["ts"],
    }
    announce(ws, MESSAGE_EVENTS[channel.kind], event, channel=channel)
    if channel.kind == "im":
        return
    for app in ws.store.apps.values():
        if f"<@{app.bot_user_id}>" in (message.get("text") or "") and message.get("user") != app.bot_user_id:
            mention = {key: value for key, value in event.items() if key != "channel_type"}
            announce(ws, "app_mention", {**mention, "type": "app_mention"}, channel=channel, only=app)


def message_changed(ws: "Workspace", channel: Channel, message: Doc, previous: Doc) -> None:
    moment = ts_text(ws.micros())
    announce(ws, MESSAGE_EVENTS[channel.kind], {
        "type": "message", "subtype": "message_changed", "message": message, "previous_message": previous,
        "channel": channel.id, "hidden": True, "ts": moment, "event_ts": moment,
        "channel_type": CHANNEL_TYPES[channel.kind],
    }, channel=channel)


def message_deleted(ws: "Workspace", channel: Channel, previous: Doc) -> None:
    moment = ts_text(ws.micros())
    announce(ws, MESSAGE_EVENTS[channel.kind], {
        "type": "message", "subtype": "message_deleted", "previous_message": previous, "channel": channel.id,
        "hidden": True, "deleted_ts": previous["ts"], "ts": moment, "event_ts": moment,
        "channel_type": CHANNEL_TYPES[channel.kind],
    }, channel=channel)


def reacted(
    ws: "Workspace", channel: Channel, message: Doc, person: str, name: str, *, remove: bool
) -> None:
    kind = "reaction_removed" if remove else "reaction_added"
    announce(ws, kind, {
        "type": kind, "user": person, "reaction": name, "item_user": message.get("user", ""),
        "item": {"type": "message", "channel": channel.id, "ts": message["ts"]},
    }, channel=channel)


def joined(ws: "Workspace", channel: Channel, person: str, inviter: str = "") -> None:
    event: Doc = {
        "type": "member_joined_channel", "user": person, "channel": channel.id, "team": ws.team_id,
        "channel_type": "C" if channel.kind == "channel" else "G",
    }
    if inviter:
        event["inviter"] = inviter
    announce(ws, "member_joined_channel", event, channel=channel)


def left(ws: "Workspace", channel: Channel, person: str) -> None:
    announce(ws, "member_left_channel", {
        "type": "member_left_channel", "user": person, "channel": channel.id, "team": ws.team_id,
        "channel_type": "C" if channel.kind == "channel" else "G",
    }, channel=channel)
    for app in ws.store.apps.values():
        if app.bot_user_id == person:
            kind = "channel_left" if channel.kind == "channel" else "group_left"
            announce(ws, kind, {"type": kind, "channel": channel.id, "actor_id": person}, only=app)


def person_changed(ws: "Workspace", person: Person, *, new: bool = False) -> None:
    if new:
        announce(ws, "team_join", {"type": "team_join", "user": person.as_slack(ws.now())})
    else:
        moment = ws.micros() // 1_000_000
        announce(ws, "user_change", {"type": "user_change", "user": person.as_slack(ws.now()), "cache_ts": moment})


def quiet_changed(ws: "Workspace", person: Person) -> None:
    """dnd_updated_user, for apps that may read it."""
    event = {"type": "dnd_updated_user", "user": person.id, "dnd_status": person.dnd(ws.now())}
    for app in ws.store.apps.values():
        if "dnd:read" in app.scopes:
            announce(ws, "dnd_updated_user", event, only=app)


def group_changed(ws: "Workspace", group: Group, *, new: bool = False) -> None:
    kind = "subteam_created" if new else "subteam_updated"
    announce(ws, kind, {"type": kind, "subteam": group.as_slack(ws.team_id, users=True, count=True)})


def channel_changed(ws: "Workspace", channel: Channel, kind: str, /, **fields: object) -> None:
    """channel_rename, channel_archive, channel_unarchive, channel_created, channel_shared, channel_id_changed..."""
    announce(ws, kind, {"type": kind, **fields}, channel=None if channel.kind == "channel" else channel)


def home_opened(ws: "Workspace", app: App, person: str, dm: Channel, view: Doc | None, tab: str = "home") -> None:
    event: Doc = {"type": "app_home_opened", "user": person, "channel": dm.id, "tab": tab}
    if view is not None:
        event["view"] = view
    announce(ws, "app_home_opened", event, only=app)


def uninstalled(ws: "Workspace", app: App) -> None:
    announce(ws, "tokens_revoked", {
        "type": "tokens_revoked", "tokens": {"oauth": [], "bot": [app.bot_user_id]},
    }, only=app, installed_only=False)
    announce(ws, "app_uninstalled", {"type": "app_uninstalled"}, only=app, installed_only=False)
