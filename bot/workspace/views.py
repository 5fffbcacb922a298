"""Modals and App Homes: opened by a trigger, updated, pushed and closed, one stack of at most three for each person."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.workspace.blocks import check_view
from bot.workspace.errors import SlackError
from bot.workspace.slack_files import check_files, show_files
from bot.workspace.things import App, Doc

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

STACK = 3
TRIGGER_SECONDS = 3
MANY = 1000  # so many triggers are kept before the old ones are forgotten


@dataclass
class Trigger:
    app_id: str
    person: str
    expires: int  # microseconds, by the workspace's clock
    used: bool = False


def new_trigger(ws: "Workspace", app: App, person: str) -> str:
    trigger = f"{ws.store.next_number('trigger')}.{ws.micros() // 1_000_000}.{app.id.lower()}"
    now = ws.micros()
    if len(ws.triggers) > MANY:  # forget what nobody can use any more
        ws.triggers = {key: known for key, known in ws.triggers.items() if known.expires > now - 60_000_000}
    ws.triggers[trigger] = Trigger(app.id, person, now + TRIGGER_SECONDS * 1_000_000)
    return trigger


def use_trigger(ws: "Workspace", app: App, trigger: str) -> str:
    """The person whose act gave the trigger; good once and for three seconds."""
    known = ws.triggers.get(trigger)
    if known is None or known.app_id != app.id:
        raise SlackError("invalid_trigger_id")
    if known.used:
        raise SlackError("exchanged_trigger_id")
    if ws.micros() > known.expires:
        raise SlackError("expired_trigger_id")
    known.used = True
    return known.person


def stack_of(ws: "Workspace", person: str) -> list[str]:
    return ws.stacks.setdefault(person, [])


def build(ws: "Workspace", app: App, given: Any, kind: str, **also: Any) -> Doc:
    """A checked view with everything Slack adds to it."""
    view = check_view(given, kind, charts=ws.charts)
    check_files(ws, app, view["blocks"], "invalid_arguments", "/view/blocks")
    made: Doc = {
        "id": ws.store.new_id("V"), "team_id": ws.team_id, "type": kind, "blocks": view["blocks"],
        "private_metadata": view.get("private_metadata", ""), "callback_id": view.get("callback_id", ""),
        "state": {"values": {}}, "hash": new_hash(ws), "title": view.get("title"),
        "clear_on_close": bool(view.get("clear_on_close")), "notify_on_close": bool(view.get("notify_on_close")),
        "close": view.get("close"), "submit": view.get("submit"), "previous_view_id": None, "root_view_id": "",
        "app_id": app.id, "external_id": view.get("external_id", ""), "app_installed_team_id": ws.team_id,
        "bot_id": app.bot_id, **also,
    }
    made["root_view_id"] = made["root_view_id"] or made["id"]
    external = made["external_id"]
    if external and any(v["external_id"] == external and v["app_id"] == app.id and v["id"] != made["id"]
                        for v in ws.store.views.values()):
        raise SlackError("duplicate_external_id")
    return made


def new_hash(ws: "Workspace") -> str:
    return f"{ws.micros() // 1_000_000}.{ws.store.next_number('hash'):08x}"


def open_view(ws: "Workspace", app: App, person: str, given: Any) -> Doc:
    """A new modal; one that was open is replaced."""
    view = build(ws, app, given, "modal")
    for old in stack_of(ws, person):
        ws.store.drop_view(old)
    ws.stacks[person] = [view["id"]]
    show_files(ws, view["blocks"], person=person)
    ws.store.save_view(view)
    ws.hub.tell([person], "view_opened", view=view)
    return view


def push_view(ws: "Workspace", app: App, person: str, given: Any) -> Doc:
    stack = stack_of(ws, person)
    if len(stack) >= STACK:
        raise SlackError("push_limit_reached")
    if not stack:
        return open_view(ws, app, person, given)
    root = ws.store.views[stack[0]]
    view = build(ws, app, given, "modal", previous_view_id=stack[-1], root_view_id=root["id"])
    stack.append(view["id"])
    show_files(ws, view["blocks"], person=person)
    ws.store.save_view(view)
    ws.hub.tell([person], "view_pushed", view=view)
    return view


def update_view(ws: "Workspace", app: App, old: Doc, given: Any, old_hash: str = "") -> Doc:
    """Replace what an open view shows; its id stays, its hash changes."""
    if old_hash and old_hash != old["hash"]:
        raise SlackError("hash_conflict")
    kept = {key: old[key] for key in ("id", "previous_view_id", "root_view_id", "state")}
    view = build(ws, app, given, old["type"], **kept)
    ws.store.save_view(view)
    for person in holders(ws, old["id"]):
        show_files(ws, view["blocks"], person=person)
        ws.hub.tell([person], "view_updated", view=view)
    return view


def holders(ws: "Workspace", view_id: str) -> list[str]:
    return [person for person, stack in ws.stacks.items() if view_id in stack]


def find_view(ws: "Workspace", app: App, view_id: str, external_id: str) -> Doc:
    for view in ws.store.views.values():
        if view["app_id"] == app.id and (view["id"] == view_id or (external_id and view["external_id"] == external_id)):
            return view
    raise SlackError("not_found")


def publish_home(ws: "Workspace", app: App, person: str, given: Any, old_hash: str = "") -> Doc:
    if not app.has_home:
        raise SlackError("not_enabled")
    old = home_of(ws, app.id, person)
    if old_hash and old is not None and old_hash != old["hash"]:
        raise SlackError("hash_conflict")
    view = build(ws, app, given, "home", **({"id": old["id"], "root_view_id": old["id"]} if old else {}))
    ws.store.save_view(view)
    show_files(ws, view["blocks"], person=person)
    ws.store.save_home(app.id, person, view["id"])
    ws.hub.tell([person], "home", app_id=app.id, view=view)
    return view


def home_of(ws: "Workspace", app_id: str, person: str) -> Doc | None:
    return ws.store.views.get(ws.store.homes.get(f"{app_id} {person}", ""))


def close_view(ws: "Workspace", person: str, view_id: str, *, everything: bool = False) -> list[Doc]:
    """Take the view off the person's stack, with what lies above it, or the whole stack; answers what was closed."""
    stack = stack_of(ws, person)
    if view_id not in stack:
        return []
    keep = 0 if everything else stack.index(view_id)
    closed = [ws.store.views[view] for view in stack[keep:] if view in ws.store.views]
    ws.stacks[person] = stack[:keep]
    for view in reversed(closed):
        ws.store.drop_view(view["id"])
        ws.hub.tell([person], "view_closed", view_id=view["id"])
    return closed
