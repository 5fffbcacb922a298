from __future__ import annotations

import pytest

from bot.clock import MovedClock
from bot.db import Database
from tests.paging.world import World


@pytest.fixture
def world(db: Database, clock: MovedClock) -> World:
    """Support triage, owned by Omar and Maya; a second agent, Order desk, in the same department."""
    world = World(db, clock).found({"runs": {"kind": "run_failed", "why": "the morning shift starts from its queue"}})
    world.do(lambda tx: world.add_agent(tx, "order-desk", "Order desk", {"orders": {"kind": "run_failed"}}))
    world.settle()
    return world
