"""One row that cannot be shown steps aside with its reason; the others are on time."""

from __future__ import annotations

from sqlalchemy import update

from bot.tables import OutMessage
from tests.outbox.conftest import Post


async def test_a_row_whose_words_cannot_be_read_steps_aside_and_calls_are_on_time(post: Post) -> None:
    await post.call("call:bad", "wake up 1", to="U0MAYA")
    await post.call("call:2", "wake up 2", to="U0OMAR")
    await post.call("call:3", "wake up 3", to="U0MAYA")
    await post.write(lambda tx: tx.execute(update(OutMessage).where(OutMessage.key == "call:bad").values(want=["not", "words"])))
    for _ in range(4):
        await post.delivery.step(post.clock.now())
    assert (post.dm("omar"), post.dm("maya")) == (["wake up 2"], ["wake up 3"])
    bad = post.row("call:bad")
    assert bad.error == "AttributeError while delivering"
    assert bad.due_at is not None
    assert bad.due_at > post.clock.now()
    await post.call("call:4", "wake up 4", to="U0MAYA")
    await post.later(300)
    assert post.dm("maya") == ["wake up 3", "wake up 4"]


async def test_a_row_with_a_layout_that_slack_refuses_says_the_same_plainly(post: Post) -> None:
    await post.call("call:1", "wake up", to="U0MAYA")
    await post.write(lambda tx: tx.execute(update(OutMessage).values(want={"text": "wake up", "blocks": [{"type": "nothing of Slack's"}]})))
    await post.settle()
    assert post.dm("maya") == ["wake up"]
    assert post.row("call:1").plain
