from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.db import Database
from bot.lanes import Lanes
from bot.people.directory import Team, events_of, kind_of, missing_now, take_channel, take_group, take_user
from bot.people.flows import actor_of, find_group, find_person, group_people, lead_ids, person_for_report, roles_of
from bot.people.merging import Merged
from bot.people.rules import Role
from bot.people.sync import identify, last_sync, sync
from bot.tables import Agent, Channel, OutMessage, Output, Person, Registry, Vote
from bot.workspace import Workspace, serve

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TEAM = Team("T0HOME", "U0BOT")


def user(slack_id: str = "U0LEA", **given: Any) -> dict[str, Any]:
    profile = {"display_name": "Lea", "email": given.pop("email", "Lea@Example.com "), "title": "Head of support"}
    return {"id": slack_id, "team_id": "T0HOME", "name": "lea", "tz": "Asia/Beirut", "profile": profile, **given}


@pytest.mark.parametrize(
    ("account", "kind"),
    [
        ({}, "member"),
        ({"is_restricted": True}, "guest"),
        ({"is_ultra_restricted": True, "is_restricted": True}, "guest"),
        ({"is_stranger": True}, "stranger"),
        ({"team_id": "T0OTHER"}, "stranger"),
        ({"is_bot": True}, "bot"),
        ({"is_workflow_bot": True, "is_bot": True}, "bot"),
        ({"id": "USLACKBOT"}, "bot"),
        ({"team_id": "T0OTHER", "is_restricted": True}, "stranger"),
        ({"is_invited_user": True}, "guest"),
    ],
)
def test_each_kind_of_account_is_known_for_what_it_is(account: dict[str, Any], kind: str) -> None:
    assert kind_of({**user(), **account}, TEAM) == kind


def test_people_of_the_whole_organisation_are_ours() -> None:
    team = Team("T0HOME", enterprise_id="E0ORG")
    assert kind_of({**user(), "team_id": "E0ORG"}, team) == "member"
    assert kind_of({**user(), "team_id": "T0SISTER", "enterprise_user": {"enterprise_id": "E0ORG"}}, team) == "member"
    assert kind_of({**user(), "team_id": "T0SISTER", "enterprise_user": {"enterprise_id": "E0OTHER"}}, team) == "stranger"


def test_an_account_is_written_down_and_kept_true(db: Database) -> None:
    with db.transaction() as tx:
        person = take_user(tx, user(), TEAM, NOW)
        assert (person.name, person.email, person.zone, person.kind, person.active, person.seen_at) == ("Lea", "lea@example.com", "Asia/Beirut", "member", True, NOW)
        again = take_user(tx, {**user(tz="No/Where", is_restricted=True)}, TEAM, NOW)
        assert again.id == person.id
        assert (again.zone, again.kind) == ("Asia/Beirut", "guest")
        gone = take_user(tx, {**user(deleted=True)}, TEAM, NOW)
        assert not gone.active
        assert roles_of(tx, actor_of(gone), None) == {Role.STRANGER}


def test_an_address_that_moved_to_another_account_leaves_the_first(db: Database) -> None:
    with db.transaction() as tx:
        first = take_user(tx, user("U0OLD"), TEAM, NOW)
        second = take_user(tx, user("U0NEW"), TEAM, NOW)
        assert (first.email, second.email) == (None, "lea@example.com")


def test_the_address_of_a_stranger_or_a_bot_proves_nothing(db: Database) -> None:
    with db.transaction() as tx:
        known = person_for_report(tx, "lea@example.com", None)
        other = take_user(tx, user("U0FAR", team_id="T0OTHER"), TEAM, NOW)
        robot = take_user(tx, user("U0ROBOT", is_bot=True), TEAM, NOW)
        assert known is not None
        assert known.slack_id is None
        assert other.email is None
        assert robot.email is None


def _judged(tx: Session) -> tuple[Agent, list[Output]]:
    agent = Agent(slug="a", name="A", created_at=NOW, spec={})
    tx.add(agent)
    tx.flush()
    outputs = [Output(agent_id=agent.id, ext_id=f"o{n}", content="x", occurred_at=NOW, received_at=NOW, local_day="2026-11-20") for n in range(3)]
    tx.add_all(outputs)
    tx.flush()
    return agent, outputs


def _vote(tx: Session, agent: Agent, output: Output, person: Person, good: bool, minutes: int, surface: str = "api") -> None:
    tx.add(Vote(agent_id=agent.id, output_id=output.id, person_id=person.id, surface=surface, good=good, voted_at=NOW + timedelta(minutes=minutes), received_at=NOW))
    tx.flush()


