"""What becomes of a letter after a try, and how long a place is left alone: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.routes.outcome import Kind, Outcome

FIRST, LONGEST = timedelta(seconds=5), timedelta(hours=1)
HOLD_LONGEST = timedelta(minutes=10)
UNTIL_STORED = timedelta(days=3)  # a trace that is not there by then will not come
PATIENCE = timedelta(days=30)  # with a place that is away, or shuts us out
POISON_TRIES = 10  # of a letter on which a place fails that takes others
LOCKED_OUT = timedelta(minutes=5)


class Fate(StrEnum):
    """Named in log and row alike."""

    TOLD = "told"
    AGAIN = "again"
    ASIDE = "aside"  # it will not be tried again until the vote changes


@dataclass(frozen=True)
class Next:
    """What to do with the letter, when again, and until when its place is left alone."""

    fate: Fate
    again_at: datetime | None = None
    hold_until: datetime | None = None
    why: str = ""


def decide(now: datetime, outcome: Outcome, *, tries: int, since: datetime, failures: int) -> Next:
    """After try number `tries` (1 is the first); `failures`: turns in a row in which the place answered nothing, this one included.

    A place that is away is left alone longer and longer; a letter on which it fails again and again while it takes
    others is poison, and steps aside. A trace that is not stored yet only makes its own letter wait.
    """
    if outcome.ok:
        return Next(Fate.TOLD)
    own = min(FIRST * 2 ** min(tries - 1, 12), LONGEST)
    waited = now - since
    match outcome.kind:
        case Kind.NO_PLACE:
            return Next(Fate.ASIDE, why="no_trace") if waited >= UNTIL_STORED else Next(Fate.AGAIN, now + own)
        case Kind.REFUSED | Kind.LAYOUT | Kind.NO_MESSAGE:
            return Next(Fate.ASIDE, why=outcome.error)
        case Kind.RATE_LIMITED:
            wait = timedelta(seconds=max(outcome.seconds, 1.0))
            return Next(Fate.AGAIN, now + wait, now + wait)
        case Kind.UNAUTHORISED:
            return Next(Fate.ASIDE, why=outcome.error) if waited >= PATIENCE else Next(Fate.AGAIN, now + LOCKED_OUT, now + LOCKED_OUT)
    if tries >= POISON_TRIES and failures <= 1:
        return Next(Fate.ASIDE, why=outcome.error)
    if waited >= PATIENCE:
        return Next(Fate.ASIDE, why=outcome.error)
    hold = min(FIRST * 2 ** min(failures - 1, 12), HOLD_LONGEST) if failures > 1 else None
    return Next(Fate.AGAIN, now + own, now + hold if hold else None)
