"""Each kind from reported events to an opened and a closed problem, as people see it in the channel."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.agents.reading import agent_by_slug
from bot.autonomy.switches import Confirmed, confirm
from bot.clock import MovedClock
from bot.stages.flows import order_stage
from tests.kit.house import REGISTRY, Town, town

CHECKS = '      runs: {kind: run_failed, why: "tickets wait"}\n'
assert CHECKS in REGISTRY


def registry(check: str, more: str = "") -> str:
    return REGISTRY.replace(CHECKS, f"      promise: {check}\n{more}")


def channel(t: Town) -> list[str]:
    return [str(each["text"]) + str(each.get("blocks", "")) for each in t.ws.messages("support-ai")]


def says(t: Town, words: str) -> bool:
    return any(words in each for each in channel(t))


async def report(t: Town, type: str, count: int, ids: str, /, **more: Any) -> None:
    at = more.pop("at", t.clock.now())
    answer = await t.post(*({**t.event(type, f"{ids}{i}", **more), "at": at.isoformat()} for i in range(count)))
    assert answer["accepted"] == count, answer


async def test_too_many_failed_runs_are_told_and_their_end(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: error_rate, at_most: 2%, window: 1h, min_samples: 50}"))
        assert (await t.job("check_test", agent="support-triage"))[0]["text"] == "promise: unknown: No run was reported in the last hour, so there is nothing to judge."
        await report(t, "run", 298, "ok", status="ok")
        await report(t, "run", 12, "bad", status="failed")
        await t.move(minutes=5)
        assert says(t, "12 of 310 runs failed in the last hour (3.9%), more than 2%.")
        assert not [each for each in t.ws.dm("omar") if "310 runs" in str(each)]
        await t.move(minutes=70)
        assert not says(t, "It is over")  # nothing reported proves nothing
        await report(t, "run", 60, "well", status="ok")
        await t.move(minutes=5)
        assert says(t, "0 of 60 runs failed in the last hour (0%); at most 2% is promised.")
        assert says(t, "It is over")


async def test_slow_runs_are_told_and_their_end(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: latency, percentile: 90, at_most: 3s, window: 30m}"))
        now = t.clock.now()
        await report(t, "run", 30, "slow", status="ok", started_at=(now - timedelta(seconds=8)).isoformat(), ended_at=now.isoformat())
        await t.move(minutes=5)
        assert says(t, "90% of 30 runs in the last 30 minutes took up to 7.8 s, more than 3s.")
        await t.move(minutes=40)
        now = t.clock.now()
        await report(t, "run", 30, "quick", status="ok", started_at=(now - timedelta(seconds=1)).isoformat(), ended_at=now.isoformat())
        await t.move(minutes=5)
        assert says(t, "It is over")


async def test_a_silent_drop_against_earlier_fridays_is_told_the_same_day(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: volume, of: run, drop: 50%}"))
        nine = t.clock.now() + timedelta(hours=1)
        for week in (1, 2, 3):
            await report(t, "run", 40, f"morning{week}-", status="ok", at=nine - timedelta(days=7 * week))
            await report(t, "run", 40, f"evening{week}-", status="ok", at=nine - timedelta(days=7 * week - 0.4))
        await report(t, "run", 2, "today", status="ok")
        await t.move(hours=2)
        assert says(t, "2 runs today until 11:00; 40 are usual on Fridays until then (median of 3 weeks): 95% fewer.")
        await report(t, "run", 38, "late", status="ok")
        await t.move(minutes=15)
        assert says(t, "It is over")


async def test_a_field_that_is_gone_is_told_until_it_is_back(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: input_shape, window: 1h}"))
        before = t.clock.now() - timedelta(hours=3)
        await report(t, "run", 15, "before", status="ok", input={"fields": ["order_id", "text"]}, at=before)
        await report(t, "run", 6, "changed", status="ok", input={"fields": ["order_id", "body"], "rejected": 0})
        await t.move(minutes=15)
        assert says(t, "`text` is gone and `body` is new in the newest 6 runs (compared with 15 runs before).".capitalize())
        await report(t, "run", 30, "back", status="ok", input={"fields": ["order_id", "text"]})
        await t.move(minutes=15)
        assert says(t, "It is over")


async def test_rejected_input_is_told(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: input_shape, at_most: 5%}"))
        await report(t, "run", 20, "fine", status="ok", input={"fields": ["text"]})
        await report(t, "run", 10, "odd", status="ok", input={"fields": ["text"], "rejected": 3})
        await t.move(minutes=15)
        assert says(t, "10 of 30 runs could not read all of their input in the last day (33.3%; 30 inputs), more than 5%")


async def test_a_model_nobody_announced_is_told_until_somebody_does(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: change, of: model, grace: 15m}"))
        await report(t, "run", 1, "old", status="ok", model="gpt-4o")
        await t.move(minutes=30)
        assert not says(t, "gpt-4o")  # the first one is no change
        await report(t, "run", 1, "new", status="ok", model="gpt-5")
        await t.move(minutes=10)
        assert not says(t, "gpt-5")
        await t.move(minutes=10)
        assert says(t, "Model gpt-5 came into use in the last day without a `change` event that announces it.")
        await report(t, "change", 1, "told", input="model", version="gpt-5", note="cheaper")
        await t.move(minutes=5)
        assert says(t, "It is over")


async def test_an_input_that_grows_old_is_told_until_it_is_renewed(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: freshness, input: product-index}", "    inputs: {product-index: {kind: index, refresh: 2d}}\n"))
        await report(t, "change", 1, "first", input="product-index", version="v1")
        await t.move(hours=49)
        assert says(t, "The newest change of product-index is 2 days old: 2026-11-20 08:00 UTC (v1); at most 2 days is promised.")
        await report(t, "change", 1, "second", input="product-index", version="v2")
        await t.move(minutes=15)
        assert says(t, "It is over")


async def test_a_number_above_its_limit_is_told_until_it_is_below(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: measure, name: complaints, take: sum, at_most: 10, window: 1d, severity: page}"))
        await report(t, "measure", 3, "m", name="complaints", value="4.5")
        await t.move(minutes=5)
        assert says(t, "Complaints adds up to 13.5 in the last day (3 values), more than 10.")
        assert [each for each in t.ws.dm("omar") if "13.5" in str(each)]
        await t.move(hours=24)
        await report(t, "measure", 1, "n", name="complaints", value="1")
        await t.move(minutes=5)
        assert says(t, "Complaints adds up to 1 in the last day (1 value); at most 10 is promised.")


async def test_an_agent_that_runs_though_it_was_stopped_pages_its_owner(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: stage}"))
        await report(t, "run", 1, "before", status="ok", stage="autonomous")
        await t.move(minutes=1)
        now = t.clock.now()
        await t.write(lambda tx: order_stage(tx, now, agent_by_slug(tx, "support-triage"), "suspended", None, "it answers nonsense"))
        await t.write(lambda tx: confirm(tx, now, Confirmed(agent_by_slug(tx, "support-triage").id, 2, "gate", now)))
        await t.move(minutes=10)
        assert not says(t, "though it is stopped")
        await report(t, "run", 2, "after", status="ok")
        await t.move(minutes=1)
        assert says(t, "2 of the newest 2 runs in the last hour ran though it is stopped; suspended is in force since 2026-11-20 08:01 UTC.")
        assert [each for each in t.ws.dm("omar") if "though it is stopped" in str(each)]
        await t.move(hours=1, minutes=1)
        assert says(t, "No run in the last hour; suspended is in force")


async def test_an_ok_run_after_a_failed_one_ends_the_page_in_the_same_moment(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: run_failed}"))
        await report(t, "run", 1, "bad", status="failed", error="the index is gone")
        await t.settle()
        assert says(t, "The last run failed: the index is gone.")
        assert not says(t, "The last run was ok.")
        await report(t, "run", 1, "good", status="ok")
        await t.settle()
        assert says(t, "The last run was ok.")


async def test_a_run_in_another_stage_than_ordered_is_told_in_the_same_moment(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        await t.apply(registry("{kind: stage, grace: 5m}"))
        await t.move(minutes=10)
        await report(t, "run", 1, "good", status="ok", stage="autonomous")
        await t.settle()
        await report(t, "run", 1, "wrong", status="ok", stage="shadow")
        await t.settle()
        assert says(t, "it runs as shadow, not autonomous")
