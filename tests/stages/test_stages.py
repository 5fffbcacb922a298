from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.db import Database
from bot.stages.flows import MEANING, STAGES, order_stage, stage_of
from bot.tables import Agent, Decision, Stage

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def test_an_order_is_counted_once_and_written_down(db: Database) -> None:
    with db.transaction() as tx:
        agent = Agent(slug="a", name="A", created_at=NOW, spec={})
        tx.add(agent)
        tx.flush()
        tx.add(Stage(agent_id=agent.id, stage="autonomous", since=NOW, reason="first applied"))
        tx.flush()
        later = NOW + timedelta(hours=1)
        for _ in range(2):
            order_stage(tx, later, agent, "assisted", None, "wrong refunds")
        row = stage_of(tx, agent.id)
        assert (row.stage, row.rev, row.since, row.reason) == ("assisted", 2, later, "wrong refunds")
        decision = tx.scalars(select(Decision).where(Decision.action == "stage.order")).one()
        assert decision.evidence == {"before": "autonomous", "after": "assisted", "rev": 2}
        with pytest.raises(ValueError, match="is not a stage"):
            order_stage(tx, later, agent, "wild", None, "")


def test_every_stage_says_what_it_means() -> None:
    assert set(STAGES) == set(MEANING)
