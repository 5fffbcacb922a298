"""When an incident may close, and what a step's press means: pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

RECURS_WITHIN = timedelta(days=90)
NUMBER = re.compile(r"^\d{1,12}([.,]\d{1,6})?$")
LINK = re.compile(r"<?(https?://[^\s<>|]+)(?:\|[^>]*)?>?")


@dataclass(frozen=True)
class Item:
    """One step of the checklist as it stands."""

    number: int
    words: str
    required: bool
    state: str  # open, done, waived


class Change(StrEnum):
    """What a press does to a step."""

    DONE = "done"
    WAIVED = "waived"
    REOPENED = "reopened"
    NOTHING = "nothing"  # it is so already: a second press changes nothing


def what_changes(state: str, wanted: str) -> Change:
    """From the step's state and the wanted one (done, waived, open)."""
    if state == wanted:
        return Change.NOTHING
    if wanted == "open":
        return Change.REOPENED
    return Change.DONE if wanted == "done" else Change.WAIVED


def still_open(items: Sequence[Item]) -> list[Item]:
    """The required steps that are neither done nor waived: while there is one, the incident does not close."""
    return [item for item in items if item.required and item.state == "open"]


def progress(items: Sequence[Item]) -> tuple[int, int]:
    """How many steps are settled, of how many."""
    return sum(item.state != "open" for item in items), len(items)


def comes_first(after: Collection[str], states: Mapping[str, str]) -> list[str]:
    """The keys of the steps that must be settled before this one, and are not."""
    return [key for key in after if states.get(key, "done") == "open"]


# --- closing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failing:
    """A check of the incident that fails still; `at_rest`: its agent is suspended or retired."""

    agent: str
    title: str
    since: datetime
    at_rest: bool = False
    well_at: datetime | None = None  # it comes and goes, and is well since then


@dataclass(frozen=True)
class Standing:
    """All that decides whether an incident may close."""

    items: tuple[Item, ...]
    failing: tuple[Failing, ...]
    follow_ups: int
    none_needed: bool
    failing_why: str = ""
    minutes_said: bool = False


@dataclass(frozen=True)
class Blocked:
    """Why it cannot close yet."""

    items: tuple[Item, ...]
    failing: tuple[Failing, ...]  # of agents that are at work
    follow_up: bool  # neither a follow-up nor a signed "none needed"

    def __bool__(self) -> bool:
        return bool(self.items or self.failing or self.follow_up)


def what_blocks(standing: Standing) -> Blocked:
    """What must be done before it may close at all."""
    return Blocked(
        tuple(still_open(standing.items)),
        tuple(each for each in standing.failing if not each.at_rest),
        standing.follow_ups == 0 and not standing.none_needed,
    )


def left_to_ask(standing: Standing) -> tuple[bool, bool]:
    """What the closing form still asks: the reason why it closes while a stopped agent's check fails, and the minutes."""
    return bool(standing.failing) and not standing.failing_why, not standing.minutes_said


def likely_minutes(moments: Sequence[datetime]) -> int:
    """What is prefilled for somebody: from their first to their last act, in fives, at least five.

    A pause of more than an hour counts for nothing: they did something else meanwhile.
    """
    ordered = sorted(moments)
    worked = sum(((b - a) for a, b in itertools.pairwise(ordered) if b - a <= timedelta(hours=1)), timedelta())
    fives = -(-int(worked.total_seconds()) // 300)
    return max(fives, 1) * 5


def recurs(now: datetime, before: datetime) -> bool:
    """Whether an incident that ended then is the same one again."""
    return now - before <= RECURS_WITHIN


# --- what is answered at a step --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Read:
    """What somebody gave for a step: the answer of its kind and further words; or what is wrong with it."""

    answer: str = ""
    note: str = ""
    wrong: str = ""


def read_given(kind: str, options: Sequence[str], words: str) -> Read:
    """Words typed after `done 5`, or a form's, as the step's kind wants them. People are looked up by the caller."""
    words = words.strip()
    first, _, rest = words.partition(" ")
    if kind == "choose":
        chosen = _option(options, words)
        return Read(chosen, words[len(chosen) :].strip(" :,.")) if chosen else Read(wrong=f"Choose one of: {', '.join(options)}.")
    if kind == "decision":
        if options and not (chosen := _option(options, words)):
            return Read(wrong=f"Begin with one of: {', '.join(options)}; then say why.")
        if options:
            why = words[len(chosen) :].strip(" :,.")
            return Read(chosen, why) if why else Read(wrong="Say why it was decided so.")
        return Read(words) if words else Read(wrong="Write the decision in a sentence.")
    if kind == "evidence":
        found = LINK.search(words)
        if found is None:
            return Read(wrong="Give a link that begins with https://.")
        return Read(found[1], (words[: found.start()] + words[found.end() :]).strip())
    if kind == "number":
        if not NUMBER.match(first):
            return Read(wrong="Give a number in digits, such as 12.")
        return Read(first.replace(",", "."), rest.strip())
    if kind == "person":
        return Read(first, rest.strip()) if first else Read(wrong="Name a person.")
    return Read("", words)


def _option(options: Sequence[str], words: str) -> str:
    """The longest option that the words begin with."""
    fitting = [each for each in options if words.lower().startswith(each.lower())]
    return max(fitting, key=len, default="")
