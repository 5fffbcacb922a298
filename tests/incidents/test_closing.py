from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.stages.flows import order_stage
from bot.surface.press import Ask, Mend, Quiet
from bot.tables import Decision, Incident, IncidentMinutes, Observation, Output, RegressionCase, Vote
from tests.incidents.acts import ROOT, close, do_all, follow_up, follow_ups, incident, items, opened, timeline
from tests.paging.world import World, text_of


def bad_output(world: World, name: str = "o1", by: str = "ben") -> None:
    """An output that somebody judged bad."""
    now = world.clock.now()

    def post(tx: Any) -> None:
        output = Output(agent_id=1, ext_id=name, occurred_at=now, received_at=now, local_day="2026-11-20", text="wrong price")
        tx.add(output)
        tx.flush()
        tx.add(Vote(agent_id=1, output_id=output.id, person_id=world.person(tx, by).id, surface="button", good=False, voted_at=now, received_at=now))
        tx.add(Observation(agent_id=1, output_id=output.id, source="people", local_day="2026-11-20", share=0.0, votes=1, first_at=now, settles_at=now))

    world.do(post)


def test_closing_is_refused_naming_steps_the_failing_check_and_the_missing_follow_up(world: World) -> None:
    opened(world)
    told = text_of(world.press("omar", "incidents.close", "incident:1"))
    assert "8 required steps are neither done nor waived" in told
    assert "A check still fails:\n• Support triage: a run failed, since <!date^" in told
    assert "There is no follow-up yet" in told
    do_all(world)
    told = text_of(world.press("omar", "incidents.close", "incident:1"))
    assert "neither done" not in told
    assert "A check still fails" in told
    world.run("ok")
    told = text_of(world.press("omar", "incidents.close", "incident:1"))
    assert "still fails" not in told
    assert "There is no follow-up yet" in told
    assert follow_up(world) == Quiet()
    assert isinstance(world.press("omar", "incidents.close", "incident:1"), Ask)
    assert incident(world).closed_at is None


def test_a_failing_check_of_a_stopped_agent_lets_it_close_with_a_reason(world: World) -> None:
    opened(world)
    do_all(world)
    follow_up(world)
    world.do(lambda tx: order_stage(tx, world.clock.now(), world.agent(tx), "suspended", world.person(tx, "omar").id, "broken"))
    form = world.press("omar", "incidents.close", "incident:1")
    assert isinstance(form, Ask)
    assert "is stopped, and its check still fails" in str(form.view["blocks"])
    assert close(world) == Mend({"reason": "Say why it may close."})
    assert close(world, reason="It is replaced on Monday.") == Quiet()
    assert incident(world).failing_why == "It is replaced on Monday."
    assert "the agent is stopped: It is replaced on Monday." in world.lines(ROOT)[-1]


def test_it_may_not_close_while_a_form_stood_open_and_something_failed_anew(world: World) -> None:
    opened(world)
    do_all(world)
    follow_up(world)
    world.run("ok")
    form = world.press("omar", "incidents.close", "incident:1")
    assert isinstance(form, Ask)
    world.run("failed", name="again")
    told = text_of(world.press("omar", "incidents.closing", form.view["private_metadata"], how="view", values={"minutes_2": "5"}))
    assert "A check still fails" in told
    assert incident(world).closed_at is None


def test_minutes_are_prefilled_asked_once_and_must_be_numbers(world: World) -> None:
    opened(world)
    world.clock.move(timedelta(minutes=22))
    do_all(world)
    follow_up(world)
    world.run("ok")
    form = world.press("omar", "incidents.close", "incident:1")
    assert isinstance(form, Ask)
    omar = world.do(lambda tx: world.person(tx, "omar").id)
    fields = {block["block_id"]: block for block in form.view["blocks"] if block["type"] == "input"}
    assert fields[f"minutes_{omar}"]["element"]["initial_value"] == "25"
    assert fields[f"minutes_{omar}"]["label"]["text"] == "Omar"
    for wrong in ("soon", "-3", "1.5", "9" * 9):
        assert close(world, **{f"minutes_{omar}": wrong}) == Mend({f"minutes_{omar}": "Write whole minutes in digits, such as 25; 0 where they did nothing."})
    assert close(world, **{f"minutes_{omar}": "40", "minutes_999": "5"}) == Quiet()
    assert world.do(lambda tx: [(row.person_id, row.minutes) for row in tx.scalars(select(IncidentMinutes))]) == [(omar, 40)]
    assert "People worked 40 minutes on it." in world.lines(ROOT)[-1]
    assert "closed already" in text_of(close(world))


