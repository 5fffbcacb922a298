"""Slack says that it shuts us out: nothing is lost, other routes take over at once, and it ends by itself."""

from __future__ import annotations

from bot.outbox.slack import EVENTS
from bot.paging.calling import slack_is_down
from bot.tables import Mark
from tests.outbox.conftest import Post


async def test_an_uninstalled_app_holds_everything_at_once_and_the_ladders_know(post: Post) -> None:
    await post.show("page:1", "page 1")
    await post.write(lambda tx: EVENTS["app_uninstalled"](tx, {"type": "app_uninstalled"}, post.clock.now()))
    assert await post.write(slack_is_down)
    post.ws.revoke("xoxb-1")
    await post.settle()
    assert post.delivery.hold.state == "unauthorised"
    assert post.called("chat.postMessage") == 0, "not even tried"
    assert post.row("page:1").state == "pending"


async def test_installed_again_everything_that_waited_goes_out_and_the_ladders_know(post: Post) -> None:
    await post.write(lambda tx: EVENTS["tokens_revoked"](tx, {"type": "tokens_revoked", "tokens": {"bot": ["U0BOT"]}}, post.clock.now()))
    post.ws.revoke("xoxb-1")
    await post.show("page:1", "page 1")
    await post.settle()
    assert post.texts() == []
    app = post.ws.app()
    app.revoked = []
    post.ws.store.save(app)
    await post.later(60)
    await post.later(1)
    assert post.texts() == ["page 1"]
    assert not await post.write(slack_is_down)


async def test_the_news_of_a_person_s_token_changes_nothing(post: Post) -> None:
    await post.write(lambda tx: EVENTS["tokens_revoked"](tx, {"type": "tokens_revoked", "tokens": {"oauth": ["U0MAYA"], "bot": []}}, post.clock.now()))
    assert not await post.write(slack_is_down)


async def test_since_when_stays_when_both_events_come(post: Post) -> None:
    first = post.clock.now()
    await post.write(lambda tx: EVENTS["tokens_revoked"](tx, {"tokens": {"bot": ["U0BOT"]}}, first))
    post.clock.move(to=first.replace(minute=first.minute + 1))
    await post.write(lambda tx: EVENTS["app_uninstalled"](tx, {}, post.clock.now()))
    assert (await post.write(lambda tx: dict(tx.get_one(Mark, "delivery.slack").value)))["since"] == first.isoformat()


async def test_a_process_that_starts_with_a_good_token_clears_what_the_last_one_wrote(post: Post) -> None:
    await post.write(lambda tx: tx.add(Mark(name="delivery.slack", value={"state": "unauthorised", "error": "token_revoked", "since": post.clock.now().isoformat()})))
    await post.show("page:1", "page 1")
    await post.settle()
    assert post.texts() == ["page 1"]
    assert not await post.write(slack_is_down)
