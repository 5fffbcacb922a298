from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.clock import MovedClock
from bot.db import Database
from bot.lanes import Lanes, Urgency
from bot.tables import Mark


async def test_two_transactions_that_wait_for_each_other_are_both_done(db: Database, clock: MovedClock) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has one writer: nobody waits for another")
    with db.transaction() as tx:
        tx.add_all([Mark(name="one", value={"n": 0}), Mark(name="two", value={"n": 0})])
    met = threading.Barrier(2)

    def crosswise(first: str, second: str) -> Callable[[Session], None]:
        tries = []

        def work(tx: Session) -> None:
            tries.append(first)
            for name in (first, second):
                mark = tx.scalars(select(Mark).where(Mark.name == name).with_for_update()).one()
                mark.value = {"n": mark.value["n"] + 1}
                tx.flush()
                if name == first and len(tries) == 1:
                    met.wait(timedelta(seconds=20).total_seconds())

        return work

    lanes = Lanes(db)
    try:
        await asyncio.gather(lanes.write(crosswise("one", "two"), urgency=Urgency.PRESS), lanes.write(crosswise("two", "one")))
    finally:
        await asyncio.to_thread(lanes.close)
    with db.reading() as tx:
        assert [mark.value["n"] for mark in tx.scalars(select(Mark).order_by(Mark.name))] == [2, 2]
