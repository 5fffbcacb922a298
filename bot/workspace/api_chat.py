"""chat.*: posting, editing, deleting, and the small words around messages."""

import json

from bot.workspace import messages
from bot.workspace.asking import Ask
from bot.workspace.blocks import check_blocks, check_view
from bot.workspace.errors import SlackError
from bot.workspace.slack_files import check_files, show_files
from bot.workspace.things import Channel, Doc

CUT = 40_000  # postMessage cuts a longer text
LONGEST_UPDATE = 4_000
LARGEST_METADATA = 16_000


def destination(ask: Ask) -> Channel:
    """Where a post goes: a channel by id or #name, or a person, whose direct message is opened."""
    ws, wanted = ask.ws, ask.need("channel", "channel_not_found")
    if person := ws.store.people.get(wanted):
        if person.deleted:
            raise SlackError("channel_not_found")
        if person.is_bot:
            raise SlackError("cannot_dm_bot")
        return ws.open_im(ask.me, wanted)
    if wanted.startswith("#") or wanted not in ws.store.channels:
        named = wanted.removeprefix("#")
        found = next((c for c in ws.store.channels.values() if c.name == named and c.kind != "im"), None)
        wanted = found.id if found else wanted
    channel = ws.store.channels.get(wanted)
    inside = channel is not None and ask.me in channel.members
    if channel is None or (not inside and channel.kind != "channel"):
        raise SlackError("channel_not_found")
    if channel.archived:
        raise SlackError("is_archived")
    if not inside and "chat:write.public" not in ask.app.scopes:
        raise SlackError("not_in_channel")
    return channel


def content(ask: Ask) -> Doc:
    """text, blocks, attachments and metadata, checked."""
    made: Doc = {}
    if "text" in ask.args:
        made["text"] = ask.text("text")
    if (markdown := ask.text("markdown_text")) != "":
        if "text" in ask.args or "blocks" in ask.args:
            raise SlackError("markdown_text_conflict")
        made["text"] = markdown
    if (blocks := ask.structure("blocks", "invalid_blocks_format")) is not None:
        made["blocks"] = check_blocks(blocks, "message", charts=ask.ws.charts)
        check_files(ask.ws, ask.app, made["blocks"])
    if (attachments := ask.structure("attachments", "invalid_attachments")) is not None:
        if not isinstance(attachments, list):
            raise SlackError("invalid_attachments")
        if len(attachments) > 100:
            raise SlackError("too_many_attachments")
        made["attachments"] = [check_attachment(ask, one, number + 1) for number, one in enumerate(attachments)]
    if (metadata := ask.structure("metadata", "invalid_metadata_format")) is not None:
        made["metadata"] = check_metadata(metadata)
    return made


def check_attachment(ask: Ask, attachment: object, number: int) -> Doc:
    if not isinstance(attachment, dict):
        raise SlackError("invalid_attachments")
    made = {"id": number, **attachment}
    if attachment.get("blocks"):
        made["blocks"] = check_blocks(attachment["blocks"], "message", charts=ask.ws.charts)
    return made


def check_metadata(metadata: object) -> Doc | None:
    """An empty object clears it; otherwise an event_type and an event_payload object are needed."""
    if metadata == {}:
        return None
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(metadata)) > LARGEST_METADATA:
        raise SlackError("metadata_too_large")
    return {"event_type": metadata["event_type"], "event_payload": metadata["event_payload"]}


def as_named(ask: Ask) -> Doc:
    """A name of one's own, for apps that may use one."""
    if "chat:write.customize" in ask.app.scopes and ask.text("username"):
        return {"username": ask.text("username"), "subtype": "bot_message"}
    return {}


def need_words(made: Doc) -> None:
    if not made.get("text") and not made.get("blocks") and not made.get("attachments"):
        raise SlackError("no_text")


async def post_message(ask: Ask) -> Doc:
    channel, made = destination(ask), content(ask)
    need_words(made)
    made["text"] = made.get("text", "")[:CUT]
    made |= as_named(ask)
    if thread := ask.text("thread_ts"):
        made["thread_ts"] = thread
        if ask.flag("reply_broadcast"):
            made["subtype"] = "thread_broadcast"
    if made.get("metadata") is None:
        made.pop("metadata", None)
    message = messages.post(ask.ws, channel, messages.by_app(ask.ws, ask.app, **made))
    return {"channel": channel.id, "ts": message["ts"], "message": message}


async def post_ephemeral(ask: Ask) -> Doc:
    channel, made = destination(ask), content(ask)
    user = ask.need("user", "user_not_found")
    person = ask.person(user)
    if person.deleted or user not in channel.members:
        raise SlackError("user_not_in_channel")
    need_words(made)
    made["text"] = made.get("text", "")[:CUT]
    made.pop("metadata", None)
    if thread := ask.text("thread_ts"):
        made["thread_ts"] = thread
    show_files(ask.ws, made.get("blocks"), person=user)
    message = ask.ws.show_ephemeral(channel, user, messages.by_app(ask.ws, ask.app, **made))
    return {"message_ts": message["ts"]}


def own_message(ask: Ask, refusal: str) -> tuple[Channel, Doc]:
    channel = ask.channel()
    message = ask.ws.store.message(channel.id, ask.need("ts", "message_not_found"))
    if message is None or message.get("subtype") == "tombstone":
        raise SlackError("message_not_found")
    if message.get("bot_id") != ask.app.bot_id:
        raise SlackError(refusal)
    if channel.archived:
        raise SlackError("is_archived")
    return channel, message


async def update(ask: Ask) -> Doc:
    """Blocks, attachments and metadata that are not sent stay as they are; an empty list removes them."""
    channel, message = own_message(ask, "cant_update_message")
    made = content(ask)
    if len(made.get("text", "")) > LONGEST_UPDATE:
        raise SlackError("msg_too_long")
    if not made:
        raise SlackError("no_text")
    new = {**message, **made}
    need_words(new)
    for key in ("blocks", "attachments", "metadata"):
        if not new.get(key):
            new.pop(key, None)
    new = messages.update(ask.ws, channel, message, new, ask.me)
    return {"channel": channel.id, "ts": new["ts"], "text": new.get("text", ""), "message": new}


async def delete(ask: Ask) -> Doc:
    channel, message = own_message(ask, "cant_delete_message")
    messages.delete(ask.ws, channel, message)
    return {"channel": channel.id, "ts": message["ts"]}


async def permalink(ask: Ask) -> Doc:
    channel = ask.channel()
    message = ask.ws.store.message(channel.id, ask.need("message_ts", "message_not_found"))
    if message is None:
        raise SlackError("message_not_found")
    return {"channel": channel.id, "permalink": ask.ws.permalink(channel.id, message)}


async def validate_blocks(ask: Ask) -> Doc:
    """blocks.validate: only a check, nothing is posted."""
    if (view := ask.structure("view", "invalid_arguments")) is not None:
        check_view(view, str(view.get("type", "modal")) if isinstance(view, dict) else "modal", charts=ask.ws.charts)
        return {}
    check_blocks(ask.structure("blocks", "invalid_blocks_format"), "message", charts=ask.ws.charts)
    return {}
