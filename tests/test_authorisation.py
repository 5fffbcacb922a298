"""Everything that can be pressed, sent or said, tried by those who may do nothing: a guest and somebody from elsewhere."""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import actions, button
from bot.clock import MovedClock
from bot.feedback.rules import REASONS
from bot.tables import (
    AgentOwner,
    Check,
    Digest,
    FollowUp,
    Gap,
    Handover,
    Incident,
    IncidentItem,
    Maintenance,
    OutMessage,
    Output,
    Page,
    Person,
    Request,
    Review,
    RouteTest,
    Shift,
    Silence,
    UnownedAgent,
)
from bot.tables.table import Table
from bot.workspace import signature
from tests.kit.house import REGISTRY, Town, town

OUTSIDERS = ("gina", "zoe")  # a guest of this workspace, and a stranger in a shared channel

# By what a value names: every handler is pressed with something that exists, as a curious outsider would.
THING = {
    "agents.accept": ("owner",),
    "agents.accept_all": ("owner",),
    "agents.decline": ("owner",),
    "agents.more": ("owner",),
    "agents.earlier": ("owner",),
    "agents.name": ("slug",),
    "autonomy.start": ("slug:1",),
    "autonomy.review": ("slug:1",),
    "autonomy.stop": ("slug:1",),
    "autonomy.roll_back": ("slug:1",),
    "autonomy.forward": ("slug:1",),
    "autonomy.switched": ("slug:1",),
    "digests.reviewed": ("digest",),
    "drift.known": ("source",),
    "drift.rebase": ("source",),
    "drift.sample": ("slug:12",),
    "drift.sample_back": ("slug",),
    "feedback.thumb": ("output:good", "output:bad"),
    "feedback.tell": ("output",),
    "feedback.read": ("output",),
    "feedback.take_back": ("output",),
    "feedback.reviews": ("reviews",),
    "feedback.judge": ("review:good", "review:bad"),
    "feedback.skip": ("review",),
    "feedback.undo": ("review",),
    **{f"feedback.review_reason.{name}": (f"review:{name}",) for name in REASONS},
    **{f"feedback.reason.{name}": (f"output:{name}",) for name in REASONS},
    "gaps.show": ("agent",),
    "gaps.assign": ('{"agent":1,"key":"returns","label":"returns"}',),
    "gaps.assign_gap": ("gap",),
    "gaps.supplied": ("gap",),
    "handover.ask": ("slug:operations",),
    "handover.pick": ("mine",),
    "handover.take_back": ("handover",),
    "handover.travels": ("handover",),
    "handover.retire": ("slug",),
    "handover.bring_back": ("slug",),
    "home.rate": ("output",),
    "home.good": ("output",),
    "home.bad": ("output",),
    "home.undo": ("output",),
    "home.next": ("mine:1",),
    "home.earlier": ("mine:0",),
    "incidents.open": ("page",),
    "incidents.done": ("item",),
    "incidents.item": ("done:item", "waive:item", "reopen:item", "assign:item"),
    "incidents.lead": ("incident",),
    "incidents.close": ("incident",),
    "incidents.show": ("incident",),
    "incidents.follow_up": ("incident",),
    "incidents.none_needed": ("incident",),
    "incidents.status": ("incident",),
    "incidents.roles": ("incident",),
    "incidents.review": ("incident",),
    "followups.done": ("followup",),
    "followups.change": ("followup",),
    "oncall.take": ("rotation",),
    "oncall.swap": ("rotation",),
    "oncall.undo": ("shift",),
    "paging.acknowledge": ("page",),
    "paging.take": ("page",),
    "paging.test": ("agent",),
    "paging.heard": ("routetest",),
    "paging.snooze": ("page",),
    "paging.still": ("page:1",),
    "paging.escalate": ("page:1",),
    "paging.resolve": ("page",),
    "paging.review": ("page",),
    "paging.stop": ("page",),
    "requests.claim": ("request",),
    "requests.give_back": ("request",),
    "requests.approve": ("request",),
    "requests.reject": ("request",),
    "requests.answer": ("request",),
    "requests.undo": ("request",),
    "quiet.silence": ("agent",),
    "quiet.end": ("silence",),
    "quiet.watch": ("check",),
    "quiet.maintenance": ("agent",),
    "quiet.end_window": ("window",),
    "quiet.skip": ("window",),
    "status.agent": ("agent",),
    "status.away": ("status",),
    "status.back": ("status",),
    "unowned.register": ("unowned",),
    "unowned.ignore": ("unowned",),
    "unowned.undo": ("unowned",),
    "surface.menu": ("incidents.open page", "paging.snooze page", "paging.escalate page:1", "surface.menu surface.menu"),
    "surface.form": ("agent add",),
    "surface.share": ("status", "agent", "incident", "page"),
}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "agents.add": ("", {"name": "Sneaky", "department": "None", "business": "U0GINA", "operations": "U0GINA", "channel": "C0SUPPORT", "template": "plain"}),
    "agents.name": ("slug", {"role": "operations", "person": "U0GINA"}),
    "handover.ask": ("", {"role": "support-triage:operations", "person": "U0GINA", "note": "mine now"}),
    "handover.retire": ("slug:1", {"reason": "because I can"}),
    "handover.retire_sure": ('{"agent":"support-triage","rev":1,"reason":"because"}', {}),
    "handover.bring_back": ("slug:1", {"stage": "shadow", "reason": "because I can"}),
    "autonomy.start": ("slug:1", {"stage": "autonomous", "reason": "because I can"}),
    "autonomy.stop": ("slug:1", {"reason": "because I can"}),
    "autonomy.roll_back": ("slug:1", {"reason": "because I can"}),
    "autonomy.forward": ("slug:1", {"reason": "because I can"}),
    "feedback.tell": ("output", {"comment": "mine"}),
    "feedback.rate": ("output", {"thumb": "bad", "comment": "mine"}),
    "gaps.assign": ('{"agent":1,"key":"returns","label":"returns"}', {"person": "U0GINA", "due": "2026-12-24"}),
    "gaps.supplied": ("gap", {"words": "because I can"}),
    "incidents.new": ("", {"agent": "support-triage", "title": "Not yours to open"}),
    "incidents.note": ("item", {"note": "done by me"}),
    "incidents.waive": ("item", {"reason": "because"}),
    "incidents.assign": ("item", {"person": "U0GINA"}),
    "incidents.closing": ("incident", {"minutes_1": "5", "reason": "because"}),
    "incidents.follow_up": ("incident", {"words": "nothing at all", "person": "U0OMAR", "due": "2026-12-24"}),
    "incidents.none_needed": ("incident", {"reason": "because"}),
    "incidents.status": ("incident", {"words": "all is well"}),
    "incidents.roles": ("incident", {"lead": "U0GINA", "scribe": "", "owner": ""}),
    "followups.done": ("followup", {"evidence": "because", "version": ""}),
    "followups.change": ("followup", {"person": "U0GINA", "due": "2026-12-24"}),
    "oncall.swap": ("rotation", {"person": "U0GINA", "since": "1763900000", "until": "1763990000"}),
    "paging.snooze": ("page", {"until": "8h"}),
    "paging.resolve": ("page", {"how": "wrong:1"}),
    "paging.review": ("page", {"reason": "because I can"}),
    "paging.stop": ("page", {"reason": "because I can"}),
    "requests.reject": ("request", {"words": "because I can"}),
    "requests.answer": ("request", {"decision": "approve", "words": "because I can"}),
    "requests.undo": ("request", {"words": "because I can"}),
    "unowned.ignore": ("unowned", {"day": "2026-12-24"}),
    "status.away": ("", {"since": "2026-11-24", "until": "2026-11-25"}),
    "quiet.silence": ("", {"agent": "support-triage", "lasts": "2h", "reason": "because I can"}),
    "quiet.maintenance": ("", {"agent": "support-triage", "cron": "0 22 * * sun", "zone": "UTC", "lasts": "2h", "reason": "because I can"}),
}
WORDS = {
    "": "something unheard of",
    "agent": "agent add",
    "assign": "assign 1 to me",
    "away": "away until tomorrow",
    "baseline": "baseline support-triage",
    "checklist": "checklist",
    "close": "close",
    "done": "done 1",
    "followup": "followup <@U0OMAR> write a test",
    "follow-up": "follow-up <@U0OMAR> write a test",
    "followups": "followups reopen 1 because",
    "gap": "gap support-triage",
    "gaps": "gaps",
    "help": "help",
    "incident": "incident open support-triage it is mine",
    "incidents": "incidents open support-triage it is mine",
    "lead": "lead",
    "mine": "mine",
    "note": "note it was me",
    "oncall": "oncall take night-watch",
    "page": "page ack 1",
    "pages": "pages ack 1",
    "owner": "owner me",
    "reopen": "reopen 1",
    "review": "review 1",
    "update": "update all is well",
    "request": "request support-triage",
    "requests": "requests support-triage",
    "roles": "roles",
    "scribe": "scribe me",
    "stage": "stage support-triage",
    "maintenance": "maintenance support-triage now 2h because I can",
    "silence": "silence support-triage 2h because I can",
    "silences": "silences support-triage 2h because I can",
    "sprint": "sprint",
    "status": "status",
    "waive": "waive 1 because",
}
OPEN_TO_ALL = {"help", ""}  # they tell nothing but how the bot is used


