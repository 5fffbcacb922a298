"""Who does a job that one process at a time does: a lease with a fence, by the database's own clock on PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.tables import Lease

SKEW = timedelta(minutes=1)


def hold_lease(tx: Session, now: datetime, name: str, holder: str, length: timedelta) -> int | None:
    """Take or keep the lease; the fence while we hold it, None while another process does.

    On SQLite only one process writes at all (its lock file sees to that), so a lease found there was left behind.
    """
    sqlite = tx.get_bind().dialect.name == "sqlite"
    clock = now if sqlite else tx.scalar(select(func.clock_timestamp()))
    assert clock is not None
    row = tx.scalars(select(Lease).where(Lease.name == name).with_for_update()).first()
    if row is None:
        try:
            with tx.begin_nested():
                tx.add(Lease(name=name, holder=holder, until=clock + length, fence=1))
        except IntegrityError:  # another process was faster
            return None
        return 1
    if row.holder != holder:
        # An end further away than a lease is long was written before the database's clock was set back.
        if clock < row.until <= clock + length + SKEW and not sqlite:
            return None
        row.holder, row.until, row.fence = holder, clock + length, row.fence + 1
    elif row.until < clock + length * 2 / 3:
        row.until = clock + length
    return row.fence


def drop_lease(tx: Session, now: datetime, name: str, holder: str) -> None:
    """Let go, so that another process need not wait."""
    sqlite = tx.get_bind().dialect.name == "sqlite"
    tx.execute(update(Lease).where(Lease.name == name, Lease.holder == holder).values(until=now if sqlite else func.clock_timestamp()))
