from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.incidents.protocol import PHASES, PROTOCOL, steps_of
from bot.incidents.rules import Change, what_changes
from bot.people.rules import RULES, Act
from bot.surface.press import Ask, Mend, Quiet
from bot.tables import Decision, Incident, Output
from tests.incidents.acts import LIST, ROOT, close, do, follow_up, incident, items, opened, timeline
from tests.paging.world import CHANNEL, World, text_of

REQUIRED = [n for n, step in enumerate(steps_of(PROTOCOL), 1) if step.required]


def in_thread(world: World, who: str, words: str) -> str:
    root = world.row(ROOT)
    return world.say(who, words, how="mention", thread_ts=root.ts, message_ts=f"{world.clock.now().timestamp()}.{len(timeline(world))}")


def test_an_incident_opens_from_a_page_with_the_checklist_as_first_line_of_its_thread(world: World) -> None:
    opened(world)
    assert world.row(ROOT).target == CHANNEL
    under = [row.key for row in world.rows() if row.thread_key == ROOT]
    assert under[0] == LIST
    assert "Lead: Omar" in world.text(ROOT)
    assert "incident #1 is open" in str(world.row("page:1:channel").want["blocks"])
    assert world.buttons("page:1:channel") == ["Acknowledge", "I'll take it", "Human review"]
    assert "still failing" in str(world.row(ROOT).want["blocks"])
    assert "is open already" in text_of(world.press("lea", "incidents.open", "page:1"))
    assert incident(world).template["version"] == 1


def test_it_closes_only_when_required_steps_are_done_or_waived(world: World) -> None:
    opened(world)
    refused = text_of(world.press("omar", "incidents.close", "incident:1"))
    assert f"{len(REQUIRED)} required steps are neither done nor waived" in refused
    assert "1. Stop the harm" in refused
    for number in REQUIRED[:-1]:
        assert do(world, "ben", number) == Quiet()
    assert "One required step is neither done nor waived" in text_of(world.press("omar", "incidents.close", "incident:1"))
    last = items(world)[REQUIRED[-1]]
    form = world.press("omar", "incidents.item", f"waive:{last.id}")
    assert isinstance(form, Ask)
    assert world.press("omar", "incidents.waive", form.view["private_metadata"], how="view", values={"reason": "  "}) == Mend({"reason": "A waived step needs a reason."})
    assert world.press("omar", "incidents.waive", form.view["private_metadata"], how="view", values={"reason": "the vendor does it"}) == Quiet()
    world.clock.move(timedelta(hours=2, minutes=5))
    world.run("ok")
    assert "There is no follow-up yet" in text_of(close(world))
    assert follow_up(world) == Quiet()
    assert close(world) == Quiet()
    assert incident(world).state == "closed"
    told = world.lines(ROOT)[-1]
    assert told.startswith("Incident #1 is closed by Omar after 2 h 5 min. Who did what: Ben (7 steps), Omar (1 step).")
    assert "(the vendor does it)" in told
    assert world.buttons(ROOT) == ["Review"]
    assert world.buttons(LIST) == []
    assert "closed: its checklist stays as it was" in text_of(world.press("ben", "incidents.done", f"item:{items(world)[1].id}"))
    assert "closed already" in text_of(world.press("omar", "incidents.close", "incident:1"))
    assert "incident #1" not in str(world.row("page:1:channel").want["blocks"])


def test_each_step_shows_who_did_it_and_when_and_can_be_opened_again(world: World) -> None:
    opened(world)
    first = items(world)[1]
    form = world.press("lea", "incidents.item", f"note:{first.id}")
    assert isinstance(form, Ask)
    world.press("lea", "incidents.note", form.view["private_metadata"], how="view", values={"note": "stopped it <!channel>"})
    shown = str(world.row(LIST).want["blocks"])
    assert "_done by Lea, <!date^" in shown
    assert "&gt; stopped" not in shown
    assert "stopped it &lt;!channel&gt;" in shown
    assert "Step 1 is done already, by Lea." in text_of(world.press("ben", "incidents.done", f"item:{first.id}"))
    assert world.press("ben", "incidents.item", f"reopen:{first.id}") == Quiet()
    assert items(world)[1].state == "open"
    assert timeline(world)[1:] == ["did step 1 (Stop the harm): stopped it <!channel>", "opened step 1 again (Stop the harm)"]
    assert world.do(lambda tx: [row.action for row in tx.scalars(select(Decision).where(Decision.subject == "incident:1"))]) == ["incident.open", "incident.done", "incident.reopened"]


