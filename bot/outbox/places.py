"""Where a row goes when its place is closed, and what becomes of its thread: in one open transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.tables import Attempt, OutMessage, Person

POSTS = ("chat.postMessage", "files.completeUploadExternal")

NEXT = 5

# The next place for a message whose place is closed (the owners' DM, say), or None; `tried` are the places that failed.
NextPlace = Callable[[Session, OutMessage, frozenset[str]], str | None]


def is_person(target: str) -> bool:
    """Whether a Slack target is a person, whose DM is meant."""
    return target[:1] in ("U", "W")


def release(tx: Session, now: datetime, key: str) -> None:
    """Who waits next under this root is looked at now; each of them releases the following.

    Rows that somebody holds are skipped, never waited for: two transactions that wait for each other would both be late.
    """
    waiting = select(OutMessage).where(OutMessage.thread_key == key, OutMessage.due_at > now, OutMessage.state == "pending")
    waiting = waiting.order_by(OutMessage.seq).limit(NEXT)
    for row in tx.scalars(waiting.with_for_update(skip_locked=True)):
        row.due_at = now


def release_all(tx: Session, now: datetime, keys: Sequence[str]) -> None:
    """The same under many roots: most have nobody waiting, which one look tells."""
    waiting = select(OutMessage.thread_key).where(OutMessage.thread_key.in_(keys), OutMessage.due_at > now, OutMessage.state == "pending")
    for key in tx.scalars(waiting.distinct().order_by(OutMessage.thread_key)).all():
        if key is not None:
            release(tx, now, key)


def fail_row(tx: Session, now: datetime, row: OutMessage, why: str) -> None:
    """Give up with a clear error, which `doctor` and the metrics show; what stands under it hears of it."""
    row.state, row.due_at, row.error = "failed", None, why
    row.lease_by = row.lease_until = None
    release(tx, now, row.thread_key or row.key)
    if row.thread_key:
        release(tx, now, row.key)


def set_aside(tx: Session, now: datetime, row: OutMessage, state: str, why: str = "") -> None:
    """Dropped or removed: nothing stands outside, and nothing will unless it is shown again."""
    row.state, row.due_at, row.channel, row.ts, row.shown_rev = state, None, None, None, 0
    row.error = why or None
    row.lease_by = row.lease_until = None
    tx.flush()
    release(tx, now, row.key)
    if row.thread_key:
        release(tx, now, row.thread_key)


def post_anew(tx: Session, now: datetime, row: OutMessage) -> None:
    """It no longer stands where it stood: its latest words are posted again."""
    row.channel = row.ts = None
    row.shown_rev, row.state, row.due_at = 0, "pending", now


def move(tx: Session, now: datetime, row: OutMessage, next_place: NextPlace | None) -> bool:
    """Take a row, with its whole thread, to the next place; False where there is none."""
    root = row
    if row.thread_key is not None:
        found = tx.scalars(select(OutMessage).where(OutMessage.key == row.thread_key).with_for_update()).first()
        root = found or row
    if root.kind == "call" or next_place is None:  # a call is for one person: their next route is the ladder's business
        return False
    refused = select(Attempt.detail).where(Attempt.message_id.in_((root.id, row.id)), Attempt.outcome == "no_place")
    tried = frozenset({root.target, *(detail.split(" ")[0] for detail in tx.scalars(refused) if detail)})
    place = next_place(tx, root, tried)
    if place is None or place in tried:
        return False
    root.target = place
    post_anew(tx, now, root)
    root.lease_by = root.lease_until = None
    under = select(OutMessage).where(OutMessage.thread_key == root.key, OutMessage.shown_rev == 0, OutMessage.state == "pending")
    for line in tx.scalars(under.with_for_update(skip_locked=True)):
        line.target = place
        line.due_at = now
    return True


def keep_dms(tx: Session, channels: Mapping[str, str | None]) -> None:
    """Remember the DM channels of several people; most are known, which one look tells."""
    given = {target: channel for target, channel in channels.items() if is_person(target) and channel is not None and channel.startswith("D")}
    if not given:
        return
    known = tx.execute(select(Person.id, Person.slack_id, Person.dm_channel).where(Person.slack_id.in_(sorted(given)))).all()
    other = sorted(row.id for row in known if given[row.slack_id] != row.dm_channel)
    if other:
        for person in tx.scalars(select(Person).where(Person.id.in_(other)).order_by(Person.id).with_for_update(skip_locked=True)):
            person.dm_channel = given[person.slack_id or ""]


def keep_dm(tx: Session, target: str, channel: str | None) -> None:
    """Remember (or forget) the DM channel of a person."""
    if not is_person(target) or (channel is not None and not channel.startswith("D")):
        return
    known = select(Person).where(Person.slack_id == target, Person.dm_channel.is_distinct_from(channel))
    for person in tx.scalars(known.with_for_update(skip_locked=True)):
        person.dm_channel = channel