async def scene(t: Town) -> dict[str, str]:
    """A house with one of everything that can be pressed; returns the values by what they name."""
    turns = "rotations:\n  night-watch: {people: [U0OMAR, U0LEA], handover: \"mon 09:00\", starts: 2026-01-05}\nagents:"
    await t.apply(REGISTRY.replace("stage: autonomous", "stage: autonomous\n    reviews: {reviewers: [U0DANA]}").replace("agents:", turns, 1))
    await t.post(t.event("output", "o1", text="The parcel is at the depot."), t.event("output", "o2", text="It left on Monday."))
    await t.settle()
    await t.ws.press("dana", "support-ai", t.ws.messages("support-ai")[-1]["ts"], "feedback.thumb", (await outputs(t))[-1] + ":bad")
    await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
    await t.settle()
    page = await t.read(lambda tx: tx.scalars(select(Page)).one())
    await t.ws.press("omar", "support-ai", (await place(t, f"page:{page.id}:channel"))[1], "surface.menu", f"incidents.open page:{page.id}")
    await t.settle()
    await t.ws.command("omar", "support-ai", "/aiops", "silence support-triage check:never-* 7d it is quiet anyway")
    await t.ws.command("omar", "support-ai", "/aiops", 'maintenance support-triage cron:"0 22 1 1 *" 1h once a year')
    await t.settle()
    await t.post(t.event("request", "q1", kind="approval", title="Refund 120 EUR", deadline=None))
    await t.settle()
    await t.move(days=3)  # Monday: a digest and a review
    assert await t.read(lambda tx: tx.scalars(select(Review)).first()) is not None
    await t.ws.say("omar", "support-ai", "<@U0AIOPS> followup <@U0LEA> test every prompt", thread_ts=(await place(t, "incident:1"))[1])
    await t.settle()
    await t.ws.command("lea", "support-ai", "/aiops", "oncall take night-watch for 8h")
    await t.ws.command("lea", "support-ai", "/aiops", "page test")
    await t.settle()
    await t.ws.command("omar", "support-ai", "/aiops", "agent hand-over support-triage operations to <@U0DANA>")
    await t.settle()
    await t.write(lambda tx: tx.add(Gap(agent_id=1, topic="parcels", label="Parcels", owner_id=tx.scalars(select(Person.id).where(Person.slack_id == "U0LEA")).one(), due_at=t.clock.now(), opened_at=t.clock.now())))
    await t.write(lambda tx: tx.add(UnownedAgent(service="side-project", agent_name="", first_at=t.clock.now(), last_at=t.clock.now(), traces=3, shown_at=t.clock.now())))
    test_id = await t.read(lambda tx: tx.scalars(select(RouteTest.id)).one())
    shift_id = await t.read(lambda tx: tx.scalars(select(Shift.id)).one())

    def found(tx: Session) -> dict[str, str]:
        output, review = tx.scalars(select(Output)).all()[0], tx.scalars(select(Review)).all()[0]
        owner, window = tx.scalars(select(AgentOwner)).all()[0], tx.scalars(select(Maintenance)).one()
        return {
            "output": f"output:{output.id}", "page": f"page:{page.id}", "review": f"review:{review.id}", "owner": f"owner:{owner.id}",
            "incident": f"incident:{tx.scalars(select(Incident)).one().id}", "item": f"item:{tx.scalars(select(IncidentItem)).all()[0].id}",
            "digest": f"digest:{tx.scalars(select(Digest)).all()[-1].id}", "agent": "agent:support-triage", "slug": "support-triage", "source": "support-triage:people",
            "silence": f"silence:{tx.scalars(select(Silence)).one().id}", "check": f"check:{tx.scalars(select(Check)).all()[0].id}", "window": f"maintenance:{window.id}:{int(window.starts_at.timestamp())}",
            "reviews": f"reviews:{review.local_day}", "followup": f"followup:{tx.scalars(select(FollowUp)).one().id}", "status": "status", "rotation": "night-watch", "routetest": f"routetest:{test_id}", "shift": f"shift:{shift_id}",
            "handover": f"handover:{tx.scalars(select(Handover.id)).one()}",
            "gap": f"gap:{tx.scalars(select(Gap.id)).one()}",
            "unowned": f"unowned:{tx.scalars(select(UnownedAgent.id)).one()}",
            "request": f"request:{tx.scalars(select(Request)).one().id}",
        }  # fmt: skip

    return await t.read(found)


