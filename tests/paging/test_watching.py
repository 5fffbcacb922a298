"""The pager watches itself: stuck calls reach the leads by another route, a page to ourselves feeds an outside watcher, figures are real."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.clock import MovedClock
from bot.doctor.pager import Watch, judge_pager
from bot.paging.watching import stuck, synthetic
from bot.paging.watching.synthetic import Plan, SelfTest
from bot.settings import Settings
from bot.tables import Mark, Page, Problem
from tests.kit.house import BOT, Town, town
from tests.kit.server import serving
from tests.paging.world import World


def give_zoe(world: World, *wake: str) -> None:
    def routes(tx: Any) -> None:
        zoe = world.person(tx, "zoe")
        zoe.wake, zoe.addresses = list(wake), {"email": "zoe@example.com", "pagerduty": "key-zoe"}

    world.do(routes)


def look(world: World, **by: float) -> None:
    world.move(**by)
    world.do(lambda tx: stuck.is_stuck(tx, world.clock.now()) and stuck.stuck_step(tx, world.clock.now()))
    world.settle()


def mark(world: World) -> dict[str, Any]:
    with world.db.transaction() as tx:
        found = tx.get(Mark, stuck.MARK)
        return dict(found.value) if found is not None else {}


@pytest.mark.parametrize("route", ["email", "pagerduty"])
def test_calls_that_slack_does_not_take_call_the_leads_once_by_another_route_and_tell_them_when_it_is_over(world: World, route: str) -> None:
    give_zoe(world, route)
    world.accepts = lambda row: row.route != "slack"
    world.run("failed")
    look(world, minutes=2)
    assert not world.rows("queue:stuck")
    look(world, minutes=2)
    [row] = world.rows("queue:stuck")
    assert (row.route, row.target, row.shown_rev) == (route, {"email": "zoe@example.com", "pagerduty": "key-zoe"}[route], 1)
    assert row.want["text"].startswith("PAGE aiops-bot: calls to people are not delivered\nOne call to a person is waiting for Slack, the oldest since ")
    assert "call the owners of open pages yourself" in row.want["text"]
    for _ in range(5):
        look(world, minutes=1)
    assert len(world.rows("queue:stuck")) == 1
    world.accepts = lambda row: True
    look(world, minutes=1)
    look(world, minutes=3)
    if route == "email":
        assert world.rows("queue:stuck")[1].want["text"].startswith("aiops-bot: calls to people are delivered again")
    else:
        assert world.row(row.key).gone
    look(world, minutes=5)
    assert len(world.rows("queue:stuck")) == (2 if route == "email" else 1)
    assert "since" not in mark(world)


def test_leads_without_another_route_are_not_called_and_the_mark_says_so(world: World) -> None:
    world.accepts = lambda row: row.route != "slack"
    world.run("failed")
    look(world, minutes=4)
    assert not world.rows("queue:stuck")
    assert mark(world)["told"] == []
    assert mark(world)["count"] == 1


def test_calls_that_are_delivered_call_nobody_else(world: World) -> None:
    give_zoe(world, "email")
    world.run("failed")
    for _ in range(5):
        look(world, minutes=1)
    assert not world.rows("queue:")


class Watcher:
    """The outside watcher: remembers how often it was fetched; refuses the first so many times."""

    def __init__(self, refuse: int = 0) -> None:
        self.fetched, self.refuse = 0, refuse

    async def __call__(self, request: Request) -> Response:
        self.fetched += 1
        return PlainTextResponse("no", 500) if self.fetched <= self.refuse else PlainTextResponse("OK")

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/beat", self.__call__)])


def plan_test(here: Town, url: str | None, channel: str | None = "#general") -> None:
    here.house.self_test = SelfTest(here.house.lanes, here.clock, Plan(channel, timedelta(hours=1), url), pause=0.0)
    here.house.loops.loops["self-test"].step = here.house.self_test.step


def mark_of(tx: Any) -> dict[str, Any]:
    found = tx.get(Mark, synthetic.MARK)
    return dict(found.value) if found is not None else {}


async def metrics(here: Town) -> dict[str, float]:
    text = (await here.http.get("/metrics")).text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {sample.name + "".join(f"{{{k}={v}}}" for k, v in sorted(sample.labels.items())): sample.value for sample in samples}


async def test_a_page_to_ourselves_goes_all_the_way_and_then_tells_the_outside_watcher(database_url: str, clock: MovedClock) -> None:
    watcher = Watcher(refuse=1)
    async with town(database_url, clock) as here, serving(watcher.app()) as url:
        await here.apply()
        plan_test(here, f"{url}/beat", "#support-ai")
        before = len(here.ws.messages("support-ai"))
        await here.settle()
        found = await here.read(mark_of)
        assert found.get("failed_at") is None
        assert found["ok_ms"] >= 0
        assert watcher.fetched == 2  # refused once, tried again
        assert len(here.ws.messages("support-ai")) == before  # taken away again
        assert not [text for text in map(str, here.ws.messages("support-ai")) if "self-test" in text]
        told = await metrics(here)
        assert told["aiops_synthetic_failing"] == 0
        assert told["aiops_synthetic_age_seconds"] == 0
        assert told["aiops_pages_open{answered=no}"] == 0
        await here.move(minutes=59)
        assert watcher.fetched == 2
        await here.move(minutes=2)
        assert watcher.fetched == 3
        assert not (await here.http.get("/v1/agents", headers={"Authorization": f"Bearer {here.token}"})).text.count("self-test")
        for _ in range(26):
            await here.move(hours=1)
        assert await here.read(lambda tx: tx.scalar(select(func.count()).select_from(Page).where(Page.synthetic))) <= 26
        assert await here.read(lambda tx: tx.scalar(select(func.count()).select_from(Problem).where(Problem.closed_at.is_(None)))) == 0


async def test_while_slack_is_down_the_watcher_is_not_told_and_the_figures_say_so(database_url: str, clock: MovedClock) -> None:
    watcher = Watcher()
    async with town(database_url, clock) as here, serving(watcher.app()) as url:
        await here.apply()
        plan_test(here, f"{url}/beat", "#support-ai")
        here.ws.faults.outage = True
        await here.settle()
        await here.move(seconds=61)
        assert watcher.fetched == 0
        assert "within 60 seconds" in (await here.read(mark_of))["why"]
        assert (await metrics(here))["aiops_synthetic_failing"] == 1
        here.ws.faults.outage = False
        await here.move(minutes=60)
        assert watcher.fetched == 1
        assert (await metrics(here))["aiops_synthetic_failing"] == 0


async def test_without_its_channel_there_is_no_test_and_an_unknown_channel_fails_it(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as here:
        await here.apply()
        await here.settle()
        assert await here.read(mark_of) == {}
        plan_test(here, None, "#nowhere")
        await here.settle()
        assert "why" not in await here.read(mark_of)  # at the first start Slack's channels may still be on their way
        await here.move(seconds=31)
        assert (await here.read(mark_of))["why"] == "there is no channel #nowhere"
        with here.ws.quietly():
            here.ws.add_channel("nowhere", members=["maya", BOT], id="C0NOWHERE")
        await here.house.read_directory(here.clock.now())
        await here.move(seconds=31)  # not an hour later
        await here.move(seconds=1)
        assert (await here.read(mark_of))["why"] is None


async def test_the_figures_count_how_long_after_its_deadline_a_page_was_accepted(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as here:
        await here.apply()
        await here.post(here.event("run", "r1", status="failed"))
        await here.settle()
        told = await metrics(here)
        assert told["aiops_page_called_seconds_count"] == 1
        assert told["aiops_page_called_seconds_bucket{le=0.05}"] == 1
        assert told["aiops_pages_open{answered=no}"] == 1
        assert told["aiops_calls{route=slack}{state=confirmed}"] == 1
        assert told["aiops_calls_lost_total"] == 0
        assert told["aiops_queue_age_seconds{kind=call}{priority=call}"] == 0
        assert told["aiops_auditor_repairs_total{fault=no_page}"] == 0
        assert told["aiops_queue_stuck"] == 0


async def test_the_doctor_tells_of_stuck_calls_failed_self_tests_and_repairs(database_url: str, clock: MovedClock) -> None:
    now = clock.now().isoformat()
    watch = Watch(
        audited={"at": now, "repairs": {"no_timer": 2}},
        tested={"failed_at": now, "why": "Slack has not accepted it within 60 seconds", "tell_error": "it answered 500"},
        queue={"since": now, "count": 3, "told": []},
    )
    settings = Settings(AIOPS_SYNTHETIC_CHANNEL="#ops", AIOPS_DEADMAN_URL="https://watch.example.com/1")
    told = [each.line for each in judge_pager(watch, settings, clock.now() + timedelta(minutes=4))]
    assert "Calls to people have waited for Slack for 4 minutes: 3 of them. No lead could be told" in told[0]
    assert "did not arrive 4 minutes ago: Slack has not accepted it within 60 seconds." in told[1]
    assert "it answered 500" in told[2]
    assert "repaired 2 mistakes of its own" in told[3]
    assert not list(judge_pager(Watch(), Settings(), clock.now()))
    [lonely] = judge_pager(Watch(), Settings(AIOPS_DEADMAN_URL="https://watch.example.com/1"), clock.now())
    assert "nothing fetches it" in lonely.what
    async with town(database_url, clock) as here:
        await here.apply()
        await here.write(lambda tx: tx.add(Mark(name=stuck.MARK, value={"since": now, "count": 1, "told": []})))
        assert any("waited for Slack" in str(line) for line in await here.job("doctor"))
