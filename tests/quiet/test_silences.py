"""Silences: a problem under one is kept and shown and calls nobody; at its end people are called if it still fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.quiet.reading import cover_of
from bot.quiet.rules import Target
from bot.surface.press import Ask, Mend
from bot.tables import Climb, Decision, Problem, Silence
from tests.paging.world import CHANNEL, World, text_of

PAGE = "page:1:channel"


def silences(world: World) -> list[Silence]:
    return world.do(lambda tx: list(tx.scalars(select(Silence).order_by(Silence.id))))


def decided(world: World, action: str) -> list[Decision]:
    return world.do(lambda tx: list(tx.scalars(select(Decision).where(Decision.action == action).order_by(Decision.id))))


def test_a_problem_under_a_silence_is_shown_and_calls_nobody_and_is_paged_when_the_silence_ends(world: World) -> None:
    said = world.say("omar", "silence support-triage runs 2h waiting for the vendor")
    assert "the check `runs` of *Support triage*: silenced until" in said
    told = world.text(f"silence:1:{CHANNEL}")
    assert "Omar silenced the check `runs` of *Support triage* until" in told
    assert "waiting for the vendor. Nobody is called about it until then." in told
    world.run("failed", error="KeyError: order_id")
    assert (world.called(), world.pages()) == ([], [])
    problem = world.problems()[0]
    assert (problem.quiet_by, problem.page_id) == ("silence:1", None)
    line = world.text("problem:1:channel")
    assert "SILENCED Support triage" in line
    assert "KeyError: order_id" in line
    assert "It is silenced by Omar until" in line
    world.move(hours=1, minutes=59)
    assert world.called() == []
    world.move(minutes=1)
    assert world.called() == ["Omar"]
    assert "1 problem is still open: people are called now." in world.text(f"silence:1:over:{CHANNEL}")
    assert "people are called now" in world.text("problem:1:channel")
    assert "It ended" in world.text(f"silence:1:{CHANNEL}")
    assert world.buttons(f"silence:1:{CHANNEL}") == []
    assert [(each.person_id, each.words) for each in decided(world, "silence.add")] == [(2, "waiting for the vendor")]
    assert [each.came_from for each in decided(world, "silence.end")] == ["timer"]


def test_a_problem_that_recovers_under_a_silence_never_calls_and_its_line_says_so(world: World) -> None:
    world.say("omar", "silence support-triage 2h waiting for the vendor")
    world.run("failed")
    world.move(minutes=10)
    world.run("ok")
    assert "It is over since" in world.text("problem:1:channel")
    assert "nobody was called" in world.text("problem:1:channel")
    world.move(hours=3)
    assert (world.called(), world.pages()) == ([], [])
    assert "Nothing that it held back is open." in world.text(f"silence:1:over:{CHANNEL}")


def test_a_page_already_out_stops_calling_and_says_so_and_calls_from_the_start_when_the_silence_ends(world: World) -> None:
    world.run("failed")
    assert world.called() == ["Omar"]
    world.move(minutes=5)
    world.say("maya", "silence support-triage 30m the vendor restarts it")
    page = world.pages()[0]
    assert page.quiet_until == world.clock.now() + timedelta(minutes=30)
    assert "Nobody is called now." in world.text(PAGE)
    assert "Silenced by Maya until" in world.text(PAGE)
    assert "Nobody is called any more: Silenced by Maya" in world.lines(PAGE)[-1]
    assert "Nobody is called about it meanwhile" in world.rows("call:")[0].want["text"]
    world.move(minutes=25)
    assert world.called() == ["Omar"]
    assert "nobody is called now" in world.say("omar", "page")
    assert "quiet is agreed" in text_of(world.press("omar", "paging.escalate", "page:1:1"))
    world.move(minutes=5)
    assert world.called() == ["Omar", "Omar"]
    assert world.pages()[0].quiet_until is None
    assert "calling begins from the start" in world.lines(PAGE)[-2]
    world.move(minutes=10)
    assert world.called() == ["Omar", "Omar", "Lea"]


def test_a_page_somebody_has_stays_theirs_through_a_silence_and_after_it(world: World) -> None:
    world.run("failed")
    world.press("omar", "paging.acknowledge", "page:1")
    before = world.pages()[0]
    world.say("omar", "silence support-triage 1h the vendor restarts it")
    held = world.pages()[0]
    assert (held.acked_by, held.acked_at, held.ack_until) == (before.acked_by, before.acked_at, before.ack_until)
    assert "Omar" in world.text(PAGE)
    world.move(hours=1)
    after = world.pages()[0]
    assert (after.acked_by, after.ack_until, after.quiet_until) == (before.acked_by, before.ack_until, None)
    assert world.called() == ["Omar"]
    assert world.lines(PAGE)[-1].endswith("Whoever has this page keeps it.")


def test_a_hold_that_ends_inside_a_silence_calls_only_at_the_silences_end(world: World) -> None:
    world.run("failed")
    world.press("omar", "paging.acknowledge", "page:1")  # until 12:00
    world.say("omar", "silence support-triage 1d the vendor restarts it")
    world.move(hours=5)
    assert world.called() == ["Omar"]
    assert world.pages()[0].acked_by is None
    assert "Nobody is called now, because quiet is agreed until" in world.lines(PAGE)[-1]
    world.move(hours=19)
    assert world.called() == ["Omar", "Omar"]


def test_a_page_resolves_and_says_so_inside_a_silence(world: World) -> None:
    world.run("failed")
    world.say("omar", "silence support-triage 1h the vendor restarts it")
    world.move(minutes=5)
    world.run("ok")
    page = world.pages()[0]
    assert (page.resolved_at is not None, page.quiet_until) == (True, None)
    assert "It is over" in world.lines("page:1:dm:2")[-1]
    world.move(hours=2)
    assert world.called() == ["Omar"]


def test_another_problem_of_the_agent_that_is_not_silenced_calls_and_ends_the_hold_of_the_page(world: World) -> None:
    def second(tx) -> None:  # type: ignore[no-untyped-def]
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "checks": {**agent.spec["checks"], "nightly": {"kind": "run_failed", "severity": "page"}}}
        agent.spec_rev += 1

    world.run("failed")
    world.say("omar", "silence support-triage check:runs 1h the vendor restarts it")
    assert world.pages()[0].quiet_until is not None
    world.do(second)
    world.run("failed")
    assert world.pages()[0].quiet_until is None
    assert world.called() == ["Omar", "Omar"]


def test_ending_a_silence_early_calls_at_once_and_names_who_ended_it(world: World) -> None:
    world.say("omar", "silence support-triage 2h waiting for the vendor")
    world.run("failed")
    world.move(minutes=10)
    assert world.buttons(f"silence:1:{CHANNEL}") == []  # it stands beside the words
    assert "is over. A problem that is still open calls people now." in text_of(world.press("lea", "quiet.end", "silence:1"))
    assert world.called() == ["Omar"]
    assert "Lea ended the silence of *Support triage*" in world.text(f"silence:1:over:{CHANNEL}")
    assert "over already" in text_of(world.press("lea", "quiet.end", "silence:1"))
    world.move(hours=3)
    assert len(world.rows(f"silence:1:over:{CHANNEL}")) == 1


def test_two_silences_that_overlap_end_with_the_later_one(world: World) -> None:
    world.say("omar", "silence support-triage runs 2h waiting for the vendor")
    world.run("failed")
    world.move(hours=1)
    world.say("zoe", "silence * 3h the whole floor moves")
    assert world.problems()[0].quiet_by == "silence:2"
    world.move(hours=1)
    assert world.called() == []
    world.press("zoe", "quiet.end", "silence:2")
    assert world.called() == ["Omar"]


def test_a_machine_asleep_over_the_end_of_a_silence_calls_late_and_once(world: World) -> None:
    world.say("omar", "silence support-triage 2h waiting for the vendor")
    world.run("failed")
    world.move(hours=30)
    assert world.called() == ["Omar"]
    assert len(world.rows(f"silence:1:over:{CHANNEL}")) == 1


def test_a_notice_is_silenced_too_and_shown_as_a_notice_afterwards(world: World) -> None:
    def lower(tx) -> None:  # type: ignore[no-untyped-def]
        agent = world.agent(tx)
        agent.spec = {**agent.spec, "checks": {"runs": {"kind": "run_failed", "severity": "notice"}}}
        agent.spec_rev += 1

    world.do(lower)
    world.settle()
    world.say("omar", "silence support-triage severity:notice 1h known")
    world.run("failed")
    assert "SILENCED" in world.text("problem:1:channel")
    world.move(hours=1)
    assert "NOTICE Support triage" in world.text("problem:1:channel")
    assert world.called() == []


def test_a_silence_that_comes_as_the_page_opens_still_stops_the_first_call(world: World) -> None:
    world.run("failed")
    world.do(lambda tx: setattr(tx.scalars(select(Climb)).one(), "next_at", world.clock.now()))
    world.press("omar", "silence", how="command", words=("support-triage", "1h", "known"), settle=False)
    world.settle()
    assert world.called() == ["Omar"]  # only the one that was out already
    assert world.pages()[0].quiet_until is not None


@pytest.mark.parametrize(
    ("who", "words", "answer"),
    [
        ("ben", "silence support-triage 2h because", "by an owner of the agent or a lead"),
        ("sam", "silence support-triage 2h because", "by an owner of the agent or a lead"),
        ("omar", "silence support-* 2h because", "for a lead"),
        ("omar", "silence department:Customer service 2h because", "No agent of the department Customer fits"),
        ("omar", 'silence department:"Customer service" 2h because', "for a lead"),
        ("gus", "silence", "full members"),
        ("gus", "silence support-triage 2h because", "full members"),
        ("zoe", "silence * 2h because", "all agents: silenced until"),
        ("zoe", 'silence department:"customer SERVICE" 2h because', "all agents of customer SERVICE: silenced until"),
        ("lea", "silence support-triage because the vendor mends it", "*Support triage*: silenced until"),
        ("omar", "silence support-triage 31d because", "between 1 minute and 30 days"),
        ("omar", "silence support-triage 2h", "Say in a few words why"),
        ("omar", "silence support-triage nightly 2h because", "no check called nightly there. There are `runs`."),
        ("omar", "silence support-triage check:nightly 2h because", "no check called nightly there. There are runs."),
        ("omar", "silence support 2h because", "Did you mean `support-triage`?"),
        ("omar", "silence nowhere 2h because", "There is no agent nowhere."),
        ("omar", "silence support-triage kind:nonsense 2h because", "No check is of the kind nonsense. In use: run_failed."),
        ("omar", "silence support-triage severity:loud 2h because", "page or notice"),
        ("omar", "silence <!channel> 2h because", "Write an agent's id"),
        ("omar", "silence end 7", "There is no silence 7"),
    ],
)
def test_who_may_and_what_is_said_to_words_that_do_not_fit(world: World, who: str, words: str, answer: str) -> None:
    assert answer in world.say(who, words)
    assert bool(silences(world)) is ("silenced until" in answer)


def test_a_silence_without_a_length_lasts_two_hours_and_its_reason_pings_nobody(world: World) -> None:
    world.say("omar", "silence support-triage <!channel> is tired of it")
    row = silences(world)[0]
    assert row.until - row.made_at == timedelta(hours=2)
    assert "<!channel>" not in world.text(f"silence:1:{CHANNEL}")
    assert "&lt;!channel&gt; is tired of it" in world.text(f"silence:1:{CHANNEL}")


def test_the_list_shows_silences_and_wrong_checks_with_a_button_each(world: World) -> None:
    assert "Nothing is silenced" in world.say("ben", "silence")
    world.say("omar", "silence order-desk 1d the vendor mends it")
    world.run("failed")
    world.press("omar", "paging.resolve", "page:1", how="view", values={"how": f"wrong:{world.check('runs').id}"})
    said = world.say("ben", "silences")
    assert "2 silences:" in said
    assert "*Order desk* until" in said
    assert "the check `runs` of *Support triage* until it is changed in aiops.yml" in said
    assert "by an owner" in text_of(world.press("ben", "quiet.watch", f"check:{world.check('runs').id}"))
    assert "watched again" in text_of(world.press("omar", "quiet.watch", f"check:{world.check('runs').id}"))
    assert world.check("runs").wrong_at is None
    assert len(world.pages()) == 2  # it still fails
    assert "watched already" in text_of(world.press("omar", "quiet.watch", f"check:{world.check('runs').id}"))


def test_the_form_names_what_is_wrong_by_its_field(world: World) -> None:
    form = world.press("omar", "quiet.silence")
    assert isinstance(form, Ask)
    given = {"agent": "support-triage", "department": "", "check": "", "kind": "", "severity": "any", "lasts": "2h", "reason": "the vendor mends it"}

    def sent(**other: str) -> object:
        return world.press("omar", "quiet.silence", how="view", values={**given, **other})

    assert sent(agent="Not an id") == Mend({"agent": "Write an agent's id, a pattern such as support-*, or * for all agents."})
    assert sent(agent="nowhere", reason="x").errors.keys() == {"agent"}  # type: ignore[attr-defined]
    assert sent(check="nightly").errors.keys() == {"check"}  # type: ignore[attr-defined]
    assert sent(reason=" ").errors.keys() == {"reason"}  # type: ignore[attr-defined]
    assert sent(kind="nonsense").errors.keys() == {"kind"}  # type: ignore[attr-defined]
    assert silences(world) == []
    assert "silenced until" in text_of(sent(check="runs", severity="page"))  # type: ignore[arg-type]
    row = silences(world)[0]
    assert (row.agent, row.check_name, row.severity, row.kind) == ("support-triage", "runs", "page", None)


def test_whoever_made_a_silence_may_end_it_also_once_they_own_nothing(world: World) -> None:
    world.say("zoe", "silence * 2h the floor moves")
    assert "for a lead" in text_of(world.press("omar", "quiet.end", "silence:1"))
    assert "is over" in text_of(world.press("zoe", "quiet.end", "silence:1"))


def test_a_silence_covers_exactly_what_it_names(world: World) -> None:
    world.say("zoe", "silence support-* check:run* kind:run_failed severity:page 2h known")

    def covered(**other: str) -> bool:
        target = Target(**{"agent": "support-triage", "department": "Customer service", "check": "runs", "kind": "run_failed", "severity": "page", **other})
        return world.do(lambda tx: cover_of(tx, world.clock.now(), target)) is not None

    assert covered()
    for other in ({"agent": "order-desk"}, {"check": "nightly"}, {"kind": "http"}, {"severity": "notice"}):
        assert not covered(**other)


def test_a_problem_that_opened_in_the_moment_its_silence_was_ended_calls_all_the_same(world: World) -> None:
    world.say("omar", "silence support-triage 1d known")
    world.run("failed")
    world.press("omar", "quiet.end", "silence:1")
    assert world.called() == ["Omar"]
    world.press("omar", "silence", how="command", words=("order-desk", "1d", "known"))

    world.run("ok")
    world.run("failed")
    before = len(world.called())
    # As another process left it, that looked for silences just before that one was ended.
    world.do(lambda tx: setattr(tx.scalars(select(Problem).where(Problem.closed_at.is_(None))).one(), "quiet_by", "silence:1"))
    world.do(lambda tx: setattr(tx.scalars(select(Problem).where(Problem.closed_at.is_(None))).one(), "quiet_until", world.clock.now() + timedelta(days=1)))
    world.settle()
    assert world.problems()[-1].quiet_until is None
    assert len(world.called()) == before