async def outputs(t: Town) -> list[str]:
    return await t.read(lambda tx: [f"output:{number}" for number in tx.scalars(select(Output.id).order_by(Output.id))])


async def place(t: Town, key: str) -> tuple[str, str]:
    row = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == key)).one())
    assert row.channel is not None
    assert row.ts is not None
    return row.channel, row.ts


async def everything(t: Town) -> dict[str, list[Any]]:
    """All that is stored, but for the list of deliveries taken and who was looked up in Slack."""

    def look(tx: Session) -> dict[str, list[Any]]:
        tables = [table for table in Table.metadata.sorted_tables if table.name not in ("seen_slack",)]
        return {table.name: sorted(repr(tuple(row)) for row in tx.execute(select(table))) for table in tables}

    return await t.read(look)


def valued(shape: str, things: dict[str, str]) -> str:
    """`output:good` with the output that exists; `done:item` with the number of the item that exists."""
    action, _, inner = shape.rpartition(" ")
    if action:
        return f"{action} {valued(inner, things)}"
    first, _, rest = shape.partition(":")
    if rest == "item":
        return f"{first}:{things['item'].partition(':')[2]}"
    return things.get(first, first) + (f":{rest}" if rest else "")


def last_words(t: Town, who: str) -> str:
    """The newest words that this person alone was told."""
    told = t.ws.ephemerals(who)
    return str(told[-1]["text"]) if told else ""


