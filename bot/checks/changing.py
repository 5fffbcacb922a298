"""Facts about changes that nobody announced, and the built-in check that tells of them where the registry has none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.checks.built_in import add_built_in
from bot.checks.calendar import Calendar
from bot.checks.kinds.change import ChangeFacts, ChangeSpec, Seen
from bot.checks.reported import Slice, newest
from bot.tables import Agent, Change, Check

CHANGES = 100
ANNOUNCED_BEFORE = timedelta(days=90)
SEEN = "seen"  # the content of a change that no event announced: first seen in a run

BUILT_IN = "use:announced"
WHY = "a change nobody knows of is noticed for every agent"
WATCHED = ("model", "prompt", "index")  # a version is an agent's own deployment: too frequent to be told of unasked
OURS = ChangeSpec(of=WATCHED, why=WHY)


def change_facts(tx: Session, now: datetime, asked: Sequence[tuple[Agent, ChangeSpec]], calendar: Calendar) -> list[ChangeFacts]:
    """What was first seen, and whether a change event names the same version. The built-in check is known by its words, and tells of nothing before it began."""
    ids = {agent.id for agent, _ in asked}
    columns = (Change.occurred_at, Change.input, Change.version)
    rows = tx.execute(select(Check.agent_id, Check.name, Check.watched_at).where(Check.agent_id.in_(ids), Check.kind == "change", Check.archived_at.is_(None))).all()
    own = {row.agent_id for row in rows if row.name != BUILT_IN}
    began = {row.agent_id: row.watched_at for row in rows if row.name == BUILT_IN}
    ours = [spec == OURS and agent.id in began for agent, spec in asked]
    since = [max(now - spec.window, began[agent.id] or now) if mine else now - spec.window for (agent, spec), mine in zip(asked, ours, strict=True)]
    seen = newest(tx, columns, [Slice(agent.id, start, None, Change.content == SEEN) for (agent, _), start in zip(asked, since, strict=True)], CHANGES)
    first: dict[int, dict[str, datetime]] = defaultdict(dict)
    firsts = select(Change.agent_id, Change.input, func.min(Change.occurred_at)).where(Change.agent_id.in_(ids), Change.content == SEEN)
    for agent_id, what, at in tx.execute(firsts.group_by(Change.agent_id, Change.input)):
        first[agent_id][what] = at
    told = [(i, agent.id, spec.window) for i, (agent, spec) in enumerate(asked) if seen[i]]
    announced = newest(tx, columns, [Slice(agent_id, now - window - ANNOUNCED_BEFORE, None, Change.content != SEEN) for _, agent_id, window in told], CHANGES)
    named = {i: {row.version for row in rows} for (i, _, _), rows in zip(told, announced, strict=True)}
    found = []
    for i, (agent, spec) in enumerate(asked):
        new = tuple(Seen(row.input, row.version, row.occurred_at, row.version in named[i]) for row in seen[i] if row.occurred_at > first[agent.id][row.input])
        found.append(ChangeFacts(new, any(what in spec.of for what in first[agent.id]), agent.slug if ours[i] else "", ours[i] and agent.id in own))
    return found


def watch_changes(tx: Session, now: datetime, first_seen: Iterable[tuple[int, str, datetime]]) -> None:
    """Of names first seen just now (agent, what, when): the agents to which this is a change, and that have no check of the kind, get the built-in one."""
    recent = sorted({(agent_id, at, what) for agent_id, what, at in first_seen if what in WATCHED and at > now - OURS.window})
    if not recent:
        return
    has = set(tx.scalars(select(Check.agent_id).where(Check.agent_id.in_({agent_id for agent_id, _, _ in recent}), Check.kind == "change", Check.archived_at.is_(None))))
    for agent_id, at, what in recent:
        if agent_id in has:
            continue
        earlier = (Change.agent_id == agent_id, Change.input == what, Change.content == SEEN, Change.occurred_at < at)
        if tx.scalar(select(Change.id).where(*earlier).limit(1)) is not None:
            add_built_in(tx, now, agent_id, BUILT_IN, {"kind": "change", "of": list(WATCHED), "why": WHY}, severity="notice", why=WHY, since=at)
            has.add(agent_id)
