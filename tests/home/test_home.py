"""App Home: an owner's, a lead's, everybody's, and a guest's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.db import Database
from bot.home.reading import home_view
from bot.home.slack import bad, good, rate, turn, undo
from bot.lists.reading import items_for
from bot.people.flows import actor_of
from bot.surface.press import Ask, Quiet, Tell
from bot.tables import Change, Channel, Incident, OutMessage, Output, Page, Problem, RegressionCase, UnownedAgent, Vote
from bot.workspace.blocks import check_view
from tests.digests import scene

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.fixture
def fleet(db: Database) -> Database:
    with db.transaction() as tx:
        scene.registry(tx, NOW, leads=["U0SAM"])
        scene.channel(tx)
        tx.add(Channel(team_id="T1", slack_id="C0SECRET", name="secret", is_private=True))
        maya, omar, _sam, _kim = (scene.person(tx, name) for name in ("maya", "omar", "sam", "kim"))
        for number in range(30):
            agent = scene.agent(tx, NOW, f"agent-{number}", {"business": maya, "operations": omar}, name=f"Agent {number} " + "x" * 100, expect_every="9d")
            channel = "C0SUPPORT" if number % 2 else "C0SECRET"
            at = NOW - timedelta(minutes=number)
            tx.add(Output(agent_id=agent.id, ext_id="o", occurred_at=at, received_at=at, kind="reply", text=f"Words of {number}", channel_id=channel, slack_ts=f"1.{number:06d}", local_day="2026-11-20"))
            if number == 7:
                page = Page(agent_id=agent.id, owner_id=omar.id, severity="page", opened_at=NOW)
                tx.add(page)
                tx.flush()
                tx.add(Problem(agent_id=agent.id, page_id=page.id, fingerprint="x:runs", severity="page", title="a run failed", says="It failed.", since=NOW, opened_at=NOW))
        tx.flush()
        scene.fold(tx, NOW)
    return db


def test_an_output_that_we_posted_ourselves_can_be_rated_from_home(fleet: Database) -> None:
    with fleet.transaction() as tx:
        agent = scene.agent(tx, NOW, "poster", {"business": scene.find_person(tx, "maya"), "operations": scene.find_person(tx, "omar")}, name="Poster")
        output = Output(agent_id=agent.id, ext_id="own", occurred_at=NOW, received_at=NOW, kind="reply", text="Words we posted", local_day="2026-11-20")
        tx.add(output)
        tx.flush()
        tx.add(OutMessage(key=f"output:{output.id}", kind="show", target="C0SUPPORT", priority=50, want={"text": "x"}, state="shown", channel="C0SUPPORT", ts="2.000001", created_at=NOW))
        tx.flush()
        assert "Words we posted" in words_of(home_view(tx, actor_of(scene.find_person(tx, "kim")), NOW))


def test_a_busy_agent_that_posts_nothing_does_not_hide_what_can_be_rated(fleet: Database) -> None:
    with fleet.transaction() as tx:
        maya, omar, kim = (scene.find_person(tx, name) for name in ("maya", "omar", "kim"))
        poster, busy = (scene.agent(tx, NOW, slug, {"business": maya, "operations": omar}, name=slug.capitalize()) for slug in ("poster", "busy"))
        posted = Output(agent_id=poster.id, ext_id="own", occurred_at=NOW, received_at=NOW, kind="reply", text="Words we posted", local_day="2026-11-20")
        tx.add(posted)
        tx.flush()
        tx.add(OutMessage(key=f"output:{posted.id}", kind="show", target="C0SUPPORT", priority=50, want={"text": "x"}, state="shown", channel="C0SUPPORT", ts="2.000001", created_at=NOW))
        tx.add_all([Output(agent_id=busy.id, ext_id=f"b{number}", occurred_at=NOW, received_at=NOW, kind="reply", text=f"Busy {number}", local_day="2026-11-20") for number in range(310)])
        tx.flush()
        said = words_of(home_view(tx, actor_of(kim), NOW))
        assert "Words we posted" in said
        assert "Busy" not in said


def test_an_owner_is_shown_outputs_of_the_agents_they_are_needed_to_judge_first(fleet: Database) -> None:
    with fleet.transaction() as tx:
        lea, kim = scene.person(tx, "lea"), scene.find_person(tx, "kim")
        agent = scene.agent(tx, NOW, "quiet", {"business": lea, "operations": lea}, name="Quiet one")
        tx.add_all([Output(agent_id=agent.id, ext_id=f"q{number}", occurred_at=NOW + timedelta(minutes=number), received_at=NOW, kind="reply", text=f"Quiet {number}", local_day="2026-11-20") for number in range(2)])
        tx.flush()
        scene.fold(tx, NOW)
        said = words_of(home_view(tx, actor_of(lea), NOW))
        assert [line for line in said.split("\n") if line.startswith("> ")] == ["> Quiet 1", "> Words of 29", "> Words of 27"]
        newest = tx.scalars(select(Output).where(Output.ext_id == "q1")).one()
        good(tx, scene.press(lea, NOW, "home.good", f"output:{newest.id}"))
        tx.flush()
        assert "> Quiet 0" in words_of(home_view(tx, actor_of(lea), NOW))
        assert "Quiet" not in words_of(home_view(tx, actor_of(kim), NOW))  # it stands in no channel


def words_of(view: dict[str, object]) -> str:
    check_view(view, "home")
    return "\n".join(line for block in view["blocks"] for line in scene._words(block))  # type: ignore[attr-defined]


def test_an_owner_sees_the_open_page_what_waits_and_their_agents_page_by_page(fleet: Database) -> None:
    with fleet.transaction() as tx:
        omar = scene.find_person(tx, "omar")
        said = words_of(home_view(tx, actor_of(omar), NOW))
        assert said.startswith("Open pages\n*Agent 7 xxx")
        assert "*: a run failed\nNobody has acknowledged it yet · page 1, open since <!date^" in said
        assert "[Acknowledge]" in said
        assert "🌤️" not in said
        assert "*Needed:* Omar to answer the open page\nYou are its operations owner" in said
        assert "1 to 6 of 30 agents, worst first\n[Next (24 more)]" in said
        assert "learning: Agent 29" not in said
        for expected in ("25 to 30 of 30 agents, worst first\n[Earlier]", "19 to 24 of 30"):
            number = 4 if "25" in expected else 3
            assert isinstance(turn(tx, scene.press(omar, NOW, "home.next", f"mine:{number}")), Quiet)
            tx.flush()
            assert expected in words_of(home_view(tx, actor_of(omar), NOW))
        turn(tx, scene.press(omar, NOW, "home.next", "mine:999"))  # fewer by now: the last page
        tx.flush()
        assert "25 to 30 of 30" in words_of(home_view(tx, actor_of(omar), NOW))

        # Quiet is agreed: nobody is asked to press anything, neither here nor on the list.
        page, problem = tx.query(Page).one(), tx.query(Problem).one()
        page.quiet_until = problem.quiet_until = NOW + timedelta(hours=2)
        tx.flush()
        said = words_of(home_view(tx, actor_of(omar), NOW))
        assert "Nobody is called until <!date^" in said
        assert "[Acknowledge]" not in said
        problem.page_id = None
        tx.flush()
        assert not [item for item in items_for(tx, NOW, omar.id) if "run failed" in item.what]
        problem.quiet_until = None
        tx.flush()
        assert [item for item in items_for(tx, NOW, omar.id) if "run failed" in item.what]


def test_staff_see_outputs_of_public_channels_they_have_not_rated_and_their_count(fleet: Database) -> None:
    with fleet.transaction() as tx:
        kim = scene.find_person(tx, "kim")
        said = words_of(home_view(tx, actor_of(kim), NOW))
        assert said.startswith("Welcome")
        assert [number for number in range(30) if f"> Words of {number}\n" in f"{said}\n"] == [25, 27, 29]
        assert "You have not rated an output yet." in said
        newest = tx.query(Output).order_by(Output.id.desc()).first()
        assert newest is not None
        tx.add(Vote(agent_id=newest.agent_id, output_id=newest.id, person_id=kim.id, surface="button", good=True, voted_at=NOW, received_at=NOW))
        tx.flush()
        said = words_of(home_view(tx, actor_of(kim), NOW))
        assert "Words of 29" not in said
        assert "You have rated 1 output so far, 1 in the last 30 days." in said


def test_leads_see_the_fleet_and_guests_are_told_politely(fleet: Database) -> None:
    with fleet.transaction() as tx:
        said = words_of(home_view(tx, actor_of(scene.find_person(tx, "sam")), NOW))
        assert "The fleet\n*30 agents*\n⚪ 30 learning" in said
        assert "1 to 8 of 30 agents, worst first" in said
        guest = scene.person(tx, "guest", kind="guest")
        assert words_of(home_view(tx, actor_of(guest), NOW)) == "Welcome\nThis is for full members of this workspace."


def test_a_lead_reads_how_much_an_unowned_agent_does_also_where_it_sends_no_runs(fleet: Database) -> None:
    with fleet.transaction() as tx:
        for service, traces in (("invoice-<reader>", 1), ("claude-code", 0)):
            tx.add(UnownedAgent(service=service, agent_name="", first_at=NOW, last_at=NOW, traces=traces))
        tx.flush()
        said = words_of(home_view(tx, actor_of(scene.find_person(tx, "sam")), NOW))
        assert "invoice-&lt;reader&gt; · 1 run since <!date^" in said
        assert "claude-code · metrics or logs, no runs, since <!date^" in said


def test_thumbs_in_home_count_at_once_ask_why_and_can_be_taken_back(fleet: Database) -> None:
    with fleet.transaction() as tx:
        kim = scene.find_person(tx, "kim")
        assert "[👍 Good] [👎 Bad] [Rate with words]" in words_of(home_view(tx, actor_of(kim), NOW))
        assert isinstance(good(tx, scene.press(kim, NOW, "home.good", "output:30")), Quiet)
        said = words_of(home_view(tx, actor_of(kim), NOW))
        assert "👍 You called an output of Agent 29" in said
        assert "Words of 29" not in said
        undo(tx, scene.press(kim, NOW, "home.undo", "output:30"))
        assert "Words of 29" in words_of(home_view(tx, actor_of(kim), NOW))
        answer = bad(tx, scene.press(kim, NOW, "home.bad", "output:30"))
        assert isinstance(answer, Ask)
        check_view(answer.view, "modal")
        assert "👎 You called" in words_of(home_view(tx, actor_of(kim), NOW))
        for name, handler in (("home.rate", rate), ("home.good", good), ("home.bad", bad)):
            assert isinstance(handler(tx, scene.press(kim, NOW, name, "output:x")), Tell)


def test_people_see_what_became_of_their_own_reports_and_nobody_elses(fleet: Database) -> None:
    with fleet.transaction() as tx:
        kim, lea = scene.find_person(tx, "kim"), scene.person(tx, "lea")
        outputs = list(tx.scalars(select(Output).order_by(Output.id).limit(5)))
        for output, ago in zip(outputs, (40, 30, 20, 10, 5), strict=True):
            at = NOW - timedelta(days=ago)
            tx.add(Vote(agent_id=output.agent_id, output_id=output.id, person_id=kim.id, surface="button", good=False, reason="outdated", voted_at=at, received_at=at))
        tx.add(Vote(agent_id=outputs[0].agent_id, output_id=outputs[0].id, person_id=lea.id, surface="button", good=False, voted_at=NOW, received_at=NOW))
        # The first was fixed, the second is worked on, after the third a new prompt came, the fourth counts; of the fifth they changed their mind.
        for output, fixed in ((outputs[0], True), (outputs[1], False)):
            incident = Incident(agent_id=output.agent_id, title="Old prices", fingerprint=f"x:{output.id}", severity="page", template={}, channel_id="C0SUPPORT", opened_at=NOW - timedelta(days=9))
            tx.add(incident)
            tx.flush()
            tx.add(RegressionCase(agent_id=output.agent_id, output_id=output.id, incident_id=incident.id, added_at=NOW - timedelta(days=9), fixed_at=NOW - timedelta(days=2) if fixed else None, fixed_in="prompt v14" if fixed else ""))
        tx.add(Change(agent_id=outputs[2].agent_id, ext_id="c", occurred_at=NOW - timedelta(days=3), received_at=NOW, content="c", input="index", version="<7>"))
        tx.add(Vote(agent_id=outputs[4].agent_id, output_id=outputs[4].id, person_id=kim.id, surface="shortcut", good=True, voted_at=NOW, received_at=NOW))
        tx.flush()
        said = words_of(home_view(tx, actor_of(kim), NOW)).split("What became of your reports\n")[1]
        assert said.startswith("Of the 4 outputs you called bad in the last 90 days: 1 fixed, 1 being worked on, 1 followed by a new version and 1 counted in the score.")
        order = [said.index(words) for words in ("✅ Fixed in prompt v14 on <!date^", "🔧 Being worked on", "🔁 Since then index &lt;7&gt; came on")]
        assert order == sorted(order)
        assert "you reported this on <!date^" in said
        assert "Lea" not in said
        assert "1 being worked on" not in words_of(home_view(tx, actor_of(lea), NOW))


def test_who_rates_much_is_told_how_far_was_looked_and_an_output_rated_twice_counts_once(fleet: Database) -> None:
    with fleet.transaction() as tx:
        kim, output = scene.find_person(tx, "kim"), tx.scalars(select(Output).order_by(Output.id)).first()
        assert output is not None
        for surface in ("button", "reaction"):
            tx.add(Vote(agent_id=output.agent_id, output_id=output.id, person_id=kim.id, surface=surface, good=False, voted_at=NOW - timedelta(days=40), received_at=NOW))
        tx.flush()
        said = words_of(home_view(tx, actor_of(kim), NOW))
        assert "You have rated 1 output so far, 0 in the last 30 days." in said
        assert "Of the 1 output you called bad in the last 90 days: 1 counted in the score." in said
        for number in range(150):
            more = Output(agent_id=output.agent_id, ext_id=f"more{number}", occurred_at=NOW, received_at=NOW, content="x", kind="reply", text=f"More {number}", local_day="2026-11-01", known=True)
            tx.add(more)
            tx.flush()
            at = NOW - timedelta(days=1 + number % 80)
            tx.add(Vote(agent_id=more.agent_id, output_id=more.id, person_id=kim.id, surface="button", good=number % 3 == 0, voted_at=at, received_at=at))
        tx.flush()
        said = words_of(home_view(tx, actor_of(kim), NOW))
        assert "You have rated 151 outputs so far, 58 in the last 30 days." in said
        assert "Of the 40 outputs you last called bad: 40 counted in the score." in said  # of 100: the number says no more than was looked at
        assert said.count("you reported this on") == 2
        assert "> More " in said.split("What became of your reports")[1]
