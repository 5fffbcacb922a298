"""What agents do not know: gathered by topic, given to somebody, supplied, and compared; as people live it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select

from bot.clock import MovedClock
from bot.gaps.rules import BY_WORD, OTHER, Case, Share, change, share_of, topics
from bot.tables import Decision, Gap, OutMessage
from tests.kit.house import REGISTRY, Town, town

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


async def asked(t: Town, first: int, count: int, missing: int, topic: str | None, person: str = "lea@example.com", **more: Any) -> None:
    """So many outputs about a topic, judged; the first `missing` of them lacked knowledge."""
    events = []
    for number in range(first, first + count):
        events.append(t.event("output", f"o{number}", text="An answer.", **({"topic": topic} if topic else {}), **more))
        bad = number - first < missing
        events.append(t.event("rating", f"v{number}", output=f"o{number}", person=person, good=not bad, **({"reason": "outdated" if number % 2 else "did_not_know"} if bad else {})))
    assert (await t.post(*events))["accepted"] == 2 * count


async def rest(t: Town) -> None:
    """Answers come without any loop."""
    assert t.house.edge is not None
    await t.house.edge.rest()
    await t.ws.settle()


def shown(t: Town, who: str) -> str:
    return str(t.ws.ephemerals(who)[-1])


async def test_a_gap_is_seen_given_supplied_and_its_effect_measured(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY.replace("outputs: {post: all}", "outputs: {post: none}"))
        await t.ws.command("omar", "support-ai", "/aiops", "gaps")
        await rest(t)
        assert "No agent lacked anything that I know of" in shown(t, "omar")

        await asked(t, 0, 8, 6, "Returns policy")
        await t.post(t.event("request", "h1", kind="handoff", title="What about sale items?", topic="returns-policy"), t.event("run", "r1", status="ok", topic="Opening hours"))
        await asked(t, 20, 3, 2, None, run="r1")
        await t.ws.command("omar", "support-ai", "/aiops", "gaps support-triage")
        await rest(t)
        said = shown(t, "omar")
        assert "*Returns policy*\\n6 outputs marked and 1 hand-off of 9 cases" in said
        assert "*Opening hours*\\n2 outputs marked of 3 cases" in said
        assert "Nobody supplies it yet." in said

        about = orjson.dumps({"agent": 1, "key": "returns policy", "label": "Returns policy"}).decode()
        note = t.ws.ephemerals("omar")[-1]
        await t.ws.command("dana", "support-ai", "/aiops", "gaps support-triage")
        await rest(t)
        await t.ws.press("dana", "support-ai", t.ws.ephemerals("dana")[-1]["ts"], "gaps.assign", about)
        await rest(t)
        assert "Who supplies what is missing is said by an owner of the agent" in shown(t, "dana")
        await t.ws.press("omar", "support-ai", note["ts"], "gaps.assign", about)
        await rest(t)
        form = t.ws.views("omar")[-1]
        assert await t.ws.submit("omar", form, {"person": "U0DANA", "due": "2026-11-01"}) is not None
        assert await t.read(lambda tx: tx.scalars(select(Gap)).all()) == []
        await t.ws.submit("omar", form, {"person": "U0DANA", "due": "2026-11-27"})
        await rest(t)
        gap = await t.read(lambda tx: tx.scalars(select(Gap)).one())
        assert (gap.label, gap.due_at) == ("Returns policy", datetime(2026, 11, 27, 16, 0, tzinfo=UTC))
        await t.ws.command("dana", "support-ai", "/aiops", "mine")
        await rest(t)
        assert "Supply what Support triage does not know: Returns policy" in shown(t, "dana")

        # Whoever has it closes it, though no owner; how often it was missed is kept.
        await t.ws.press("dana", "support-ai", t.ws.ephemerals("dana")[-1]["ts"], "gaps.supplied", f"gap:{gap.id}")
        await rest(t)
        await t.ws.submit("dana", t.ws.views("dana")[-1], {"words": "The policy of May is in the index <!channel>"})
        await rest(t)
        gap = await t.read(lambda tx: tx.scalars(select(Gap)).one())
        assert (gap.before_missing, gap.before_cases, gap.supplied_at) == (7, 9, clock.now())
        await t.ws.command("dana", "support-ai", "/aiops", "mine")
        await rest(t)
        assert "Returns policy" not in shown(t, "dana")

        clock.move(timedelta(days=2))
        await asked(t, 100, 8, 1, "Returns policy")
        await t.ws.command("omar", "support-ai", "/aiops", "gaps support-triage")
        await rest(t)
        said = shown(t, "omar")
        assert "The policy of May is in the index &lt;!channel&gt;" in said
        assert "Missing before: 7 of 9 cases (78%, " in said
        assert "Since then: 1 of 8 cases (12%, " in said or "Since then: 1 of 8 cases (13%, " in said
        assert "It helped: 65 points fewer, 90% sure of" in said
        assert [row.action for row in await t.read(lambda tx: tx.scalars(select(Decision).where(Decision.action.like("gap.%")).order_by(Decision.id)).all())] == ["gap.assign", "gap.supplied"]

        # Missing again: a new round, given anew. And on the week's first morning the channel hears of it.
        note = t.ws.ephemerals("omar")[-1]
        [(block, value)] = [(each["block_id"], button["value"]) for each in note["blocks"] if each["type"] == "actions" for button in each["elements"] if '"key":"returns policy"' in button["value"]]
        await t.ws.press("omar", "support-ai", note["ts"], "gaps.assign", value, block_id=block)
        await rest(t)
        await t.ws.submit("omar", t.ws.views("omar")[-1], {"person": "U0MAYA", "due": "2026-12-04"})
        await rest(t)
        rounds = [(each.topic, each.round) for each in await t.read(lambda tx: tx.scalars(select(Gap).order_by(Gap.id)).all())]
        assert rounds == [("returns policy", 1), ("returns policy", 2)]
        clock.move(timedelta(hours=12))
        await t.move(hours=12)
        rows = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key.like("%:gaps"))).all())
        [(state, said)] = [(row.state, row.want["text"]) for row in rows]
        assert state == "shown"
        assert "*Support triage*: 10 cases, most of all Returns policy (8), Opening hours (2). Nobody supplies 1 topic yet. 1 topic being supplied." in said


def case(hours: int, missing: bool, topic: str | None = None, words: str = "", handoff: bool = False) -> Case:
    return Case(NOW - timedelta(hours=hours), missing, topic, words, handoff)


def test_spellings_are_one_topic_and_cases_without_one_are_gathered_by_a_word_they_share() -> None:
    cases = [
        case(1, True, "returns-policy"), case(2, False, "Returns policy"), case(3, True, "Returns  Policy"),
        case(4, True, words="Where is my voucher for the garden centre?"), case(5, True, words="The voucher does not work"), case(6, False, words="Thanks for the voucher"),
        case(7, True, words="Please tell me more"), case(8, False, words="Hello"),
    ]  # fmt: skip
    found = topics(cases)
    assert [(each.key, each.missing, each.cases) for each in found] == [("returns policy", 2, 3), (f"{BY_WORD}voucher", 2, 5), (OTHER, 1, 5)]
    assert found[1].label == "cases with the word “voucher”"
    assert share_of(cases, f"{BY_WORD}voucher") == Share(2, 5)
    assert topics([]) == topics([case(1, False, "returns")]) == []


def test_before_and_after_are_compared_with_an_interval_and_never_where_too_little_was_seen() -> None:
    """The example of Newcombe's paper: 56 of 70 against 48 of 80, 95% from 0.0524 to 0.3339; here 90% and with z narrowed a little."""
    found = change(Share(48, 80), Share(56, 70))
    assert found is not None
    difference, low, high = found
    assert abs(difference - 0.2) < 1e-9
    assert 0.0524 < low < 0.09
    assert 0.30 < high < 0.3339
    assert change(Share(4, 4), Share(0, 50)) is None
