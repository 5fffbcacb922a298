"""Which rule decides, what exactly is approved, which timer comes next."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from bot.agents.spec import ApprovalsSpec, HandoffsSpec, PermissionSpec
from bot.requests.rules import (
    Action,
    Asked,
    Before,
    Decision,
    Due,
    HandoffRate,
    Timing,
    before,
    hash_of,
    judge,
    next_due,
    shown,
    steps_of,
)

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def rule(name: str = "small", then: str = "allow", **more: Any) -> PermissionSpec:
    return PermissionSpec.model_validate({"name": name, "action": "refund.*", "then": then, "agreed_by": "U0MAYA", **more})


def verdict(rules: list[PermissionSpec], action: Action, stage: str = "autonomous", *, asks: bool = False, today: date = TODAY) -> tuple[str, str]:
    found = judge(rules, action, stage=stage, today=today, asks=asks)
    return found.decision.value, found.rule


def test_the_first_rule_that_fits_decides() -> None:
    rules = [rule(at_most={"amount": 50}), rule("large", "ask"), rule("never", "deny", action="*")]
    assert verdict(rules, Action("refund.create", params={"amount": 50})) == ("allow", "small")
    assert verdict(rules, Action("refund.create", params={"amount": 50.01})) == ("ask", "large")
    assert verdict(rules, Action("order.delete")) == ("deny", "never")


@pytest.mark.parametrize("amount", [None, "50", True, [1], {"eur": 1}])
def test_a_limit_holds_only_for_a_number(amount: Any) -> None:
    params = {} if amount is None else {"amount": amount}
    assert verdict([rule(at_most={"amount": 50}), rule("large", "ask")], Action("refund.create", params=params)) == ("ask", "large")


def test_stars_stand_for_anything_and_everything_else_for_itself() -> None:
    rules = [rule(on="order/*", action="refund.create")]
    assert verdict(rules, Action("refund.create", "order/1\n2")) == ("allow", "small")
    assert verdict(rules, Action("refundXcreate", "order/1"))[0] == "deny"
    assert verdict(rules, Action("refund.create", "orders/1"))[0] == "deny"
    assert verdict([rule(on="(a+)+")], Action("refund.create", "aaaa"))[0] == "deny"


def test_a_yes_holds_for_its_identity_alone_and_a_no_for_all() -> None:
    rules = [rule("no", "deny", **{"as": "root", "on": "db"}), rule(**{"as": "svc"})]
    assert verdict(rules, Action("refund.create", "x", "svc")) == ("allow", "small")
    assert verdict(rules, Action("refund.create", "x", "other"))[0] == "deny"
    assert verdict(rules, Action("refund.create", "db", "svc")) == ("deny", "no")


def test_what_no_rule_covers_is_asked_where_somebody_is_named_else_denied() -> None:
    assert verdict([], Action("x"), asks=True) == ("ask", "none")
    assert verdict([], Action("x")) == ("deny", "none")


def test_an_agreement_ends_with_its_last_day() -> None:
    rules = [rule(until=TODAY.isoformat())]
    assert verdict(rules, Action("refund.create"))[0] == "allow"
    assert verdict(rules, Action("refund.create"), today=TODAY + timedelta(days=1))[0] == "ask"


@pytest.mark.parametrize(("stage", "decision"), [("autonomous", "allow"), ("assisted", "ask"), ("shadow", "deny"), ("suspended", "deny"), ("retired", "deny")])
def test_the_stage_comes_first(stage: str, decision: str) -> None:
    assert verdict([rule(stages=["autonomous"])], Action("refund.create"), stage)[0] == decision


def test_an_allow_needs_somebody_who_agreed() -> None:
    with pytest.raises(ValidationError, match="agreed_by"):
        PermissionSpec.model_validate({"name": "a", "action": "x", "then": "allow"})


def test_the_hash_is_of_what_is_done_whatever_the_order_of_its_fields() -> None:
    one = Action("a", "b", None, {"x": 1, "y": [1, {"p": 1, "q": 2}]}).doc()
    two = Action("a", "b", None, {"y": [1, {"q": 2, "p": 1}], "x": 1}).doc()
    assert hash_of(one) == hash_of(two)
    assert hash_of(one) != hash_of(Action("a", "b", None, {"x": 2, "y": [1, {"p": 1, "q": 2}]}).doc())
    assert hash_of(one) != hash_of(Action("a", "b", "root", one["params"]).doc())


def test_what_does_not_show_is_written_out() -> None:
    told = shown({"to": "acct\u202e123\u200b", "plain": "é🙂"})
    assert "\\u202e123\\u200b" in told
    assert "é🙂" in told


ASKED = Asked("approved", True, NOW, used=False, undone=False)


@pytest.mark.parametrize(
    ("asked", "after", "named", "expected"),
    [
        (Asked("open", False, None, False, False), 0, False, Before.OPEN),
        (ASKED, 23, False, Before.USE),
        (ASKED, 24, False, Before.OVER),
        (Asked("approved", True, NOW, True, False), 0, False, Before.USED),
        (Asked("approved", True, NOW, False, True), 0, False, Before.NO),
        (Asked("rejected", False, NOW, False, False), 0, False, Before.NO),
        (Asked("rejected", False, NOW, False, False), 2, False, Before.OVER),
        (Asked("rejected", False, NOW, False, False), 2, True, Before.NO),
        (Asked("timed_out", True, NOW, False, False), 0, False, Before.USE),
        (Asked("withdrawn", False, NOW, False, False), 0, False, Before.OVER),
    ],
)
def test_asking_again_is_answered_by_what_was_answered_before(asked: Asked, after: int, named: bool, expected: Before) -> None:
    assert before(asked, NOW + timedelta(hours=after), named=named) is expected


def timing(kind: str, **more: Any) -> Timing:
    given: dict[str, Any] = {"sla": timedelta(minutes=30), "sla_at": NOW + timedelta(minutes=30), "deadline_at": None, "claimed_at": None, "reminded_at": None, "late": False}
    return Timing(kind, **{**given, **more})


def test_the_next_timer_of_a_request() -> None:
    half = NOW + timedelta(minutes=30)
    early = NOW + timedelta(minutes=5)
    assert next_due(timing("approval")) == (half, Due.TIME_OUT)
    assert next_due(timing("approval", claimed_at=NOW)) == (half, Due.TIME_OUT)
    assert next_due(timing("approval", deadline_at=early)) == (early, Due.TIME_OUT)
    assert next_due(timing("handoff")) == (half, Due.LATE)
    assert next_due(timing("handoff", late=True)) is None
    assert next_due(timing("handoff", late=True, deadline_at=half)) == (half, Due.TIME_OUT)
    assert next_due(timing("handoff", claimed_at=early)) == (early + timedelta(minutes=30), Due.REMIND)
    assert next_due(timing("handoff", claimed_at=NOW, reminded_at=half)) == (half + timedelta(minutes=30), Due.RELEASE)


def test_those_named_are_called_within_the_sla() -> None:
    spec = ApprovalsSpec.model_validate({"by": ["U0LEA", "@desk"], "sla": "30m"})
    assert [(step.call, int(step.after.total_seconds()) // 60) for step in steps_of(spec)] == [("U0LEA", 10), ("@desk", 10), ("U0LEA", 20), ("@desk", 20)]
    assert steps_of(HandoffsSpec.model_validate({}))[-1].call == "leads"


@pytest.mark.parametrize(("handed", "runs", "says"), [(5, 20, "too early to say"), (20, 100, "as planned"), (45, 100, "too many"), (2, 100, "too few"), (200, 100, "too many")])
def test_too_many_and_too_few_hand_offs_are_both_told(handed: int, runs: int, says: str) -> None:
    assert HandoffRate(handed, runs, 0.2).says == says


def test_a_decision_is_one_of_three_words() -> None:
    assert [each.value for each in Decision] == ["allow", "ask", "deny"]
