"""What changed about an agent: models, versions, prompts and indexes, announced by an event or first seen in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.tables import Change

SEEN = "seen"  # the content of a row that no event announced: first seen in a run or a trace
ANNOUNCED_BEFORE = timedelta(days=90)  # an announcement may precede the use by so long
MOST = 500  # rows of an agent that are read


@dataclass(frozen=True)
class Changed:
    """One change, however often it was told: the announcement and the first use of a version are the same."""

    at: datetime
    input: str  # model, version, prompt, index, or an input's name
    version: str
    announced: bool
    note: str = ""
    heard_at: datetime | None = None  # when we were told

    @property
    def words(self) -> str:
        return f"{self.input} {self.version}" + ("" if self.announced else " (not announced)")


def changes_between(tx: Session, agent_id: int, first: datetime, last: datetime) -> list[Changed]:
    """What changed from `first` up to (not including) `last`, the oldest first. The very first model, version, prompt and index are no change."""
    return changes_of(tx, [agent_id], first, last).get(agent_id, [])


def changes_of(tx: Session, agent_ids: Collection[int], first: datetime, last: datetime) -> dict[int, list[Changed]]:
    """The same for several agents."""
    wanted = (Change.agent_id.in_(agent_ids), Change.occurred_at < last)
    columns = (Change.agent_id, Change.input, Change.version, Change.occurred_at, Change.content, Change.note, Change.received_at)
    rows = tx.execute(select(*columns).where(*wanted, Change.occurred_at >= first).order_by(Change.occurred_at, Change.id).limit(MOST * len(agent_ids))).all()
    seen = {(row.agent_id, row.input) for row in rows if row.content == SEEN}
    if not rows:
        return {}
    begins: dict[tuple[int, str], datetime] = {}
    told: dict[tuple[int, str], datetime] = {}
    if seen:
        ids = {agent_id for agent_id, _ in seen}
        firsts = select(Change.agent_id, Change.input, func.min(Change.occurred_at)).where(Change.agent_id.in_(ids), Change.content == SEEN).group_by(Change.agent_id, Change.input)
        begins = {(agent_id, what): at for agent_id, what, at in tx.execute(firsts)}
        versions = {row.version for row in rows if row.content == SEEN}
        announced = select(Change.agent_id, Change.version, func.min(Change.occurred_at)).where(
            Change.agent_id.in_(ids), Change.version.in_(versions), Change.content != SEEN, Change.occurred_at >= first - ANNOUNCED_BEFORE, Change.occurred_at < last
        )
        told = {(agent_id, version): at for agent_id, version, at in tx.execute(announced.group_by(Change.agent_id, Change.version))}
    found: dict[int, list[Changed]] = defaultdict(list)
    for row in rows:
        if row.content != SEEN:
            found[row.agent_id].append(Changed(row.occurred_at, row.input, row.version, True, row.note or "", row.received_at))
        elif row.occurred_at > begins[row.agent_id, row.input]:
            announcement = told.get((row.agent_id, row.version))
            if announcement is None or announcement < first:  # else the announcement itself stands in these days
                found[row.agent_id].append(Changed(row.occurred_at, row.input, row.version, announcement is not None, row.note or "", row.received_at))
    return found