def test_none_needed_is_signed_by_an_owner_with_a_reason_and_undone_by_a_follow_up(world: World) -> None:
    opened(world)
    do_all(world)
    world.run("ok")
    assert "closed by an owner" in text_of(world.press("ben", "incidents.none_needed", "incident:1"))
    assert "closed by an owner" in text_of(world.press("ben", "incidents.none_needed", "incident:1", how="view", values={"reason": "no"}))
    assert isinstance(world.press("maya", "incidents.none_needed", "incident:1"), Ask)
    assert isinstance(world.press("maya", "incidents.none_needed", "incident:1", how="view", values={"reason": " "}), Mend)
    assert world.press("maya", "incidents.none_needed", "incident:1", how="view", values={"reason": "the vendor fixed <it>"}) == Quiet()
    assert incident(world).none_needed_why == "the vendor fixed <it>"
    follow_up(world)
    assert incident(world).none_needed_by is None
    assert "a follow-up already" in text_of(world.press("maya", "incidents.none_needed", "incident:1", how="view", values={"reason": "again"}))


def test_a_mention_says_that_the_last_question_needs_a_button(world: World) -> None:
    opened(world)
    do_all(world)
    follow_up(world)
    world.run("ok")
    assert "can be closed" in world.say("omar", "close", how="mention", thread_ts=world.row(ROOT).ts)


def test_the_outputs_that_failed_join_the_regression_set_once(world: World) -> None:
    opened(world)
    bad_output(world)
    assert "1 made since then, 1 judged bad" in str(world.press("ben", "incidents.lead", "incident:1") and world.row(ROOT).want["blocks"])
    do_all(world)
    follow_up(world)
    world.run("ok")
    assert close(world) == Quiet()
    assert [case.output_id for case in world.do(lambda tx: tx.scalars(select(RegressionCase)).all())] == [1]
    assert "1 output joins the regression set of Support triage." in world.lines(ROOT)[-1]


def test_long_notes_and_nul_are_kept_or_cut_and_nothing_breaks(world: World) -> None:
    opened(world)
    thread = world.row(ROOT).ts
    assert world.say("ben", "note " + "x" * 10_000 + "\0", how="mention", thread_ts=thread, message_ts="9.9") == "Noted on the timeline."
    assert timeline(world)[-1] == "noted: " + "x" * 10_000
    assert len(world.say("ben", "incident 1")) < 4000
    assert world.press("ben", "incidents.note", f"item:{items(world)[1].id}", how="view", values={"note": "y" * 10_000}) == Quiet()
    assert items(world)[1].note == "y" * 10_000


def test_steps_take_what_their_kind_asks(world: World) -> None:
    opened(world)
    thread = world.row(ROOT).ts
    said = lambda words: world.say("omar", words, how="mention", thread_ts=thread, message_ts=str(len(timeline(world))))  # noqa: E731
    assert said("done 5") == "Step 5 asks for an answer. Choose one of: model, prompt, index, instruction, input, credentials, something else, nothing we know of. For example `done 5 prompt`."
    assert said("done 5 prompt the new one") == "Step 5 is done now."
    assert (items(world)[5].answer, items(world)[5].note) == ("prompt", "the new one")
    assert "Give a number" in said("done 7 a few")
    assert said("done 7 12 of them by hand") == "Step 7 is done now."
    assert (items(world)[7].answer, items(world)[7].note) == ("12", "of them by hand")
    assert "Give a link" in said("done 9 it works")
    assert said("done 9 <https://example.com/x|example.com>") == "Step 9 is done now."
    assert items(world)[9].answer == "https://example.com/x"
    form = world.press("omar", "incidents.done", f"item:{items(world)[10].id}")
    assert isinstance(form, Ask)
    assert isinstance(world.press("omar", "incidents.note", form.view["private_metadata"], how="view", values={"answer": " ", "note": ""}), Mend)
    assert world.press("omar", "incidents.note", form.view["private_metadata"], how="view", values={"answer": "an old index", "note": ""}) == Quiet()
    assert items(world)[10].answer == "an old index"


