"""Who judged so much of an agent, unasked, that the cap on one person's weight may bite."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.spec import QualitySpec
from bot.quality.parts import UNASKED, WHOLE
from bot.quality.weights import DEFAULT_ALWAYS, DEFAULT_MOST, Weighed, weigh
from bot.tables import DayPart

ByDay = dict[str, tuple[float, float]]  # local day -> outputs judged unasked, and the sum of their shares


@dataclass(frozen=True)
class Cap:
    """How much one person may weigh in a score: `always` outputs in any case, beyond that the share `most` of the whole."""

    always: float = DEFAULT_ALWAYS
    most: float = DEFAULT_MOST


@dataclass
class Voters:
    """The heavy voters of one agent, without their names."""

    cap: Cap = field(default_factory=Cap)
    heavy: list[ByDay] = field(default_factory=list)

    def weigh(self, first: str, last: str, n: float, total: float) -> Weighed:
        """A window's weight once nobody carries more than the cap; `total` in thousandths, as counters keep it, days local, both included."""
        within = [[cell for day, cell in each.items() if first <= day <= last] for each in self.heavy]
        people = [(sum(judged for judged, _ in cells), sum(good for _, good in cells) * 1000) for cells in within]
        return weigh(n, total, people, always=self.cap.always, most=self.cap.most) if any(people) else Weighed(n, total)


def cap_of(spec: QualitySpec | None) -> Cap:
    """The cap that the registry gives an agent."""
    return Cap(spec.one_person_always, spec.one_person) if spec is not None else Cap()


def cap_as_written(document: dict[str, Any] | None) -> Cap:
    """The same from the agent's row, for many agents at once; what cannot be read is the default."""
    written = (document or {}).get("quality")
    try:
        return cap_of(QualitySpec.model_validate(written)) if written else Cap()
    except ValueError:
        return Cap()


def heavy_voters(tx: Session, caps: dict[int, Cap], spans: Collection[tuple[str, str]]) -> dict[int, Voters]:
    """The people who may be over the cap in any of the spans of days, by agent; one look where there is nobody, as is usual.

    Somebody who judged no more than `always` outputs in all of the days cannot be over it.
    """
    found = {agent_id: Voters(cap) for agent_id, cap in caps.items()}
    if not caps or not spans:
        return found
    first, last = min(day for day, _ in spans), max(day for _, day in spans)
    mine = (DayPart.agent_id.in_(list(caps)), DayPart.source == "people", DayPart.part == UNASKED, DayPart.local_day >= first, DayPart.local_day <= last)
    least = round(min(cap.always for cap in caps.values()) * WHOLE)
    heavy = select(DayPart.agent_id, DayPart.value).where(*mine).group_by(DayPart.agent_id, DayPart.value).having(func.sum(DayPart.n) > least)
    who = {(agent_id, value) for agent_id, value in tx.execute(heavy)}
    if who:
        for agent_id, cells in _by_day(tx, who, mine):
            found[agent_id].heavy.append(cells)
    return found


def _by_day(tx: Session, who: Iterable[tuple[int, str]], mine: tuple[object, ...]) -> Iterable[tuple[int, ByDay]]:
    wanted = set(who)
    rows = select(DayPart.agent_id, DayPart.value, DayPart.local_day, func.sum(DayPart.n), func.sum(DayPart.sum)).where(*mine)  # type: ignore[arg-type]
    rows = rows.where(DayPart.agent_id.in_({agent_id for agent_id, _ in wanted}), DayPart.value.in_({value for _, value in wanted}))
    cells: dict[tuple[int, str], ByDay] = defaultdict(dict)
    for agent_id, value, day, n, good in tx.execute(rows.group_by(DayPart.agent_id, DayPart.value, DayPart.local_day)):
        if (agent_id, value) in wanted:
            cells[agent_id, value][day] = (int(n) / WHOLE, int(good) / WHOLE)
    return [(agent_id, days) for (agent_id, _), days in sorted(cells.items())]
