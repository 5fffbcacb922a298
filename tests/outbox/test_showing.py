"""Rows become messages: posted once, edited in place, in order, removed."""

from __future__ import annotations

import pytest

from bot.blocks import Message, section
from bot.outbox import flows
from bot.outbox.rules import Priority
from bot.tables import Person
from tests.outbox.conftest import Post, words


async def test_a_shown_message_is_posted_once_and_edited_in_place(post: Post) -> None:
    await post.show("status:1", "All is well")
    await post.settle()
    first = post.row("status:1")
    assert (first.state, first.channel, first.shown_rev) == ("shown", "C0SUPPORT", 1)
    await post.show("status:1", "All is well")
    await post.settle()
    assert post.called("chat.update") == 0, "the same content again is no edit"
    await post.show("status:1", "One problem")
    await post.settle()
    assert post.texts() == ["One problem"]
    assert post.row("status:1").ts == first.ts
    assert post.outcomes("status:1") == ["ok", "ok"]


async def test_the_latest_want_wins_and_earlier_ones_are_never_sent(post: Post) -> None:
    for number in range(5):
        await post.show("count:1", f"{number} rated", priority=Priority.COUNT)
    await post.settle()
    assert post.texts() == ["4 rated"]
    assert post.called("chat.postMessage") == 1
    assert post.called("chat.update") == 0


async def test_an_edit_wanted_while_the_post_is_in_flight_is_sent_after_it(post: Post) -> None:
    post.ws.faults.add("delay", method="chat.postMessage", delay=0.6)
    await post.show("status:1", "first")
    assert await post.delivery.step(post.clock.now()), "the call is under way"
    await post.show("status:1", "second")
    await post.settle()
    assert post.texts() == ["second"]
    assert (post.called("chat.postMessage"), post.called("chat.update")) == (1, 1)


async def test_every_post_carries_its_key_in_a_block_id_and_in_metadata(post: Post) -> None:
    await post.write(lambda tx: flows.show(tx, post.clock.now(), key="bare", to="C0SUPPORT", message=Message("no blocks")))
    named = Message("x", [section("one", block_id="mine"), section("two")])
    await post.write(lambda tx: flows.show(tx, post.clock.now(), key="named", to="C0SUPPORT", message=named))
    await post.settle()
    for message in post.ws.messages("support"):
        ids = [block.get("block_id", "") for block in message["blocks"]]
        marker = message["metadata"]["event_payload"]["marker"]
        assert ids.count(marker) == 1
        assert len(marker) <= 255
    assert "mine" in [block["block_id"] for block in post.ws.messages("support")[1]["blocks"]]


async def test_lines_go_after_their_root_and_in_order(post: Post) -> None:
    await post.write(lambda tx: _thread(tx, post))
    post.ws.faults.add("error", method="chat.postMessage", error="some_new_error", times=1, contains="second")
    await post.settle()
    await post.later(2)
    assert post.texts() == ["root", "first", "second", "third"]
    root = post.row("incident:1")
    assert {m.get("thread_ts") for m in post.ws.messages("support")} == {root.ts}


def _thread(tx: object, post: Post) -> None:
    from sqlalchemy.orm import Session

    assert isinstance(tx, Session)
    now = post.clock.now()
    flows.show(tx, now, key="incident:1", to="C0SUPPORT", message=words("root"), priority=Priority.DIGEST)
    for text in ("first", "second", "third"):
        flows.line(tx, now, key=f"incident:1:{text}", thread="incident:1", message=words(text), priority=Priority.PAGE)


async def test_thirty_lines_of_one_thread_keep_their_order(post: Post) -> None:
    await post.show("root", "root")
    for number in range(30):
        await post.line(f"line:{number}", "root", f"line {number}")
    await post.settle()
    assert post.texts()[1:] == [f"line {number}" for number in range(30)]


async def test_a_removed_message_disappears_and_may_be_shown_again(post: Post) -> None:
    await post.show("note", "soon gone")
    await post.settle()
    await post.write(lambda tx: flows.remove(tx, post.clock.now(), "note"))
    await post.settle()
    assert post.texts() == []
    assert post.row("note").state == "removed"
    await post.show("note", "back")
    await post.settle()
    assert post.texts() == ["back"]


