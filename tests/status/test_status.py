"""What `/aiops status` and its neighbours answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from inline_snapshot import snapshot
from sqlalchemy import event, select

from bot.charts.dress import dress
from bot.db import Database
from bot.people.flows import Refused
from bot.people.spans import parse_day
from bot.status.http import list_agents, one_agent
from bot.status.slack import WORDS, look_closer, status, unknown
from bot.status.text import status_lines
from bot.surface.press import Answer, Tell
from bot.tables import Absence, Agent, AgentNow, Baseline, Change, Page, Problem
from bot.workspace.blocks import check_blocks
from tests.digests import scene

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def words_of(answer: Answer) -> str:
    assert isinstance(answer, Tell)
    blocks = dress(answer.message.blocks, native=False, source=lambda _: None)  # charts as words
    if blocks:
        check_blocks(blocks, "message")
    assert len(blocks) < 50
    assert 0 < len(answer.message.text) < 4000
    return "\n".join(line for block in blocks for line in scene._words(block)) or answer.message.text


@pytest.fixture
def fleet(db: Database) -> Database:
    """Four agents in two departments, one of them bad and one paged about."""
    with db.transaction() as tx:
        scene.registry(tx, NOW)
        scene.channel(tx)
        maya, omar, lea = (scene.person(tx, name) for name in ("maya", "omar", "lea"))
        owners = {"business": maya, "operations": omar, "backup": lea}
        bad = scene.agent(tx, NOW, "support-triage", owners, target=0.85, about="Sorts the mail of customers.", expect_every="9d")
        good = scene.agent(tx, NOW, "quote-writer", owners, department="Sales", expect_every="9d")
        new = scene.agent(tx, NOW, "lead-scorer", owners, department="Sales", accepted=False, expect_every="9d")
        scene.agent(tx, NOW, "quote-checker", owners, department="Sales", expect_every="9d")
        scene.work(tx, NOW, bad, "2026-11-07", "2026-11-13", judged=20, good=18)
        scene.work(tx, NOW, bad, "2026-11-14", "2026-11-20", judged=20, good=12, failed=2, ms=2400)
        scene.work(tx, NOW, good, "2026-11-07", "2026-11-20", judged=20, good=19)
        scene.work(tx, NOW, new, "2026-11-18", "2026-11-20", judged=4, good=4)
        tx.add(Baseline(agent_id=bad.id, source="people", share=0.9, n=300, first_day="2026-09-01", last_day="2026-09-28", label="at launch", set_at=NOW))
        tx.add(Change(agent_id=bad.id, ext_id="c", occurred_at=NOW - timedelta(days=1), received_at=NOW, content="", input="system-prompt", version="v15", note="shorter"))
        tx.add(Problem(agent_id=bad.id, fingerprint="support-triage/quality", severity="notice", title="Quality below 85%", says="60% of 140 good", since=NOW - timedelta(days=2), opened_at=NOW))
        page = Page(agent_id=good.id, severity="page", opened_at=NOW - timedelta(minutes=20))
        tx.add(page)
        tx.flush()
        tx.add(Problem(agent_id=good.id, page_id=page.id, fingerprint="x:runs", severity="page", title="a run failed", says="It failed.", since=NOW - timedelta(minutes=20), opened_at=NOW - timedelta(minutes=20)))
        for agent in tx.scalars(select(Agent)):
            agent.created_at = NOW - timedelta(days=1)
        tx.flush()
        scene.fold(tx, NOW)
    return db


def test_the_fleet_is_told_worst_first_and_what_calls_before_all(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        assert words_of(status(tx, scene.press(omar, NOW, "status"))) == snapshot("""\
*4 agents in 2 departments*
🔴 1 not worth using, ⚪ 2 learning, 🟢 1 worth using
1 open page · 1 agent without confirmed owners
---
*🟢 Worth using: Quote writer (Sales)*
95% good (91% to 97%, 140 judged)
Open: a run failed, since Fri 20 Nov 08:40
A page is open and nobody has acknowledged it
Operations owner: Omar
[Look closer]
*🔴 Not worth using: Support triage (Customer service)*
60% good (53% to 67%, 140 judged)
Open: Quality below 85%, since Wed 18 Nov 09:00
Operations owner: Omar
[Look closer]
*⚪ Learning: Quote checker (Sales)*
0 of 30 judgements
Operations owner: Omar
[Look closer]
*⚪ Learning: Lead scorer (Sales)*
12 of 30 judgements, ready about 25 Nov
Operations owner: Omar (owner not confirmed)
[Look closer]
*By department*
Customer service: 🔴 1 not worth using
Sales: ⚪ 2 learning, 🟢 1 worth using
`/aiops status &lt;department&gt;` narrows it down, `/aiops status &lt;agent&gt;` shows one in depth.\
""")


def test_one_agent_in_depth(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        answer = status(tx, scene.press(omar, NOW, "status", "", "Support", "triage"))
        assert isinstance(answer, Tell)
        assert answer.share
        assert words_of(answer) == snapshot("""\
