"""Whose turn it is in a rotation, and from when to when: pure. Hand-overs happen at a local day and hour, whatever the clocks do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bot.agents.spec import RotationSpec
from bot.calendars import WEEKDAYS, at_local, zone_named


@dataclass(frozen=True)
class Rotation:
    """People in the order of their turns, and when these pass on."""

    people: tuple[str, ...]  # as the registry names them
    first: date  # the local day of the first hand-over
    at: time
    days: int
    zone: str


@dataclass(frozen=True)
class Turn:
    """One turn: whose (a place in the order) and from when to when."""

    index: int
    since: datetime
    until: datetime


def rotation_of(spec: RotationSpec, zone: str) -> Rotation:
    """The description as the turns need it; `zone` is the workspace's."""
    weekday, _, hour = spec.handover.rpartition(" ")
    ahead = (WEEKDAYS.index(weekday) - spec.starts.weekday()) % 7 if weekday else 0
    return Rotation(tuple(spec.people), spec.starts + timedelta(days=ahead), time.fromisoformat(hour), spec.days, spec.timezone or zone)


def turn_at(rotation: Rotation, now: datetime) -> Turn:
    """The turn that runs at this moment. Before the first one the first person has it: a rotation is never nobody's."""
    local = now.astimezone(zone_named(rotation.zone)).date()
    number = max((local - rotation.first).days // rotation.days, 0)
    while _begins(rotation, number + 1) <= now:
        number += 1
    while number > 0 and _begins(rotation, number) > now:
        number -= 1
    return _turn(rotation, number)


def _turn(rotation: Rotation, number: int) -> Turn:
    return Turn(number % max(len(rotation.people), 1), _begins(rotation, number), _begins(rotation, number + 1))


def _begins(rotation: Rotation, number: int) -> datetime:
    return at_local(rotation.first + timedelta(days=number * rotation.days), rotation.at, rotation.zone)
