"""Reading what people write after `/aiops silence` and `/aiops maintenance`: pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from bot.calendars import WEEKDAYS, at_local, check_cron, zone_named
from bot.people.spans import parse_moment
from bot.quiet import rules
from bot.quiet.rules import Scope

_NAMED = re.compile(r"""(?<!\S)(agent|department|check|kind|severity|cron|zone):\s?("[^"]*"|“[^”]*”|'[^']*'|`[^`]*`|\S+)""", re.IGNORECASE)
_UNTIL = ("until", "till")
HOW_SILENCE = "Write `/aiops silence support-triage nightly 2h waiting for the vendor`: an agent, a check where only one is meant, how long (or `until tomorrow 9:00`), and why."
HOW_MAINTENANCE = "Write `/aiops maintenance support-triage tonight 22:00 2h the index is rebuilt`: an agent, from when, how long, and what is done."


class Unclear(ValueError):
    """The words cannot be understood; the text says what is missing, and how to write it."""


@dataclass(frozen=True)
class Asked:
    """A silence or a window, as asked for."""

    scope: Scope
    lasts: timedelta
    reason: str
    starts_at: datetime | None = None  # of a single window
    cron: str | None = None
    zone: str = "UTC"


def read_silence(words: str, checks_of: Callable[[Scope], Collection[str]], now: datetime, zone: str) -> Asked:
    """`[agent] [check] [length, or until when in `zone`] why`, with `department:`, `check:`, `kind:` and `severity:` anywhere before the reason.

    `checks_of` names the checks of the agents meant, and may find that there are none. Raises Unclear.
    """
    named, rest = _named(words)
    scope, rest = _scope(named, rest, HOW_SILENCE)
    if scope.check is None and rest and rest[0].lower() not in ("for", *_UNTIL) and rules.length_of(rest[0]) is None:
        known = checks_of(scope)
        first = rest[0].strip("`").lower()
        if first in known or (rules.is_pattern(first) and not rules.check_mistake(first)):
            scope, rest = replace(scope, check=first), rest[1:]
        elif _tells_time(rest[1:], now, zone):
            raise Unclear(f"There is no check called {first} there. {_known(known)}")
    length, rest = _how_long(rest, now, zone)
    if mistake := rules.length_mistake(length, rules.LONGEST):
        raise Unclear(mistake)
    return Asked(scope, length, _reason(rest, "Say in a few words why it is silenced: whoever finds it later will ask.", HOW_SILENCE))


