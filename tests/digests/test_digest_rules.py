"""When a digest is due and how it is worded, without any database."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.calendars import at_local, day_bounds, is_working_day, parse_working_days
from bot.digests import messages
from bot.digests.messages import Marking, Summary
from bot.digests.rules import (
    Asked,
    Hours,
    Move,
    Report,
    Volume,
    covered,
    days_of,
    headline,
    is_fine,
    late_words,
    next_due,
    period_words,
    reviews_needed,
    turn,
    worst_first,
)
from bot.workspace.blocks import check_blocks

WEEK = parse_working_days("mon-fri")
PARIS = Hours("Europe/Paris", time(9), WEEK, frozenset())
OMAR, LEA = Asked(1, "Omar", "U0OMAR"), Asked(2, "Lea", "U0LEA")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def report(number: int = 1, verdict: str = "worth using", **more: object) -> Report:
    ranks = {"not worth using": 560, "silent": 450, "watch": 340, "learning": 250, "worth using": 110, "paused": 50}
    known = verdict not in ("learning", "silent")
    made = Report(
        agent_id=number, slug=f"agent-{number}", name=f"Agent {number}", verdict=verdict, why="people found it so", rank=ranks[verdict],
        share=0.9 if known else None, low=0.85 if known else None, high=0.94 if known else None, n=118 if known else 0, outputs=40, runs=40, operations=OMAR, asked=OMAR,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_digest_is_posted_at_its_local_time_and_not_before() -> None:
    assert turn(at("2026-11-20T07:59"), PARIS, None).move is Move.WAIT
    due = turn(at("2026-11-20T08:00"), PARIS, None)
    assert due.move is Move.POST
    assert due.day == date(2026, 11, 20)
    assert due.next_at == at("2026-11-23T08:00")


def test_the_second_look_at_the_same_day_posts_nothing() -> None:
    again = turn(at("2026-11-20T08:01"), PARIS, date(2026, 11, 20))
    assert again.move is Move.WAIT
    assert again.next_at == at("2026-11-23T08:00")


def test_nothing_is_posted_on_weekends_and_holidays() -> None:
    assert turn(at("2026-11-21T10:00"), PARIS, None).move is Move.WAIT
    holiday = replace(PARIS, holidays=frozenset({date(2026, 11, 20)}))
    assert turn(at("2026-11-20T10:00"), holiday, None).next_at == at("2026-11-23T08:00")


def test_after_downtime_one_digest_the_same_working_day_covers_all_that_was_missed() -> None:
    monday, friday = date(2026, 11, 16), at("2026-11-20T14:30")
    decided = turn(friday, PARIS, monday)
    assert decided.move is Move.POST
    until = day_bounds("2026-11-16", "Europe/Paris")[0]
    first, last = covered(decided.day, PARIS, until)
    assert days_of(first, last, "Europe/Paris") == ("2026-11-16", "2026-11-19")


def test_monday_covers_the_weekend_also_the_first_time() -> None:
    span = covered(date(2026, 11, 23), PARIS, None)
    assert days_of(*span, "Europe/Paris") == ("2026-11-20", "2026-11-22")


@pytest.mark.parametrize("zone", ["Europe/Paris", "Europe/London", "America/Los_Angeles", "Asia/Tokyo"])
def test_agents_of_one_channel_in_other_zones_are_told_by_their_own_day_of_the_same_date(zone: str) -> None:
    """Midnight in Paris is 23:00 in London: the day before it is over when the summary is told, at nine."""
    for day in range(16, 21):
        span = covered(date(2026, 11, day), PARIS, day_bounds(f"2026-11-{day - 1}", "Europe/Paris")[0])
        assert days_of(*span, zone) == (f"2026-11-{day - 1}", f"2026-11-{day - 1}")


def test_a_digest_time_moved_later_in_the_day_posts_no_second_one() -> None:
    later = replace(PARIS, at=time(11))
    assert next_due(at("2026-11-20T08:05"), later, date(2026, 11, 20)) == at("2026-11-23T10:00")
    assert next_due(at("2026-11-20T08:05"), later, date(2026, 11, 19)) == at("2026-11-20T10:00")


ZONES = ["Europe/Paris", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "America/Nuuk", "Asia/Kathmandu", "Africa/Cairo"]


@settings(max_examples=60)
@given(
    st.sampled_from(ZONES), st.dates(date(2011, 12, 1), date(2030, 1, 1)), st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59])),
    st.frozensets(st.integers(0, 6), min_size=1), st.lists(st.integers(1, 90), min_size=40, max_size=60),
)  # fmt: skip
def test_every_working_day_gets_one_digest_and_every_day_is_covered_once_however_the_process_sleeps(
    zone: str, start: date, when: time, working: frozenset[int], naps: list[int]
) -> None:
    """The process looks at irregular moments, up to 30 hours apart."""
    hours = Hours(zone, when, working, frozenset())
    now = at_local(start, time(3), zone)
    posted: date | None = None
    until: datetime | None = None
    spans: list[tuple[datetime, datetime]] = []
    due = next_due(now, hours, None)
    for nap in naps:
        now += timedelta(minutes=20 * nap)
        while due <= now:
            decided = turn(now, hours, posted)
            assert decided.next_at > now
            due = decided.next_at
            if decided.move is Move.POST:
                assert posted is None or decided.day > posted
                assert is_working_day(decided.day, working, ())
                posted = decided.day
                span = covered(decided.day, hours, until)
                spans.append(span)
                until = span[1]
    for (_, end), (begin, _) in itertools.pairwise(spans):
        assert end == begin


def test_the_worst_come_first_and_an_unanswered_page_before_all() -> None:
    reports = [report(1), report(2, "silent"), report(3, "not worth using"), report(4, "watch", calling=True), report(5, "learning")]
    assert [r.agent_id for r in worst_first(reports)] == [4, 3, 2, 5, 1]


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        ([report(1)], "Yesterday's output was worth using. Nobody is needed beyond the daily look."),
        ([report(1), report(2)], "Yesterday's output was worth using, all 2 agents. Nobody is needed beyond the daily look."),
        (
            [report(1), report(2, "not worth using", changes=("system-prompt v15",), problems=("Quality below 85%",), asked=LEA)],
            "Yesterday's output was worth using for 1 of 2 agents; Agent 2 is not worth using. Agent 2 changed: system-prompt v15. "
            "Lea is needed to find out why its outputs are rated bad, and decide whether people should review them until then.",
        ),
        ([report(1, "learning")], "Whether yesterday's output was worth using cannot be said yet: Agent 1 is still learning. Nobody is needed beyond the daily look."),
        ([report(1, "silent")], "Yesterday's output cannot be called worth using: Agent 1 is silent. Omar is needed to find out why nothing comes."),
        # No data is never good.
        ([report(1, outputs=0, runs=0)], "Yesterday's output cannot be called worth using: Agent 1 produced nothing to judge it by. Nobody is needed beyond the daily look."),
    ],
)
def test_the_headline_says_whether_it_was_worth_using_what_changed_and_who_is_needed(reports: list[Report], said: str) -> None:
    assert headline(reports, "yesterday's output") == said


def test_a_weekend_is_called_by_its_days() -> None:
    assert period_words("2026-11-19", "2026-11-19", date(2026, 11, 20)) == "yesterday's output"
    assert period_words("2026-11-20", "2026-11-22", date(2026, 11, 23)) == "the output of Fri 20 Nov to Sun 22 Nov"


def test_an_agent_without_output_is_not_fine() -> None:
    assert is_fine(report(1))
    assert not is_fine(report(1, outputs=0))
    assert not is_fine(report(1, unconfirmed=("operations owner Omar",)))


def test_when_all_is_worth_using_only_the_weeks_first_digest_needs_its_owner() -> None:
    good, bad = report(1), report(2, "watch", asked=LEA)
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    assert reviews_needed([good, bad], monday, [date(2026, 11, 20)], WEEK) == [good, bad]
    assert reviews_needed([good, bad], tuesday, [monday], WEEK) == [bad]
    # All of an owner's agents count together: one that is not fine asks for a look at all of theirs.
    hers = [report(1, asked=LEA), report(2, "watch", asked=LEA)]
    assert reviews_needed(hers, tuesday, [monday], WEEK) == hers


def test_late_data_is_told_in_one_line() -> None:
    then = Volume(40, 40, 0)
    assert late_words([("Support triage", then, then)]) == ""
    assert (
        late_words([("Support triage", then, Volume(52, 53, 2)), ("Quote writer", then, Volume(41, 40, 0))])
        == "Came in after this was posted, for the days it covers: Support triage: 12 more outputs and 13 more runs (2 failed); Quote writer: 1 more output."
    )


names = st.text(min_size=1, max_size=120)
reports = st.builds(
    report,
    st.integers(1, 10**6),
    st.sampled_from(["worth using", "watch", "not worth using", "learning", "silent", "paused"]),
    name=names, why=st.text(max_size=600), outputs=st.integers(0, 10**9), failed=st.integers(0, 50), changes=st.lists(names, max_size=6).map(tuple),
    problems=st.lists(st.text(min_size=1, max_size=400), max_size=5).map(tuple), incidents=st.lists(names, max_size=2).map(tuple),
    asked=st.one_of(st.none(), st.builds(Asked, st.integers(1, 5), names, st.just("U0OMAR"))), unconfirmed=st.lists(names, max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(reports, max_size=80), st.text(max_size=3000))
def test_whatever_the_agents_are_called_the_summary_stays_within_slacks_limits(found: list[Report], late: str) -> None:
    marking = Marking(("Omar",), tuple((Asked(i, "N" * 120), 3) for i in range(30)))
    digest = Summary(1, date(2026, 11, 20), "2026-11-19", "2026-11-19", tuple(found), marking, late)
    for message in [messages.summary(digest), *messages.pages(digest)]:
        check_blocks(message.blocks, "message")
        assert len(message.blocks) < 50
        assert len(message.text) < 4000
        for line in message.text.splitlines():
            assert "<!" not in line


@pytest.mark.parametrize("count", [1, 7, 60, 500])
@pytest.mark.parametrize("verdict", ["worth using", "not worth using"])
def test_every_agent_of_a_channel_is_told_once_from_1_to_500_with_long_names(count: int, verdict: str) -> None:
    long = [report(i, verdict, name=f"{i:03d} " + "Ω" * 116, problems=("p" * 300,) if verdict != "worth using" else ()) for i in range(count)]
    digest = Summary(1, date(2026, 11, 20), "2026-11-19", "2026-11-19", tuple(long), Marking())
    told = [messages.summary(digest), *messages.pages(digest)]
    for message in told:
        check_blocks(message.blocks, "message")
        assert len(message.blocks) < 50
    words = "\n".join(str(message.blocks) for message in told)
    for each in long:
        assert each.name in words