async def test_a_message_removed_before_it_was_sent_is_never_sent(post: Post) -> None:
    await post.show("note", "never")
    await post.write(lambda tx: flows.remove(tx, post.clock.now(), "note"))
    await post.settle()
    assert post.called("chat.postMessage") == 0
    assert post.row("note").state == "removed"


async def test_a_message_deleted_by_a_person_is_posted_anew_where_its_content_matters(post: Post) -> None:
    await post.show("page:1", "Nightly job failed", priority=Priority.PAGE)
    await post.show("output:1", "An answer · 1 rated", priority=Priority.COUNT)
    await post.settle()
    for key in ("page:1", "output:1"):
        await post.ws.delete("C0SUPPORT", post.row(key).ts or "")
    await post.show("page:1", "Nightly job recovered", priority=Priority.PAGE)
    await post.show("output:1", "An answer · 2 rated", priority=Priority.COUNT)
    await post.settle()
    assert post.texts() == ["Nightly job recovered"]
    assert post.delivery.counts["posted anew"] == 1
    assert post.row("output:1").state == "removed"


async def test_what_was_not_posted_in_time_is_dropped(post: Post) -> None:
    from datetime import timedelta

    await post.show("soon", "too late", expires_at=post.clock.now() + timedelta(minutes=5))
    post.clock.move(timedelta(minutes=6))
    await post.settle()
    assert post.texts() == []
    assert (post.row("soon").state, post.row("soon").error) == ("dropped", "expired")


async def test_a_call_whose_cause_is_gone_is_not_sent(post: Post) -> None:
    await post.call("call:1", cause="page:1")
    await post.call("call:2", cause="page:2", to="U0OMAR")
    assert await post.write(lambda tx: flows.drop(tx, "page:1")) == 1
    await post.settle()
    assert post.dm("maya") == []
    assert post.dm("omar") == ["wake up"]


async def test_calls_to_one_person_are_never_merged(post: Post) -> None:
    await post.call("call:1", "first call")
    await post.call("call:2", "second call")
    await post.settle()
    assert post.dm() == ["first call", "second call"]


async def test_the_dm_of_a_person_is_learned_once_and_kept(post: Post) -> None:
    await post.write(lambda tx: tx.add(Person(team_id="T0LOCAL", slack_id="U0MAYA", name="Maya")))
    await post.call("call:1")
    await post.settle()
    with post.db.reading() as tx:
        dm = tx.query(Person).one().dm_channel
    assert dm == post.row("call:1").channel
    assert dm is not None
    assert dm.startswith("D")
    await post.call("call:2")
    await post.settle()
    assert post.ws.called("chat.postMessage")[-1].args["channel"] == dm


async def test_a_file_is_shared_once_in_its_thread(post: Post) -> None:
    await post.show("incident:1", "root")
    await post.write(
        lambda tx: flows.file(
            tx, post.clock.now(), key="review:1", to="C0SUPPORT", name="review.md", content="# Review", title="Review", comment="Here it is", thread="incident:1"
        )
    )
    await post.settle()
    message = post.ws.messages("support")[-1]
    assert message["files"][0]["name"] == "review.md"
    assert message["thread_ts"] == post.row("incident:1").ts
    assert post.row("review:1").state == "shown"


@pytest.mark.parametrize("every", [True, False], ids=["every layout refused", "blocks refused once"])
async def test_refused_blocks_go_again_as_the_same_words(post: Post, every: bool) -> None:
    post.ws.faults.add("refuse_blocks", times=None if every else 1)
    await post.call("call:1", "The nightly job of Support triage failed")
    await post.settle()
    assert post.dm() == ["The nightly job of Support triage failed"]
    assert post.row("call:1").plain
    assert post.delivery.counts["made plain"] == (2 if every else 1)


async def test_a_layout_that_slack_itself_refuses_is_not_lost(post: Post) -> None:
    bad = Message("The words that matter", [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}])
    await post.write(lambda tx: flows.show(tx, post.clock.now(), key="page:1", to="C0SUPPORT", message=bad))
    await post.settle()
    message = post.ws.messages("support")[0]
    assert message["text"] == "The words that matter"
    assert message["blocks"][0]["text"]["text"] == "The words that matter"
    await post.show("page:1", "better")
    await post.settle()
    assert not post.row("page:1").plain
