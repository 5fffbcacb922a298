"""The rules of agreed quiet, as tables: what is covered, which words mean what, and windows over every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quiet import asking, rules
from bot.quiet.asking import Unclear
from bot.quiet.rules import Cover, Move, Plan, Scope, Target

H = timedelta(hours=1)
NOW = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)  # a Friday


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        (Scope(), True),
        (Scope("support-triage"), True),
        (Scope("support-*"), True),
        (Scope("support"), False),
        (Scope("*", "customer service"), True),
        (Scope("*", "Finance"), False),
        (Scope("*", check="nightly"), True),
        (Scope("*", check="night*"), True),
        (Scope("*", check="night"), False),
        (Scope("*", kind="heartbeat"), True),
        (Scope("*", kind="http"), False),
        (Scope("*", severity="page"), True),
        (Scope("*", severity="notice"), False),
        (Scope("support-triage", "Customer service", "nightly", "heartbeat", "page"), True),
        (Scope("support-triage", "Customer service", "nightly", "heartbeat", "notice"), False),
    ],
)
def test_a_scope_covers_a_problem_where_all_it_names_fits(scope: Scope, fits: bool) -> None:
    assert rules.covers(scope, Target("support-triage", "Customer service", "nightly", "heartbeat", "page")) is fits


def test_of_several_the_one_that_ends_last_holds() -> None:
    early, late = Cover("silence:1", NOW, ""), Cover("maintenance:1", NOW + H, "")
    assert rules.longest([early, late]) == late
    assert rules.longest([late, Cover("silence:2", NOW + H, "")]).key == "silence:2"  # type: ignore[union-attr]
    assert rules.longest([]) is None


@pytest.mark.parametrize(("words", "length"), [("30m", H / 2), ("2h", 2 * H), ("3d", 72 * H), ("2H", 2 * H), ("2", None), ("2 h", None), ("-2h", None), ("", None), ("2w", None), ("1e3h", None)])
def test_lengths(words: str, length: timedelta | None) -> None:
    assert rules.length_of(words) == length


@pytest.mark.parametrize(
    ("words", "scope", "lasts", "reason"),
    [
        ("support-triage nightly 2h waiting for the vendor", Scope("support-triage", check="nightly"), 2 * H, "waiting for the vendor"),
        ("support-triage 2h waiting", Scope("support-triage"), 2 * H, "waiting"),
        ("support-triage waiting for the vendor", Scope("support-triage"), 2 * H, "waiting for the vendor"),
        ("support-triage waiting until they answer", Scope("support-triage"), 2 * H, "waiting until they answer"),
        ("support-triage nightly waiting", Scope("support-triage", check="nightly"), 2 * H, "waiting"),
        ("`support-triage` `nightly` 30m x", Scope("support-triage", check="nightly"), H / 2, "x"),
        ("* 1d the move", Scope("*"), 24 * H, "the move"),
        ("all 1d the move", Scope("*"), 24 * H, "the move"),
        ("support-* night* 1d the move", Scope("support-*", check="night*"), 24 * H, "the move"),
        ('department:"Customer service" kind:heartbeat severity:page 1h x', Scope("*", "Customer service", None, "heartbeat", "page"), H, "x"),
        ("department:“Customer service” 1h x", Scope("*", "Customer service"), H, "x"),
        ("support-triage until tomorrow 9:00 the vendor", Scope("support-triage"), at("2026-11-21 07:00") - NOW, "the vendor"),
        ("support-triage nightly until 9:00 tomorrow my time the vendor", Scope("support-triage", check="nightly"), at("2026-11-21 07:00") - NOW, "the vendor"),
        ("support-triage nightly until monday at 09:00 they mend it", Scope("support-triage", check="nightly"), at("2026-11-23 07:00") - NOW, "they mend it"),
        ("support-triage until 3 dec 18:30 x", Scope("support-triage"), at("2026-12-03 16:30") - NOW, "x"),
        ("support-triage until 2026-12-03 x", Scope("support-triage"), at("2026-12-02 22:00") - NOW, "x"),
        ("support-triage for 30m until they answer", Scope("support-triage"), H / 2, "until they answer"),
        ("agent:support-triage check:nightly 1h the cause: unknown", Scope("support-triage", check="nightly"), H, "the cause: unknown"),
    ],
)
def test_the_words_of_a_silence(words: str, scope: Scope, lasts: timedelta, reason: str) -> None:
    asked = asking.read_silence(words, lambda scope: {"nightly", "runs"}, NOW, "Asia/Beirut")
    assert (asked.scope, asked.lasts, asked.reason) == (scope, lasts, reason)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "/aiops silence support-triage"),
        ("support-triage", "Say in a few words why"),
        ("support-triage 2h", "Say in a few words why"),
        ("support-triage nigthly 2h x", "There is no check called nigthly there. There are `nightly`, `runs`."),
        ("support-triage nigthly until 9:00 x", "There is no check called nigthly there."),
        ("support-triage until they answer", "I did not understand until when"),
        ("support-triage until", "I did not understand until when"),
        ("support-triage for ages x", "how long as 30m, 2h or 3d"),
        ("support-triage until tomorrow 9:00", "Say in a few words why"),
        ("support-triage until 2020-01-01 x", "between 1 minute and 30 days"),
        ("support-triage 0m x", "between 1 minute and 30 days"),
        ("support-triage 99999d x", "between 1 minute and 30 days"),
        ("Support/Triage 2h x", "Write an agent's id"),
        ("support-triage severity:loud 2h x", "page or notice"),
    ],
)
def test_words_of_a_silence_that_do_not_fit(words: str, says: str) -> None:
    with pytest.raises(Unclear, match=says.replace("(", ".").replace("/", ".")):
        asking.read_silence(words, lambda scope: {"nightly", "runs"}, NOW, "Asia/Beirut")


@pytest.mark.parametrize(
    ("words", "zone", "starts_at", "lasts"),
    [
        ("support-triage now 2h x", "UTC", NOW, 2 * H),
        ("support-triage 22:00 2h x", "UTC", at("2026-11-20 22:00"), 2 * H),
        ("support-triage 18:00 2h x", "UTC", at("2026-11-21 18:00"), 2 * H),
        ("support-triage tonight 22:00 for 2h x", "Europe/Paris", at("2026-11-20 21:00"), 2 * H),
        ("support-triage tonight at 01:30 2h x", "Europe/Paris", at("2026-11-21 00:30"), 2 * H),
        ("support-triage from tomorrow 6:30 30m x", "Asia/Beirut", at("2026-11-21 04:30"), H / 2),
        ("support-triage sunday 22:00 1d x", "UTC", at("2026-11-22 22:00"), 24 * H),
        ("support-triage fri 22:00 1h x", "UTC", at("2026-11-27 22:00"), H),
        ("support-triage 2026-12-24 22:00 1h x", "America/New_York", at("2026-12-25 03:00"), H),
        ("support-triage zone:Asia/Tokyo 2026-12-24 22:00 1h x", "UTC", at("2026-12-24 13:00"), H),
        ("support-triage 2026-03-29 02:30 1h x", "Europe/Paris", None, None),  # over already
    ],
)
def test_the_words_of_a_window(words: str, zone: str, starts_at: datetime | None, lasts: timedelta | None) -> None:
    if starts_at is None:
        with pytest.raises(Unclear, match="over already"):
            asking.read_maintenance(words, NOW, zone)
        return
    asked = asking.read_maintenance(words, NOW, zone)
    assert (asked.starts_at, asked.lasts, asked.reason, asked.cron) == (starts_at, lasts, "x", None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("support-triage", "Say from when"),
        ("support-triage 25:00 2h x", "Say from when"),
        ("support-triage 22:00 x", "Write how long"),
        ("support-triage 22:00 2h", "Say in a few words what is done"),
        ("support-triage 22:00 8d x", "between 1 minute and 7 days"),
        ("support-triage zone:Mars/Olympus 22:00 2h x", "not an IANA time zone"),
        ('support-triage cron:"0 22 * *" 2h x', "five cron fields"),
        ('support-triage cron:"0 22 31 2 *" 2h x', "not a cron schedule"),
        ('support-triage cron:"0 * * * *" 2h x', "would still run when the next one starts"),
        ("support-triage 2028-01-01 22:00 2h x", "within a year"),
    ],
)
def test_words_of_a_window_that_do_not_fit(words: str, says: str) -> None:
    with pytest.raises(Unclear, match=says):
        asking.read_maintenance(words, NOW, "UTC")


@pytest.mark.parametrize(
    ("now", "begun", "move"),
    [
        ("2026-11-20 21:59", False, Move.WAIT),
        ("2026-11-20 22:00", False, Move.BEGIN),
        ("2026-11-20 23:59", False, Move.BEGIN),
        ("2026-11-20 23:59", True, Move.WAIT),
        ("2026-11-21 00:00", True, Move.END),
        ("2026-11-21 00:00", False, Move.MISSED),
        ("2026-11-25 00:00", False, Move.MISSED),
        ("2026-11-25 00:00", True, Move.END),
        ("2026-11-20 20:00", True, Move.WAIT),  # the clock went back
    ],
)
def test_what_a_window_needs(now: str, begun: bool, move: Move) -> None:
    assert rules.move(Plan(at("2026-11-20 22:00"), at("2026-11-21 00:00"), begun=begun), at(now)) is move


# Zone, cron, hours it lasts, after when; then the starts in UTC. Windows last their real time, so the ends follow.
DST = [
    # Spring: 02:00-03:00 does not exist on 29 March in Paris; the window starts right after the gap.
    ("Europe/Paris", "30 2 * * *", 1, "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:30", "2026-03-31 00:30"]),
    ("Europe/Paris", "0 22 * * *", 4, "2026-03-27 12:00", ["2026-03-27 21:00", "2026-03-28 21:00", "2026-03-29 20:00"]),
    # Autumn: 02:30 comes twice on 25 October; the first one counts.
    ("Europe/Paris", "30 2 * * *", 1, "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
    ("Europe/Paris", "0 22 * * *", 4, "2026-10-23 12:00", ["2026-10-23 20:00", "2026-10-24 20:00", "2026-10-25 21:00"]),
    # Beirut changes at midnight: on 29 March 00:00 does not exist.
    ("Asia/Beirut", "0 0 * * *", 2, "2026-03-27 23:00", ["2026-03-28 22:00", "2026-03-29 21:00"]),
    ("Asia/Beirut", "30 23 * * *", 2, "2026-10-23 12:00", ["2026-10-23 20:30", "2026-10-24 20:30", "2026-10-25 21:30"]),
    ("America/New_York", "30 2 * * sun", 2, "2026-03-01 12:00", ["2026-03-08 07:00", "2026-03-15 06:30"]),
    ("America/New_York", "30 1 * * sun", 2, "2026-10-26 12:00", ["2026-11-01 05:30", "2026-11-08 06:30"]),
    # Lord Howe moves by half an hour.
    ("Australia/Lord_Howe", "15 2 * * *", 1, "2026-10-02 16:00", ["2026-10-03 15:30", "2026-10-04 15:15"]),
    ("Australia/Lord_Howe", "45 1 * * *", 1, "2026-04-03 20:00", ["2026-04-04 14:45", "2026-04-05 15:15"]),
    # Southern: Santiago changes at midnight from Saturday to Sunday.
    ("America/Santiago", "30 23 * * sat", 2, "2026-03-29 12:00", ["2026-04-05 02:30", "2026-04-12 03:30"]),
    ("America/Santiago", "0 0 * * sun", 2, "2026-08-31 12:00", ["2026-09-06 04:00", "2026-09-13 03:00"]),
]


@pytest.mark.parametrize(("zone", "cron", "hours", "after", "starts"), DST)
def test_windows_over_a_change_of_the_clocks(zone: str, cron: str, hours: int, after: str, starts: list[str]) -> None:
    found, moment = [], at(after)
    for _ in starts:
        span = rules.window_after(cron, zone, hours * H, moment, moment)
        assert span is not None
        assert span[1] - span[0] == hours * H
        found.append(span[0])
        moment = span[0]
    assert found == [at(each) for each in starts]


def test_after_a_long_sleep_the_next_window_is_the_one_under_way_or_the_one_to_come() -> None:
    under_way = rules.window_after("0 22 * * *", "UTC", 4 * H, at("2026-11-01 22:00"), at("2026-11-20 23:00"))
    assert under_way == (at("2026-11-20 22:00"), at("2026-11-21 02:00"))
    crossing = rules.window_after("0 22 * * *", "UTC", 4 * H, at("2026-11-01 22:00"), at("2026-11-21 01:59"))
    assert crossing == (at("2026-11-20 22:00"), at("2026-11-21 02:00"))
    to_come = rules.window_after("0 22 * * *", "UTC", 4 * H, at("2026-11-01 22:00"), at("2026-11-21 02:00"))
    assert to_come == (at("2026-11-21 22:00"), at("2026-11-22 02:00"))


@given(
    st.sampled_from(["Europe/Paris", "Asia/Beirut", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Santiago"]),
    st.integers(0, 23), st.integers(0, 59), st.integers(1, 23), st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1)),
)  # fmt: skip
def test_daily_windows_come_every_day_in_order_and_never_overlap(zone: str, hour: int, minute: int, hours: int, since: datetime) -> None:
    moment, spans = since.replace(tzinfo=UTC), []
    for _ in range(10):
        span = rules.window_after(f"{minute} {hour} * * *", zone, hours * H - H / 2, moment, moment)
        assert span is not None
        spans.append(span)
        moment = span[0]
    for earlier, later in pairwise(spans):
        assert earlier[1] <= later[0]
        assert timedelta(hours=22) <= later[0] - earlier[0] <= timedelta(hours=26)
