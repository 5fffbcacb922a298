"""Which stage allows an agent more than which: pure."""

from __future__ import annotations

FREEDOM = ("retired", "suspended", "shadow", "assisted", "autonomous")  # from nothing to everything


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
