"""What becomes of a letter: outages wait, poison steps aside, and a place that is away is left alone longer and longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.agents.outward import FeedbackSpec
from bot.feedback.outward.places.known import NoKey, headers_of, targets_of
from bot.feedback.outward.places.place import hex_id, uuid_id
from bot.feedback.outward.rules import PATIENCE, POISON_TRIES, UNTIL_STORED, Fate, Next, decide
from bot.routes.outcome import Kind, Outcome

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
AWAY, MISSING = Outcome(Kind.UNKNOWN, "http_503"), Outcome(Kind.NO_PLACE, "http_404")


def after(outcome: Outcome, tries: int = 1, waited: timedelta = timedelta(0), failures: int = 0) -> Next:
    return decide(NOW, outcome, tries=tries, since=NOW - waited, failures=failures)


def test_each_ending_of_a_try_has_its_own_patience() -> None:
    assert after(Outcome(Kind.OK)) == Next(Fate.TOLD)
    assert after(Outcome(Kind.REFUSED, "http_400")) == Next(Fate.ASIDE, why="http_400")
    slow = after(Outcome(Kind.RATE_LIMITED, "http_429", 90))
    assert slow.again_at == slow.hold_until == NOW + timedelta(seconds=90)
    # A trace that is not stored yet: its own letter waits, its place does not.
    assert [after(MISSING, tries).again_at for tries in (1, 2, 20)] == [NOW + timedelta(seconds=5), NOW + timedelta(seconds=10), NOW + timedelta(hours=1)]
    assert after(MISSING).hold_until is None
    assert after(MISSING, 80, UNTIL_STORED).fate is Fate.ASIDE
    # An outage: the place is left alone longer and longer, up to ten minutes; letters are kept for a month.
    assert [after(AWAY, 1, failures=number).hold_until for number in (1, 2, 3, 30)] == [None, NOW + timedelta(seconds=10), NOW + timedelta(seconds=20), NOW + timedelta(minutes=10)]
    assert after(AWAY, 500, timedelta(days=20), failures=500).fate is Fate.AGAIN
    assert after(AWAY, 500, PATIENCE, failures=500).fate is Fate.ASIDE
    # A letter on which a place fails again and again while it takes others is poison.
    assert after(AWAY, POISON_TRIES, failures=0) == Next(Fate.ASIDE, why="http_503")
    assert after(AWAY, POISON_TRIES - 1, failures=0).fate is Fate.AGAIN
    assert after(Outcome(Kind.UNAUTHORISED, "http_401")).hold_until == NOW + timedelta(minutes=5)


def test_keys_come_from_the_environment_alone() -> None:
    spec = FeedbackSpec.model_validate({
        "webhook": True,
        "to": [
            {"langfuse": {"url": "https://langfuse.example.com/"}}, {"mlflow": {"url": "http://mlflow:5000", "token": "MLFLOW_TOKEN"}},
            {"phoenix": {"url": "http://phoenix:6006"}}, {"otlp": {"url": "http://otel:4318", "headers": "OTEL_HEADERS"}},
        ],
    })  # fmt: skip
    held = {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk", "MLFLOW_TOKEN": "t", "OTEL_HEADERS": "api-key=a%20b, x-scope = one"}
    targets = targets_of(spec)
    assert list(targets) == ["langfuse https://langfuse.example.com", "mlflow http://mlflow:5000", "phoenix http://phoenix:6006", "otlp http://otel:4318", "webhook"]
    headers = [dict(headers_of(store, held.get)) for store in targets.values() if store is not None]
    assert headers == [{"Authorization": "Basic cGs6c2s="}, {"Authorization": "Bearer t"}, {}, {"api-key": "a b", "x-scope": "one"}]
    langfuse = next(iter(targets.values()))
    assert langfuse is not None
    with pytest.raises(NoKey, match="LANGFUSE_SECRET_KEY"):
        headers_of(langfuse, {"LANGFUSE_PUBLIC_KEY": "pk"}.get)


def test_ids_of_traces_are_read_in_every_spelling() -> None:
    plain = "0af7651916cd43dd8448eb211c80319c"
    assert {hex_id(each, 32) for each in (plain, plain.upper(), f"tr-{plain}", hex(int(plain, 16)), "0af76519-16cd-43dd-8448-eb211c80319c")} == {plain}
    assert [hex_id(each, 32) for each in (None, "", "0" * 32, "run-12", plain[:-1], "0x")] == [None] * 6
    assert uuid_id(plain) == "0af76519-16cd-43dd-8448-eb211c80319c"
