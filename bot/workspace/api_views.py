"""views.*, reactions.* and files.*: modals, App Home, reactions and uploads."""

import mimetypes
from pathlib import PurePosixPath

from bot.workspace import messages, views
from bot.workspace.asking import Ask
from bot.workspace.blocks import check_blocks
from bot.workspace.errors import SlackError
from bot.workspace.things import Channel, Doc

EMOJI_LIMIT = 23  # different reactions of one message


# views --------------------------------------------------------------------------------------------------------
async def open_view(ask: Ask) -> Doc:
    given = ask.structure("view", "invalid_arguments")
    person = views.use_trigger(ask.ws, ask.app, ask.need("trigger_id"))
    return {"view": views.open_view(ask.ws, ask.app, person, given)}


async def push_view(ask: Ask) -> Doc:
    given = ask.structure("view", "invalid_arguments")
    person = views.use_trigger(ask.ws, ask.app, ask.need("trigger_id"))
    return {"view": views.push_view(ask.ws, ask.app, person, given)}


async def update_view(ask: Ask) -> Doc:
    given = ask.structure("view", "invalid_arguments")
    old = views.find_view(ask.ws, ask.app, ask.text("view_id"), ask.text("external_id"))
    return {"view": views.update_view(ask.ws, ask.app, old, given, ask.text("hash"))}


async def publish_view(ask: Ask) -> Doc:
    given = ask.structure("view", "invalid_arguments")
    person = ask.person(ask.need("user_id"))
    return {"view": views.publish_home(ask.ws, ask.app, person.id, given, ask.text("hash"))}


# reactions ----------------------------------------------------------------------------------------------------
def reacted_message(ask: Ask) -> tuple[Channel, Doc]:
    channel = ask.channel(member=True)
    message = ask.ws.store.message(channel.id, ask.need("timestamp", "no_item_specified"))
    if message is None:
        raise SlackError("message_not_found")
    return channel, message


async def add_reaction(ask: Ask) -> Doc:
    name = ask.need("name", "invalid_name").strip(":")
    channel, message = reacted_message(ask)
    if len(message.get("reactions", [])) >= EMOJI_LIMIT:
        raise SlackError("too_many_emoji")
    if not messages.react(ask.ws, channel, message, ask.me, name):
        raise SlackError("already_reacted")
    return {}


async def remove_reaction(ask: Ask) -> Doc:
    name = ask.need("name", "invalid_name").strip(":")
    channel, message = reacted_message(ask)
    if not messages.react(ask.ws, channel, message, ask.me, name, remove=True):
        raise SlackError("no_reaction")
    return {}


async def get_reactions(ask: Ask) -> Doc:
    channel, message = reacted_message(ask)
    return {"type": "message", "channel": channel.id, "message": messages.without_metadata(message)}


# files --------------------------------------------------------------------------------------------------------
async def upload_url(ask: Ask) -> Doc:
    """Where to send the bytes of a file; it belongs to nobody until completed."""
    name = ask.need("filename", "missing_argument")
    length = ask.number("length", 0, 2**40) if ask.text("length") not in ("", "0") else 0
    if not length:
        raise SlackError("missing_argument")
    ws, moment = ask.ws, ask.ws.micros() // 1_000_000
    mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = PurePosixPath(name).suffix.removeprefix(".").lower() or "binary"
    file_id = ws.store.new_id("F")
    ws.store.put_file({
        "id": file_id, "created": moment, "timestamp": moment, "name": name, "title": name, "mimetype": mime,
        "filetype": kind, "pretty_type": kind.upper(), "user": ask.me, "user_team": ws.team_id, "editable": False,
        "size": length, "mode": "hosted", "is_external": False, "external_type": "", "is_public": False,
        "public_url_shared": False, "display_as_bot": False, "username": "",
        "url_private": f"{ws.base_url}/files-pri/{file_id}", "alt_txt": ask.text("alt_txt"),
        "url_private_download": f"{ws.base_url}/files-pri/{file_id}?download=1",
        "permalink": f"{ws.base_url}/files/{file_id}", "has_rich_preview": False, "file_access": "visible",
    })
    return {"upload_url": f"{ws.base_url}/upload/{file_id}", "file_id": file_id}


async def complete_upload(ask: Ask) -> Doc:
    """Shares uploaded files: one message with them in each named channel."""
    given = ask.structure("files", "invalid_arguments")
    if not isinstance(given, list) or not given:
        raise SlackError("invalid_arguments")
    files: list[Doc] = []
    for one in given:
        known = ask.ws.store.file(str(one.get("id") if isinstance(one, dict) else one))
        if known is None or known[1] is None:
            raise SlackError("file_not_found" if known is None else "file_upload_not_complete")
        files.append({**known[0], "title": (isinstance(one, dict) and one.get("title")) or known[0]["name"]})
    made: Doc = {"text": ask.text("initial_comment"), "files": files, "upload": False, "subtype": "file_share"}
    if (blocks := ask.structure("blocks", "invalid_blocks_format")) is not None:
        made["blocks"] = check_blocks(blocks, "message", charts=ask.ws.charts)
    if thread := ask.text("thread_ts"):
        made["thread_ts"] = thread
    targets: list[Channel] = []
    for name in [*ask.names("channels"), *([ask.text("channel_id")] if ask.text("channel_id") else [])]:
        channel = ask.ws.store.channels.get(name)
        if channel is None or (ask.me not in channel.members and channel.kind != "channel"):
            raise SlackError("channel_not_found")
        if ask.me not in channel.members:
            raise SlackError("not_in_channel")
        if channel.archived:
            raise SlackError("is_archived")
        targets.append(channel)
    for file in files:
        file["channels"] = [channel.id for channel in targets]
        ask.ws.store.put_file(file)
    for channel in targets:
        messages.post(ask.ws, channel, messages.by_app(ask.ws, ask.app, **made))
    return {"files": files}


async def file_info(ask: Ask) -> Doc:
    known = ask.ws.store.file(ask.need("file", "file_not_found"))
    if known is None:
        raise SlackError("file_not_found")
    return {"file": known[0], "comments": [], "response_metadata": {"next_cursor": ""}}
