"""Digests from counted work to what the channel reads, over days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from inline_snapshot import snapshot
from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.db import Database
from bot.digests.slack import reviewed
from bot.lists.slack import mine
from bot.outbox.flows import find
from bot.people.absences import declare_absence
from bot.people.flows import Refused
from bot.surface.press import Tell
from bot.tables import Agent, Change, Digest, DigestReview, DigestTimer, Observation, OutMessage, Output, Problem, Run
from tests.digests import scene

FRIDAY = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)  # 09:00 in Paris


@pytest.fixture
def fleet(db: Database) -> Database:
    """Three agents of one channel since early November: one fine, one bad, one silent; the leads are Sam."""
    start = FRIDAY - timedelta(days=1, hours=2)
    with db.transaction() as tx:
        scene.registry(tx, start, leads=["U0SAM"])
        scene.channel(tx)
        people = {name: scene.person(tx, name) for name in ("maya", "omar", "lea", "sam", "bea")}
        owners = {"business": people["maya"], "operations": people["omar"], "backup": people["bea"]}
        good = scene.agent(tx, start, "quote-writer", owners, target=0.85)
        bad = scene.agent(tx, start, "support-triage", {**owners, "operations": people["lea"]}, target=0.85)
        silent = scene.agent(tx, start, "invoice-reader", owners)
        scene.work(tx, start, good, "2026-11-06", "2026-11-19", judged=20, good=19)
        scene.work(tx, start, bad, "2026-11-06", "2026-11-12", judged=20, good=18)
        scene.work(tx, start, bad, "2026-11-13", "2026-11-19", outputs=60, runs=64, failed=3, judged=20, good=12, ms=2400)
        scene.work(tx, start, silent, "2026-11-06", "2026-11-16", judged=5, good=5)
        for agent, day in ((good, 19), (bad, 19), (silent, 16)):
            at = datetime(2026, 11, day, 14, 5, tzinfo=UTC)
            tx.add(Output(agent_id=agent.id, ext_id="last", occurred_at=at, received_at=at, kind="reply", text=f"A reply of {agent.name} <!channel>", local_day=f"2026-11-{day}"))
        noon = datetime(2026, 11, 19, 11, 0, tzinfo=UTC)
        tx.add(Output(agent_id=bad.id, ext_id="worst", occurred_at=noon, received_at=noon, kind="reply", text="Refunds take 90 days.", url="https://example.com/1", local_day="2026-11-19", run="r-failed"))
        tx.add(Run(agent_id=bad.id, ext_id="r-lost", occurred_at=noon + timedelta(hours=1), received_at=noon, content="", status="failed", error="Timeout after 30 s"))
        tx.add(Change(agent_id=bad.id, ext_id="c1", occurred_at=noon, received_at=noon, content="", input="system-prompt", version="v15"))
        tx.add(Problem(agent_id=bad.id, fingerprint="support-triage/quality", severity="notice", title="Quality below 85%", says="60% good", since=noon - timedelta(days=1), opened_at=noon))
        tx.flush()
        worst = tx.scalars(select(Output).where(Output.ext_id == "worst")).one()
        tx.add(Observation(agent_id=bad.id, output_id=worst.id, source="people", local_day="2026-11-19", share=0.0, votes=3, first_at=noon, settles_at=noon))
        scene.turn_all(tx, start)
    return db


def morning(db: Database, now: datetime = FRIDAY) -> None:
    with db.transaction() as tx:
        scene.fold(tx, now)
        scene.turn_all(tx, now)


def test_the_morning_summary_reads_well(fleet: Database) -> None:
    morning(fleet)
    with fleet.reading() as tx:
        (row,) = [row for row in scene.shown(tx, "digest:") if row.thread_key is None]
        assert row.target == "C0SUPPORT"
        assert scene.read_aloud(row) == snapshot("""\
