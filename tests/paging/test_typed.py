"""Answering a page in words: on a phone whose message is broken, and in a terminal while Slack is down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.clock import MovedClock
from bot.paging.rules import snooze_in_words
from bot.surface.press import Ask
from bot.tables import Decision
from tests.kit.house import REGISTRY, town
from tests.paging.world import World


@pytest.mark.parametrize(("words", "zone", "end"), [
    ("15m", "UTC", "2026-11-20T12:15"),
    ("for 90 minutes", "UTC", "2026-11-20T13:30"),
    ("8h", "UTC", "2026-11-20T20:00"),
    ("until 09:00", "UTC", "2026-11-21T09:00"),
    ("until 9:00 my time.", "Asia/Kathmandu", "2026-11-21T03:15"),
    ("18:30", "America/St_Johns", "2026-11-20T22:00"),
    ("until tomorrow 09:00", "UTC", "2026-11-21T09:00"),
    ("until saturday at 10:00", "UTC", "2026-11-21T10:00"),
    *[(words, "UTC", None) for words in ("14m", "9h", "0h", "soon", "", "until", "until tuesday 09:00", "until yesterday 09:00", "25:00", "until 09:61", "for ever", "99999h")],
])  # fmt: skip
def test_the_end_of_a_snooze_is_read_as_people_write_it_within_the_bounds_of_the_menu(words: str, zone: str, end: str | None) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert snooze_in_words(words, now, zone) == (datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None)


def test_until_nine_is_within_a_day_also_in_the_night_in_which_clocks_are_set_back() -> None:
    now = datetime(2026, 10, 24, 7, 0, 30, tzinfo=UTC)  # 09:00:30 in Paris, and tomorrow's 09:00 comes 25 hours later
    assert snooze_in_words("until 9:00", now, "Europe/Paris") == datetime(2026, 10, 25, 8, tzinfo=UTC)


def test_snooze_and_escalate_in_words_do_what_the_buttons_do(world: World) -> None:
    world.run("failed")
    assert isinstance(world.press("omar", "page", how="command", words=("snooze", "1")), Ask)
    assert "from 15m to 8h" in world.say("omar", "page snooze 1 soon")
    assert world.say("omar", "page snooze #1 2h").startswith("You have it. Nobody else is called until")
    page = world.pages()[0]
    assert (page.acked_by, page.snoozed, page.ack_until) == (2, True, world.clock.now() + timedelta(hours=2))
    assert "Omar has it." in world.say("lea", "page snooze 1 1h")
    world.move(seconds=11)
    assert world.say("omar", "page escalate 1") == "The next on the ladder is called now: Lea."
    assert world.called() == ["Omar", "Lea"]
    assert "Somebody is being called already" in world.say("lea", "page escalate 1")
    world.move(seconds=11)
    assert world.say("lea", "page escalate 1") == "The next on the ladder is called now: Maya."
    assert world.called() == ["Omar", "Lea", "Maya"]


def test_resolve_in_words_asks_where_a_check_still_fails_and_takes_the_answer_in_words_too(world: World) -> None:
    world.run("failed", error="KeyError: order_id")
    form = world.press("omar", "page", how="command", words=("resolve", "1"))
    assert isinstance(form, Ask)
    assert "It still failed when it was last looked at" in str(form.view)
    assert "`fixed`" in world.say("omar", "page resolve 1 please")
    assert "There fail: `runs`." in world.say("omar", "page resolve 1 wrong nightly")
    world.move(seconds=1)
    assert "looked at again now" in world.say("omar", "page resolve 1 fixed")
    assert world.pages()[0].resolved_at is None
    assert "silenced until it is changed" in world.say("omar", "page resolve 1 wrong runs")
    assert world.pages()[0].resolved_by == 2
    assert "This page is over" in world.say("omar", "page resolve 1 wrong")
    assert "This page is over" in world.say("omar", "page snooze 1 1h")
    assert "This page is over" in world.say("omar", "page escalate 1")


def test_words_are_refused_and_explained_as_presses_are(world: World) -> None:
    world.run("failed")
    for verb in ("snooze 1 1h", "resolve 1", "escalate 1"):
        assert "owner" in world.say("ben", f"page {verb}") or "called" in world.say("ben", f"page {verb}")
        assert "full members" in world.say("gus", f"page {verb}")
    assert world.pages()[0].acked_by is None
    assert world.say("omar", "page snooze") == "Which page? Write its number: `/aiops page snooze 12`. `/aiops page` lists the open ones."
    assert "There is no page &lt;!channel&gt;." in world.say("omar", "page escalate <!channel>")
    world.say("omar", "page test support-triage")
    assert "This is a test page" in world.say("omar", "page snooze 2 1h")


async def test_a_page_is_snoozed_escalated_and_resolved_in_a_terminal_and_the_record_says_where(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(REGISTRY)
        await t.post(t.event("run", "r1", status="failed", error="no <index>"))
        await t.settle()

        async def say(verb: str, rest: str = "", person: str = "omar@example.com", page: int = 1) -> dict[str, object]:
            (line,) = await t.job("page_answer", verb=verb, rest=rest, page=page, person=person)
            await t.settle()
            return line

        assert (await say("snooze", "1h", "nobody@example.com"))["exit"] == 2
        assert (await say("snooze", "1h", page=7)) == {"error": "There is no page 7. `aiops page list` shows the open ones.", "exit": 2}
        assert (await say("snooze", "1h", "U0DANA"))["exit"] == 2  # she was not called
        ends = (clock.now() + timedelta(hours=1)).astimezone(ZoneInfo("Europe/Paris"))
        assert f"{ends:%Y-%m-%d %H:%M %Z}" in str((await say("snooze", "1h"))["text"])
        await t.move(seconds=11)
        assert (await say("escalate"))["text"] == "The next on the ladder is called now: Lea Khoury."
        asked = await say("resolve")
        assert asked["exit"] == 1
        assert "runs: The last run failed: no <index>" in str(asked["error"])
        assert "--fixed" in str(asked["error"])
        assert "silenced until it is changed" in str((await say("resolve", "wrong runs"))["text"])
        assert "This page is over" in str((await say("resolve"))["text"])
        said = await t.read(lambda tx: [(row.action, row.came_from) for row in tx.scalars(select(Decision).where(Decision.action.in_(("page.snooze", "page.escalate", "check.wrong", "page.resolve"))).order_by(Decision.id))])
        assert said == [(action, "cli") for action in ("page.snooze", "page.escalate", "check.wrong", "page.resolve")]
