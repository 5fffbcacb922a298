"""The pager watches itself: every minute it looks for a page, a call or a problem that nobody would ever hear of, and repairs it.

Each thing sought here is a mistake of ours: it cannot happen while every step does what it says. Nothing is kept in memory; what
is found is looked at again with its row held, so that several processes may look at once and nobody is called twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from bot import audit
from bot.agents.reading import leads_channel_or_people
from bot.alone import alone
from bot.ladders.rules import LATE, REST
from bot.marks import hold_mark
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import showing
from bot.paging.answering.acks import release_departed
from bot.paging.calling import Links
from bot.paging.watching import mending, messages
from bot.paging.watching.mending import KEEPS_FAILING, SOON
from bot.tables import Agent, Call, Climb, OutMessage, Page, Problem

log = structlog.get_logger(__name__)

MARK = "pager.audited"  # {at, repairs: {fault: count}}: when it was last looked, and all that was ever repaired
BATCH = 100
EVERY = timedelta(seconds=50)  # one look a minute, whichever process makes it
GRACE = timedelta(seconds=30)  # what has just happened may still be under way
LEFT = timedelta(minutes=10)  # a page that is part of one that is over this long was forgotten
LONGEST_HOLD = timedelta(hours=48)  # longer than any acknowledgement or snooze
LONGEST_WAIT = timedelta(hours=2)  # longer than anything that a call in the outbox may be told to wait

Seek = Callable[[datetime], Select[Any]]  # the ids of rows that look wrong
Mend = Callable[[Session, datetime, int, Links | None], Page | None]  # the page that was repaired; None where all is well


class Fault(StrEnum):
    """What can be wrong with a page. The words follow "because" in what the leads are told."""

    NO_PAGE = "a problem that must call people was on no page"
    NO_TIMER = "a page that nobody had answered had no time for its next call"
    FAILING = "the calls about a page failed again and again"
    NO_END = "an acknowledgement had no end"
    LEFT_BEHIND = "a page still waited for another one that is over"
    NO_PROBLEM = "a page stayed open though all its problems were over"
    NO_PROOF = "nobody was waiting for the proof that a call arrived"
    NO_MESSAGE = "the message of a call was gone"
    STUCK = "the message of a call would never have been sent"


@dataclass(frozen=True)
class Repair:
    """One thing found and put right."""

    fault: Fault
    page_id: int
    agent: str


def audit_step(tx: Session, now: datetime, links: Links | None = None) -> bool:
    """One look a minute at every open page; says whether anything was repaired."""
    mark = hold_mark(tx, MARK)
    if mark is None:
        return False
    last = datetime.fromisoformat(mark.value["at"]) if mark.value.get("at") else None
    if last is not None and last <= now < last + EVERY:
        return False
    release_departed(tx, now)
    repairs = [repair for fault, seek, mend in LOOKS for repair in _look(tx, now, fault, seek, mend, links)]
    counts = Counter(mark.value.get("repairs") or {})
    counts.update(repair.fault.name.lower() for repair in repairs)
    mark.value = {"at": now.isoformat(), "repairs": dict(counts)}
    if repairs:
        _tell(tx, now, repairs)
    return bool(repairs)


def _look(tx: Session, now: datetime, fault: Fault, seek: Seek, mend: Mend, links: Links | None) -> Iterable[Repair]:
    for row_id in tx.scalars(seek(now).limit(BATCH)).all():
        with alone(tx, "what the auditor found could not be repaired", fault=fault.name, row=row_id) as tried:
            repair = _repaired(tx, now, fault, mend, row_id, links)
        if tried.failed:
            yield from _last_resort(tx, now, fault, row_id)
        elif repair is not None:
            yield repair


def _repaired(tx: Session, now: datetime, fault: Fault, mend: Mend, row_id: int, links: Links | None) -> Repair | None:
    page = mend(tx, now, row_id, links)
    if page is None:
        return None  # it was right after all, or somebody else was faster
    audit.record(tx, now, "pager.repair", f"page:{page.id}", came_from="timer", words=fault.value, evidence={"row": row_id})
    showing.add_line(tx, now, page, f"repaired:{fault.name}:{int(now.timestamp())}", messages.repaired_line(fault.value))
    return Repair(fault, page.id, tx.get_one(Agent, page.agent_id).name)


def _last_resort(tx: Session, now: datetime, fault: Fault, row_id: int) -> Iterable[Repair]:
    """Not even the repair worked: the leads are called in plain words, once an hour, so that somebody knows."""
    told = messages.not_repaired(fault.value, row_id)
    for target in leads_channel_or_people(tx):
        key = f"pager:helpless:{fault.name}:{row_id}:{now:%Y%m%d%H}:{target}"
        outbox.call(tx, now, key=key, to=target, message=told, cause="pager:helpless")
    return ()


def _tell(tx: Session, now: datetime, repairs: list[Repair]) -> None:
    told = messages.repaired([(each.fault.value, each.page_id, each.agent) for each in repairs])
    log.warning("the auditor repaired paging", repairs=[f"{each.fault.name} page:{each.page_id}" for each in repairs])
    for target in leads_channel_or_people(tx):
        outbox.show(tx, now, key=f"pager:repaired:{int(now.timestamp())}:{target}", to=target, message=told, priority=Priority.ANSWER)


# --- what is sought: each by an index of what is open now ------------------------------------------------------------

_Root = aliased(Page)


def _awake(now: datetime) -> ColumnElement[bool]:
    """Pages that should be calling somebody: open, not answered, not held back, part of no other."""
    quiet = or_(Page.quiet_until.is_(None), Page.quiet_until <= now - GRACE)
    return and_(Page.resolved_at.is_(None), Page.acked_at.is_(None), Page.parent_id.is_(None), Page.test.is_(False), Page.opened_at <= now - GRACE, quiet)


def _without_page(now: datetime) -> Select[Any]:
    own = or_(Problem.under_id.is_(None), and_(_Root.resolved_at <= now - LEFT, or_(Problem.free_at.is_(None), Problem.free_at <= now - LEFT)))
    quiet = or_(Problem.quiet_until.is_(None), Problem.quiet_until <= now - GRACE)
    asked = select(Problem.id).join(Agent, Agent.id == Problem.agent_id).outerjoin(Page, Page.id == Problem.page_id).outerjoin(_Root, _Root.id == Problem.under_id)
    open_ = (Problem.closed_at.is_(None), Problem.severity == "page", Problem.well_at.is_(None), Problem.opened_at <= now - GRACE, Agent.archived_at.is_(None))
    return asked.where(*open_, or_(Problem.page_id.is_(None), Page.resolved_at.is_not(None)), own, quiet).order_by(Problem.id)


def _with_climb() -> Select[Any]:
    live = and_(Climb.subject_kind == "page", Climb.subject_id == Page.id, Climb.stopped_at.is_(None))
    return select(Page.id).outerjoin(Climb, live).order_by(Page.id)


def _without_timer(now: datetime) -> Select[Any]:
    # A climb within its minute is looked at as well: one that raises again and again is always within it.
    odd = or_(Climb.id.is_(None), Climb.next_at.is_(None), Climb.next_at > now + REST + LATE)
    return _with_climb().where(_awake(now), odd)


def _failing(now: datetime) -> Select[Any]:
    return _with_climb().where(_awake(now), Climb.next_at > now - SOON, Climb.next_at <= now + SOON, Climb.started_at <= now - KEEPS_FAILING)


def _without_end(now: datetime) -> Select[Any]:
    odd = or_(Page.ack_due_at.is_(None), Page.ack_until.is_(None), Page.acked_by.is_(None), Page.ack_due_at > Page.ack_until, Page.ack_until > now + LONGEST_HOLD)
    return select(Page.id).where(Page.resolved_at.is_(None), Page.acked_at.is_not(None), Page.parent_id.is_(None), Page.test.is_(False), odd).order_by(Page.id)


def _left_behind(now: datetime) -> Select[Any]:
    asked = select(Page.id).join(_Root, _Root.id == Page.parent_id).where(Page.resolved_at.is_(None), _Root.resolved_at <= now - LEFT)
    waiting = select(Problem.id).where(Problem.page_id == Page.id, Problem.closed_at.is_(None), Problem.free_at > now - LEFT)
    return asked.where(~waiting.exists()).order_by(Page.id)


def _without_problem(now: datetime) -> Select[Any]:
    some = select(Problem.id).where(Problem.page_id == Page.id)
    open_ = some.where(Problem.closed_at.is_(None))
    return select(Page.id).where(Page.resolved_at.is_(None), Page.test.is_(False), Page.opened_at <= now - GRACE, some.exists(), ~open_.exists()).order_by(Page.id)


def _calls(now: datetime) -> Select[Any]:
    """Calls of pages that nobody has answered, whose outcome is not known."""
    asked = select(Call.id).join(Climb, Climb.id == Call.climb_id).join(Page, and_(Page.id == Climb.subject_id, Climb.subject_kind == "page"))
    open_ = (Page.resolved_at.is_(None), Page.acked_at.is_(None), Climb.stopped_at.is_(None), Call.state == "sent", Call.called_at <= now - GRACE)
    return asked.outerjoin(OutMessage, OutMessage.key == Call.message_key).where(*open_).order_by(Call.id)


def _without_proof(now: datetime) -> Select[Any]:
    return _calls(now).where(OutMessage.id.is_not(None), or_(Call.confirm_by.is_(None), Call.confirm_by > now + LONGEST_WAIT))


def _without_message(now: datetime) -> Select[Any]:
    return _calls(now).where(OutMessage.id.is_(None))


def _stuck(now: datetime) -> Select[Any]:
    never = or_(OutMessage.due_at.is_(None), OutMessage.due_at > now + LONGEST_WAIT)
    return _calls(now).where(OutMessage.state == "pending", OutMessage.shown_rev == 0, never)


LOOKS: tuple[tuple[Fault, Seek, Mend], ...] = (
    (Fault.NO_PAGE, _without_page, mending.page_problem),
    (Fault.NO_PROBLEM, _without_problem, mending.close_page),
    (Fault.LEFT_BEHIND, _left_behind, mending.set_free),
    (Fault.NO_TIMER, _without_timer, mending.call_again),
    (Fault.FAILING, _failing, mending.write_ladder_anew),
    (Fault.NO_END, _without_end, mending.end_hold),
    (Fault.NO_MESSAGE, _without_message, mending.write_call_anew),
    (Fault.STUCK, _stuck, mending.send_now),
    (Fault.NO_PROOF, _without_proof, mending.await_proof),
)

