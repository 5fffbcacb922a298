"""Putting what can be shown in the place of a chart: Slack's chart block, a picture, or words with a sparkline. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any

import orjson

from bot.blocks import Block, clip, escape, section
from bot.charts import block, words
from bot.charts.values import PLACE, Chart, charts_in


class Form(StrEnum):
    """How charts are shown, best first."""

    BLOCK = "block"  # Slack's own chart block
    FILE = "file"  # a picture uploaded to Slack
    LINK = "link"  # a picture that Slack fetches from us
    WORDS = "words"


Source = Callable[[str], dict[str, Any] | None]  # where the picture with this key is: part of an image block


def holds_chart(blocks: Iterable[Block]) -> bool:
    """Whether anything is to be dressed."""
    return any(each.get("type") == PLACE for each in blocks)


def key_of(place: Block) -> str:
    """The same for the same charts."""
    return hashlib.sha256(orjson.dumps(place["charts"], option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def drawn(blocks: Iterable[Block], native: bool) -> dict[str, list[Chart]]:
    """The pictures these blocks need, by key; where Slack's chart block may be used, only of charts it cannot show."""
    places = [each for each in blocks if each.get("type") == PLACE]
    own = _own(places) if native else {}
    return {key_of(each): charts_in(each) for number, each in enumerate(places) if number not in own}


def dress(blocks: Iterable[Block], native: bool, source: Source) -> list[Block]:
    """The blocks as Slack takes them; a chart without a picture becomes words."""
    given = list(blocks)
    own = _own([each for each in given if each.get("type") == PLACE]) if native else {}
    found: list[Block] = []
    number = 0
    for each in given:
        if each.get("type") != PLACE:
            found.append(each)
            continue
        found += own[number] if number in own else _shown(each, source)
        number += 1
    return found


def in_words(charts: Sequence[Chart]) -> Block:
    """Bars for the newest days, and the figures."""
    told = []
    for chart in charts[:8]:
        head = f"*{escape(clip(chart.name, 150))}*  {words.spark_of(chart)}  0% to 100%, day by day"
        changed = f"\nChanged: {escape(words.changes(chart.marks))}" if chart.marks else ""
        told.append(f"{head}\n{escape(words.trend(chart))} {escape(words.against(chart).capitalize())}.{changed}")
    return section(clip("\n".join(told), 2900))


def _own(places: Sequence[Block]) -> dict[int, list[Block]]:
    """The first places that Slack's chart block can show, at most two a message."""
    found: dict[int, list[Block]] = {}
    for number, each in enumerate(places):
        if len(each["charts"]) == 1 and len(found) < block.A_MESSAGE and (made := block.native(charts_in(each)[0])):
            found[number] = made
    return found


def _shown(each: Block, source: Source) -> list[Block]:
    charts = charts_in(each)
    where = source(key_of(each))
    if where is None:
        return [in_words(charts)]
    one = len(charts) == 1
    picture: Block = {"type": "image", **where, "alt_text": words.alt(charts[0]) if one else words.alt_of_many(charts)}
    if one:
        picture["title"] = {"type": "plain_text", "text": words.title(charts[0], 150), "emoji": True}
    return [picture]
