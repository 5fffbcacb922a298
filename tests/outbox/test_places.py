"""Closed places, refused tokens, other routes, and who may deliver."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from bot.outbox import flows
from bot.outbox.delivery import MARK
from bot.outbox.leases import drop_lease, hold_lease
from bot.outbox.rules import Rhythm
from bot.routes.outcome import Kind, Letter, Outcome
from bot.tables import Lease, Mark, OutMessage, Person
from tests.outbox.conftest import Post, words


def to_maya(tx: Session, row: OutMessage, tried: frozenset[str]) -> str | None:
    """The owners' DM, as the composition root would name it."""
    return next((who for who in ("U0MAYA", "U0OMAR") if who not in tried), None)


@pytest.mark.parametrize("why", ["unknown", "left", "archived"])
async def test_a_root_that_can_never_be_posted_moves_with_its_thread(post: Post, why: str) -> None:
    post.use(next_place=to_maya, rhythm=Rhythm.limitless())
    place = "C0NOWHERE"
    if why == "left":
        post.ws.leave("aiops", "support")
        place = "C0SUPPORT"
    elif why == "archived":
        post.ws.archive_channel("support")
        place = "C0SUPPORT"
    await post.show("incident:1", "root", to=place)
    await post.line("line:1", "incident:1", "first")
    await post.line("line:2", "incident:1", "second")
    await post.settle()
    assert post.dm() == ["root", "first", "second"]
    assert post.delivery.counts["moved"] == 1
    assert {message.get("thread_ts") for message in post.ws.dm("maya")} == {post.row("incident:1").ts}


async def test_each_next_place_is_tried_once(post: Post) -> None:
    post.ws.change_person("maya", deleted=True)
    post.ws.faults.add("error", method="chat.postMessage", channel="U0MAYA", error="user_disabled", times=None)
    post.use(next_place=to_maya, rhythm=Rhythm.limitless())
    await post.show("incident:1", "root", to="C0NOWHERE")
    await post.settle()
    assert post.dm("omar") == ["root"]


async def test_without_a_next_place_it_fails_with_a_clear_error(post: Post) -> None:
    await post.show("incident:1", "root", to="C0NOWHERE")
    await post.line("line:1", "incident:1", "first")
    await post.settle()
    root, line = post.row("incident:1"), post.row("line:1")
    assert (root.state, root.error) == ("failed", "slack said channel_not_found for C0NOWHERE")
    assert (line.state, line.error) == ("failed", "the message it belongs under could not be posted")
    with post.db.reading() as tx:
        assert post.delivery.figures(tx, post.clock.now())["failed now"] == 2


async def test_a_channel_archived_later_moves_the_message_that_is_still_wanted(post: Post) -> None:
    post.use(next_place=to_maya, rhythm=Rhythm.limitless())
    await post.show("page:1", "open")
    await post.settle()
    post.ws.archive_channel("support")
    await post.show("page:1", "acknowledged")
    await post.settle()
    assert post.dm() == ["acknowledged"]


async def test_a_stale_dm_is_opened_again(post: Post) -> None:
    await post.write(lambda tx: tx.add(Person(team_id="T0LOCAL", slack_id="U0MAYA", name="Maya", dm_channel="D0GONE")))
    await post.call("call:1")
    await post.settle()
    assert post.dm() == ["wake up"]


@pytest.mark.parametrize("error", ["token_revoked", "invalid_auth", "account_inactive"])
async def test_a_refused_token_loses_nothing_and_delivery_resumes(post: Post, error: str) -> None:
    post.ws.faults.add("error", error=error, times=None)
    for number in range(5):
        await post.show(f"page:{number}", f"page {number}", to="C0SUPPORT" if number % 2 else "C0SALES")
    await post.settle()
    with post.db.reading() as tx:
        mark = tx.get(Mark, MARK)
        assert mark is not None
        assert (mark.value["state"], mark.value["error"]) == ("unauthorised", error)
    assert all(post.row(f"page:{number}").state == "pending" for number in range(5))
    asked = len(post.ws.calls)
    await post.later(120)
    assert len(post.ws.calls) - asked <= 2
    post.ws.faults.clear()
    await post.later(61)
    assert sorted([*post.texts("support"), *post.texts("sales")]) == [f"page {number}" for number in range(5)]
    with post.db.reading() as tx:
        mark = tx.get(Mark, MARK)
        assert mark is not None
        assert mark.value["state"] == "working"


