"""Checks messages' blocks and views against Slack's shapes and limits, and completes them as Slack does."""

import hashlib
import json
from typing import Any

from bot.workspace.block_elements import (
    IMAGE,
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    element,
    look_closer,
)
from bot.workspace.block_fields import Problems, Spec, array, boolean, by_type, one_of, plain, shape, string, text
from bot.workspace.block_rich import (
    DATA_TABLE,
    DATA_VISUALIZATION,
    RICH_TEXT,
    TABLE,
    check_chart,
    check_data_table,
)
from bot.workspace.errors import SlackError, invalid_blocks
from bot.workspace.things import Doc

MOST_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MARKDOWN_CHARACTERS = 12_000  # of all markdown blocks of a message together
BLOCKS_CHARACTERS = 13_200  # of a message with markdown blocks, everything counted
VIEW_BYTES = 250_000
EVERYWHERE = ("message", "modal", "home")
CONTEXT_PARTS: dict[str, Spec] = {
    "image": IMAGE, "plain_text": {"text!": string(3000), "emoji": boolean},
    "mrkdwn": {"text!": string(3000), "verbatim": boolean},
}
IMAGE_ELEMENT = element("image")
CARD: Spec = {
    "hero_image": IMAGE_ELEMENT, "icon": IMAGE_ELEMENT, "title": text(150), "subtitle": text(150),
    "body": text(200), "subtext": text(200), "actions": array(element("button"), 1, 3), "block_id": string(255),
}
BLOCKS: dict[str, Spec] = {
    "section": {
        "text": text(3000), "fields": array(text(2000), 1, 10), "accessory": element(*IN_SECTION), "expand": boolean,
    },
    "header": {"text!": plain(150)},
    "divider": {},
    "image": {**IMAGE, "title": plain(2000)},
    "context": {"elements!": array(by_type(CONTEXT_PARTS), 1, 10)},
    "actions": {"elements!": array(element(*IN_ACTIONS), 1, 25)},
    "context_actions": {"elements!": array(element(*IN_CONTEXT_ACTIONS), 1, 5)},
    "input": {
        "label!": plain(2000), "element!": element(*IN_INPUT), "dispatch_action": boolean, "hint": plain(2000),
        "optional": boolean,
    },
    "rich_text": RICH_TEXT,
    "markdown": {"text!": string(MARKDOWN_CHARACTERS)},
    "table": TABLE,
    "alert": {"text!": text(3000), "level": one_of("default", "info", "warning", "error", "success")},
    "card": CARD,
    "carousel": {"elements!": array(by_type({"card": CARD}), 1, 10)},
    "data_table": DATA_TABLE,
    "data_visualization": DATA_VISUALIZATION,
}
SURFACES: dict[str, tuple[str, ...]] = {
    "context_actions": ("message",), "markdown": ("message",), "table": ("message",), "alert": ("modal",),
    "card": ("message",), "carousel": ("message",), "data_table": ("message",), "data_visualization": ("message",),
}
MOST_OF_A_KIND = {"table": 1, "data_visualization": 2}
NEW_KINDS = ("data_table", "data_visualization")
MODAL: Spec = {
    "title!": plain(24), "submit": plain(24), "close": plain(24), "private_metadata": string(3000, 0),
    "callback_id": string(255, 0), "clear_on_close": boolean, "notify_on_close": boolean,
    "external_id": string(255, 0), "submit_disabled": boolean,
}
HOME: Spec = {
    "private_metadata": string(3000, 0), "callback_id": string(255, 0), "external_id": string(255, 0),
}


