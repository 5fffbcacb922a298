"""What a step has looked up for its whole batch at once, so that each of its rows need not look it up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy.orm import Session

T = TypeVar("T")

_KNOWN = "known"


@contextmanager
def looking_ahead(tx: Session) -> Iterator[None]:
    """Inside, what `learn` was given is believed; whoever changes it inside learns it anew."""
    tx.info[_KNOWN] = {}
    try:
        yield
    finally:
        tx.info.pop(_KNOWN, None)


def learn(tx: Session, kind: str, found: Mapping[Any, Any]) -> None:
    """Keep what was looked up, by its key; outside `looking_ahead` nothing is kept."""
    book: dict[str, dict[Any, Any]] | None = tx.info.get(_KNOWN)
    if book is not None:
        book.setdefault(kind, {}).update(found)


def known(tx: Session, kind: str, key: Any, look: Callable[[], T]) -> T:
    """What was looked up ahead under this key; else a look now, which is not kept."""
    found: dict[Any, T] | None = tx.info.get(_KNOWN, {}).get(kind)
    return found[key] if found is not None and key in found else look()


def forget(tx: Session, kind: str, key: Any) -> None:
    """It is another now: whoever asks looks."""
    tx.info.get(_KNOWN, {}).get(kind, {}).pop(key, None)


def is_known(tx: Session, kind: str, key: Any) -> bool:
    return key in tx.info.get(_KNOWN, {}).get(kind, ())
