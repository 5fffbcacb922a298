"""The interactive elements of Block Kit and their limits, one table."""

from typing import Any

from bot.workspace.block_fields import (
    Field,
    Problems,
    Spec,
    anything,
    array,
    boolean,
    by_type,
    obj,
    one_of,
    pattern,
    plain,
    string,
    text,
    whole,
)

ACTION_ID = string(255)
CONFIRM = obj({
    "title!": plain(100), "text!": text(300), "confirm!": plain(30), "deny!": plain(30),
    "style": one_of("primary", "danger"),
})
OPTION = obj({"text!": plain(75), "value!": string(150), "description": plain(75)})
CHOICE = obj({"text!": text(75), "value!": string(150), "description": text(75)})  # radio buttons, checkboxes
OVERFLOW_OPTION = obj({"text!": plain(75), "value!": string(150), "description": plain(75), "url": string(3000)})
GROUP = obj({"label!": plain(75), "options!": array(OPTION, 1, 100)})
FILTER = obj({
    "include": array(one_of("im", "mpim", "private", "public"), 1, 4), "exclude_external_shared_channels": boolean,
    "exclude_bot_users": boolean,
})
DISPATCH = obj({"trigger_actions_on": array(one_of("on_enter_pressed", "on_character_entered"), 1, 2)})
SLACK_FILE = obj({"id": string(255), "url": string(3000)})
THUMB = obj({"text!": plain(75), "value!": string(2000), "accessibility_label": string(75)})

COMMON: Spec = {"action_id": ACTION_ID, "confirm": CONFIRM, "focus_on_load": boolean}
INPUT: Spec = {"action_id": ACTION_ID, "focus_on_load": boolean, "placeholder": plain(150)}
MENU: Spec = {**COMMON, "placeholder": plain(150)}
MULTI: Spec = {**MENU, "max_selected_items": whole(1, 100)}
STATIC: Spec = {"options": array(OPTION, 1, 100), "option_groups": array(GROUP, 1, 100)}
CONVERSATIONS: Spec = {"default_to_current_conversation": boolean, "filter": FILTER}
IDS = array(string(255), 0, 100)

