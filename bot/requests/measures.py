"""What /metrics tells of requests and permissions: counted from the rows when somebody asks, the answers of this process beside them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from bot.paging.watching.measures import Figure
from bot.requests.counting import Allowed
from bot.requests.figures import figures_of
from bot.requests.waiting import Board
from bot.tables import Request

KINDS = ("approval", "handoff")


def measures(tx: Session, now: datetime, board: Board, allowed: Allowed) -> list[Figure]:
    """Open ones by kind and the age of the oldest; how the last 28 days went; who waits; what permissions answered."""
    opened = select(Request.kind, func.count(), func.sum(case((Request.claimed_by.is_not(None), 1), else_=0)), func.min(Request.received_at)).where(Request.state == "open").group_by(Request.kind)
    rows = {row[0]: row for row in tx.execute(opened)}
    waiting: dict[tuple[tuple[str, str], ...], float] = {}
    oldest: dict[tuple[tuple[str, str], ...], float] = {}
    for kind in KINDS:
        row = rows.get(kind)
        count, claimed = (int(row[1]), int(row[2])) if row is not None else (0, 0)
        waiting[("kind", kind), ("claimed", "yes")] = claimed
        waiting[("kind", kind), ("claimed", "no")] = count - claimed
        oldest[(("kind", kind),)] = max((now - row[3]).total_seconds(), 0.0) if row is not None else 0.0
    lately = figures_of(tx, now, None)
    how = {
        "approvals_decided": lately.approvals, "approved": lately.approved, "approved_within_3_seconds": lately.quick, "approvals_taken_back": lately.undone,
        "timed_out": lately.timed_out, "handoffs": lately.handoffs, "handoffs_answered": lately.answered, "withdrawn": lately.withdrawn,
    }  # fmt: skip
    found = [
        Figure("aiops_requests_open", "Requests of agents to people that have no answer yet.", waiting),
        Figure("aiops_requests_oldest_seconds", "How long the oldest open request waits; 0 where none does.", oldest),
        Figure("aiops_requests_28_days", "How requests of the last 28 days went (of the newest 5,000).", {(("what", what),): float(n) for what, n in how.items()}),
        Figure("aiops_requests_listening", "Requests whose answer an agent waits for at this process.", {(): float(board.waiting)}),
        Figure("aiops_permissions_answered", "Questions about permissions that this process answered.", {(("decision", decision),): float(n) for decision, n in allowed.answered.items()}, counts=True),
    ]
    if lately.wait_seconds is not None:
        found.append(Figure("aiops_requests_wait_median_seconds", "How long agents waited for a person's answer in the last 28 days, at the median.", {(): lately.wait_seconds}))
    return found
