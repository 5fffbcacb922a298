"""What a person does on the page: each is checked, carried out, and answered with `{ok, error?, warning?}`."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.workspace import acts, messages, payloads
from bot.workspace.answers import Answer
from bot.workspace.things import Channel, Doc, Person
from bot.workspace.ui_state import seen_app, seen_channel
from bot.workspace.workspace import Workspace

Act = Callable[[Workspace, Person, Doc], Awaitable[Doc]]
LONGEST = 12_000  # characters in one message from the box


SILENT = ("http_error", "http_timeout", "connection_failed", "nowhere_to_send")
TROUBLE = "We had some trouble connecting. Try again?"  # Slack's words for an answer it cannot use


def told(answer: Answer) -> Doc:
    """An app's failure in words for the page; `code` says which it was."""
    if answer.ok:
        return {}
    words = answer.warning if answer.error in SILENT else TROUBLE
    return {"ok": False, "error": words, "warning": words, "code": answer.error}


async def post(ws: Workspace, person: Person, body: Doc) -> Doc:
    """Writes a message; `/command` words outside threads go to the app that owns the command."""
    channel, text = seen_channel(ws, person, body.get("channel")), str(body.get("text") or "").strip()
    if not text:
        return {"ok": False, "error": "There is nothing to send yet."}
    if len(text) > LONGEST:
        return {"ok": False, "error": f"That is too long: {len(text)} of {LONGEST} characters."}
    thread = str(body.get("thread_ts") or "")
    word, _, rest = text.partition(" ")
    if word.startswith("/") and len(word) > 1 and "/" not in word[1:]:
        if acts.app_of_command(ws, word) is None:
            return {"ok": False, "error": f"{word} is not a command that any app here knows."}
        if thread:
            return {"ok": False, "error": f"{word} does not work in threads. Sorry: Slack's commands never do."}
        answer = await acts.command(ws, person, channel, word, rest.strip())
        if not answer.ok:
            reason = told(answer)
            return {**reason, "error": f"{word} failed: {reason['error']}"}
        return {"command": True}
    if channel.archived:
        return {"ok": False, "error": "This channel is archived."}
    if person.id not in channel.members:
        return {"ok": False, "error": "Join the channel first, then write in it."}
    message: Doc = {"type": "message", "user": person.id, "team": ws.team_id, "text": ws.resolve_mentions(escape(text))}
    if thread:
        message["thread_ts"] = thread
    return {"ts": messages.post(ws, channel, message)["ts"]}


def escape(text: str) -> str:
    """What people type is text: &, < and > lose their meaning, except that a pasted mention still works."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"&lt;(@[UW][A-Z0-9]+)&gt;", r"\1", plain)


async def press(ws: Workspace, person: Person, body: Doc) -> Doc:
    container, given, state = body["container"], body["action"], state_of(body)
    action_id, block_id = str(given.get("action_id")), str(body.get("block_id") or given.get("block_id") or "")
    if container.get("type") == "view":
        view = ws.view(str(container.get("view_id")))
        blocks = view["blocks"]
    else:
        channel = seen_channel(ws, person, container.get("channel"))
        message, ephemeral = shown_message(ws, person, channel, container)
        blocks = message.get("blocks", [])
    block, element = payloads.find_element(blocks, action_id, block_id, given.get("value"))
    action = payloads.action(ws, block, element, given.get(payloads.CHOICE[element["type"]]))
    if container.get("type") == "view":
        answer = await acts.press_view(ws, person, view, [action], state)
    else:
        answer = await acts.press_message(ws, person, channel, message, [action], ephemeral=ephemeral, state=state)
    return told(answer)


def shown_message(ws: Workspace, person: Person, channel: Channel, container: Mapping[str, Any]) -> tuple[Doc, bool]:
    """The message a page points at, and whether only this person sees it."""
    ts = str(container.get("ts"))
    if note := ws.ephemeral(person.id, ts):
        return note, True
    return ws.message(channel.id, ts), False


def state_of(body: Doc) -> Doc | None:
    state = body.get("state")
    if state is None:
        return None
    values = state.get("values", state)
    if not isinstance(values, dict) or not all(isinstance(fields, dict) for fields in values.values()):
        raise ValueError("state holds values by block and action")
    return values


async def submit(ws: Workspace, person: Person, body: Doc) -> Doc:
    view = own_view(ws, person, body)
    values = {**payloads.state_values(view["blocks"], {})}
    for block_id, fields in (state_of(body) or {}).items():
        values[block_id] = {**values.get(block_id, {}), **fields}
    answer = await acts.submit(ws, person, view, values)
    made = told(answer)
    if answer.error == "not_complete":
        del made["warning"]
    if isinstance(answer.body, dict):
        made |= {key: answer.body[key] for key in ("response_action", "errors") if answer.body.get(key)}
    return made


def own_view(ws: Workspace, person: Person, body: Doc) -> Doc:
    view_id = str(body.get("view_id"))
    if view_id not in ws.stacks.get(person.id, []):
        raise LookupError("that form is no longer open")
    return ws.view(view_id)


async def close(ws: Workspace, person: Person, body: Doc) -> Doc:
    view = own_view(ws, person, body)
    return told(await acts.close(ws, person, view, everything=bool(body.get("all"))))


async def shortcut(ws: Workspace, person: Person, body: Doc) -> Doc:
    app, callback_id = seen_app(ws, body.get("app_id")), str(body.get("callback_id"))
    if not body.get("ts"):
        return told(await acts.shortcut(ws, person, app, callback_id))
    channel = seen_channel(ws, person, body.get("channel"))
    message = ws.message(channel.id, str(body["ts"]))
    return told(await acts.shortcut(ws, person, app, callback_id, channel, message))


async def react(ws: Workspace, person: Person, body: Doc) -> Doc:
    channel = seen_channel(ws, person, body.get("channel"))
    name = str(body.get("name") or "").strip(":")
    if not name or len(name) > 100:
        raise ValueError("a reaction needs a name")
    message = ws.message(channel.id, str(body.get("ts")))
    messages.react(ws, channel, message, person.id, name, remove=bool(body.get("remove")))
    return {}


async def home(ws: Workspace, person: Person, body: Doc) -> Doc:
    return {"view": acts.open_home(ws, person, seen_app(ws, body.get("app_id")))}


async def read(ws: Workspace, person: Person, body: Doc) -> Doc:
    channel = seen_channel(ws, person, body.get("channel"))
    ws.store.mark_read(person.id, channel.id)
    ws.hub.tell([person.id], "unread", channel=channel.id, unread=0, mention_count=0)
    return {}


async def open_im(ws: Workspace, person: Person, body: Doc) -> Doc:
    other = str(body.get("user"))
    if other not in ws.store.people:
        raise LookupError("nobody here has that id")
    return {"channel": ws.open_im(person.id, other).id}


async def join(ws: Workspace, person: Person, body: Doc) -> Doc:
    channel = seen_channel(ws, person, body.get("channel"))
    if channel.archived or (person.is_restricted or person.is_ultra_restricted):
        return {"ok": False, "error": "You cannot join this channel."}
    ws.join(person.id, channel.id)
    return {}


async def leave(ws: Workspace, person: Person, body: Doc) -> Doc:
    channel = seen_channel(ws, person, body.get("channel"))
    if channel.kind == "im":
        return {"ok": False, "error": "A direct message cannot be left."}
    ws.leave(person.id, channel.id)
    return {}


POSTS: dict[str, Act] = {
    "post": post, "press": press, "submit": submit, "close": close, "shortcut": shortcut, "react": react,
    "home": home, "read": read, "open_im": open_im, "join": join, "leave": leave,
}
