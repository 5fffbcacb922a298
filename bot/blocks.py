"""Block Kit shapes within Slack's limits, and the escaping that keeps other people's text from pinging anyone: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Block = dict[str, Any]

MESSAGE_TEXT = 3900  # chat.update fails above 4000
SECTION_TEXT = 3000
FIELD_TEXT = 2000
HEADER_TEXT = 150
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
OPTION_TEXT = 75
CONTEXT_ELEMENTS = 10
MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_TITLE = 24
MODAL_METADATA = 3000


@dataclass(frozen=True)
class Message:
    """What to show: `text` says it all (notifications, screen readers), `blocks` say it well."""

    text: str
    blocks: list[Block] = field(default_factory=list)

    def want(self) -> dict[str, Any]:
        """As an outbox row keeps it."""
        return {"text": clip(self.text, MESSAGE_TEXT), "blocks": self.blocks[:MESSAGE_BLOCKS]}


def escape(text: str) -> str:
    """Make other people's text inert: no mention, link or group ping can come of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def typed(text: str) -> str:
    """What somebody typed: Slack hands it over with `&`, `<` and `>` escaped, and it is escaped again where it is shown."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, ending in an ellipsis where something was cut; never inside an `&amp;` or a `<...>`."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    cut = re.sub(r"&[a-z]{0,4}$", "", cut)
    opened = cut.rfind("<")
    if opened > cut.rfind(">"):
        cut = cut[:opened]
    return cut.rstrip() + "…"


def quote(text: str, limit: int = 500) -> str:
    """Someone's words as a block quote, escaped and clipped."""
    lines = clip(escape(text.strip()), limit).splitlines() or [""]
    return "\n".join(f"> {line}" for line in lines)


def mention(slack_id: str | None, name: str = "") -> str:
    """A mention by id; the plain name where there is no Slack account."""
    return f"<@{slack_id}>" if slack_id else (escape(name) or "nobody")


def channel_link(slack_id: str) -> str:
    return f"<#{slack_id}>"


def when(moment: datetime, style: str = "{date_short_pretty} at {time}") -> str:
    """A moment in the reader's own zone; the fallback is UTC."""
    return f"<!date^{int(moment.timestamp())}^{style}|{moment:%Y-%m-%d %H:%M} UTC>"


def clock_time(moment: datetime) -> str:
    """Only the time of day, in the reader's own zone."""
    return f"<!date^{int(moment.timestamp())}^{{time}}|{moment:%H:%M} UTC>"


def plain(text: str, limit: int = BUTTON_TEXT) -> dict[str, Any]:
    return {"type": "plain_text", "text": clip(text, limit), "emoji": True}


def mrkdwn(text: str, limit: int = SECTION_TEXT) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": clip(text, limit), "verbatim": True}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, HEADER_TEXT)}


def section(text: str, *, accessory: dict[str, Any] | None = None, fields: Sequence[str] = (), block_id: str = "") -> Block:
    block: Block = {"type": "section"}
    if text:
        block["text"] = mrkdwn(text)
    if fields:
        block["fields"] = [mrkdwn(words, FIELD_TEXT) for words in fields[:10]]
    if accessory:
        block["accessory"] = accessory
    if block_id:
        block["block_id"] = block_id
    return block


def context(*texts: str) -> Block:
    return {"type": "context", "elements": [mrkdwn(words) for words in texts[:CONTEXT_ELEMENTS] if words]}


def divider() -> Block:
    return {"type": "divider"}


def actions(*elements: dict[str, Any], block_id: str = "") -> Block:
    block: Block = {"type": "actions", "elements": [element for element in elements if element][:25]}
    if block_id:
        block["block_id"] = block_id
    return block


def button(text: str, action_id: str, value: str = "", *, style: str = "", url: str = "", confirm: dict[str, Any] | None = None, label: str = "") -> dict[str, Any]:
    """A button; `label` is read by screen readers where the text alone would not say enough."""
    element: dict[str, Any] = {"type": "button", "action_id": action_id, "text": plain(text)}
    if value:
        element["value"] = value
    if style:
        element["style"] = style
    if url:
        element["url"] = url
    if confirm:
        element["confirm"] = confirm
    if label:
        element["accessibility_label"] = clip(label, 75)
    return element


def confirm(title: str, text: str, yes: str, no: str = "Cancel", *, danger: bool = False) -> dict[str, Any]:
    dialog = {"title": plain(title, 100), "text": mrkdwn(text, 300), "confirm": plain(yes, 30), "deny": plain(no, 30)}
    return {**dialog, "style": "danger"} if danger else dialog


def option(text: str, value: str, description: str = "") -> dict[str, Any]:
    chosen: dict[str, Any] = {"text": plain(text, OPTION_TEXT), "value": value}
    if description:
        chosen["description"] = plain(description, OPTION_TEXT)
    return chosen


def overflow(action_id: str, options: Sequence[dict[str, Any]], *, confirm: dict[str, Any] | None = None) -> dict[str, Any]:
    element: dict[str, Any] = {"type": "overflow", "action_id": action_id, "options": list(options[:5])}
    if confirm:
        element["confirm"] = confirm
    return element


def feedback_buttons(action_id: str, good: str, bad: str, *, good_label: str, bad_label: str, block_id: str = "") -> Block:
    """Slack's own thumbs; `good` and `bad` are the values that travel back."""
    block: Block = {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": action_id,
                "positive_button": {"text": plain("Good"), "value": good, "accessibility_label": clip(good_label, 75)},
                "negative_button": {"text": plain("Bad"), "value": bad, "accessibility_label": clip(bad_label, 75)},
            }
        ],
    }
    if block_id:
        block["block_id"] = block_id
    return block


def text_input(action_id: str, *, multiline: bool = False, placeholder: str = "", initial: str = "", most: int = 3000) -> dict[str, Any]:
    element: dict[str, Any] = {"type": "plain_text_input", "action_id": action_id, "multiline": multiline, "max_length": most}
    if placeholder:
        element["placeholder"] = plain(placeholder, 150)
    if initial:
        element["initial_value"] = clip(initial, most)
    return element


def select(action_id: str, options: Sequence[dict[str, Any]], *, placeholder: str = "Choose", initial: str = "") -> dict[str, Any]:
    element: dict[str, Any] = {"type": "static_select", "action_id": action_id, "options": list(options[:100]), "placeholder": plain(placeholder, 150)}
    chosen = next((each for each in options if each["value"] == initial), None)
    if chosen:
        element["initial_option"] = chosen
    return element


def input_block(block_id: str, label: str, element: dict[str, Any], *, hint: str = "", optional: bool = False) -> Block:
    block: Block = {"type": "input", "block_id": block_id, "label": plain(label, 2000), "element": element, "optional": optional}
    if hint:
        block["hint"] = plain(hint, 2000)
    return block


def modal(title: str, blocks: Iterable[Block], *, callback_id: str, submit: str = "", close: str = "Cancel", metadata: str = "") -> dict[str, Any]:
    view: dict[str, Any] = {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain(title, VIEW_TITLE),
        "close": plain(close, VIEW_TITLE),
        "blocks": list(blocks)[:VIEW_BLOCKS],
        "private_metadata": metadata,
    }
    if submit:
        view["submit"] = plain(submit, VIEW_TITLE)
    return view
