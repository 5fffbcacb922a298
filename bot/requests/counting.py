"""How often each rule allowed something: added up in memory, written once a second for all."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot.lanes import Lanes
from bot.quality.counting import slot_of
from bot.tables import PermissionCount


class Allowed:
    """The counts of this process that are not written yet."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._waiting: dict[tuple[int, str, datetime], int] = {}
        self._lock = Lock()
        self.answered = {"allow": 0, "ask": 0, "deny": 0}  # since this process began, for /metrics

    def add(self, agent_id: int, rule: str, now: datetime) -> None:
        key = (agent_id, rule, now.replace(second=0, microsecond=0))
        with self._lock:
            self._waiting[key] = self._waiting.get(key, 0) + 1

    async def step(self, now: datetime) -> bool:
        """Write what was counted since; where that fails it is kept for the next time."""
        with self._lock:
            counted, self._waiting = self._waiting, {}
        if not counted:
            return False
        try:
            await self._lanes.write(lambda tx: write(tx, counted))
        except BaseException:
            with self._lock:
                for key, n in counted.items():
                    self._waiting[key] = self._waiting.get(key, 0) + n
            raise
        return False


def write(tx: Session, counted: dict[tuple[int, str, datetime], int]) -> None:
    """Add to the rows that only this connection writes."""
    slot = slot_of(tx)
    insert = sqlite_insert if tx.get_bind().dialect.name == "sqlite" else postgres_insert
    rows = [{"agent_id": agent_id, "rule": rule, "minute_at": minute, "slot": slot, "n": n} for (agent_id, rule, minute), n in sorted(counted.items())]
    for start in range(0, len(rows), 500):
        new = insert(PermissionCount).values(rows[start : start + 500])
        tx.execute(new.on_conflict_do_update(index_elements=["agent_id", "rule", "minute_at", "slot"], set_={"n": PermissionCount.n + new.excluded.n}))
