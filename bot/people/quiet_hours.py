"""When Slack does not ring for somebody (do not disturb): as Slack last told it. It never keeps a call back, it adds routes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.calendars import zone_named
from bot.tables import Person

LONGEST = timedelta(days=14)  # a longer silence is no answer of Slack's: it is not believed


def take_quiet_hours(person: Person, status: Mapping[str, Any], now: datetime) -> None:
    """Write down what dnd.teamInfo, dnd.info or a dnd_updated_user event says: the present or next quiet time, or none."""
    since, until = _moment(status.get("next_dnd_start_ts")), _moment(status.get("next_dnd_end_ts"))
    snoozed = _moment(status.get("snooze_endtime")) if status.get("snooze_enabled") else None
    if snoozed is not None and snoozed > now:
        since, until = now, snoozed
    elif not status.get("dnd_enabled") or since is None or until is None or not timedelta() < until - since <= LONGEST:
        since = until = None
    person.quiet_from, person.quiet_until, person.quiet_known_at = since, until, now


def quiet_until(person: Person, now: datetime) -> datetime | None:
    """Until when Slack does not ring for them, where it does not ring now; None where it rings, or nobody knows."""
    if person.quiet_from is None or person.quiet_until is None:
        return None
    return person.quiet_until if person.quiet_from <= now < person.quiet_until else None


def quiet_words(person: Person) -> str:
    """`22:00-08:00` in their own zone, where their quiet hours look like a daily plan and not like a pause of today."""
    if person.quiet_from is None or person.quiet_until is None or person.quiet_until - person.quiet_from >= timedelta(days=1):
        return ""
    zone = zone_named(person.zone or "UTC")
    since, until = person.quiet_from.astimezone(zone), person.quiet_until.astimezone(zone)
    # Slack offers half hours for the plan, and a whole day that ends at 23:59; a pause begins at whatever moment it was pressed.
    planned = all(each.minute in (0, 30, 59) and each.second == 0 for each in (since, until))
    return f"{since:%H:%M}-{until:%H:%M}" if planned else ""


def has_wake_route(person: Person) -> bool:
    """Whether anything but Slack reaches them."""
    return any(person.addresses.get(route) for route in person.wake)


def _moment(seconds: Any) -> datetime | None:
    """Slack's seconds; 1 and 0 mean that there is none."""
    try:
        number = int(seconds)
        return datetime.fromtimestamp(number, UTC) if number > 1 else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None
