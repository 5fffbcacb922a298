"""What is agreed quiet now: what covers a problem, which agents are meant, and the lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.db import wake
from bot.quiet import rules
from bot.quiet.messages import SilenceView, WindowView, WrongView
from bot.quiet.rules import Cover, Scope, Target
from bot.tables import Agent, Check, Maintenance, Person, Problem, Silence

_LIVE = "quiet.live"


def cover_of(tx: Session, now: datetime, target: Target) -> Cover | None:
    """What keeps a problem quiet now; None where nothing does."""
    return rules.longest(cover for cover in live_covers(tx, now) if rules.covers(cover.scope, target))


def live_covers(tx: Session, now: datetime) -> list[Cover]:
    """Every silence and window that holds now: by the clock alone, so that a step that is late changes nothing.

    Looked up once a transaction: a storm of problems asks for each. What begins or ends meanwhile is found by paging's next look.
    """
    known: tuple[datetime, list[Cover]] | None = tx.info.get(_LIVE)
    if known is not None and known[0] == now:
        return known[1]
    found = []
    silences = select(Silence, Person.name).outerjoin(Person, Person.id == Silence.by_id).where(Silence.ended_at.is_(None), Silence.until > now)
    for row, name in tx.execute(silences.order_by(Silence.id)):
        found.append(Cover(f"silence:{row.id}", row.until, row.reason, name or "", scope_of(row)))
    windows = select(Maintenance, Person.name).outerjoin(Person, Person.id == Maintenance.by_id)
    windows = windows.where(Maintenance.closed_at.is_(None), Maintenance.starts_at <= now, Maintenance.ends_at > now)
    for window, name in tx.execute(windows.order_by(Maintenance.id)):
        found.append(Cover(f"maintenance:{window.id}", window.ends_at, window.reason, name or "", scope_of(window)))
    tx.info[_LIVE] = (now, found)
    return found


def moved(tx: Session) -> None:
    """A silence or window begins, ends or changes in this transaction, so what was looked up is old; paging is woken."""
    tx.info.pop(_LIVE, None)
    wake(tx, "quiet")


def covers_named(tx: Session, keys: Sequence[str]) -> dict[str, Cover]:
    """The silences and windows behind the keys that problems carry, also those that are over."""
    found: dict[str, Cover] = {}
    for key in dict.fromkeys(keys):
        kind, _, number = key.partition(":")
        if not number.isdigit():
            continue
        row: Silence | Maintenance | None = tx.get(Silence, int(number)) if kind == "silence" else tx.get(Maintenance, int(number))
        if row is None:
            continue
        by = tx.get(Person, row.by_id) if row.by_id else None
        until = row.until if isinstance(row, Silence) else row.ends_at
        found[key] = Cover(key, until, row.reason, by.name if by else "", scope_of(row))
    return found


def covers_of_agents(tx: Session, now: datetime, agents: Sequence[Agent]) -> dict[int, list[Cover]]:
    """What is quiet of each of these agents now, also where nothing fails."""
    live = live_covers(tx, now)
    if not live:
        return {}
    found = {agent.id: [cover for cover in live if rules.covers_agent(cover.scope, agent.slug, agent.department)] for agent in agents}
    return {agent_id: covers for agent_id, covers in found.items() if covers}


def scope_of(row: Silence | Maintenance) -> Scope:
    if isinstance(row, Silence):
        return Scope(row.agent, row.department, row.check_name, row.kind, row.severity)
    return Scope(row.agent, row.department)


def agents_in(tx: Session, scope: Scope) -> list[tuple[int, str, str, str | None]]:
    """The live agents meant, by name: id, slug, name, owner channel."""
    asked = select(Agent.id, Agent.slug, Agent.name, Agent.channel_id, Agent.department).where(Agent.archived_at.is_(None)).order_by(Agent.name, Agent.id)
    if scope.one_agent:
        asked = asked.where(Agent.slug == scope.agent)
    return [(row.id, row.slug, row.name, row.channel_id) for row in tx.execute(asked) if rules.covers_agent(scope, row.slug, row.department)]


def channels_in(tx: Session, scope: Scope) -> list[str]:
    """The owner channels of the agents meant."""
    return sorted({channel for _, _, _, channel in agents_in(tx, scope) if channel})


def checks_in(tx: Session, scope: Scope) -> set[str]:
    """The names of the checks of the agents meant."""
    ids = [agent_id for agent_id, _, _, _ in agents_in(tx, scope)]
    found: set[str] = set()
    for first in range(0, len(ids), 500):
        found.update(tx.scalars(select(Check.name).where(Check.agent_id.in_(ids[first : first + 500]), Check.archived_at.is_(None)).distinct()))
    return found


def held_by(tx: Session, key: str) -> int:
    """How many open problems a silence or window holds back now."""
    return int(tx.scalar(select(func.count()).select_from(Problem).where(Problem.closed_at.is_(None), Problem.quiet_until.is_not(None), Problem.quiet_by == key)) or 0)


def silences(tx: Session, now: datetime, most: int) -> tuple[list[SilenceView], int]:
    """The silences that hold, the one that ends first before the others; and how many there are."""
    live = (Silence.ended_at.is_(None), Silence.until > now)
    total = int(tx.scalar(select(func.count()).select_from(Silence).where(*live)) or 0)
    return [silence_view(tx, row) for row in tx.scalars(select(Silence).where(*live).order_by(Silence.until, Silence.id).limit(most))], total


def wrong_checks(tx: Session, most: int) -> list[WrongView]:
    """The checks that somebody called wrong."""
    asked = select(Check, Agent.name, Person.name).join(Agent, Agent.id == Check.agent_id).outerjoin(Person, Person.id == Check.wrong_by)
    asked = asked.where(Check.wrong_at.is_not(None), Check.archived_at.is_(None), Agent.archived_at.is_(None)).order_by(Check.wrong_at, Check.id).limit(most)
    return [WrongView(check.id, check.name, agent, by or "somebody", check.wrong_at) for check, agent, by in tx.execute(asked) if check.wrong_at is not None]


def windows(tx: Session, most: int) -> tuple[list[WindowView], int]:
    """The windows under way and to come, the next one first; and how many plans there are."""
    total = int(tx.scalar(select(func.count()).select_from(Maintenance).where(Maintenance.closed_at.is_(None))) or 0)
    rows = tx.scalars(select(Maintenance).where(Maintenance.closed_at.is_(None)).order_by(Maintenance.starts_at, Maintenance.id).limit(most))
    return [window_view(tx, row) for row in rows], total


def silence_view(tx: Session, row: Silence) -> SilenceView:
    by = tx.get(Person, row.by_id) if row.by_id else None
    return SilenceView(row.id, scope_of(row), _name(tx, row.agent), (by.name or "somebody") if by else "somebody", row.reason, row.made_at, row.until, held_by(tx, f"silence:{row.id}"))


def window_view(tx: Session, row: Maintenance) -> WindowView:
    by = tx.get(Person, row.by_id) if row.by_id else None
    held = held_by(tx, f"maintenance:{row.id}")
    return WindowView(
        row.id, scope_of(row), _name(tx, row.agent), (by.name or "somebody") if by else "", row.reason, row.starts_at, row.ends_at, row.cron, row.zone, row.source, row.begun_at is not None, held
    )


def _name(tx: Session, slug: str) -> str:
    """The name of the one agent meant; empty where it may be several, or is gone."""
    if rules.is_pattern(slug):
        return ""
    return tx.scalars(select(Agent.name).where(Agent.slug == slug)).first() or ""
