"""What a finding is, which problem calls whom, and whether a call arrived: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

from bot.calendars import at_local, zone_named

CONFIRM_WITHIN = timedelta(seconds=60)  # then the person's next route is used
TEST_LASTS = timedelta(minutes=30)  # a test page nobody acknowledged ends by itself
RANK = {"notice": 0, "page": 1}
ACK_LASTS = timedelta(hours=4)  # then calling begins again, unless they say that they are still on it
WARN_BEFORE = timedelta(minutes=15)
EVENING, MORNING = time(22), time(8)  # the night of the one who acknowledged, in their own zone
LATER = time(9)  # "until 09:00 my time"
SNOOZES = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "4h": timedelta(hours=4), "8h": timedelta(hours=8)}
UNTIL_LATER = "09:00"


class State(StrEnum):
    """What a look at a check found."""

    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"  # there are no facts to judge by
    SAME = "same"  # not enough, either way, to change what was found before


@dataclass(frozen=True)
class Finding:
    """The result of one look: in a few words (`title`), in a sentence with its numbers (`says`), and why we believe it."""

    state: State
    title: str
    says: str
    since: datetime | None = None  # when the failure began, as far as we know
    value: float | None = None
    threshold: float | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)  # label -> words, as people read them
    nothing: bool = False  # unknown because there is no fact at all, not because there are too few


class Joins(StrEnum):
    """What a further problem does to the page that is already open for its agent."""

    QUIETLY = "quietly"  # it is written on the page; those called already know there is trouble
    CALLING = "calling"  # it is more severe than all before: people are called again


def how_it_joins(page_severity: str, severity: str) -> Joins:
    """A further problem of the same agent calls again only if it is more severe."""
    return Joins.CALLING if RANK.get(severity, 0) > RANK.get(page_severity, 0) else Joins.QUIETLY


class Arrival(StrEnum):
    """How a call stands."""

    CONFIRMED = "confirmed"  # the outside has accepted it
    FAILED = "failed"  # it is known that it will not arrive this way
    LATE = "late"  # not confirmed in time
    WAITING = "waiting"


def how_it_arrived(*, shown: bool, given_up: bool, route_is_down: bool, confirm_by: datetime, now: datetime) -> Arrival:
    """Judge one call: accepted, known to fail (refused for good, or the bot was thrown out), late, or still waiting."""
    if shown:
        return Arrival.CONFIRMED
    if given_up or route_is_down:
        return Arrival.FAILED
    return Arrival.LATE if now >= confirm_by else Arrival.WAITING


def routes_of(slack_id: str | None, wake: Sequence[str], addresses: Mapping[str, object]) -> list[str]:
    """The ways to reach a person, in the order they are tried."""
    beyond = [route for route in wake if addresses.get(route)]
    return (["slack"] if slack_id else []) + beyond


def next_route(routes: Sequence[str], used: Sequence[str]) -> str | None:
    """The first way not tried yet; None when all were."""
    return next((route for route in routes if route not in used), None)


def ack_ends(since: datetime, zone: str) -> datetime:
    """When an acknowledgement expires: 4 hours later, or in the morning where that falls into their night."""
    end = since + ACK_LASTS
    local = end.astimezone(zone_named(zone))
    if MORNING <= local.time() < EVENING:
        return end
    return at_local(local.date() + timedelta(days=local.time() >= EVENING), MORNING, zone)


def ack_ends_worsened(since: datetime, until: datetime, now: datetime) -> datetime:
    """A further problem came: the end no longer waits for the morning, but always leaves time for the warning."""
    return min(until, max(since + ACK_LASTS, now + WARN_BEFORE))


def ack_due(since: datetime, until: datetime) -> datetime:
    """What comes first: the warning 15 minutes before the end; where it was too short for one, the end itself."""
    warning = until - WARN_BEFORE
    return warning if warning - since >= WARN_BEFORE else until


def snooze_ends(chosen: str, now: datetime, zone: str) -> datetime | None:
    """The end that somebody chose: a length, or the next 09:00 in their own zone; None for anything else."""
    if chosen in SNOOZES:
        return now + SNOOZES[chosen]
    if chosen != UNTIL_LATER:
        return None
    today = now.astimezone(zone_named(zone)).date()
    at = at_local(today, LATER, zone)
    return at if at > now else at_local(today + timedelta(days=1), LATER, zone)
