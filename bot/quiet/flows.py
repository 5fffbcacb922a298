"""Silences begin and end, in one open transaction; what it means for pages is paging's, which finds the row."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.alone import alone
from bot.db import wake
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.quiet import messages
from bot.quiet.reading import channels_in, moved, scope_of, silence_view
from bot.quiet.rules import Scope
from bot.tables import Agent, Check, Person, Silence

BATCH = 100
POISON = timedelta(minutes=1)


def add_silence(tx: Session, now: datetime, scope: Scope, until: datetime, reason: str, by_id: int) -> Silence:
    """Problems that fit call nobody until then; the owner channels are told. Leave was asked before."""
    row = Silence(
        agent=scope.agent, department=scope.department, check_name=scope.check, kind=scope.kind, severity=scope.severity,
        reason=reason, by_id=by_id, made_at=now, until=until,
    )  # fmt: skip
    tx.add(row)
    tx.flush()
    view = silence_view(tx, row)
    for channel in channels_in(tx, scope):
        outbox.show(tx, now, key=f"silence:{row.id}:{channel}", to=channel, message=messages.silenced(view), priority=Priority.PAGE)
    evidence = {"agent": row.agent, "department": row.department, "check": row.check_name, "kind": row.kind, "severity": row.severity, "until": until.isoformat()}
    audit.record(tx, now, "silence.add", f"silence:{row.id}", person_id=by_id, words=reason, evidence=evidence)
    moved(tx)
    return row


def end_silence(tx: Session, now: datetime, silence_id: int, by_id: int | None) -> bool:
    """It is over, at its time or because somebody ends it; False where it was over already."""
    row = tx.scalars(select(Silence).where(Silence.id == silence_id).with_for_update(key_share=True).execution_options(populate_existing=True)).first()
    if row is None or row.ended_at is not None:
        return False
    row.ended_at, row.ended_by, row.taken_at = now, by_id, None
    tx.flush()
    view = silence_view(tx, row)
    by = tx.get(Person, by_id) if by_id is not None else None
    for channel in channels_in(tx, scope_of(row)):
        outbox.show(tx, now, key=f"silence:{row.id}:over:{channel}", to=channel, message=messages.silence_over(view, (by.name or "Somebody") if by else "", view.problems), priority=Priority.PAGE)
        if outbox.find(tx, f"silence:{row.id}:{channel}") is not None:
            outbox.show(tx, now, key=f"silence:{row.id}:{channel}", to=channel, message=messages.silence_was(view, now), priority=Priority.ANSWER)
    audit.record(tx, now, "silence.end", f"silence:{row.id}", person_id=by_id, came_from="slack" if by_id else "timer", words=row.reason)
    moved(tx)
    return True


def silence_ends(tx: Session, now: datetime) -> bool:
    """Whether a silence's time is up."""
    return tx.scalars(select(Silence.id).where(Silence.ended_at.is_(None), Silence.until <= now).limit(1)).first() is not None


def silences_step(tx: Session, now: datetime) -> bool:
    """Tell of the silences whose time is up; says whether there was one."""
    due = select(Silence).where(Silence.ended_at.is_(None), Silence.until <= now).order_by(Silence.until).limit(BATCH)
    rows = tx.scalars(due.with_for_update(skip_locked=True, key_share=True)).all()
    for row in rows:
        with alone(tx, "the end of a silence could not be told", silence=row.id) as tried:
            end_silence(tx, now, row.id, None)
        if tried.failed:
            # Whom it held back is called by the problems' own timers: only the line about it is lost.
            row.ended_at = now
    return bool(rows)


def watch_again(tx: Session, now: datetime, check: Check, by_id: int) -> bool:
    """A check that was called wrong is right after all: it is looked at now. False where it was not silenced."""
    if check.wrong_at is None or check.archived_at is not None:
        return False
    check.wrong_at = check.wrong_by = None
    check.due_at, check.says, check.watched_at = now, "", now
    agent = tx.get_one(Agent, check.agent_id)
    audit.record(tx, now, "check.watch", f"check:{agent.slug}:{check.name}", person_id=by_id)
    wake(tx, "checks")
    wake(tx, "probes")
    return True
