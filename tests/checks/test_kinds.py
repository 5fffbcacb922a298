from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import yaml
from pydantic import ValidationError

from bot.agents.spec import AgentSpec
from bot.calendars import day_bounds
from bot.checks.kinds import KINDS, UnknownKind, http, no_data, quality, read_spec, run_failed
from bot.checks.kinds.http import AnswerFacts, HttpSpec
from bot.checks.kinds.no_data import NoDataSpec, SilenceFacts, working_time
from bot.checks.kinds.quality import QualityFacts, QualitySpec
from bot.checks.kinds.run_failed import RunFacts, RunFailedSpec, RunSeen
from bot.checks.rules import Move, Standing, stand
from bot.paging.rules import State

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)  # a Friday


def runs(words: str, error: str = "boom") -> RunFacts:
    """`foo`: the newest first, f failed, o ok, a minute apart."""
    return RunFacts(tuple(RunSeen(f"r{i}", mark == "o", NOW - timedelta(minutes=i), "" if mark == "o" else error) for i, mark in enumerate(words)))


@pytest.mark.parametrize(
    ("seen", "after", "well_after", "state"),
    [
        ("", 1, 1, State.UNKNOWN),
        ("o", 1, 1, State.OK),
        ("f", 1, 1, State.FAILING),
        ("fo", 2, 1, State.SAME),
        ("ffo", 2, 1, State.FAILING),
        ("off", 2, 2, State.SAME),
        ("ooff", 2, 2, State.OK),
    ],
)
def test_runs_in_a_row_are_counted(seen: str, after: int, well_after: int, state: State) -> None:
    assert run_failed.judge(runs(seen), RunFailedSpec(after=after, well_after=well_after), NOW).state is state


def test_a_failed_run_is_told_with_its_numbers_and_its_error() -> None:
    finding = run_failed.judge(runs("fffo"), RunFailedSpec(after=2), NOW)
    assert finding.title == "3 runs in a row failed"
    assert finding.says == "3 runs in a row failed (a problem from 2 in a row on): boom."
    assert (finding.value, finding.threshold, finding.since) == (3, 2, NOW - timedelta(minutes=2))
    assert finding.evidence["Failed run"] == "r0"


def test_an_old_failure_calls_nobody() -> None:
    assert run_failed.judge(runs("f"), RunFailedSpec(), NOW + timedelta(days=2)).state is State.SAME


def test_silence_counts_working_days_only_unless_always_is_set() -> None:
    friday_evening = NOW.replace(hour=17)
    monday_noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    facts = SilenceFacts(friday_evening, NOW - timedelta(days=90))
    assert no_data.judge(facts, NoDataSpec(within="20h"), monday_noon).state is State.OK
    finding = no_data.judge(facts, NoDataSpec(within="18h"), monday_noon)
    assert finding.state is State.FAILING
    assert finding.value == 19.0
    assert finding.says == "No run or output since 2026-11-20 17:00 UTC (promised at least every 18 hours, counting working days)."
    assert no_data.judge(facts, NoDataSpec(within="2d", always=True), monday_noon).state is State.FAILING


def test_an_agent_never_heard_is_unknown_and_then_failing_but_never_ok() -> None:
    facts = SilenceFacts(None, NOW)
    assert no_data.judge(facts, NoDataSpec(within="1h"), NOW + timedelta(minutes=30)).state is State.UNKNOWN
    finding = no_data.judge(facts, NoDataSpec(within="1h"), NOW + timedelta(hours=2))
    assert finding.says == "No run or output was ever reported (promised at least every hour, counting working days)."


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Paris", "2026-10-23", 24),
        ("America/New_York", "2026-11-01", 25),
        ("America/New_York", "2026-03-08", 23),
        ("Asia/Beirut", "2026-03-29", 23),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Africa/Cairo", "2026-10-29", 25),
    ],
)
def test_a_day_has_as_many_hours_as_the_clocks_give_it(zone: str, day: str, hours: float) -> None:
    start, end = day_bounds(day, zone)
    assert working_time(start, end, zone, range(7), ()) == timedelta(hours=hours)
    assert working_time(start, end, zone, range(7), {date.fromisoformat(day)}) == timedelta(0)
    assert working_time(end, start, zone, range(7), ()) == timedelta(0)


def answer(status: int | None = 200, ms: int = 20, body: bytes = b"", error: str = "") -> AnswerFacts:
    return AnswerFacts(NOW, "https://triage.example/health", status, ms, body, error)


