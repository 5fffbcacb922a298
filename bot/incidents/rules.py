"""When an incident may close, and what a step's press means: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


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
