"""Two processes that say the same in one moment."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from bot.blocks import Message
from bot.db import Database
from bot.outbox import flows
from bot.tables import OutMessage


def test_two_processes_that_show_under_one_new_key_leave_one_row_with_the_later_words(db: Database) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has one writer: the second already sees the first one's row")
    now, written, other_waits = datetime(2026, 11, 20, 8, tzinfo=UTC), threading.Event(), threading.Event()

    def first() -> None:
        with db.transaction() as tx:
            flows.show(tx, now, key="k", to="C1", message=Message("one"))
            written.set()
            other_waits.wait(1)  # the other one's insert waits for this commit

    def second() -> None:
        written.wait(10)
        with db.transaction() as tx:
            assert flows.find(tx, "k") is None
            flows.show(tx, now, key="k", to="C1", message=Message("two"))

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with db.reading() as tx:
        rows = tx.scalars(select(OutMessage)).all()
        assert [(row.want["text"], row.want_rev) for row in rows] == [("two", 2)]
