"""The interaction payloads, in Slack's shape: who, where, which trigger, what was pressed or filled in."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bot.workspace.things import App, Channel, Doc, Person, ts_text

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

# Which field of an action or of a view's state carries the choice of an element.
CHOICE = {
    "button": "value", "icon_button": "value", "feedback_buttons": "value", "static_select": "selected_option",
    "external_select": "selected_option", "overflow": "selected_option", "radio_buttons": "selected_option",
    "checkboxes": "selected_options", "multi_static_select": "selected_options",
    "multi_external_select": "selected_options", "users_select": "selected_user",
    "multi_users_select": "selected_users", "conversations_select": "selected_conversation",
    "multi_conversations_select": "selected_conversations", "channels_select": "selected_channel",
    "multi_channels_select": "selected_channels", "datepicker": "selected_date", "timepicker": "selected_time",
    "datetimepicker": "selected_date_time", "plain_text_input": "value", "email_text_input": "value",
    "url_text_input": "value", "number_input": "value", "rich_text_input": "rich_text_value", "file_input": "files",
}
INITIAL = {
    "static_select": "initial_option", "external_select": "initial_option", "radio_buttons": "initial_option",
    "checkboxes": "initial_options", "multi_static_select": "initial_options",
    "multi_external_select": "initial_options", "users_select": "initial_user",
    "multi_users_select": "initial_users", "conversations_select": "initial_conversation",
    "multi_conversations_select": "initial_conversations", "channels_select": "initial_channel",
    "multi_channels_select": "initial_channels", "datepicker": "initial_date", "timepicker": "initial_time",
    "datetimepicker": "initial_date_time", "plain_text_input": "initial_value", "email_text_input": "initial_value",
    "url_text_input": "initial_value", "number_input": "initial_value", "rich_text_input": "initial_value",
}
NOT_IN_STATE = ("button", "icon_button", "feedback_buttons", "overflow")


def elements(blocks: list[Doc]) -> Iterator[tuple[Doc, Doc]]:
    """Every (block, interactive element), also inside cards and carousels."""
    for block in blocks:
        for inner in (block.get("accessory"), block.get("element")):
            if isinstance(inner, dict) and "action_id" in inner:
                yield block, inner
        for inner in [*(block.get("elements") or []), *(block.get("actions") or [])]:
            if isinstance(inner, dict):
                if inner.get("type") == "card":
                    yield from elements([{**inner, "block_id": inner.get("block_id") or block["block_id"]}])
                elif "action_id" in inner:
                    yield block, inner


def find_element(blocks: list[Doc], action_id: str, block_id: str = "", value: Any = None) -> tuple[Doc, Doc]:
    """The element with this action_id; among several with the same, the one that has this value."""
    found = [
        (block, element) for block, element in elements(blocks)
        if element["action_id"] == action_id and (not block_id or block.get("block_id") == block_id)
    ]
    if not found:
        seen = sorted({element["action_id"] for _, element in elements(blocks)})
        raise LookupError(f"nothing to press with action_id {action_id!r}; there is {seen}")
    exact = [pair for pair in found if value is not None and pair[1].get("value") == value]
    return (exact or found)[0]


def options_of(element: Doc) -> list[Doc]:
    grouped = [option for group in element.get("option_groups") or [] for option in group["options"]]
    return [*(element.get("options") or []), *grouped]


def choice(element: Doc, value: Any) -> Any:
    """What Slack sends for a choice given as plain value: whole options for menus, the value itself elsewhere."""
    kind = element["type"]
    if value is None or CHOICE[kind] not in ("selected_option", "selected_options"):
        return value
    if "external" in kind:
        return value
    options = {option["value"]: option for option in options_of(element)}

    def pick(one: Any) -> Doc:
        key = one["value"] if isinstance(one, dict) else one
        if key not in options:
            raise LookupError(f"{element['action_id']} offers {sorted(options)}, not {key!r}")
        return options[key]

    return [pick(one) for one in value] if CHOICE[kind] == "selected_options" else pick(value)


def action(ws: "Workspace", block: Doc, element: Doc, value: Any) -> Doc:
    """One entry of `actions`: the element as pressed."""
    kind = element["type"]
    made: Doc = {
        "type": kind, "action_id": element["action_id"], "block_id": block["block_id"],
        "action_ts": ts_text(ws.micros()),
    }
    if kind == "feedback_buttons":
        sides = [element["positive_button"], element["negative_button"]]
        side = next((one for one in sides if one["value"] == value), None)
        if side is None:
            raise LookupError(f"{element['action_id']} offers {[one['value'] for one in sides]}, not {value!r}")
        return {**made, "value": value, "text": side["text"]}
    for key in ("text", "style", "icon", "placeholder", "confirm", "url"):
        if key in element and kind not in ("overflow",):
            made[key] = element[key]
    if kind in ("button", "icon_button"):
        if element.get("value") is not None:
            made["value"] = element["value"]
    else:
        made[CHOICE[kind]] = choice(element, value)
    for key, initial in INITIAL.items():
        if key == kind and initial in element:
            made[initial] = element[initial]
    return made


def state_values(blocks: list[Doc], given: Doc) -> Doc:
    """`state.values` for what a person filled in; keys of `given` are action_ids or block_ids, the rest is initial."""
    values: Doc = {}
    known = set()
    for block, element in elements(blocks):
        kind = element["type"]
        if kind in NOT_IN_STATE:
            continue
        keys = [key for key in (element["action_id"], block.get("block_id")) if key in given]
        known.update(keys)
        value = choice(element, given[keys[0]]) if keys else element.get(INITIAL.get(kind, ""))
        if value is None and CHOICE[kind] == "selected_options":
            value = []
        values.setdefault(block["block_id"], {})[element["action_id"]] = {"type": kind, CHOICE[kind]: value}
    if unknown := set(given) - known:
        raise LookupError(f"the view has no input {sorted(unknown)}; it has {sorted(values)}")
    return values


def who(ws: "Workspace", app: App, person: Person) -> Doc:
    """The head that all interaction payloads share."""
    enterprise = {"id": ws.enterprise_id, "name": ws.team_name} if ws.enterprise_id else None
    team: Doc = {"id": ws.team_id, "domain": ws.team_domain}
    if ws.enterprise_id:
        team |= {"enterprise_id": ws.enterprise_id, "enterprise_name": ws.team_name}
    return {
        "team": team, "enterprise": enterprise, "is_enterprise_install": False, "api_app_id": app.id,
        "token": app.verification_token,
        "user": {
            "id": person.id, "username": person.name, "name": person.name, "team_id": person.team_id or ws.team_id,
        },
    }


def place(channel: Channel) -> Doc:
    return {"id": channel.id, "name": channel.payload_name}


def command(ws: "Workspace", app: App, person: Person, channel: Channel, name: str, text: str) -> dict[str, str]:
    form = {
        "token": app.verification_token, "team_id": ws.team_id, "team_domain": ws.team_domain,
        "channel_id": channel.id, "channel_name": channel.payload_name, "user_id": person.id,
        "user_name": person.name, "command": name, "text": text, "api_app_id": app.id,
        "is_enterprise_install": "false",
    }
    if ws.enterprise_id:
        form |= {"enterprise_id": ws.enterprise_id, "enterprise_name": ws.team_name}
    return form


def shown_view(view: Doc, state: Doc | None = None) -> Doc:
    """A view as payloads carry it, a copy with the state of this moment."""
    copy: Doc = json.loads(json.dumps(view))
    if state is not None:
        copy["state"] = {"values": state}
    return copy
