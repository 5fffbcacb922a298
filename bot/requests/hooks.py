"""The answer goes to the agent's webhook, signed with the agent's own key, again and again until it is taken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.clock import Clock
from bot.lanes import Lanes
from bot.requests.flows import show_request
from bot.requests.reading import as_json
from bot.routes.outcome import Kind, Outcome
from bot.routes.webhook import key_of_agent, post, sign
from bot.signing import Signer
from bot.tables import Agent, Request
from bot.trust import trusted

AT_ONCE = 20
LEASE = timedelta(seconds=60)  # whoever claimed it and died: somebody else tries again
TRIES = 14  # over about a day
LONGEST = timedelta(hours=3)


@dataclass(frozen=True)
class Job:
    """One webhook to tell: to where, with what."""

    request_id: int
    url: str
    slug: str
    body: dict[str, Any]
    tries: int
    undone: bool


class Hooks:
    """The loop "webhooks of requests"."""

    def __init__(self, lanes: Lanes, clock: Clock, signer: Signer | None, *, timeout: float = 10.0) -> None:
        self._lanes = lanes
        self._clock = clock
        self._signer = signer
        self._client = httpx.AsyncClient(verify=trusted(), timeout=timeout, follow_redirects=False)

    async def step(self, now: datetime) -> bool:
        """Tell those that are due, all at once; says whether there were any."""
        if self._signer is None or not await self._lanes.read(lambda tx: tx.scalars(select(Request.id).where(Request.hook_at <= now).limit(1)).first() is not None):
            return False
        jobs = await self._lanes.write(lambda tx: _claim(tx, now))
        outcomes = await asyncio.gather(*(self._tell(job) for job in jobs))
        for job, outcome in zip(jobs, outcomes, strict=True):
            await self._lanes.write(partial(_note, now=self._clock.now(), job=job, outcome=outcome))
        return bool(jobs)

    async def close(self) -> None:
        await self._client.aclose()

    async def _tell(self, job: Job) -> Outcome:
        assert self._signer is not None
        now = self._clock.now()
        body = orjson.dumps({**job.body, "at": now.isoformat()})
        stamp = str(int(now.timestamp()))
        signature = sign(key_of_agent(self._signer, job.slug), stamp, body)
        headers = {"Content-Type": "application/json", "Aiops-Id": str(job.body["id"]), "Aiops-Signature": f"t={stamp},v1={signature}"}
        return await post(self._client, job.url, body, headers)


def _claim(tx: Session, now: datetime) -> list[Job]:
    jobs = []
    for request in tx.scalars(select(Request).where(Request.hook_at <= now).order_by(Request.hook_at).limit(AT_ONCE).with_for_update(skip_locked=True, key_share=True)):
        agent = tx.get_one(Agent, request.agent_id)
        url = spec_of(agent).webhook
        if url is None:
            request.hook_at = None  # taken out of the registry meanwhile
            continue
        request.hook_at = now + LEASE
        part = "undone" if request.undone_at is not None else "answered"
        body = {"id": f"request:{request.id}:{part}", "type": "request", "request": as_json(tx, request, agent.slug)}
        jobs.append(Job(request.id, url, agent.slug, body, request.hook_tries or 0, request.undone_at is not None))
    return jobs


def _note(tx: Session, now: datetime, job: Job, outcome: Outcome) -> None:
    request = tx.scalars(select(Request).where(Request.id == job.request_id).with_for_update(key_share=True)).one()
    if request.hook_tries != job.tries or (request.undone_at is not None) != job.undone:
        return  # it was told of something newer meanwhile
    before = request.hook_said
    if outcome.ok:
        request.hook_at, request.hook_said = None, "ok"
    else:
        request.hook_tries = job.tries + 1
        given_up = request.hook_tries >= TRIES or outcome.kind is Kind.REFUSED
        wait = timedelta(seconds=outcome.seconds) if outcome.seconds else min(timedelta(seconds=5) * 2**job.tries, LONGEST)
        request.hook_at = None if given_up else now + wait
        request.hook_said = (outcome.error or str(outcome.kind))[:64]
    if request.hook_said != before and not (before is None and outcome.ok):
        show_request(tx, now, request)