@pytest.mark.parametrize(
    ("who", "works", "waives", "closes"),
    [("omar", True, True, True), ("maya", True, True, True), ("lea", True, True, True), ("zoe", True, True, True), ("ben", True, False, False), ("sam", True, False, False), ("gus", False, False, False)],
)
def test_who_may_work_waive_and_close(world: World, who: str, works: bool, waives: bool, closes: bool) -> None:
    world.run("failed")
    world.press("dot", "incidents.open", "page:1")
    step = items(world)[1]
    assert (world.press(who, "incidents.done", f"item:{step.id}") == Quiet()) is works
    assert isinstance(world.press(who, "incidents.item", f"waive:{items(world)[2].id}"), Ask) is waives
    told = text_of(world.press(who, "incidents.close", "incident:1"))
    refused = "closed by an owner" in told or told == RULES[Act.SEE].else_ask  # a guest reads who this is for
    assert refused is not closes
    if who == "ben":
        assert isinstance(world.press(who, "incidents.item", f"waive:{items(world)[7].id}"), Ask)  # an optional step
        world.press(who, "incidents.lead", "incident:1")
        assert isinstance(world.press(who, "incidents.item", f"waive:{items(world)[2].id}"), Ask)  # as lead of the incident


def test_a_waived_step_is_opened_again_only_by_who_could_waive_it(world: World) -> None:
    opened(world)
    assert in_thread(world, "omar", "waive 2 nothing was under way") == "Step 2 is waived now."
    assert "waived by an owner" in text_of(world.press("ben", "incidents.item", f"reopen:{items(world)[2].id}"))
    assert world.press("lea", "incidents.item", f"reopen:{items(world)[2].id}") == Quiet()


def test_strangers_bots_and_stale_buttons(world: World) -> None:
    opened(world)
    for kind in ("stranger", "bot"):
        actor = replace(world.actor("omar"), kind=kind)
        for name, value in [("incidents.done", "item:1"), ("incidents.item", "waive:1"), ("incidents.lead", "incident:1"), ("incidents.close", "incident:1"), ("incidents.show", "incident:1"), ("incidents.open", "page:1")]:
            assert isinstance(world.press(actor, name, value), str)
        assert isinstance(world.press(actor, "incidents.shortcut", how="shortcut", message_ts="1.0"), str)
        assert isinstance(world.press(actor, "incidents.new", "{}", how="view", values={"agent": "support-triage", "title": "x"}), str)
        assert isinstance(world.press(actor, "note", how="mention", words=("x",)), str)
    for name in ("incidents.done", "incidents.item", "incidents.lead", "incidents.close", "incidents.show"):
        assert "no longer known" in text_of(world.press("omar", name, "garbage:77"))
    assert timeline(world) == ["opened the incident from page 1: A run failed"]


def test_whoever_opens_leads_until_somebody_takes_it(world: World) -> None:
    opened(world)
    assert world.press("ben", "incidents.lead", "incident:1") == Quiet()
    assert "Lead: Ben" in world.text(ROOT)
    assert world.lines(ROOT)[-1] == "Ben leads this incident now."
    assert text_of(world.press("ben", "incidents.lead", "incident:1")) == "You lead it already."
    assert world.press("omar", "incidents.lead", "incident:1") == Quiet()
    assert world.press("ben", "incidents.lead", "incident:1") == Quiet()
    assert len([line for line in world.lines(ROOT) if line == "Ben leads this incident now."]) == 2


def test_words_in_the_thread_do_what_the_buttons_do(world: World) -> None:
    opened(world)
    assert in_thread(world, "ben", "done 3 told the desk") == "Step 3 is done now."
    assert items(world)[3].note == "told the desk"
    assert in_thread(world, "ben", "note the vendor confirmed it") == "Noted on the timeline."
    assert timeline(world)[-1] == "noted: the vendor confirmed it"
    assert in_thread(world, "ben", "reopen 3") == "Step 3 is open now."
    assert in_thread(world, "ben", "lead") == "Quiet"
    assert "cannot be closed yet" in in_thread(world, "ben", "close")
    assert "Checklist of incident #1" in in_thread(world, "ben", "checklist")
    assert in_thread(world, "ben", "done 99") == "Which step? Write its number, such as `done 3`. `checklist` shows them."
    assert in_thread(world, "ben", "done") == "Which step? Write its number, such as `done 3`. `checklist` shows them."
    assert in_thread(world, "omar", "waive 3") == "Waiving needs a reason: `waive 3 because ...`."
    assert in_thread(world, "omar", "note").startswith("Write what to note")
    for words in ("done 3", "note x", "close", "lead", "checklist"):
        assert "thread of an incident" in world.say("ben", words)


def test_words_list_show_and_open_incidents(world: World) -> None:
    assert world.say("ben", "incident").startswith("No incident is open.")
    assert "Incident #1 is open in <#C0SUPPORT>" in world.say("ben", "incident open support triage answers quote old prices")
    assert incident(world).title == "answers quote old prices"
    assert "*#1* Support triage: answers quote old prices" in world.say("ben", "incident")
    assert "Ben opened the incident: answers quote old prices" in world.say("ben", "incident 1")
    assert "no longer known" in world.say("ben", "incident 44")
    assert "I know `/aiops incident`" in world.say("ben", "incident dance")
    form = world.press("ben", "incident", how="command", words=("open", "support-triage"))
    assert isinstance(form, Ask)
    assert form.view["blocks"][0]["element"]["initial_option"]["value"] == "support-triage"
    assert isinstance(world.press("ben", "incident", how="command", words=("open",)), Ask)


