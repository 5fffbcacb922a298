"""Marks: small facts about the deployment itself (how Slack is doing, when the pager last looked), each a row by its name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.tables import Mark


def mark_of(tx: Session, name: str) -> dict[str, Any]:
    """What stands there; empty where nothing was ever written."""
    mark = tx.get(Mark, name)
    return dict(mark.value) if mark is not None else {}


def put_mark(tx: Session, name: str, value: dict[str, Any]) -> None:
    """Write it, whatever stood there."""
    mark = tx.get(Mark, name)
    if mark is not None:
        mark.value = value
    elif not _added(tx, name, value):  # another process wrote it in the same moment
        tx.get_one(Mark, name).value = value


def hold_mark(tx: Session, name: str) -> Mark | None:
    """The row, made where there was none and held until the commit; None while another process has it."""
    if tx.get(Mark, name) is None and not _added(tx, name, {}):
        return None
    return tx.scalars(select(Mark).where(Mark.name == name).with_for_update(skip_locked=True), execution_options={"populate_existing": True}).first()


def _added(tx: Session, name: str, value: dict[str, Any]) -> bool:
    try:
        with tx.begin_nested():
            tx.add(Mark(name=name, value=value))
    except IntegrityError:
        return False
    return True
