"""The loop that asks addresses for checks, outside any transaction: many at once, none of them holding up the others."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import and_, not_, select
from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug
from bot.checks import flows
from bot.checks.asking import Probed, Resolve, ask, resolve_name
from bot.checks.kinds import KINDS, read_spec
from bot.checks.kinds.http import AnswerFacts
from bot.checks.kinds.upstream import UpstreamFacts, UpstreamSpec
from bot.checks.reported import newest_reported
from bot.clock import Clock
from bot.lanes import Lanes, Urgency
from bot.paging.rules import Finding
from bot.tables import Agent, Check

log = structlog.get_logger(__name__)

AT_ONCE = 100


class Prober:
    """The loop "probes": claims due checks that need the network, asks all of them at once, applies each answer as it comes.

    A target that hangs holds one of the places until its timeout, never the loop; and those that hung before share half
    of the places, so that a hundred dead targets hold up none that is well.
    """

    def __init__(self, lanes: Lanes, clock: Clock, *, resolve: Resolve = resolve_name, at_once: int = AT_ONCE) -> None:
        self.lanes = lanes
        self.clock = clock
        self.resolve = resolve
        self.at_once = at_once
        self._asking: set[asyncio.Task[None]] = set()
        self._suspects = 0  # of those under way

    async def step(self, now: datetime) -> bool:
        """Begin what is due and wait a moment for an answer; says whether anything was begun or is under way."""
        jobs = await self.lanes.write(lambda tx: self._claim(tx, now)) if len(self._asking) < self.at_once else []
        for check_id, spec, suspect in jobs:
            task = asyncio.create_task(self._probe(check_id, spec))
            self._asking.add(task)
            self._suspects += suspect
            task.add_done_callback(partial(self._done, suspect))
        if self._asking:
            await asyncio.wait(self._asking, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            return True
        return False

    def _done(self, suspect: bool, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._suspects -= suspect

    async def close(self) -> None:
        """Drop what is under way: its checks are due again once their lease is over."""
        for task in list(self._asking):
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def _claim(self, tx: Session, now: datetime) -> list[tuple[int, Probed, bool]]:
        jobs: list[tuple[int, Probed, bool]] = []
        well = and_(Check.state.in_(("ok", "new")), Check.fails == 0)
        for suspect, which in ((False, well), (True, not_(well))):
            free = self.at_once - len(self._asking) - len(jobs)
            most = min(free, self.at_once // 2 - self._suspects) if suspect else free
            if most <= 0:
                continue
            for check, _ in flows.claim(tx, now, probing=True, most=most, which=which):
                spec = flows.spec_or_none(tx, now, check)
                if isinstance(spec, Probed):
                    check.due_at = now + timedelta(seconds=spec.patience() + 30)  # a lease: after a crash it is asked again
                    jobs.append((check.id, spec, suspect))
        return jobs

    async def _probe(self, check_id: int, spec: Probed) -> None:
        try:
            facts = await ask(spec, self.clock, self.resolve)
            await self.lanes.write(lambda tx: _apply(tx, self.clock.now(), check_id, spec, facts), urgency=Urgency.PAGE)
        except Exception:
            log.exception("a probe raised and steps aside", check=check_id)
            await self._step_aside(check_id)

    async def _step_aside(self, check_id: int) -> None:
        try:
            await self.lanes.write(lambda tx: flows.step_aside(tx.get_one(Check, check_id), self.clock.now()))
        except Exception:
            log.exception("a probe that raised could not step aside; its lease ends soon", check=check_id)


def _apply(tx: Session, now: datetime, check_id: int, spec: Probed, answer: AnswerFacts) -> None:
    check = tx.scalars(select(Check).where(Check.id == check_id).with_for_update(key_share=True)).first()
    if check is None or check.archived_at is not None or check.wrong_at is not None or read_spec(check.spec) != spec:
        return  # the registry changed meanwhile: this answer is to a question nobody asks any more
    flows.apply_finding(tx, now, check, spec, KINDS[spec.kind].judge(_facts(tx, check, spec, answer), spec, now))


def _facts(tx: Session, check: Check, spec: Probed, answer: AnswerFacts) -> Any:
    """What was answered, with what was reported beside it where the kind looks at both."""
    if not isinstance(spec, UpstreamSpec):
        return answer
    zone = tx.scalar(select(Agent.zone).where(Agent.id == check.agent_id)) or "UTC"
    return UpstreamFacts(answer, newest_reported(tx, check.agent_id, spec.measure) if spec.measure else None, zone)


async def try_check(lanes: Lanes, clock: Clock, slug: str, name: str, *, resolve: Resolve = resolve_name) -> Finding:
    """What a check of an agent would say now, the network asked where needed; raises LookupError where there is none."""

    def find(tx: Session) -> tuple[int, dict[str, Any]]:
        agent = agent_by_slug(tx, slug)
        wanted = select(Check.id, Check.spec).where(Check.name == name, Check.archived_at.is_(None))
        row = tx.execute(wanted.where(Check.agent_id == agent.id)).first() if agent else None
        if row is None:
            raise LookupError(f"{slug} has no check called {name}" if agent else f"there is no agent {slug}")
        return row.id, row.spec

    check_id, written = await lanes.read(find)
    spec = read_spec(written)
    answer = await ask(spec, clock, resolve) if isinstance(spec, Probed) else None

    def judge(tx: Session) -> Finding:
        check = tx.get_one(Check, check_id)
        facts = _facts(tx, check, spec, answer) if isinstance(spec, Probed) and answer is not None else None
        return flows.test_check(tx, clock.now(), check, facts)

    return await lanes.read(judge)
