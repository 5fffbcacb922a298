"""Whether a call reaches people: quiet hours in Slack, tests of one's own routes, and owners who left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import select

from bot.clock import MovedClock
from bot.jobs import jobs_of
from bot.tables import Call, Decision, Mark, Page, Person, RouteTest
from tests.kit.house import REGISTRY, Town, town
from tests.routes.test_kit import closed_port, listening

NIGHT = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)  # 23:30 in Paris
PEOPLE = """
people:
  omar: {slack: U0OMAR, email: omar@example.com, wake: [email]}
  hala: {slack: U0HALA}"""
WAKING = REGISTRY.replace("\npeople:\n  hala: {slack: U0HALA}", PEOPLE)


async def dms(t: Town, who: str) -> list[str]:
    return [str(message["text"]) for message in t.ws.dm(who)]


async def fail(t: Town, name: str = "r1") -> None:
    await t.post(t.event("run", name, status="failed", error="the index is gone"))
    await t.settle()


async def calls(t: Town) -> list[tuple[str, str]]:
    """Who was called by which route, in order."""
    return await t.read(lambda tx: [(name, route) for name, route in tx.execute(select(Person.name, Call.route).join(Person, Person.id == Call.person_id).order_by(Call.id))])


async def test_a_page_in_quiet_hours_goes_to_the_dm_and_by_mail_at_once(database_url: str, clock: MovedClock) -> None:
    async with listening("email") as post, town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}") as t:
        await t.apply(WAKING)
        t.ws.set_dnd("omar", "22:00", "08:00")
        await t.settle()
        await fail(t)
        assert await calls(t) == [("Omar Nassar", "slack")]  # at nine in the morning Slack rings
        await t.post(t.event("run", "r2", status="ok"))
        await t.settle()
        t.clock.move(to=NIGHT)
        await t.settle()
        await fail(t, "r3")
        assert (await calls(t))[1:] == [("Omar Nassar", "slack"), ("Omar Nassar", "email")]
        assert [mail["to"] for mail in post.seen][-1] == "omar@example.com"
        thread = [message["text"] for message in t.ws.messages("support-ai") if message.get("thread_ts")]
        assert any("Slack does not ring for Omar Nassar until" in each and "called by e-mail too" in each for each in thread)


async def test_who_has_no_other_route_is_called_in_the_dm_all_the_same_and_the_thread_says_it(database_url: str, clock: MovedClock) -> None:
    clock.move(to=NIGHT)
    async with town(database_url, clock) as t:
        with t.ws.quietly():
            t.ws.set_dnd("omar", "22:00", "08:00")
        await t.apply()
        await fail(t)
        assert await calls(t) == [("Omar Nassar", "slack")]
        assert any("and no other route wakes them" in message["text"] for message in t.ws.messages("support-ai") if message.get("thread_ts"))
        await t.move(minutes=10)
        assert (await calls(t))[-1] == ("Lea Khoury", "slack")


async def test_a_pause_that_slack_never_told_of_is_asked_for_after_the_call(database_url: str, clock: MovedClock) -> None:
    async with listening("email") as post, town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}") as t:
        await t.apply(WAKING)
        await t.move(minutes=1)
        with t.ws.quietly():
            t.ws.snooze("omar", 60)
        t.clock.move(timedelta(seconds=30))
        await fail(t)
        await t.move(seconds=7)
        assert await calls(t) == [("Omar Nassar", "slack"), ("Omar Nassar", "email")]
        assert "omar@example.com" in {mail["to"] for mail in post.seen}
        await t.move(seconds=20)
        assert len(await calls(t)) == 2


async def test_a_pause_pressed_after_the_call_adds_no_route_because_slack_rang(database_url: str, clock: MovedClock) -> None:
    async with listening("email") as post, town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}") as t:
        await t.apply(WAKING)
        await fail(t)
        await t.move(minutes=1)
        t.ws.snooze("omar", 60)
        await t.settle()
        await t.move(seconds=10)
        assert await calls(t) == [("Omar Nassar", "slack")]
        person = await t.read(lambda tx: tx.scalars(select(Person).where(Person.slack_id == "U0OMAR")).one())
        assert person.quiet_until == t.clock.now() - timedelta(seconds=10) + timedelta(minutes=60)


async def test_without_the_right_to_read_quiet_hours_pages_go_on_and_it_is_asked_for_seldom(database_url: str, clock: MovedClock) -> None:
    clock.move(to=NIGHT)
    async with town(database_url, clock) as t:
        app = t.ws.app()
        app.scopes.remove("dnd:read")
        t.ws.store.save(app)
        t.ws.set_dnd("omar", "22:00", "08:00")
        await t.apply()
        await t.settle()

        await fail(t)
        assert await calls(t) == [("Omar Nassar", "slack")]
        mark = await t.read(lambda tx: tx.get(Mark, "quiet hours.asked"))
        assert mark is not None
        assert mark.value["error"] == "missing_scope"



async def test_a_test_of_my_routes_calls_by_each_and_says_which_worked_and_which_not(database_url: str, clock: MovedClock) -> None:
    async with listening("email") as post, listening("webhook") as hook, listening("pagerduty") as duty:
        duty.status = 400
        people = f"omar: {{slack: U0OMAR, email: omar@example.com, webhook: 'http://127.0.0.1:{hook.port}/wake', pagerduty: key, wake: [email, webhook, pagerduty]}}"
        registry = WAKING.replace("omar: {slack: U0OMAR, email: omar@example.com, wake: [email]}", people)
        async with town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}", AIOPS_PAGERDUTY_URL=f"http://127.0.0.1:{duty.port}/v2/enqueue") as t:
            await t.apply(registry)
            answer = await t.ws.command("omar", "general", "/aiops", "page test")
            assert "by Slack, E-mail, Webhook and PagerDuty" in answer.body["text"]
            await t.settle()
            await t.move(seconds=1)
            told = next(each for each in await dms(t, "omar") if each.startswith("Test of your routes"))
            assert ":white_check_mark: *Slack*: accepted at" in told
            assert ":white_check_mark: *E-mail*: accepted at" in told
            assert ":white_check_mark: *Webhook*: accepted at" in told
            assert ":x: *PagerDuty*: it did not get through: the other side does not accept it (400)" in told
            assert "TEST PAGE by E-mail" in post.seen[-1]["data"].replace("=\r\n", "")
            assert hook.seen[-1]["body"]["title"] == "TEST PAGE by Webhook: nothing is broken"
            # Two say that they were heard: one in Slack, one by the link.
            call = next(message for message in t.ws.dm("omar") if message["text"].startswith("TEST PAGE by Slack"))
            await t.ws.press("omar", t.ws.im("omar"), call["ts"], "paging.heard")
            await t.settle()
            link = next(word for word in hook.seen[-1]["body"]["text"].split() if "/p/" in word)
            path = urlsplit(link).path
            assert (await t.http.get(path)).status_code == 200
            assert await t.read(lambda tx: list(tx.scalars(select(RouteTest)).one().heard)) == ["slack"]
            await t.http.post(path, data={"do": "heard"})
            await t.settle()
            told = next(each for each in await dms(t, "omar") if each.startswith("Test of your routes"))
            assert told.count("that it reached you") == 2
            assert "The test is over" not in told
            await t.move(minutes=31)
            told = next(each for each in await dms(t, "omar") if each.startswith("Test of your routes"))
            assert "The test is over: 3 of 4 routes took the call." in told
            assert len([each for each in await dms(t, "omar") if each.startswith("Test of your routes")]) == 1
            assert hook.seen[-1]["body"]["over"] is True


async def test_a_test_of_routes_tells_of_a_mail_server_that_is_away(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{closed_port()}") as t:
        await t.apply(WAKING)
        await t.ws.command("omar", "general", "/aiops", "page test")
        await t.settle()
        await t.move(seconds=2)
        told = next(each for each in await dms(t, "omar") if each.startswith("Test of your routes"))
        assert "*E-mail*: on its way. Not yet: the mail server does not answer; it is tried again." in told
        await t.move(minutes=31)
        told = next(each for each in await dms(t, "omar") if each.startswith("Test of your routes"))
        assert ":x: *E-mail*:" in told
        assert "1 of 2 routes took the call" in told


async def test_only_the_one_who_asked_for_a_test_page_can_acknowledge_it(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.ws.command("lea", "support-ai", "/aiops", "page test support-triage")
        await t.settle()
        number = await t.read(lambda tx: tx.scalars(select(Page.id)).one())
        refused = await t.ws.command("maya", "support-ai", "/aiops", f"page ack {number}")
        assert "test page of somebody else" in refused.body["text"]
        assert await t.read(lambda tx: tx.get_one(Page, number).resolved_at) is None
        await t.ws.command("lea", "support-ai", "/aiops", f"page ack {number}")
        await t.settle()
        assert await t.read(lambda tx: tx.get_one(Page, number).resolved_at) is not None


async def test_an_owner_who_left_is_reported_once_to_the_business_owner_and_ends_no_ladder(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        t.ws.change_person("omar", deleted=True)
        await t.settle()
        told = [each for each in await dms(t, "maya") if "left the workspace" in each]
        assert len(told) == 1
        assert "They were operations owner of Support triage." in told[0]
        await t.house.read_directory(t.clock.now())
        await t.move(minutes=5)
        assert len([each for each in await dms(t, "maya") if "left the workspace" in each]) == 1
        await fail(t)
        assert await calls(t) == [("Lea Khoury", "slack")]
        status = await t.ws.command("lea", "support-ai", "/aiops", "status support-triage")
        assert "Omar Nassar (left the workspace)" in str(status.body)
        message = next(message for message in t.ws.dm("maya") if "left the workspace" in message["text"])
        await t.ws.press("maya", t.ws.im("maya"), message["ts"], "agents.name")
        await t.settle()
        assert t.ws.views("maya")
        assert await t.read(lambda tx: tx.scalars(select(Decision.action).where(Decision.action == "person.left")).all()) == ["person.left"]


async def test_who_leaves_while_they_have_a_page_has_it_no_longer(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("run", "r1", status="failed"))
        await t.settle()
        await t.ws.command("omar", "support-ai", "/aiops", "page ack 1")
        await t.settle()
        t.ws.change_person("omar", deleted=True)
        await t.move(seconds=61)
        root = next(message for message in t.ws.messages("support-ai") if "PAGE Support triage" in message["text"])
        thread = [message["text"] for message in t.ws.thread("support-ai", root["ts"])]
        assert any("Omar Nassar had it, and left the workspace. The problem is still there, so calling begins again" in each for each in thread)
        await t.settle()
        assert any("You are called as backup" in message["text"] for message in t.ws.dm("lea"))  # the departed owner's rung is passed over at once


async def test_where_the_business_owner_left_the_leads_are_told(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        with t.ws.quietly():
            t.ws.change_person("maya", deleted=True)
        await t.house.read_directory(t.clock.now())  # no event came: the directory tells it
        await t.settle()
        assert any("They were business owner of Support triage" in each for each in await dms(t, "hala"))
        with t.ws.quietly():
            t.ws.change_person("maya", deleted=False)
        await t.house.read_directory(t.clock.now())
        t.ws.change_person("maya", deleted=True)
        await t.settle()
        assert len([each for each in await dms(t, "hala") if "left the workspace" in each]) in (1, 2)


async def test_the_leads_hear_on_monday_morning_who_cannot_be_reached_and_nothing_when_all_is_well(database_url: str, clock: MovedClock) -> None:
    async with listening("email") as post, town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}") as t:
        await t.apply(WAKING)
        for who in ("maya", "omar", "lea"):  # they accept, so that only their reach is left to say
            await accept(t, who)
        await t.move(days=2, hours=23, minutes=59)
        assert not any("cannot be reached" in each for each in await dms(t, "hala"))
        await t.move(minutes=1)  # Monday, 09:00 in Paris
        assert not any("cannot be reached" in each for each in await dms(t, "hala"))  # Slack rings for everybody, at any hour
        for who in ("omar", "lea"):
            t.ws.set_dnd(who, "22:00", "08:00")
        await t.settle()
        await t.move(days=6, hours=23, minutes=59)
        assert not any("cannot be reached" in each for each in await dms(t, "hala"))
        await t.move(minutes=1)
        told = [each for each in await dms(t, "hala") if "cannot be reached" in each]
        assert len(told) == 1
        assert "Lea Khoury: cannot be woken 22:00-08:00: Slack does not ring then" in told[0]
        assert "Omar" not in told[0]  # an e-mail wakes him
        await t.move(minutes=5)
        assert len([each for each in await dms(t, "hala") if "cannot be reached" in each]) == 1


async def test_a_route_whose_last_send_failed_is_told_by_doctor_until_one_gets_through(database_url: str, clock: MovedClock) -> None:
    async with listening("email") as post, town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}") as t:
        await t.apply(WAKING)
        post.smtp_code = 550
        await t.ws.command("omar", "general", "/aiops", "page test")
        await t.settle()
        await t.move(seconds=2)
        told = next(each for each in await dms(t, "omar") if each.startswith("Test of your routes"))
        assert ":x: *E-mail*: it did not get through: the mail server knows no such mailbox." in told
        doctor = (await t.job("doctor"))[0]["text"]
        assert "Omar Nassar: the last call by e-mail did not get through (2026-11-20)." in doctor
        post.smtp_code = 250
        await t.move(minutes=31)
        await t.ws.command("omar", "general", "/aiops", "page test")
        await t.settle()
        assert "the last call by e-mail" not in (await t.job("doctor"))[0]["text"]


async def test_plan_and_doctor_name_who_cannot_be_woken(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        t.ws.set_dnd("omar", "22:00", "08:00")
        t.ws.set_dnd("lea", "23:00", "07:30")
        t.ws.set_dnd("dana", "22:00", "08:00")  # nobody calls her
        await t.settle()
        lines = await plan(t, REGISTRY)
        assert "! Omar Nassar: cannot be woken 22:00-08:00: Slack does not ring then, and they have no other route (`wake:` in aiops.yml)." in lines[0]["text"]
        assert "! Lea Khoury: cannot be woken 23:00-07:30" in lines[0]["text"]
        assert "Dana" not in lines[0]["text"]
        assert "Omar" not in "".join(each for each in (await plan(t, WAKING))[0]["text"].splitlines() if "woken" in each)
        assert "Omar Nassar: cannot be woken 22:00-08:00" in (await t.job("doctor"))[0]["text"]


async def test_pagerduty_hears_of_the_acknowledgement_and_the_end_and_mails_stand_in_one_conversation(database_url: str, clock: MovedClock) -> None:
    clock.move(to=NIGHT)
    async with listening("email") as post, listening("pagerduty") as duty:
        registry = WAKING.replace("email: omar@example.com, wake: [email]", "email: omar@example.com, pagerduty: key, wake: [pagerduty, email]")
        async with town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}", AIOPS_PAGERDUTY_URL=f"http://127.0.0.1:{duty.port}/v2/enqueue") as t:
            with t.ws.quietly():
                t.ws.set_dnd("omar", "22:00", "08:00")
            await t.apply(registry)
            await fail(t)
            number = await t.read(lambda tx: tx.scalars(select(Page.id)).one())
            await t.ws.command("omar", "support-ai", "/aiops", f"page ack {number}")
            await t.settle()
            assert [each["body"]["event_action"] for each in duty.seen] == ["trigger", "acknowledge"]
            await t.post(t.event("run", "r2", status="ok"))
            await t.settle()
            assert [each["body"]["event_action"] for each in duty.seen] == ["trigger", "acknowledge", "resolve"]
            assert len({each["body"]["dedup_key"] for each in duty.seen}) == 1
            mails = [mail["data"] for mail in post.seen]
            assert len(mails) == 2  # that it broke, and that it is over
            threads = {next(line for line in mail.splitlines() if line.startswith("References:")) for mail in mails}
            assert len(threads) == 1
            assert len({next(line for line in mail.splitlines() if line.startswith("Message-ID:")) for mail in mails}) == 2


async def test_with_slack_down_a_page_goes_by_mail_and_is_acknowledged_by_its_link_and_by_the_command(database_url: str, clock: MovedClock) -> None:
    async with listening("email") as post, town(database_url, clock, AIOPS_SMTP_URL=f"smtp://127.0.0.1:{post.port}") as t:
        await t.apply(WAKING)
        t.ws.faults.add("status", status=500, times=None)
        await fail(t)
        await t.move(seconds=61)
        await t.move(seconds=5)
        assert post.seen
        assert post.seen[-1]["to"] == "omar@example.com"
        mail = message_from_string(post.seen[-1]["data"], policy=default)
        link = next(word for word in mail.get_content().split() if "/p/" in word)
        page = await t.read(lambda tx: tx.scalars(select(Page)).one())
        assert page.acked_at is None
        # Outside Slack nobody turns times into the reader's own: Omar lives by the clock of Paris.
        here = page.opened_at.astimezone(ZoneInfo("Europe/Paris"))
        assert f"Since {here:%Y-%m-%d %H:%M} {here:%Z} (check `runs`)." in " ".join(mail.get_content().split())
        looked = (await t.http.get(urlsplit(link).path)).text
        assert f"Since {here:%Y-%m-%d %H:%M} {here:%Z} (check `runs`)." in looked
        assert "UTC" not in mail.get_content() + looked
        sent = await t.http.post(urlsplit(link).path, data={"do": "acknowledge"})
        assert sent.status_code == 200
        page = await t.read(lambda tx: tx.scalars(select(Page)).one())
        assert page.acked_at is not None
        told = await t.job("ack", page=page.id, person="lea@example.com")
        assert "Omar Nassar has it already" in told[0]["text"]


async def plan(t: Town, text: str) -> list[dict[str, Any]]:
    return [line async for line in jobs_of(t.house)["plan"]({"text": text, "name": "aiops.yml"})]


async def accept(t: Town, who: str) -> None:
    """Press `Accept` (all) on the naming in somebody's DM."""
    for message in t.ws.dm(who):
        for block in message.get("blocks") or []:
            for element in block.get("elements") or []:
                if element.get("action_id") in ("agents.accept", "agents.accept_all"):
                    await t.ws.press(who, t.ws.im(who), message["ts"], element["action_id"], element.get("value"))
                    await t.settle()
                    return
