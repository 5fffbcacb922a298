from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.clock import MovedClock
from bot.people.tokens import mint_token
from tests.kit.house import REGISTRY, Town, town

SPEC = """    stage: autonomous
    permissions:
      - {name: small-refund, action: refund.create, on: "order/*", as: svc-triage, at_most: {amount: 50}, then: allow, agreed_by: maya@example.com, until: 2030-01-01}
      - {name: refund, action: "refund.*", then: ask}
      - {name: no-deletes, action: "*.delete", then: deny}
    approvals: {by: [maya@example.com, U0LEA], sla: 30m, on_timeout: deny}
    handoffs: {sla: 30m, plan: 20%}"""


@pytest.fixture
async def t(database_url: str, clock: MovedClock) -> AsyncIterator[Town]:
    """The town with rules; its token may ask for leave too."""
    async with town(database_url, clock) as made:
        await made.apply(REGISTRY.replace("    stage: autonomous", SPEC))
        scopes = ["events", "read", "permissions"]
        made.token = await made.write(lambda tx: mint_token(tx, clock.now(), made.house.ids, name="asks", scopes=scopes, agents=None)[0])
        yield made