def test_who_was_known_by_an_address_becomes_the_slack_account_with_their_votes(db: Database) -> None:
    with db.transaction() as tx:
        agent, (first, _, _) = _judged(tx)
        known = person_for_report(tx, "lea@example.com", None)
        assert known is not None
        _vote(tx, agent, first, known, True, 0)
        person = take_user(tx, user(), TEAM, NOW)
        assert person.id == known.id
        assert person.slack_id == "U0LEA"
        assert tx.scalars(select(Vote)).one().person_id == person.id


def test_two_rows_that_turn_out_to_be_one_person_are_merged_and_the_later_vote_stays(db: Database) -> None:
    told: list[Merged] = []
    team = Team("T0HOME", on_merge=lambda tx, now, merged: told.append(merged))
    with db.transaction() as tx:
        agent, (first, second, third) = _judged(tx)
        by_slack = person_for_report(tx, "U0LEA", "T0HOME")
        by_mail = person_for_report(tx, "lea@example.com", None)
        assert by_slack is not None
        assert by_mail is not None
        _vote(tx, agent, first, by_slack, True, 0)
        _vote(tx, agent, first, by_mail, False, 5)
        _vote(tx, agent, second, by_slack, True, 5)
        _vote(tx, agent, second, by_mail, False, 0, surface="link")
        _vote(tx, agent, third, by_mail, True, 0)
        person = take_user(tx, user(), team, NOW)
        assert person.id == by_slack.id
        assert person.email == "lea@example.com"
        assert len(tx.scalars(select(Person)).all()) == 1
        votes = {(vote.output_id, vote.surface): (vote.person_id, vote.good) for vote in tx.scalars(select(Vote))}
        assert votes == {
            (first.id, "api"): (person.id, False),
            (second.id, "api"): (person.id, True),
            (second.id, "link"): (person.id, False),
            (third.id, "api"): (person.id, True),
        }
        assert {agent_id: sorted(ids) for agent_id, ids in told[0].outputs.items()} == {agent.id: [first.id, second.id, third.id]}


def test_leads_may_be_named_by_a_short_name_a_group_or_an_id(db: Database) -> None:
    with db.transaction() as tx:
        take_group(tx, {"id": "S0LEADS", "handle": "ai-leads", "users": ["U0LEA", "U0GONE"]}, TEAM)
        lea = take_user(tx, user(), TEAM, NOW)
        omar = take_user(tx, user("U0OMAR", email="omar@example.com"), TEAM, NOW)
        sam = take_user(tx, user("U0SAM", email="sam@example.com"), TEAM, NOW)
        document = {"people": {"omar": {"email": "omar@example.com"}}, "workspace": {"leads": ["@ai-leads", "omar", "U0SAM", "@unknown"]}}
        tx.add(Registry(at=NOW, by="x", digest="x", document=document, agents=[]))
        tx.flush()
        assert lead_ids(tx) == {lea.id, omar.id, sam.id}
        take_group(tx, {"id": "S0LEADS", "handle": "ai-leads", "users": ["U0LEA"], "date_delete": 1}, TEAM)
        assert lead_ids(tx) == {omar.id, sam.id}


def hear(tx: Session, event: dict[str, Any]) -> None:
    for listen in events_of(TEAM)[event["type"]]:
        listen(tx, event, NOW)


def test_events_keep_people_groups_and_channels_true(db: Database) -> None:
    with db.transaction() as tx:
        hear(tx, {"type": "team_join", "user": user()})
        hear(tx, {"type": "user_change", "user": {**user(), "profile": {"display_name": "Lea K", "email": "lea@example.com"}}})
        lea = find_person(tx, "<@U0LEA|lea>")
        assert lea is not None
        assert lea.name == "Lea K"
        hear(tx, {"type": "subteam_created", "subteam": {"id": "S0A", "handle": "Support", "users": ["U0LEA"]}})
        hear(tx, {"type": "subteam_updated", "subteam": {"id": "S0A", "handle": "support-team"}})
        group = find_group(tx, "@support-team")
        assert group is not None
        assert [each.id for each in group_people(tx, group)] == [lea.id]
        hear(tx, {"type": "subteam_members_changed", "subteam_id": "S0A", "added_users": ["U0X"], "removed_users": ["U0LEA"]})
        assert group.members == ["U0X"]
        hear(tx, {"type": "member_joined_channel", "user": "U0BOT", "channel": "C0SUP"})
        hear(tx, {"type": "member_joined_channel", "user": "U0LEA", "channel": "C0OTHER"})
        hear(tx, {"type": "channel_rename", "channel": {"id": "C0SUP", "name": "Support-AI"}})
        hear(tx, {"type": "channel_archive", "channel": "C0SUP"})
        row = tx.scalars(select(Channel)).one()
        assert (row.name, row.is_member, row.is_archived) == ("support-ai", True, True)
        hear(tx, {"type": "channel_unarchive", "channel": "C0SUP"})
        hear(tx, {"type": "channel_left", "channel": "C0SUP"})
        assert (row.is_member, row.is_archived) == (False, False)


