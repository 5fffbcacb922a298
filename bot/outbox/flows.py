"""Writing down what should be shown: `show`, `call`, `line`, `file`, in the transaction that caused it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.db import wake
from bot.known import is_known, known, learn
from bot.outbox.rules import Priority
from bot.tables import OutMessage

MESSAGE, _LENGTH = "message", "length of thread"


@dataclass(frozen=True)
class Receipt:
    """Where Slack put a message."""

    channel: str
    ts: str


def show(
    tx: Session,
    now: datetime,
    *,
    key: str,
    to: str,
    message: Message,
    priority: int = Priority.ANSWER,
    thread: str | None = None,
    expires_at: datetime | None = None,
    due_at: datetime | None = None,
) -> OutMessage:
    """Say what Slack should show under `key`: posted once, edited in place afterwards, the latest wins.

    `to` is a channel id, or a user id for their DM. `thread` is the key of the root message to stand under.
    The same content again is no edit. A message not posted by `expires_at` is dropped.
    """
    row = _held(tx, key)
    want = message.want()
    if row is None:
        wake(tx, "outbox")
        try:
            with _in_case(tx, key):
                return _new(tx, now, key, "show", to, want, priority, thread, due_at=due_at or now, expires_at=expires_at)
        except IntegrityError:  # another process said it in the same moment: then this is an edit
            row = _held(tx, key)
            if row is None:
                raise
    if row.want != want or row.gone or row.state in ("removed", "dropped"):
        row.want = want
        row.want_rev += 1
        row.priority = priority
        row.gone = False
        if row.state in ("removed", "dropped"):
            row.channel = row.ts = None
            row.shown_rev = 0
        row.state = "pending"
        row.due_at = due_at or now if row.due_at is None else min(row.due_at, due_at or now)
        row.expires_at = expires_at
    wake(tx, "outbox")
    return row


def call(
    tx: Session,
    now: datetime,
    *,
    key: str,
    to: str,
    message: Message,
    cause: str,
    route: str = "slack",
    topic: str = "",
    expires_at: datetime | None = None,
) -> OutMessage:
    """Wake one person: always a new post, never merged with another, dropped when its cause is gone before sending.

    `topic` names what several calls are about, for routes that gather what belongs together (e-mail).
    """
    found = find(tx, key)
    if found is not None:
        return found
    want = {**message.want(), "topic": topic} if topic else message.want()
    wake(tx, "outbox")
    return _new(tx, now, key, "call", to, want, Priority.CALL, None, route=route, cause=cause, expires_at=expires_at)


def line(tx: Session, now: datetime, *, key: str, thread: str, message: Message, priority: int = Priority.ANSWER, due_at: datetime | None = None) -> OutMessage:
    """Append a line to the thread under the root message `thread`, in order; written once per key."""
    found = find(tx, key)
    if found is not None:
        return found
    root = find(tx, thread)
    if root is None:
        raise LookupError(f"no root message {thread!r} to stand under")
    wake(tx, "outbox")
    return _new(tx, now, key, "line", root.target, message.want(), priority, thread, due_at=due_at)


def file(
    tx: Session,
    now: datetime,
    *,
    key: str,
    to: str,
    name: str,
    content: str,
    title: str,
    comment: str = "",
    thread: str | None = None,
    priority: int = Priority.ANSWER,
) -> OutMessage:
    """Share a text file (a review, an export) once per key."""
    found = find(tx, key)
    if found is not None:
        return found
    want: dict[str, Any] = {"text": comment or title, "name": name, "content": content, "title": title}
    wake(tx, "outbox")
    return _new(tx, now, key, "file", to, want, priority, thread)


def mend(tx: Session, now: datetime, key: str, message: Message) -> None:
    """Edit a call that already stands outside in place, so that no button stays on it; one not yet sent is left alone."""
    row = _held(tx, key)
    if row is None or row.want == message.want() or row.state in ("dropped", "failed", "removed"):
        return
    if row.shown_rev > 0 or row.lease_until is not None:
        row.want = message.want()
        row.want_rev += 1
        row.state, row.due_at, row.priority = "pending", now, int(Priority.PAGE)
        wake(tx, "outbox")


def mark_acked(tx: Session, now: datetime, key: str) -> None:
    """Somebody has what this call was about: routes that know such a state (PagerDuty, webhook) are told, once."""
    row = _held(tx, key)
    if row is None or row.gone or row.want.get("acked") or row.state in ("dropped", "failed", "removed"):
        return
    if row.shown_rev > 0 or row.lease_until is not None:
        row.want = {**row.want, "acked": True}
        row.want_rev += 1
        row.state, row.due_at = "pending", now
        wake(tx, "outbox")


def drop(tx: Session, cause: str) -> int:
    """The cause is gone: its calls that were not yet sent will not be; returns how many."""
    changed = tx.execute(
        update(OutMessage)
        .where(OutMessage.cause == cause, OutMessage.kind == "call", OutMessage.shown_rev == 0, OutMessage.state == "pending", OutMessage.lease_until.is_(None))
        .values(state="dropped", due_at=None)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def remove(tx: Session, now: datetime, key: str) -> None:
    """Take a shown message away again."""
    row = _held(tx, key)
    if row is not None and not row.gone:
        row.gone, row.due_at, row.state = True, now, "pending"
        row.want_rev += 1
        wake(tx, "outbox")


def find(tx: Session, key: str) -> OutMessage | None:
    """The row under a key."""
    return known(tx, MESSAGE, key, lambda: tx.scalars(select(OutMessage).where(OutMessage.key == key)).first())


def _held(tx: Session, key: str) -> OutMessage | None:
    """The row under a key, held until the commit: delivery must not write `nothing due` over what we want now."""
    return known(tx, MESSAGE, key, lambda: tx.scalars(select(OutMessage).where(OutMessage.key == key).with_for_update(), execution_options={"populate_existing": True}).first())


def look_ahead(tx: Session, keys: Sequence[str], threads: Sequence[str]) -> None:
    """Learn for a batch, and hold, the rows under these keys, and how long these threads are."""
    held = select(OutMessage).where(OutMessage.key.in_(keys)).order_by(OutMessage.id).with_for_update()
    found = {row.key: row for row in tx.scalars(held, execution_options={"populate_existing": True})}
    learn(tx, MESSAGE, {key: found.get(key) for key in keys})
    lengths = select(OutMessage.thread_key, func.max(OutMessage.seq)).where(OutMessage.thread_key.in_(threads)).group_by(OutMessage.thread_key)
    learn(tx, _LENGTH, dict.fromkeys(threads, 0) | {key: seq for key, seq in tx.execute(lengths) if key is not None})


def receipt(tx: Session, key: str) -> Receipt | None:
    """Where Slack put it, once it did."""
    row = find(tx, key)
    return Receipt(row.channel, row.ts) if row is not None and row.channel and row.ts else None


def at_place(tx: Session, channel: str, ts: str) -> OutMessage | None:
    """The row behind a message that stands in Slack."""
    return tx.scalars(select(OutMessage).where(OutMessage.channel == channel, OutMessage.ts == ts)).first()


def _in_case(tx: Session, key: str) -> AbstractContextManager[object]:
    """A savepoint where another process may write the same key in this moment: on SQLite one process writes, and a batch tries its rows again one by one."""
    return nullcontext() if is_known(tx, MESSAGE, key) or tx.get_bind().dialect.name == "sqlite" else tx.begin_nested()


def _new(
    tx: Session, now: datetime, key: str, kind: str, to: str, want: dict[str, Any], priority: int, thread: str | None,
    *, due_at: datetime | None = None, expires_at: datetime | None = None, route: str = "slack", cause: str | None = None,
) -> OutMessage:  # fmt: skip
    seq = 0
    if thread is not None:
        seq = (known(tx, _LENGTH, thread, lambda: tx.scalar(select(func.max(OutMessage.seq)).where(OutMessage.thread_key == thread))) or 0) + 1
        learn(tx, _LENGTH, {thread: seq} if is_known(tx, _LENGTH, thread) else {})
    row = OutMessage(
        key=key, kind=kind, target=to, want=want, priority=int(priority), thread_key=thread, seq=seq, created_at=now,
        due_at=due_at or now, expires_at=expires_at, route=route, cause=cause, want_rev=1, shown_rev=0, gone=False, state="pending",
    )  # fmt: skip
    tx.add(row)
    if is_known(tx, MESSAGE, key):
        learn(tx, MESSAGE, {key: row})  # written with the others of its batch
    else:
        tx.flush()
    return row
