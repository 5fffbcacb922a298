"""Blocks and views: what Slack takes, what it refuses, and the place it names."""

from typing import Any

import pytest

from bot.workspace import SlackError
from bot.workspace.blocks import check_blocks, check_view
from tests.workspace.conftest import button

Block = dict[str, Any]


def words(length: int = 1, kind: str = "mrkdwn") -> Block:
    return {"type": kind, "text": "x" * length}


def section(**more: Any) -> Block:
    return {"type": "section", "text": words(), **more}


def option(value: str = "a", length: int = 1) -> Block:
    return {"text": words(length, "plain_text"), "value": value}


def thumbs(**more: Any) -> Block:
    return {
        "type": "context_actions",
        "elements": [{
            "type": "feedback_buttons", "action_id": "rate",
            "positive_button": {"text": words(4, "plain_text"), "value": "good"},
            "negative_button": {"text": words(3, "plain_text"), "value": "bad", **more},
        }],
    }


def menu(**more: Any) -> Block:
    return section(accessory={"type": "static_select", "action_id": "m", "options": [option()], **more})


def ask(**more: Any) -> Block:
    return {
        "type": "input", "block_id": "why", "label": words(3, "plain_text"),
        "element": {"type": "plain_text_input", "action_id": "t", **more},
    }


def chart(**more: Any) -> Block:
    return {
        "type": "data_visualization", "title": "Quality", "chart": {
            "type": "line", "axis_config": {"categories": ["Mon", "Tue"]},
            "series": [{"name": "good", "data": [{"label": "Mon", "value": 1}, {"label": "Tue", "value": 2}]}], **more,
        },
    }