def check_blocks(blocks: Any, surface: str, *, charts: bool = True) -> list[Doc]:
    """The blocks of a message, completed; raises `invalid_blocks` with every problem found."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    problems = find_problems(blocks, surface, "/blocks", charts=charts)
    if problems:
        raise invalid_blocks(problems)
    if any(block["type"] == "markdown" for block in blocks) and every_character(blocks) > BLOCKS_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    return complete(blocks)


def check_view(view: Any, kind: str, *, charts: bool = True) -> Doc:
    """A modal or home, completed; raises `invalid_arguments` or `view_too_large`."""
    if not isinstance(view, dict):
        raise invalid_blocks(["must be an object [json-pointer:/view]"], "invalid_arguments")
    problems = Problems()
    spec = {**(MODAL if kind == "modal" else HOME), "blocks!": array(lambda p, v, a: None, 0, MOST_BLOCKS[kind])}
    shape(problems, view, "/view", spec, kind=kind)
    blocks = view.get("blocks")
    if isinstance(blocks, list) and len(blocks) <= MOST_BLOCKS[kind]:
        problems.extend(find_problems(blocks, kind, "/view/blocks", charts=charts))
        inputs = any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)
        if kind == "modal" and inputs and not view.get("submit"):
            problems.add("missing required field: submit", "/view")
        if json.dumps(blocks).count('"focus_on_load": true') > 1:
            problems.add("only one element may have focus_on_load", "/view/blocks")
    if problems:
        raise invalid_blocks(problems, "invalid_arguments")
    if len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_BYTES:
        raise SlackError("view_too_large")
    titles = {key: complete_part(view[key]) for key in ("title", "submit", "close") if view.get(key)}
    return {**view, **titles, "blocks": complete(view["blocks"])}


def find_problems(blocks: list[Any], surface: str, at: str, *, charts: bool = True) -> Problems:
    """Everything Slack would refuse in these blocks."""
    problems = Problems()
    if len(blocks) > MOST_BLOCKS[surface]:
        problems.add(f"no more than {MOST_BLOCKS[surface]} items allowed", at)
        return problems
    seen: set[str] = set()
    count: dict[str, int] = {}
    markdown = 0
    for position, block in enumerate(blocks):
        place = f"{at}/{position}"
        if not check_block(problems, block, surface, place, charts):
            continue
        kind = block["type"]
        count[kind] = count.get(kind, 0) + 1
        if count[kind] > MOST_OF_A_KIND.get(kind, 100):
            problems.add("only_one_table_allowed" if kind == "table" else f"too many {kind} blocks", place)
        markdown += len(block["text"]) if kind == "markdown" else 0
        if (block_id := block.get("block_id")) is not None:
            if block_id in seen:
                problems.add(f"block_id `{block_id}` already exists", f"{place}/block_id")
            seen.add(block_id)
    if markdown > MARKDOWN_CHARACTERS:
        problems.add(f"markdown blocks must be less than {MARKDOWN_CHARACTERS + 1} characters in all", at)
    return problems


def check_block(problems: Problems, block: Any, surface: str, at: str, charts: bool) -> bool:
    if not isinstance(block, dict):
        problems.add("must be an object", at)
        return False
    kind = block.get("type")
    if kind is None:
        problems.add("missing required field: type", at)
        return False
    if (
        not isinstance(kind, str) or kind not in BLOCKS or surface not in SURFACES.get(kind, EVERYWHERE)
        or (kind in NEW_KINDS and not charts)
    ):
        problems.add(f"unsupported type: {kind}", f"{at}/type")
        return False
    if not shape(problems, block, at, {**BLOCKS[kind], "block_id": string(255)}, kind=kind):
        return False
    before = len(problems)
    look_at_block(problems, block, at)
    return len(problems) == before


def look_at_block(problems: Problems, block: Doc, at: str) -> None:
    """What a table of fields cannot say about a block."""
    kind = block["type"]
    if kind == "section" and not block.get("text") and not block.get("fields"):
        problems.add("missing required field: text or fields", at)
    elif kind == "image":
        look_closer(problems, block, at)
    elif kind == "data_table":
        check_data_table(problems, block, at)
    elif kind == "data_visualization":
        check_chart(problems, block, at)
    for position, card in enumerate([block] if kind == "card" else block["elements"] if kind == "carousel" else []):
        if not any(card.get(part) for part in ("hero_image", "title", "actions", "body")):
            problems.add("needs at least one of: hero_image, title, actions, body", f"{at}/elements/{position}")
    seen: set[str] = set()
    for position, inner in enumerate(block.get("elements") or []):
        action_id = inner.get("action_id")
        if action_id is not None and action_id in seen:
            problems.add(f"action_id `{action_id}` already exists", f"{at}/elements/{position}/action_id")
        seen.add(action_id)


def every_character(value: Any) -> int:
    if isinstance(value, dict):
        return sum(every_character(part) for key, part in value.items() if key != "type")
    if isinstance(value, list):
        return sum(every_character(part) for part in value)
    return len(value) if isinstance(value, str) else 0


# what Slack adds ----------------------------------------------------------------------------------------------
def complete(blocks: list[Doc]) -> list[Doc]:
    """Slack's own additions: a block_id and action_ids where there are none, `emoji` and `verbatim` of texts."""
    made = []
    for position, block in enumerate(blocks):
        full: Doc = complete_part(block, f"{position}")
        made.append({"type": full.pop("type"), "block_id": full.pop("block_id", None) or short(position, block), **full})
    return made


def short(position: int | str, thing: Any) -> str:
    """Five characters that stand for a place and what is there, the same each time."""
    return hashlib.sha256(f"{position}{json.dumps(thing, sort_keys=True)}".encode()).hexdigest()[:5]


def complete_part(part: Any, place: str = "") -> Any:
    if isinstance(part, list):
        return [complete_part(inner, f"{place}.{number}") for number, inner in enumerate(part)]
    if not isinstance(part, dict):
        return part
    full = {key: complete_part(inner, f"{place}.{key}") for key, inner in part.items() if inner is not None}
    kind = full.get("type")
    if kind == "plain_text":
        full.setdefault("emoji", True)
    elif kind == "mrkdwn":
        full.setdefault("verbatim", False)
    elif kind in INTERACTIVE and ("element" in place or "accessory" in place or "actions" in place):
        full.setdefault("action_id", short(place, part))
    return full


INTERACTIVE = frozenset((*IN_ACTIONS, *IN_INPUT, *IN_CONTEXT_ACTIONS))
