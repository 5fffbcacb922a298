"""What people do: press, fill in, command, use a shortcut; each goes to the app and its answer takes effect."""

import re
from typing import TYPE_CHECKING, Any

from bot.workspace import events, payloads, responses, views
from bot.workspace.answers import Answer
from bot.workspace.errors import SlackError
from bot.workspace.messages import without_metadata
from bot.workspace.things import App, Channel, Doc, Person, ts_text

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

REQUIRED = "Please complete this required field."
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def message_app(ws: "Workspace", message: Doc) -> App:
    app = ws.store.apps.get(message.get("app_id", ""))
    if app is None:
        raise LookupError("this message belongs to no app")
    return app


def message_place(ws: "Workspace", app: App, person: Person, channel: Channel, message: Doc, ephemeral: bool) -> Doc:
    """container, channel, message and response_url of something done to a message."""
    container: Doc = {
        "type": "message", "message_ts": message["ts"], "channel_id": channel.id, "is_ephemeral": ephemeral,
    }
    if thread := message.get("thread_ts"):
        container["thread_ts"] = thread
    made: Doc = {
        "container": container, "channel": payloads.place(channel),
        "response_url": responses.new_response_url(
            ws, app, person.id, channel, ts=message["ts"], ephemeral=ephemeral, thread_ts=thread or "",
        ),
    }
    if not ephemeral:  # Slack does not keep ephemeral messages, so it cannot send them back
        made["message"] = without_metadata(message)
    return made


async def press_message(
    ws: "Workspace", person: Person, channel: Channel, message: Doc, actions: list[Doc], *, ephemeral: bool = False,
    state: Doc | None = None,
) -> Answer:
    """A press, or a choice in a menu, on a message."""
    app = message_app(ws, message)
    payload = {
        "type": "block_actions", **payloads.who(ws, app, person),
        **message_place(ws, app, person, channel, message, ephemeral),
        "trigger_id": views.new_trigger(ws, app, person.id), "state": {"values": state or {}}, "actions": actions,
    }
    return await ws.sender.send(app, "interactive", payload)


async def press_view(
    ws: "Workspace", person: Person, view: Doc, actions: list[Doc], state: Doc | None = None
) -> Answer:
    """A press inside a modal or an App Home."""
    app = ws.store.apps[view["app_id"]]
    payload = {
        "type": "block_actions", **payloads.who(ws, app, person),
        "container": {"type": "view", "view_id": view["id"]},
        "trigger_id": views.new_trigger(ws, app, person.id),
        "view": payloads.shown_view(view, state if state is not None else payloads.state_values(view["blocks"], {})),
        "actions": actions,
    }
    return await ws.sender.send(app, "interactive", payload)


def missing_inputs(view: Doc, values: Doc) -> dict[str, str]:
    """What Slack's own client refuses before it sends a form: empty required fields, lengths, numbers, addresses."""
    errors: dict[str, str] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        element = block["element"]
        given = (values.get(block["block_id"]) or {}).get(element["action_id"]) or {}
        value = given.get(payloads.CHOICE[element["type"]])
        if value in (None, "", []):
            if not block.get("optional"):
                errors[block["block_id"]] = REQUIRED
        elif problem := wrong_value(element, value):
            errors[block["block_id"]] = problem
    return errors


def wrong_value(element: Doc, value: Any) -> str:
    kind = element["type"]
    if kind == "plain_text_input":
        if len(value) < element.get("min_length", 0):
            return f"Must be at least {element['min_length']} characters."
        if len(value) > element.get("max_length", 3000):
            return f"Must be at most {element.get('max_length', 3000)} characters."
    if kind == "email_text_input" and not EMAIL.fullmatch(value):
        return "Please enter a valid email address."
    if kind == "url_text_input" and "://" not in value:
        return "Please enter a valid URL."
    if kind == "number_input":
        try:
            number = float(value)
        except ValueError:
            return "Please enter a number."
        if not element.get("is_decimal_allowed") and number != int(number):
            return "Please enter a whole number."
        if "min_value" in element and number < float(element["min_value"]):
            return f"Must be at least {element['min_value']}."
        if "max_value" in element and number > float(element["max_value"]):
            return f"Must be at most {element['max_value']}."
    return ""


async def submit(ws: "Workspace", person: Person, view: Doc, values: Doc) -> Answer:
    """Sends a filled-in modal and does what the app answers: close, errors, update, push or clear."""
    if errors := missing_inputs(view, values):
        return Answer(False, 0, {"response_action": "errors", "errors": errors}, 0, "not_complete")
    app = ws.store.apps[view["app_id"]]
    view = {**view, "state": {"values": values}}
    payload = {
        "type": "view_submission", **payloads.who(ws, app, person),
        "trigger_id": views.new_trigger(ws, app, person.id), "view": payloads.shown_view(view), "response_urls": [],
    }
    answer = await ws.sender.send(app, "interactive", payload)
    if not answer.ok:
        return answer
    try:
        return after_submit(ws, app, person, view, answer)
    except SlackError as refused:
        return Answer(False, answer.status, {**refused.body(), "answered": answer.body}, answer.took, refused.name)


