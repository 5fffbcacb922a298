"""Telling each order to the agent's webhook, signed with its own key, again and again until it answers or the order is over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import orjson
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.autonomy.switches import Confirmed, confirm
from bot.clock import Clock
from bot.lanes import Lanes, Urgency
from bot.routes.outcome import Kind, Outcome
from bot.routes.webhook import key_of_agent, post, sign
from bot.signing import Signer
from bot.stages import orders
from bot.stages.rules import told_again_after
from bot.tables import Agent, StageOrder
from bot.trust import trusted

MOST = 20
LEASE = timedelta(seconds=30)  # a process that died while telling it: told again after this
TIMEOUT = 5.0


@dataclass(frozen=True)
class Letter:
    """One order on its way."""

    order_id: int
    agent_id: int
    slug: str
    rev: int
    url: str
    tries: int
    told: dict[str, Any]


class Webhooks:
    """One turn: claim what is due, post it beside the database, write down what became of it."""

    def __init__(self, lanes: Lanes, clock: Clock, signer: Signer) -> None:
        self._lanes, self._clock, self._signer = lanes, clock, signer
        self._client: httpx.AsyncClient | None = None

    async def step(self, now: datetime) -> bool:
        if not await self._lanes.read(partial(_anything_due, now=now)):
            return False
        letters = await self._lanes.write(partial(_claim, now=now), urgency=Urgency.PAGE)
        outcomes = await asyncio.gather(*(self._post(letter) for letter in letters))
        for letter, outcome in zip(letters, outcomes, strict=True):
            await self._lanes.write(partial(_settle, now=self._clock.now(), letter=letter, outcome=outcome), urgency=Urgency.PAGE)
        return bool(letters)

    async def _post(self, letter: Letter) -> Outcome:
        if self._client is None:
            self._client = httpx.AsyncClient(verify=trusted(), timeout=TIMEOUT, follow_redirects=False)
        now = self._clock.now()
        body, stamp = orjson.dumps({**letter.told, "at": now.isoformat()}), str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Aiops-Id": str(letter.told["id"]),
            "Aiops-Signature": f"t={stamp},v1={sign(key_of_agent(self._signer, letter.slug), stamp, body)}",
        }
        return await post(self._client, letter.url, body, headers)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _anything_due(tx: Session, now: datetime) -> bool:
    return tx.scalars(select(StageOrder.id).where(StageOrder.hook_at <= now).limit(1)).first() is not None


def _claim(tx: Session, now: datetime) -> list[Letter]:
    """Take what is due for the length of a lease; an agent whose entry names no webhook any more is told nothing."""
    rows = tx.execute(select(StageOrder, Agent).join(Agent, Agent.id == StageOrder.agent_id).where(StageOrder.hook_at <= now).order_by(StageOrder.hook_at).limit(MOST).with_for_update(of=StageOrder, skip_locked=True))
    letters = []
    for order, agent in rows:
        url = agent.spec.get("webhook")
        if not url or order.over_at is not None:
            order.hook_at = None
            continue
        order.hook_at, order.hook_tries = now + LEASE, order.hook_tries + 1
        told = {
            "id": f"order-{agent.slug}-{order.rev}", "type": "stage", "agent": agent.slug, "stage": order.stage, "version": order.version,
            "rev": order.rev, "since": order.asked_at.isoformat(), "reason": order.reason,
        }  # fmt: skip
        letters.append(Letter(order.id, agent.id, agent.slug, order.rev, str(url), order.hook_tries, told))
    return letters


def _settle(tx: Session, now: datetime, letter: Letter, outcome: Outcome) -> None:
    """It knows, or it is told again later; meanwhile the channel says why it does not know."""
    if outcome.ok:
        # First the pages and the confirmation, then the row's timer: the order in which everybody takes their locks.
        confirm(tx, now, Confirmed(letter.agent_id, letter.rev, "webhook", now))
        tx.execute(update(StageOrder).where(StageOrder.id == letter.order_id).values(hook_at=None, hook_said=""))
        return
    wait = timedelta(seconds=min(outcome.seconds, 900)) if outcome.kind is Kind.RATE_LIMITED else told_again_after(letter.tries)
    again = update(StageOrder).where(StageOrder.id == letter.order_id, StageOrder.over_at.is_(None)).values(hook_at=now + wait, hook_said=outcome.error[:64])
    if tx.execute(again.execution_options(synchronize_session=False)).rowcount and letter.tries in (1, 10):  # type: ignore[attr-defined]
        orders.show(tx, now, tx.get_one(Agent, letter.agent_id), tx.get_one(StageOrder, letter.order_id, populate_existing=True))