@pytest.mark.parametrize(
    ("facts", "more", "state", "title"),
    [
        (answer(), {}, State.OK, "It answers"),
        (answer(404), {}, State.FAILING, "triage.example answers 404"),
        (answer(404), {"status": "200,404"}, State.OK, "It answers"),
        (answer(None, error="no answer within 10 s"), {}, State.FAILING, "triage.example does not answer"),
        (answer(ms=2500), {"latency": "2s"}, State.FAILING, "triage.example is slow"),
        (answer(body=b"all well"), {"text": "well"}, State.OK, "It answers"),
        (answer(body=b"sick"), {"text": "well"}, State.FAILING, "triage.example answers something else"),
        (answer(body=b'{"db": [{"ok": true}]}'), {"json_path": "db.0.ok"}, State.OK, "It answers"),
        (answer(body=b'{"db": [{"ok": 1}]}'), {"json_path": "db.0.ok", "json_is": True}, State.FAILING, "triage.example reports db.0.ok wrong"),
        (answer(body=b'{"n": 3}'), {"json_path": "n", "json_is": 3}, State.OK, "It answers"),
        (answer(body=b'{"n": 3}'), {"json_path": "m"}, State.FAILING, "triage.example reports m wrong"),
        (answer(body=b"\xff\xfe garbage"), {"json_path": "m"}, State.FAILING, "triage.example reports m wrong"),
    ],
)
def test_the_first_broken_promise_names_the_failure(facts: AnswerFacts, more: dict[str, object], state: State, title: str) -> None:
    spec = read_spec({"kind": "http", "url": "https://triage.example/health", **more})
    finding = http.judge(facts, spec, NOW)  # type: ignore[arg-type]
    assert (finding.state, finding.title) == (state, title)
    assert finding.says


def test_quality_fails_only_when_even_the_upper_end_is_below_the_promise() -> None:
    def judged(share: float | None, low: float, high: float, n: int) -> State:
        return quality.judge(QualityFacts(share, low, high, n, 0.8, "2026-11-14", "2026-11-20"), QualitySpec(at_least=0.85), NOW).state

    assert judged(0.6, 0.5, 0.7, 60) is State.FAILING
    assert judged(0.82, 0.75, 0.88, 60) is State.SAME
    assert judged(0.9, 0.85, 0.95, 60) is State.OK
    assert judged(0.1, 0.0, 0.4, 29) is State.UNKNOWN
    assert judged(None, 0, 1, 0) is State.UNKNOWN


def test_a_problem_opens_after_so_many_failures_and_closes_after_so_many_successes() -> None:
    standing, moves = Standing("new"), []
    for found in (State.OK, State.FAILING, State.FAILING, State.FAILING, State.OK, State.UNKNOWN, State.OK, State.OK, State.SAME):
        standing, move = stand(standing, found, after=2, well_after=2, now=NOW)
        moves.append(move)
    assert moves == [Move.SETTLES, Move.STAYS, Move.FAILS, Move.FAILS_STILL, Move.STAYS, Move.STAYS, Move.STAYS, Move.RECOVERS, Move.STAYS]


def test_missing_facts_are_never_shown_as_good() -> None:
    standing, _ = stand(Standing("ok", passes=4), State.UNKNOWN, after=1, well_after=1, now=NOW)
    assert standing.state == "unknown"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_and_field_explains_itself_and_its_example_works(name: str) -> None:
    kind = KINDS[name]
    assert kind.about.endswith(".")
    for field in kind.spec.model_fields.values():
        assert field.description
        assert field.description.endswith(".")
    written = next(iter(yaml.safe_load(kind.example).values()))
    assert read_spec(written).kind == name
    spec = {"name": "A", "owners": {"business": "U0A", "operations": "U0B"}, "channel": "#a", "checks": yaml.safe_load(kind.example)}
    assert AgentSpec.model_validate(spec).checks


def test_bad_checks_are_refused_by_name() -> None:
    with pytest.raises(UnknownKind, match="'htpp' is not a kind of check"):
        read_spec({"kind": "htpp"})
    with pytest.raises(ValidationError, match="withn"):
        read_spec({"kind": "no_data", "withn": "4h"})
    with pytest.raises(ValidationError, match="url"):
        HttpSpec.model_validate({"url": "ftp://x"})
