"""Who may do what, written out by hand beside the table in code."""

from __future__ import annotations

import pytest

from bot.people.rules import RULES, Act, Role, may, refusal

R = Role
EVERYBODY = [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR, R.CALLED, R.RESPONDER, R.LEAD, R.ROTATION, R.NAMED, R.REVIEWER, R.CHANNEL, R.MEMBER]
# One line an act; the roles in the order of the README's table.
EXPECTED: dict[Act, list[Role]] = {
    Act.SEE: EVERYBODY,
    Act.SHARE: EVERYBODY,
    Act.RATE: EVERYBODY,
    Act.ACCEPT_ROLE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR],
    Act.ADD_AGENT: EVERYBODY,
    Act.NAME_OWNER: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR, R.LEAD],
    Act.TEST_PAGE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR, R.LEAD],
    Act.TRY_ROUTES: EVERYBODY,
    Act.REVIEW: [R.BUSINESS, R.OPERATIONS, R.BACKUP],
    Act.ACKNOWLEDGE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.CALLED, R.RESPONDER],
    Act.TAKE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.CALLED, R.RESPONDER, R.CHANNEL],
    Act.SNOOZE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.CALLED, R.RESPONDER],
    Act.STAY_ON: [R.RESPONDER],
    Act.ESCALATE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.CALLED, R.RESPONDER, R.LEAD],
    Act.RESOLVE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.CALLED, R.RESPONDER, R.LEAD],
    Act.SILENCE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD],
    Act.SILENCE_MANY: [R.LEAD],
    Act.HUMAN_REVIEW: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR, R.CALLED, R.RESPONDER, R.LEAD],
    Act.STOP_AGENT: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR, R.CALLED, R.RESPONDER, R.LEAD],
    Act.ROLL_BACK: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR, R.CALLED, R.RESPONDER, R.LEAD],
    Act.SWITCHED: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.CALLED, R.RESPONDER, R.LEAD],
    Act.START_AGENT: [R.BUSINESS, R.OPERATIONS, R.LEAD],
    Act.RETIRE: [R.BUSINESS, R.OPERATIONS, R.LEAD],
    Act.OPEN_INCIDENT: EVERYBODY,
    Act.WORK_INCIDENT: EVERYBODY,
    Act.WAIVE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD, R.RESPONDER],
    Act.CLOSE_INCIDENT: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD, R.RESPONDER],
    Act.TAKE_REQUEST: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD, R.NAMED, R.CHANNEL],
    Act.DECIDE_REQUEST: [R.NAMED],
    Act.UNDO_APPROVAL: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD, R.NAMED],
    Act.FOLLOW_UP: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD, R.RESPONDER],
    Act.IGNORE_TRAFFIC: [R.LEAD],
    Act.REBASELINE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD],
    Act.SAMPLE: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.LEAD],
    Act.GAPS: [R.BUSINESS, R.OPERATIONS, R.BACKUP, R.SPONSOR, R.LEAD],
    Act.AWAY: EVERYBODY,
    Act.ON_CALL: [R.LEAD, R.ROTATION],
}


def test_every_act_is_in_the_table_and_in_this_test() -> None:
    assert set(RULES) == set(Act) == set(EXPECTED)


@pytest.mark.parametrize("act", list(Act), ids=lambda act: act.name.lower())
def test_each_role_may_exactly_what_is_written_here(act: Act) -> None:
    assert [role for role in Role if may({role}, act)] == sorted(EXPECTED[act], key=list(Role).index)


@pytest.mark.parametrize("act", list(Act), ids=lambda act: act.name.lower())
def test_guests_and_strangers_and_nobody_may_nothing(act: Act) -> None:
    assert not may({Role.GUEST}, act)
    assert not may({Role.STRANGER}, act)
    assert not may(set(), act)


@pytest.mark.parametrize("act", list(Act), ids=lambda act: act.name.lower())
def test_a_stranger_may_nothing_whatever_else_they_hold(act: Act) -> None:
    assert not may(set(Role), act)


@pytest.mark.parametrize("act", list(Act), ids=lambda act: act.name.lower())
def test_every_refusal_is_a_whole_sentence_that_says_who_could(act: Act) -> None:
    words = RULES[act].else_ask
    assert words[0].isupper()
    assert words.endswith(".")
    assert len(words) < 150


@pytest.mark.parametrize("outside", [R.GUEST, R.STRANGER])
@pytest.mark.parametrize("act", list(Act))
def test_a_refused_guest_or_stranger_is_never_pointed_to_a_way_that_is_closed_to_them(act: Act, outside: Role) -> None:
    assert "full members" in refusal({outside}, act)
    assert refusal({R.MEMBER}, act) == RULES[act].else_ask
