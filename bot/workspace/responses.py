"""response_url: the address that comes with a command or a press, good five times and for half an hour."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.workspace import messages
from bot.workspace.blocks import check_blocks
from bot.workspace.errors import SlackError
from bot.workspace.slack_files import check_files, show_files
from bot.workspace.things import App, Channel, Doc

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

USES = 5
MINUTES = 30
MANY = 1000


@dataclass
class ResponseUrl:
    app_id: str
    person: str
    channel: str
    ts: str  # the message it came from; empty for a command
    ephemeral: bool
    thread_ts: str
    expires: int
    left: int = USES


def new_response_url(
    ws: "Workspace", app: App, person: str, channel: Channel, *, ts: str = "", ephemeral: bool = False,
    thread_ts: str = "",
) -> str:
    if len(ws.response_urls) > MANY:  # forget what nobody can use any more
        kept = {key: known for key, known in ws.response_urls.items() if known.expires > ws.micros()}
        ws.response_urls = kept
    secret = secrets.token_urlsafe(24)
    expires = ws.micros() + MINUTES * 60_000_000
    ws.response_urls[secret] = ResponseUrl(app.id, person, channel.id, ts, ephemeral, thread_ts, expires)
    return f"{ws.base_url}/response/{ws.team_id}/{secret}"


def use_response_url(ws: "Workspace", secret: str, body: Doc) -> None:
    """Carry out one answer, or raise what Slack says."""
    known = ws.response_urls.get(secret)
    if known is None:
        raise SlackError("invalid_url", status=404)
    if ws.micros() > known.expires:
        raise SlackError("expired_url", status=404)
    if known.left <= 0:
        raise SlackError("used_url", status=404)
    app = ws.store.apps[known.app_id]
    if not app.installed:
        raise SlackError("account_inactive", status=404)
    respond(ws, app, known, body)
    known.left -= 1


def respond(ws: "Workspace", app: App, known: ResponseUrl, body: Any) -> Doc | None:
    """Show an answer: an ephemeral message by default, a new one in the channel, or in place of the original."""
    if isinstance(body, str):
        body = {"text": body}
    if not isinstance(body, dict):
        raise SlackError("invalid_payload", status=400)
    channel = ws.store.channels[known.channel]
    if body.get("delete_original"):
        take_away(ws, app, known, channel)
        return None
    blocks = body.get("blocks")
    if blocks is not None:
        blocks = check_blocks(blocks, "message", charts=ws.charts)
        check_files(ws, app, blocks)
        show_files(ws, blocks, person=known.person)
    if not body.get("text") and not blocks and not body.get("attachments"):
        raise SlackError("no_text", status=400)
    content: Doc = {"text": str(body.get("text") or "")[:40000]}
    if blocks is not None:
        content["blocks"] = blocks
    if body.get("attachments"):
        content["attachments"] = body["attachments"]
    if body.get("replace_original") and known.ts:
        return replace(ws, app, known, channel, content)
    if thread := str(body.get("thread_ts") or ""):
        content["thread_ts"] = thread
    message = messages.by_app(ws, app, **content)
    if body.get("response_type") == "in_channel":
        return messages.post(ws, channel, message)
    return ws.show_ephemeral(channel, known.person, message)


def take_away(ws: "Workspace", app: App, known: ResponseUrl, channel: Channel) -> None:
    if known.ephemeral:
        ws.drop_ephemeral(known.person, known.ts)
    elif message := ws.store.message(channel.id, known.ts):
        messages.delete(ws, channel, message)


def replace(ws: "Workspace", app: App, known: ResponseUrl, channel: Channel, content: Doc) -> Doc | None:
    if known.ephemeral:
        return ws.replace_ephemeral(known.person, known.ts, messages.by_app(ws, app, **content))
    message = ws.store.message(channel.id, known.ts)
    if message is None:
        raise SlackError("message_not_found", status=404)
    kept = {key: value for key, value in message.items() if key not in ("blocks", "attachments")}
    return messages.update(ws, channel, message, {**kept, **content}, app.bot_user_id)