def test_a_channel_that_gets_another_id_takes_everything_along(db: Database) -> None:
    with db.transaction() as tx:
        take_channel(tx, {"id": "C0OLD", "name": "support", "is_member": True}, TEAM)
        tx.add(Agent(slug="a", name="A", created_at=NOW, spec={}, channel_id="C0OLD"))
        tx.add(OutMessage(key="k", kind="show", target="C0OLD", channel="C0OLD", ts="1.1", priority=1, want={}, created_at=NOW))
        tx.flush()
        hear(tx, {"type": "channel_id_changed", "old_channel_id": "C0OLD", "new_channel_id": "C0NEW"})
        assert tx.scalars(select(Agent.channel_id)).one() == "C0NEW"
        assert tx.execute(select(OutMessage.target, OutMessage.channel)).one() == ("C0NEW", "C0NEW")
        assert tx.scalars(select(Channel.slack_id)).one() == "C0NEW"


def test_who_is_no_longer_listed_is_no_longer_active(db: Database) -> None:
    with db.transaction() as tx:
        take_user(tx, user(), TEAM, NOW)
        take_user(tx, user("U0OMAR", email="omar@example.com"), TEAM, NOW)
        take_user(tx, user("U0FAR", team_id="T0OTHER"), TEAM, NOW)
        assert [each.slack_id for each in missing_now(tx, TEAM, ["U0LEA"], NOW)] == ["U0OMAR"]


# --- from a Slack-like server ------------------------------------------------------------------------------------

SCOPES = ["users:read", "users:read.email", "usergroups:read", "channels:read", "groups:read"]


@pytest_asyncio.fixture
async def town() -> AsyncIterator[Workspace]:
    async with serve(Workspace(clock=lambda: NOW)) as workspace:
        for n in range(450):
            workspace.add_person(f"person{n}", f"Person {n}", id=f"U0P{n:04}", email=f"p{n}@example.com")
        workspace.install_app({"display_information": {"name": "aiops"}, "oauth_config": {"scopes": {"bot": SCOPES}}}, id="A0BOT", bot_user_id="U0BOT", bot_token="xoxb-all", signing_secret="s")
        workspace.install_app({"display_information": {"name": "poor"}, "oauth_config": {"scopes": {"bot": SCOPES[:2]}}}, id="A0POOR", bot_user_id="U0POOR", bot_token="xoxb-poor", signing_secret="s")
        workspace.add_channel("support-ai", ["U0P0001", "U0BOT"], id="C0SUP")
        workspace.add_group("ai-leads", ["U0P0001", "U0P0002"], id="S0LEADS")
        yield workspace


def client(town: Workspace, token: str = "xoxb-all") -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=f"{town.base_url}/api/", retry_handlers=[])


async def test_the_whole_directory_is_read_page_by_page(db: Database, town: Workspace) -> None:
    team = Team("T0LOCAL", "U0BOT")
    lanes = Lanes(db)
    found = await sync(client(town), lanes, NOW, team)
    assert (found.people >= 451, found.groups, found.channels, found.refused) == (True, 1, 1, {})
    with db.reading() as tx:
        assert find_person(tx, "p449@example.com") is not None
        assert tx.scalars(select(Channel).where(Channel.slack_id == "C0SUP")).one().is_member
        group = find_group(tx, "@ai-leads")
        assert group is not None
        assert group.members == ["U0P0001", "U0P0002"]
        kept = last_sync(tx)
        assert kept is not None
        assert kept["people"] == found.people
    who = await identify(client(town), lanes, team, "U0P0003", NOW)
    assert who is not None
    assert who.email == "p3@example.com"
    assert await identify(client(town), lanes, team, "U0NOBODY", NOW) is None
    lanes.close()


async def test_what_slack_refuses_is_told_and_leaves_the_rest(db: Database, town: Workspace) -> None:
    lanes = Lanes(db)
    found = await sync(client(town, "xoxb-poor"), lanes, NOW, Team("T0LOCAL", "U0POOR"))
    assert found.people >= 451
    assert set(found.refused) == {"user groups", "channels", "private channels"}
    assert "missing_scope" in found.refused["user groups"]
    assert "usergroups:read" in found.refused["user groups"]
    lanes.close()