IMAGE: Spec = {"image_url": string(3000), "slack_file": SLACK_FILE, "alt_text!": string(2000)}
ELEMENTS: dict[str, Spec] = {
    "button": {
        "action_id": ACTION_ID, "text!": plain(75), "value": string(2000, 0), "url": string(3000),
        "style": one_of("primary", "danger"), "confirm": CONFIRM, "accessibility_label": string(75),
    },
    "icon_button": {
        "action_id": ACTION_ID, "icon!": one_of("trash"), "text!": plain(75), "value": string(2000, 0),
        "confirm": CONFIRM, "accessibility_label": string(75), "visible_to_user_ids": IDS,
    },
    "feedback_buttons": {"action_id": ACTION_ID, "positive_button!": THUMB, "negative_button!": THUMB},
    "overflow": {"action_id": ACTION_ID, "options!": array(OVERFLOW_OPTION, 1, 5), "confirm": CONFIRM},
    "checkboxes": {**COMMON, "options!": array(CHOICE, 1, 10), "initial_options": array(CHOICE, 1, 10)},
    "radio_buttons": {**COMMON, "options!": array(CHOICE, 1, 10), "initial_option": CHOICE},
    "static_select": {**MENU, **STATIC, "initial_option": OPTION},
    "multi_static_select": {**MULTI, **STATIC, "initial_options": array(OPTION, 1, 100)},
    "external_select": {**MENU, "min_query_length": whole(0, 100), "initial_option": OPTION},
    "multi_external_select": {
        **MULTI, "min_query_length": whole(0, 100), "initial_options": array(OPTION, 1, 100),
    },
    "users_select": {**MENU, "initial_user": string(255)},
    "multi_users_select": {**MULTI, "initial_users": IDS},
    "conversations_select": {
        **MENU, **CONVERSATIONS, "initial_conversation": string(255), "response_url_enabled": boolean,
    },
    "multi_conversations_select": {**MULTI, **CONVERSATIONS, "initial_conversations": IDS},
    "channels_select": {**MENU, "initial_channel": string(255), "response_url_enabled": boolean},
    "multi_channels_select": {**MULTI, "initial_channels": IDS},
    "datepicker": {**MENU, "initial_date": pattern(r"\d{4}-\d{2}-\d{2}", "a date as YYYY-MM-DD")},
    "timepicker": {
        **MENU, "initial_time": pattern(r"[0-2]\d:[0-5]\d", "a time as HH:mm"), "timezone": string(255),
    },
    "datetimepicker": {**COMMON, "initial_date_time": whole(1_000_000_000, 9_999_999_999)},
    "plain_text_input": {
        **INPUT, "initial_value": string(3000, 0), "multiline": boolean, "min_length": whole(0, 3000),
        "max_length": whole(1, 3000), "dispatch_action_config": DISPATCH,
    },
    "email_text_input": {**INPUT, "initial_value": string(3000, 0), "dispatch_action_config": DISPATCH},
    "url_text_input": {**INPUT, "initial_value": string(3000, 0), "dispatch_action_config": DISPATCH},
    "number_input": {
        **INPUT, "is_decimal_allowed!": boolean, "initial_value": string(255), "min_value": string(255),
        "max_value": string(255), "dispatch_action_config": DISPATCH,
    },
    "rich_text_input": {**INPUT, "initial_value": anything, "dispatch_action_config": DISPATCH},
    "file_input": {"action_id": ACTION_ID, "filetypes": array(string(50), 1, 100), "max_files": whole(1, 10)},
    "image": IMAGE,
}
MENUS = (
    "static_select", "external_select", "users_select", "conversations_select", "channels_select",
    "multi_static_select", "multi_external_select", "multi_users_select", "multi_conversations_select",
    "multi_channels_select",
)
IN_ACTIONS = ("button", "checkboxes", "datepicker", "datetimepicker", "overflow", "radio_buttons", "timepicker", *MENUS)
IN_SECTION = ("button", "checkboxes", "datepicker", "image", "overflow", "radio_buttons", "timepicker", *MENUS)
IN_INPUT = (
    "checkboxes", "datepicker", "datetimepicker", "email_text_input", "file_input", "number_input",
    "plain_text_input", "radio_buttons", "rich_text_input", "timepicker", "url_text_input", *MENUS,
)
IN_CONTEXT_ACTIONS = ("feedback_buttons", "icon_button")


def element(*allowed: str) -> Field:
    """An element of one of these types, with what its table cannot say: options against initial ones."""
    known = by_type(ELEMENTS, allowed)

    def check(problems: Problems, value: Any, at: str) -> None:
        before = len(problems)
        known(problems, value, at)
        if len(problems) == before:
            look_closer(problems, value, at)

    return check


def look_closer(problems: Problems, value: dict[str, Any], at: str) -> None:
    kind = value["type"]
    if kind in ("static_select", "multi_static_select") and ("options" in value) == ("option_groups" in value):
        problems.add("must provide exactly one of: options, option_groups", at)
        return
    if kind == "image" and ("image_url" in value) == ("slack_file" in value):
        problems.add("must provide exactly one of: image_url, slack_file", at)
    if kind == "plain_text_input" and value.get("min_length", 0) > value.get("max_length", 3000):
        problems.add("min_length must not be greater than max_length", f"{at}/min_length")
    if kind == "number_input":
        check_numbers(problems, value, at)
    groups = [group["options"] for group in value.get("option_groups") or []]
    offered = [option for options in [value.get("options") or [], *groups] for option in options]
    if offered and kind != "overflow":
        initial = value.get("initial_options") or ([value["initial_option"]] if value.get("initial_option") else [])
        plain_options = [(option["value"], option["text"]["text"]) for option in offered]
        for one in initial:
            if (one["value"], one["text"]["text"]) not in plain_options:
                problems.add("initial option does not match any of the options", at)


def check_numbers(problems: Problems, value: dict[str, Any], at: str) -> None:
    for key in ("initial_value", "min_value", "max_value"):
        if key in value:
            try:
                float(value[key])
            except ValueError:
                problems.add("must be a number", f"{at}/{key}")