def read_maintenance(words: str, now: datetime, zone: str) -> Asked:
    """`agent [from] start length what`, or `agent cron:"0 22 * * sun" length what`; times in `zone`, or the one named. Raises Unclear."""
    named, rest = _named(words)
    scope, rest = _scope(named, rest, HOW_MAINTENANCE)
    zone = named.get("zone", zone)
    try:
        zone_named(zone)
        if "cron" in named:
            check_cron(named["cron"])
    except ValueError as error:
        raise Unclear(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    starts_at = None
    if "cron" not in named:
        starts_at, rest = _start(rest, now, zone)
    if rest and rest[0].lower() == "for":
        rest = rest[1:]
    length, rest = _length(rest, None, HOW_MAINTENANCE)
    reason = _reason(rest, "Say in a few words what is done.", HOW_MAINTENANCE)
    return _window(Asked(scope, length, reason, starts_at, named.get("cron"), zone), now)


def _window(asked: Asked, now: datetime) -> Asked:
    found = window_mistakes(asked, now)
    if found:
        raise Unclear(next(iter(found.values())))
    return asked


def window_mistakes(asked: Asked, now: datetime) -> dict[str, str]:
    """What is wrong with a window, by the form's field."""
    found: dict[str, str] = {}
    mistake = rules.length_mistake(asked.lasts, rules.LONGEST_WINDOW)
    if not mistake and asked.cron is not None:
        mistake = rules.overlap_mistake(asked.cron, asked.zone, asked.lasts, now)
    if mistake:
        found["lasts"] = mistake
    elif asked.starts_at is not None and asked.starts_at + asked.lasts <= now:
        found["at"] = "That is over already: choose a time to come."
    if asked.starts_at is not None and asked.starts_at > now + rules.FAR:
        found["at"] = "Choose a day within a year from now."
    return found


def _named(words: str) -> tuple[dict[str, str], list[str]]:
    named: dict[str, str] = {}

    def take(found: re.Match[str]) -> str:
        named[found[1].lower()] = " ".join(found[2].strip("\"'`“”").split())
        return " "

    return named, _NAMED.sub(take, words).split()


def _scope(named: dict[str, str], rest: list[str], how: str) -> tuple[Scope, list[str]]:
    agent = named.get("agent")
    if agent is None and "department" not in named and rest:
        agent, rest = rest[0], rest[1:]
    if agent is None and not named.keys() & {"department", "check", "kind", "severity"}:
        raise Unclear(how)
    agent = (agent or "*").strip("`").lower()
    agent = "*" if agent in ("all", "everything") else agent
    check = named.get("check", "").lower() or None
    severity = named.get("severity", "").lower() or None
    mistake = rules.agent_mistake(agent) or (rules.check_mistake(check) if check else "")
    if severity not in (None, "page", "notice"):
        mistake = "A severity is page or notice."
    if mistake:
        raise Unclear(f"{mistake} {how}")
    return Scope(agent, named.get("department") or None, check, named.get("kind", "").lower() or None, severity), rest


def _tells_time(rest: list[str], now: datetime, zone: str) -> bool:
    """Whether they begin with a length or a moment, so that the word before them was meant as a check."""
    try:
        return bool(rest) and (rules.length_of(rest[0]) is not None or rest[0].lower() in ("for", *_UNTIL)) and bool(_how_long(rest, now, zone))
    except Unclear:
        return False


def _how_long(rest: list[str], now: datetime, zone: str) -> tuple[timedelta, list[str]]:
    """`2h`, `for 2h`, `until 9:00`, `until tomorrow 9:00`; the usual length where none is written."""
    first = rest[0].lower() if rest else ""
    if first == "for":
        return _length(rest[1:], None, HOW_SILENCE)
    if first not in _UNTIL:
        return _length(rest, rules.USUAL, HOW_SILENCE)
    for count in range(5, 1, -1):  # the most words that mean a moment: a shorter reading would take its day for the reason
        said = rest[1:count]
        swapped = f"{said[1]} {said[0]}" if len(said) == 2 and clock_of(said[0]) else ""  # `9:00 tomorrow`
        until = parse_moment(" ".join(said), now, zone) or (parse_moment(swapped, now, zone) if swapped else None)
        if until is not None:
            left = rest[count:]
            return until - now, left[2:] if [word.lower() for word in left[:2]] == ["my", "time"] else left
    raise Unclear(f"I did not understand until when. Write `until 9:00`, `until tomorrow 9:00` or `until 2026-12-03 18:00`, in your own time, and then why. {HOW_SILENCE}")


def _length(rest: list[str], usual: timedelta | None, how: str) -> tuple[timedelta, list[str]]:
    length = rules.length_of(rest[0]) if rest else None
    if length is not None:
        return length, rest[1:]
    if usual is None:
        raise Unclear(f"{rules.length_mistake(None, rules.LONGEST)} {how}")
    return usual, rest


def _reason(rest: list[str], missing: str, how: str) -> str:
    reason = " ".join(rest).strip("\"“”' ")[: rules.REASON]
    if not reason:
        raise Unclear(f"{missing} {how}")
    return reason


def _start(rest: list[str], now: datetime, zone: str) -> tuple[datetime, list[str]]:
    """`now`, `22:00`, `tonight 22:00`, `tomorrow 06:30`, `sunday 22:00`, `2026-12-24 22:00`."""
    if rest and rest[0].lower() == "from":
        rest = rest[1:]
    if rest and rest[0].lower() == "now":
        return now, rest[1:]
    today = now.astimezone(zone_named(zone)).date()
    first = rest[0].lower() if rest else ""
    day = _day(first, today)
    if day is not None:
        rest = rest[1:]
    if rest and rest[0].lower() == "at":
        rest = rest[1:]
    at = clock_of(rest[0]) if rest else None
    if at is None:
        raise Unclear(f"Say from when: now, 22:00, tonight 22:00, tomorrow 06:30, sunday 22:00 or 2026-12-24 22:00. {HOW_MAINTENANCE}")
    if day is not None:
        if first == "tonight" and at < time(12):
            day += timedelta(days=1)  # the small hours that belong to this night
        return at_local(day, at, zone), rest[1:]
    moment = at_local(today, at, zone)
    return moment if moment > now else at_local(today + timedelta(days=1), at, zone), rest[1:]


def _day(word: str, today: date) -> date | None:
    if word in ("today", "tonight", "tomorrow"):
        return today + timedelta(days=word == "tomorrow")
    if len(word) >= 3 and word[:3] in WEEKDAYS and word.isalpha():
        return today + timedelta(days=(WEEKDAYS.index(word[:3]) - today.weekday() - 1) % 7 + 1)
    try:
        return date.fromisoformat(word) if re.fullmatch(r"\d{4}-\d\d-\d\d", word) else None
    except ValueError:
        return None


def clock_of(word: str) -> time | None:
    """`22:00` or `6:30`."""
    matched = re.fullmatch(r"(\d{1,2}):(\d\d)", word)
    if not matched or int(matched[1]) > 23 or int(matched[2]) > 59:
        return None
    return time(int(matched[1]), int(matched[2]))


def _known(checks: Collection[str]) -> str:
    shown = sorted(checks)[:10]
    if not shown:
        return "No check is promised there."
    return "There are " + ", ".join(f"`{name}`" for name in shown) + (f" and {len(checks) - 10} more." if len(checks) > 10 else ".")
