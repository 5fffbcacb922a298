"""Slack's limits: one post a second per channel, a budget of edits, and 429s that block only what they must."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from bot.outbox.rules import Priority, Rhythm
from bot.tables import Pace
from bot.workspace import Limits
from tests.outbox.conftest import Post


async def test_one_channel_gets_a_post_a_second_and_others_do_not_wait(post: Post) -> None:
    post.use(rhythm=Rhythm())
    for number in range(3):
        await post.show(f"a:{number}", f"a{number}")
    await post.show("b", "b", to="C0SALES")
    await post.settle()
    assert (post.texts("support"), post.texts("sales")) == (["a0"], ["b"])
    await post.later(1)
    assert post.texts() == ["a0", "a1"]
    await post.later(1)
    assert post.texts() == ["a0", "a1", "a2"]


async def test_what_is_more_urgent_takes_the_next_free_second(post: Post) -> None:
    post.use(rhythm=Rhythm())
    for number in range(3):
        await post.show(f"output:{number}", f"output {number}", priority=Priority.OUTPUT)
    await post.settle()
    await post.show("page:1", "page", priority=Priority.PAGE)
    await post.settle()
    await post.later(1)
    assert post.texts() == ["output 0", "page"]


async def test_edits_share_a_budget_and_counts_leave_room_for_pages(post: Post) -> None:
    post.use(rhythm=Rhythm(post_every=timedelta(), posts_per_second=0, edits_per_minute=10))
    keys = [f"count:{number}" for number in range(12)]
    for key in keys:
        await post.show(key, "0 rated", priority=Priority.COUNT)
    await post.show("page:1", "open", priority=Priority.PAGE)
    await post.settle()
    for key in keys:
        await post.show(key, "1 rated", priority=Priority.COUNT)
    await post.settle()
    assert post.called("chat.update") == 9, "counts leave the last tenth to pages"
    await post.show("page:1", "acknowledged", priority=Priority.PAGE)
    await post.settle()
    assert "acknowledged" in post.texts()
    await post.later(61)
    assert post.texts().count("1 rated") == 12


async def test_a_429_blocks_that_channel_alone_for_as_long_as_slack_says(post: Post) -> None:
    post.ws.faults.add("status", status=429, retry_after=30, method="chat.postMessage", channel="C0SUPPORT")
    await post.show("a", "a")
    await post.show("b", "b", to="C0SALES")
    await post.call("c", "c")
    await post.settle()
    assert (post.texts("support"), post.texts("sales"), post.dm()) == ([], ["b"], ["c"])
    await post.show("a2", "a2")
    await post.later(29)
    assert post.texts() == []
    await post.later(1)
    assert post.texts() == ["a", "a2"]
    assert post.delivery.counts["rate_limited"] == 1
    assert post.outcomes("a") == ["rate_limited", "ok"]


async def test_a_429_on_edits_blocks_edits_and_not_posts(post: Post) -> None:
    await post.show("a", "a")
    await post.settle()
    post.ws.faults.add("status", status=429, retry_after=20, method="chat.update")
    await post.show("a", "a edited")
    await post.settle()
    await post.show("b", "b")
    await post.settle()
    assert post.texts() == ["a", "b"]
    await post.later(20)
    assert post.texts() == ["a edited", "b"]


async def test_what_a_429_asked_for_is_obeyed_after_a_restart(post: Post) -> None:
    post.ws.faults.add("status", status=429, retry_after=30, method="chat.postMessage")
    await post.show("a", "a")
    await post.settle()
    with post.db.reading() as tx:
        assert tx.scalars(select(Pace.scope)).all() == ["post:C0SUPPORT"]
    await post.delivery.close()
    post.use()
    await post.show("b", "b")
    await post.settle()
    assert post.called("chat.postMessage") == 1
    await post.later(30)
    assert post.texts() == ["a", "b"]


async def test_one_slow_channel_does_not_delay_another(post: Post) -> None:
    post.ws.faults.add("delay", method="chat.postMessage", channel="C0SUPPORT", delay=1.5)
    await post.show("slow", "slow", priority=Priority.CALL)
    assert await post.delivery.step(post.clock.now())
    await post.call("call:1")
    assert await post.delivery.step(post.clock.now())
    assert post.dm() == ["wake up"]
    assert post.texts() == []
    await post.settle()
    assert post.texts() == ["slow"]


async def test_calls_to_many_people_need_one_request_each(post: Post) -> None:
    post.ws.limits = Limits.slack()
    post.use(rhythm=Rhythm(answers_within=timedelta(minutes=1)))  # a machine that stands still is not an answer lost
    for number in range(120):
        post.ws.add_person(f"p{number}", id=f"U1P{number}")
        await post.call(f"call:{number}", to=f"U1P{number}")
    await post.settle()
    assert post.called("chat.postMessage") == 10, "the workspace as a whole bears ten a second"
    for _ in range(12):
        await post.later(1)
    assert post.called("chat.postMessage") == 120
    assert post.called("conversations.open") == 0, "opening DMs is limited to 50 a minute: posting opens them"
    assert all(len(post.ws.dm(f"p{number}")) == 1 for number in range(120))


async def test_delivery_stays_within_slacks_own_limits(post: Post) -> None:
    post.ws.limits = Limits.slack()
    post.use(rhythm=Rhythm())
    for number in range(6):
        await post.show(f"s:{number}", "first")
    for _ in range(8):
        await post.later(1)
    for number in range(6):
        await post.show(f"s:{number}", "second")
    await post.later(1)
    assert post.texts() == ["second"] * 6
    assert post.delivery.counts["rate_limited"] == 0


async def test_calls_find_a_free_place_when_everything_else_is_slow(post: Post) -> None:
    post.use(rhythm=replace(Rhythm.limitless(), at_once=8))
    post.ws.faults.add("delay", method="chat.postMessage", contains="slow", delay=1.0, times=None)
    for number in range(12):
        post.ws.add_channel(f"c{number}", id=f"C0N{number}", members=["aiops"])
        await post.show(f"slow:{number}", "slow", to=f"C0N{number}", priority=Priority.PAGE)
    assert await post.delivery.step(post.clock.now())
    await post.call("call:1")
    assert await post.delivery.step(post.clock.now())
    assert post.dm() == ["wake up"]
    await post.settle()
    for _ in range(2):  # on a busy machine an answer may come too late: then it is looked up
        await post.later(31)
    assert all(post.texts(f"c{number}") == ["slow"] for number in range(12))


async def test_calls_may_use_every_post_that_the_workspace_bears_and_the_rest_leaves_them_room(post: Post) -> None:
    post.ws.limits = Limits.slack()
    post.use(rhythm=Rhythm())
    for number in range(12):
        post.ws.add_channel(f"c{number}", members=["aiops"], id=f"C1C{number}")
        await post.show(f"show:{number}", to=f"C1C{number}")
    await post.settle()
    assert post.called("chat.postMessage") == 8
    await post.call("call:1")
    await post.settle()
    assert post.dm() == ["wake up"]
    await post.later(2)
    assert post.called("chat.postMessage") == 13


def test_the_floor_of_the_limits_is_what_no_sender_can_beat() -> None:
    limits = Limits.slack()
    assert limits.floor({f"D{n}": 1 for n in range(500)}) == 49
    assert limits.floor({"C1": 63}) == 60
    assert Limits.none().floor({"C1": 1000}) == 0
