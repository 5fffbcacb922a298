"""Checks that could never fail are called out: impossible promises as mistakes, missing data as notes and in the digest."""

from __future__ import annotations

import pytest

from bot.agents.files import BadFile, read_text
from bot.checks.blind import blind_checks
from bot.checks.kinds import SPECS
from bot.clock import MovedClock
from bot.digests.rules import Report, is_fine, needs_of
from bot.jobs import jobs_of
from tests.checks.test_kind_stories import registry
from tests.kit.house import town


@pytest.mark.parametrize(
    ("check", "field", "says", "remedy"),
    [
        ("{kind: error_rate, at_most: 150%}", "at_most", "a share of 150% can never be exceeded, so this check could never fail", "Write less than 100%, such as 2%"),
        ("{kind: error_rate, at_most: 1}", "at_most", "a share of 100% can never be exceeded", "Write less than 100%"),
        ("{kind: error_rate, at_most: few}", "at_most", "'few' is not a share", "Write it as 2% or 0.02"),
        ("{kind: error_rate, at_most: 2%, window: 400d}", "window", "a window this long is not counted", "Write 5m to 24h, or whole days up to 90d"),
        ("{kind: error_rate, at_most: 2%, window: 36h}", "window", "beyond a day only whole days are counted", "Write 2d, 7d or 30d"),
        ("{kind: latency, at_most: 0s}", "at_most", "this check would always fail", "Write 800ms, 2s, 5m or 1h"),
        ("{kind: latency, at_most: 2s, percentile: 100}", "percentile", "must be less than 100", "within the bounds"),
        ("{kind: measure, name: orders}", "", "has no limit, so it could never fail", "Add `at_least: ...` or `at_most: ...`"),
        ("{kind: measure, name: orders, at_least: 9, at_most: 3}", "", "asks for at least 9 and at most 3, which no number is", "Exchange them"),
        ("{kind: measure, name: orders, at_most: .inf}", "at_most", "must be a number", "Write it in digits"),
        ("{kind: freshness, input: prompt}", "input", "the agent has no input 'prompt'", "Add `inputs: {prompt: {refresh: 30d}}`"),
        ("{kind: volume, drop: 100%}", "drop", "could never fail", "Write less than 100%"),
        ("{kind: run_failed, window: 0s}", "window", "this is never or for ever", "Write a duration up to 90d"),
        ("{kind: quality, window: 12h}", "window", "only whole days are counted", "Write 1d, 7d or 30d"),
        ("{kind: no_data, within: 0s}", "within", "this check would always fail", "Write 30s, 10m or 2h"),
        ("{kind: http, url: 'https://x.example', latency: 0s}", "latency", "this check would always fail", "Write 800ms"),
        ("{kind: http, url: 'https://x.example', method: HEAD, text: ok}", "", "has no body", "Write `method: GET`"),
        ("{kind: http, url: 'https://x.example', json_is: true}", "", "has no value to look at", "Add `json_path: ...`"),
        ("{kind: heartbeat, every: 1h, at_most: 0s}", "at_most", "this check would always fail", "Write 30s"),
    ],
)
def test_a_promise_that_cannot_be_broken_is_a_mistake_with_its_place_and_remedy(check: str, field: str, says: str, remedy: str) -> None:
    text = registry(check)
    with pytest.raises(BadFile) as caught:
        read_text(text, SPECS)
    (mistake,) = caught.value.mistakes
    assert mistake.line == 1 + next(i for i, line in enumerate(text.splitlines()) if "promise:" in line)
    assert mistake.field.endswith(f"promise.{field}".rstrip("."))
    assert says in mistake.message
    assert remedy in mistake.remedy


def test_an_input_without_refresh_needs_a_limit() -> None:
    inputs = "    inputs: {prompt: {kind: prompt}}\n"
    with pytest.raises(BadFile, match="has no `refresh`"):
        read_text(registry("{kind: freshness, input: prompt}", inputs), SPECS)
    assert read_text(registry("{kind: freshness, input: prompt, at_most: 30d}", inputs), SPECS)


async def test_a_check_without_data_is_told_by_plan_and_after_two_days_by_the_digest(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        text = registry("{kind: latency, at_most: 2s}")
        await t.apply(text)
        await t.post(t.event("run", "r1", status="ok"))
        await t.move(minutes=5)
        told = await anext(jobs_of(t.house)["plan"]({"text": text, "name": "aiops.yml"}))
        note = "! the check `promise` of Support triage (support-triage) has nothing to judge by, and cannot fail until it has: Of 1 run in the last hour none said how long it took: report `started_at` and `ended_at`."
        assert note in told["text"].splitlines()
        assert await t.read(lambda tx: blind_checks(tx, t.clock.now(), [1])) == {}
        await t.move(hours=70, minutes=50)  # Monday morning, before the digest
        await t.post(t.event("output", "o1", text="Your parcel arrives on Monday."))
        await t.move(hours=1, minutes=10)
        assert await t.read(lambda tx: blind_checks(tx, t.clock.now(), [1])) == {1: ["promise"]}
        assert any("see to its check `promise`, which never had data and so cannot fail" in str(each) for each in t.ws.messages("support-ai"))


def test_a_digest_names_the_checks_that_never_had_data() -> None:
    report = Report(agent_id=1, slug="a", name="A", verdict="worth using", outputs=5, rank=0, why="", blind=("a", "b", "c"))
    assert not is_fine(report)
    assert needs_of(report) == "see to its checks `a` and `b` and 1 more, which never had data and so cannot fail"


async def test_a_heartbeat_that_never_came_and_an_alert_that_never_arrived_are_told_by_plan(database_url: str, clock: MovedClock) -> None:
    async with town(database_url, clock) as t:
        text = registry("{kind: heartbeat, every: 1h}", "      disk: {kind: alert, alert: HostDiskFul}\n      nightly: {kind: heartbeat, cron: '0 3 * * *'}\n      runs: {kind: run_failed}\n")
        await t.apply(text)
        told = (await anext(jobs_of(t.house)["plan"]({"text": text, "name": "aiops.yml"})))["text"]
        assert "the check `promise` of Support triage (support-triage) has nothing to judge by, and cannot fail until it has: Nothing was reported yet; its first report starts the watch." in told
        assert "no alert HostDiskFul ever arrived for Support triage (support-triage), so nobody knows whether its check `disk` names it right" in told
        assert "the check `runs` of Support triage (support-triage) has nothing to judge by" in told
        assert "`nightly`" not in told  # a time that is set can be missed before anything came
        await t.move(days=2, minutes=5)
        assert "promise" in (await t.read(lambda tx: blind_checks(tx, t.clock.now(), [1])))[1]