def test_the_shortcut_knows_the_page_the_output_or_the_channel(world: World) -> None:
    world.run("failed")
    page = world.row("page:1:channel")
    form = world.press("ben", "incidents.shortcut", how="shortcut", message_ts=page.ts)
    assert isinstance(form, Ask)
    assert form.view["blocks"][1]["element"]["initial_value"] == "A run failed"
    answer = world.press("ben", "incidents.new", form.view["private_metadata"], how="view", values={"agent": "support-triage", "title": "Nightly import"})
    assert "Incident #1 is open" in text_of(answer)
    assert incident(world).page_id == 1
    assert "is open already" in text_of(world.press("lea", "incidents.shortcut", how="shortcut", message_ts=page.ts))

    def post(tx: Any) -> None:
        now = world.clock.now()
        tx.add(Output(agent_id=1, ext_id="o1", occurred_at=now, received_at=now, channel_id=CHANNEL, slack_ts="77.1", local_day="2026-11-20"))

    world.do(post)
    form = world.press("ben", "incidents.shortcut", how="shortcut", message_ts="77.1")
    assert isinstance(form, Ask)
    world.press("ben", "incidents.new", form.view["private_metadata"], how="view", values={"agent": "support-triage", "title": "Wrong price"})
    assert world.do(lambda tx: tx.get_one(Incident, 2)).output_id == 1
    form = world.press("ben", "incidents.shortcut", how="shortcut", message_ts="1.0", message={"text": "the bot  is wrong"})
    assert isinstance(form, Ask)
    assert form.view["blocks"][1]["element"]["initial_value"] == "the bot is wrong"
    assert world.press("ben", "incidents.new", "not json", how="view", values={"agent": "nobody", "title": "x"}) == Mend({"agent": "No single agent is called that: write its id or its whole name."})
    assert world.press("ben", "incidents.new", "{}", how="view", values={"agent": "support-triage", "title": " "}) == Mend({"title": "Say in a few words what happened."})


def test_an_open_incident_hears_when_its_page_is_over(world: World) -> None:
    opened(world)
    world.run("ok")
    assert world.lines(ROOT)[-1].startswith("The page is over: The last run was ok.")
    assert "over since" in str(world.row(ROOT).want["blocks"])
    world.settle()
    assert len([words for words in timeline(world) if "the page about it is over" in words]) == 1


def test_an_agent_without_a_channel_gets_its_incident_where_it_was_opened_or_a_clear_answer(world: World) -> None:
    world.do(lambda tx: setattr(world.agent(tx), "channel_id", None))
    assert "nowhere to live" in world.say("ben", "incident open support-triage broken", channel="D0BEN")
    assert "is open in <#C0OTHER>" in world.say("ben", "incident open support-triage broken", channel="C0OTHER")


def test_long_names_stay_within_slacks_limits(world: World) -> None:
    def long(tx: Any) -> None:
        agent = world.agent(tx)
        agent.name = "Ä<&>" * 30
        for who in ("omar", "lea"):
            world.person(tx, who).name = "&" * 190

    world.do(long)
    world.run("failed", error="<" * 5000)
    world.press("omar", "incidents.open", "page:1")
    for number in items(world):
        world.press("omar", "incidents.note", f"item:{items(world)[number].id}", how="view", values={"note": "<&>" * 1000, "answer": "prompt" if items(world)[number].kind == "choose" else "<&>" * 500})
    follow_up(world, words="<&>" * 1000)
    world.press("omar", "incidents.close", "incident:1")
    rows = world.rows()
    assert len(rows) > 6
    for row in rows:
        assert len(row.want["text"]) <= 4000
        assert len(row.want["blocks"]) <= 50
        assert_limits(row.want["blocks"])


def assert_limits(blocks: Any) -> None:
    for block in blocks:
        for words in [block.get("text"), *block.get("fields", [])]:
            if words:
                most = 150 if block["type"] == "header" else 3000 if words is block.get("text") else 2000
                assert 0 < len(words["text"]) <= most
        for element in block.get("elements", []):
            if element["type"] == "button":
                assert len(element["text"]["text"]) <= 75
                assert len(element["accessibility_label"]) <= 75


def test_the_protocol_has_every_phase_and_each_can_be_required() -> None:
    steps = steps_of(PROTOCOL)
    assert [*dict.fromkeys(step.phase for step in steps)] == list(PHASES)
    assert {step.phase for step in steps if step.required} == set(PHASES)
    assert len({step.key for step in steps}) == len(steps)
    assert what_changes("done", "done") is Change.NOTHING