Daily health · Fri 20 Nov
Yesterday's output was worth using for 1 of 3 agents; Support triage is not worth using and Invoice reader is silent. Support triage changed: system-prompt v15. Needed: Lea (Support triage) and Omar (Invoice reader).
🔴 1 not worth using, ⚫ 1 silent, 🟢 1 worth using · covers Thu 19 Nov · quality is of the last 7 days unless said, with a 90% interval
---
*🔴 Not worth using: Support triage*
60% good (53% to 67%, 120 judged) against a target of 85%, down 26 points from the week before, no baseline yet
60 outputs (20 judged so far, 60% good) · 3 of 64 runs failed (4.7%) · 95% of runs within 2.3 s · cost $0.13
_Because even the upper bound is below the target of 85%_
Changed: system-prompt v15
Open: Quality below 85%, since Wed 12:00
*Needed:* <@U0LEA> to find out why its outputs are rated bad, and decide whether people should review them until then
*⚫ Silent since Mon 16 Nov 15:05: Invoice reader*
100% good (95% to 100%, 55 judged in 28 days) against a target of 80% (default), no baseline yet
No output and no run in these days: nothing can be said about them
*Needed:* <@U0OMAR> to find out why nothing comes
---
🟢 Worth using: *Quote writer* · 95% good (91% to 97%, 120 judged) · 40 outputs
Better every sprint? Against two weeks ago, 2 with no clear change, 1 with too little to say; against a quarter ago, 3 with too little to say.
To review: Lea (1 agent) and Omar (2 agents).
[Reviewed]\
""")
        assert row.want["text"] == snapshot("""\
Yesterday's output was worth using for 1 of 3 agents; Support triage is not worth using and Invoice reader is silent. Support triage changed: system-prompt v15. Needed: Lea (Support triage) and Omar (Invoice reader).
🔴 Not worth using: Support triage. Lea is needed to find out why its outputs are rated bad, and decide whether people should review them until then.
⚫ Silent since Mon 16 Nov 15:05: Invoice reader. Omar is needed to find out why nothing comes.
🟢 Worth using: Quote writer (40 outputs)
Better every sprint? Against two weeks ago, 2 with no clear change, 1 with too little to say; against a quarter ago, 3 with too little to say.
To review: Lea (1 agent) and Omar (2 agents).\
""")


def test_its_thread_shows_real_outputs_with_buttons(fleet: Database) -> None:
    morning(fleet)
    with fleet.reading() as tx:
        rows = scene.shown(tx, "digest:")
        threads = [row for row in rows if row.thread_key is not None]
        assert {row.thread_key for row in threads} == {rows[0].key}
        charts = [row for row in threads if ":charts:" in row.key]
        assert charts == threads[: len(charts)], "what is looked at stands before what is read"
        assert charts[0].want["text"].startswith("Chart of the quality of Support triage")
        (outputs,) = threads[len(charts) :]
        assert scene.read_aloud(outputs) == snapshot("""\
