from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from bot.agents.files import BadFile, read_text
from bot.checks.kinds import SPECS
from bot.checks.kinds.heartbeat import Beat, BeatFacts, HeartbeatSpec, expected, judge, next_look
from bot.paging.rules import State

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)  # a Friday
LONG_AGO = NOW - timedelta(days=90)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def spec(**fields: Any) -> HeartbeatSpec:
    return HeartbeatSpec.model_validate({"every": "1h", **fields} if "cron" not in fields else fields)


def facts(*beats: Beat, since: datetime = LONG_AGO, zone: str = "UTC", words: str = "") -> BeatFacts:
    ordered = tuple(sorted(beats, key=lambda beat: beat.at))
    return BeatFacts(ordered, since, zone, ordered[0].at if ordered else None, words)


# zone, cron, a moment before, and the times (UTC) it must report at, across the change of the clocks
DST = [
    # Paris: 02:00-03:00 is skipped on 29 March, 02:00-03:00 comes twice on 25 October
    ("Europe/Paris", "30 2 * * *", "2026-03-27T12:00", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    ("Europe/Paris", "30 2 * * *", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
    ("Europe/Paris", "0 * * * *", "2026-10-24T23:30", ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"]),
    # Beirut: midnight itself is skipped on 29 March, 23:00-24:00 comes twice on 24 October
    ("Asia/Beirut", "0 0 * * *", "2026-03-27T12:00", ["2026-03-27T22:00", "2026-03-28T22:00", "2026-03-29T21:00"]),
    ("Asia/Beirut", "30 23 * * *", "2026-10-23T12:00", ["2026-10-23T20:30", "2026-10-24T20:30", "2026-10-25T21:30"]),
    # New York: 8 March and 1 November
    ("America/New_York", "30 2 * * *", "2026-03-07T12:00", ["2026-03-08T07:00", "2026-03-09T06:30"]),
    ("America/New_York", "30 1 * * *", "2026-10-31T12:00", ["2026-11-01T05:30", "2026-11-02T06:30"]),
    # Lord Howe moves by half an hour: 4 October and 5 April
    ("Australia/Lord_Howe", "15 2 * * *", "2026-10-02T20:00", ["2026-10-03T15:30", "2026-10-04T15:15"]),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-03T20:00", ["2026-04-04T14:45", "2026-04-05T15:15"]),
    # Santiago: midnight is skipped on 6 September, 23:00-24:00 comes twice on 4 April
    ("America/Santiago", "0 0 * * *", "2026-09-05T12:00", ["2026-09-06T04:00", "2026-09-07T03:00"]),
    ("America/Santiago", "30 23 * * *", "2026-04-04T12:00", ["2026-04-05T02:30", "2026-04-06T03:30"]),
]


@pytest.mark.parametrize(("zone", "cron", "before", "times"), DST)
def test_a_skipped_time_is_expected_after_the_gap_and_a_repeated_one_the_first_time(zone: str, cron: str, before: str, times: list[str]) -> None:
    found = expected(spec(cron=cron, zone=zone), "UTC", at(before))
    assert [next(found) for _ in times] == [at(each) for each in times]


@pytest.mark.parametrize(("zone", "cron", "before", "times"), DST)
def test_across_the_change_a_missing_report_fails_right_after_its_deadline_and_not_before(zone: str, cron: str, before: str, times: list[str]) -> None:
    daily = spec(cron=cron, grace="10m")
    heard = Beat(at(before), "success")
    for moment in map(at, times):
        seen = facts(heard, zone=zone, since=at(before))
        deadline = moment + timedelta(minutes=10)
        assert judge(seen, daily, deadline).state is State.OK
        assert next_look(seen, daily, deadline - timedelta(minutes=20)) == deadline + timedelta(milliseconds=1)
        finding = judge(seen, daily, deadline + timedelta(milliseconds=1))
        assert (finding.state, finding.since) == (State.FAILING, moment)
        heard = Beat(moment + timedelta(minutes=1), "success")


@pytest.mark.parametrize(("zone", "cron", "twice"), [("Europe/Paris", "30 2 * * *", "2026-10-25T01:10"), ("America/New_York", "30 1 * * *", "2026-11-01T06:05"), ("Asia/Beirut", "30 23 * * *", "2026-10-24T21:05")])
def test_in_the_hour_that_comes_again_nothing_is_expected_a_second_time(zone: str, cron: str, twice: str) -> None:
    again = next(expected(spec(cron=cron, zone=zone), "UTC", at(twice)))
    assert again > at(twice) + timedelta(hours=20)


def test_an_interval_is_counted_in_real_time_through_a_change_of_the_clocks() -> None:
    heard = at("2026-10-24T22:30")
    assert next(expected(spec(every="4h", zone="Europe/Paris"), "Europe/Paris", heard)) == heard + timedelta(hours=4)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"cron": "61 * * * *"}, "is not a cron schedule (bad minute)"),
        ({"cron": "0 3 * *"}, "is not five cron fields"),
        ({"cron": "0 0 3 * * *"}, "is not five cron fields"),
        ({"cron": "@daily"}, "is not five cron fields"),
        ({"cron": "0 0 30 2 *"}, "is not a cron schedule"),
        ({"cron": "0 3 * * *", "zone": "Mars/Olympus"}, "is not an IANA time zone"),
        ({"cron": "0 3 * * *", "every": "1h"}, "not both"),
        ({}, "a heartbeat needs a schedule"),
        ({"every": "1s"}, "at least 10s"),
        ({"every": "1h", "at_most": "1m", "at_least": "2m"}, "every run would fail"),
        ({"every": "often"}, "is not a duration"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_by_name_and_place(fields: dict[str, str], says: str) -> None:
    lines = "".join(f'          {name}: "{value}"\n' for name, value in fields.items())
    text = f"""agents:
  a:
    name: A
    owners: {{business: U0MAYA, operations: U0OMAR}}
    channel: "#a"
    checks:
        nightly:
          kind: heartbeat
{lines}"""
    with pytest.raises(BadFile) as caught:
        read_text(text, SPECS)
    [mistake] = caught.value.mistakes
    assert says in mistake.message
    assert "nightly" in mistake.field
    assert mistake.line > 6


def test_a_cron_is_watched_from_its_creation_and_an_interval_from_its_first_ping() -> None:
    nightly = spec(cron="0 3 * * *", grace="20m")
    fresh = facts(since=at("2026-11-20T02:00"))
    assert judge(fresh, nightly, at("2026-11-20T03:20")).state is State.UNKNOWN
    missing = judge(fresh, nightly, at("2026-11-20T03:21"))
    assert missing.says == "A report was expected at 2026-11-20 03:00 UTC, with 20m of grace, and did not come; nothing was ever reported."
    hourly = spec()
    waiting = judge(facts(), hourly, NOW)
    assert (waiting.state, waiting.says) == (State.UNKNOWN, "Nothing was reported yet; its first report starts the watch.")
    assert waiting.nothing  # told by `aiops plan` and the digest: what never came cannot be missed
    assert not judge(fresh, nightly, at("2026-11-20T03:20")).nothing
    assert next_look(facts(), hourly, NOW) == NOW + timedelta(hours=1)
    only_a_log = BeatFacts((), LONG_AGO, "UTC", ago(hours=2))
    assert judge(only_a_log, hourly, NOW).state is State.FAILING


def test_a_report_is_late_only_after_deadline_and_grace() -> None:
    hourly = spec(grace="5m")
    seen = facts(Beat(ago(hours=1, minutes=5), "success"))
    assert judge(seen, hourly, NOW).state is State.OK
    late = judge(seen, hourly, NOW + timedelta(seconds=1))
    assert (late.state, late.title, late.since) == (State.FAILING, "a heartbeat is missing", ago(minutes=5))
    assert late.says == "A report was expected every 1h, with 5m of grace, and did not come; the last report came at 2026-11-20 06:55 UTC."


def test_a_ping_a_few_seconds_early_counts_for_its_time() -> None:
    nightly = spec(cron="0 3 * * *", grace="20m")
    assert judge(facts(Beat(at("2026-11-20T02:59:45"), "success")), nightly, at("2026-11-20T06:00")).state is State.OK
    assert judge(facts(Beat(at("2026-11-20T02:50:00"), "success")), nightly, at("2026-11-20T06:00")).state is State.FAILING


def test_a_failure_is_told_with_its_exit_code_and_its_words() -> None:
    finding = judge(facts(Beat(ago(minutes=9), "success"), Beat(ago(minutes=1), "fail", exit_code=3), words="disk full"), spec(), NOW)
    assert (finding.state, finding.title) == (State.FAILING, "a run reported failure")
    assert finding.says == "The run that ended at 2026-11-20 07:59 UTC reported failure with exit code 3. It said: disk full"
    assert finding.evidence["Last good report"] == "2026-11-20 07:51 UTC"
    assert finding.evidence["It said"] == "disk full"


def test_failures_and_missing_reports_in_a_row_count_together() -> None:
    patient = spec(after=3, grace="0s")
    two = facts(Beat(ago(hours=3), "success"), Beat(ago(minutes=90), "fail"))
    assert judge(two, patient, ago(minutes=31)).state is State.SAME
    assert judge(two, patient, ago(minutes=29)).state is State.SAME  # one failure, one missed
    assert judge(two, patient, NOW + timedelta(minutes=31)).state is State.FAILING  # one failure, two missed


def test_it_is_well_again_only_after_as_many_good_reports_without_a_gap() -> None:
    wary = spec(well_after=2, grace="5m")
    failed = Beat(ago(hours=3), "fail")
    assert judge(facts(failed, Beat(ago(minutes=50), "success")), wary, NOW).state is State.SAME
    assert judge(facts(failed, Beat(ago(minutes=50), "success"), Beat(ago(minutes=1), "success")), wary, NOW).state is State.OK
    gap = facts(*(Beat(ago(hours=hours), "success") for hours in (12, 11, 10)), Beat(ago(minutes=5), "success"))
    assert judge(gap, wary, NOW).state is State.SAME


def test_runs_that_overlap_are_measured_apart_by_their_ids() -> None:
    wary = spec(at_most="30m")
    seen = facts(Beat(ago(minutes=40), "start", "a"), Beat(ago(minutes=20), "start", "b"), Beat(ago(minutes=15), "success", "b"))
    finding = judge(seen, wary, NOW)
    assert (finding.state, finding.title, finding.since) == (State.FAILING, "a run started and has not ended", ago(minutes=10))
    assert finding.says == "The run a started at 2026-11-20 07:20 UTC and has not ended; at most 30m is promised."
    assert judge(facts(*seen.beats, Beat(ago(minutes=11), "success", "a")), wary, NOW).state is State.OK
    assert next_look(facts(*seen.beats), wary, ago(minutes=12)) == ago(minutes=10) + timedelta(milliseconds=1)


def test_a_run_that_crashed_without_a_word_is_over_once_a_later_one_ends_well() -> None:
    wary = spec(at_most="30m")
    crashed = Beat(ago(minutes=50), "start", "a")
    later = (Beat(ago(minutes=10), "start", "b"), Beat(ago(minutes=5), "success", "b"))
    assert judge(facts(crashed), wary, NOW).state is State.FAILING
    assert judge(facts(crashed, *later), wary, NOW).state is State.OK


def test_a_run_that_began_in_time_is_waited_for_only_where_a_longest_time_is_promised() -> None:
    began = Beat(at("2026-11-20T03:01"), "start")
    ended = Beat(at("2026-11-19T03:30"), "success")
    plain = judge(facts(ended, began), spec(cron="0 3 * * *", grace="20m"), at("2026-11-20T03:21"))
    assert (plain.state, plain.title) == (State.FAILING, "a run started and has not ended")
    assert plain.says == "A run started at 2026-11-20 03:01 UTC and has not ended; it had to by 2026-11-20 03:20 UTC."
    patient = spec(cron="0 3 * * *", grace="20m", at_most="2h")
    assert judge(facts(ended, began), patient, at("2026-11-20T05:01")).state is State.OK
    assert judge(facts(ended, began), patient, at("2026-11-20T05:01:01")).state is State.FAILING


def test_a_run_that_ends_suspiciously_soon_fails() -> None:
    wary = spec(at_least="1m")
    finding = judge(facts(Beat(ago(seconds=12), "start"), Beat(ago(seconds=10), "success", exit_code=0)), wary, NOW)
    assert finding.title == "a run was suspiciously short"
    assert "took 2 s; less than 1m" in finding.says
    assert judge(facts(Beat(ago(seconds=10), "success")), wary, NOW).state is State.OK  # nobody said when it began


def test_a_schedule_is_read_back_as_it_was_written() -> None:
    assert spec(cron="0 3 * * mon-fri").model_dump(mode="json", exclude_unset=True) == {"cron": "0 3 * * mon-fri"}
    with pytest.raises(ValidationError):
        HeartbeatSpec.model_validate({"every": "1h", "grase": "5m"})


def test_a_clock_that_was_put_back_between_start_and_end_makes_no_run_too_short() -> None:
    wary = spec(at_least="1m")
    beats = (Beat(ago(minutes=2), "start"), Beat(ago(minutes=50), "success"))
    assert judge(BeatFacts(beats, LONG_AGO, "UTC", ago(hours=3)), wary, NOW).state is State.OK
