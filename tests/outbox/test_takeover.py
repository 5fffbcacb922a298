"""Two processes and one row: whoever was taken for dead may still write down its receipt."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from bot.tables import Lease
from tests.outbox.conftest import Post


def let_leases_run_out(tx: Session) -> None:
    for lease in tx.query(Lease):
        tx.execute(update(Lease).where(Lease.id == lease.id).values(until=lease.until - timedelta(minutes=5)))


async def settle_both(post: Post, *, seconds: float = 0) -> None:
    post.clock.move(timedelta(seconds=seconds))
    for delivery in post.made:
        while await delivery.step(post.clock.now()):
            pass


async def test_a_slow_process_that_lost_its_lease_still_keeps_its_receipt(post: Post) -> None:
    post.ws.faults.add("delay_after", method="chat.postMessage", delay=0.8)
    await post.call("call:1")
    slow = post.delivery
    assert await slow.step(post.clock.now())
    await post.write(let_leases_run_out)
    quick = post.new_delivery()
    await quick.step(post.clock.now())
    await asyncio.gather(*slow.under_way)
    await settle_both(post, seconds=40)
    assert post.dm() == ["wake up"]
    assert post.row("call:1").state == "shown"
    assert post.called("chat.postMessage") == 1


@pytest.mark.parametrize("late", [False, True], ids=["nothing comes late", "the first copy comes late"])
async def test_what_a_dead_process_left_behind_is_delivered_once(post: Post, late: bool) -> None:
    post.ws.faults.add("delay", method="chat.postMessage", delay=0.5)
    if not late:
        post.ws.faults.add("drop_before", method="chat.postMessage")
    await post.call("call:1")
    dead = post.delivery
    assert await dead.step(post.clock.now())
    for task in dead.under_way:  # as kill -9 does: nothing more is written
        task.cancel()
    await asyncio.gather(*dead.under_way, return_exceptions=True)
    await post.write(let_leases_run_out)
    post.use()
    await post.settle()
    for _ in range(1000):  # the server is still at the dead process' request
        if post.called("chat.postMessage"):
            break
        await asyncio.sleep(0.01)
    await post.later(10)
    await post.later(20)
    await post.later(30)
    assert post.dm() == ["wake up"]
    assert post.row("call:1").state == "shown"
