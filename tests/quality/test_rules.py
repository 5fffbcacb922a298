from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.agents.spec import EvaluationSpec
from bot.quality.rules import (
    NOTHING,
    Standing,
    Verdict,
    baseline_span,
    evaluation_good,
    judge,
    percent,
    ready_on,
    score_of,
    silent_from,
    trend_words,
)

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
WEEK = frozenset(range(5))


def standing(**facts: object) -> Standing:
    given = {
        "now": NOW, "zone": "UTC", "paused": None, "last_sign_at": NOW - timedelta(hours=1), "silent_from": NOW + timedelta(hours=23),
        "people": NOTHING, "evaluations": NOTHING, "target": 0.8, "target_is_default": False, "min_samples": 30,
    }  # fmt: skip
    return Standing(**{**given, **facts})  # type: ignore[arg-type]


def out_of(good: int, n: int):  # type: ignore[no-untyped-def]
    return score_of(good * 1000, n)


def test_the_first_rule_that_matches_wins() -> None:
    bad = out_of(10, 100)
    assert judge(standing(paused="suspended since 3 Nov", silent_from=NOW, people=bad)).verdict is Verdict.PAUSED
    assert judge(standing(silent_from=NOW, people=bad)).verdict is Verdict.SILENT
    assert judge(standing(people=out_of(2, 29), evaluations=out_of(0, 29))).verdict is Verdict.LEARNING
    assert judge(standing(people=bad)).verdict is Verdict.NOT_WORTH_USING
    assert judge(standing(people=out_of(80, 100))).verdict is Verdict.WATCH
    assert judge(standing(people=out_of(97, 100))).verdict is Verdict.WORTH_USING


def test_the_worse_of_people_and_machines_drives_and_the_headline_stays_with_people() -> None:
    finding = judge(standing(people=out_of(97, 100), evaluations=out_of(100, 300)))
    assert (finding.verdict, finding.driver, finding.machine) == (Verdict.NOT_WORTH_USING, "evaluations", False)
    assert finding.score.n == 100
    assert finding.why == "evaluations found 33% of 300 outputs good in 7 days (29% to 38%); even the upper bound is below the target of 80%"


def test_evaluations_stand_in_where_people_judged_too_few_and_are_marked() -> None:
    finding = judge(standing(people=out_of(1, 3), evaluations=out_of(297, 300), target_is_default=True))
    assert (finding.verdict, finding.machine, finding.score.n) == (Verdict.WORTH_USING, True, 300)
    assert finding.why == (
        "evaluations found 99% of 300 outputs good in 7 days (98% to over 99%), machine-judged because people judged too few; "
        "even the lower bound reaches the target of 80% (a default)"
    )


def test_learning_says_how_far_it_is_and_when_it_will_be_ready() -> None:
    finding = judge(standing(people=out_of(11, 12), people_spread=9))
    assert finding.why == "12 of 30 judgements, ready about 4 Dec"
    assert judge(standing(people=out_of(2, 2), people_spread=20)).why == "2 of 30 judgements, and at the recent rate four weeks do not bring enough"
    assert judge(standing()).why == "0 of 30 judgements"


def test_silence_names_since_when_and_by_when() -> None:
    assert judge(standing(silent_from=NOW, last_sign_at=NOW - timedelta(days=1))).why == "no output since 19 Nov 08:00, though one was expected by 20 Nov 08:00"
    assert judge(standing(silent_from=NOW, last_sign_at=None)).why.startswith("no output has ever come, though")


def test_without_an_agreed_pace_an_agent_heard_on_friday_is_not_silent_before_monday() -> None:
    friday = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert silent_from(friday, None, "UTC", WEEK, frozenset()) == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert silent_from(friday, None, "UTC", WEEK, {date(2026, 11, 23)}) == datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert silent_from(friday, timedelta(hours=2), "UTC", WEEK, frozenset()) == datetime(2026, 11, 20, 12, tzinfo=UTC)
    saturday = datetime(2026, 11, 21, 15, tzinfo=UTC)
    assert silent_from(saturday, None, "UTC", WEEK, frozenset()) == datetime(2026, 11, 24, tzinfo=UTC)


def test_an_evaluation_is_good_by_the_rule_for_its_name() -> None:
    assert evaluation_good(None, 0.5, None) is True
    assert evaluation_good(None, 0.49, None) is False
    assert evaluation_good(None, 0.1, "Pass") is True
    assert evaluation_good(None, 0.9, "incorrect") is False
    assert evaluation_good(None, None, "chartreuse") is None
    assert evaluation_good(EvaluationSpec(at_least=0.9), 0.85, None) is False
    assert evaluation_good(EvaluationSpec(at_most=0.1), 0.05, None) is True
    assert evaluation_good(EvaluationSpec(at_least=0.2, at_most=0.4), 0.5, None) is False
    assert evaluation_good(EvaluationSpec(labels=["grounded"]), None, "Grounded") is True
    assert evaluation_good(EvaluationSpec(at_least=0.9), None, "pass") is None


