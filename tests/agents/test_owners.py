from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from inline_snapshot import snapshot
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents import owners, slack
from bot.agents.flows import apply_file, change_owner
from bot.agents.reading import agent_by_slug, owners_named
from bot.clock import CountedIds
from bot.db import Database
from bot.people.flows import Refused, owners_of
from bot.surface.press import Ask, Mend, Press, Quiet, Tell
from bot.tables import Agent, AgentOwner, Channel, Decision, Handover, Token
from tests.agents.kit import FILE, NOW, TEAM, actor, check_view, heard, messages_to, person, press, read, settle_town

MANY = 'workspace: {leads: ["@ai-leads"]}\nagents:\n' + "".join(
    f'  agent-{n:02}: {{name: Agent {n:02}, owners: {{business: U0MAYA, operations: U0OMAR}}, channel: "#support-ai"}}\n' for n in range(30)
)


def settle(tx: Session, text: str = FILE) -> Agent:
    settle_town(tx)
    apply_file(tx, NOW, read(text), by="omar")
    found = agent_by_slug(tx, "support-triage") or agent_by_slug(tx, "agent-00")
    assert found is not None
    return found


def ref(tx: Session, agent: Agent, role: str) -> str:
    return f"owner:{owners_of(tx, agent.id)[role].id}"


def said_in(tx: Session, target: str) -> str:
    return heard(messages_to(tx, target)[-1])


def test_each_named_owner_gets_one_message_that_says_what_it_means(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx)
        assert len(messages_to(tx, "U0OMAR")) == len(messages_to(tx, "U0MAYA")) == 1
        assert said_in(tx, "U0OMAR") == snapshot("""\
*You are named operations owner of Support triage.*
That means: You keep it running. When one of its checks fails you are called first, here in a direct message, and the next person is called unless you press `Acknowledge`. You also look after its incidents and keep what it depends on fresh.
(Named by the registry file (`aiops.yml`) · Channel <#C0SUP> · Runbook: <https://wiki.example.com/support|open it>)
Until you accept it shows as "owner not confirmed", and calls come to you all the same. `Test page` shows you what a call looks like.
[Accept] [Not me] [Test page]\
""")
        assert said_in(tx, "U0MAYA") == snapshot("""\
*You are named business owner of Support triage.*
That means: You answer for the outcome: whether its work is worth using. The daily summary in its channel tells you, and asks for `Reviewed` when something needs a look. You are called only where the operations owner and the backup do not answer.
(Named by the registry file (`aiops.yml`) · Channel <#C0SUP> · Runbook: <https://wiki.example.com/support|open it>)
Until you accept it shows as "owner not confirmed", and calls come to you all the same. `Test page` shows you what a call looks like.
[Accept] [Not me] [Test page]\
""")


