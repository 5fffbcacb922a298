from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents import flows, owners, state
from bot.agents.files import BadFile, read_text
from bot.agents.flows import Blocked, apply_file, plan_file
from bot.agents.plan import Plan, lines
from bot.agents.reading import (
    agent_by_slug,
    ladder_of,
    leads_channel_or_people,
    live_agents,
    owners_named,
    spec_of,
    who_is_called,
    workspace_of,
)
from bot.db import Database
from bot.people.flows import owners_of
from bot.stages.flows import order_stage, stage_of
from bot.tables import Agent, AgentOwner, Decision, Handover, OutMessage, Registry
from tests.agents.kit import FILE, KINDS, NOW, actor, heard, messages_to, person, read, settle_town

LATER = NOW + timedelta(days=1)


def apply(tx: Session, text: str = FILE, *, now: Any = NOW, **given: Any) -> Plan:
    return apply_file(tx, now, read(text), by="omar", **given)


def accept_all(tx: Session, now: Any = NOW) -> None:
    for row in tx.scalars(select(AgentOwner).where(AgentOwner.until.is_(None))):
        row.accepted_at, row.chase_at = now, None
    tx.flush()


def test_the_first_plan_tells_what_will_be_and_applying_it_leaves_no_difference(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        assert lines(plan_file(tx, read())) == snapshot(
            [
                "~ workspace.timezone: UTC -> Asia/Beirut",
                "~ workspace.leads: [] -> [@ai-leads]",
                "~ people.omar.slack: U0OMAR",
                "~ people.omar.wake: [pagerduty]",
                "~ people.omar.pagerduty: (a secret)",
                "+ Support triage (support-triage): new",
                "    stage: autonomous",
                "    owners.business: Maya",
                "    owners.operations: Omar",
                "Agents: 1 to add.",
            ]
        )
        assert live_agents(tx) == []
        apply(tx)
    with db.transaction() as tx:
        plan = plan_file(tx, read())
        assert not plan.differs
        assert not plan.acts
        assert lines(plan) == snapshot(["The file and the present state agree."])


def test_what_was_applied_can_be_asked_for(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        agent = agent_by_slug(tx, "support-triage")
        assert agent is not None
        assert (agent.zone, agent.channel_id, agent.in_file) == ("Asia/Beirut", "C0SUP", True)
        assert workspace_of(tx).leads == ["@ai-leads"]
        assert spec_of(agent).runbook == "https://wiki.example.com/support"
        assert owners_named(tx, agent).line() == snapshot("operations owner Omar (owner not confirmed), business owner Maya (owner not confirmed)")
        assert [each.name for each in who_is_called(tx, agent, "leads").people] == ["Hala"]
        assert [each.name for each in who_is_called(tx, agent, "omar").people] == ["Omar"]
        assert who_is_called(tx, agent, "#support-ai").channel == "C0SUP"
        assert who_is_called(tx, agent, "backup").people == ()
        assert [step.call for step in ladder_of(tx, agent)] == ["operations_owner", "backup", "business_owner", "leads"]
        assert leads_channel_or_people(tx) == ["U0HALA"]
        assert person(tx, "U0OMAR").wake == ["pagerduty"]
        assert person(tx, "U0OMAR").addresses == {"pagerduty": "key1"}
        assert stage_of(tx, agent.id).stage == "autonomous"


def test_everybody_and_everything_that_slack_does_not_know_is_named_with_its_line(db: Database) -> None:
    text = """
workspace: {leads: ["@nobody-here", "@unknown"]}
people:
  kim: {email: kim@example.com}
ladders:
  standard: [{call: operations_owner}, {call: "#nowhere"}]
agents:
  a:
    name: A
    owners: {business: "@ai-leads", operations: U0GUS, backup: U0DAN, sponsor: who@example.com}
    channel: "#old"
    outputs: {post: all, in: "#gone"}
    reviews: {reviewers: ["#support-ai"]}
    inputs: {prompt: {owner: nobody}}
"""
    with db.transaction() as tx:
        settle_town(tx)
        with pytest.raises(BadFile) as caught:
            apply(tx, text)
    assert [str(each).replace(" The directory was never read: start `aiops up` once with the Slack token", "") for each in caught.value.mistakes] == snapshot(
        [
            "aiops.yml:2:21: workspace.leads[0]: the user group '@nobody-here' has no active member. Add someone to it in Slack, or name somebody else",
            "aiops.yml:2:37: workspace.leads[1]: there is no user group '@unknown' in Slack's directory. Look at its handle in Slack.",
            "aiops.yml:4:8: people.kim: nobody in Slack's directory is known by 'kim@example.com'. Use a Slack member id or the e-mail address of their Slack account.",
            "aiops.yml:6:47: ladders.standard[1].call: there is no channel '#nowhere' that the bot can see. A private channel shows up once the bot is invited to it.",
            "aiops.yml:10:24: agents.a.owners.business: '@ai-leads' is a user group, and this must be one person. Name one of its members: U0HALA",
            "aiops.yml:10:49: agents.a.owners.operations: Gus (U0GUS) is a guest. Name a full member of this workspace",
            "aiops.yml:10:64: agents.a.owners.backup: the Slack account of Dan (U0DAN) is deactivated. Name somebody who is still here",
            "aiops.yml:10:80: agents.a.owners.sponsor: nobody in Slack's directory is known by 'who@example.com'. Use a Slack member id or the e-mail address of their Slack account.",
            "aiops.yml:11:14: agents.a.channel: the channel '#old' is archived. Name a channel that is in use",
            "aiops.yml:12:30: agents.a.outputs.in: there is no channel '#gone' that the bot can see. A private channel shows up once the bot is invited to it.",
            "aiops.yml:13:27: agents.a.reviews.reviewers[0]: '#support-ai' is a channel, and people are named here. Name people or a user group",
            "aiops.yml:14:30: agents.a.inputs.prompt.owner: nobody in Slack's directory is known by 'nobody'. Use a Slack member id or the e-mail address of their Slack account.",
        ]
    )


def test_a_file_with_one_unknown_name_changes_nothing_at_all(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
    with pytest.raises(BadFile), db.transaction() as tx:
        apply(tx, FILE + '  other: {name: Other, owners: {business: U0MAYA, operations: U0NOBODY}, channel: "#support-ai"}\n')
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Agent)) == 0
        assert tx.scalar(select(func.count()).select_from(Registry)) == 0
        assert tx.scalar(select(func.count()).select_from(OutMessage)) == 0


def test_a_change_is_told_field_by_field_and_made(db: Database) -> None:
    changed = (
        FILE.replace("name: Support triage", "name: Support desk\n    target: 0.9")
        .replace("timezone: Asia/Beirut", "timezone: Europe/Paris")
        .replace("{kind: run_failed}", "{kind: run_failed, severity: notice}")
    )
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        assert lines(plan_file(tx, read(changed))) == snapshot(
            [
                "~ workspace.timezone: Asia/Beirut -> Europe/Paris",
                "~ Support desk (support-triage)",
                "    name: Support triage -> Support desk",
                "    target: 0.9",
                "    checks.runs.severity: notice",
                "Agents: 1 to change.",
            ]
        )
        apply(tx, changed, now=LATER)
        agent = agent_by_slug(tx, "support-triage")
        assert agent is not None
        assert (agent.name, agent.zone, agent.spec_rev) == ("Support desk", "Europe/Paris", 2)
        assert not plan_file(tx, read(changed)).differs


def test_writing_a_default_out_is_no_difference(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        assert not plan_file(tx, read(FILE.replace("name: Support triage", "name: Support triage\n    min_samples: 30\n    ladder: standard"))).differs


def test_an_accepted_owner_is_never_changed_but_the_new_one_is_asked(db: Database) -> None:
    other = FILE.replace("operations: omar", "operations: U0LEA")
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        accept_all(tx)
        assert lines(plan_file(tx, read(other))) == snapshot(
            [
                "  Support triage (support-triage)",
                "    owners.operations: the file says Lea, but it stands at Omar, decided by Omar on 2026-11-20 08:00 UTC. Apply asks Lea to take it over; until then Omar stays.",
                "Agents: 1 hand-over to ask for.",
            ]
        )
        apply(tx, other, now=LATER)
        agent = agent_by_slug(tx, "support-triage")
        assert agent is not None
        assert owners_of(tx, agent.id)["operations"].person_id == person(tx, "U0OMAR").id
        again = plan_file(tx, read(other))
        assert not again.acts
        assert lines(again) == snapshot(
            [
                "  Support triage (support-triage)",
                "    owners.operations: the file says Lea, but it stands at Omar, decided by Omar on 2026-11-20 08:00 UTC. Lea was asked on 2026-11-21 to take it over; until then Omar stays.",
                "Agents: 1 left as people decided.",
            ]
        )
        apply(tx, other, now=LATER + timedelta(hours=1))
        assert len(messages_to(tx, "U0LEA")) == 1
        assert heard(messages_to(tx, "U0LEA")[0]) == snapshot("""\
*You are named operations owner of Support triage.*
That means: You keep it running. When one of its checks fails you are called first, here in a direct message, and the next person is called unless you press `Acknowledge`. You also look after its incidents and keep what it depends on fresh.
(Named by the registry file (`aiops.yml`) · Channel <#C0SUP> · Runbook: <https://wiki.example.com/support|open it>)
Omar does this now and stays until you accept. You are asked until <!date^1795852800^{date_short_pretty}|2026-11-28 08:00 UTC>. `Test page` shows you what a call looks like.
[Accept] [Not me] [Test page]\
""")

        asked = tx.scalars(select(Handover)).one()
        owners.accept(tx, LATER, actor(tx, "U0LEA"), f"handover:{asked.id}")
        assert owners_of(tx, agent.id)["operations"].person_id == person(tx, "U0LEA").id
        assert not plan_file(tx, read(other)).differs
        assert [heard(row) for row in messages_to(tx, "U0OMAR")][-1] == snapshot(
            "Lea has taken over as operations owner of Support triage. Calls about it no longer come to you for that. Thank you for carrying it."
        )


def test_who_declined_is_not_asked_again_by_the_same_file(db: Database) -> None:
    other = FILE.replace("operations: omar", "operations: U0LEA")
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        accept_all(tx)
        apply(tx, other, now=LATER)
        owners.decline(tx, LATER, actor(tx, "U0LEA"), f"handover:{tx.scalars(select(Handover)).one().id}")
        plan = plan_file(tx, read(other))
        assert not plan.acts
        assert "Lea declined on 2026-11-21: name somebody else" in "\n".join(lines(plan))


def test_an_owner_who_has_not_accepted_is_replaced_at_once(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        other = FILE.replace("operations: omar", "operations: U0LEA")
        assert "    owners.operations: Omar (not confirmed) -> Lea" in lines(plan_file(tx, read(other)))
        apply(tx, other, now=LATER)
        agent = agent_by_slug(tx, "support-triage")
        assert agent is not None
        assert owners_of(tx, agent.id)["operations"].person_id == person(tx, "U0LEA").id
        assert "settled otherwise" in heard(messages_to(tx, "U0OMAR")[0])


def test_applying_never_raises_a_stage_nor_ends_a_demotion(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        agent = agent_by_slug(tx, "support-triage")
        assert agent is not None
        order_stage(tx, LATER, agent, "suspended", person(tx, "U0MAYA").id, "wrong refunds since noon")
        plan = plan_file(tx, read())
        assert lines(plan) == snapshot(
            [
                "  Support triage (support-triage)",
                "    stage: the file says autonomous, but it stands at suspended (wrong refunds since noon), decided by Maya on 2026-11-21 08:00 UTC. Apply leaves it: a stage is changed in Slack, by people, with its reason.",
                "Agents: 1 left as people decided.",
            ]
        )
        assert not plan.acts
        apply(tx, now=LATER)
        assert stage_of(tx, agent.id).stage == "suspended"
        assert stage_of(tx, agent.id).rev == 2


def test_an_agent_gone_from_the_file_is_removed_unless_something_is_open(db: Database) -> None:
    empty = 'workspace: {timezone: Asia/Beirut, leads: ["@ai-leads"]}\n'

    def busy(tx: Session, agent_id: int) -> list[str]:
        return ["page 12 is open"]

    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
    with pytest.raises(Blocked, match=r"Support triage \(support-triage\) cannot be removed while page 12 is open"), db.transaction() as tx:
        apply(tx, empty, open_things=busy)
    with db.transaction() as tx:
        assert agent_by_slug(tx, "support-triage") is not None
        assert lines(plan_file(tx, read(empty))) == snapshot(
            [
                "~ people.omar.slack: U0OMAR is taken out",
                "~ people.omar.wake: [pagerduty] is taken out",
                "~ people.omar.pagerduty: (a secret) is taken out",
                "- Support triage (support-triage): no longer in the file, will be removed",
                "Agents: 1 to remove.",
            ]
        )
        apply(tx, empty, now=LATER)
        assert live_agents(tx) == []
        assert "settled otherwise" in heard(messages_to(tx, "U0OMAR")[0])
        assert [heard(row) for row in messages_to(tx, "C0SUP")][-1] == snapshot(
            "Support triage no longer lives here: taken out of the registry file (`aiops.yml`). What was recorded stays."
        )
        apply(tx, FILE, now=LATER + timedelta(hours=1))
        assert [agent.slug for agent in live_agents(tx)] == ["support-triage"]
        assert not plan_file(tx, read()).differs


def test_agents_added_in_slack_stay_and_are_told_as_not_in_the_file(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        spec = read(FILE).spec.agents["support-triage"].model_copy(update={"name": "Night watch", "channel": "C0FIN"})
        flows.add_agent(
            tx, NOW, "night-watch", spec, "C0FIN", {"business": person(tx, "U0SAM"), "operations": person(tx, "U0LEA")}, by_id=person(tx, "U0SAM").id
        )
        plan = plan_file(tx, read())
        assert not plan.differs
        assert lines(plan) == snapshot(
            [
                "? Night watch (night-watch): not in the file (added in Slack), stays; `aiops export config` writes it down",
                "The file and the present state agree.",
            ]
        )
        apply(tx, now=LATER)
        assert {agent.slug for agent in live_agents(tx)} == {"support-triage", "night-watch"}
        exported = state.export_text(tx)
        assert not any(each.held or each.what == "remove" for each in plan_file(tx, read(exported)).agents)
        apply(tx, exported, now=LATER)
        assert not plan_file(tx, read(exported)).differs


def test_the_export_is_the_present_state_as_people_decided_it(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        accept_all(tx)
        agent = agent_by_slug(tx, "support-triage")
        assert agent is not None
        flows.change_owner(tx, LATER, agent, "business", person(tx, "U0SAM"), by_id=person(tx, "U0MAYA").id)
        owners.accept(tx, LATER, actor(tx, "U0SAM"), f"handover:{tx.scalars(select(Handover)).one().id}")
        order_stage(tx, LATER, agent, "assisted", person(tx, "U0SAM").id, "new prompt")
        text = state.export_text(tx)
        assert text == snapshot("""\
workspace:
  timezone: Asia/Beirut
  leads:
  - '@ai-leads'
people:
  omar:
    slack: U0OMAR
    wake:
    - pagerduty
    pagerduty: key1
agents:
  support-triage:
    name: Support triage
    department: Customer service
    about: Sorts incoming tickets.
    stage: assisted
    owners:
      business: U0SAM
      operations: omar
    channel: '#support-ai'
    runbook: https://wiki.example.com/support
    checks:
      runs:
        kind: run_failed
""")
        assert not plan_file(tx, read(text)).differs


def test_applying_is_written_down_with_who_did_it(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        apply(tx)
        apply(tx, now=LATER)
        rows = tx.scalars(select(Decision).where(Decision.action == "registry.apply")).all()
        assert [(row.words, row.evidence) for row in rows] == [("applied by omar", {"add": ["support-triage"], "change": [], "remove": []})]
        assert tx.scalar(select(func.count()).select_from(Registry)) == 1


def test_a_plan_can_be_read_by_a_script(db: Database) -> None:
    with db.transaction() as tx:
        settle_town(tx)
        told = plan_file(tx, read()).as_json()
    assert told["differs"] is True
    assert told["agents"][0]["what"] == "add"
    assert {"field": "stage", "before": None, "after": "autonomous"} in told["agents"][0]["changes"]


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(lambda text: text.strip() == text)
SLUGS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
PEOPLE = st.sampled_from(["U0MAYA", "omar", "lea@example.com", "U0SAM"])
DURATIONS = st.sampled_from(["30s", "10m", "2h", "7d", "0s", "90m"])


def sometimes(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


AGENTS = st.builds(
    lambda fixed, more: {**fixed, **more},
    st.fixed_dictionaries(
        {
            "name": WORDS,
            "owners": st.fixed_dictionaries({"business": PEOPLE, "operations": PEOPLE}, optional={"backup": PEOPLE, "sponsor": PEOPLE}),
            "channel": st.sampled_from(["#support-ai", "C0FIN"]),
        }
    ),
    sometimes(
        department=WORDS,
        about=WORDS,
        timezone=st.sampled_from(["UTC", "Asia/Beirut"]),
        stage=st.sampled_from(["shadow", "assisted", "autonomous", "suspended"]),
        runbook=WORDS,
        outputs=sometimes(post=st.sampled_from(["all", "none", "sample 20/day"]), **{"in": st.just("#support-ai")}),
        data=sometimes(**{"class": st.sampled_from(["public", "restricted"])}, store_text=DURATIONS | st.just(False), post_text=st.booleans()),
        reactions=sometimes(good=st.lists(WORDS, max_size=2)),
        target=st.floats(0.01, 0.99),
        min_samples=st.integers(1, 100),
        expect_every=DURATIONS,
        evaluations=st.dictionaries(WORDS, sometimes(at_least=st.floats(0, 1), labels=st.lists(WORDS, max_size=2)), max_size=2),
        inputs=st.dictionaries(SLUGS, sometimes(kind=st.just("prompt"), owner=PEOPLE, refresh=DURATIONS), max_size=2),
        success=st.dictionaries(WORDS, WORDS, max_size=2),
        checks=st.dictionaries(SLUGS, st.fixed_dictionaries({"kind": st.sampled_from(sorted(KINDS))}, optional={"why": WORDS}), max_size=3),
    ),
)
FILES = st.fixed_dictionaries(
    {"people": st.just({"omar": {"slack": "U0OMAR", "email": "omar@example.com", "wake": ["email"]}}), "agents": st.dictionaries(SLUGS, AGENTS, max_size=4)},
    optional={
        "workspace": sometimes(
            timezone=st.sampled_from(["UTC", "Asia/Beirut"]),
            leads=st.lists(st.sampled_from(["@ai-leads", "omar"]), max_size=2),
            holidays=st.just(["2026-12-25"]),
        ),
        "ladders": st.just({"standard": [{"call": "operations_owner"}, {"after": "10m", "call": "#support-ai"}]}),
    },
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=FILES)
def test_whatever_is_applied_exports_to_a_file_that_plans_to_no_difference(db: Database, document: dict[str, Any]) -> None:
    import yaml

    with db.reading() as tx:
        settle_town(tx)
        written = read_text(yaml.dump(document, Dumper=state._Dumper, allow_unicode=True), KINDS)
        apply_file(tx, NOW, written, by="test")
        assert not plan_file(tx, written).differs
        exported = state.export_text(tx)
        assert not plan_file(tx, read_text(exported, KINDS)).differs
        tx.rollback()