*Support triage*: 3 real outputs of these days
_Rated worst by people (3 votes), Thu 19 Nov 12:00_
> Refunds take 90 days.
<https://example.com/1|Open it>
[👍] [👎]
_The newest failure, Thu 19 Nov 13:00_
> Error: Timeout after 30 s
_Picked at random, Thu 19 Nov 15:05_
> A reply of Support triage &lt;!channel&gt;
[👍] [👎]
*Quote writer*: 1 real output of these days
_Picked at random, Thu 19 Nov 15:05_
> A reply of Quote writer &lt;!channel&gt;
[👍] [👎]\
""")


def test_a_digest_comes_exactly_once_a_working_day_over_a_week_of_looking(fleet: Database) -> None:
    now = FRIDAY
    while now < FRIDAY + timedelta(days=7):
        with fleet.transaction() as tx:
            scene.turn_all(tx, now)
        now += timedelta(hours=7, minutes=13)
    with fleet.reading() as tx:
        days = list(tx.scalars(select(Digest.local_date).where(Digest.channel_id == "C0SUPPORT").order_by(Digest.id)))
        assert days == ["2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"]
        spans = tx.execute(select(Digest.covers_from, Digest.covers_until).where(Digest.channel_id == "C0SUPPORT").order_by(Digest.id)).all()
        assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]]


def test_after_four_days_down_one_catch_up_covers_them_all(fleet: Database) -> None:
    morning(fleet)
    morning(fleet, FRIDAY + timedelta(days=6, hours=3))
    with fleet.reading() as tx:
        digests = list(tx.scalars(select(Digest).where(Digest.channel_id == "C0SUPPORT").order_by(Digest.id)))
        assert [each.local_date for each in digests] == ["2026-11-20", "2026-11-26"]
        assert (digests[1].content["first_day"], digests[1].content["last_day"]) == ("2026-11-20", "2026-11-25")
        # The folded rows were six days old: they were folded before they were told.
        assert {report["verdict"] for report in digests[1].content["reports"]} == {"silent"}


def test_each_owner_marks_their_own_agents_and_the_summary_shows_who(fleet: Database) -> None:
    morning(fleet)
    with fleet.transaction() as tx:
        digest = tx.scalars(select(Digest).where(Digest.channel_id == "C0SUPPORT")).one()
        omar, lea, sam = (scene.find_person(tx, name) for name in ("omar", "lea", "sam"))
        value = f"digest:{digest.id}"
        told = reviewed(tx, scene.press(sam, FRIDAY, "digests.reviewed", value))
        assert isinstance(told, Tell)
        assert told.message.text == "This summary is reviewed by the owners of its agents. Still waited for: <@U0LEA> and <@U0OMAR>. Nothing was changed."
        told = reviewed(tx, scene.press(omar, FRIDAY, "digests.reviewed", value))
        assert isinstance(told, Tell)
        assert told.message.text == "Marked as reviewed: Invoice reader and Quote writer. Thank you. Still waited for: Lea."
        row = find(tx, f"digest:{digest.id}")
        assert row is not None
        assert "Reviewed by Omar. To review: Lea (1 agent)." in scene.read_aloud(row)
        reviewed(tx, scene.press(lea, FRIDAY, "digests.reviewed", value))
        said = scene.read_aloud(row)
        assert "Reviewed by Lea and Omar." in said or "Reviewed by Omar and Lea." in said
        assert "[Reviewed]" not in said
        again = reviewed(tx, scene.press(lea, FRIDAY, "digests.reviewed", value))
        assert isinstance(again, Tell)
        assert again.message.text == "This summary is reviewed already. Thank you for looking."


def test_guests_and_forged_values_change_nothing(fleet: Database) -> None:
    morning(fleet)
    with fleet.transaction() as tx:
        guest = scene.person(tx, "guest", kind="guest")
        with pytest.raises(Refused):
            reviewed(tx, scene.press(guest, FRIDAY, "digests.reviewed", "digest:1"))
        omar = scene.find_person(tx, "omar")
        for value in ("digest:999999", "digest:", "digest:1; drop", "digest:" + "9" * 40):
            assert isinstance(reviewed(tx, scene.press(omar, FRIDAY, "digests.reviewed", value)), Tell)
        assert tx.scalar(select(func.count()).where(DigestReview.reviewed_at.is_not(None))) == 0


def test_an_absent_owners_agents_go_to_the_backup(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        declare_absence(tx, FRIDAY - timedelta(hours=1), omar.id, FRIDAY - timedelta(hours=1), FRIDAY + timedelta(days=3))
    morning(fleet)
    with fleet.reading() as tx:
        (row,) = [row for row in scene.shown(tx, "digest:") if row.thread_key is None]
        said = scene.read_aloud(row)
        assert "To review: Lea (1 agent) and Bea (2 agents)." in said
        assert "<@U0BEA> (for Omar, who is away) to find out why nothing comes" in said


def test_what_nobody_reviewed_goes_to_the_business_owners_list_the_next_working_day(fleet: Database) -> None:
    morning(fleet)
    monday = FRIDAY + timedelta(days=3)
    with fleet.transaction() as tx:
        maya, lea = scene.find_person(tx, "maya"), scene.find_person(tx, "lea")
        before = mine(tx, scene.press(maya, FRIDAY + timedelta(hours=5), "mine"))
        assert isinstance(before, Tell)
        assert "Nothing waits for you" in before.message.text
        own = mine(tx, scene.press(lea, FRIDAY + timedelta(hours=5), "mine"))
        assert isinstance(own, Tell)
        assert "mark it as reviewed: Support triage" in own.message.text
    morning(fleet, monday)
    with fleet.transaction() as tx:
        after = mine(tx, scene.press(maya, monday, "mine"))
        assert isinstance(after, Tell)
        assert after.message.text == snapshot("""\
