"""Writing down what became of an attempt: the receipt, the next try, or the clear end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.outbox.as_text import NOT_ALLOWED, tell_as_text
from bot.outbox.claims import LOOK, METHOD, UPLOAD, Desk, Job
from bot.outbox.places import (
    POSTS,
    fail_row,
    is_person,
    keep_dm,
    keep_dms,
    move,
    post_anew,
    release,
    release_all,
    set_aside,
)
from bot.outbox.rules import Do, is_absent_for_good, matters, wait_after
from bot.outbox.shape import BARE, FULL
from bot.routes.outcome import Kind, Outcome
from bot.tables import Attempt, OutMessage, Pace

OVER = ("dropped", "removed", "failed")
TROUBLE_WAITS = timedelta(seconds=5)  # at most, for one row: when Slack as a whole is away, delivery holds everything


def scope_of(job: Job) -> str:
    """What a 429 blocks: the posts of one channel, or one method everywhere."""
    if job.route != "slack":
        return f"route:{job.route}"
    if job.do is Do.POST:
        return f"method:{UPLOAD}" if job.kind == "file" else f"post:{job.target}"
    return f"method:{METHOD.get(job.do, LOOK)}"


def record_all(tx: Session, now: datetime, desk: Desk, ended: Sequence[tuple[Job, Outcome]]) -> Counter[str]:
    """Write down how attempts ended and when their rows are due again; returns what to count."""
    held = select(OutMessage).where(OutMessage.id.in_([job.row_id for job, _ in ended])).order_by(OutMessage.id).with_for_update()
    rows = {row.id: row for row in tx.scalars(held)}
    attempts = {each.id: each for each in tx.scalars(select(Attempt).where(Attempt.id.in_([job.attempt_id for job, _ in ended])))}
    counts: Counter[str] = Counter()
    posted: list[OutMessage] = []
    for job, outcome in ended:
        row, attempt = rows.get(job.row_id), attempts.get(job.attempt_id or 0)
        if row is not None and attempt is not None:
            before = counts["posted"]
            _record(tx, now, desk, job, outcome, row, attempt, counts)
            posted += [row] if counts["posted"] > before else []
    if posted:
        keep_dms(tx, {row.target: row.channel for row in posted})
        tx.flush()
        release_all(tx, now, [key for row in posted for key in (row.key, row.thread_key) if key])
    return counts


def _record(tx: Session, now: datetime, desk: Desk, job: Job, outcome: Outcome, row: OutMessage, attempt: Attempt, counts: Counter[str]) -> None:
    unsure = outcome.kind is Kind.UNKNOWN and attempt.method in POSTS
    attempt.outcome = None if unsure else outcome.kind.value
    attempt.detail = f"{job.target} {outcome.error}".strip()[:500] if not outcome.ok else None
    if row.lease_by not in (None, desk.holder) and not outcome.ok:
        return  # another process took over and looks after the row
    row.lease_by = row.lease_until = None
    if outcome.ok:
        if job.do is Do.POST and row.ts is not None and row.ts != outcome.found.get("ts"):
            # Another process, which took us for dead, has posted it meanwhile: ours is the second copy.
            attempt.outcome = "lost"
            _rest(now, row, now)
            return
        _done(tx, now, desk, row, job, outcome, counts)
    else:
        counts[outcome.kind.value] += 1
        _not_done(tx, now, desk, row, job, outcome, counts, attempt.at)


def _done(tx: Session, now: datetime, desk: Desk, row: OutMessage, job: Job, outcome: Outcome, counts: Counter[str]) -> None:
    row.tries, row.error = 0, None
    if job.do is Do.DELETE:
        counts["deleted"] += 1
        _away(tx, now, row)
        return
    if job.do is Do.POST:
        counts["posted"] += 1
        if job.kind != "file" and job.route == "slack":
            row.channel, row.ts = str(outcome.found.get("channel") or job.channel), str(outcome.found.get("ts") or "") or None
        elif job.route == "slack":
            row.channel = job.channel
        row.shown_rev = job.rev
    else:
        counts["edited"] += 1
        row.shown_rev = max(row.shown_rev, job.rev)
    row.plain = job.layout > FULL
    row.shown_at = now
    _rest(now, row, now + desk.rhythm.look_up_after[1] if job.repeats else None)


def _not_done(
    tx: Session, now: datetime, desk: Desk, row: OutMessage, job: Job, outcome: Outcome, counts: Counter[str], began: datetime
) -> None:
    row.error = _said(job, outcome)
    if outcome.kind is Kind.RATE_LIMITED:
        row.due_at = now + timedelta(seconds=outcome.seconds)
        _remember(tx, scope_of(job), row.due_at)
    elif outcome.kind is Kind.UNAUTHORISED and job.route == "slack":
        row.due_at = now  # nothing is lost: it goes when the token works again
    elif outcome.kind is Kind.UNKNOWN and job.do is Do.POST and job.route == "slack":
        row.due_at = began + desk.rhythm.look_up_after[0]
    elif outcome.kind is Kind.LAYOUT and job.layout < BARE and job.route == "slack":
        row.due_at = now  # the same words, more plainly
        counts["made plain"] += 1
    elif outcome.kind is Kind.NO_MESSAGE and job.route == "slack":
        _vanished(tx, now, row, job, counts)
    elif outcome.kind is Kind.NO_PLACE:
        _no_place(tx, now, desk, row, job, counts)
    elif outcome.kind.is_trouble and job.route == "slack":
        row.tries += 1
        row.due_at = now + min(wait_after(row.tries), TROUBLE_WAITS)
    else:
        row.tries += 1
        row.due_at = now + wait_after(row.tries)
        # A clear no is not asked for long; a server that is away may be away for two hours.
        most = desk.rhythm.tries if outcome.kind is Kind.REFUSED else desk.rhythm.tries * 4
        gives_up = outcome.kind is Kind.LAYOUT or row.tries >= most or (job.kind == "file" and outcome.error in NOT_ALLOWED)
        if gives_up or (outcome.kind is Kind.REFUSED and row.route != "slack"):
            fail_row(tx, now, row, _said(job, outcome))
            counts["failed"] += 1
            if job.kind == "file":
                tell_as_text(tx, now, row)


def _vanished(tx: Session, now: datetime, row: OutMessage, job: Job, counts: Counter[str]) -> None:
    """A person deleted the message (or Slack lets it be changed no more)."""
    if job.do is Do.DELETE:
        _away(tx, now, row)
    elif job.do is Do.POST:  # the root it should stand under is gone: that comes first
        root = tx.scalars(select(OutMessage).where(OutMessage.key == row.thread_key).with_for_update()).first()
        if root is not None and root.ts is not None and matters(root.priority):
            post_anew(tx, now, root)
        row.tries += 1
        row.due_at = now + wait_after(row.tries)
    elif matters(row.priority):
        post_anew(tx, now, row)
        counts["posted anew"] += 1
    else:
        set_aside(tx, now, row, "removed", "deleted by a person")


def _no_place(tx: Session, now: datetime, desk: Desk, row: OutMessage, job: Job, counts: Counter[str]) -> None:
    if job.do is Do.DELETE:
        _away(tx, now, row)
    elif is_person(row.target) and job.channel != row.target and job.do is Do.POST and job.thread_ts is None:
        keep_dm(tx, row.target, None)  # their DM may have another address by now
        row.due_at = now
    elif move(tx, now, row, desk.next_place):
        counts["moved"] += 1
    else:
        fail_row(tx, now, row, row.error or "")
        counts["failed"] += 1


def _away(tx: Session, now: datetime, row: OutMessage) -> None:
    """It is deleted outside; by now it may be wanted again."""
    if row.gone:
        set_aside(tx, now, row, "removed")
    else:
        post_anew(tx, now, row)


def _rest(now: datetime, row: OutMessage, check_at: datetime | None) -> None:
    """Due again where more is wanted by now, or a look for a second copy is owed."""
    behind = row.shown_rev < row.want_rev or row.gone
    row.state = "pending" if behind else "shown"
    row.due_at = now if behind else check_at


def _said(job: Job, outcome: Outcome) -> str:
    return f"{job.route} said {outcome.error or outcome.kind.value} for {job.target if job.route == 'slack' else job.key}"


def record_found(
    tx: Session, now: datetime, desk: Desk, job: Job, *, channel: str, keep: str | None, rev: int | None, clean: bool
) -> Counter[str]:
    """After a look-up: the receipt where a copy stands, another look or another post where none does.

    `clean` is False where a second copy could not be removed: then it is looked for again.
    """
    row = _row(tx, job)
    counts: Counter[str] = Counter({"looked up": 1})
    if row is None:
        return counts
    open_tries = list(tx.scalars(select(Attempt).where(Attempt.message_id == row.id, Attempt.outcome.is_(None), Attempt.method.in_(POSTS))))
    keep_dm(tx, row.target, channel)
    if keep is not None and row.ts is None:
        row.channel, row.ts, row.shown_at, row.tries, row.error = channel, keep, now, 0, None
        row.shown_rev = min(rev or min((each.rev for each in open_tries), default=row.want_rev), row.want_rev)
        counts["found"] += 1
    if keep is not None or job.do is Do.CHECK:
        for attempt in tx.scalars(select(Attempt).where(Attempt.message_id == row.id, Attempt.outcome == "lost")):
            attempt.outcome = "lost" if not clean else "absent"
        for attempt in open_tries:
            attempt.outcome = "found" if clean else "lost"
        _rest(now, row, None if clean else now + desk.rhythm.look_up_after[1])
        tx.flush()
        release(tx, now, row.key)
        if row.thread_key:
            release(tx, now, row.thread_key)
        return counts
    newest = max((each.at for each in open_tries), default=now)
    if row.state in OVER:
        return counts
    if is_absent_for_good(newest, now, desk.rhythm):
        for attempt in open_tries:
            attempt.outcome = "lost"
        row.due_at = now
    else:
        for attempt in open_tries:
            attempt.detail = "looked"
        row.due_at = newest + desk.rhythm.look_up_after[1]
    return counts


def put_off(tx: Session, now: datetime, job: Job, until: datetime | None, why: str) -> None:
    """The look-up itself did not get through, or something broke here: the row steps aside for a while."""
    row = _row(tx, job)
    if row is None:
        return
    row.lease_by = row.lease_until = None
    if row.state in OVER:
        return
    row.tries += 1
    row.due_at = until or now + min(wait_after(row.tries), TROUBLE_WAITS)
    row.error = why
    if until is not None:
        _remember(tx, scope_of(job), until)


def release_held(tx: Session, now: datetime) -> None:
    """Slack is back: what waited because of trouble goes now. What a 429 put off, and what must be looked up first, keeps its time."""
    waiting = select(OutMessage.id).where(OutMessage.due_at > now, OutMessage.route == "slack", OutMessage.state == "pending", OutMessage.tries > 0)
    held = waiting.order_by(OutMessage.id).with_for_update(skip_locked=True)
    tx.execute(update(OutMessage).where(OutMessage.id.in_(held)).values(due_at=now).execution_options(synchronize_session=False))


def _remember(tx: Session, scope: str, until: datetime) -> None:
    """Keep what a 429 asked for, so that a restart obeys it too."""
    row = tx.scalars(select(Pace).where(Pace.scope == scope).with_for_update()).first()
    if row is None:
        tx.add(Pace(scope=scope, next_at=until))
    else:
        row.next_at = max(row.next_at, until)


def _row(tx: Session, job: Job) -> OutMessage | None:
    return tx.scalars(select(OutMessage).where(OutMessage.id == job.row_id).with_for_update()).first()
