"""An agent needs a person, gets one in time and hears the answer: played from outside."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.requests.calling import requests_step
from bot.requests.reading import requests_for
from bot.tables import Call, Climb, Decision, OutMessage, Person, Request
from tests.kit.house import Town

ACTION = {"name": "refund.create", "on": "order/1234", "as": "svc-triage", "params": {"amount": 120, "note": "<!channel> ```please```"}}


def approval(t: Town, id: str = "q1", /, **more: Any) -> dict[str, Any]:
    return t.event("request", id, kind="approval", title="Refund 120 EUR <@U0MAYA>", action=ACTION, **more)


def handoff(t: Town, id: str = "h1", /, **more: Any) -> dict[str, Any]:
    context = {"conversation": [{"who": "customer", "text": "I want a <!here> person"}], "attempts": ["Explained it twice."], "links": [{"title": "ticket", "url": "https://desk.example.com/1"}]}
    return t.event("request", id, kind="handoff", title="A customer wants a person", context=context, **more)


async def send(t: Town, *events: dict[str, Any]) -> dict[str, Any]:
    told = await t.post(*events)
    await t.settle()
    return told


async def answer_of(t: Town, id: str = "q1", query: str = "") -> dict[str, Any]:
    told = await t.http.get(f"/v1/agents/support-triage/requests/{id}{query}", headers={"Authorization": f"Bearer {t.token}"})
    assert told.status_code == 200, told.text
    found: dict[str, Any] = told.json()
    return found


async def shown(t: Town, key: str = "request:1") -> dict[str, Any]:
    row = await t.read(lambda tx: tx.scalars(select(OutMessage).where(OutMessage.key == key)).one())
    assert row.channel is not None
    return next(message for message in t.ws.messages(row.channel) if message["ts"] == row.ts)


async def press(t: Town, who: str, action: str, value: str = "request:1", channel: str = "support-ai") -> None:
    await t.ws.press(who, channel, (await shown(t))["ts"], action, value)
    await t.settle()


def buttons(message: dict[str, Any]) -> list[str]:
    return [each["text"]["text"] for block in message["blocks"] if block["type"] == "actions" for each in block["elements"]]


async def called(t: Town) -> list[str]:
    def look(tx: Any) -> list[str]:
        found = select(Person.name).join(Call, Call.person_id == Person.id).join(Climb, Climb.id == Call.climb_id).where(Climb.subject_kind == "request").order_by(Call.id)
        return list(tx.scalars(found))

    return await t.read(look)


async def test_an_approval_is_shown_whole_pressed_once_and_heard(t: Town) -> None:
    assert await send(t, approval(t)) == {"accepted": 1, "duplicates": 0, "refused": []}
    message = await shown(t)
    assert buttons(message) == ["Approve", "Reject", "Claim", "Answer"]
    assert "&lt;@U0MAYA&gt;" in message["text"]  # escaped: it pings nobody
    framed = next(block for block in message["blocks"] if block["type"] == "rich_text")["elements"][0]
    assert framed["type"] == "rich_text_preformatted"
    assert json.loads(framed["elements"][0]["text"]) == ACTION
    assert (await answer_of(t))["state"] == "open"
    await press(t, "lea", "requests.approve")
    told = await answer_of(t)
    assert (told["state"], told["decision"], told["answered_by"]["slack"]) == ("approved", "allow", "U0LEA")
    message = await shown(t)
    assert "Lea Khoury approved it" in message["text"]
    assert buttons(message) == ["Take back"]
    assert len([each for each in t.ws.messages("support-ai") if "Refund 120" in each["text"]]) == 1
    decisions = await t.read(lambda tx: list(tx.scalars(select(Decision.action).where(Decision.subject == "request:1").order_by(Decision.id))))
    assert decisions == ["request.ask", "request.approved"]


async def test_the_same_event_again_asks_nobody_twice(t: Town) -> None:
    event = approval(t)
    await send(t, event)
    assert (await send(t, event))["duplicates"] == 1
    other = await send(t, {**event, "title": "another"})
    assert other["refused"][0]["code"] == "id_conflict"
    assert await t.read(lambda tx: len(list(tx.scalars(select(Request))))) == 1


async def test_the_second_of_two_answers_is_told_how_it_stands(t: Town) -> None:
    await send(t, approval(t))
    ts = (await shown(t))["ts"]
    for who in ("lea", "maya"):  # before the message shows the first one's answer
        await t.ws.press(who, "support-ai", ts, "requests.approve", "request:1")
    await t.settle()
    assert "settled already" in t.ws.ephemerals("maya")[-1]["text"]
    assert (await answer_of(t))["answered_by"]["slack"] == "U0LEA"


async def test_nobody_approves_what_they_triggered_and_others_are_not_asked(t: Town) -> None:
    await send(t, approval(t, triggered_by="lea@example.com"))
    await press(t, "lea", "requests.approve")
    assert "You triggered this yourself" in t.ws.ephemerals("lea")[-1]["text"]
    await press(t, "omar", "requests.approve")  # an owner, but the registry names who approves
    assert "Only those named" in t.ws.ephemerals("omar")[-1]["text"]
    assert (await answer_of(t))["state"] == "open"
    await t.move(minutes=11)
    await t.move(minutes=11)
    assert await called(t) == ["Maya Haddad"] * 2  # never Lea, who could not answer it
    await press(t, "maya", "requests.approve")
    assert (await answer_of(t))["decision"] == "allow"


async def test_the_ladder_calls_those_named_and_silence_is_a_no(t: Town) -> None:
    await send(t, approval(t))
    assert await called(t) == []
    await t.move(minutes=11)
    assert await called(t) == ["Maya Haddad", "Lea Khoury"]
    t.clock.move(timedelta(minutes=20))
    await t.write(lambda tx: requests_step(tx, t.clock.now()))
    await press(t, "lea", "requests.approve")  # the message does not say yet that time is up
    assert "settled already" in t.ws.ephemerals("lea")[-1]["text"]
    told = await answer_of(t)
    assert (told["state"], told["decision"]) == ("timed_out", "deny")
    assert "so it is denied" in (await shown(t))["text"]
    calls = await t.read(lambda tx: list(tx.scalars(select(OutMessage).where(OutMessage.kind == "call"))))
    assert calls
    assert not any(block["type"] == "actions" for row in calls for block in row.want["blocks"])


async def test_a_claim_stops_the_calling_and_a_second_claim_is_told_whose_it_is(t: Town) -> None:
    await send(t, handoff(t))
    message = await shown(t)
    assert buttons(message) == ["Claim", "Answer"]
    assert "&lt;!here&gt;" in json.dumps(message["blocks"])
    for who in ("dana", "omar"):  # Dana is no owner: a full member of the queue's channel
        await t.ws.press(who, "support-ai", message["ts"], "requests.claim", "request:1")
    await t.settle()
    assert "Dana Fares has it" in t.ws.ephemerals("omar")[-1]["text"]
    await t.move(minutes=29)
    assert await called(t) == []
    assert (await answer_of(t, "h1"))["claimed_by"]["slack"] == "U0DANA"


async def test_a_claim_without_an_answer_is_reminded_of_and_then_released(t: Town) -> None:
    await send(t, handoff(t))
    await press(t, "dana", "requests.claim")
    await t.move(minutes=31)
    reminders = await t.read(lambda tx: [row.target for row in tx.scalars(select(OutMessage).where(OutMessage.key.like("request:1:reminder:%")))])
    assert reminders == ["U0DANA"]
    assert buttons(t.ws.dm("dana")[-1]) == ["Give back", "Answer"]
    await t.move(minutes=31)
    assert (await answer_of(t, "h1"))["claimed_by"] is None
    assert await called(t) == ["Omar Nassar"]  # and people are called again


async def test_an_answer_goes_back_word_for_word(t: Town) -> None:
    await send(t, handoff(t))
    await press(t, "omar", "requests.answer")
    view = t.ws.views("omar")[-1]
    await t.ws.submit("omar", view["id"], {"words": "Call them at 5 & say <sorry>"})
    await t.settle()
    told = await answer_of(t, "h1")
    assert (told["state"], told["answer"], told["decision"]) == ("answered", "Call them at 5 & say <sorry>", None)
    assert "&lt;sorry&gt;" in (await shown(t))["text"]


async def test_a_member_of_the_queues_channel_answers_from_the_queue_and_from_their_reminder(t: Town) -> None:
    await send(t, handoff(t), handoff(t, "h2"))
    # In the queue: the form tells no channel, and yet it is theirs to send.
    await press(t, "dana", "requests.answer")
    await t.ws.submit("dana", t.ws.views("dana")[-1]["id"], {"words": "Call them at 5"})
    await t.settle()
    told = await answer_of(t, "h1")
    assert (told["answer"], told["answered_by"]["slack"]) == ("Call them at 5", "U0DANA")
    # Claimed there, answered a while later in the direct message that reminds them.
    await t.ws.press("dana", "support-ai", (await shown(t, "request:2"))["ts"], "requests.claim", "request:2")
    await t.move(minutes=31)
    reminder = t.ws.dm("dana")[-1]
    await t.ws.press("dana", t.ws.im("dana"), reminder["ts"], "requests.answer", "request:2")
    await t.settle()
    await t.ws.submit("dana", t.ws.views("dana")[-1]["id"], {"words": "Done"})
    await t.settle()
    assert (await answer_of(t, "h2"))["answer"] == "Done"


async def test_a_withdrawn_request_needs_no_answer_and_keeps_the_one_it_had(t: Town) -> None:
    await send(t, approval(t), approval(t, "q2"))
    told = await send(t, t.event("request", "w1", withdraws="q1", note="the customer left"))
    assert told["accepted"] == 1
    assert (await answer_of(t))["state"] == "withdrawn"
    assert "withdrew it" in (await shown(t))["text"]
    assert buttons(await shown(t)) == []
    await t.ws.press("lea", "support-ai", (await shown(t, "request:2"))["ts"], "requests.approve", "request:2")
    await t.settle()
    assert (await send(t, t.event("request", "w2", withdraws="q2")))["accepted"] == 1
    assert (await answer_of(t, "q2"))["state"] == "approved"
    assert (await send(t, t.event("request", "w3", withdraws="nothing")))["refused"][0]["code"] == "unknown_request"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": "no kind"}, "kind"),
        ({"kind": "handoff"}, "title"),
        ({"kind": "handoff", "title": "x", "withdraws": "q1"}, "kind"),
        ({"kind": "handoff", "title": "x", "action": ACTION}, "action"),
        ({"kind": "approval", "title": "x" * 301}, "title"),
        ({"kind": "approval", "title": "x", "action": {"name": "a", "params": {"text": "x" * 3000}}}, "action"),
        ({"kind": "approval", "title": "x", "triggered_by": "somebody"}, "triggered_by"),
        ({"kind": "approval", "title": "x", "context": {"links": [{"url": "javascript:alert(1)"}]}}, "context.links.0.url"),
    ],
)
async def test_a_request_that_cannot_be_asked_is_refused_by_its_field(t: Town, wrong: dict[str, Any], field: str) -> None:
    told = await send(t, t.event("request", "q1", **wrong))
    assert [each["field"] for each in told["refused"]] == [field], told


async def test_a_waiting_agent_hears_at_once(t: Town) -> None:
    await send(t, approval(t))
    waiting = asyncio.create_task(answer_of(t, "q1", "?wait=30"))
    for _ in range(500):
        if t.house.answers.waiting:
            break
        await asyncio.sleep(0.01)
    await press(t, "lea", "requests.approve")
    assert (await asyncio.wait_for(waiting, 10))["decision"] == "allow"


async def test_reading_an_answer_needs_a_token_an_agent_and_a_sensible_wait(t: Town) -> None:
    url = "/v1/agents/support-triage/requests/q1"
    assert (await t.http.get(url)).status_code == 401
    head = {"Authorization": f"Bearer {t.token}"}
    assert (await t.http.get(url, headers=head)).status_code == 404
    assert (await t.http.get(f"{url}?wait=soon", headers=head)).status_code == 400


async def test_an_approval_taken_back_is_shown_and_no_longer_holds(t: Town) -> None:
    await send(t, approval(t))
    await press(t, "lea", "requests.approve")
    await press(t, "maya", "requests.undo")
    await t.ws.submit("maya", t.ws.views("maya")[-1]["id"], {"words": "wrong order"})
    await t.settle()
    told = await answer_of(t)
    assert told["decision"] == "deny"
    assert told["undone_at"]
    assert "took the approval back" in (await shown(t))["text"]


async def test_the_list_shows_what_is_open_and_how_asking_went(t: Town) -> None:
    await t.ws.command("dana", "support-ai", "/aiops", "requests")
    await t.settle()
    assert "No open requests" in t.ws.ephemerals("dana")[-1]["text"]
    await send(t, approval(t))
    await send(t, handoff(t))
    await press(t, "lea", "requests.approve")
    await t.ws.command("dana", "support-ai", "/aiops", "requests support-triage")
    await t.settle()
    text = t.ws.ephemerals("dana")[-1]["text"]
    assert "1 open request of Support triage" in text
    assert "1 of 1 approvals given (100%); 1 of them within 3 seconds" in text
    assert "handed 1 over in 7 days; with 0 runs it is too early" in text


async def test_metrics_and_the_reading_for_app_home_tell_what_waits_for_whom(t: Town) -> None:
    await send(t, approval(t), approval(t, "q2", triggered_by="U0LEA"), handoff(t))
    ids = {str(row.ext_id): f"request:{row.id}" for row in await t.read(lambda tx: list(tx.scalars(select(Request))))}
    for who, name, act in (("omar", "h1", "claim"),):
        await t.ws.press(who, "support-ai", (await shown(t, ids[name]))["ts"], f"requests.{act}", ids[name])
        await t.settle()
    people = {str(person.slack_id): person.id for person in await t.read(lambda tx: list(tx.scalars(select(Person))))}

    async def waits(who: str) -> list[str]:
        views, total = await t.read(lambda tx: requests_for(tx, people[who]))
        assert total == len(views)
        return [view.ext_id for view in views]

    assert await waits("U0MAYA") == ["q1", "q2"]
    assert await waits("U0LEA") == ["q1"]  # she triggered the other
    assert await waits("U0OMAR") == ["h1"]
    assert await waits("U0DANA") == []
    await t.ws.press("maya", "support-ai", (await shown(t, ids["q1"]))["ts"], "requests.approve", ids["q1"])
    await t.settle()
    await t.move(minutes=1)
    told = (await t.http.get("/metrics")).text
    for line in (
        'aiops_requests_open{claimed="no",kind="approval"} 1.0', 'aiops_requests_open{claimed="yes",kind="handoff"} 1.0', 'aiops_requests_oldest_seconds{kind="approval"} 60.0',
        'aiops_requests_28_days{what="approved"} 1.0', 'aiops_permissions_answered_total{decision="allow"} 0.0', "aiops_requests_listening 0.0",
    ):  # fmt: skip
        assert line in told, line