def after_submit(ws: "Workspace", app: App, person: Person, view: Doc, answer: Answer) -> Answer:
    body = answer.body if isinstance(answer.body, dict) else {}
    match body.get("response_action"):
        case None:
            views.close_view(ws, person.id, view["id"])
        case "clear":
            views.close_view(ws, person.id, view["id"], everything=True)
        case "update":
            views.update_view(ws, app, {**view, "state": {"values": {}}}, body.get("view"))
        case "push":
            views.push_view(ws, app, person.id, body.get("view"))
        case "errors":
            errors = body.get("errors")
            inputs = {block["block_id"] for block in view["blocks"] if block["type"] == "input"}
            if not isinstance(errors, dict) or not errors or not set(errors) <= inputs:
                raise SlackError("invalid_errors", known_inputs=sorted(inputs))
        case _:
            raise SlackError("invalid_response_action")
    return answer


async def close(ws: "Workspace", person: Person, view: Doc, *, everything: bool = False) -> Answer:
    """Cancel or X; apps hear of it only for views with notify_on_close."""
    app = ws.store.apps[view["app_id"]]
    everything = everything or view["clear_on_close"]
    answer = Answer(True)
    for closed in reversed(views.close_view(ws, person.id, view["id"], everything=everything)):
        if closed["notify_on_close"]:
            payload = {
                "type": "view_closed", **payloads.who(ws, app, person), "view": payloads.shown_view(closed),
                "is_cleared": everything,
            }
            answer = await ws.sender.send(app, "interactive", payload)
    return answer


def app_of_command(ws: "Workspace", name: str) -> App | None:
    for app in ws.store.apps.values():
        if app.installed and any(command["command"] == name for command in app.commands):
            return app
    return None


async def command(ws: "Workspace", person: Person, channel: Channel, name: str, text: str) -> Answer:
    """A slash command; words or blocks in the answer are shown to that person, or in the channel when it says so."""
    app = app_of_command(ws, name)
    if app is None:
        return Answer(False, error=f"{name} is not a valid command")
    if person.is_stranger:
        return Answer(False, error="Commands of this workspace cannot be used from another one")
    registered = next(one for one in app.commands if one["command"] == name)
    if registered.get("should_escape"):
        text = ws.resolve_mentions(text, with_name=True)
    url = responses.new_response_url(ws, app, person.id, channel)
    form = payloads.command(ws, app, person, channel, name, text)
    form |= {"response_url": url, "trigger_id": views.new_trigger(ws, app, person.id)}
    answer = await ws.sender.send(app, "slash_commands", form)
    if answer.ok and answer.body not in (None, "", {}):
        known = ws.response_urls[url.rsplit("/", 1)[1]]
        try:
            responses.respond(ws, app, known, answer.body)
        except SlackError as refused:
            return Answer(False, answer.status, {**refused.body(), "answered": answer.body}, answer.took, refused.name)
    return answer


async def shortcut(
    ws: "Workspace", person: Person, app: App, callback_id: str, channel: Channel | None = None,
    message: Doc | None = None,
) -> Answer:
    """A message shortcut when a message is named, else a global one."""
    on_message = channel is not None and message is not None
    known = app.message_shortcuts if on_message else app.global_shortcuts
    if all(one["callback_id"] != callback_id for one in known):
        raise LookupError(f"{app.name} has no such shortcut: {callback_id}")
    payload = {
        "type": "shortcut", **payloads.who(ws, app, person), "callback_id": callback_id,
        "action_ts": ts_text(ws.micros()), "trigger_id": views.new_trigger(ws, app, person.id),
    }
    if channel is not None and message is not None:
        place = message_place(ws, app, person, channel, message, False)
        del place["container"]
        payload |= {**place, "type": "message_action", "message_ts": message["ts"]}
    return await ws.sender.send(app, "interactive", payload)


async def suggest(ws: "Workspace", person: Person, app: App, place: Doc, action_id: str, block_id: str, text: str) -> Answer:
    """The options of an external menu for what was typed so far."""
    payload = {
        "type": "block_suggestion", **payloads.who(ws, app, person), "action_id": action_id, "block_id": block_id,
        "value": text, **place,
    }
    return await ws.sender.send(app, "interactive", payload)


def open_home(ws: "Workspace", person: Person, app: App, tab: str = "home") -> Doc | None:
    """Looks at an app's home: answers the view as it is; the app hears of it and may publish a new one."""
    dm = ws.open_im(app.bot_user_id, person.id)
    events.home_opened(ws, app, person.id, dm, views.home_of(ws, app.id, person.id), tab)
    return views.home_of(ws, app.id, person.id)