def test_accepting_changes_the_message_in_place_and_ends_the_mark(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        assert not owners_named(tx, agent).confirmed
        for who, role in (("U0OMAR", "operations"), ("U0MAYA", "business")):
            assert slack.accept(tx, press(tx, who, "agents.accept", ref(tx, agent, role))) == Quiet()
            slack.accept(tx, press(tx, who, "agents.accept", ref(tx, agent, role)))
        assert owners_named(tx, agent).confirmed
        assert owners_named(tx, agent).line() == snapshot("operations owner Omar, business owner Maya")
        assert len(messages_to(tx, "U0OMAR")) == 1
        assert said_in(tx, "U0OMAR") == snapshot("""\
*You are named operations owner of Support triage.*
That means: You keep it running. When one of its checks fails you are called first, here in a direct message, and the next person is called unless you press `Acknowledge`. You also look after its incidents and keep what it depends on fresh.
(Named by the registry file (`aiops.yml`) · Channel <#C0SUP> · Runbook: <https://wiki.example.com/support|open it>)
✓ You accepted on <!date^1795161600^{date_short_pretty} at {time}|2026-11-20 08:00 UTC>. Thank you.\
""")
        assert [row.action for row in tx.scalars(select(Decision).where(Decision.action == "owner.accept"))] == ["owner.accept"] * 2


def test_not_me_tells_the_business_owner_who_can_name_another(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        slack.decline(tx, press(tx, "U0OMAR", "agents.decline", ref(tx, agent, "operations")))
        assert said_in(tx, "U0OMAR") == snapshot("""\
*You are named operations owner of Support triage.*
That means: You keep it running. When one of its checks fails you are called first, here in a direct message, and the next person is called unless you press `Acknowledge`. You also look after its incidents and keep what it depends on fresh.
(Named by the registry file (`aiops.yml`) · Channel <#C0SUP> · Runbook: <https://wiki.example.com/support|open it>)
You said on <!date^1795161600^{date_short_pretty} at {time}|2026-11-20 08:00 UTC> that it is not you. I have asked for another name. Until somebody else takes it, you stay named and calls still come to you.
[Accept after all] [Test page]\
""")
        assert said_in(tx, "U0MAYA") == snapshot("""\
*Omar says: not me, as operations owner of Support triage.*
Until somebody else accepts, Omar stays named, and calls still go there.
[Name another]
(Or at any time: `/aiops agent support-triage`)\
""")
        assert owners_of(tx, agent.id)["operations"].person_id == person(tx, "U0OMAR").id
        assert not owners_named(tx, agent).confirmed
        slack.accept(tx, press(tx, "U0OMAR", "agents.accept", ref(tx, agent, "operations")))
        assert "You accepted" in said_in(tx, "U0OMAR")


def test_not_me_of_the_business_owner_goes_to_the_leads(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        slack.decline(tx, press(tx, "U0MAYA", "agents.decline", ref(tx, agent, "business")))
        assert said_in(tx, "U0HALA").startswith("*Maya says: not me, as business owner of Support triage.*")


@pytest.mark.parametrize("who", ["U0LEA", "U0GUS"])
def test_only_the_named_person_can_answer(db: Database, who: str) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        for answer in (slack.accept, slack.decline, slack.accept_all, slack.turn):
            with pytest.raises(Refused, match="Only the person who was named"):
                answer(tx, press(tx, who, "agents.accept", ref(tx, agent, "operations")))
        for odd in ("", "owner:", "owner:999999", "page:1", "owner:x"):
            with pytest.raises(Refused):
                slack.accept(tx, press(tx, who, "agents.accept", odd))


def test_a_person_named_for_many_agents_gets_one_message_with_pages(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx, MANY)
        assert len(messages_to(tx, "U0OMAR")) == 1
        first = said_in(tx, "U0OMAR")
        assert first.splitlines()[0] == "*You are named for 30 roles, over 30 agents.* 30 of them wait for your answer."
        assert first.splitlines()[-2:] == ["[Accept all 30] [More]", "(Page 1 of 3)"]
        assert first.count("[Accept] [Not me] [Test page]") == 12
        row = tx.scalars(select(AgentOwner).where(AgentOwner.role == "operations").order_by(AgentOwner.id)).first()
        assert row is not None
        slack.turn(tx, press(tx, "U0OMAR", "agents.more", f"owner:{row.id}:2"))
        assert said_in(tx, "U0OMAR").splitlines()[-2:] == ["[Accept all 30] [Earlier ones]", "(Page 3 of 3)"]
        slack.decline(tx, press(tx, "U0OMAR", "agents.decline", f"owner:{row.id}"))
        slack.accept_all(tx, press(tx, "U0OMAR", "agents.accept_all", f"owner:{row.id}"))
        assert said_in(tx, "U0OMAR").startswith("*You are named for 30 roles, over 30 agents.* You have answered all of them. Thank you.")
        accepted = [each for each in tx.scalars(select(AgentOwner).where(AgentOwner.role == "operations")) if each.accepted_at]
        assert len(accepted) == 29


def test_after_three_days_the_leads_are_told_once_in_one_message(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        slack.accept(tx, press(tx, "U0MAYA", "agents.accept", ref(tx, agent, "business")))
        apply_file(
            tx,
            NOW + timedelta(minutes=30),
            read(FILE + '  other: {name: Other, owners: {business: U0SAM, operations: U0LEA}, channel: "#finance-ai"}\n'),
            by="omar",
        )
        assert not owners.chase_step(tx, NOW + timedelta(days=3) - timedelta(seconds=1))
        assert messages_to(tx, "U0HALA") == []
        assert owners.chase_step(tx, NOW + timedelta(days=3))
        assert len(messages_to(tx, "U0HALA")) == 1
        assert said_in(tx, "U0HALA") == snapshot("""\
3 owners have not been confirmed for three days
• *Other* (`other`), business owner: <@U0SAM> was asked <!date^1795163400^{date_short_pretty}|2026-11-20 08:30 UTC> and has not answered
• *Other* (`other`), operations owner: <@U0LEA> was asked <!date^1795163400^{date_short_pretty}|2026-11-20 08:30 UTC> and has not answered
• *Support triage* (`support-triage`), operations owner: <@U0OMAR> was asked <!date^1795161600^{date_short_pretty}|2026-11-20 08:00 UTC> and has not answered
(An agent without an owner who accepted is nobody's when it fails. Speak with them, or name another with `/aiops agent <name>`.)\
""")
        assert not owners.chase_step(tx, NOW + timedelta(days=9))
        assert len(messages_to(tx, "U0HALA")) == 1


def test_without_leads_the_channel_is_told(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx, FILE.replace(', leads: ["@ai-leads"]', ""))
        owners.chase_step(tx, NOW + timedelta(days=3))
        assert "2 owners have not been confirmed" in said_in(tx, "C0SUP")


def test_a_channel_is_greeted_once_and_the_greeting_is_kept_true(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        assert said_in(tx, "C0SUP") == snapshot("""\
Hello, I am *aiops*. I look after the AI agents of this channel, so that somebody always answers for them.
*1 agent lives here*
• *Support triage* Sorts incoming tickets.
   operations owner Omar (owner not confirmed), business owner Maya (owner not confirmed)
*What you will see.* Each working morning a summary says whether yesterday's work was worth using. When something fails, the page stands here and the owner is called.
*How to rate.* Press the thumbs under an output, or use the message shortcut "Rate this output". Only you see your own vote.
*How to get help.* `/aiops help` says what I understand; `/aiops incident open` when something is wrong that nobody noticed.\
""")
        slack.accept(tx, press(tx, "U0OMAR", "agents.accept", ref(tx, agent, "operations")))
        apply_file(tx, NOW, read(FILE.replace("Support triage", "Support desk")), by="omar")
        assert len(messages_to(tx, "C0SUP")) == 1
        assert "*Support desk* Sorts incoming tickets.\n   operations owner Omar, business owner Maya (owner not confirmed)" in said_in(tx, "C0SUP")


def test_a_channel_the_bot_is_not_in_is_greeted_when_it_comes_in(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx, FILE.replace("#support-ai", "#finance-ai"))
        assert messages_to(tx, "C0FIN") == []
        event = {"type": "member_joined_channel", "user": "U0BOT", "channel": "C0FIN", "team_id": "T0HOME"}
        from bot.people.directory import events_of

        for listen in (events_of(TEAM), slack.events_of(TEAM)):
            for hear in listen["member_joined_channel"]:
                hear(tx, event, NOW)
                hear(tx, {**event, "user": "U0LEA"}, NOW)
        assert len(messages_to(tx, "C0FIN")) == 1
        assert tx.scalars(select(Channel).where(Channel.slack_id == "C0FIN")).one().introduced_at == NOW
    with db.transaction() as tx:
        slack.events_of(TEAM)["member_joined_channel"][0](tx, {**event, "channel": "C0OLD"}, NOW)
        assert messages_to(tx, "C0OLD") == []


# --- /aiops agent ------------------------------------------------------------------------------------------------


def command(tx: Session, who: str, words: str) -> Press:
    return press(tx, who, "agent", came_from="command", words=tuple(words.split()), channel="C0SUP")


def told(answer: Any) -> str:
    assert isinstance(answer, Tell)
    from bot.workspace.blocks import check_blocks

    if answer.message.blocks:
        check_blocks(answer.message.blocks, "message")
    return answer.message.text


def test_agent_lists_mine_and_shows_one_and_finds_by_half_a_name(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx)
        assert told(slack.agent(tx, command(tx, "U0OMAR", ""))) == snapshot("You answer for 1 agent: Support triage (operations owner).")
        assert told(slack.agent(tx, command(tx, "U0LEA", ""))) == snapshot(
            "You answer for no agent. `/aiops agent <name>` shows any agent, `/aiops status` all of them, and `/aiops agent add` adds one."
        )
        assert told(slack.agent(tx, command(tx, "U0LEA", "support"))) == snapshot(
            "Support triage (support-triage): operations owner Omar (owner not confirmed), business owner Maya (owner not confirmed). Stage autonomous. Checks: runs (run_failed)."
        )
        assert told(slack.agent(tx, command(tx, "U0LEA", "<!channel>"))) == snapshot(
            'I know no agent called "&lt;!channel&gt;". `/aiops status` lists all of them, and `/aiops agent add` adds one.'
        )


def test_several_agents_that_could_be_meant_are_listed(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx, MANY)
        assert told(slack.agent(tx, command(tx, "U0LEA", "agent-0"))).startswith(
            'Several agents could be meant by "agent-0": `/aiops agent agent-00` (Agent 00)'
        )


def test_guests_are_told_nothing(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx)
        for words in ("", "support", "add"):
            with pytest.raises(Refused):
                slack.agent(tx, command(tx, "U0GUS", words))


FORM = {
    "name": "Night ledger",
    "department": "Finance",
    "business": "U0SAM",
    "operations": "U0LEA",
    "channel": "C0FIN",
    "template": "nightly",
    "url": "",
    "runbook": "",
}


def add(tx: Session, who: str = "U0SAM", ids: CountedIds | None = None, **changed: str) -> Any:
    handler = slack.views(ids or CountedIds(), "http://127.0.0.1:8080")["agents.add"]
    return handler(tx, press(tx, who, "agents.add", came_from="view", values={**FORM, **changed}))


def test_adding_an_agent_ends_with_its_token_and_the_curl_line(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx)
        opened = slack.agent(tx, command(tx, "U0SAM", "add"))
        assert isinstance(opened, Ask)
        check_view(opened.view, "modal")
        answer = add(tx)
        assert isinstance(answer, Ask)
        check_view(answer.view, "modal")
        assert answer.how == "update"
        assert "\n".join(block["text"]["text"] for block in answer.view["blocks"] if block["type"] == "section") == snapshot("""\
*Night ledger* is here, with the id `night-ledger`. Its owners are being asked to accept, and <#C0FIN> shows it.
*Its token.* Copy it now: it is shown this once and kept nowhere. It may send events and telemetry of this agent and do nothing else.
```aiops_000000000001_secret-000000000000000000000000000000000002```
*Say hello.* Paste this into a terminal; I answer in the channel as soon as I hear it.
```curl -sS http://127.0.0.1:8080/v1/events -H 'Authorization: Bearer aiops_000000000001_secret-000000000000000000000000000000000002' -H 'Content-Type: application/json' -d '{"id":"hello-1795161600","type":"run","agent":"night-ledger","at":"2026-11-20T08:00:00Z","status":"ok"}'```
*Or let it speak OpenTelemetry.* Two variables for its program, nothing else:
```OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:8080
OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20aiops_000000000001_secret-000000000000000000000000000000000002```
I am not in <#C0FIN> yet. Please invite me there: `/invite @aiops`.\
""")
        agent = agent_by_slug(tx, "night-ledger")
        assert agent is not None
        assert sorted(agent.spec["checks"]) == ["nightly", "quality", "runs"]
        token = tx.scalars(select(Token)).one()
        assert (token.scopes, token.agents, token.created_by) == (["events", "telemetry"], ["night-ledger"], person(tx, "U0SAM").id)
        named = owners_named(tx, agent)
        assert named.business is not None
        assert named.business.confirmed, "who names themself has accepted"
        assert messages_to(tx, "U0SAM") == []
        assert "Named by <@U0SAM>" in said_in(tx, "U0LEA")


def test_what_is_wrong_in_the_form_is_told_at_its_field(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx)
        answer = add(tx, name="support TRIAGE", business="U0GUS", operations="", channel="C0NEW", template="api", url="")
        assert isinstance(answer, Mend)
        assert answer.errors == snapshot(
            {
                "operations": "Choose a person: an agent is never without its owners.",
                "url": "An API service is watched at an address: write it here, or choose another kind.",
                "business": "Gus (U0GUS) is a guest. Name a full member of this workspace.",
                "channel": "I cannot see this channel yet. Invite me there with /invite @aiops, then send this form again.",
                "name": "There is already an agent of this name. Choose another, so that nobody confuses them.",
            }
        )
        assert tx.scalars(select(Token)).all() == []
        assert add(tx, template="nightly", url="https://x.example").errors == snapshot(
            {"url": "Only an API service has an address to watch: choose that kind, or empty this."}
        )


def test_an_id_is_made_from_any_name(db: Database) -> None:
    with db.transaction() as tx:
        settle(tx)
        ids = CountedIds()
        for name in ("Éclair & Söhne!", "日本語", "日本語 2", "support-triage "):
            assert isinstance(add(tx, ids=ids, name=name), Ask)
        assert sorted(agent.slug for agent in tx.scalars(select(Agent))) == ["2", "agent", "eclair-sohne", "support-triage", "support-triage-2"]


def test_every_template_holds_checks_that_the_checks_room_knows() -> None:
    from bot.agents.forms import TEMPLATES, checks_of
    from bot.checks.kinds import read_spec

    for name in TEMPLATES:
        for check in checks_of(name, "https://x.example/health").values():
            read_spec(check)


def name_another(tx: Session, who: str, role: str, new: str) -> Any:
    return slack.named(tx, press(tx, who, "agents.name", "support-triage", came_from="view", values={"role": role, "person": new}))


def test_naming_another_owner_in_slack_asks_them_and_keeps_the_old_one_until_they_accept(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        slack.accept(tx, press(tx, "U0OMAR", "agents.accept", ref(tx, agent, "operations")))
        opened = slack.ask_name(tx, press(tx, "U0MAYA", "agents.name", "support-triage:operations"))
        assert isinstance(opened, Ask)
        check_view(opened.view, "modal")
        assert told(name_another(tx, "U0MAYA", "operations", "U0LEA")) == snapshot(
            "Lea is asked to be operations owner of Support triage, in a direct message with `Accept`. Omar stays until then."
        )
        assert told(name_another(tx, "U0MAYA", "operations", "U0LEA")) == snapshot(
            "Lea has this role already, or was already asked, as operations owner of Support triage. Nothing changed."
        )
        assert owners_of(tx, agent.id)["operations"].person_id == person(tx, "U0OMAR").id
        assert told(name_another(tx, "U0MAYA", "operations", "U0SAM"))
        assert "settled otherwise" in said_in(tx, "U0LEA")
        first, second = tx.scalars(select(Handover).order_by(Handover.id))
        with pytest.raises(Refused, match="settled otherwise"):
            owners.accept(tx, NOW, actor(tx, "U0LEA"), f"handover:{first.id}")
        owners.accept(tx, NOW, actor(tx, "U0SAM"), f"handover:{second.id}")
        assert owners_of(tx, agent.id)["operations"].person_id == person(tx, "U0SAM").id
        held = tx.scalars(select(AgentOwner).where(AgentOwner.agent_id == agent.id, AgentOwner.role == "operations").order_by(AgentOwner.id)).all()
        assert [row.until is None for row in held] == [False, True]


def test_an_agent_is_never_without_its_two_owners_but_a_backup_may_end(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx, FILE.replace("operations: omar}", "operations: omar, backup: U0LEA}"))
        assert name_another(tx, "U0MAYA", "operations", "") == Mend({"person": "Choose a person: an agent is never without this owner."})
        assert told(name_another(tx, "U0MAYA", "backup", "")) == "Support triage has no backup any more."
        assert set(owners_of(tx, agent.id)) == {"business", "operations"}
        with pytest.raises(Refused, match="Owners are named by"):
            name_another(tx, "U0SAM", "operations", "U0SAM")


def test_a_press_on_an_agent_that_is_gone_is_refused_kindly(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx)
        asked = ref(tx, agent, "operations")
        apply_file(tx, NOW, read("{}"), by="omar")
        with pytest.raises(Refused, match="no longer in the registry"):
            slack.ask_name(tx, press(tx, "U0MAYA", "agents.name", "support-triage:operations"))
        with pytest.raises(Refused, match="no longer at work"):
            slack.accept(tx, press(tx, "U0OMAR", "agents.accept", asked))


def test_words_of_agents_and_people_ping_nobody(db: Database) -> None:
    with db.transaction() as tx:
        agent = settle(tx, FILE.replace("name: Support triage", 'name: "<!channel> & co"').replace("Sorts incoming tickets.", "<@U0LEA> <https://x|y>"))
        change_owner(tx, NOW, agent, "backup", person(tx, "U0LEA"), by_id=person(tx, "U0MAYA").id)
        slack.decline(tx, press(tx, "U0OMAR", "agents.decline", ref(tx, agent, "operations")))
        owners.chase_step(tx, NOW + timedelta(days=4))
        for target in ("U0OMAR", "U0MAYA", "U0LEA", "U0HALA", "C0SUP"):
            for row in messages_to(tx, target):
                assert "<!channel>" not in row.want["text"] + heard(row)
                assert "<@U0LEA> <https" not in heard(row)


def test_who_is_named_is_told_whether_the_agents_own_ladder_calls_them(db: Database) -> None:
    ladders = "ladders: {night: [{call: U0LEA}, {after: 5m, call: backup}]}\n"
    with db.transaction() as tx:
        settle(tx, ladders + FILE.replace("    name: Support triage\n", "    name: Support triage\n    ladder: night\n"))
        assert "its ladder calls others, and not you" in said_in(tx, "U0OMAR")
        assert "you are called first" not in said_in(tx, "U0OMAR")
        assert "calls come to you all the same" not in said_in(tx, "U0OMAR")
        assert "its ladder calls others, and not you" in said_in(tx, "U0MAYA")