*🔴 Not worth using: Support triage (Customer service)*
People found 60% of 140 outputs good in 7 days (53% to 67%); even the upper bound is below the target of 85%.
Sorts the mail of customers.
*Quality*
People: 60% good (53% to 67%, 140 judged)
of these, volunteers: 60% good (53% to 67%, 140 judged)
Target: 85% good · baseline at launch: 90% of 300, 1 Sep to 28 Sep
Now down 30 points from the week before and down 30 points from the baseline
Over 28 days: people 75% good (71% to 79%, 280 judged in 28 days)
*Support triage*  ▇▇▇▇▇▇▇▇▇▆▆▆▅▅  0% to 100%, day by day
20 Nov: 60% (53% to 67%, 140 judged) of the outputs of the 7 days up to it were good, down 30 points from 90% on 7 Nov. Lowest 60% on 20 Nov, highest 90% on 7 Nov. Baseline 90% at launch, target 85%.
Changed: 19 Nov: system-prompt v15
*Whose judgement*
Volunteers (28 days): 75% good (71% to 79%, 280 judged); people who vote by themselves are not a random sample
*Better every sprint*
Too little to compare with two weeks ago: 280 judged now and 0 then, 10 each are needed
Too little to compare with a quarter ago: 280 judged now and 0 then, 10 each are needed
*Day by day, 7 Nov to 20 Nov*
Quality ▇▇▇▇▇▇▇▅▅▅▅▅▅▅  60% to 90%
Outputs ██████████████  most on one day: 40
*Work*
280 outputs
14 of 280 runs failed (5.0%)
Half of the runs took less than 2.3 s, 95% less than 2.3 s
Cost: $0.56
*Open*
Quality below 85%, since Wed 18 Nov 09:00: 60% of 140 good
*Changed*
Thu 19 Nov 09:00: system-prompt is now v15 (shorter)
*Who and where*
Operations owner Omar, business owner Maya, backup Lea
Owner channel #support-ai
Figures are of the last 7 days unless said, today included, in the agent's own days; intervals are 90%.\
""")
        assert words_of(look_closer(tx, scene.press(omar, NOW, "status.agent", "agent:support-triage"))) == words_of(answer)