def test_the_baseline_is_the_first_28_days_or_300_judgements_whichever_is_later() -> None:
    start = date(2026, 1, 1)
    many = [((start + timedelta(days=i)).isoformat(), 20_000, 25) for i in range(60)]
    assert baseline_span(many, "2026-03-15") == ("2026-01-01", "2026-01-28", 560_000, 700)
    few = [(day, 4_000, 5) for day, _, _ in many]
    assert baseline_span(few, "2026-03-15") == ("2026-01-01", "2026-03-01", 240_000, 300)
    assert baseline_span(few, "2026-03-01") is None  # that day is not over
    assert baseline_span(few[:40], "2026-03-15") is None
    assert baseline_span(many[:12], "2026-01-28") is None
    assert baseline_span(many[:12], "2026-01-29") == ("2026-01-01", "2026-01-28", 240_000, 300)


def test_the_trend_is_told_in_points_and_says_what_chance_allows() -> None:
    assert trend_words(out_of(60, 100), 0.8, "since we started looking") == "20 points below the 80% since we started looking"
    assert trend_words(out_of(79, 100), 0.8, "at launch") == "1 point below the 80% at launch (within what chance allows)"
    assert trend_words(NOTHING, 0.8, "at launch") == ""


def test_certainty_is_never_rounded_into_being() -> None:
    assert [percent(0.999), percent(1.0), percent(0.001), percent(0.0), percent(0.123)] == ["over 99%", "100%", "under 1%", "0%", "12%"]


scores = st.tuples(st.integers(0, 2000), st.integers(0, 1000)).map(lambda pair: score_of(min(pair[0], pair[1]) * 1000, pair[1]))
standings = st.builds(
    standing,
    people=scores,
    evaluations=scores,
    target=st.floats(0.01, 0.99),
    min_samples=st.integers(1, 200),
    silent_from=st.sampled_from([NOW - timedelta(hours=1), NOW + timedelta(hours=1)]),
    paused=st.sampled_from([None, "paused since 1 Nov"]),
    people_spread=st.integers(1, 28),
)


@given(standings)
def test_too_little_data_is_never_shown_as_good(facts: Standing) -> None:
    finding = judge(facts)
    if max(facts.people.n, facts.evaluations.n) < facts.min_samples or facts.now >= facts.silent_from:
        assert finding.verdict in (Verdict.PAUSED, Verdict.SILENT, Verdict.LEARNING)
    assert finding.why


@given(standings)
def test_worth_using_means_that_every_source_with_enough_judgements_reaches_the_target(facts: Standing) -> None:
    finding = judge(facts)
    if finding.verdict is Verdict.WORTH_USING:
        reached = [score for score in (facts.people, facts.evaluations) if score.n >= facts.min_samples]
        assert reached
        assert all(score.low >= facts.target for score in reached)


@given(standings, standings)
def test_a_worse_verdict_ranks_higher(one: Standing, other: Standing) -> None:
    order = [Verdict.PAUSED, Verdict.WORTH_USING, Verdict.LEARNING, Verdict.WATCH, Verdict.SILENT, Verdict.NOT_WORTH_USING]
    first, second = judge(one), judge(other)
    if order.index(first.verdict) > order.index(second.verdict):
        assert first.rank > second.rank


@given(scores)
def test_the_share_lies_inside_its_interval(score) -> None:  # type: ignore[no-untyped-def]
    assert 0 <= score.low <= score.high <= 1
    if score.share is not None:
        assert score.low - 1e-9 <= score.share <= score.high + 1e-9


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 28))
def test_a_day_of_readiness_lies_ahead(have: int, need: int, spread: int) -> None:
    day = ready_on(have, need, spread, date(2026, 11, 20))
    if have < need and day is not None:
        assert date(2026, 11, 20) < day <= date(2026, 11, 20) + timedelta(days=28)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), st.sampled_from(["UTC", "Asia/Beirut", "America/New_York", "Pacific/Apia"]))
def test_nobody_is_silent_before_a_whole_working_day_has_passed(last: datetime, zone: str) -> None:
    assert timedelta(days=1) <= silent_from(last, None, zone, WEEK, frozenset()) - last <= timedelta(days=4)