async def test_the_tables_here_name_every_handler_there_is(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        surface = t.house.surface
        assert set(surface.actions) <= set(THING)
        assert set(surface.views) <= set(FORMS)
        assert set(surface.words) <= set(WORDS)
        assert set(surface.shortcuts) == {"feedback.rate", "incidents.shortcut"}


@pytest.mark.parametrize("who", OUTSIDERS)
async def test_no_button_does_anything_for_an_outsider_and_every_one_answers_politely(database_url: str, clock: MovedClock, who: str) -> None:
    async with town(database_url, clock) as t:
        things = await scene(t)
        before = await everything(t)
        for action_id in t.house.surface.actions:
            for shape in THING[action_id]:
                shown = await t.house.client.chat_postMessage(channel="C0SUPPORT", text="press", blocks=[actions(button("Press", action_id, valued(shape, things)))])
                count = len(t.ws.ephemerals(who))
                assert (await t.ws.press(who, "support-ai", str(shown["ts"]), action_id)).ok
                await rest(t)
                assert len(t.ws.ephemerals(who)) == count + 1, f"{action_id} with {shape} gave no answer"
                polite(last_words(t, who), action_id)
                assert await everything(t) == before, f"{action_id} with {shape} stored something"


@pytest.mark.parametrize("who", OUTSIDERS)
async def test_no_form_and_no_shortcut_does_anything_for_an_outsider(database_url: str, clock: MovedClock, who: str) -> None:
    async with town(database_url, clock) as t:
        things = await scene(t)
        before = await everything(t)
        numbers = itertools.count()
        for callback in t.house.surface.views:
            shape, values = FORMS[callback]
            state = {name: {name: {"type": "plain_text_input", "value": value}} for name, value in values.items()}
            view = {"id": "V1", "type": "modal", "callback_id": callback, "private_metadata": valued(shape, things) if shape else "", "state": {"values": state}}
            told = await submitted(t, {"type": "view_submission", "user": user(t, who), "team": {"id": t.ws.team_id}, "view": view, "trigger_id": f"{next(numbers)}.1.x"})
            assert told["response_action"] == "update", callback
            polite(str(told["view"]["blocks"][0]["text"]["text"]), callback)
            assert await everything(t) == before, f"{callback} stored something"
        message = await place(t, things["output"])
        for callback in ("feedback.rate", "incidents.shortcut"):
            count = len(t.ws.ephemerals(who))
            await t.ws.shortcut(who, callback, "support-ai", message[1])
            await rest(t)
            assert len(t.ws.ephemerals(who)) == count + 1, callback
            polite(last_words(t, who), callback)
            assert await everything(t) == before, f"{callback} stored something"


@pytest.mark.parametrize("who", OUTSIDERS)
async def test_no_word_does_anything_for_an_outsider_typed_or_in_a_thread(database_url: str, clock: MovedClock, who: str) -> None:
    async with town(database_url, clock) as t:
        things = await scene(t)
        thread = (await place(t, f"incident:{things['incident'].partition(':')[2]}"))[1]
        before = await everything(t)
        for name in t.house.surface.words:
            said = WORDS[name]
            if who == "gina":  # Slack itself lets nobody from elsewhere use our commands
                count = len(t.ws.ephemerals(who))
                assert (await t.ws.command(who, "support-ai", "/aiops", said)).ok, name
                await rest(t)
                assert len(t.ws.ephemerals(who)) == count + 1, name
                if name not in OPEN_TO_ALL:
                    polite(last_words(t, who), name)
            count = len(t.ws.ephemerals(who))
            await t.ws.say(who, "support-ai", f"<@U0AIOPS> {said}", thread_ts=thread)
            await rest(t)
            assert len(t.ws.ephemerals(who)) == count + 1, f"{name} in a thread gave no answer"
            if name not in OPEN_TO_ALL:
                polite(last_words(t, who), name)
            assert await everything(t) == before, f"{name} stored something"


async def rest(t: Town) -> None:
    assert t.house.edge is not None
    await t.house.edge.rest()
    await t.ws.settle()


def user(t: Town, who: str) -> dict[str, str]:
    return {"id": f"U0{who.upper()}", "name": who, "team_id": "T0OTHER" if who == "zoe" else t.ws.team_id}


async def submitted(t: Town, payload: dict[str, Any]) -> dict[str, Any]:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    stamp = str(int(t.clock.now().timestamp()))
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature("signing", stamp, body)}
    answer = await t.http.post("/slack/events", content=body, headers=headers)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def polite(words: str, name: str) -> None:
    """A refusal says who could, and hides no failure of ours."""
    assert "went wrong" not in words, f"{name} said {words!r}"
    known = ("full members", "Only the person who was named", "the owners", "present owners", "You were not called", "Join the owner channel", "owner of the agent", "the person who has this page", "from an older message", "asked of somebody else", "people of the rotation", "Only those named for it", "operations owner", "whoever has it", "by an owner of it")
    assert any(each in words for each in known), f"{name} said {words!r}"
