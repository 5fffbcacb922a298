"""Two people, two processes, a link and the whole house: one page each, one answer each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from bot.clock import MovedClock
from bot.db import Database
from bot.incidents.flows import incident_of_page, open_incident
from bot.paging.calling import ladders_step
from bot.paging.flows import Answered, acknowledge
from bot.paging.http import AckLinks
from bot.tables import Page, Person
from tests.kit.house import town
from tests.paging.world import World


def together(work: list) -> list:  # type: ignore[type-arg]
    gate = Barrier(len(work))

    def at_once(each):  # type: ignore[no-untyped-def]
        gate.wait()
        return each()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(at_once, work))


def test_of_two_people_who_press_in_the_same_moment_one_has_it(world: World) -> None:
    world.run("failed")
    now = world.clock.now()
    answers = together([lambda who=who: world.do(lambda tx: acknowledge(tx, now, 1, who)) for who in (2, 3, 1)])
    assert sorted(answers) == [Answered.ALREADY, Answered.ALREADY, Answered.DONE]
    world.settle()
    assert len([line for line in world.lines("page:1:channel") if "acknowledged" in line]) == 1


def test_two_people_who_open_an_incident_in_the_same_moment_open_one(world: World) -> None:
    world.run("failed")
    now = world.clock.now()

    def opens(who: int) -> int:
        return world.do(lambda tx: open_incident(tx, now, world.agent(tx), tx.get_one(Person, who), "Broken", page=tx.get_one(Page, 1)).id)

    assert together([lambda who=who: opens(who) for who in (1, 2)]) == [1, 1]
    assert world.do(lambda tx: incident_of_page(tx, 1)) is not None


def test_two_processes_make_each_call_once(world: World, database_url: str) -> None:
    for slug in ("billing", "returns", "search"):
        world.do(lambda tx, slug=slug: world.add_agent(tx, slug, slug.capitalize(), {"runs": {"kind": "run_failed"}}))
    world.settle()
    for slug in ("support-triage", "billing", "returns", "search"):
        world.run("failed", slug=slug)
        world.move(minutes=2)  # one page each: within a minute they would share one
    later = world.clock.move(timedelta(minutes=10))
    other = Database(database_url)

    def climb(db: Database) -> None:
        for _ in range(3):
            with db.transaction() as tx:
                ladders_step(tx, later)

    together([lambda: climb(world.db), lambda: climb(other)])
    other.close()
    assert world.called() == ["Omar"] * 4 + ["Lea"] * 4


def test_without_a_public_url_there_are_no_links(clock: MovedClock) -> None:
    assert AckLinks(None, None).acknowledge(clock.now(), 1, 1) is None


async def test_a_signed_link_acknowledges_once_and_looking_changes_nothing(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("run", "r1", status="failed", error="the <index> is gone"))
        await t.settle()
        omar, dana = [await t.read(lambda tx, name=name: next(p.id for p in tx.query(Person) if p.slack_id == f"U0{name}")) for name in ("OMAR", "DANA")]
        links = AckLinks(t.house.signer, "https://aiops.example.com")
        link = (links.acknowledge(clock.now(), 1, omar) or "").removeprefix("https://aiops.example.com")
        seen = await t.http.get(link)
        assert seen.status_code == 200
        assert "PAGE Support triage: a run failed" in seen.text
        assert "the &lt;index&gt; is gone" in seen.text
        assert (await t.read(lambda tx: tx.get_one(Page, 1).acked_at)) is None
        other = (links.acknowledge(clock.now(), 1, dana) or "").removeprefix("https://aiops.example.com")
        assert (await t.http.post(other, data={"do": "acknowledge"})).status_code == 403
        answered = (await t.http.post(link, data={"do": "acknowledge"})).text
        assert "You have it." in answered
        assert " CET; then calling begins again" in answered  # by his own clock, as the rest of the page
        assert "You have it already." in (await t.http.post(link, data={"do": "acknowledge"})).text
        await t.settle()
        assert "*Omar Nassar* acknowledged" in str(t.ws.messages("support-ai"))
        clock.move(timedelta(days=3))
        assert (await t.http.get(link)).status_code == 410
        assert (await t.http.get(link[:-4])).status_code == 404


async def test_an_incident_is_worked_in_its_thread_in_slack(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("run", "r1", status="failed"))
        await t.settle()
        page = next(each for each in t.ws.messages("support-ai") if "incidents.open" in str(each.get("blocks")))
        await t.ws.press("dana", "support-ai", page["ts"], "surface.menu", "incidents.open page:1")
        await t.settle()
        root = next(each for each in t.ws.messages("support-ai") if "incidents.lead" in str(each.get("blocks")))
        thread = t.ws.thread("support-ai", root["ts"])
        assert "Checklist of incident #1" in thread[1]["text"]
        await t.ws.say("omar", "support-ai", "<@U0AIOPS> done 1 switched it off", thread_ts=root["ts"])
        await t.settle()
        assert "done by Omar Nassar" in str(t.ws.message("support-ai", thread[1]["ts"])["blocks"])
        blocks = t.ws.message("support-ai", thread[1]["ts"])["blocks"]
        menu = next(each["block_id"] for each in blocks if "waive:2" in str(each))
        await t.ws.press("omar", "support-ai", thread[1]["ts"], "incidents.item", "waive:2", block_id=menu)
        await t.settle()
        await t.ws.submit("omar", t.ws.views("omar")[-1], {"reason": "nothing was under way"})
        await t.settle()
        assert "waived by Omar Nassar" in str(t.ws.message("support-ai", thread[1]["ts"])["blocks"])
        await t.ws.press("gina", "support-ai", root["ts"], "incidents.close")
        await t.settle()
        assert "owner of the agent" in t.ws.ephemerals("gina")[-1]["text"] or "full members" in t.ws.ephemerals("gina")[-1]["text"]


async def test_a_page_is_snoozed_and_its_agent_stopped_in_slack(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        await t.post(t.event("run", "r1", status="failed"))
        await t.settle()
        page = next(each for each in t.ws.dm("omar") if "paging.review" in str(each.get("blocks")))
        for option, form in (("paging.snooze page:1", {"until": "1h"}), ("paging.stop page:1", {"reason": "It answers nobody"})):
            await t.ws.press("omar", t.ws.im("omar"), page["ts"], "surface.menu", option)
            await t.settle()
            await t.ws.submit("omar", t.ws.views("omar")[-1], form)
            await t.settle()
        shown = str(t.ws.message(t.ws.im("omar"), page["ts"])["blocks"])
        assert "*Omar Nassar* snoozed it at" in shown
        assert "*The agent was asked to stop.* Omar Nassar ordered it at" in shown
        assert any("Support triage is asked to stop" in each["text"] for each in t.ws.messages("support-ai"))
        assert (await t.http.get("/v1/agents/support-triage/gate", headers={"Authorization": f"Bearer {t.token}"})).status_code == 403


@pytest.mark.parametrize("gone", ["before", "after"])
async def test_a_bot_thrown_out_of_slack_loses_no_page(database_url: str, clock: MovedClock, gone: str) -> None:
    async with town(database_url, clock) as t:
        await t.apply()
        if gone == "before":
            await t.ws.uninstall()
        await t.post(t.event("run", "r1", status="failed"))
        if gone == "after":
            await t.ws.uninstall()
        await t.settle()
        await t.move(minutes=10)
        page = await t.read(lambda tx: (tx.get_one(Page, 1).acked_at, tx.get_one(Page, 1).resolved_at))
        assert page == (None, None)
