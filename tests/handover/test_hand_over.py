"""An owner hands over: the new one accepts in Slack, and what they need to know, and what was the old one's, comes along."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from bot.agents.files import read_text
from bot.agents.flows import plan_file
from bot.agents.plan import lines
from bot.clock import MovedClock
from bot.jobs import KIND_SPECS
from bot.tables import Call, FollowUp, Incident, IncidentItem, Page, Person, Request
from tests.handover.kit import (
    accept_everything,
    decisions,
    find,
    handovers,
    holder,
    press,
    say,
    submit,
    view_words,
    whole,
)
from tests.kit.house import REGISTRY, Town, town


async def busy(t: Town) -> None:
    """A page that Omar was called about, an incident that he leads, a follow-up and a request of his."""
    await t.apply()
    await accept_everything(t)
    await t.post(t.event("run", "r1", status="failed", error="the index is gone"))
    await t.settle()
    await t.ws.command("omar", "support-ai", "/aiops", "incident open support-triage wrong refunds since noon")
    await t.settle()
    incident = await t.read(lambda tx: tx.scalars(select(Incident).order_by(Incident.id.desc())).first())
    assert incident is not None
    lea = await t.read(lambda tx: tx.scalars(select(Person).where(Person.slack_id == "U0OMAR")).one())

    def promise(tx):  # type: ignore[no-untyped-def]
        tx.add(FollowUp(incident_id=incident.id, agent_id=incident.agent_id, words="Test every prompt against old orders", owner_id=lea.id, created_at=t.clock.now(), due_at=t.clock.now() + timedelta(days=9), evidence="", fixed_in=""))

    await t.write(promise)
    await t.post(t.event("request", "q1", kind="handoff", title="A customer asks for the manager"))
    await t.settle()
    await t.ws.press("omar", "support-ai", find(t.ws.messages("support-ai"), "requests.claim")["ts"], "requests.claim")
    await t.settle()


async def test_a_hand_over_carries_what_is_open_and_passes_it_on_once_it_is_accepted(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await busy(t)
        # 1. Omar hands over in words; Dana gets one message with everything.
        said = await say(t, "omar", "agent hand-over support-triage operations to <@U0DANA> she knows the queue best")
        assert "Dana Fares is asked to take over as operations owner" in said
        assert await holder(t, "operations") == "Omar Nassar"
        asked = find(t.ws.dm("dana"), "You are named operations owner")
        for words in ("she knows the queue best", "Open pages (1)", "nobody has it", "Running incidents (1)", "wrong refunds since noon", "Follow-ups (1)", "Test every prompt",
                      "Requests that wait", "asks for the manager", "tickets wait", "https://wiki.example.com/triage", "Omar Nassar does this now and stays until you accept"):  # fmt: skip
            assert words in whole(asked), words
        assert len([each for each in t.ws.dm("dana") if "You are named" in whole(each)]) == 1
        assert "Dana Fares was asked" in await say(t, "omar", "agent support-triage")
        # 2. Calls still go to Omar, and the plan names it without undoing it.
        assert not [each for each in t.ws.dm("dana") if "paging.acknowledge" in whole(each)]
        # 3. She accepts: the page calls her at once, and the rest is hers.
        await press(t, "dana", "You are named operations owner", "agents.accept")
        assert await holder(t, "operations") == "Dana Fares"
        mine = whole(find(t.ws.dm("dana"), "What became yours"))
        for words in ("page 1, nobody has it, and you are called", "lead of incident #1", "Test every prompt", "request 1, which had been claimed"):
            assert words in mine, (words, mine)
        assert find(t.ws.dm("dana"), "paging.acknowledge")
        dana = await t.read(lambda tx: tx.scalars(select(Person).where(Person.slack_id == "U0DANA")).one())
        calls = await t.read(lambda tx: list(tx.scalars(select(Call.person_id).order_by(Call.id))))
        assert dana.id in calls
        assert await t.read(lambda tx: tx.scalars(select(Incident.lead_id)).one()) == dana.id
        assert await t.read(lambda tx: set(tx.scalars(select(FollowUp.owner_id)))) == {dana.id}
        assert await t.read(lambda tx: tx.scalars(select(Page.owner_id).where(Page.test.is_(False))).one()) == dana.id
        page = find(t.ws.messages("support-ai"), "paging.take")
        assert find(t.ws.thread("support-ai", page["ts"]), "Dana Fares is operations owner of Support triage now, and is called")
        assert find(t.ws.messages("support-ai"), "Dana Fares is operations owner of Support triage from now on")
        giver = find(t.ws.dm("omar"), "What passed on")
        assert "Dana Fares accepted" in whole(giver)
        assert "Take back" not in whole(giver)
        assert "Test every prompt" in await say(t, "dana", "mine")
        assert "Test every prompt" not in await say(t, "omar", "mine")
        assert [each for each in await decisions(t, "owner.") if each in ("owner.hand_over", "owner.pass_on")] == ["owner.hand_over", "owner.pass_on"]
        # 4. The file that still says Omar does not undo it, and plan says so.
        read = read_text(REGISTRY, KIND_SPECS)
        plan = await t.read(lambda tx: plan_file(tx, read))
        assert not plan.acts
        assert "the file says Omar Nassar, but it stands at Dana Fares" in "\n".join(lines(plan))
        assert "apply does not undo that" in "\n".join(lines(plan))
        await t.apply()
        assert await holder(t, "operations") == "Dana Fares"
        assert len(await handovers(t)) == 1
        # A file that names somebody new is a decision, and asks.
        await t.apply(REGISTRY.replace("operations: U0OMAR", "operations: U0HALA"))
        assert find(t.ws.dm("hala"), "You are named operations owner")
        assert find(t.ws.dm("dana"), "The registry file (`aiops.yml`) asks for it")


async def test_who_has_acknowledged_a_page_keeps_it(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await busy(t)
        page = find(t.ws.messages("support-ai"), "paging.take")
        await t.ws.press("omar", t.ws.im("omar"), find(t.ws.dm("omar"), "paging.acknowledge")["ts"], "paging.acknowledge")
        await t.settle()
        await say(t, "omar", "agent hand-over support-triage operations <@U0DANA>")
        assert "Omar Nassar has it" in whole(find(t.ws.dm("dana"), "You are named"))
        await press(t, "dana", "You are named operations owner", "agents.accept")
        assert "Omar Nassar has it still" in whole(find(t.ws.dm("dana"), "What became yours"))
        assert not [each for each in t.ws.dm("dana") if "paging.acknowledge" in whole(each)]
        assert find(t.ws.thread("support-ai", page["ts"]), "Omar Nassar still has this page")
        steps = await t.read(lambda tx: set(tx.scalars(select(IncidentItem.assignee_id).where(IncidentItem.state == "open", IncidentItem.assignee_id.is_not(None)))))
        omar = await t.read(lambda tx: tx.scalars(select(Person.id).where(Person.slack_id == "U0OMAR")).one())
        assert omar not in steps
        assert await t.read(lambda tx: tx.scalars(select(Request.state)).one()) == "open"


async def test_not_me_taken_back_superseded_and_left_unanswered_all_leave_it_where_it_is(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await accept_everything(t)
        # Not me: the old one keeps it, and whoever asked reads so.
        await say(t, "maya", "agent hand-over support-triage business to <@U0DANA>")
        await press(t, "dana", "You are named business owner", "agents.decline")
        assert "Dana Fares said: not me. Maya Haddad keeps it." in whole(find(t.ws.dm("maya"), "said: not me"))
        declined = find(t.ws.dm("dana"), "Accept after all")
        # Taken back by the button, by the other owner.
        await t.move(minutes=1)
        await say(t, "omar", "agent hand-over support-triage business to <@U0DANA>")
        await press(t, "maya", "Omar Nassar asked Dana Fares to take over", "handover.take_back")
        assert "It was taken back" in whole(find(t.ws.dm("omar"), "It was taken back"))
        assert find(t.ws.dm("dana"), "This was taken back")
        await t.move(minutes=1)
        # By a word, and a second one to somebody else puts an end to the first.
        await say(t, "hala", "agent handover support-triage backup to <@U0DANA> please")
        assert "asked already" in await say(t, "lea", "agent hand-over support-triage to <@U0DANA>")
        await say(t, "lea", "agent hand-over support-triage backup to <@U0HALA>")
        assert "somebody else was asked instead" in whole(find(t.ws.dm("dana"), "settled otherwise"))
        assert "Taken back" in await say(t, "lea", "agent take-back support-triage backup")
        assert "nothing to take back" in await say(t, "lea", "agent take-back support-triage")
        await t.move(minutes=1)
        # Unanswered: a reminder after two days, the leads after three, the end after seven.
        await say(t, "omar", "agent hand-over support-triage operations to <@U0DANA>")
        asked = find(t.ws.dm("dana"), "You are named operations owner")
        await t.move(days=2, minutes=1)
        assert find(t.ws.dm("dana"), "Please accept, or say that it is not you")
        assert len([each for each in t.ws.dm("dana") if "Please accept" in each["text"]]) == 1
        await t.move(days=5)
        assert find(t.ws.dm("dana"), "You did not answer in time")
        assert find(t.ws.dm("omar"), "did not answer in seven days")
        assert [row.how for row in await handovers(t)] == ["declined", "taken_back", "superseded", "taken_back", "expired"]
        assert (await holder(t, "operations"), await holder(t, "business"), await holder(t, "backup")) == ("Omar Nassar", "Maya Haddad", "Lea Khoury")
        assert "owner.expired" in await decisions(t, "owner.")
        # Too late to accept, on a screen that still shows the buttons; and "after all" ends with the week too.
        for stale, words in ((asked, "You did not answer in time"), (declined, "was asked anew")):
            await t.ws.press("dana", t.ws.im("dana"), stale["ts"], "agents.accept", stale=stale)
            await t.settle()
            assert words in str(t.ws.ephemerals("dana")[-1])
        assert (await holder(t, "operations"), await holder(t, "business")) == ("Omar Nassar", "Maya Haddad")


REFUSALS = [
    ("omar", "hand-over support-triage operations to <@U0GINA>", "guest"),
    ("omar", "hand-over support-triage operations to <@U0AIOPS>", "bot"),
    ("omar", "hand-over support-triage operations to <@U0NOBODY>", "nobody"),
    ("omar", "hand-over support-triage operations to <@U0HALA>", "is deactivated"),
    ("omar", "hand-over support-triage operations to <@U0OMAR>", "You hold this role already"),
    ("maya", "hand-over support-triage operations to <@U0OMAR>", "Omar Nassar holds this role already"),
    ("maya", "hand-over support-triage operations to <@U0MAYA>", "cannot hand it over to yourself"),
    ("dana", "hand-over support-triage operations to <@U0DANA>", "Owners are named by"),
    ("lea", "hand-over support-triage sponsor to <@U0DANA>", "Nobody holds this role now"),
    ("hala", "hand-over nothing-such operations to <@U0DANA>", "no agent"),
]


async def test_who_cannot_be_asked_is_refused_with_the_reason(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        assert "Which role" in await say(t, "hala", "agent hand-over support-triage to <@U0DANA>")  # a lead holds none of them

        def leave(tx):  # type: ignore[no-untyped-def]
            tx.scalars(select(Person).where(Person.slack_id == "U0HALA")).one().active = False

        for who, words, refusal in REFUSALS:
            if refusal == "is deactivated":
                await t.write(leave)
            assert refusal.lower() in (await say(t, who if who != "hala" else "maya", f"agent {words}")).lower(), words
        assert await handovers(t) == []


async def test_the_form_offers_the_roles_and_marks_what_is_wrong(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await accept_everything(t)
        assert "Support triage" in await say(t, "omar", "agent hand-over")
        assert await say(t, "omar", "agent hand-over support-triage") == ""
        assert "Operations owner of Support triage" in view_words(t, "omar")
        body = await submit(t, "omar", {"role": "support-triage:operations", "person": "U0GINA", "note": ""})
        assert body["response_action"] == "errors"
        assert "guest" in body["errors"]["person"]
        body = await submit(t, "omar", {"role": "support-triage:operations", "person": "U0DANA", "note": "<!channel> Mind the night run"})
        assert "Dana Fares is asked" in str(body)
        asked = whole(find(t.ws.dm("dana"), "You are named"))
        assert "Mind the night run" in asked
        assert "<!channel>" not in asked
        # A mention cannot open forms: it answers with the button that does.
        await t.ws.say("omar", "support-ai", "<@U0AIOPS> agent hand-over support-triage")
        await t.settle()
        assert "handover.ask" in str(t.ws.ephemerals("omar")[-1])
