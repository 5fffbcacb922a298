"""Taking due rows: what each needs now, and its attempt committed before the network is touched."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot.outbox.pace import Pacer
from bot.outbox.places import POSTS, NextPlace, fail_row, is_person, set_aside
from bot.outbox.rules import Decision, Do, Facts, Priority, Rhythm, Root, decide
from bot.outbox.shape import BARE, marker_of
from bot.tables import Attempt, OutMessage, Person

METHOD = {Do.POST: "chat.postMessage", Do.EDIT: "chat.update", Do.DELETE: "chat.delete"}
UPLOAD = "files.completeUploadExternal"
LOOK = "conversations.history"


@dataclass(frozen=True)
class Job:
    """One thing to do outside, with all it needs, so that no transaction is open meanwhile."""

    do: Do
    row_id: int
    key: str
    kind: str
    route: str
    target: str
    marker: str
    rev: int
    want: dict[str, Any] = field(repr=False)
    channel: str  # a channel id, or a person's id where their DM is not known yet
    ts: str | None = None  # where it stands
    thread_ts: str | None = None
    layout: int = 0
    attempt_id: int | None = None
    nonce: str = ""
    since: datetime | None = None  # look-ups search from here
    repeats: bool = False  # posted again after a look-up in vain
    gone: bool = False


@dataclass
class Desk:
    """What the one delivering process knows beside the rows."""

    rhythm: Rhythm
    pacer: Pacer
    holder: str
    nonce: Callable[[], str]
    routes: frozenset[str]
    next_place: NextPlace | None = None
    busy: set[str] = field(default_factory=set)  # targets with a call under way: one at a time each
    slack_held: bool = False


@dataclass
class Plan:
    """The jobs of one claim; `more` where there may be further due rows that could go; `counts` for the metrics."""

    jobs: list[Job] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    more: bool = False


def claim(tx: Session, now: datetime, desk: Desk, room: int) -> Plan:
    """Take due rows by (priority, due time), at most one for each target and `room` in all."""
    busy = sorted(desk.busy)
    query = select(OutMessage).where(
        OutMessage.due_at <= now,
        or_(OutMessage.lease_by.is_(None), OutMessage.lease_by != desk.holder, OutMessage.lease_until < now),
    )
    if busy:
        query = query.where(OutMessage.target.not_in(busy))
    if desk.slack_held or "slack" not in desk.routes:
        query = query.where(OutMessage.route != "slack")
    most = min(desk.rhythm.batch, 2 * room)  # some of them may have to wait
    query = query.order_by(OutMessage.priority, OutMessage.due_at, OutMessage.id).limit(most)
    rows = tx.scalars(query.with_for_update(skip_locked=True)).all()
    book = _Book(tx, desk.rhythm, rows)
    plan = Plan([], Counter(), more=len(rows) == most)
    taken: set[str] = set()
    waiting: dict[str, int] = defaultdict(int)
    chosen: list[tuple[OutMessage, Do]] = []
    behind = 0
    for row in rows:
        free = room - len(chosen)
        if free <= 0 or (free <= desk.rhythm.at_once // 4 and row.priority > Priority.CALL):
            plan.more = False  # the last places are kept for calls
            break
        if row.target in taken:
            continue
        row.lease_by = row.lease_until = None  # what another process left behind
        if row.route not in desk.routes:
            fail_row(tx, now, row, f"the route {row.route} is not set up here")
            plan.counts["failed"] += 1
            continue
        decision = decide(book.facts(row), now, desk.rhythm)
        if not _is_outside(decision.do):
            _settle(tx, now, row, decision, plan.counts)
            continue
        at = _may_go_at(desk, row, decision.do, now)
        if at <= now and decision.do is Do.POST and row.route == "slack" and (whole := desk.pacer.whole_at(row.priority, now)) > now:
            row.due_at = whole + desk.pacer.gap * behind  # in a row, so that each is looked at again about once
            behind += 1
            continue
        if at > now:
            row.due_at = at + desk.rhythm.post_every * waiting[row.target]
            waiting[row.target] += 1
            continue
        chosen.append((row, decision.do))
        taken.add(row.target)
        if row.route == "slack":
            desk.pacer.posted(row.target, now) if decision.do is Do.POST else desk.pacer.edited(now) if decision.do is Do.EDIT else None
    tx.flush()  # what has to wait, apart from what begins: rows that change alike are written together
    begun = [(row, do, _begin(tx, now, desk, row, do)) for row, do in chosen]
    tx.flush()
    plan.jobs += [_job(book, row, do, attempt) for row, do, attempt in begun]
    return plan


def _is_outside(do: Do) -> bool:
    return do in (Do.POST, Do.EDIT, Do.DELETE, Do.LOOK_UP, Do.CHECK)


def _may_go_at(desk: Desk, row: OutMessage, do: Do, now: datetime) -> datetime:
    if row.route != "slack":
        return max(now, desk.pacer.blocked.get(f"route:{row.route}", now))
    if do is Do.POST:
        return max(desk.pacer.post_at(row.target, now), desk.pacer.method_at(UPLOAD if row.kind == "file" else "", now))
    if do is Do.EDIT:
        return desk.pacer.edit_at(row.priority, now)
    return desk.pacer.method_at("chat.delete" if do is Do.DELETE else LOOK, now)


def _settle(tx: Session, now: datetime, row: OutMessage, decision: Decision, counts: Counter[str]) -> None:
    """Decisions that need nobody outside."""
    if decision.do is Do.WAIT:
        row.due_at = decision.until
    elif decision.do is Do.FAIL:
        fail_row(tx, now, row, "the message it belongs under could not be posted")
        counts["failed"] += 1
    elif decision.do is Do.REST:
        row.due_at, row.state = None, "shown"
    else:
        set_aside(tx, now, row, "removed" if decision.do is Do.FORGET else "dropped", decision.why)
        counts["dropped"] += decision.do is Do.DROP


def _begin(tx: Session, now: datetime, desk: Desk, row: OutMessage, do: Do) -> Attempt | None:
    """The attempt, where one changes what stands outside; the row is leased meanwhile."""
    if do not in METHOD:
        return None
    method = row.route if row.route != "slack" else UPLOAD if do is Do.POST and row.kind == "file" else METHOD[do]
    attempt = Attempt(message_id=row.id, rev=row.want_rev, nonce=desk.nonce(), method=method, at=now)
    tx.add(attempt)
    row.lease_by, row.lease_until = desk.holder, now + desk.rhythm.lease
    return attempt


def _job(book: _Book, row: OutMessage, do: Do, attempt: Attempt | None) -> Job:
    tries, root = book.tries[row.id], book.roots.get(row.thread_key or "")
    channel = row.channel if row.ts and row.channel else ""
    thread_ts = None
    if not channel and root is not None and root.ts and root.channel:
        channel, thread_ts = root.channel, root.ts
    elif row.thread_key and root is not None:
        thread_ts = root.ts
    channel = channel or book.dms.get(row.target) or row.target
    unsure = [each for each in tries if each.outcome in (None, "lost")]
    return Job(
        do=do, row_id=row.id, key=row.key, kind=row.kind, route=row.route, target=row.target,
        marker=marker_of(row.key, row.id, row.created_at), rev=row.want_rev, want=row.want, channel=channel, ts=row.ts,
        thread_ts=thread_ts, attempt_id=attempt.id if attempt else None, nonce=attempt.nonce if attempt else "",
        layout=min(sum(each.outcome == "layout" and each.rev == row.want_rev for each in tries), BARE),
        since=min((each.at for each in unsure), default=None),
        repeats=any(each.outcome == "lost" for each in tries), gone=row.gone,
    )


class _Book:
    """What the rows of one claim depend on, read at once: their attempts, roots, earlier lines, and people's DMs."""

    def __init__(self, tx: Session, rhythm: Rhythm, rows: Sequence[OutMessage]) -> None:
        self.rhythm = rhythm
        ids = [row.id for row in rows]
        threads = sorted({row.thread_key for row in rows if row.thread_key})
        self.tries: dict[int, list[Attempt]] = defaultdict(list)
        self.roots: dict[str, OutMessage] = {}
        self.first_line: dict[str, int] = {}
        self.dms: dict[str, str] = {}
        if not ids:
            return
        told = or_(Attempt.outcome.is_(None), Attempt.outcome.in_(("lost", "layout")))
        for attempt in tx.scalars(select(Attempt).where(Attempt.message_id.in_(ids), told).order_by(Attempt.id)):
            self.tries[attempt.message_id].append(attempt)
        if threads:
            self.roots = {root.key: root for root in tx.scalars(select(OutMessage).where(OutMessage.key.in_(threads)))}
            lines = select(OutMessage.thread_key, func.min(OutMessage.seq)).where(
                OutMessage.thread_key.in_(threads), OutMessage.kind.in_(("line", "file")), OutMessage.state == "pending",
                OutMessage.shown_rev == 0, OutMessage.gone.is_(False),
            )
            self.first_line = {key: seq for key, seq in tx.execute(lines.group_by(OutMessage.thread_key)) if key}
        people = sorted({row.target for row in rows if is_person(row.target)})
        if people:
            known = select(Person.slack_id, Person.dm_channel).where(Person.slack_id.in_(people), Person.dm_channel.is_not(None))
            self.dms = {who: dm for who, dm in tx.execute(known) if who and dm}

    def facts(self, row: OutMessage) -> Facts:
        stands = row.ts is not None or (row.shown_rev > 0 and (row.route != "slack" or row.kind == "file"))
        unsure: Attempt | None = None
        for attempt in self.tries[row.id]:
            if attempt.outcome is not None:
                continue
            if attempt.method not in POSTS or row.route != "slack":
                attempt.outcome = "unknown"  # may be repeated: it changes what exists, or its receiver knows repetitions
            elif stands:
                attempt.outcome = "lost"
            else:
                unsure = attempt
        lost = any(attempt.outcome == "lost" for attempt in self.tries[row.id])
        return Facts(
            route=row.route, priority=row.priority, gone=row.gone, stands=stands, behind=row.shown_rev < row.want_rev,
            expires_at=row.expires_at, root=self._root(row),
            earlier_waiting=row.thread_key is not None and self.first_line.get(row.thread_key, row.seq) < row.seq,
            unsure_at=unsure.at if unsure else None, looked_at=unsure.at if unsure and unsure.detail == "looked" else None,
            check_at=(row.shown_at or row.created_at) + self.rhythm.look_up_after[1] if lost else None,
        )

    def _root(self, row: OutMessage) -> Root:
        if row.thread_key is None:
            return Root.NONE
        root = self.roots.get(row.thread_key)
        if root is None or root.state in ("dropped", "removed") or root.gone:
            return Root.GONE
        if root.state == "failed":
            return Root.FAILED
        return Root.STANDS if root.ts else Root.WAITING
