"""What a letter says: in whose name, of which trace, and of which output where two rows turn out to be one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.db import Database
from bot.feedback.flows import tell_more
from bot.feedback.outward.letters import outputs_merged
from bot.feedback.outward.places.place import Word
from bot.feedback.outward.words import addressed, blacked_out
from bot.tables import FeedbackLetter, Run, Vote
from tests.feedback.scene import make_agent, make_output, make_person, rate

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TO: dict[str, Any] = {"to": [{"mlflow": {"url": "http://mlflow:5000"}}]}


def words(tx: Session) -> list[Word]:
    found, _ = addressed(tx, list(tx.scalars(select(FeedbackLetter).order_by(FeedbackLetter.id))))
    return [blacked_out(each).word for each in found]


@pytest.mark.parametrize("voters", ["pseudonym", "willing", "none"])
def test_a_voter_is_named_only_where_the_registry_and_the_voter_both_say_so(db: Database, voters: str) -> None:
    with db.transaction() as tx:
        agent = make_agent(tx, NOW, feedback={**TO, "voters": voters})
        lea, omar = make_person(tx, "lea", NOW), make_person(tx, "omar", NOW)
        one, two = make_output(tx, agent, NOW), make_output(tx, agent, NOW)
        for output in (one, two):
            for person in (lea, omar):
                rate(tx, NOW, output, person, False)
        for output in (one, two):
            assert tell_more(tx, NOW, output, lea.id, reason=None, correction=None, comment="Call +33 6 12 34 56 78", may_ask=True)
        said = words(tx)
        leas, omars = ([word.source for word in said[start::2]] for start in (0, 1))
        if voters == "willing":
            assert leas == ["lea@example.com"] * 2
        else:
            assert all(each.startswith("voter-") for each in leas)
        assert all(each.startswith("voter-") for each in omars)
        assert len(set(omars)) == (2 if voters == "none" else 1)
        assert not set(leas) & set(omars)
        assert said[0].comment == "Call [phone]"
        assert len({word.key for word in said}) == 4


def test_the_trace_is_the_outputs_own_else_its_runs_and_letters_follow_an_output_that_becomes_another(db: Database) -> None:
    with db.transaction() as tx:
        agent, lea = make_agent(tx, NOW, feedback=TO), make_person(tx, "lea", NOW)
        tx.add(Run(agent_id=agent.id, ext_id="r1", occurred_at=NOW, received_at=NOW, content="", status="ok", trace_id="run-trace", extra={"span_id": "run-span"}))
        outputs = [make_output(tx, agent, NOW, run="r1", extra=extra) for extra in (None, {"span_id": "own"}, {"trace_id": "other"}, {"trace_id": "other", "span_id": "own"})]
        for output in outputs:
            rate(tx, NOW, output, lea, True)
        assert [(word.trace_id, word.span_id) for word in words(tx)] == [("run-trace", "run-span"), ("run-trace", "own"), ("other", None), ("other", "own")]

        stub, heard = outputs[:2]
        for vote in tx.scalars(select(Vote).where(Vote.output_id == heard.id)):
            tx.delete(vote)
        kept = tx.scalars(select(FeedbackLetter).where(FeedbackLetter.output_id == stub.id)).one()
        tx.delete(tx.scalars(select(FeedbackLetter).where(FeedbackLetter.output_id == heard.id)).one())
        key, rev = kept.key, kept.rev
        tx.flush()
        tx.scalars(select(Vote).where(Vote.output_id == stub.id)).one().output_id = heard.id
        outputs_merged(tx, NOW + timedelta(minutes=1), stub.id, heard.id)
        assert (kept.output_id, kept.key, kept.rev) == (heard.id, key, rev + 1)
        assert words(tx)[0].good is True
