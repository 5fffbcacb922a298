"""Maintenance windows: told at start and end, problems held back meanwhile, recoveries told, and nothing lost by sleep."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.surface.press import Ask, Mend
from bot.tables import Agent, Decision, Maintenance
from tests.paging.world import CHANNEL, World, text_of


def plans(world: World) -> list[Maintenance]:
    return world.do(lambda tx: list(tx.scalars(select(Maintenance).order_by(Maintenance.id))))


def told(world: World, number: int = 1) -> list[str]:
    return [str(row.want["text"]) for row in world.rows(f"maintenance:{number}:")]


def value(plan: Maintenance) -> str:
    return f"maintenance:{plan.id}:{int(plan.starts_at.timestamp())}"


# The clock of these tests begins on Friday, 20 November 2026, at 08:00 UTC.


def test_a_window_is_told_at_its_start_and_end_and_holds_problems_back_until_then(world: World) -> None:
    said = world.say("omar", "maintenance support-triage 09:00 2h the index is rebuilt")
    assert "Planned (maintenance 1): *Support triage*" in said
    assert told(world) == []
    world.move(hours=1)
    assert len(told(world)) == 1
    assert "Maintenance of *Support triage* has begun: the index is rebuilt. It ends" in told(world)[0]
    world.run("failed", error="no index")
    assert (world.called(), world.pages()) == ([], [])
    assert "It is in maintenance until" in world.text("problem:1:channel")
    world.move(hours=1, minutes=59)
    assert world.called() == []
    world.move(minutes=1)
    assert world.called() == ["Omar"]
    assert "Maintenance is over of *Support triage*. 1 problem that it held back is still open: people are called now." in told(world)[1]
    assert plans(world)[0].closed_at is not None
    world.move(days=3)
    assert len(told(world)) == 2


def test_what_is_well_again_by_the_end_calls_nobody(world: World) -> None:
    world.say("omar", "maintenance support-triage now 2h the index is rebuilt")
    world.run("failed")
    world.move(hours=1)
    world.run("ok")
    world.move(hours=2)
    assert (world.called(), world.pages()) == ([], [])
    assert "Nothing that it held back is open." in told(world)[1]


def test_a_page_that_was_open_before_rests_in_the_window_and_its_recovery_is_told(world: World) -> None:
    world.run("failed")
    assert world.called() == ["Omar"]
    world.say("omar", "maintenance support-triage now 2h the index is rebuilt")
    assert "In maintenance until" in world.text("page:1:channel")
    world.move(hours=1)
    assert world.called() == ["Omar"]
    world.run("ok")
    assert world.pages()[0].resolved_at is not None
    assert "It is over" in world.lines("page:1:dm:2")[-1]
    world.move(hours=2)
    assert world.called() == ["Omar"]


def test_a_page_that_was_open_before_calls_again_at_the_end(world: World) -> None:
    world.run("failed")
    world.say("omar", "maintenance support-triage now 2h the index is rebuilt")
    world.move(hours=2)
    assert world.called() == ["Omar", "Omar"]


def test_overlapping_windows_hold_until_the_last_of_them_ends(world: World) -> None:
    world.say("omar", "maintenance support-triage now 2h first")
    world.say("omar", "maintenance support-triage 09:00 3h second")
    world.run("failed")
    world.move(hours=2)
    assert world.called() == []
    assert world.problems()[0].quiet_by == "maintenance:2"
    world.move(hours=2)
    assert world.called() == ["Omar"]


def test_a_window_of_a_department_or_of_all_covers_each_of_its_agents_and_tells_each_channel_once(world: World) -> None:
    world.do(lambda tx: setattr(tx.scalars(select(Agent).where(Agent.slug == "order-desk")).one(), "channel_id", "C0ORDERS"))
    assert "for a lead" in world.say("omar", 'maintenance department:"Customer service" now 1h the move')
    world.say("zoe", 'maintenance department:"Customer service" now 1h the move')
    assert sorted(row.target for row in world.rows("maintenance:1:")) == ["C0ORDERS", CHANNEL]
    world.run("failed")
    world.run("failed", slug="order-desk")
    assert world.called() == []
    world.move(hours=1)
    assert world.called() != []
    assert len(world.rows("maintenance:1:")) == 4


def test_a_machine_asleep_over_the_start_tells_it_late_and_holds_what_failed_meanwhile(world: World) -> None:
    world.say("omar", "maintenance support-triage 09:00 2h the index is rebuilt")
    world.move(hours=2)
    assert "(told late: I was not running)" in told(world)[0]
    world.run("failed")
    assert world.called() == []
    world.move(hours=1)
    assert world.called() == ["Omar"]


def test_a_machine_asleep_over_the_end_tells_it_late_once_and_calls_then(world: World) -> None:
    world.say("omar", "maintenance support-triage now 2h the index is rebuilt")
    world.run("failed")
    world.move(hours=20)
    assert "(told late: I was not running)" in told(world)[1]
    assert world.called() == ["Omar"]
    assert len(told(world)) == 2


def test_a_machine_asleep_over_all_of_it_tells_it_once_and_calls_at_once_about_what_fails(world: World) -> None:
    world.say("omar", "maintenance support-triage 09:00 2h the index is rebuilt")
    world.move(hours=20)
    assert len(told(world)) == 1
    assert "was planned from" in told(world)[0]
    world.run("failed")
    assert world.called() == ["Omar"]


def test_a_recurring_window_comes_again_and_its_next_can_be_skipped(world: World) -> None:
    said = world.say("omar", 'maintenance support-triage cron:"0 22 * * *" zone:Asia/Beirut 2h the index is rebuilt')
    assert "Comes again: `0 22 * * *` in Asia/Beirut, each time for 2 hours." in said
    world.move(hours=12)  # 20:00 UTC is 22:00 in Beirut
    assert len(told(world)) == 1
    world.move(hours=2)
    assert len(told(world)) == 2
    plan = plans(world)[0]
    assert (plan.begun_at, plan.starts_at) == (None, world.clock.now() + timedelta(hours=22))
    answer = text_of(world.press("omar", "quiet.skip", value(plan)))
    assert "is skipped: problems call people as ever. The next one begins" in answer
    assert "somebody skipped it already" in text_of(world.press("lea", "quiet.skip", value(plan)))
    world.move(hours=23)
    assert len(told(world)) == 2
    world.run("failed")
    assert world.called() == ["Omar"]
    world.run("ok")
    world.move(hours=23)
    assert len(told(world)) == 3


def test_after_a_week_asleep_a_recurring_window_says_one_thing_and_goes_on(world: World) -> None:
    world.say("omar", 'maintenance support-triage cron:"0 22 * * *" 2h the index is rebuilt')
    world.move(days=7)
    assert len(told(world)) == 1
    assert plans(world)[0].starts_at == world.clock.now() + timedelta(hours=14)


def test_ending_a_window_early_calls_at_once_and_names_who_did(world: World) -> None:
    world.say("omar", "maintenance support-triage now 2h the index is rebuilt")
    world.run("failed")
    world.move(minutes=10)
    plan = plans(world)[0]
    assert "by an owner" in text_of(world.press("ben", "quiet.end_window", value(plan)))
    assert "is over. A problem that is still open calls people now." in text_of(world.press("lea", "quiet.end_window", value(plan)))
    assert world.called() == ["Omar"]
    assert "Lea ended the maintenance of *Support triage*" in told(world)[1]
    assert "over already" in text_of(world.press("lea", "quiet.end_window", value(plan)))
    actions = world.do(lambda tx: [row.action for row in tx.scalars(select(Decision).where(Decision.action.startswith("maintenance.")).order_by(Decision.id))])
    assert actions == ["maintenance.plan", "maintenance.begin", "maintenance.end"]


def test_a_window_to_come_is_taken_away(world: World) -> None:
    world.say("omar", "maintenance support-triage tonight 22:00 2h the index is rebuilt")
    assert "taken away: it will not come" in text_of(world.press("omar", "quiet.end_window", value(plans(world)[0])))
    world.move(days=1)
    assert told(world) == []
    assert "No maintenance is planned" in world.say("ben", "maintenance")


def test_the_list_shows_what_is_under_way_and_to_come(world: World) -> None:
    assert "No maintenance is planned or under way." in world.say("ben", "maintenance")
    world.say("omar", "maintenance support-triage now 2h first <!here>")
    world.say("zoe", 'maintenance * cron:"0 22 * * sun" 2h patches')
    world.run("failed")
    said = world.say("ben", "maintenance")
    assert "2 maintenance windows:" in said
    assert "under way until" in said
    assert "Holds back 1 open problem." in said
    assert "first &lt;!here&gt;." in said
    assert "all agents, next" in said
    assert "full members" in world.say("gus", "maintenance")
    assert "is over" in world.say("omar", "maintenance end 1")
    assert "is skipped" in world.say("zoe", "maintenance skip 2")
    assert "There is no maintenance 1 under way" in world.say("omar", "maintenance end 1")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("maintenance support-triage 22:00 2h", "what is done"),
        ("maintenance support-triage sometime 2h x", "Say from when"),
        ("maintenance nowhere 22:00 2h x", "There is no agent nowhere"),
        ('maintenance support-triage cron:"0 22 * *" 2h x', "five cron fields"),
        ("maintenance support-triage zone:Mars/Olympus 22:00 2h x", "not an IANA time zone"),
        ("maintenance support-triage 22:00 30d x", "between 1 minute and 7 days"),
    ],
)
def test_words_that_do_not_fit_are_answered_with_the_remedy(world: World, words: str, answer: str) -> None:
    assert answer in world.say("omar", words)
    assert plans(world) == []


def test_the_form_plans_a_window_in_its_zone_and_names_what_is_wrong(world: World) -> None:
    assert isinstance(world.press("omar", "quiet.maintenance"), Ask)
    given = {"agent": "support-triage", "department": "", "day": "2026-11-20", "at": "22:00", "cron": "", "zone": "Asia/Beirut", "lasts": "2h", "reason": "the index is rebuilt"}

    def sent(**other: str) -> object:
        return world.press("omar", "quiet.maintenance", how="view", values={**given, **other})

    for field, bad in (("zone", "Mars"), ("lasts", "long"), ("reason", ""), ("cron", "0 22"), ("agent", "No Id"), ("at", "")):
        answer = sent(**{field: bad})
        assert isinstance(answer, Mend), field
        assert set(answer.errors) == {field}
    assert "at" in sent(day="2026-11-19").errors  # type: ignore[attr-defined]
    assert plans(world) == []
    assert "Planned" in text_of(sent())  # type: ignore[arg-type]
    assert f"{plans(world)[0].starts_at:%Y-%m-%d %H:%M}" == "2026-11-20 20:00"
    assert "Planned" in text_of(sent(cron="0 22 * * sun", day="", at=""))  # type: ignore[arg-type]
    assert plans(world)[1].cron == "0 22 * * sun"


def test_a_heartbeat_missed_only_inside_the_window_calls_nobody_where_it_is_well_by_its_end(world: World) -> None:
    def watch(tx) -> None:  # type: ignore[no-untyped-def]
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "checks": {"silent": {"kind": "no_data", "of": "run", "within": "1h", "severity": "page"}}}
        agent.spec_rev += 1

    world.run("ok")
    world.do(watch)
    world.settle()
    world.say("omar", "maintenance support-triage now 4h the index is rebuilt")
    world.move(hours=2)
    assert [problem.quiet_by for problem in world.problems()] == ["maintenance:1"]
    world.move(hours=1, minutes=30)
    world.run("ok")
    world.move(minutes=40)
    assert world.problems()[0].closed_at is not None
    assert (world.called(), world.pages()) == ([], [])