class Pigeon:
    """A route that remembers."""

    name = "pigeon"

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.answers: list[Outcome] = []

    async def deliver(self, letter: Letter) -> Outcome:
        self.letters.append(letter)
        return self.answers.pop(0) if self.answers else Outcome(Kind.OK)

    async def close(self) -> None:
        """Nothing is open."""


async def test_other_routes_deliver_while_slack_refuses_our_token(post: Post) -> None:
    pigeon = Pigeon()
    post.use(routes={"pigeon": pigeon}, rhythm=Rhythm.limitless())
    post.ws.revoke("xoxb-1")
    await post.show("page:1", "page")
    await post.settle()
    await post.call("call:1", "wake up, <@U0MAYA>", to="loft 3", route="pigeon")
    await post.settle()
    assert [letter.to for letter in pigeon.letters] == ["loft 3"]
    assert post.row("call:1").state == "shown"
    assert post.row("page:1").state == "pending"


async def test_another_route_is_tried_again_with_the_same_id_until_it_works(post: Post) -> None:
    pigeon = Pigeon()
    pigeon.answers = [Outcome(Kind.UNKNOWN, "timeout"), Outcome(Kind.RATE_LIMITED, "http_429", 20), Outcome(Kind.OK)]
    post.use(routes={"pigeon": pigeon}, rhythm=Rhythm.limitless())
    await post.call("call:1", to="loft", route="pigeon")
    await post.settle()
    await post.later(1)
    assert len(pigeon.letters) == 2
    await post.later(20)
    assert len({letter.id for letter in pigeon.letters}) == 1
    assert post.outcomes("call:1") == ["unknown", "rate_limited", "ok"]
    await post.write(lambda tx: flows.remove(tx, post.clock.now(), "call:1"))
    await post.settle()
    assert pigeon.letters[-1].over, "the route hears that it is over"
    assert post.row("call:1").state == "removed"


async def test_a_clear_refusal_of_another_route_fails_at_once(post: Post) -> None:
    pigeon = Pigeon()
    pigeon.answers = [Outcome(Kind.REFUSED, "http_400")]
    post.use(routes={"pigeon": pigeon}, rhythm=Rhythm.limitless())
    await post.call("call:1", to="loft", route="pigeon")
    await post.call("call:2", to="loft", route="telegraph")
    await post.settle()
    assert (post.row("call:1").state, post.row("call:1").error) == ("failed", "pigeon said http_400 for call:1")
    assert post.row("call:2").error == "the route telegraph is not set up here"


async def test_only_one_process_delivers_and_the_other_takes_over_when_it_stops(post: Post) -> None:
    if post.db.is_sqlite:
        pytest.skip("SQLite has one process anyway")
    other = post.new_delivery()
    await post.show("a", "a")
    await post.settle()
    await post.show("b", "b")
    assert not await other.step(post.clock.now())
    assert post.texts() == ["a"]
    await post.delivery.close()
    post.delivery = other
    await post.settle()
    assert post.texts() == ["a", "b"]
    with post.db.reading() as tx:
        assert tx.query(Lease).one().fence == 2


async def test_a_lease_has_one_holder_and_its_fence_grows(post: Post) -> None:
    def hold(who: str) -> int | None:
        with post.db.transaction() as tx:
            return hold_lease(tx, post.clock.now(), "job", who, timedelta(seconds=30))

    assert hold("a") == 1
    assert hold("a") == 1
    if post.db.is_sqlite:
        assert hold("b") == 2, "what is found on SQLite was left behind: only one process writes"
        return
    assert hold("b") is None
    with post.db.transaction() as tx:
        drop_lease(tx, post.clock.now(), "job", "a")
    assert hold("b") == 2
    assert hold("a") is None


async def test_a_row_that_breaks_delivery_steps_aside_and_the_others_go_on(post: Post) -> None:
    await post.write(lambda tx: _broken(tx, post))
    await post.show("good", "good")
    await post.settle()
    assert post.texts() == ["good"]
    assert post.row("broken").state == "pending"
    assert "while delivering" in (post.row("broken").error or "")


def _broken(tx: Session, post: Post) -> None:
    row = flows.show(tx, post.clock.now(), key="broken", to="C0SALES", message=words("broken"))
    row.want = {"text": "x", "blocks": "not a list of blocks"}
