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


async def test_a_person_and_a_page_pass_work_that_is_held_up_where_the_database_lets_them(db: Database) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has one writer: everybody waits their turn")
    lanes, free = Lanes(db), threading.Event()
    done: list[str] = []

    def held() -> None:
        free.wait(20)
        done.append("held")

    asked: list[asyncio.Future[None]] = []
    for urgency in (Urgency.INTAKE, Urgency.FLOW, Urgency.PAGE):
        asked += [asyncio.ensure_future(lanes.run(held, urgency=urgency)) for _ in range(3)]
    try:
        for urgency in (Urgency.PRESS, Urgency.PRESS):
            await asyncio.wait_for(lanes.run(lambda: done.append("press"), urgency=urgency), 20)
        assert done == ["press", "press"]
        assert lanes.waiting() == 9 - 4
    finally:
        free.set()
    await asyncio.gather(*asked)
    await asyncio.to_thread(lanes.close)
    assert done.count("held") == 9


async def test_work_of_one_kind_is_done_in_its_order_and_finished_before_the_lanes_close(db: Database) -> None:
    lanes, free = Lanes(db), threading.Event()
    done: list[int] = []

    def work(n: int) -> None:
        free.wait(20)
        done.append(n)

    asked = [asyncio.ensure_future(lanes.run(lambda n=n: work(n))) for n in range(5)]  # type: ignore[misc]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(asyncio.to_thread(lanes.close))
    await asyncio.sleep(0)
    free.set()
    await asyncio.wait_for(closing, 20)
    await asyncio.gather(*asked)
    assert done == [0, 1, 2, 3, 4]