def test_a_department_a_prefix_and_a_misspelling_are_understood(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        assert words_of(status(tx, scene.press(omar, NOW, "status", "", "sales"))).startswith("*Sales: 3 agents*")
        assert words_of(status(tx, scene.press(omar, NOW, "status", "", "lead"))).startswith("*⚪ Learning: Lead scorer (Sales)*")
        assert "Which one?" in words_of(status(tx, scene.press(omar, NOW, "status", "", "quote")))
        assert words_of(status(tx, scene.press(omar, NOW, "status", "", "suport-triage"))) == "I know no agent or department called “suport-triage”. Did you mean Support triage?"
        assert "`/aiops status` shows all" in words_of(status(tx, scene.press(omar, NOW, "status", "", "<!channel>%_\\")))
        assert "no longer in the registry" in words_of(look_closer(tx, scene.press(omar, NOW, "status.agent", "agent:gone")))


def test_guests_see_nothing(fleet: Database) -> None:
    with fleet.transaction() as tx:
        guest = scene.person(tx, "guest", kind="guest")
        with pytest.raises(Refused, match="full members"):
            status(tx, scene.press(guest, NOW, "status"))


def test_an_empty_fleet_is_told_what_to_do(db: Database) -> None:
    with db.transaction() as tx:
        assert "There are no agents yet" in words_of(status(tx, scene.press(scene.person(tx, "omar"), NOW, "status")))
        assert status_lines(tx, NOW)[1] == ["There are no agents yet: describe them in aiops.yml and run `aiops apply`."]


def test_the_command_line_reads_the_same_as_plain_lines(fleet: Database) -> None:
    with fleet.reading() as tx:
        known, lines = status_lines(tx, NOW)
        assert known
        assert "\n".join(lines) == snapshot("""\
4 agents in 2 departments
🔴 1 not worth using, ⚪ 2 learning, 🟢 1 worth using
1 open page · 1 agent without confirmed owners

🟢 Worth using: Quote writer (Sales)
    95% good (91% to 97%, 140 judged)
    Open: a run failed, since Fri 20 Nov 08:40
    A page is open and nobody has acknowledged it
    Operations owner: Omar
🔴 Not worth using: Support triage (Customer service)
    60% good (53% to 67%, 140 judged)
    Open: Quality below 85%, since Wed 18 Nov 09:00
    Operations owner: Omar
⚪ Learning: Quote checker (Sales)
    0 of 30 judgements
    Operations owner: Omar
⚪ Learning: Lead scorer (Sales)
    12 of 30 judgements, ready about 25 Nov
    Operations owner: Omar (owner not confirmed)

By department
Customer service: 🔴 1 not worth using
Sales: ⚪ 2 learning, 🟢 1 worth using\
""")
        assert status_lines(tx, NOW, "quote")[1][0] == "Several agents fit 'quote':"
        assert status_lines(tx, NOW, "xyzzy") == (False, ["No agent or department is called 'xyzzy'."])


def test_help_is_short_and_an_unknown_word_gets_a_guess(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        assert words_of(unknown(tx, scene.press(omar, NOW, "statsu"))).startswith("I do not know “statsu”. Did you mean `/aiops status`?")
        assert words_of(WORDS["help"](tx, scene.press(omar, NOW, "help"))) == snapshot("""\
*Look*
`/aiops status`  all agents, worst first
`/aiops status &lt;agent or department&gt;`  one agent in depth, or one department
`/aiops sprint [agent or department]`  who really got better since two weeks ago, and since a quarter ago
`/aiops baseline &lt;agent&gt;`  what its quality is compared with, and whether it drifts; where you decide on a new baseline
`/aiops mine`  what waits for you
*Do*
`/aiops agent add`  add an agent: two owners, a channel, sensible checks
`/aiops agent`  the agents you answer for; `agent &lt;name&gt;` shows who owns one, with a test page
`/aiops agent hand-over &lt;agent&gt; &lt;role&gt; to @who`  give a role to somebody, with all that is open; they accept, `agent take-back` ends it
`/aiops agent retire &lt;agent&gt;`  end an agent's work for good; `agent bring-back` within 30 days
`/aiops page`  the open pages; `page ack &lt;number&gt;` says you have one, `page snooze &lt;number&gt; 2h` (or until 09:00), `page escalate &lt;number&gt;` and `page resolve &lt;number&gt;` do what its buttons do, `page test` calls you by each of your routes and says which worked
`/aiops stage &lt;agent&gt;`  what an agent may do now, and the way back after `Human review` or `Stop agent`
`/aiops incident open &lt;agent&gt;`  start the failure protocol
`/aiops incident`  the open incidents; `incident 3` shows one, `incident 3 note ...` (or done, assign, update, followup, close) works on it; in its thread mention me with the word alone
`/aiops followups`  what was promised so that failures do not recur; `followups mine`, `followups &lt;agent&gt;`
`/aiops requests [agent]`  what agents ask of people: hand-offs and approvals that wait, how long answers took, and what was allowed by rule
`/aiops gaps [agent]`  topics that agents did not know or that are outdated, who supplies what is missing, and whether it helped
`/aiops oncall`  who is on call in each rotation; `oncall take &lt;rotation&gt; until friday 18:00` takes a shift, `oncall undo` gives it back
`/aiops silence &lt;agent&gt; [check] 2h &lt;why&gt;`  a problem calls nobody for a while; `silence` lists what is silenced, and ends it
`/aiops maintenance &lt;agent&gt; tonight 22:00 2h &lt;what&gt;`  plan a window in which nobody is called; `maintenance` lists them
`/aiops away until &lt;day&gt;`  while you are away your backup is called; `away` shows who is away, `away form` asks, `away over` ends it
*Rate*
Rate an output with the thumbs under it, or with “Rate this output” in the menu of a message. Only you see your vote.
---
🔴 Not worth using: even the upper end of the interval is below the target
⚫ Silent: output was expected and none came
🟡 Watch: the target lies inside the interval, or quality is drifting down
⚪ Learning: too few judgements for a verdict yet
🟢 Worth using: even the lower end of the interval reaches the target
⏸️ Paused: it was stopped or paused by a person or a rule
In a thread, mention me with the same words instead: slash commands do not work there. For example `/aiops status support-triage`.\
""")


def test_away_until_a_day_names_the_stand_in_and_over_ends_it(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar, away = scene.find_person(tx, "omar"), WORDS["away"]
        assert words_of(away(tx, scene.press(omar, NOW, "away", "", "until", "tuesday"))) == (
            "You are away until the end of Tuesday 24 November. Meanwhile Lea is called for your agents. `/aiops away over` ends it earlier.\n[I am back]"
        )
        assert tx.scalars(select(Absence.until)).one() == datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
        assert words_of(away(tx, scene.press(omar, NOW, "away"))) == "You are away Fri 20 Nov 09:00 to Tue 24 Nov 23:59. `/aiops away over` ends it.\n[I am back] [Declare an absence]"
        assert "Welcome back" in words_of(away(tx, scene.press(omar, NOW + timedelta(hours=1), "away", "", "over")))
        assert "I did not understand" in words_of(away(tx, scene.press(omar, NOW, "away", "", "until", "whenever")))
        assert "within a year" in words_of(away(tx, scene.press(omar, NOW, "away", "", "until", "2030-01-01")))
        later = NOW + timedelta(hours=2)
        away(tx, scene.press(omar, later, "away", "", "from", "24", "dec", "until", "2", "jan"))
        said = words_of(away(tx, scene.press(omar, later, "away", "", "until", "26", "dec")))
        assert "You are away until Sat 2 Jan 23:59, together with what you had declared." in said  # never less than what they were promised
        away(tx, scene.press(omar, later, "away", "", "until", "23", "nov"))
        assert words_of(away(tx, scene.press(omar, later, "away"))).startswith("You are away Fri 20 Nov 11:00 to Mon 23 Nov 23:59.")
        away(tx, scene.press(omar, later, "away", "", "from", "24", "dec", "until", "2", "jan"))
        over = words_of(away(tx, scene.press(omar, later + timedelta(hours=1), "away", "", "over")))
        assert over == "Welcome back. Calls come to you again from now on. You are still away Thu 24 Dec 00:00 to Sat 2 Jan 23:59; `/aiops away over` takes that back too."
        assert words_of(away(tx, scene.press(omar, later + timedelta(hours=1), "away", "", "over"))) == "Taken back: calls come to you as ever."


@pytest.mark.parametrize(
    ("words", "day"),
    [("friday", "2026-11-27"), ("sat", "2026-11-21"), ("tomorrow", "2026-11-21"), ("2026-12-03", "2026-12-03"), ("3 dec", "2026-12-03"), ("3. january", "2027-01-03"), ("frx", None), ("32 dec", None), ("2026-13-01", None)],
)
def test_days_are_understood_as_people_write_them(words: str, day: str | None) -> None:
    assert parse_day(words, date(2026, 11, 20)) == (date.fromisoformat(day) if day else None)


def test_agents_as_json_come_in_pages_and_only_those_a_token_may_read(fleet: Database) -> None:
    with fleet.reading() as tx:
        first = list_agents(tx, None, "", None, 3)
        assert [each["id"] for each in first["agents"]] == ["lead-scorer", "quote-checker", "quote-writer"]
        rest = list_agents(tx, None, first["next"], None, 3)
        assert [each["id"] for each in rest["agents"]] == ["support-triage"]
        assert rest["next"] is None
        assert [each["id"] for each in list_agents(tx, frozenset({"quote-writer"}), "", None, 9)["agents"]] == ["quote-writer"]
        told = one_agent(tx, NOW, "support-triage")
        assert told is not None
        assert told["verdict"] == "not worth using"
        assert told["quality"]["n"] == 140
        assert told["quality"]["share"] == pytest.approx(0.6)
        assert told["owners"]["operations_owner"] == {"name": "Omar", "slack": "U0OMAR", "confirmed": True}
        assert one_agent(tx, NOW, "nobody") is None


def test_the_number_of_looks_does_not_grow_with_the_fleet(fleet: Database) -> None:
    looks: list[str] = []
    with fleet.transaction() as tx:
        for number in range(300):
            agent = Agent(slug=f"many-{number}", name=f"Many {number}", department=f"Department {number % 40}", channel_id="C0MANY", created_at=NOW, spec={})
            tx.add(agent)
            tx.flush()
            tx.add(AgentNow(agent_id=agent.id, verdict="silent", rank=450, why="no output has ever come"))
    event.listen(fleet.looking, "before_cursor_execute", lambda *args: looks.append(args[2]))
    with fleet.reading() as tx:
        omar = scene.find_person(tx, "omar")
        looks.clear()
        words = words_of(status(tx, scene.press(omar, NOW, "status")))
        assert len(looks) < 20
    assert words.count("[Look closer]") == 10
    assert "294 more agents, none of them worse." in words
