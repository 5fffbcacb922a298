"""Which message goes first and when a failed one is tried again: pure."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum


class Priority(IntEnum):
    """Lower goes first. Calls wake people; edits share a budget, pages before incidents before rating counts."""

    CALL = 0
    PAGE = 10
    INCIDENT = 20
    ANSWER = 30
    DIGEST = 40
    OUTPUT = 50
    COUNT = 60


POST_EVERY = timedelta(seconds=1)  # per channel
EDITS_PER_MINUTE = 45  # chat.update is tier 3 (50 a minute); the rest is kept for corrections
LOOK_UP_AFTER = (timedelta(seconds=10), timedelta(seconds=30))  # an attempt of unknown outcome
LEASE = timedelta(seconds=20)


def wait_after(tries: int) -> timedelta:
    """How long to wait after the `tries`-th failure in a row: 1 s doubling to at most 5 minutes."""
    return timedelta(seconds=min(2 ** max(tries - 1, 0), 300))
