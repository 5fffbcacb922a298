"""Answers that never came: looked up before anything is repeated, at most one copy stays."""

from __future__ import annotations

import pytest

from bot.outbox import flows
from bot.outbox.shape import content, marker_of
from tests.outbox.conftest import Post

LOST_ANSWERS = ["drop_after", "lose_answer"]
LOST_CALLS = ["drop_before", "status"]


@pytest.mark.parametrize("fault", LOST_ANSWERS)
async def test_a_post_whose_answer_was_lost_is_found_and_not_repeated(post: Post, fault: str) -> None:
    post.ws.faults.add(fault, method="chat.postMessage")
    await post.call("call:1")
    await post.settle()
    assert post.row("call:1").ts is None
    await post.later(9)
    assert post.called("conversations.history") == 0, "too early to look"
    await post.later(1)
    assert post.dm() == ["wake up"]
    assert post.row("call:1").state == "shown"
    assert post.called("chat.postMessage") == 1
    assert post.outcomes("call:1") == ["found"]
    assert post.delivery.counts["looked up"] == 1


@pytest.mark.parametrize("fault", LOST_CALLS)
async def test_a_post_that_never_arrived_is_repeated_after_two_looks(post: Post, fault: str) -> None:
    post.ws.faults.add(fault, method="chat.postMessage")
    await post.show("page:1", "failed")
    await post.settle()
    await post.later(10)
    assert post.texts() == [], "one look is not enough"
    await post.later(20)
    assert post.texts() == ["failed"]
    assert post.outcomes("page:1") == ["lost", "ok"]
    await post.later(31)
    assert post.outcomes("page:1") == ["absent", "ok"], "the second copy was looked for"
    assert post.row("page:1").due_at is None


async def test_a_line_of_unknown_outcome_is_looked_up_in_its_thread(post: Post) -> None:
    await post.show("root", "root")
    await post.settle()
    post.ws.faults.add("drop_after", method="chat.postMessage")
    await post.line("line:1", "root", "one")
    await post.line("line:2", "root", "two")
    await post.settle()
    assert post.texts() == ["root", "one"], "the second waits until the first is certain"
    await post.later(10)
    assert post.texts() == ["root", "one", "two"]
    assert post.called("conversations.replies") == 1


async def test_a_first_copy_that_comes_late_is_removed_and_counted(post: Post) -> None:
    post.ws.faults.add("drop_before", method="chat.postMessage")
    await post.show("page:1", "failed")
    await post.settle()
    await post.later(10)
    await post.later(20)
    row = post.row("page:1")
    assert row.ts is not None
    late = content(row.want, marker_of(row.key, row.id, row.created_at), 1, "late")
    sender = post.new_delivery().slack
    assert sender is not None
    assert (await sender.call("chat.postMessage", {"channel": "C0SUPPORT", **late})).ok
    assert len(post.texts()) == 2
    await post.later(30)
    assert post.texts() == ["failed"]
    assert post.ws.messages("support")[0]["ts"] == row.ts
    assert post.delivery.counts["duplicates removed"] == 1


async def test_an_edit_of_unknown_outcome_is_simply_repeated(post: Post) -> None:
    await post.show("status", "one")
    await post.settle()
    post.ws.faults.add("drop_after", method="chat.update")
    await post.show("status", "two")
    await post.settle()
    await post.later(2)
    assert post.texts() == ["two"]
    assert post.outcomes("status") == ["ok", "unknown", "ok"]
    assert post.called("conversations.history") == 0


async def test_words_that_changed_while_the_outcome_was_unknown_are_edited_into_the_found_copy(post: Post) -> None:
    post.ws.faults.add("lose_answer", method="chat.postMessage")
    await post.show("status", "old")
    await post.settle()
    await post.show("status", "new")
    await post.settle()
    await post.later(10)
    assert post.texts() == ["new"]
    assert (post.called("chat.postMessage"), post.called("chat.update")) == (1, 1)


async def test_a_call_of_unknown_outcome_is_not_repeated_once_its_cause_is_gone(post: Post) -> None:
    post.ws.faults.add("drop_before", method="chat.postMessage")
    await post.call("call:1", cause="page:1")
    await post.settle()
    assert await post.write(lambda tx: flows.drop(tx, "page:1")) == 1
    await post.later(30)
    assert post.dm() == []
    assert post.row("call:1").state == "dropped"


async def test_a_file_of_unknown_outcome_is_shared_once(post: Post) -> None:
    post.ws.faults.add("drop_after", method="files.completeUploadExternal")
    await post.write(
        lambda tx: flows.file(tx, post.clock.now(), key="file:1", to="U0MAYA", name="a.csv", content="a,b", title="Export")
    )
    await post.settle()
    await post.later(10)
    assert len(post.ws.dm("maya")) == 1
    assert post.row("file:1").state == "shown"
    assert post.row("file:1").ts is not None


async def test_where_looking_is_not_allowed_the_message_still_arrives(post: Post) -> None:
    post.ws.faults.add("error", method="conversations.history", error="missing_scope", times=None)
    post.ws.faults.add("drop_before", method="chat.postMessage")
    await post.call("call:1")
    await post.settle()
    await post.later(10)
    await post.later(20)
    assert post.dm() == ["wake up"]


async def test_an_outage_loses_nothing_and_is_over_at_once(post: Post) -> None:
    post.ws.faults.outage = True
    for number in range(40):
        await post.show(f"page:{number}", f"page {number}", to="C0SUPPORT" if number % 2 else "U0MAYA")
    for _ in range(12):
        await post.later(10)
    assert post.delivery.hold.state == "unreachable"
    tried = len(post.ws.calls)
    await post.later(60)
    assert len(post.ws.calls) - tried <= 5, "one harmless question at a time"
    post.ws.faults.outage = False
    for _ in range(4):
        await post.later(15)
    assert sorted([*post.texts(), *post.dm()]) == sorted(f"page {number}" for number in range(40))
    assert post.delivery.hold.state == "working"
