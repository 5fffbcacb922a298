"""Making Slack (and the other routes) agree with the rows: one process at a time, many targets at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.clock import Clock, Ids, RandomIds
from bot.db import is_outage
from bot.lanes import Lanes, Urgency
from bot.marks import mark_of, put_mark
from bot.outbox.charting import Charts
from bot.outbox.claims import Desk, Job, Plan, claim
from bot.outbox.hold import Hold
from bot.outbox.leases import SKEW, drop_lease, hold_lease
from bot.outbox.lookups import find_copies, remove_extras
from bot.outbox.pace import Pacer
from bot.outbox.places import NextPlace
from bot.outbox.results import put_off, record_all, record_found, release_held, scope_of
from bot.outbox.rules import Do, Rhythm
from bot.outbox.sending import send
from bot.routes.outcome import Kind, Outcome, Route
from bot.routes.slack import SlackCalls
from bot.tables import OutMessage, Pace

T = TypeVar("T")
Ended = list[tuple[Job, Outcome, "asyncio.Future[None]"]]  # what became of attempts, and who waits for it to be written down

log = structlog.get_logger(__name__)

LEASE = "delivery"
GATHER = 0.015  # seconds that a storm of calls is given to gather, so that what they share is done once for several
A_FEW = 4  # calls under way that nothing waits for
WRITTEN_AGAIN = (0.1, 0.4, 1.0, 2.0, 4.0)  # seconds between tries to write an outcome down while the database is away
MARK = "delivery.slack"  # {state: working | unreachable | unauthorised, error, since}: `doctor` and the ladders read it


class Delivery:
    """The loop "outbox". Each attempt is committed before the call, its outcome after; a crash between is looked up."""

    def __init__(
        self, lanes: Lanes, clock: Clock, slack: SlackCalls | None, *, routes: Mapping[str, Route] | None = None,
        rhythm: Rhythm | None = None, next_place: NextPlace | None = None, ids: Ids | None = None, charts: Charts | None = None,
    ) -> None:
        self.lanes, self.clock, self.slack = lanes, clock, slack
        self.routes = dict(routes or {})
        self.charts = charts or Charts(lanes, clock, slack)
        self.rhythm = rhythm or Rhythm()
        ids = ids or RandomIds()
        self.counts: Counter[str] = Counter()
        self.hold = Hold(self.rhythm.trouble)
        names = frozenset({*self.routes, *(["slack"] if slack is not None else [])})
        run = RandomIds().nonce()[:12]  # of this process alone, also where the given ids count from one again
        holder = f"{socket.gethostname()[:20]}:{os.getpid()}:{run}"
        self.desk = Desk(self.rhythm, Pacer(self.rhythm), holder, lambda: f"{run}-{ids.nonce()}", names, next_place)
        self._fence: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ran_at: datetime | None = None
        self._stopping = self._asking = False
        self._outcomes: Ended = []
        self._recorder: asyncio.Task[None] | None = None
        self._ledger = asyncio.Lock()  # a claim must not overlook what a record of the same moment sets free

    async def step(self, now: datetime) -> bool:
        """Deliver what is due; says whether there was anything. Waits a moment for calls under way, never for slow ones."""
        if self._ran_at is not None and now < self._ran_at - SKEW:  # the clock was set back: what we planned by it is far away
            self.desk.pacer, self.hold.next_at = Pacer(self.rhythm), now
        self._ran_at = now
        await self._probe(now)
        loop = asyncio.get_running_loop()
        until, found = loop.time() + self.rhythm.patience, False
        while not self._stopping:
            now = max(now, self.clock.now())
            plan = await self._claim(now)
            for job in plan.jobs:
                self._start(job)
            found = found or bool(plan.jobs)
            if plan.more and not plan.jobs:
                continue
            if not self._tasks:
                return found
            if loop.time() >= until:
                return True
            await asyncio.wait(self._tasks, timeout=max(until - loop.time(), 0), return_when=asyncio.FIRST_COMPLETED)
            if len(self._tasks) > self.rhythm.at_once // 2:
                await asyncio.sleep(GATHER)  # for a few more places: a claim for each single one takes longer than it helps
            found = True
        return False

    async def close(self) -> None:
        """Finish the calls under way, then let another process deliver."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=15)
        for task in list(self._tasks):
            task.cancel()
        now = self.clock.now()
        if self._fence is not None:
            with contextlib.suppress(RuntimeError):  # the lanes may be closed already: the lease then ends by itself
                await self.lanes.write(lambda tx: drop_lease(tx, now, LEASE, self.desk.holder))
        for closing in (self.slack, *self.routes.values()):
            if closing is not None:
                await closing.close()

    @property
    def under_way(self) -> list[asyncio.Task[None]]:
        """The calls to the outside that are not answered yet."""
        return list(self._tasks)

    def figures(self, tx: Session, now: datetime) -> dict[str, float]:
        """What /metrics shows: what was done, what waits, and for how long the oldest has been due."""
        due = select(func.count(), func.min(OutMessage.due_at)).where(OutMessage.due_at <= now, OutMessage.state == "pending")
        waiting, oldest = tx.execute(due).one()
        failed = tx.scalar(select(func.count()).where(OutMessage.state == "failed")) or 0
        return {
            **{name: float(count) for name, count in sorted(self.counts.items())},
            "due": float(waiting),
            "oldest due seconds": (now - oldest).total_seconds() if oldest is not None else 0.0,
            "failed now": float(failed),
            "under way": float(len(self._tasks)),
        }

    async def _claim(self, now: datetime) -> Plan:
        room = self.rhythm.at_once - len(self._tasks)
        self.desk.slack_held = self.hold.holds
        if not self._tasks and not await self.lanes.glance(lambda tx: is_due(tx, now)):
            return Plan()

        def work(tx: Session) -> tuple[int | None, Plan]:
            fence = hold_lease(tx, now, LEASE, self.desk.holder, self.rhythm.held_for)
            if fence is None or room <= 0:
                return fence, Plan()
            if fence != self._fence:  # just taken: what Slack asked of the one before us holds for us too
                for scope, at in tx.execute(select(Pace.scope, Pace.next_at).where(Pace.next_at > now)):
                    self.desk.pacer.block(scope, at)
            return fence, claim(tx, now, self.desk, room)

        self._fence, plan = await self._write(work)
        self.counts.update(plan.counts)
        self.desk.busy.update(job.target for job in plan.jobs)
        return plan

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._carry_out(job), name=f"deliver:{job.key}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Not even the failure could be written down (the database is away): the lease ends, then it is looked up.
            log.error("an outcome could not be written down", task=task.get_name(), error=type(task.exception()).__name__)

    async def _carry_out(self, job: Job) -> None:
        try:
            if job.do in (Do.LOOK_UP, Do.CHECK):
                await self._look_up(job)
            else:
                await self._send(job)
        except Exception as error:  # one bad row must not stop the others: it steps aside
            if is_outage(error):
                raise  # nothing can be written now: the row's lease ends, then it is looked up
            log.exception("a message could not be delivered", key=job.key)
            now, why = self.clock.now(), f"{type(error).__name__} while delivering"
            await self._write(lambda tx: put_off(tx, now, job, None, why))
        finally:
            self.desk.busy.discard(job.target)

    async def _send(self, job: Job) -> None:
        outcome = await send(job, self.slack, self.routes, self.charts)
        now = self.clock.now()
        if outcome.kind is Kind.RATE_LIMITED:
            self.desk.pacer.block(scope_of(job), now + timedelta(seconds=outcome.seconds))
        if not outcome.ok:
            log.warning("not delivered", key=job.key, do=job.do.value, route=job.route, outcome=outcome.kind.value, error=outcome.error)
        await self._record(job, outcome)
        if job.route == "slack" and self.hold.heard(outcome, now):
            await self._mark(now)

    async def _record(self, job: Job, outcome: Outcome) -> None:
        """Write an outcome down, together with those that came while the last ones were written."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outcomes.append((job, outcome, written))
        if self._recorder is None or self._recorder.done():
            self._recorder = asyncio.create_task(self._record_waiting(), name="deliver:outcomes")
        await written

    async def _record_waiting(self) -> None:
        while self._outcomes:
            if len(self._tasks) > len(self._outcomes) + A_FEW:
                await asyncio.sleep(GATHER)  # many more are under way: written down together they cost a third
            ended, self._outcomes = self._outcomes, []
            await self._record_all(ended)

    async def _record_all(self, ended: Ended) -> None:
        now, told = self.clock.now(), [(job, outcome) for job, outcome, _ in ended]
        try:
            self.counts.update(await self._write_down(lambda tx: record_all(tx, now, self.desk, told)))
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            if len(ended) > 1 and not is_outage(error):  # one of them is bad: it alone steps aside
                for each in ended:
                    await self._record_all([each])
                return
            for _, _, written in ended:
                if not written.cancelled():
                    written.set_exception(error)
            return
        for _, _, written in ended:
            if not written.cancelled():
                written.set_result(None)

    async def _look_up(self, job: Job) -> None:
        assert self.slack is not None
        seen = await find_copies(self.slack, job)
        now = self.clock.now()
        if not seen.outcome.ok:
            until = now + timedelta(seconds=seen.outcome.seconds) if seen.outcome.kind is Kind.RATE_LIMITED else None
            if until is not None:
                self.desk.pacer.block(scope_of(job), until)
            await self._write(lambda tx: put_off(tx, now, job, until, f"looking it up: {seen.outcome.error}"))
            if self.hold.heard(seen.outcome, now):
                await self._mark(now)
            return
        keep, removed, clean = await remove_extras(self.slack, seen, job.ts)
        now = self.clock.now()
        self.counts["duplicates removed"] += removed

        def write(tx: Session) -> Counter[str]:
            rev = seen.copies.get(keep) if keep else None
            return record_found(tx, now, self.desk, job, channel=seen.channel, keep=keep, rev=rev, clean=clean)

        self.counts.update(await self._write_down(write))
        self.hold.heard(seen.outcome, now)

    async def _probe(self, now: datetime) -> None:
        """While everything is held: ask whether Slack knows us again. The other routes do not wait for the answer."""
        if self.slack is not None and not self.hold.holds:
            state, error = await self.lanes.glance(_written_down)
            self.hold.told(state, error, now)
        if self.slack is None or self._asking or not self.hold.holds or self.hold.next_at is None or now < self.hold.next_at:
            return
        self._asking = True
        task = asyncio.create_task(self._ask(self.slack), name="deliver:auth.test")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _ask(self, slack: SlackCalls) -> None:
        try:
            answer = await slack.call("auth.test")
            now = self.clock.now()
            changed = self.hold.probed(answer, now)
            if changed:
                await self._mark(now)
            if changed and not self.hold.holds:
                await self._write_down(lambda tx: release_held(tx, now))
        finally:
            self._asking = False

    async def _mark(self, now: datetime) -> None:
        """Write down how Slack is doing, for `doctor` and for the ladders' other routes."""
        value: dict[str, Any] = {"state": self.hold.state, "error": self.hold.error, "since": now.isoformat()}
        log.warning("delivery to Slack", **value)
        await self._write(lambda tx: put_mark(tx, MARK, value))

    async def _write_down(self, work: Callable[[Session], T]) -> T:
        """Write what happened outside, also where the database is away for a moment: else it would have to be looked up."""
        for wait in WRITTEN_AGAIN:
            try:
                return await self._write(work)
            except DBAPIError as error:
                if not is_outage(error):
                    raise
                await asyncio.sleep(wait)
        return await self._write(work)

    async def _write(self, work: Callable[[Session], T]) -> T:
        async with self._ledger:
            return await self.lanes.write(work, urgency=Urgency.PAGE)


def is_due(tx: Session, now: datetime) -> bool:
    """Whether any row is due: a look that costs the writers nothing."""
    return tx.scalars(select(OutMessage.id).where(OutMessage.due_at <= now).limit(1)).first() is not None


def _written_down(tx: Session) -> tuple[str, str]:
    """How Slack is doing by the mark, and why."""
    mark = mark_of(tx, MARK)
    return str(mark.get("state", "working")), str(mark.get("error", ""))