GOOD: dict[str, list[Block]] = {
    "fifty blocks": [{"type": "divider"}] * 50,
    "longest section": [section(text=words(3000))],
    "ten fields": [{"type": "section", "fields": [words(2000)] * 10}],
    "feedback buttons": [thumbs()],
    "trash icon": [{"type": "context_actions", "elements": [
        {"type": "icon_button", "icon": "trash", "text": words(1, "plain_text"), "action_id": "x", "value": "v"},
    ]}],
    "menu": [menu(placeholder=words(150, "plain_text"), initial_option=option())],
    "overflow": [section(accessory={"type": "overflow", "action_id": "o", "options": [option()] * 5})],
    "rich text": [{"type": "rich_text", "elements": [
        {"type": "rich_text_section", "elements": [{"type": "text", "text": "hi", "style": {"bold": True}}]},
        {"type": "rich_text_list", "style": "bullet", "indent": 0, "elements": [
            {"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U1"}]},
        ]},
    ]}],
    "markdown": [{"type": "markdown", "text": "# " + "x" * 11_000}],
    "table": [{"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]] * 100}],
    "carousel": [{"type": "carousel", "elements": [{"type": "card", "title": words(150), "actions": [button()]}]}],
    "data table": [{"type": "data_table", "caption": "Fleet", "rows": [
        [{"type": "raw_text", "text": "Agent"}], [{"type": "raw_number", "value": 3}],
    ]}],
    "chart": [chart()],
    "input in a message": [ask()],
}
BAD: list[tuple[str, list[Any], str, str]] = [
    ("51 blocks", [{"type": "divider"}] * 51, "no more than 50 items allowed", "/blocks"),
    ("no type", [{"text": words()}], "missing required field: type", "/blocks/0"),
    ("unknown type", [{"type": "sction"}], "unsupported type: sction", "/blocks/0/type"),
    ("unknown key", [section(color="red")], "invalid additional property: color", "/blocks/0/color"),
    ("long section", [section(text=words(3001))], "must be less than 3001 characters", "/blocks/0/text/text"),
    ("empty section text", [section(text=words(0))], "must be more than 0 characters", "/blocks/0/text/text"),
    ("section of nothing", [{"type": "section"}], "missing required field: text or fields", "/blocks/0"),
    ("11 fields", [{"type": "section", "fields": [words()] * 11}], "no more than 10 items allowed", "/blocks/0/fields"),
    ("long field", [{"type": "section", "fields": [words(2001)]}], "less than 2001", "/blocks/0/fields/0/text"),
    ("long header", [{"type": "header", "text": words(151, "plain_text")}], "less than 151", "/blocks/0/text/text"),
    ("mrkdwn header", [{"type": "header", "text": words()}], "must be one of: plain_text", "/blocks/0/text/type"),
    ("26 buttons", [{"type": "actions", "elements": [button(str(n)) for n in range(26)]}], "no more than 25",
     "/blocks/0/elements"),
    ("long button", [{"type": "actions", "elements": [button(words="x" * 76)]}], "less than 76",
     "/blocks/0/elements/0/text/text"),
    ("long value", [{"type": "actions", "elements": [button(value="x" * 2001)]}], "less than 2001",
     "/blocks/0/elements/0/value"),
    ("long action_id", [{"type": "actions", "elements": [button("x" * 256)]}], "less than 256",
     "/blocks/0/elements/0/action_id"),
    ("bad style", [{"type": "actions", "elements": [{**button(), "style": "default"}]}], "must be one of: primary",
     "/blocks/0/elements/0/style"),
    ("same action_id twice", [{"type": "actions", "elements": [button(), button()]}], "`go` already exists",
     "/blocks/0/elements/1/action_id"),
    ("same block_id twice", [section(block_id="a"), section(block_id="a")], "block_id `a` already exists",
     "/blocks/1/block_id"),
    ("long block_id", [section(block_id="x" * 256)], "less than 256", "/blocks/0/block_id"),
    ("11 context parts", [{"type": "context", "elements": [words()] * 11}], "no more than 10", "/blocks/0/elements"),
    ("button in context", [{"type": "context", "elements": [button()]}], "unsupported type: button",
     "/blocks/0/elements/0/type"),
    ("button in context_actions", [{"type": "context_actions", "elements": [button()]}], "unsupported type: button",
     "/blocks/0/elements/0/type"),
    ("thumb without value", [thumbs(value=None)], "missing required field: value",
     "/blocks/0/elements/0/negative_button"),
    ("long thumb value", [thumbs(value="x" * 2001)], "less than 2001", "/blocks/0/elements/0/negative_button/value"),
    ("101 options", [menu(options=[option(str(n)) for n in range(101)])], "no more than 100",
     "/blocks/0/accessory/options"),
    ("long option", [menu(options=[option(length=76)])], "less than 76", "/blocks/0/accessory/options/0/text/text"),
    ("long option value", [menu(options=[option("x" * 151)])], "less than 151",
     "/blocks/0/accessory/options/0/value"),
    ("no options", [menu(options=[])], "no less than 1 items", "/blocks/0/accessory/options"),
    ("foreign initial option", [menu(initial_option=option("b"))], "does not match", "/blocks/0/accessory"),
    ("long placeholder", [menu(placeholder=words(151, "plain_text"))], "less than 151",
     "/blocks/0/accessory/placeholder/text"),
    ("long confirm", [menu(confirm={
        "title": words(101, "plain_text"), "text": words(), "confirm": words(1, "plain_text"),
        "deny": words(1, "plain_text"),
    })], "less than 101", "/blocks/0/accessory/confirm/title/text"),
    ("6 in overflow", [section(accessory={"type": "overflow", "action_id": "o", "options": [option()] * 6})],
     "no more than 5", "/blocks/0/accessory/options"),
    ("image without alt", [{"type": "image", "image_url": "https://example.com/a.png"}], "alt_text", "/blocks/0"),
    ("two tables", [{"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]]}] * 2, "only_one_table_allowed",
     "/blocks/1"),
    ("101 table rows", [{"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]] * 101}], "no more than 100",
     "/blocks/0/rows"),
    ("markdown in all", [{"type": "markdown", "text": "x" * 7000}] * 2, "less than 12001", "/blocks"),
    ("alert in a message", [{"type": "alert", "text": words()}], "unsupported type: alert", "/blocks/0/type"),
    ("11 cards", [{"type": "carousel", "elements": [{"type": "card", "title": words()}] * 11}], "no more than 10",
     "/blocks/0/elements"),
    ("empty card", [{"type": "card", "subtitle": words()}], "needs at least one of", "/blocks/0"),
    ("table of a header", [{"type": "data_table", "caption": "c", "rows": [[{"type": "raw_text", "text": "a"}]]}],
     "no less than 2", "/blocks/0/rows"),
    ("three charts", [chart()] * 3, "too many data_visualization", "/blocks/2"),
    ("labels beside the axis", [chart(axis_config={"categories": ["Mon"]})], "labels must match", "/blocks/0/chart"),
    ("a block that is text", ["hello"], "must be an object", "/blocks/0"),
]


@pytest.mark.parametrize("name", GOOD)
def test_slack_takes(name: str) -> None:
    made = check_blocks(GOOD[name], "message")
    assert len({block["block_id"] for block in made}) == len(made)


@pytest.mark.parametrize(("blocks", "message", "at"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_slack_refuses_and_names_the_place(blocks: list[Any], message: str, at: str) -> None:
    with pytest.raises(SlackError) as caught:
        check_blocks(blocks, "message")
    told = caught.value.body()["response_metadata"]["messages"]
    assert caught.value.name == "invalid_blocks"
    assert any(message in one and f"[json-pointer:{at}" in one for one in told), told


def test_a_workspace_without_charts_refuses_them_as_unknown() -> None:
    with pytest.raises(SlackError, match="invalid_blocks"):
        check_blocks([chart()], "message", charts=False)


def test_slack_adds_ids_and_the_small_words_of_texts() -> None:
    made = check_blocks([section(accessory={"type": "button", "text": words(2, "plain_text")})], "message")
    assert made[0]["block_id"]
    assert made[0]["text"]["verbatim"] is False
    assert made[0]["accessory"]["action_id"]
    assert made[0]["accessory"]["text"]["emoji"] is True


def modal(**more: Any) -> Block:
    return {
        "type": "modal", "title": words(5, "plain_text"), "submit": words(4, "plain_text"), "blocks": [ask()], **more,
    }


@pytest.mark.parametrize(("view", "message"), [
    (modal(title=words(25, "plain_text")), "must be less than 25 characters [json-pointer:/view/title/text]"),
    (modal(submit=None), "missing required field: submit [json-pointer:/view]"),
    (modal(private_metadata="x" * 3001), "must be less than 3001 characters [json-pointer:/view/private_metadata]"),
    (modal(callback_id="x" * 256), "must be less than 256 characters [json-pointer:/view/callback_id]"),
    (modal(blocks=[{"type": "divider"}] * 101), "no more than 100 items allowed [json-pointer:/view/blocks]"),
    (modal(blocks=[thumbs()]), "unsupported type: context_actions [json-pointer:/view/blocks/0/type]"),
    (modal(surprise=1), "invalid additional property: surprise [json-pointer:/view/surprise]"),
], ids=["title", "submit", "private_metadata", "callback_id", "101 blocks", "feedback in a modal", "unknown key"])
def test_a_view_is_refused(view: Block, message: str) -> None:
    with pytest.raises(SlackError) as caught:
        check_view(view, "modal")
    assert caught.value.name == "invalid_arguments"
    assert f"[ERROR] {message}" in caught.value.body()["response_metadata"]["messages"]


def test_a_view_may_hold_an_alert_and_no_more_than_its_weight() -> None:
    check_view(modal(blocks=[{"type": "alert", "text": words(), "level": "warning"}, ask()]), "modal")
    heavy = modal(blocks=[section(text=words(3000)) for _ in range(90)])
    with pytest.raises(SlackError, match="view_too_large"):
        check_view(heavy, "modal")
