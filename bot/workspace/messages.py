"""What happens to messages: posted, edited, deleted, reacted to; each tells open pages and the apps that may hear it."""

from typing import TYPE_CHECKING

from bot.workspace import events
from bot.workspace.pings import notified
from bot.workspace.slack_files import show_files
from bot.workspace.things import App, Channel, Doc, ts_micros

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace


def without_metadata(message: Doc) -> Doc:
    return {key: value for key, value in message.items() if key != "metadata"} if "metadata" in message else message


def by_app(ws: "Workspace", app: App, **fields: object) -> Doc:
    """The head of a message that an app's bot writes."""
    return {
        "user": app.bot_user_id, "type": "message", "bot_id": app.bot_id, "app_id": app.id, "team": ws.team_id,
        "bot_profile": app.profile(ws.team_id), **fields,
    }


def post(ws: "Workspace", channel: Channel, message: Doc, *, ts: str = "") -> Doc:
    """Store a new message, count its thread, notify people, tell pages and apps. Answers the stored message."""
    store = ws.store
    show_files(ws, message.get("blocks"), channel=channel.id)
    message = {**message, "ts": ts or store.next_ts(channel.id, ws.micros())}
    root = None
    if thread := message.get("thread_ts"):
        root = store.message(channel.id, thread)
        if root is not None and root.get("thread_ts") not in (None, root["ts"]):
            message["thread_ts"] = root["thread_ts"]  # a reply to a reply joins the same thread
            root = store.message(channel.id, root["thread_ts"])
        if root is not None:
            message.setdefault("parent_user_id", root.get("user", ""))
    store.put_message(channel.id, message)
    if root is not None:
        count_reply(ws, channel, root, message)
    how = notified(store, channel, message)
    for person, way in how.items():
        store.ping([person], channel.id, message["ts"], way)
    if author := message.get("user"):
        store.mark_read(author, channel.id, ts_micros(message["ts"]))
    shown = without_metadata(message)
    ws.hub.tell(audience(ws, channel), "message", channel=channel.id, message=shown)
    tell_unread(ws, channel)
    events.message_posted(ws, channel, shown)
    return message


def count_reply(ws: "Workspace", channel: Channel, root: Doc, reply: Doc) -> None:
    users = [*root.get("reply_users", [])]
    author = reply.get("user") or reply.get("bot_id", "")
    if author not in users:
        users.append(author)
    root |= {
        "thread_ts": root["ts"], "reply_count": root.get("reply_count", 0) + 1, "reply_users_count": len(users),
        "latest_reply": reply["ts"], "reply_users": users, "is_locked": False, "subscribed": False,
    }
    ws.store.put_message(channel.id, root)
    ws.hub.tell(audience(ws, channel), "changed", channel=channel.id, message=without_metadata(root))


def update(ws: "Workspace", channel: Channel, old: Doc, new: Doc, editor: str) -> Doc:
    """Replace a message; editing notifies nobody."""
    show_files(ws, new.get("blocks"), channel=channel.id)
    new = {**new, "edited": {"user": editor, "ts": f"{ws.micros() // 1_000_000}.000000"}}
    ws.store.put_message(channel.id, new)
    shown = without_metadata(new)
    ws.hub.tell(audience(ws, channel), "changed", channel=channel.id, message=shown)
    events.message_changed(ws, channel, shown, without_metadata(old))
    return new


def delete(ws: "Workspace", channel: Channel, message: Doc) -> None:
    """Remove a message; the root of a thread leaves a tombstone, as in Slack."""
    store = ws.store
    if message.get("reply_count"):
        kept = {key: message[key] for key in message if key.startswith(("reply_", "thread_", "latest_"))}
        tomb: Doc = {
            "type": "message", "subtype": "tombstone", "user": "USLACKBOT", "hidden": True, "ts": message["ts"],
            "text": "This message was deleted.", **kept,
        }
        store.put_message(channel.id, tomb)
        ws.hub.tell(audience(ws, channel), "changed", channel=channel.id, message=tomb)
    else:
        store.drop_message(channel.id, message["ts"])
        ws.hub.tell(audience(ws, channel), "deleted", channel=channel.id, ts=message["ts"])
    thread = message.get("thread_ts")
    if thread and thread != message["ts"] and (root := store.message(channel.id, thread)):
        replies = [reply for reply in store.thread(channel.id, thread) if reply["ts"] != thread]
        root["reply_count"] = len(replies)
        root["latest_reply"] = replies[-1]["ts"] if replies else thread
        root["reply_users"] = list(dict.fromkeys(reply.get("user", "") for reply in replies))
        root["reply_users_count"] = len(root["reply_users"])
        if not replies:
            for key in ("reply_count", "reply_users", "reply_users_count", "latest_reply", "thread_ts"):
                root.pop(key, None)
        store.put_message(channel.id, root)
        ws.hub.tell(audience(ws, channel), "changed", channel=channel.id, message=without_metadata(root))
    tell_unread(ws, channel)
    events.message_deleted(ws, channel, without_metadata(message))


def react(ws: "Workspace", channel: Channel, message: Doc, person: str, name: str, *, remove: bool = False) -> bool:
    """Add or remove a reaction; False when there was nothing to change."""
    reactions: list[Doc] = [dict(reaction) for reaction in message.get("reactions", [])]
    found = next((reaction for reaction in reactions if reaction["name"] == name), None)
    if remove:
        if found is None or person not in found["users"]:
            return False
        found["users"] = [user for user in found["users"] if user != person]
        found["count"] = len(found["users"])
    else:
        if found is not None and person in found["users"]:
            return False
        if found is None:
            found = {"name": name, "users": [], "count": 0}
            reactions.append(found)
        found["users"] = [*found["users"], person]
        found["count"] = len(found["users"])
    message = {key: value for key, value in message.items() if key != "reactions"}
    if kept := [reaction for reaction in reactions if reaction["users"]]:
        message["reactions"] = kept
    ws.store.put_message(channel.id, message)
    ws.hub.tell(audience(ws, channel), "reaction", channel=channel.id, ts=message["ts"], reactions=kept)
    events.reacted(ws, channel, message, person, name, remove=remove)
    return True


def audience(ws: "Workspace", channel: Channel) -> list[str] | None:
    """Whose pages show this channel: its members, and everybody for a public one."""
    return None if channel.kind == "channel" else channel.members


def tell_unread(ws: "Workspace", channel: Channel) -> None:
    for person in channel.members:
        if person in ws.hub.pages:
            unread, pings = ws.store.unread(person, channel.id)
            ws.hub.tell([person], "unread", channel=channel.id, unread=unread, mention_count=pings)
