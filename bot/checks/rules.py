"""When a check's findings change how it stands: pure. One look may be wrong; a promise says how many must agree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.paging.rules import State


@dataclass(frozen=True)
class Standing:
    """How a check stands: its state since when, and how many looks in a row said otherwise or the same."""

    state: str  # new, ok, failing, unknown
    fails: int = 0
    passes: int = 0
    since: datetime | None = None


class Move(StrEnum):
    """What a look changed."""

    STAYS = "stays"
    FAILS = "fails"  # a problem opens
    FAILS_STILL = "fails still"  # the open problem may have new numbers
    RECOVERS = "recovers"  # the problem closes
    SETTLES = "settles"  # it changed, and no problem opens or closes: new to ok, ok to unknown


def stand(standing: Standing, found: State, *, after: int, well_after: int, now: datetime) -> tuple[Standing, Move]:
    """The next standing. `after` failing looks in a row open a problem, `well_after` good ones close it."""
    if found is State.SAME:
        return standing, Move.STAYS
    if found is State.UNKNOWN:
        # Missing facts prove nothing: a problem that is open stays open, and "no data" is never shown as good.
        if standing.state == "failing":
            return replace(standing, passes=0), Move.STAYS
        moved = Standing("unknown", 0, 0, standing.since if standing.state == "unknown" else now)
        return moved, Move.STAYS if standing.state == "unknown" else Move.SETTLES
    if found is State.FAILING:
        fails = standing.fails + 1
        if standing.state == "failing":
            return replace(standing, fails=fails, passes=0), Move.FAILS_STILL
        if fails >= after:
            return Standing("failing", fails, 0, now), Move.FAILS
        return replace(standing, fails=fails, passes=0), Move.STAYS
    passes = standing.passes + 1
    if standing.state == "failing":
        if passes >= well_after:
            return Standing("ok", 0, passes, now), Move.RECOVERS
        return replace(standing, passes=passes, fails=0), Move.STAYS
    if standing.state == "ok":
        return replace(standing, passes=passes, fails=0), Move.STAYS
    return Standing("ok", 0, passes, now), Move.SETTLES
