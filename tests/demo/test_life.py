"""The demo fleet: what a newcomer finds, at whatever hour they come."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.demo.life import last_morning


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 20, 6, 59, tzinfo=UTC), datetime(2026, 11, 19, 7, 0, tzinfo=UTC)),  # a Friday before nine in Beirut
        (datetime(2026, 11, 20, 7, 0, tzinfo=UTC), datetime(2026, 11, 20, 7, 0, tzinfo=UTC)),
        (datetime(2026, 11, 21, 4, 0, tzinfo=UTC), datetime(2026, 11, 20, 7, 0, tzinfo=UTC)),  # a Saturday
        (datetime(2026, 11, 23, 6, 0, tzinfo=UTC), datetime(2026, 11, 20, 7, 0, tzinfo=UTC)),  # early on a Monday
        (datetime(2026, 3, 30, 5, 0, tzinfo=UTC), datetime(2026, 3, 27, 7, 0, tzinfo=UTC)),  # across the change to summer time
        (datetime(2026, 3, 30, 6, 0, tzinfo=UTC), datetime(2026, 3, 30, 6, 0, tzinfo=UTC)),
    ],
)
def test_the_demo_shows_the_summary_of_the_last_working_morning_at_any_hour_and_day(now: datetime, due: datetime) -> None:
    assert last_morning(now) == due
