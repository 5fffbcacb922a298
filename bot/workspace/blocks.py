"""Checks blocks and views as Slack does; first shape."""

from typing import Any

from bot.workspace.errors import invalid_blocks
from bot.workspace.things import Doc

INTERACTIVE = ("element", "accessory")


def check_blocks(blocks: Any, surface: str, *, charts: bool = True) -> list[Doc]:
    if not isinstance(blocks, list):
        raise invalid_blocks(["must provide an array [json-pointer:/blocks]"], "invalid_blocks_format")
    if len(blocks) > (50 if surface == "message" else 100):
        raise invalid_blocks(["no more than 50 items allowed [json-pointer:/blocks]"])
    return [{"block_id": f"b{number}", **block} for number, block in enumerate(blocks)]


def check_view(view: Any, kind: str, *, charts: bool = True) -> Doc:
    return {**view, "blocks": check_blocks(view["blocks"], kind)}
