from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from sqlalchemy import func, select

from bot.blocks import MESSAGE_TEXT, SECTION_TEXT
from bot.calendars import local_day
from bot.clock import MovedClock
from bot.db import Database
from bot.feedback import messages, reading, slack
from bot.feedback.flows import outputs_arrived
from bot.feedback.messages import ReviewItem, Shown
from bot.feedback.rules import Tally, deal, draw, sample_now, share_of
from bot.quality import reading as quality
from bot.tables import Agent, Observation, OutMessage, Output, Vote
from tests.feedback.scene import make_agent, make_output, make_person, rate


def posted(db: Database) -> int:
    with db.reading() as tx:
        return tx.scalar(select(func.count()).select_from(OutMessage).where(OutMessage.key.like("output:%"))) or 0


def arrive(db: Database, now: datetime, *, live: bool = True, text: str | None = "Done.", at: datetime | None = None, place: tuple[str, str] | None = None, **spec: object) -> Output:
    with db.transaction() as tx:
        agent = tx.scalars(select(Agent)).first() or make_agent(tx, now, **spec)
        channel, ts = place or (None, None)
        output = make_output(tx, agent, at or now, text, channel_id=channel, slack_ts=ts)
        outputs_arrived(tx, now, agent.id, [output.id], live=live)
        return output


def test_all_outputs_are_posted_and_none_where_the_registry_says_so(db: Database, clock: MovedClock) -> None:
    arrive(db, clock.now(), outputs={"post": "all", "in": "C0RATE"})
    assert posted(db) == 1
    with db.transaction() as tx:
        agent = make_agent(tx, clock.now(), "quiet-one")
        outputs_arrived(tx, clock.now(), agent.id, [make_output(tx, agent, clock.now()).id], live=True)
        assert tx.scalars(select(OutMessage.target)).all() == ["C0RATE"]


