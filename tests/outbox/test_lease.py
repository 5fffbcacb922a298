"""Three processes and one lease: one delivers, it keeps the lease while it works, and after it another goes on within seconds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.outbox.rules import Rhythm
from bot.tables import Lease
from tests.outbox.conftest import Post

POLL = timedelta(seconds=0.5)  # how often each process looks unasked


@pytest.fixture(autouse=True)
def _on_postgresql(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("one process holds a SQLite file, so there is nobody to take over")


def left(tx: Session) -> timedelta:
    """How long the lease still lasts, by the database's clock."""
    until, now = tx.execute(select(Lease.until, func.clock_timestamp())).one()
    return timedelta(seconds=(until - now).total_seconds())


def end_in(tx: Session, seconds: float) -> None:
    tx.execute(update(Lease).values(until=func.clock_timestamp() + timedelta(seconds=seconds)))


async def test_after_a_kill_another_of_three_may_deliver_within_five_seconds(post: Post) -> None:
    processes = [post.delivery, post.new_delivery(), post.new_delivery()]
    await post.call("call:1")
    for process in processes:
        await process.step(post.clock.now())
    assert post.dm() == ["wake up"], "one of three called, once"
    assert left_of(post) <= Rhythm().held_for
    assert Rhythm().held_for + POLL <= timedelta(seconds=4), "the rest of five seconds is for the call itself"
    await post.call("call:2", "wake up again")
    await post.write(lambda tx: end_in(tx, 60))  # the first is thought to be alive
    for process in processes[1:]:
        await process.step(post.clock.now())
    assert post.dm() == ["wake up"], "the others leave it to the one that delivers"
    await post.write(lambda tx: end_in(tx, 0))  # it was killed, and its lease has run out
    for process in processes[1:]:
        await process.step(post.clock.now())
    assert post.dm() == ["wake up", "wake up again"]


async def test_a_process_whose_every_place_is_taken_by_slow_calls_keeps_the_lease(post: Post) -> None:
    post.use(rhythm=replace(Rhythm.limitless(), at_once=1, patience=0.0))
    post.ws.faults.add("delay", method="chat.postMessage", delay=0.6)
    await post.call("call:1")
    await post.delivery.step(post.clock.now())
    await post.write(lambda tx: end_in(tx, 1))
    await post.delivery.step(post.clock.now())
    assert left_of(post) > timedelta(seconds=1.5)
    await asyncio.wait(post.delivery.under_way, timeout=10)  # the slow call: with no patience, settling would not wait for it
    await post.settle()
    assert post.dm() == ["wake up"]


def left_of(post: Post) -> timedelta:
    with post.db.reading() as tx:
        return left(tx)
