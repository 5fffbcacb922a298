from __future__ import annotations

import pytest

from bot.clock import MovedClock
from bot.db import Database
from tests.paging.world import World


@pytest.fixture
def world(db: Database, clock: MovedClock) -> World:
    """The town with one check of each kind of severity."""
    return World(db, clock).found({"runs": {"kind": "run_failed", "why": "the morning shift starts from its queue"}})
