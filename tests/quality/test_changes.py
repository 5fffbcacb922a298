"""What changed, told once: announced or first seen in use."""

from __future__ import annotations

from datetime import timedelta

from bot.clock import MovedClock
from bot.db import Database
from bot.quality.changes import changes_between, changes_of
from bot.tables import Agent, Change


def test_the_first_of_its_kind_is_no_change_and_what_was_announced_is_told_once(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    rows = [  # days ago, input, version, content
        (20, "model", "gpt-4o", "seen"),
        (20, "prompt", "greeting v1", "seen"),
        (9, "version", "v2", "digest"),  # announced long before its first use
        (5, "model", "gpt-5", "seen"),  # nobody announced it
        (4, "system-prompt", "v7", "digest"),
        (3, "version", "v1", "seen"),
        (2, "version", "v2", "seen"),
        (2, "prompt", "v7", "seen"),  # the announcement names the version
    ]
    with db.transaction() as tx:
        tx.add(Agent(slug="a", name="A", zone="UTC", spec={}, created_at=now))
        tx.flush()
        for number, (days, what, version, content) in enumerate(rows):
            at = now - timedelta(days=days) + timedelta(minutes=number)
            tx.add(Change(agent_id=1, ext_id=str(number), occurred_at=at, received_at=at, content=content, input=what, version=version))
    with db.reading() as tx:
        found = changes_between(tx, 1, now - timedelta(days=7), now)
        assert [each.words for each in found] == ["model gpt-5 (not announced)", "system-prompt v7", "version v2"]
        assert [each.words for each in changes_between(tx, 1, now - timedelta(days=30), now - timedelta(days=6))] == ["version v2"]
        assert changes_of(tx, [1, 2], now - timedelta(days=1), now) == {}
