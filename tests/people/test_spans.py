from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.people.spans import from_epoch, parse_length, parse_moment, parse_span

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)  # a Friday, 10:00 in Beirut
BEIRUT = "Asia/Beirut"


@pytest.mark.parametrize(
    ("words", "instant"),
    [
        ("18:00", "2026-11-20T16:00"),
        ("9:00", "2026-11-21T07:00"),  # over for today
        ("friday 18:00", "2026-11-27T16:00"),
        ("tomorrow at 9:00", "2026-11-21T07:00"),
        ("today 11:30", "2026-11-20T09:30"),
        ("monday", "2026-11-22T22:00"),
        ("2026-12-03 18:00", "2026-12-03T16:00"),
        ("3 dec 18:00", "2026-12-03T16:00"),
        ("25:00", None),
        ("someday", None),
        ("", None),
    ],
)
def test_a_moment_is_read_in_the_zone_of_the_one_who_says_it(words: str, instant: str | None) -> None:
    assert parse_moment(words, NOW, BEIRUT) == (datetime.fromisoformat(instant).replace(tzinfo=UTC) if instant else None)


@pytest.mark.parametrize(("words", "length"), [("8h", timedelta(hours=8)), ("30 minutes", timedelta(minutes=30)), ("2 days", timedelta(days=2)), ("1 week", timedelta(days=7)), ("0h", None), ("8 moons", None), ("h", None)])
def test_a_length(words: str, length: timedelta | None) -> None:
    assert parse_length(words) == length


def test_a_span_has_a_beginning_and_perhaps_an_end() -> None:
    assert parse_span("", NOW, BEIRUT) == (NOW, None)
    assert parse_span("for 8h", NOW, BEIRUT) == (NOW, NOW + timedelta(hours=8))
    assert parse_span("until 18:00", NOW, BEIRUT) == (NOW, NOW + timedelta(hours=8))
    tomorrow = datetime(2026, 11, 21, 7, tzinfo=UTC)
    assert parse_span("from tomorrow 9:00 for 2h", NOW, BEIRUT) == (tomorrow, tomorrow + timedelta(hours=2))
    assert parse_span("from tomorrow 9:00 until 18:00", NOW, BEIRUT) == (tomorrow, tomorrow + timedelta(hours=9))
    assert parse_span("from tomorrow 9:00", NOW, BEIRUT) == (tomorrow, None)
    for words in ("whenever", "until whenever", "for ever", "from someday until friday", "until"):
        assert parse_span(words, NOW, BEIRUT) is None


@given(st.text(max_size=60))
def test_no_words_break_it(words: str) -> None:
    found = parse_span(words, NOW, BEIRUT)
    assert found is None or found[0].tzinfo is not None


def test_slacks_picker_gives_seconds_and_nothing_else_is_taken() -> None:
    assert from_epoch("1763900000") == datetime(2025, 11, 23, 12, 13, 20, tzinfo=UTC)
    for wrong in (None, "", "soon", "-5", "1" * 30):
        assert from_epoch(wrong) is None
