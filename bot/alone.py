"""A row whose work raises steps aside alone: what it did is undone and logged, and the others go on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot.db import is_standstill

log = structlog.get_logger(__name__)


@dataclass
class Tried:
    """How it went: read it after the block."""

    failed: bool = False


@contextlib.contextmanager
def alone(tx: Session, said: str, *, unless: Callable[[BaseException], bool] = is_standstill, **which: Any) -> Iterator[Tried]:
    """Do one row's work in a savepoint; should it raise, `said` is logged with `which`, and the caller moves the row's timer.

    What `unless` knows is not the row's fault and is raised on: all of the transaction is then tried again.
    """
    tried = Tried()
    try:
        with tx.begin_nested():
            yield tried
    except Exception as error:
        if unless(error):
            raise
        log.exception(said, **which)
        tried.failed = True
