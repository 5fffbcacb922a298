"""When the next rung of a ladder is due: pure. A ladder never ends by itself; after its last rung a new round begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

REST = timedelta(minutes=30)  # from the last rung to the next round
LATE = timedelta(minutes=1)  # a rung later than this keeps its distance to the next one


@dataclass(frozen=True)
class Step:
    """One rung: whom to call, and how long after the start of the round."""

    call: str
    after: timedelta = timedelta(0)


@dataclass(frozen=True)
class Place:
    """Where a climb stands: the rung that comes next, in which round, and when that round began."""

    rung: int
    round: int
    round_at: datetime


@dataclass(frozen=True)
class NextCall:
    """Who is called next if nobody answers, and when."""

    names: str
    words: str
    at: datetime
    round: int


ALONE = (Step("operations_owner"),)  # the ladder of those who name none


def in_order(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The rungs by time; an empty ladder is the operations owner alone, so that no climb is ever without a rung."""
    return tuple(sorted(steps, key=lambda step: step.after)) or ALONE


def begin(now: datetime) -> Place:
    """The foot of the ladder."""
    return Place(rung=0, round=1, round_at=now)


def due(steps: Sequence[Step], place: Place) -> datetime:
    """When the next rung is called."""
    return place.round_at + steps[place.rung].after


def after_calling(steps: Sequence[Step], place: Place, last: int, now: datetime) -> Place:
    """Where the climb stands once the rungs up to `last` were called at `now`.

    Where the call came late (the machine slept, the clock jumped) the round is moved along with it: the next person
    is called as long after this one as the ladder says, not at once. Rungs are late then, never lost.
    """
    late = now - due(steps, place)
    round_at = place.round_at + late if late > LATE else place.round_at
    if last + 1 < len(steps):
        return Place(last + 1, place.round, round_at)
    # A new round: 30 minutes after the last rung was due, or after now where empty rungs were passed over early.
    ended = max(round_at + steps[place.rung].after, now)
    return Place(0, place.round + 1, ended + REST - steps[0].after)


def clock_went_back(steps: Sequence[Step], place: Place, now: datetime) -> bool:
    """Whether the next call is further away than it can ever be: the clock was set back, and waiting would lose it."""
    if place.rung > 0:
        return place.round_at > now + LATE
    longest = steps[0].after + (REST if place.round > 1 else timedelta(0))
    return due(steps, place) > now + longest + LATE


def set_back(steps: Sequence[Step], place: Place, now: datetime) -> Place:
    """The same place with a round that fits the clock as it is now: the call before counts as made just now."""
    if place.rung > 0:
        return Place(place.rung, place.round, now - steps[place.rung - 1].after)
    return Place(0, place.round, now + REST - steps[0].after if place.round > 1 else now)