1 thing for you now.
• The summary in #support-ai is not reviewed yet (Invoice reader, Quote writer and Support triage). Lea and Omar were asked, and you answer for the outcome\
""")
        # One press on the newest marks the older one too.
        digest = tx.scalars(select(Digest).where(Digest.channel_id == "C0SUPPORT").order_by(Digest.id.desc())).first()
        assert digest is not None
        reviewed(tx, scene.press(lea, monday, "digests.reviewed", f"digest:{digest.id}"))
        assert tx.scalar(select(func.count()).where(DigestReview.person_id == lea.id, DigestReview.reviewed_at.is_(None))) == 0


def test_a_week_of_good_days_asks_for_one_review(db: Database) -> None:
    monday = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
    with db.transaction() as tx:
        scene.registry(tx, monday)
        omar, maya = scene.person(tx, "omar"), scene.person(tx, "maya")
        good = scene.agent(tx, monday, "quote-writer", {"business": maya, "operations": omar}, target=0.8, expect_every="9d")
        scene.work(tx, monday, good, "2026-11-02", "2026-11-20", judged=20, good=19)
        tx.add(Output(agent_id=good.id, ext_id="o", occurred_at=monday - timedelta(days=1), received_at=monday, local_day="2026-11-15", text="x"))
        scene.turn_all(tx, monday - timedelta(hours=1))
    for day in range(5):
        morning(db, monday + timedelta(days=day))
    with db.reading() as tx:
        asked = tx.execute(select(Digest.local_date, func.count(DigestReview.id)).outerjoin(DigestReview).group_by(Digest.local_date).order_by(Digest.local_date)).all()
        assert [tuple(row) for row in asked] == [("2026-11-16", 1), ("2026-11-17", 0), ("2026-11-18", 0), ("2026-11-19", 0), ("2026-11-20", 0)]


def test_late_data_edits_the_summary_with_one_line_and_nothing_else_does(fleet: Database) -> None:
    morning(fleet)
    with fleet.transaction() as tx:
        bad = scene.find_agent(tx, "support-triage")
        (row,) = [row for row in scene.shown(tx, "digest:") if row.thread_key is None]
        before = scene.read_aloud(row)
        scene.work(tx, FRIDAY, bad, "2026-11-20", "2026-11-20", outputs=500)  # today's work is tomorrow's summary
        scene.turn_all(tx, FRIDAY + timedelta(minutes=11))
        assert scene.read_aloud(row) == before
        scene.work(tx, FRIDAY, bad, "2026-11-19", "2026-11-19", outputs=12, runs=13, failed=2)
        scene.turn_all(tx, FRIDAY + timedelta(minutes=30))
        line = "🕒 Came in after this was posted, for the days it covers: Support triage: 12 more outputs and 13 more runs (2 failed)."
        assert scene.read_aloud(row).replace(f"{line}\n", "") == before
        scene.turn_all(tx, FRIDAY + timedelta(days=2, minutes=1))
        digest = tx.scalars(select(Digest).where(Digest.channel_id == "C0SUPPORT")).one()
        assert digest.look_at is None


def test_leads_get_one_fleet_line(fleet: Database) -> None:
    morning(fleet)
    with fleet.reading() as tx:
        (row,) = scene.shown(tx, "fleet:")
        assert row.target == "U0SAM"
        assert scene.read_aloud(row) == snapshot("""\
