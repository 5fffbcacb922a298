"""Which stage allows an agent more than which, how long it has to confirm an order, and when its webhook is told again: pure."""

from __future__ import annotations

from datetime import timedelta

FREEDOM = ("retired", "suspended", "shadow", "assisted", "autonomous")  # from nothing to everything
CONFIRM_WITHIN = timedelta(minutes=2)
_AGAIN = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 10, 20, 30, 60, 120, 300, 600))  # then every 15 minutes
_SELDOM = timedelta(minutes=15)


def lowers(before: str, wanted: str) -> bool:
    """Whether the wanted stage allows less than the present one: only that may be ordered in a hurry."""
    return FREEDOM.index(wanted) < FREEDOM.index(before)


def back_to(before: str, wanted: str, known: str | None) -> str | None:
    """As far as the way back goes after an order: to the freest stage it was lowered from, and nowhere once it is there."""
    if wanted == "retired":
        return None
    freest = max((before, known or before), key=FREEDOM.index)
    return freest if lowers(freest, wanted) else None


def ways_back(stage: str, known: str | None) -> tuple[str, ...]:
    """The stages to which a lowered agent may return without new evidence, the most careful first.

    Nobody knows what one that was stopped from its first day may do: it begins in shadow.
    """
    if stage == "retired":
        return ()
    most = known or ("shadow" if stage == "suspended" else stage)
    return tuple(each for each in FREEDOM if each not in ("retired", "suspended") and lowers(each, stage) and not lowers(each, most))


def told_again_after(tries: int) -> timedelta:
    """How long after so many tries a webhook that did not answer well is told once more: for as long as the order stands."""
    return _AGAIN[tries - 1] if 0 < tries <= len(_AGAIN) else _SELDOM


def obeys(ordered: str, version: str | None, ran_as: str | None, ran_version: str | None) -> bool:
    """Whether a run shows that an order is obeyed: it names the stage, and the version where one was ordered."""
    if version is None:
        return ran_as == ordered
    return ran_version == version and ran_as in (None, ordered)
