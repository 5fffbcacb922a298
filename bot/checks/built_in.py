"""Checks that the product adds by itself to agents whose entry has none of the kind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.db import wake
from bot.tables import Check


def add_built_in(tx: Session, now: datetime, agent_id: int, name: str, spec: dict[str, Any], *, severity: str, why: str, since: datetime | None = None) -> None:
    """Watch from now on (or `since`). Its name holds a colon, as no name in `aiops.yml` can; where another process adds it in the same moment, there is one."""
    try:
        with tx.begin_nested():
            tx.add(Check(agent_id=agent_id, name=name, kind=spec["kind"], severity=severity, spec=spec, why=why, watched_at=since or now, due_at=now))
    except IntegrityError:
        return
    wake(tx, "checks")