*Fleet of 3 agents, Fri 20 Nov:* 🔴 1 not worth using, ⚫ 1 silent, 🟢 1 worth using.
• 🔴 Not worth using: Support triage. Lea is needed to find out why its outputs are rated bad, and decide whether people should review them until then.
• ⚫ Silent since Mon 16 Nov 15:05: Invoice reader. Omar is needed to find out why nothing comes.
See all, worst first: `/aiops status`\
""")


def test_a_digest_time_changed_in_the_registry_moves_the_timer(fleet: Database) -> None:
    with fleet.transaction() as tx:
        scene.registry(tx, FRIDAY, digest={"at": "11:30"})
        scene.turn_all(tx, FRIDAY - timedelta(hours=1))
        assert tx.scalars(select(DigestTimer.due_at).where(DigestTimer.channel_id == "C0SUPPORT")).one() == FRIDAY + timedelta(hours=2, minutes=30)
    morning(fleet)
    with fleet.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Digest)) == 0


def test_an_agent_that_cannot_be_read_does_not_stop_the_other_channels(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        broken = scene.agent(tx, FRIDAY, "broken", {"operations": omar}, channel_id="C0BROKEN", target=7)  # no such share: its spec cannot be read
        assert broken.id
        scene.turn_all(tx, FRIDAY - timedelta(hours=1))
    with fleet.transaction() as tx:
        scene.turn_all(tx, FRIDAY)
        assert list(tx.scalars(select(Digest.channel_id).where(Digest.channel_id != "leads"))) == ["C0SUPPORT"]
        aside = tx.scalars(select(DigestTimer.due_at).where(DigestTimer.channel_id == "C0BROKEN")).one()
        assert aside is not None
        assert aside > FRIDAY


def test_five_hundred_agents_make_one_summary_and_pages(db: Database) -> None:
    with db.transaction() as tx:
        scene.registry(tx, FRIDAY)
        omar, maya = scene.person(tx, "omar"), scene.person(tx, "maya")
        before = FRIDAY - timedelta(hours=1)
        for number in range(500):
            scene.agent(tx, before, f"agent-{number}", {"business": maya, "operations": omar}, name=f"{number:03d} " + "long " * 23)
        scene.turn_all(tx, before)
        scene.turn_all(tx, FRIDAY)
        rows = scene.shown(tx, "digest:")
        assert sum(row.thread_key is None for row in rows) == 1
        told = "\n".join(scene.read_aloud(row) for row in rows)
        assert all(f"{number:03d} long" in told for number in range(500))
        assert tx.scalar(select(func.count()).select_from(OutMessage)) < 40


def test_the_clock_of_the_tests_is_a_friday_in_paris(clock: MovedClock) -> None:
    assert clock.now() == FRIDAY


def test_restricted_texts_and_the_split_of_a_few_votes_never_stand_in_the_thread(fleet: Database) -> None:
    with fleet.transaction() as tx:
        agent = tx.scalars(select(Agent).where(Agent.slug == "support-triage")).one()
        agent.spec = {**agent.spec, "data": {"class": "restricted"}}
    morning(fleet)
    with fleet.transaction() as tx:
        wants = str([row.want for row in tx.scalars(select(OutMessage))])
    assert "Refunds take 90 days" not in wants
    assert "Timeout after 30 s" not in wants
    assert "kept out of Slack by the registry" in wants
    assert "0% good of" not in wants


def test_a_change_heard_of_late_stands_in_the_next_summary_once(fleet: Database) -> None:
    morning(fleet)
    with fleet.transaction() as tx:
        agent = scene.find_agent(tx, "support-triage")
        heard = FRIDAY + timedelta(minutes=20)
        for number, (before, version) in enumerate(((timedelta(minutes=30), "gpt-5"), (timedelta(days=9), "gpt-3"))):
            tx.add(Change(agent_id=agent.id, ext_id=f"late{number}", occurred_at=FRIDAY - before, received_at=heard, content="", input="model", version=version))
    monday = FRIDAY + timedelta(days=3)
    said = []
    for day in (monday, monday + timedelta(days=1)):
        morning(fleet, day)
        with fleet.reading() as tx:
            newest = tx.scalars(select(Digest).where(Digest.channel_id == "C0SUPPORT").order_by(Digest.id.desc())).first()
            assert newest is not None
            said.append({each["slug"]: each["changes"] for each in newest.content["reports"]}["support-triage"])
    assert [list(each) for each in said] == [["model gpt-5"], []]
