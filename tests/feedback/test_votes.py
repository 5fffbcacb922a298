from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bot.clock import MovedClock
from bot.db import Database
from bot.feedback import reading, slack
from bot.feedback.flows import RatingIn, rate_many, rate_output, take_back
from bot.feedback.rules import Tally
from bot.outbox import flows as outbox
from bot.people.flows import Actor, Refused
from bot.quality.reading import score
from bot.surface.press import Ask, Mend, Quiet, Tell
from bot.tables import Agent, Observation, OutMessage, Output, Person, Vote
from tests.feedback.scene import make_agent, make_output, make_person, own, press, rate

STRANGER = Actor(0, "U0EVE", "T9", "Eve", "stranger", "UTC")


def test_the_same_thumb_twice_keeps_the_vote_and_the_other_thumb_changes_it(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        output, lea = make_output(tx, agent, now), make_person(tx, "lea", now)
        value = f"output:{output.id}"
        slack.thumb(tx, press(lea, now, "feedback.thumb", f"{value}:bad"))
        slack.reason(tx, press(lea, now, "feedback.reason.outdated", f"{value}:outdated"))
        answer = slack.thumb(tx, press(lea, now + timedelta(minutes=1), "feedback.thumb", f"{value}:bad"))
        assert isinstance(answer, Tell)
        assert answer.message.text == "Noted as bad: outdated. Thank you."
        vote = tx.scalars(select(Vote)).one()
        assert (vote.good, vote.reason) == (False, "outdated")
        slack.thumb(tx, press(lea, now + timedelta(minutes=2), "feedback.thumb", f"{value}:good"))
        assert (vote.good, vote.reason) == (True, None)
        assert reading.tallies(tx, [output.id]) == {output.id: Tally(1, 1)}


def test_a_thumbs_down_offers_reasons_tell_more_and_take_back(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        output, lea = make_output(tx, make_agent(tx, now), now), make_person(tx, "lea", now)
        answer = slack.thumb(tx, press(lea, now, "feedback.thumb", f"output:{output.id}:bad"))
        assert isinstance(answer, Tell)
        buttons = [element["action_id"] for block in answer.message.blocks if block["type"] == "actions" for element in block["elements"]]
        assert buttons == [
            "feedback.reason.wrong", "feedback.reason.did_not_know", "feedback.reason.outdated", "feedback.reason.incomplete",
            "feedback.reason.tone", "feedback.reason.unsafe", "feedback.tell", "feedback.take_back", "incidents.open",
        ]  # fmt: skip
        assert all(name in slack.ACTIONS for name in buttons[:-1])  # the last is of another room


def test_tell_more_keeps_the_correction_and_asks_before_naming_anyone(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        output, lea = make_output(tx, make_agent(tx, now), now, "<!channel> pay up & smile"), make_person(tx, "lea", now)
        value = f"output:{output.id}"
        slack.thumb(tx, press(lea, now, "feedback.thumb", f"{value}:bad"))
        form = slack.ask_more(tx, press(lea, now, "feedback.tell", value))
        assert isinstance(form, Ask)
        assert "&lt;!channel&gt; pay up &amp; smile" in form.view["blocks"][0]["text"]["text"]
        values = {"reason": "did_not_know", "correction": "It takes three days.", "comment": "", "may_ask": []}
        assert slack.told_more(tx, press(lea, now, "feedback.tell", form.view["private_metadata"], values=values)) == Quiet()
        vote = tx.scalars(select(Vote)).one()
        assert (vote.reason, vote.correction, vote.comment, vote.may_ask) == ("did_not_know", "It takes three days.", None, False)
        slack.told_more(tx, press(lea, now, "feedback.tell", value, values={**values, "may_ask": ["yes"]}))
        assert vote.may_ask


def test_take_back_leaves_nothing_counted_over_any_surface(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        output, lea = make_output(tx, agent, now), make_person(tx, "lea", now)
        rate(tx, now, output, lea, True)
        rate(tx, now, output, lea, False, surface="link")
        answer = slack.take_back(tx, press(lea, now, "feedback.take_back", f"output:{output.id}"))
        assert isinstance(answer, Tell)
        assert answer.replace
        assert tx.scalar(select(func.count()).select_from(Observation)) == 0
        assert score(tx, agent.id, "2026-01-01", "2026-12-31", "people").n == 0
        assert not take_back(tx, now, output, lea.id)
        again = slack.reason(tx, press(lea, now, "feedback.reason.wrong", f"output:{output.id}:wrong"))
        assert isinstance(again, Tell)
        assert again.message.text.startswith("There is no vote of yours")


def test_the_latest_of_a_persons_surfaces_counts_and_only_once(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        output, lea = make_output(tx, make_agent(tx, now), now), make_person(tx, "lea", now)
        rate(tx, now, output, lea, True, surface="button")
        rate(tx, now + timedelta(minutes=1), output, lea, False, surface="shortcut")
        assert reading.tallies(tx, [output.id])[output.id] == Tally(1, 0)
        rate_output(tx, now + timedelta(minutes=2), output, lea.id, None, surface="shortcut")
        assert reading.tallies(tx, [output.id])[output.id] == Tally(1, 1)


def test_from_five_votes_on_the_voter_is_told_the_split_and_never_before(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        output = make_output(tx, make_agent(tx, now), now)
        said = []
        for number in range(5):
            answer = slack.thumb(tx, press(make_person(tx, f"p{number}", now), now, "feedback.thumb", f"output:{output.id}:{'good' if number else 'bad'}"))
            assert isinstance(answer, Tell)
            said.append(answer.message.text)
        assert not any("people found" in words for words in said[:4])
        assert said[4] == "Thank you, your thumbs-up counts. 4 of 5 people found this output good."


@pytest.mark.parametrize("handler", [slack.thumb, slack.reason, slack.ask_more, slack.told_more, slack.take_back, slack.rated_message])
def test_guests_and_strangers_are_told_politely_and_nothing_is_counted(db: Database, clock: MovedClock, handler) -> None:  # type: ignore[no-untyped-def]
    now = clock.now()
    with db.transaction() as tx:
        output = make_output(tx, make_agent(tx, now), now)
        guest = make_person(tx, "gus", now, kind="guest")
        for who in (guest, STRANGER):
            with pytest.raises(Refused, match="full members"):
                handler(tx, press(who, now, "x", f"output:{output.id}:bad", values={"thumb": "bad"}))
        assert tx.scalar(select(func.count()).select_from(Vote)) == 0


def test_a_stale_button_is_answered_kindly(db: Database, clock: MovedClock) -> None:
    with db.transaction() as tx, pytest.raises(Refused, match="no longer know this output"):
        slack.thumb(tx, press(make_person(tx, "lea", clock.now()), clock.now(), "feedback.thumb", "output:999:good"))


def test_ratings_by_api_say_which_were_not_counted_and_the_latest_stays(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        output = make_output(tx, agent, now)
        make_person(tx, "gus", now, kind="guest")

        def given(person: str, good: bool | None, minutes: int, reason: str | None = None) -> RatingIn:
            return RatingIn(agent.id, output.id, person, good, reason, None, None, now + timedelta(minutes=minutes))

        answers = rate_many(tx, now, [given("U0LEA", False, 5, "house style"), given("gus@example.com", True, 1), given("nobody", True, 1), given("U0LEA", True, 2)], live=True)
        assert answers == [None, "Ratings come from full members of this workspace.", "'nobody' is neither a Slack id nor an e-mail address", None]
        vote = tx.scalars(select(Vote)).one()
        assert (vote.good, vote.reason, vote.surface) == (False, "house style", "api")
        rate_many(tx, now, [given("U0LEA", True, 4)], live=True)
        assert vote.good is False  # came later, was said earlier
        rate_many(tx, now, [given("U0LEA", None, 6)], live=True)
        assert reading.tallies(tx, [output.id])[output.id] == Tally(0, 0)


def test_the_message_says_how_many_rated_and_never_how(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        from bot.feedback.flows import outputs_arrived

        agent = make_agent(tx, now, outputs={"post": "all"})
        output = make_output(tx, agent, now)
        outputs_arrived(tx, now, agent.id, [output.id], live=True)
        for name, good in (("lea", True), ("omar", False)):
            rate(tx, now, output, make_person(tx, name, now), good)
        row = outbox.find(tx, f"output:{output.id}")
        assert row is not None
        assert row.want["blocks"][2]["elements"][0]["text"] == "2 rated"
        assert (row.target, row.priority) == ("C0SUPPORT", 60)


def test_the_shortcut_rates_linked_outputs_and_explains_other_messages(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now, slack_app="A0SUPPORT")
        lea = make_person(tx, "lea", now)
        output = make_output(tx, agent, now, channel_id="C1", slack_ts="1763625600.000100")
        form = slack.rate_message(tx, press(lea, now, "feedback.rate", channel="C1", message_ts="1763625600.000100"))
        assert isinstance(form, Ask)
        meta = form.view["private_metadata"]
        assert isinstance(slack.rated_message(tx, press(lea, now, "feedback.rate", meta, values={})), Mend)
        assert slack.rated_message(tx, press(lea, now, "feedback.rate", meta, values={"thumb": "bad", "reason": "outdated", "may_ask": ["yes"]})) == Quiet()
        vote = tx.scalars(select(Vote)).one()
        assert (vote.output_id, vote.good, vote.reason, vote.surface, vote.may_ask) == (output.id, False, "outdated", "shortcut", True)
        other = slack.rate_message(tx, press(lea, now, "feedback.rate", channel="C1", message_ts="1763625700.000100", message={"user": "U1", "text": "hi"}))
        assert isinstance(other, Tell)
        assert other.message.text.startswith("This message is no output that I know of")
        of_app = slack.rate_message(tx, press(lea, now, "feedback.rate", channel="C1", message_ts="1763625800.000100", message={"app_id": "A0SUPPORT", "text": "Done"}))
        assert isinstance(of_app, Ask)
        assert tx.scalar(select(func.count()).select_from(Output)) == 2


def test_two_people_at_once_both_count(db: Database, clock: MovedClock) -> None:
    at_once(db, clock, people=["lea", "omar", "maya", "sam"], times=1)
    with db.reading() as tx:
        observation = tx.scalars(select(Observation)).one()
        assert (observation.votes, observation.share) == (4, 1.0)
        agent_id = tx.scalars(select(Agent.id)).one()
        assert score(tx, agent_id, "2026-01-01", "2026-12-31", "people").n == 1


def test_a_double_click_of_one_person_is_one_vote(db: Database, clock: MovedClock) -> None:
    at_once(db, clock, people=["lea"], times=4)
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Vote)) == 1
        agent_id = tx.scalars(select(Agent.id)).one()
        assert (tx.scalars(select(Observation.votes)).one(), score(tx, agent_id, "2026-01-01", "2026-12-31", "people").n) == (1, 1)


def at_once(db: Database, clock: MovedClock, people: list[str], times: int) -> None:
    now = clock.now()
    with db.transaction() as tx:
        output_id = make_output(tx, make_agent(tx, now), now).id
        ids = [make_person(tx, name, now).id for name in people]
    start, errors = threading.Barrier(len(ids) * times), []

    def click(person_id: int) -> None:
        try:
            start.wait(timeout=30)
            with db.transaction() as tx:
                slack.thumb(tx, press(tx.get_one(Person, person_id), now, "feedback.thumb", f"output:{output_id}:good"))
        except Exception as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    threads = [threading.Thread(target=click, args=(person_id,)) for person_id in ids for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_who_voted_what_stands_in_no_message(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        from bot.feedback.flows import outputs_arrived

        agent = make_agent(tx, now, outputs={"post": "all"})
        output = make_output(tx, agent, now)
        outputs_arrived(tx, now, agent.id, [output.id], live=True)
        rate(tx, now, output, make_person(tx, "lea", now), False)
        for row in tx.scalars(select(OutMessage)):
            assert "U0LEA" not in str(row.want)
            assert "Lea" not in str(row.want)


def test_owners_may_vote_and_their_part_is_a_count_only(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        omar, lea = make_person(tx, "omar", now), make_person(tx, "lea", now)
        own(tx, now, agent, omar, "operations")
        for _ in range(2):
            output = make_output(tx, agent, now)
            rate(tx, now, output, omar, True)
            rate(tx, now, output, omar, True, surface="link")
            rate(tx, now, output, lea, False)
        assert reading.voters(tx, agent.id, "2026-11-20", "2026-11-20") == reading.Voters(4, 2, 2)
