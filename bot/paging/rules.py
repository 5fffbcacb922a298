"""What a finding is, which problem calls whom, and whether a call arrived: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

from bot.calendars import at_local, zone_named
from bot.people.spans import parse_length, parse_moment

CONFIRM_WITHIN = timedelta(seconds=60)  # then the person's next route is used
TEST_LASTS = timedelta(minutes=30)  # a test page nobody acknowledged ends by itself
RANK = {"notice": 0, "page": 1}
ACK_LASTS = timedelta(hours=4)  # then calling begins again, unless they say that they are still on it
WARN_BEFORE = timedelta(minutes=15)
EVENING, MORNING = time(22), time(8)  # the night of the one who acknowledged, in their own zone
LATER = time(9)  # "until 09:00 my time"
SNOOZES = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "4h": timedelta(hours=4), "8h": timedelta(hours=8)}
UNTIL_LATER = "09:00"
SHORTEST_SNOOZE, LONGEST_SNOOZE = SNOOZES["15m"], SNOOZES["8h"]
ONE_PRESS = timedelta(seconds=10)  # of two people who escalate by words so close together, one calls the next rung
GATHER = timedelta(seconds=60)  # further problems of the same owner join a page this young
FREE_AFTER = timedelta(minutes=2)  # what was taken down has this long to recover once its root is well
# Flapping begins and ends by different measures, so that it does not flap itself (Nagios Core, "Detection and handling
# of state flapping", has two thresholds for the same reason): it begins with the third opening within 30 minutes, the
# first two of which called people, and ends once the check has been the same, well or failing, for 15 minutes.
FLAPS = 3
FLAPS_WITHIN = timedelta(minutes=30)
STEADY = timedelta(minutes=15)


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
    """What a further problem does to the page that it joins."""

    QUIETLY = "quietly"  # it is written on the page; those called already know there is trouble
    CALLING = "calling"  # it is worse than what they know: people are called again


def how_it_joins(page_severity: str, severity: str, *, acknowledged: bool = False, new_agent: bool = False) -> Joins:
    """A further problem calls again if it is more severe; where somebody has the page also if it is of another agent.

    Where nobody has it yet people are being called anyway, and one agent more is no second call.
    """
    worse = RANK.get(severity, 0) > RANK.get(page_severity, 0)
    return Joins.CALLING if worse or (acknowledged and new_agent) else Joins.QUIETLY


def may_gather(page_opened: datetime, now: datetime) -> bool:
    """Whether another agent's problem still joins a page; a clock set back does not close it."""
    return now - page_opened < GATHER


def is_flapping(openings: Sequence[datetime], now: datetime) -> bool:
    """Whether a check comes and goes: it opened its problem 3 times within 30 minutes, this time included."""
    return sum(now - FLAPS_WITHIN < each <= now for each in openings) >= FLAPS


class Flap(StrEnum):
    """What becomes of a problem that is held open because it comes and goes."""

    WAITS = "waits"
    CLOSES = "closes"  # it has been well for long enough
    FAILS = "fails"  # it has failed for long enough: an ordinary problem again


def how_it_settles(*, well: bool, steady_at: datetime, now: datetime) -> Flap:
    """Judge a flapping problem that has been well, or failing, until `steady_at` without a change."""
    if now < steady_at:
        return Flap.WAITS
    return Flap.CLOSES if well else Flap.FAILS


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


def routes_at_once(routes: Sequence[str], *, quiet: bool) -> list[str]:
    """The first way; where Slack does not ring for them now (`quiet`), every other way with it."""
    return list(routes) if quiet and routes[:1] == ["slack"] else list(routes[:1])


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


def snooze_in_words(words: str, now: datetime, zone: str) -> datetime | None:
    """The end that somebody wrote: `2h`, `for 90m`, `until 09:00`, `09:00 my time`; None for what is no end, or none within the same bounds."""
    said = " ".join(words.lower().replace(",", " ").split()).rstrip(" .").removesuffix("my time").rstrip()
    until = re.fullmatch(r"(?:(?:until|till) )?(.*\d:\d\d)", said)
    if until is None:
        length = parse_length(said.removeprefix("for "))
        return now + length if length is not None and SHORTEST_SNOOZE <= length <= LONGEST_SNOOZE else None
    end = parse_moment(until[1], now, zone)
    return end if end is not None and now < end <= now + timedelta(days=1, hours=1) else None  # an hour: where clocks are set back
