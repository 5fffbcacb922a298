"""What always holds, whatever the facts: properties of the pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.outbox.pace import Pacer
from bot.outbox.rules import Do, Facts, Priority, Rhythm, Root, decide, edits_for, wait_after
from bot.outbox.shape import BARE, FULL, PLAIN, carries, content, marked, marker_of, plain_blocks, to_keep

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
moments = st.timedeltas(timedelta(hours=-1), timedelta(hours=1)).map(lambda by: NOW + by)
maybe = st.none() | moments
facts = st.builds(
    Facts, route=st.sampled_from(["slack", "email"]), priority=st.sampled_from(list(Priority)), gone=st.booleans(), stands=st.booleans(),
    behind=st.booleans(), expires_at=maybe, root=st.sampled_from(list(Root)), earlier_waiting=st.booleans(), unsure_at=maybe, looked_at=maybe, check_at=maybe,
)
blocks = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["section", "actions", "divider"])}, optional={"block_id": st.text("abc", min_size=1, max_size=3)}), min_size=1, max_size=50
)


@given(facts)
def test_a_wait_always_ends_in_the_future(known: Facts) -> None:
    decision = decide(known, NOW, Rhythm())
    assert (decision.until is not None) == (decision.do is Do.WAIT)
    assert decision.until is None or decision.until > NOW


@given(facts)
def test_nothing_is_posted_while_a_copy_may_stand_there(known: Facts) -> None:
    if decide(known, NOW, Rhythm()).do is Do.POST:
        assert not known.stands
        assert not known.gone
        assert known.unsure_at is None or known.route != "slack"
        assert known.root in (Root.NONE, Root.STANDS)
        assert not known.earlier_waiting


@given(facts)
def test_only_what_stands_is_edited_deleted_or_checked(known: Facts) -> None:
    if decide(known, NOW, Rhythm()).do in (Do.EDIT, Do.DELETE, Do.CHECK):
        assert known.stands


@given(st.integers(1, 10_000))
def test_waits_grow_and_stay_within_five_minutes(tries: int) -> None:
    assert timedelta(seconds=1) <= wait_after(tries) <= wait_after(tries + 1) <= timedelta(minutes=5)


@given(st.integers(1, 100))
def test_what_matters_more_may_use_more_of_the_edits(per_minute: int) -> None:
    shares = [edits_for(priority, per_minute) for priority in Priority]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == per_minute
    assert shares[-1] >= 1


@given(blocks)
def test_the_marker_stands_exactly_once_and_changes_nothing_else(given_blocks: list[dict[str, object]]) -> None:
    marker = marker_of("key", 1, NOW)
    made = marked(given_blocks, marker)
    assert sum(block.get("block_id") == marker for block in made) == 1
    assert [block["type"] for block in made] == [block["type"] for block in given_blocks]
    assert sum(one != other for one, other in zip(made, given_blocks, strict=True)) == 1


@given(st.text(max_size=4000))
def test_plain_blocks_stay_within_slacks_limits(text: str) -> None:
    made = plain_blocks(text or "…", "aiops.x")
    assert 1 <= len(made) <= 2
    assert all(1 <= len(block["text"]["text"]) <= 3000 for block in made)


@given(st.sampled_from([FULL, PLAIN, BARE]), st.text(max_size=50))
def test_a_post_is_recognised_in_every_layout(layout: int, text: str) -> None:
    marker = marker_of("key", 1, NOW)
    posted = content({"text": text, "blocks": [{"type": "divider"}]}, marker, 1, "n", layout)
    assert carries(posted, marker)
    assert not carries(posted, marker_of("key", 2, NOW))


@given(st.lists(st.integers(1, 10**6), min_size=1, unique=True), st.integers(1, 10**6))
def test_of_several_copies_the_known_or_the_first_stays(micros: list[int], known: int) -> None:
    copies = [f"1763625600.{n:06d}" for n in micros]
    kept = to_keep(copies, f"1763625600.{known:06d}")
    assert kept == (f"1763625600.{known:06d}" if known in micros else min(copies))


@given(st.lists(st.tuples(st.sampled_from(list(Priority)), st.floats(0, 20)), max_size=120))
def test_never_more_edits_in_a_minute_than_the_budget(wishes: list[tuple[Priority, float]]) -> None:
    pacer, now, sent = Pacer(Rhythm(edits_per_minute=10)), NOW, []
    for priority, wait in wishes:
        now += timedelta(seconds=wait)
        at = pacer.edit_at(priority, now)
        assert at >= now
        if at == now:
            pacer.edited(now)
            sent.append(now)
    for moment in sent:
        assert sum(moment - timedelta(minutes=1) < each <= moment for each in sent) <= 10


@given(st.lists(st.floats(0, 0.25), min_size=60, max_size=120))
def test_posts_taken_a_moment_late_do_not_slow_the_pace_of_the_workspace(late: list[float]) -> None:
    pacer, now, sent = Pacer(Rhythm(posts_per_second=10)), NOW, []
    for wait in late:
        at = pacer.whole_at(Priority.CALL, now)
        now = at + timedelta(seconds=wait) if at > now else now
        pacer.posted("C1", now)
        sent.append(now)
    for count, moment in enumerate(sent):
        assert moment - NOW <= timedelta(seconds=count // 10 + 0.25)
    for first, last in zip(sent, sent[10:], strict=False):
        assert last - first >= timedelta(seconds=0.75)
