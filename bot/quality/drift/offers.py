"""How many more outputs people could be asked to judge, so that a drop is noticed in time, and what stands in the way: pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from bot.agents.sampling import MOST_REVIEWS, Room, Sampling
from bot.quality.drift.watching import Reach


class Lacking(StrEnum):
    """Why not as many as it takes can be asked for."""

    NOTHING = ""
    ON_PURPOSE = "on purpose"  # the registry asks nobody
    TOO_MANY = "too many"  # for people at all
    NOBODY = "nobody"  # there is no reviewer
    REVIEWERS = "reviewers"  # they are asked as much as they may be
    OUTPUTS = "outputs"  # it makes too few


@dataclass(frozen=True)
class Offer:
    """A sample of `wanted` a day notices a drop within a week; `number` is what can be had of it, 0 where that is no more than now."""

    wanted: int
    number: int = 0
    lacking: Lacking = Lacking.NOTHING
    days: float | None = None  # until a drop is noticed with `number` a day
    room: Room = field(default_factory=Room)
    made: float = 0.0  # outputs that a day's draw finds


def offer_of(reach: Reach, sampling: Sampling, room: Room, made_a_day: float, working_days: int, outputs_until: Callable[[float], float]) -> Offer:
    """What to ask people for. Outputs are drawn on working days only, and settle on all seven; `outputs_until` tells how many judged ones it takes at a rate."""
    assert reach.needed is not None
    week = max(working_days, 1) / 7
    gap = max(reach.needed - round(reach.per_day), 1)
    wanted = sampling.per_day + -int(-gap / week // 1)
    made = made_a_day / week
    if sampling.registry == 0:
        return Offer(wanted, lacking=Lacking.ON_PURPOSE)
    if wanted > MOST_REVIEWS:
        return Offer(wanted, lacking=Lacking.TOO_MANY)
    if not room.people:
        return Offer(wanted, lacking=Lacking.NOBODY)
    had = min(int(room.outputs + 0.01), round(made))
    if had >= wanted:
        return Offer(wanted, wanted, room=room, made=made)
    lacking = Lacking.REVIEWERS if room.outputs <= made else Lacking.OUTPUTS
    if had <= sampling.per_day:
        return Offer(wanted, 0, lacking, room=room, made=made)
    rate = reach.per_day + (had - sampling.per_day) * week
    return Offer(wanted, had, lacking, outputs_until(rate) / rate, room, made)