def test_history_posts_nothing_and_a_linked_output_is_not_posted_twice(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    arrive(db, now, live=False, outputs={"post": "all"})
    arrive(db, now, at=now - timedelta(days=2))
    arrive(db, now, place=("C1", "1763625600.000100"))
    assert posted(db) == 0


def test_a_sample_is_spread_over_the_day_and_never_more_than_its_number(db: Database, clock: MovedClock) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    with db.transaction() as tx:
        agent = make_agent(tx, now, outputs={"post": "sample 6/day"})
        hours = []
        for minute in range(0, 24 * 60, 5):
            at = now + timedelta(minutes=minute)
            before = tx.scalar(select(func.count()).select_from(OutMessage))
            outputs_arrived(tx, at, agent.id, [make_output(tx, agent, at).id], live=True)
            if tx.scalar(select(func.count()).select_from(OutMessage)) != before:
                hours.append(minute // 60)
        assert len(hours) == 6
        assert len({hour // 6 for hour in hours}) == 4  # every quarter of the day has its share


def test_restricted_and_hidden_texts_never_reach_slack(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        for slug, data in (("a", {"post_text": False}), ("b", {"class": "restricted"})):
            agent = make_agent(tx, now, slug, outputs={"post": "all"}, data=data)
            outputs_arrived(tx, now, agent.id, [make_output(tx, agent, now, "the salary is 5000").id], live=True)
        wants = [str(row.want) for row in tx.scalars(select(OutMessage))]
        assert len(wants) == 2
        assert not any("salary" in want for want in wants)
        assert all("kept out of Slack by the registry" in want for want in wants)


def test_a_vote_does_not_bring_an_expired_message_to_life(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    output = arrive(db, now, outputs={"post": "all"})
    with db.transaction() as tx:
        row = tx.scalars(select(OutMessage)).one()
        row.state, row.due_at = "dropped", None
        rate(tx, now, tx.get_one(Output, output.id), make_person(tx, "lea", now), True)
        assert (row.state, row.due_at) == ("dropped", None)


def test_judgements_that_came_before_their_output_move_to_its_day(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now)
        stub = make_output(tx, agent, now, None, known=False)
        rate(tx, now, stub, make_person(tx, "lea", now), True)
        stub.known, stub.occurred_at, stub.local_day = True, now - timedelta(days=2), "2026-11-18"
        tx.flush()
        outputs_arrived(tx, now, agent.id, [stub.id], live=True)
        assert quality.score(tx, agent.id, "2026-11-18", "2026-11-18", "people").n == 1
        assert quality.score(tx, agent.id, "2026-11-20", "2026-11-20", "people").n == 0
        assert tx.scalars(select(Observation.local_day)).one() == "2026-11-18"


def test_a_vote_that_came_before_its_output_stood_in_slack_is_in_the_response_from_the_start(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now, outputs={"post": "all"})
        stub = make_output(tx, agent, now, None, known=False)
        rate(tx, now, stub, make_person(tx, "lea", now), True)
        stub.known = True
        tx.flush()
        outputs_arrived(tx, now, agent.id, [stub.id], live=True)
        day = local_day(now, agent.zone)
        found = quality.totals(tx, agent.id, day, day)
        assert (found.n("outputs.shown"), found.n("quality.people.shown"), found.n("quality.people")) == (1, 1, 1)


def test_messages_of_an_agents_own_app_are_its_outputs_once(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    event = {"type": "message", "channel": "C1", "ts": f"{now.timestamp():.6f}", "text": "Ticket &lt;7&gt; closed", "bot_profile": {"app_id": "A0SUPPORT"}}
    with db.transaction() as tx:
        agent = make_agent(tx, now, slack_app="A0SUPPORT")
        for each in (event, event, {**event, "ts": "1763625601.1", "bot_profile": {"app_id": "A0OTHER"}}, {**event, "subtype": "message_changed"}, {"type": "message", "user": "U1", "channel": "C1", "ts": "1.2"}):
            slack.heard(tx, each, now)
        output = tx.scalars(select(Output)).one()
        assert (output.agent_id, output.text, output.kind, output.ours) == (agent.id, "Ticket <7> closed", "message", False)
        assert quality.totals(tx, agent.id, "2026-11-20", "2026-11-20").outputs == 1


def test_reactions_count_only_where_the_registry_names_them_and_never_on_peoples_messages(db: Database, clock: MovedClock) -> None:
    now = clock.now()
    with db.transaction() as tx:
        agent = make_agent(tx, now, reactions={"good": ["+1"], "bad": ["-1"]})
        silent = make_agent(tx, now, "without")
        lea, bot = make_person(tx, "lea", now), make_person(tx, "bot", now, kind="bot")
        guest = make_person(tx, "gus", now, kind="guest")
        mine = make_output(tx, agent, now, channel_id="C1", slack_ts="1.1")
        make_output(tx, agent, now, channel_id="C1", slack_ts="1.2")
        make_output(tx, silent, now, channel_id="C1", slack_ts="1.3")

        def react(name: str, ts: str, author: str, who: str | None = None, *, add: bool = True, minute: int = 0) -> None:
            at = (now - timedelta(hours=1) + timedelta(minutes=minute)).timestamp()
            event = {"user": who or lea.slack_id, "reaction": name, "item": {"type": "message", "channel": "C1", "ts": ts}, "item_user": author, "event_ts": f"{at:.6f}"}
            (slack.reacted if add else slack.unreacted)(tx, event, now)

        react("+1", "1.2", lea.slack_id or "")  # a person's message
        react("+1", "1.3", bot.slack_id or "")  # not turned on
        react("tada", "1.1", bot.slack_id or "")
        react("+1", "1.1", bot.slack_id or "", guest.slack_id)
        react("+1", "1.1", bot.slack_id or "", "U0UNKNOWN")
        assert tx.scalar(select(func.count()).select_from(Vote)) == 0
        rate(tx, now - timedelta(hours=2), mine, lea, True)
        react("-1::skin-tone-2", "1.1", bot.slack_id or "", minute=1)
        assert reading.tallies(tx, [mine.id])[mine.id] == Tally(1, 0)
        react("-1", "1.1", bot.slack_id or "", add=False, minute=2)
        assert reading.tallies(tx, [mine.id])[mine.id] == Tally(1, 1)  # the button has its vote back


def test_the_output_message_is_what_people_read() -> None:
    shown = Shown(31, "Support triage", "reply", "Refunds take <!channel> five days & more.", "https://crm.example.com/t/7")
    assert messages.output_message(shown, 3).want() == snapshot(
        {
            "text": "Support triage, reply: Refunds take &lt;!channel&gt; five days &amp; more. (3 rated)",
            "blocks": [
                {
                    "type": "section",
                    "text": {
                        "type": "mrkdwn",
                        "text": "*Support triage* · reply · <https://crm.example.com/t/7|open>\n> Refunds take &lt;!channel&gt; five days &amp; more.",
                        "verbatim": True,
                    },
                },
                {
                    "type": "context_actions",
                    "elements": [
                        {
                            "type": "feedback_buttons",
                            "action_id": "feedback.thumb",
                            "positive_button": {"text": {"type": "plain_text", "text": "Good", "emoji": True}, "value": "output:31:good", "accessibility_label": "Good output of Support triage"},
                            "negative_button": {"text": {"type": "plain_text", "text": "Bad", "emoji": True}, "value": "output:31:bad", "accessibility_label": "Bad output of Support triage"},
                        }
                    ],
                },
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "3 rated", "verbatim": True}]},
            ],
        }
    )


def test_what_is_said_to_voters_and_reviewers() -> None:
    shown = Shown(31, "Support triage", "reply", "Done.", None)
    items = [ReviewItem(1, shown, "done"), ReviewItem(2, shown, "asked"), ReviewItem(3, shown, "asked")]
    over = [ReviewItem(1, shown, "done"), ReviewItem(2, shown, "skipped")]
    said = [
        messages.thanked(31, Tally(2, 2)).text,
        messages.asked_why(31, Tally(8, 6)).text,
        messages.asked_why(31, Tally(1, 0), "did_not_know").text,
        messages.review_message(items).text,
        messages.review_message(over).text,
        messages.review_message([]).text,
    ]
    assert said == snapshot(
        [
            "Thank you, your thumbs-up counts.",
            "Noted as bad; it counts. 6 of 8 people found this output good.\nWhat was it? One press, if you like.",
            "Noted as bad: did not know. Thank you.",
            "Judge outputs: 2 of 3, from Support triage. They were drawn at random, so that the score is fair. Was this one good enough to use?",
            "All done: you judged 1 of 2 outputs today and skipped 1. Thank you, the scores stand on this.",
            "There is nothing for you to judge today.",
        ]
    )


@given(st.text(max_size=5000), st.text(min_size=1, max_size=200), st.text(max_size=300), st.text(max_size=2500))
def test_messages_stay_within_slacks_limits_and_ping_nobody(text: str, agent: str, kind: str, url: str) -> None:
    shown = Shown(31, agent, kind, text, url)
    for message in (messages.output_message(shown, 3), messages.review_message([ReviewItem(7, shown, "asked")])):
        want = message.want()
        assert len(want["text"]) <= MESSAGE_TEXT
        assert "<!" not in want["text"]
        for block in want["blocks"]:
            if block["type"] == "section":
                assert 0 < len(block["text"]["text"]) <= SECTION_TEXT
                assert "<!" not in block["text"]["text"]
                assert "<@" not in block["text"]["text"]


@given(st.lists(st.lists(st.integers(1, 10**6), max_size=20), max_size=6), st.integers(0, 20), st.sets(st.integers(1, 50), min_size=1, max_size=8), st.sampled_from([0.0, 0.2, 1.0]))
def test_a_sample_is_the_same_whoever_asks_takes_every_kind_and_is_dealt_out_whole(outputs: list[list[int]], number: int, reviewers: set[int], twice: float) -> None:
    seen: set[int] = set()
    kinds: dict[str, list[int]] = {}
    for place, ids in enumerate(outputs):
        kinds[f"kind {place}"] = [each for each in dict.fromkeys(ids) if each not in seen]
        seen.update(ids)
    drawn = draw(kinds, number, "support-triage", "2026-11-20", twice)
    assert drawn == draw({kind: list(reversed(ids)) for kind, ids in reversed(kinds.items())}, number, "support-triage", "2026-11-20", twice)
    assert len({each.output_id for each in drawn}) == len(drawn) == min(number, len(seen))
    # The strata cover every output once, and each says truly how many were drawn of it.
    strata = {each.stratum: (each.population, each.number) for each in drawn}
    assert sum(population for population, _ in strata.values()) == (len(seen) if drawn else 0)
    assert all(sum(each.stratum == name for each in drawn) == taken for name, (_, taken) in strata.items())
    dealt = [share_of([(each.output_id, each.twice) for each in drawn], sorted(reviewers), each) for each in reviewers]
    times = {each.output_id: sum(each.output_id in part for part in dealt) for each in drawn}
    assert times == {each.output_id: 2 if each.twice and len(reviewers) > 1 else 1 for each in drawn}
    assert sum(each.twice for each in drawn) in (int(len(drawn) * twice), int(len(drawn) * twice) + 1)


@given(st.lists(st.lists(st.integers(), max_size=12), max_size=9), st.integers(0, 12))
def test_nobody_is_dealt_more_than_their_most(parts: list[list[int]], most: int) -> None:
    assert len(deal(parts, most)) == min(most, sum(len(part) for part in parts))


@settings(max_examples=40)
@given(st.integers(1, 200), st.lists(st.integers(0, 86_399), max_size=300))
def test_no_stream_of_outputs_gets_more_than_the_days_number(number: int, seconds: list[int]) -> None:
    start = datetime(2026, 11, 20, tzinfo=UTC)
    shown: list[datetime] = []
    for second in sorted(seconds):
        now = start + timedelta(seconds=second)
        if sample_now(number, len(shown), shown[-1] if shown else None, now, start, start + timedelta(days=1), "a:2026-11-20"):
            shown.append(now)
            assert len(shown) <= number * second / 86_400 + 1
    assert len(shown) <= number
