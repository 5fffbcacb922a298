"""What becomes of an order: confirmed by the gate, a webhook or a run, or late; and its page says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.blocks import Message, escape
from bot.checks.built_in import add_built_in
from bot.checks.flows import look_soon
from bot.db import wake
from bot.incidents.reading import incidents_about
from bot.incidents.thread import show_incident
from bot.lanes import Lanes, Urgency
from bot.paging import showing
from bot.paging.flows import close_problem
from bot.paging.reading import open_pages
from bot.stages import messages, orders
from bot.stages.gate import Gate, Read
from bot.stages.rules import CONFIRM_WITHIN, obeys
from bot.tables import Agent, Check, Page, Run, Stage, StageOrder

BUILT_IN = "order:obeyed"
RUNS = 20
LATE_AGAIN = timedelta(seconds=15)  # how often the runs of an agent are looked at that let the time pass
MOST = 200


@dataclass(frozen=True)
class Confirmed:
    """Something that shows an order to be obeyed."""

    agent_id: int
    rev: int
    how: str
    at: datetime


class Switches:
    """One turn: write down who read its gate, see to new orders, look for runs that obey, and call out those that are late."""

    def __init__(self, lanes: Lanes, gate: Gate) -> None:
        self._lanes, self._gate = lanes, gate
        self._late_looked: datetime | None = None

    async def step(self, now: datetime) -> bool:
        found = await self._note_reads(now)
        late = self._late_looked is None or not timedelta(0) <= now - self._late_looked < LATE_AGAIN
        seen, due = await self._lanes.read(partial(_look, now=now, late=late))
        if late:
            self._late_looked = now
        found += seen
        for each in found:
            await self._lanes.write(partial(confirm, now=now, confirmed=each), urgency=Urgency.PAGE)
        for order_id in due:
            await self._lanes.write(partial(_see_to, now=now, order_id=order_id), urgency=Urgency.PAGE)
        return bool(found or due)

    async def _note_reads(self, now: datetime) -> list[Confirmed]:
        reads = self._gate.reads()
        if not reads:
            return []
        try:
            found, first = await self._lanes.write(partial(_write_reads, reads=reads))
        except Exception:
            self._gate.not_written(reads)
            raise
        for agent_id in first:
            await self._lanes.write(partial(_show_again, now=now, agent_id=agent_id))
        return found


def _write_reads(tx: Session, reads: Sequence[Read]) -> tuple[list[Confirmed], list[int]]:
    """Remember who read what; the orders that this confirms, and the agents that read their gate for the first time."""
    found, first = [], []
    for read in reads:
        row = tx.scalars(select(Stage).where(Stage.agent_id == read.agent_id).with_for_update()).first()
        if row is None:
            continue
        if row.read_at is None:
            first.append(read.agent_id)
        row.read_at, row.read_rev = read.at, read.rev
        if row.rev == read.rev:
            open_one = select(StageOrder.id).where(StageOrder.agent_id == read.agent_id, StageOrder.rev == read.rev, StageOrder.obeyed_at.is_(None))
            if tx.scalar(open_one) is not None:
                found.append(Confirmed(read.agent_id, read.rev, "gate", read.at))
    return found, first


def _look(tx: Session, now: datetime, *, late: bool) -> tuple[list[Confirmed], list[int]]:
    """Runs that obey an order still waited for; and the orders that are new or whose time is up."""
    waited = list(tx.scalars(select(StageOrder).where(StageOrder.look_at.is_not(None)).order_by(StageOrder.look_at).limit(MOST)))
    due = [order.id for order in waited if order.look_at is not None and order.look_at <= now]
    if late:
        missed = select(StageOrder).where(StageOrder.late_at.is_not(None), StageOrder.obeyed_at.is_(None), StageOrder.over_at.is_(None))
        waited += tx.scalars(missed.order_by(StageOrder.late_at.desc()).limit(MOST))
    found = []
    for order in waited:
        ran = select(Run.stage, Run.version, Run.occurred_at).where(Run.agent_id == order.agent_id, Run.occurred_at >= order.asked_at)
        rows = tx.execute(ran.order_by(Run.occurred_at.desc(), Run.id.desc()).limit(RUNS))
        at = next((row.occurred_at for row in rows if obeys(order.stage, order.version, row.stage, row.version)), None)
        if at is not None:
            found.append(Confirmed(order.agent_id, order.rev, "run", at))
    return found, due


def confirm(tx: Session, now: datetime, confirmed: Confirmed, by_id: int | None = None) -> bool:
    """The order is obeyed: its channel, its pages and its check learn it. False where it was already, or is over."""
    agent = tx.get_one(Agent, confirmed.agent_id)
    pages = _held(tx, agent.id)
    if not orders.confirm(tx, now, agent, confirmed.rev, confirmed.how, confirmed.at, by_id):
        return False
    order = orders.order_in_force(tx, agent.id)
    if order is not None:
        words = Message(f"{escape(agent.name)}: {messages.standing(orders.view_of(tx, agent, order))}")
        for page in pages:
            showing.add_line(tx, now, page, f"obeyed:{agent.id}:{order.rev}", words)
            showing.show_page(tx, now, page)
    return True


def _show_again(tx: Session, now: datetime, agent_id: int) -> None:
    """It hears orders now: the pages and incidents about it no longer say otherwise."""
    for page in _held(tx, agent_id):
        showing.show_page(tx, now, page)
    for incident in incidents_about(tx, agent_id):
        show_incident(tx, now, incident)


def _held(tx: Session, agent_id: int) -> list[Page]:
    """The open pages about an agent, locked in the order in which everybody does: pages first, then the stage."""
    ids = [page.id for page in open_pages(tx, [agent_id])]
    return list(tx.scalars(select(Page).where(Page.id.in_(ids)).order_by(Page.id).with_for_update(key_share=True)))


def _see_to(tx: Session, now: datetime, order_id: int) -> None:
    """A new order gets a check that sees to it; one whose time is up is late, and that check calls people."""
    order = tx.scalars(select(StageOrder).where(StageOrder.id == order_id, StageOrder.look_at <= now).with_for_update(skip_locked=True)).first()
    if order is None:
        return
    agent = tx.get_one(Agent, order.agent_id)
    if agent.archived_at is not None:
        order.look_at = None
        return
    ends = order.asked_at + CONFIRM_WITHIN
    if now < ends:
        order.look_at = ends
        _check_it(tx, now, agent, order)
        return
    order.look_at, order.late_at = None, now
    tx.flush()
    audit.record(tx, now, "stage.late", f"agent:{agent.slug}", came_from="timer", evidence={"rev": order.rev, "stage": order.stage, "version": order.version})
    wake(tx, "incidents")
    _check_it(tx, now, agent, order)
    look_soon(tx, now, [agent.id], ["stage"])
    orders.show(tx, now, agent, order)


def _check_it(tx: Session, now: datetime, agent: Agent, order: StageOrder) -> None:
    """The built-in check, for as long as an order stands of which something depends, and the entry has no check of its own."""
    rows = list(tx.scalars(select(Check).where(Check.agent_id == agent.id, (Check.kind == "stage") | (Check.name == BUILT_IN))))
    built = next((row for row in rows if row.name == BUILT_IN), None)
    own = any(row.name != BUILT_IN and row.archived_at is None for row in rows)
    if own or (order.stage == "autonomous" and order.version is None):
        if built is not None and built.archived_at is None:
            close_problem(tx, now, built, "Another order took its place." if not own else "The registry has a check of its own for this.")
            built.archived_at, built.due_at, built.state, built.fails, built.passes = now, None, "new", 0, 0
        return
    if built is None:
        add_built_in(tx, now, agent.id, BUILT_IN, {"kind": "stage", "grace": "2m"}, severity="page", why="people rely on what was ordered")
        return
    built.archived_at, built.wrong_at, built.wrong_by, built.due_at = None, None, None, now
    wake(tx, "checks")

