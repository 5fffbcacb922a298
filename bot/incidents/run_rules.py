"""Who is reminded of what in a running incident, and when it is looked at next: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum

NAG_EVERY = timedelta(minutes=30)  # from the assignee to the lead, from the lead to the business owner
ROLES_EVERY = timedelta(minutes=15)  # while nobody leads, and the first time
ROLES_AGAIN = timedelta(hours=4)  # where only a smaller role is empty
STATUS_AGAIN = timedelta(minutes=30)  # an unanswered request for a status update is repeated
RESTS = timedelta(hours=12)  # everybody was reminded: the business owner hears of it twice a day


class Nag(IntEnum):
    """Who is reminded of a step now."""

    NOBODY = 0
    ASSIGNEE = 1
    LEAD = 2
    BUSINESS = 3


def next_nag(now: datetime, due: datetime | None, nags: int, nagged_at: datetime | None) -> Nag:
    """First whoever has it, half an hour later the lead, then the business owner, and they again twice a day."""
    if due is None or now < _nag_due(due, nags, nagged_at):
        return Nag.NOBODY
    return Nag(min(nags + 1, Nag.BUSINESS))


def next_look(
    now: datetime,
    dues: Sequence[tuple[datetime, int, datetime | None]],
    status_every: timedelta | None,
    status_at: datetime,
    status_asked_at: datetime | None,
    roles_at: datetime | None,
) -> datetime | None:
    """The first moment at which anything may be due; a step that waits for another is looked at in five minutes."""
    moments = [max(_nag_due(*each), now + timedelta(minutes=5)) if _nag_due(*each) <= now else _nag_due(*each) for each in dues]
    if status_every is not None:
        due = status_at + status_every
        moments.append(due if status_asked_at is None else max(due, status_asked_at + STATUS_AGAIN))
    if roles_at is not None:
        moments.append(roles_at)
    return min(moments, default=None)


def roles_due(empty: Sequence[str], opened_at: datetime, asked_at: datetime | None) -> datetime | None:
    """When the empty roles are asked about next; None where all are somebody's."""
    if not empty:
        return None
    return opened_at + ROLES_EVERY if asked_at is None else asked_at + (ROLES_EVERY if "lead" in empty else ROLES_AGAIN)


def _nag_due(due: datetime, nags: int, nagged_at: datetime | None) -> datetime:
    if nagged_at is None:
        return due
    return nagged_at + (NAG_EVERY if nags < Nag.BUSINESS else RESTS)
