"""Orders as rows: asked, shown in the owner channel, and obeyed once the agent confirms them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import ROLE_WORDS, owners_named
from bot.blocks import escape
from bot.db import wake
from bot.known import known
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.stages import messages
from bot.stages.messages import OrderView
from bot.tables import Agent, Check, Person, Stage, StageOrder


def ask(tx: Session, now: datetime, agent: Agent, row: Stage, *, before: str, left: str | None, lowers: bool) -> StageOrder:
    """Write down a new order; the one before it is over, and no longer waited for."""
    for older in tx.scalars(select(StageOrder).where(StageOrder.agent_id == agent.id, StageOrder.over_at.is_(None)).with_for_update()):
        older.over_at, older.look_at, older.hook_at = now, None, None
        _show_again(tx, now, agent, older)
    order = StageOrder(
        agent_id=agent.id, rev=row.rev, stage=row.stage, version=row.version, before=before, left=left, lowers=lowers,
        asked_at=now, by_id=row.by_id, reason=row.reason, look_at=now if row.stage != "retired" else None, hook_at=now if agent.spec.get("webhook") else None,
    )  # fmt: skip
    tx.add(order)
    tx.flush()
    wake(tx, "switches")
    wake(tx, "incidents")  # an incident about it tells of it
    return order


def confirm(tx: Session, now: datetime, agent: Agent, rev: int, how: str, at: datetime, by_id: int | None = None) -> bool:
    """The agent (or a person for it) confirms the order in force; False where it was confirmed or is over."""
    sought = select(StageOrder).where(StageOrder.agent_id == agent.id, StageOrder.rev == rev, StageOrder.obeyed_at.is_(None), StageOrder.over_at.is_(None))
    order = tx.scalars(sought.with_for_update().execution_options(populate_existing=True)).first()
    if order is None:
        return False
    order.obeyed_at, order.obeyed_how, order.obeyed_by = min(max(at, order.asked_at), now), how, by_id
    order.look_at = None
    audit.record(tx, now, "stage.obeyed", f"agent:{agent.slug}", person_id=by_id, came_from="slack" if by_id else how, evidence={"rev": rev, "stage": order.stage, "version": order.version, "how": how})
    live = (Check.agent_id == agent.id, Check.kind == "stage", Check.archived_at.is_(None))
    tx.execute(update(Check).where(*live).values(due_at=now).execution_options(synchronize_session=False))
    wake(tx, "checks")
    wake(tx, "incidents")
    tx.flush()
    _show_again(tx, now, agent, order)
    return True


def order_in_force(tx: Session, agent_id: int) -> StageOrder | None:
    """The newest order; None where nothing was ever ordered (or only before orders were kept)."""
    return tx.scalars(select(StageOrder).where(StageOrder.agent_id == agent_id, StageOrder.over_at.is_(None)).order_by(StageOrder.rev.desc()).limit(1)).first()


def show(tx: Session, now: datetime, agent: Agent, order: StageOrder) -> None:
    """Tell the owner channel of an order, or what became of it: one message an order, edited in place."""
    if agent.channel_id:
        outbox.show(tx, now, key=key_of(order), to=agent.channel_id, message=messages.told(view_of(tx, agent, order)), priority=Priority.PAGE)


def _show_again(tx: Session, now: datetime, agent: Agent, order: StageOrder) -> None:
    if outbox.find(tx, key_of(order)) is not None:
        show(tx, now, agent, order)


def key_of(order: StageOrder) -> str:
    return f"stage:{order.agent_id}:{order.rev}"


def view_of(tx: Session, agent: Agent, order: StageOrder) -> OrderView:
    """An order with the names that belong to it."""
    row = tx.scalars(select(Stage).where(Stage.agent_id == agent.id)).one()
    by = tx.get(Person, order.by_id) if order.by_id else None
    hand = tx.get(Person, order.obeyed_by) if order.obeyed_by else None
    return OrderView(
        agent=agent.name, value=f"{agent.slug}:{order.rev}", stage=order.stage, before=order.before, version=order.version, left=order.left,
        rolls=order.stage == order.before, lowers=order.lowers, at=order.asked_at,
        by=escape(by.name or "Somebody") if by else "The bot", reason=order.reason, ask=_whom_to_ask(tx, agent, by),
        back_to=row.back_to if order.over_at is None else None, obeyed_at=order.obeyed_at, obeyed_how=order.obeyed_how,
        hand_by=escape(hand.name or "Somebody") if hand else "", late_at=order.late_at, over_at=order.over_at,
        connected=is_connected(agent, row), manual=agent.spec.get("runbook") or "", hook_said=order.hook_said if order.hook_at is not None else "",
    )  # fmt: skip


def is_connected(agent: Agent, row: Stage) -> bool:
    """Whether an order reaches the agent by itself: it has read its gate, or has a webhook."""
    return row.read_at is not None or bool(agent.spec.get("webhook"))


def manual_way(tx: Session, agent: Agent) -> str:
    """What must be said before a press that reaches nobody by itself; empty where the agent is connected."""
    row = known(tx, "stage", agent.id, lambda: tx.scalars(select(Stage).where(Stage.agent_id == agent.id)).one())
    return "" if is_connected(agent, row) else messages.never_read(agent.spec.get("runbook") or "")


def _whom_to_ask(tx: Session, agent: Agent, person: Person | None) -> str:
    """Who ordered it, and the first other owner; names, so that nobody is woken by it."""
    names = owners_named(tx, agent)
    others = [each for each in (names.operations, names.backup, names.business) if each is not None and (person is None or each.person_id != person.id)]
    other = f"{escape(others[0].name)} ({ROLE_WORDS[others[0].role]})" if others else ""
    if person is None:
        return other or "its owners"
    return f"{escape(person.name or 'whoever ordered it')}, who ordered it" + (f", or {other}" if other else "")
