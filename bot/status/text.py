"""The same status as plain lines, for the command line."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.status import messages
from bot.status.reading import agents_meant, department_meant, depth, fleet, nearest


def status_lines(tx: Session, now: datetime, words: str = "", worst: int = 20) -> tuple[bool, list[str]]:
    """Whether the words meant something, and the lines to print."""
    if not words.strip():
        found = fleet(tx, worst=worst)
        return True, messages.fleet_lines(found) if found.total else ["There are no agents yet: describe them in aiops.yml and run `aiops apply`."]
    agents = agents_meant(tx, words)
    if len(agents) == 1:
        return True, messages.depth_lines(depth(tx, now, agents[0]))
    department = department_meant(tx, words)
    if department is not None:
        return True, messages.fleet_lines(fleet(tx, department, worst=worst))
    if agents:
        return False, [f"Several agents fit {words!r}:", *(f"    {agent.slug}  {agent.name}" for agent in agents)]
    near = nearest(tx, words)
    return False, [f"No agent or department is called {words!r}." + (f" Did you mean {' or '.join(near)}?" if near else "")]
