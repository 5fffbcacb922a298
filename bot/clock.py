"""The only place that asks what time it is, and where names that must not repeat come from."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; a step reads it once and passes it on as `now`."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, for measuring how long something took."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class MovedClock:
    """A clock that stands still until it is moved: tests and drills fast-forward with it."""

    def __init__(self, start: datetime) -> None:
        self._now = aware(start)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def move(self, by: timedelta | None = None, *, to: datetime | None = None) -> datetime:
        """Move forward by a duration, or to a moment; returns the new now."""
        self._now = aware(to) if to is not None else self._now + (by or timedelta())
        return self._now


class Ids(Protocol):
    """Makes names that nobody can guess."""

    def nonce(self) -> str:
        """16 bytes as 32 hex digits: names one attempt or one row."""

    def secret(self) -> str:
        """256 random bits as 43 url-safe characters: the secret half of a token."""


class RandomIds:
    """Names from the operating system's randomness."""

    def nonce(self) -> str:
        return secrets.token_hex(16)

    def secret(self) -> str:
        return secrets.token_urlsafe(32)


class CountedIds:
    """Predictable names for tests: they count up."""

    def __init__(self) -> None:
        self._n = 0

    def nonce(self) -> str:
        self._n += 1
        return f"{self._n:032x}"

    def secret(self) -> str:
        self._n += 1
        return f"secret-{self._n:036d}"


def aware(moment: datetime) -> datetime:
    """The moment in UTC; raises ValueError for one without a zone (it would be a guess)."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is a guess: give it one")
    return moment.astimezone(UTC)
