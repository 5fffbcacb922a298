"""Which stage allows an agent more than which: pure."""

from __future__ import annotations

FREEDOM = ("retired", "suspended", "shadow", "assisted", "autonomous")  # from nothing to everything


def lowers(before: str, wanted: str) -> bool:
    """Whether the wanted stage allows less than the present one: only that may be ordered in a hurry."""
    return FREEDOM.index(wanted) < FREEDOM.index(before)
