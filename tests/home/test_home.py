"""App Home: an owner's, a lead's, everybody's, and a guest's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.db import Database
from bot.home.reading import home_view
from bot.home.slack import rate
from bot.people.flows import actor_of
from bot.surface.press import Ask, Tell
from bot.tables import Channel, OutMessage, Output, Page, Problem, Vote
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


def words_of(view: dict[str, object]) -> str:
    check_view(view, "home")
    return "\n".join(line for block in view["blocks"] for line in scene._words(block))  # type: ignore[attr-defined]


def test_an_owner_sees_what_waits_their_agents_and_the_open_page(fleet: Database) -> None:
    with fleet.reading() as tx:
        said = words_of(home_view(tx, actor_of(scene.find_person(tx, "omar")), NOW))
    assert said.startswith("Waiting for you\nAnswer the open page about Agent 7")
    assert "A page is open; nobody has acknowledged it yet\n[Acknowledge]" in said
    assert "You are its operations owner" in said
    assert "10 more agents of yours, none of them worse." in said


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
        guest = scene.person(tx, "guest", kind="guest")
        assert words_of(home_view(tx, actor_of(guest), NOW)) == "Welcome\nThis is for full members of this workspace."


def test_rate_opens_the_vote_as_a_form(fleet: Database) -> None:
    with fleet.transaction() as tx:
        kim = scene.find_person(tx, "kim")
        answer = rate(tx, scene.press(kim, NOW, "home.rate", "output:1"))
        assert isinstance(answer, Ask)
        check_view(answer.view, "modal")
        assert isinstance(rate(tx, scene.press(kim, NOW, "home.rate", "output:x")), Tell)
