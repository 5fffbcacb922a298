"""Field types and wording that several kinds share: shares, counted windows, spans of time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from bot.agents.spec import Duration
from bot.paging.rules import State
from bot.quality.words import plural
from bot.stats import wilson

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=90)
DAY = timedelta(days=1)


def parse_share(value: Any) -> float:
    """`2%` or 0.02; raises ValueError with the remedy."""
    if isinstance(value, str) and (matched := re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%", value.strip())):
        share = float(matched[1]) / 100
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value)
    else:
        raise ValueError(f"{value!r} is not a share: write it as 2% or 0.02")
    if not 0 <= share < 1:
        raise ValueError(f"a share of {write_share(share)} can never be exceeded, so this check could never fail: write less than 100%, such as 2%" if share >= 1 else f"{value!r} is not a share: write it as 2% or 0.02")
    return share


def write_share(share: float) -> str:
    """`2%`, `3.9%`, `0.05%`."""
    value = share * 100
    return (f"{value:.1f}" if value >= 1 else f"{value:.2g}").removesuffix(".0") + "%"


def parse_latency(value: Any) -> timedelta:
    """`800ms 2s 5m 1h`; raises ValueError with the remedy."""
    if isinstance(value, timedelta):
        return value
    matched = re.fullmatch(r"(\d{1,6})(ms|s|m|h)", str(value).strip())
    if not matched:
        raise ValueError(f"{value!r} is not a length of time: write 800ms, 2s, 5m or 1h")
    span = int(matched[1]) * {"ms": timedelta(milliseconds=1), "s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}[matched[2]]
    if not span:
        raise ValueError("nothing takes no time at all, so this check would always fail: write 800ms, 2s, 5m or 1h")
    return span


def write_latency(span: timedelta) -> str:
    ms = span // timedelta(milliseconds=1)
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


def _counted(span: timedelta) -> timedelta:
    """Up to a day is read from 5-minute counters, more from the counters of whole days."""
    if not SHORTEST <= span <= LONGEST:
        raise ValueError("a window this long is not counted: write 5m to 24h, or whole days up to 90d")
    if span > DAY and span % DAY:
        raise ValueError("beyond a day only whole days are counted: write 2d, 7d or 30d")
    return span


def _days(span: timedelta) -> timedelta:
    if not DAY <= span <= LONGEST or span % DAY:
        raise ValueError("only whole days are counted: write 1d, 7d or 30d, up to 90d")
    return span


def _ever(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("nothing takes no time at all, so this check would always fail: write 30s, 10m or 2h")
    return span


def _some(span: timedelta) -> timedelta:
    if not timedelta(0) < span <= LONGEST:
        raise ValueError("this is never or for ever: write a duration up to 90d, such as 1d")
    return span


Share = Annotated[float, BeforeValidator(parse_share), PlainSerializer(write_share, return_type=str, when_used="json"), WithJsonSchema({"type": ["string", "number"], "pattern": r"^\d{1,2}(\.\d+)?%$", "minimum": 0, "exclusiveMaximum": 1})]
Latency = Annotated[timedelta, BeforeValidator(parse_latency), PlainSerializer(write_latency, return_type=str, when_used="json"), WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}(ms|s|m|h)$"})]
CountedWindow = Annotated[Duration, AfterValidator(_counted)]
Window = Annotated[Duration, AfterValidator(_some)]
Days = Annotated[Duration, AfterValidator(_days)]
Span = Annotated[Duration, AfterValidator(_ever)]


def span_words(span: timedelta) -> str:
    """`hour`, `30 minutes`, `7 days`: what stands after "the last"."""
    seconds = int(span.total_seconds())
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds and seconds % size == 0:
            return name if seconds == size else plural(seconds // size, name)
    return plural(seconds, "second")


def rough_words(span: timedelta) -> str:
    """An age as people say it: `9 hours`, `41 days`; rounded down."""
    seconds = max(int(span.total_seconds()), 0)
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size * 2 or (name != "minute" and seconds == size):
            return plural(seconds // size, name)
    return plural(seconds // 60, "minute")


def too_often(bad: int, n: int, at_most: float) -> State:
    """Whether more than the promised share is bad: failing only when even the lower end of the 90% interval is above it.

    The interval is Wilson's (see bot.stats.wilson), as for quality: one failure in twenty runs proves nothing about 2%.
    Between the two it is neither proven bad nor good again, so a problem that is open stays open.
    """
    if n <= 0 or bad / n <= at_most:
        return State.OK
    return State.FAILING if wilson(bad / n, n)[0] > at_most else State.SAME