def test_the_same_failure_within_ninety_days_says_so_and_opens_what_did_not_hold(world: World) -> None:
    opened(world)
    do_all(world)
    follow_up(world)
    world.run("ok")
    assert close(world) == Quiet()
    row = follow_ups(world)[0]
    assert world.press("lea", "followups.done", f"followup:{row.id}", how="view", values={"evidence": "https://example.com/test", "version": ""}) == Quiet()
    world.move(days=30)
    world.run("failed", name="later")
    page = max(each.id for each in world.pages())
    world.press("omar", "incidents.open", f"page:{page}")
    second = world.do(lambda tx: tx.get_one(Incident, 2))
    assert second.before_id == 1
    shown = world.row("incident:2").want
    assert "This happened before" in str(shown["blocks"][1])
    assert "https://slack.com/archives/" in str(shown["blocks"][1])
    assert "did not hold and is open again: “Test every prompt against old orders”" in shown["text"]
    row = follow_ups(world)[0]
    assert row.closed_at is None
    assert (row.turns, row.reopened_for) == (1, 2)
    assert "followup:1" in [decision.subject for decision in world.do(lambda tx: tx.scalars(select(Decision).where(Decision.action == "follow_up.reopen")).all())]
    assert any("did not hold" in words for words in timeline(world, 2))
    assert any(line.startswith(":repeat: <@U0LEA>, this follow-up did not hold") for line in world.lines("incident:2"))
    # It counts as the follow-up of the new incident.
    assert "There is no follow-up yet" not in text_of(world.press("omar", "incidents.close", "incident:2"))


def test_after_ninety_days_it_is_a_failure_of_its_own(world: World) -> None:
    opened(world)
    do_all(world)
    follow_up(world)
    world.run("ok")
    close(world)
    world.move(days=91)
    world.run("failed", name="later")
    world.press("omar", "incidents.open", f"page:{max(each.id for each in world.pages())}")
    assert world.do(lambda tx: tx.get_one(Incident, 2)).before_id is None


def test_people_who_reported_a_failed_output_hear_once_that_it_is_fixed(world: World) -> None:
    opened(world)
    bad_output(world, "o1", "ben")
    bad_output(world, "o2", "dot")
    do_all(world)
    follow_up(world)
    follow_up(world, words="Ask the vendor")
    world.run("ok")
    close(world)
    done = lambda row, version: world.press("lea", "followups.done", f"followup:{row.id}", how="view", values={"evidence": "seen it work", "version": version})  # noqa: E731
    first, second = follow_ups(world)
    assert done(first, "prompt v14") == Quiet()
    assert not world.rows("fixed:")
    assert done(second, "prompt v14") == Quiet()
    ben = world.do(lambda tx: world.person(tx, "ben").id)
    assert world.text(f"fixed:1:{ben}") == "You reported this on 20 Nov, an output of Support triage; fixed in prompt v14. Thank you."
    assert world.row(f"fixed:1:{ben}").target == "U0BEN"
    assert len(world.rows("fixed:")) == 2
    assert "done already" in text_of(done(second, "x"))
    assert world.do(lambda tx: {case.fixed_in for case in tx.scalars(select(RegressionCase))}) == {"prompt v14"}


def test_a_recurrence_names_what_was_promised_the_last_time_and_is_not_done_yet(world: World) -> None:
    opened(world)
    do_all(world)
    follow_up(world)
    world.run("ok")
    assert close(world) == Quiet()
    world.move(days=3)
    world.run("failed", name="later")
    world.press("omar", "incidents.open", f"page:{max(each.id for each in world.pages())}")
    assert "A follow-up of then is not done yet: “Test every prompt against old orders”" in str(world.row("incident:2").want["blocks"][1])
    assert world.press("lea", "followups.done", "followup:1", how="view", values={"evidence": "https://example.com/test", "version": ""}) == Quiet()
    assert "not done yet" not in str(world.row("incident:2").want)
