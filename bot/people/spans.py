"""Days and spans of time in people's words, in their own zone: pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from bot.calendars import WEEKDAYS, at_local, zone_named

_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"m": "minutes", "min": "minutes", "minute": "minutes", "h": "hours", "hour": "hours", "d": "days", "day": "days", "w": "weeks", "week": "weeks"}


def parse_day(words: str, today: date) -> date | None:
    """`2026-12-03`, `tomorrow`, a weekday (the next one), or `3 dec`; None for anything else."""
    if words in ("today", "tomorrow"):
        return today + timedelta(days=words == "tomorrow")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", words):
        try:
            return date.fromisoformat(words)
        except ValueError:
            return None
    if len(words) >= 3 and words[:3] in WEEKDAYS and _FULL[WEEKDAYS.index(words[:3])].startswith(words):
        return today + timedelta(days=(WEEKDAYS.index(words[:3]) - today.weekday() - 1) % 7 + 1)
    matched = re.fullmatch(r"(\d{1,2})\.? ([a-z]{3,9})", words)
    months = [each for each in range(1, 13) if matched and f"{date(2000, each, 1):%B}".lower().startswith(matched[2])]
    for year in (today.year, today.year + 1):
        try:
            found = date(year, months[0], int(matched[1])) if matched and months else None
        except ValueError:
            return None
        if found is not None and found >= today:
            return found
    return None


def parse_moment(words: str, now: datetime, zone: str) -> datetime | None:
    """`friday 18:00`, `tomorrow 9:00`, `18:00` (the next one), `friday` (its beginning), `2026-12-03 18:00`; None for anything else."""
    words = " ".join(words.lower().split())
    matched = re.fullmatch(r"(?:(.+?) )?(?:at )?(\d{1,2}):(\d\d)", words)
    today = now.astimezone(zone_named(zone)).date()
    try:
        at = time(int(matched[2]), int(matched[3])) if matched else time(0)
    except ValueError:
        return None
    if matched and not matched[1]:
        soon = at_local(today, at, zone)
        return soon if soon > now else at_local(today + timedelta(days=1), at, zone)
    day = parse_day(matched[1] if matched else words, today)
    try:
        return at_local(day, at, zone) if day is not None else None
    except OverflowError:
        return None


def parse_length(words: str) -> timedelta | None:
    """`8h`, `30 minutes`, `2 days`, `1w`; None for anything else."""
    matched = re.fullmatch(r"(\d{1,4}) ?([a-z]+)", " ".join(words.lower().split()))
    unit = _UNITS.get(matched[2]) or _UNITS.get(matched[2].removesuffix("s")) if matched else None
    return timedelta(**{unit: int(matched[1])}) if matched and unit and int(matched[1]) else None


def parse_span(words: str, now: datetime, zone: str) -> tuple[datetime, datetime | None] | None:
    """`from friday 18:00 until monday 9:00`, `until 18:00`, `for 8h`, `from tomorrow for 2 days`: begin and end (None: not said).

    None for words that mean no span of time.
    """
    words = " ".join(words.lower().split())
    matched = re.fullmatch(r"(?:from (?P<since>.+?))?(?: ?(?:until|till|to) (?P<until>.+?)| ?for (?P<length>.+?))?", words)
    if not matched:
        return None
    since = parse_moment(matched["since"], now, zone) if matched["since"] else now
    if since is None:
        return None
    if matched["length"]:
        length = parse_length(matched["length"])
        return (since, since + length) if length is not None else None
    if matched["until"]:
        until = parse_moment(matched["until"], max(since, now), zone)
        return (since, until) if until is not None else None
    return since, None


def from_epoch(seconds: object) -> datetime | None:
    """A time as Slack's date-time picker gives it; None for anything that is none."""
    text = str(seconds or "")
    return datetime.fromtimestamp(int(text), UTC) if text.isdigit() and len(text) <= 11 else None
