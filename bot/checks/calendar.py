"""The workspace's working days and holidays, as the checks need them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from bot.agents.reading import workspace_of
from bot.calendars import parse_working_days


@dataclass(frozen=True)
class Calendar:
    """The working days and holidays of the workspace, read once a step."""

    working_days: frozenset[int]
    holidays: frozenset[date]


def calendar_of(tx: Session) -> Calendar:
    workspace = workspace_of(tx)
    return Calendar(parse_working_days(workspace.working_days), frozenset(workspace.holidays))
