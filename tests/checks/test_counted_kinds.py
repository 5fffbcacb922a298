"""The kinds that judge counters and reported numbers: tables, and what holds for all numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.checks.kinds import (
    KINDS,
    change,
    error_rate,
    freshness,
    input_shape,
    latency,
    measure,
    read_spec,
    stage,
    volume,
)
from bot.checks.kinds.change import ChangeFacts, ChangeSpec, Seen
from bot.checks.kinds.error_rate import ErrorRateSpec, RunCounts
from bot.checks.kinds.freshness import FreshFacts, FreshnessSpec
from bot.checks.kinds.input_shape import InputFacts, InputShapeSpec
from bot.checks.kinds.latency import LatencyFacts, LatencySpec
from bot.checks.kinds.measure import MeasureFacts, MeasureSpec
from bot.checks.kinds.stage import StagedRun, StageFacts, StageSpec
from bot.checks.kinds.volume import VolumeFacts, VolumeSpec, at_work, bound
from bot.checks.kinds.words import parse_share, span_words, too_often, write_share
from bot.paging.rules import State
from bot.stats import bin_of

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTS = st.integers(0, 100_000)


def test_the_kinds_are_notices_but_stage() -> None:
    mine = ("error_rate", "latency", "volume", "input_shape", "change", "freshness", "measure", "stage")
    assert {name for name in mine if KINDS[name].spec.DEFAULT_SEVERITY == "page"} == {"stage"}
    assert [name for name, kind in KINDS.items() if not kind.rests] == ["stage"]


# --- shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "share"), [("2%", 0.02), ("0.05%", 0.0005), (0.02, 0.02), (0, 0), ("0%", 0), ("99.9%", 0.999)])
def test_a_share_is_read_as_people_write_it(written: Any, share: float) -> None:
    assert parse_share(written) == pytest.approx(share)


@pytest.mark.parametrize("written", ["two", "", None, True, -0.1, "-2%", 1, 2, "100%", [], float("nan")])
def test_a_share_that_is_none_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="share"):
        parse_share(written)


@given(st.integers(0, 999))
def test_a_share_written_is_read_again(parts: int) -> None:
    assert parse_share(write_share(parts / 1000)) == pytest.approx(parts / 1000)


def test_spans_are_said_as_people_do() -> None:
    assert [span_words(each) for each in (HOUR, HOUR * 36, timedelta(days=1), timedelta(minutes=90))] == ["hour", "36 hours", "day", "90 minutes"]


@given(n=st.integers(1, 10_000), bad=st.integers(0, 10_000), at_most=st.floats(0, 0.99))
def test_a_share_within_the_promise_is_always_fine_and_one_failure_alone_never_proves_much(n: int, bad: int, at_most: float) -> None:
    state = too_often(min(bad, n), n, at_most)
    assert (state is State.OK) == (min(bad, n) / n <= at_most)
    assert too_often(1, 20, 0.02) is State.SAME


# --- error_rate, latency ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "failed", "state", "says"),
    [
        (0, 0, State.UNKNOWN, "No run was reported in the last hour, so there is nothing to judge."),
        (19, 19, State.UNKNOWN, "19 of 19 runs failed in the last hour: too few runs to say (20 are needed)."),
        (310, 12, State.FAILING, "12 of 310 runs failed in the last hour (3.9%), more than 2%."),
        (60, 2, State.SAME, "2 of 60 runs failed in the last hour (3.3%), more than 2%, but so few that it may be chance."),
        (1000, 20, State.OK, "20 of 1,000 runs failed in the last hour (2%); at most 2% is promised."),
    ],
)
def test_failed_runs_are_told_with_their_numbers(runs: int, failed: int, state: State, says: str) -> None:
    finding = error_rate.judge(RunCounts(runs, failed), ErrorRateSpec(at_most="2%"), NOW)
    assert (finding.state, finding.says) == (state, says)
    assert finding.nothing == (runs == 0)


@given(runs=COUNTS, failed=COUNTS, at_most=st.floats(0, 0.99), needed=st.integers(1, 1000))
def test_an_error_rate_never_fails_on_too_few_runs_and_never_says_ok_above_the_promise(runs: int, failed: int, at_most: float, needed: int) -> None:
    failed = min(runs, failed)
    finding = error_rate.judge(RunCounts(runs, failed), ErrorRateSpec(at_most=at_most, min_samples=needed), NOW)
    assert (finding.state is State.UNKNOWN) == (runs < needed)
    if finding.state is State.OK:
        assert failed <= at_most * runs + 1e-6


def test_a_percentile_is_compared_and_missing_durations_are_named() -> None:
    spec = LatencySpec(at_most="3s", percentile=90)
    slow = latency.judge(LatencyFacts(100, {bin_of(1000): 80, bin_of(8000): 20}), spec, NOW)
    assert slow.state is State.FAILING
    assert slow.says == "90% of 100 runs in the last hour took up to 7.8 s, more than 3s."
    assert latency.judge(LatencyFacts(100, {bin_of(1000): 95, bin_of(8000): 5}), spec, NOW).state is State.OK
    blind = latency.judge(LatencyFacts(12), spec, NOW)
    assert (blind.state, blind.nothing) == (State.UNKNOWN, True)
    assert blind.says == "Of 12 runs in the last hour none said how long it took: report `started_at` and `ended_at`."
    few = latency.judge(LatencyFacts(12, {bin_of(9000): 12}), spec, NOW)
    assert (few.state, few.nothing) == (State.UNKNOWN, False)


@given(st.dictionaries(st.integers(1, 10_000_000).map(bin_of), st.integers(1, 1000), min_size=1), st.integers(1, 99_999))
def test_a_latency_below_every_run_fails_and_one_above_every_run_is_kept(bins: dict[int, int], limit: int) -> None:
    spec = LatencySpec(at_most=f"{limit}ms", min_samples=1)
    found = latency.judge(LatencyFacts(sum(bins.values()), bins), spec, NOW)
    if bin_of(limit) < min(bins) - 1:
        assert found.state is State.FAILING
    if bin_of(limit) > max(bins) + 1:
        assert found.state is State.OK


# --- volume ----------------------------------------------------------------------------------------------------------


def fridays(so_far: int, before: tuple[int, ...], part: int = 50, whole: int = 100, **more: Any) -> VolumeFacts:
    return VolumeFacts("2026-11-20", "09:00", so_far, before, part, whole, yesterday="2026-11-19", **more)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (fridays(2, (100, 100, 100, 100)), State.FAILING),
        (fridays(0, (100, 100)), State.FAILING),
        (fridays(30, (100, 100, 100, 100)), State.OK),  # 40% less: not the drop that was asked for
        (fridays(2, (100,)), State.UNKNOWN),  # one earlier week is no habit
        (fridays(2, (100, 0, 0, 0)), State.UNKNOWN),  # it began last week
        (fridays(2, (30, 30, 30, 30)), State.UNKNOWN),  # 15 by now: too few to say
        (fridays(2, (100, 100, 100, 100), today_is_holiday=True), State.UNKNOWN),
        (fridays(0, (0, 0, 0, 0), yesterday_count=10, yesterday_before=(100, 90, 110)), State.FAILING),
        (fridays(0, (0, 0, 0, 0), yesterday_count=95, yesterday_before=(100, 90, 110)), State.OK),
        (fridays(0, (), part=0, whole=0), State.UNKNOWN),
    ],
)
def test_a_day_is_compared_with_the_same_weekday(facts: VolumeFacts, state: State) -> None:
    finding = volume.judge(facts, VolumeSpec(), NOW)
    assert finding.state is state
    assert finding.says.endswith(".")


def test_a_drop_is_told_with_its_numbers() -> None:
    finding = volume.judge(fridays(2, (100, 120, 90, 100)), VolumeSpec(), NOW)
    assert finding.says == "2 outputs today until 09:00; 50 are usual on Fridays until then (median of 4 weeks): 96% fewer."
    assert finding.title == "96% fewer outputs than usual"


@given(usual=st.floats(0, 1e6), weeks=st.integers(1, 4))
def test_the_bound_lies_below_the_usual_and_widens_with_less_knowledge(usual: float, weeks: int) -> None:
    assert 0 <= bound(usual, weeks, part_of_a_day=True) <= bound(usual, weeks, part_of_a_day=False) <= usual
    assert bound(usual, weeks, part_of_a_day=False) <= bound(usual, weeks + 1, part_of_a_day=False)


@given(st.lists(COUNTS, max_size=4), COUNTS, COUNTS, COUNTS)
def test_what_is_at_least_usual_is_never_a_drop(before: list[int], extra: int, part: int, whole: int) -> None:
    weeks = at_work(before)
    facts = fridays(max([*weeks, 0]) + extra, tuple(before), min(part, whole), whole, yesterday_count=max([*weeks, 0]), yesterday_before=tuple(before))
    assert volume.judge(facts, VolumeSpec(min_samples=1), NOW).state is not State.FAILING


# --- input_shape -----------------------------------------------------------------------------------------------------

TEXT, BODY = frozenset({"order_id", "text"}), frozenset({"order_id", "body"})


@pytest.mark.parametrize(
    ("facts", "more", "state", "says"),
    [
        (InputFacts(), {}, State.UNKNOWN, "No run was reported in the last day"),
        (InputFacts(9), {}, State.UNKNOWN, "Of 9 runs in the last day none said what it was given: report `input`."),
        (InputFacts(9, 1, 1, (TEXT,) * 4), {}, State.UNKNOWN, "9 runs in the last day: too few to say (20 are needed)."),
        (InputFacts(9, 0, 0, (BODY,) * 5, (TEXT,) * 10), {}, State.FAILING, "`text` is gone and `body` is new in the newest 5 runs (compared with 10 runs before)."),
        (InputFacts(9, 0, 0, (TEXT,) * 5, (TEXT,) * 10), {}, State.OK, "The fields are as before."),
        (InputFacts(9, 0, 0, (TEXT | BODY,) + (TEXT,) * 5, (TEXT,) * 10), {}, State.OK, "The fields are as before."),  # one odd run
        (InputFacts(9, 0, 0, (TEXT,) * 5), {"fields": ["order_id"]}, State.FAILING, "`text` is new in the newest 5 runs."),
        (InputFacts(9, 0, 0, (TEXT,) * 5), {"fields": ["order_id", "text", "zip"]}, State.FAILING, "`zip` is gone in the newest 5 runs."),
        (InputFacts(100, 20, 35, (TEXT,) * 5), {}, State.FAILING, "20 of 100 runs could not read all of their input in the last day (20%; 35 inputs), more than 5%."),
        (InputFacts(100, 2, 2, (TEXT,) * 30, (TEXT,) * 60), {}, State.OK, "2 of 100 runs could not read all of their input in the last day (2%; 2 inputs); at most 5% is promised; the fields are as before."),
    ],
)
def test_input_is_compared_with_what_it_was(facts: InputFacts, more: dict[str, Any], state: State, says: str) -> None:
    finding = input_shape.judge(facts, InputShapeSpec(**more), NOW)
    assert finding.state is state
    assert says.lower() in finding.says.lower()


@given(st.frozensets(st.text(min_size=1, max_size=5), max_size=6), st.integers(5, 30), st.integers(10, 60))
def test_fields_that_stay_are_never_new_nor_gone(fields: frozenset[str], lately: int, earlier: int) -> None:
    assert input_shape.changed_fields(InputFacts(lately, 0, 0, (fields,) * lately, (fields,) * earlier), InputShapeSpec()) == ([], [])


# --- change, freshness, measure, stage -------------------------------------------------------------------------------


def seen(minutes: int, name: str = "gpt-5", what: str = "model", announced: bool = False) -> Seen:
    return Seen(what, name, NOW - timedelta(minutes=minutes), announced)


@pytest.mark.parametrize(
    ("facts", "of", "state"),
    [
        (ChangeFacts(), "any", State.UNKNOWN),
        (ChangeFacts((), True), "any", State.OK),
        (ChangeFacts((seen(10),), True), "any", State.SAME),
        (ChangeFacts((seen(20),), True), "any", State.FAILING),
        (ChangeFacts((seen(20),), True), "version", State.OK),
        (ChangeFacts((seen(20, announced=True),), True), "any", State.OK),
        (ChangeFacts((seen(1), seen(30, "v2", "version")), True), "any", State.FAILING),
    ],
)
def test_a_change_must_be_announced_within_its_grace(facts: ChangeFacts, of: str, state: State) -> None:
    assert change.judge(facts, ChangeSpec(of=of), NOW).state is state


def test_what_must_be_announced_is_one_several_or_all_and_a_mistake_says_what_to_write() -> None:
    facts = ChangeFacts((seen(20, "p2", "prompt"),), True)
    assert change.judge(facts, ChangeSpec(of=["model", "prompt"]), NOW).state is State.FAILING
    calm = change.judge(facts, ChangeSpec(of=["model", "index", "version"]), NOW)
    assert (calm.state, calm.says) == (State.OK, "No new model, version or index in the last day.")
    assert [ChangeSpec(of=of).model_dump(mode="json")["of"] for of in ("any", "index", ["index", "model", "index"])] == ["any", "index", ["model", "index"]]
    for wrong, says in (([], "names nothing to watch"), ("modell", "'modell' cannot be watched: write model, version"), (["any", "model"], "write it alone"), ([{"a": 1}], "cannot be watched"), (3, "names nothing")):
        with pytest.raises(ValidationError, match=re.escape(says)):
            ChangeSpec(of=wrong)


def test_several_unannounced_changes_are_counted() -> None:
    finding = change.judge(ChangeFacts(tuple(seen(20 + i, f"gpt-{i}") for i in range(5)), True), ChangeSpec(), NOW)
    assert finding.title == "5 unannounced changes"
    assert finding.says == "Model gpt-0, model gpt-1, model gpt-2 and 2 more came into use in the last day without `change` events that announce them."
    assert finding.since == NOW - timedelta(minutes=24)


@pytest.mark.parametrize(
    ("age", "known", "refresh", "at_most", "state"),
    [
        (1, 90, 7, None, State.OK),
        (8, 90, 7, None, State.FAILING),
        (8, 90, 7, "10d", State.OK),
        (None, 3, 7, None, State.UNKNOWN),
        (None, 8, 7, None, State.FAILING),
        (1, 90, None, None, State.UNKNOWN),
    ],
)
def test_an_input_ages(age: int | None, known: int, refresh: int | None, at_most: str | None, state: State) -> None:
    last = NOW - timedelta(days=age) if age is not None else None
    facts = FreshFacts(last, NOW - timedelta(days=known), timedelta(days=refresh) if refresh else None, "v1")
    finding = freshness.judge(facts, FreshnessSpec(input="index", at_most=at_most), NOW)
    assert finding.state is state
    if state is State.FAILING:
        assert finding.since is not None
        assert finding.since <= NOW


@pytest.mark.parametrize(
    ("take", "limits", "state", "says"),
    [
        ("sum", {"at_most": 10}, State.FAILING, "Orders adds up to 12 in the last day (3 values), more than 10."),
        ("mean", {"at_least": 4.5}, State.FAILING, "Orders is 4 on average in the last day (3 values), less than 4.5."),
        ("last", {"at_least": 4, "at_most": 7}, State.OK, "The newest orders is 7 (3 values); at least 4 and at most 7 is promised."),
        ("sum", {"at_most": 10, "min_samples": 4}, State.UNKNOWN, "3 values of orders in the last day: too few to say (4 are needed)."),
    ],
)
def test_a_measure_is_compared_with_its_limits(take: str, limits: dict[str, Any], state: State, says: str) -> None:
    finding = measure.judge(MeasureFacts(3, 12.0, 7.0, NOW, "", True), MeasureSpec(name="orders", take=take, **limits), NOW)  # type: ignore[arg-type]
    assert (finding.state, finding.says) == (state, says)


def test_a_measure_never_reported_is_no_zero() -> None:
    spec = MeasureSpec(name="orders", take="sum", at_least=1)
    never, not_now = measure.judge(MeasureFacts(), spec, NOW), measure.judge(MeasureFacts(ever=True), spec, NOW)
    assert (never.state, never.nothing, not_now.state, not_now.nothing) == (State.UNKNOWN, True, State.UNKNOWN, False)
    assert "was ever reported" in never.says


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.floats(-1e9, 1e9))
def test_a_measure_fails_exactly_outside_its_limit(values: list[float], limit: float) -> None:
    facts = MeasureFacts(len(values), sum(values), values[-1], NOW, "", True)
    state = measure.judge(facts, MeasureSpec(name="x", take="sum", at_most=limit), NOW).state
    assert (state is State.FAILING) == (sum(values) > limit)


def staged(*runs: tuple[int, str | None], ordered: str = "assisted", heard: bool = True) -> StageFacts:
    return StageFacts(ordered, NOW - timedelta(hours=5), "", "Omar", tuple(StagedRun(f"r{i}", NOW - timedelta(minutes=ago), each) for i, (ago, each) in enumerate(runs)), heard)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (staged(), State.UNKNOWN),
        (staged((5, None)), State.UNKNOWN),
        (staged((5, "assisted")), State.OK),
        (staged((5, "autonomous")), State.FAILING),
        (staged((1, "assisted"), (5, "autonomous")), State.FAILING),  # one of several workers has not heard
        (staged((1, "assisted"), (70, "autonomous")), State.OK),
        (staged((70, "autonomous")), State.SAME),
        (staged((298, "autonomous")), State.UNKNOWN),  # within the grace after the order
        (staged((5, None), ordered="suspended"), State.FAILING),
        (staged((70, None), ordered="suspended"), State.OK),
        (staged(ordered="suspended"), State.OK),
        (staged(ordered="suspended", heard=False), State.UNKNOWN),
        (staged((5, "suspended"), ordered="suspended"), State.OK),
    ],
)
def test_runs_must_obey_the_stage_in_force(facts: StageFacts, state: State) -> None:
    assert stage.judge(facts, StageSpec(), NOW).state is state


def test_a_run_in_another_stage_is_told_with_who_ordered() -> None:
    finding = stage.judge(staged((1, "assisted"), (5, "autonomous")), StageSpec(), NOW)
    assert finding.says == "1 of the newest 2 runs in the last hour ran as autonomous; assisted is in force since 2026-11-20 03:00 UTC, ordered by Omar."
    assert finding.title == "it runs as autonomous, not assisted"


@pytest.mark.parametrize("name", ["error_rate", "latency", "volume", "input_shape", "change", "freshness", "measure", "stage"])
def test_the_fields_survive_being_written_as_json(name: str) -> None:
    needed = {"error_rate": {"at_most": "2%"}, "latency": {"at_most": "800ms"}, "freshness": {"input": "index"}, "measure": {"name": "x", "at_most": 3}}
    spec = read_spec({"kind": name, **needed.get(name, {})})
    assert read_spec(spec.model_dump(mode="json", exclude_none=True)) == spec
