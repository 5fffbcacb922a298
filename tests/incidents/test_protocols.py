from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from bot.agents.files import BadFile, read_text
from bot.incidents.protocol import PHASES, PROTOCOL, follow_up_within, status_every, steps_of
from bot.incidents.run_rules import Nag, next_nag
from bot.jobs import KIND_SPECS
from bot.tables import Protocol, Registry
from tests.incidents.acts import items, opened
from tests.paging.world import World, text_of

FILE = """
protocols:
  payments:
    status_every: {page: 30m, notice: 0s}
    follow_up_within: {page: 7d}
    steps:
      - {id: cause, phase: learn, type: decision, say: Write the cause down, after: [proof]}
      - {id: stop, phase: contain, say: Stop the payments, who: operations_owner, within: 10m}
      - {id: proof, phase: verify, type: evidence, say: Link the proof, after: [stop]}
      - {id: quiet, phase: inform, say: Tell the newsletter, severity: [notice]}
      - {id: who, phase: inform, type: choose, options: [customers, nobody], say: Who was told, required: false}
agents:
  support-triage:
    name: Support triage
    protocol: payments
    owners: {business: U0MAYA, operations: U0OMAR}
    channel: "#support-ai"
"""


def mistakes(text: str) -> list[tuple[int, str, str]]:
    try:
        read_text(text, KIND_SPECS)
    except BadFile as bad:
        return [(each.line, each.field, f"{each.message}. {each.remedy}") for each in bad.mistakes]
    return []


def change(old: str, new: str) -> list[tuple[int, str, str]]:
    assert old in FILE
    return mistakes(FILE.replace(old, new))


def test_a_good_file_has_no_mistakes_and_keeps_its_phases_in_order() -> None:
    assert mistakes(FILE) == []
    document = read_text(FILE, KIND_SPECS).spec.protocols["payments"].document()
    assert [step["key"] for step in document["steps"]] == ["stop", "quiet", "who", "proof", "cause"]
    assert [step.key for step in steps_of(document, "page")] == ["stop", "who", "proof", "cause"]
    assert follow_up_within(document, "page").days == 7
    assert follow_up_within(document, "notice").days == 30
    assert status_every(document, "notice") is None


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "says"),
    [
        ("say: Stop the payments, who", "say: Stop the payments, after: [cause], who", 7, "protocols.payments.steps[0].after", "goes round in a circle: cause after proof after stop after cause. Take one of them out: some step must come first"),
        ("who: operations_owner", "who: operations_ower", 8, "protocols.payments.steps[1].who", "'operations_ower' is no role of an incident. Did you mean operations_owner?"),
        ("type: choose, options: [customers, nobody],", "type: choose,", 11, "protocols.payments.steps[4].type", "a step of type choose needs `options`. Add `options: [one, other]`, or take another type"),
        ("type: evidence,", "type: evidence, options: [a, b],", 9, "protocols.payments.steps[2].options", "a step of type evidence has no options. Make it `type: choose`, or take the options out"),
        ("type: evidence", "type: evidense", 9, "protocols.payments.steps[2].type", "'evidense' is not one of confirm, choose, evidence, decision, number, person. Did you mean evidence?"),
        ("after: [stop]", "after: [stopp]", 9, "protocols.payments.steps[2].after[0]", "there is no step 'stopp' in this protocol. Did you mean stop?"),
        ("id: quiet", "id: stop", 10, "protocols.payments.steps[3].id", "'stop' is the name of an earlier step. Give each step its own `id`"),
        ("protocol: payments", "protocol: payment", 15, "agents.support-triage.protocol", "there is no protocol 'payment'. Did you mean payments?"),
        ("within: 10m", "within: soon", 8, "protocols.payments.steps[1].within", "'soon' is not a duration. Write 30s, 10m, 2h or 7d"),
        ("phase: learn", "phase: lern", 7, "protocols.payments.steps[0].phase", "'lern' is not one of contain, inform, diagnose, recover, verify, learn. Did you mean learn?"),
    ],
)
def test_a_mistake_is_told_with_its_line_its_field_and_the_remedy(old: str, new: str, line: int, field: str, says: str) -> None:
    assert (line, field, says) in change(old, new)


def test_the_one_built_in_has_every_phase() -> None:
    assert list(PHASES) == [*dict.fromkeys(step.phase for step in steps_of(PROTOCOL))]
    assert all(step.kind in ("confirm", "choose", "evidence", "decision", "number", "person") for step in steps_of(PROTOCOL))


def give(world: World, file: str) -> None:
    document = read_text(file, KIND_SPECS).document

    def put(tx: Any) -> None:
        tx.add(Registry(at=world.clock.now(), by="test", digest=str(hash(file)), document={"workspace": {"leads": ["U0ZOE"]}, "protocols": document["protocols"]}, agents=[]))
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "protocol": "payments"}

    world.do(put)


def test_an_incident_follows_its_agents_protocol_and_keeps_it_when_the_file_changes(world: World) -> None:
    give(world, FILE)
    opened(world)
    assert [item.item_key for item in items(world).values()] == ["stop", "who", "proof", "cause"]
    give(world, FILE.replace("Stop the payments", "Stop everything"))
    world.press("ben", "incidents.lead", "incident:1")
    assert items(world)[1].words == "Stop the payments"
    assert "Stop the payments" in world.text("incident:1:checklist")
    world.say("ben", "incident open support-triage something else")
    assert items(world, 2)[1].words == "Stop everything"
    kept = world.do(lambda tx: [(row.name, row.version) for row in tx.scalars(select(Protocol).order_by(Protocol.id))])
    assert kept == [("payments", 1), ("payments", 2)]
    give(world, FILE)  # back to the words of before: the same version
    world.say("ben", "incident open support-triage a third one")
    assert len(world.do(lambda tx: tx.scalars(select(Protocol)).all())) == 2


def test_a_step_waits_for_the_one_before_it(world: World) -> None:
    give(world, FILE)
    opened(world)
    thread = world.row("incident:1").ts
    told = text_of(world.press("omar", "done", how="mention", words=("3", "https://example.com"), thread_ts=thread, message_ts="1.1"))
    assert told == "Step 3 comes after step 1 (Stop the payments): do that one first, or waive it with a reason."
    assert "comes after step 1" in str(world.row("incident:1:checklist").want["blocks"])
    world.press("omar", "incidents.done", f"item:{items(world)[1].id}")
    assert world.say("omar", "done 3 https://example.com", how="mention", thread_ts=thread, message_ts="1.2") == "Step 3 is done now."


def test_a_protocol_that_was_taken_out_of_the_file_gives_way_to_the_one_built_in(world: World) -> None:
    world.do(lambda tx: tx.execute(update(Registry).values(document={"workspace": {"leads": ["U0ZOE"]}})))

    def name(tx: Any) -> None:
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "protocol": "payments"}

    world.do(name)
    opened(world)
    assert len(items(world)) == len(PROTOCOL["steps"])


def test_nobody_is_reminded_before_it_is_due(world: World) -> None:
    now = world.clock.now()
    assert next_nag(now, None, 0, None) is Nag.NOBODY
    assert next_nag(now, now, 0, None) is Nag.ASSIGNEE


def test_two_people_telling_of_the_same_open_one_incident(world: World) -> None:
    assert "is open in" in world.say("ben", "incident open support-triage wrong prices")
    assert "is open already" in world.say("dot", "incident open support-triage Wrong   prices")
