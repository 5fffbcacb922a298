"""Maintenance windows: planned, begun, over, skipped; in one open transaction. The file's windows are taken over here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.spec import MaintenanceSpec, WideMaintenanceSpec
from bot.alone import alone
from bot.blocks import Message
from bot.marks import hold_mark, mark_of
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.quiet import messages, rules
from bot.quiet.asking import Asked
from bot.quiet.flows import BATCH, POISON
from bot.quiet.reading import channels_in, moved, scope_of, window_view
from bot.quiet.rules import Move, Plan, Scope
from bot.tables import Agent, Maintenance, Person, Registry

TAKEN_OVER = "quiet.registry"  # the mark: which applied file's windows stand in the table


def plan_maintenance(tx: Session, now: datetime, asked: Asked, by_id: int) -> Maintenance | None:
    """A window planned in Slack; its start and end are told when they come. None where its schedule never comes."""
    span = _first(asked.starts_at, asked.cron, asked.zone, asked.lasts, now)
    if span is None:
        return None
    row = Maintenance(agent=asked.scope.agent, department=asked.scope.department, cron=asked.cron, zone=asked.zone, lasts=int(asked.lasts.total_seconds()), reason=asked.reason, by_id=by_id, made_at=now, written={}, taken_at=now)
    _set(row, *span)
    tx.add(row)
    tx.flush()
    audit.record(tx, now, "maintenance.plan", f"maintenance:{row.id}", person_id=by_id, words=row.reason, evidence=_evidence(row))
    moved(tx)
    return row


def end_window(tx: Session, now: datetime, maintenance_id: int, stamp: int, by_id: int) -> bool:
    """End the window under way, or take away one that has not begun. False where it is not that window any more."""
    row = _locked(tx, maintenance_id, stamp)
    if row is None:
        return False
    by = tx.get_one(Person, by_id)
    if row.begun_at is None and row.starts_at > now:
        if row.source is not None:
            return False  # it stands in the file: it can only be skipped
        row.closed_at, row.due_at = now, None
        moved(tx)
        audit.record(tx, now, "maintenance.cancel", f"maintenance:{row.id}", person_id=by_id, words=row.reason)
        return True
    row.ends_at = now
    _tell_end(tx, now, row, by.name or "Somebody")
    audit.record(tx, now, "maintenance.end", f"maintenance:{row.id}", person_id=by_id, words=row.reason)
    _go_on(row, now)
    moved(tx)
    return True


def skip_window(tx: Session, now: datetime, maintenance_id: int, stamp: int, by_id: int) -> Maintenance | None:
    """The next window does not come; the one after it does. None where it has begun, or is not that window any more."""
    row = _locked(tx, maintenance_id, stamp)
    if row is None or row.begun_at is not None or row.starts_at <= now:
        return None
    audit.record(tx, now, "maintenance.skip", f"maintenance:{row.id}", person_id=by_id, words=row.reason, evidence=_evidence(row))
    _go_on(row, now)
    moved(tx)
    return row


def window_waits(tx: Session, now: datetime) -> bool:
    """Whether a window begins or ends."""
    return tx.scalars(select(Maintenance.id).where(Maintenance.due_at <= now).limit(1)).first() is not None


def windows_step(tx: Session, now: datetime) -> bool:
    """Tell the starts and ends that are due; says whether there was one."""
    due = select(Maintenance).where(Maintenance.due_at <= now).order_by(Maintenance.due_at).limit(BATCH)
    rows = tx.scalars(due.with_for_update(skip_locked=True, key_share=True)).all()
    for row in rows:
        with alone(tx, "a maintenance window raised and steps aside", maintenance=row.id) as tried:
            _move_on(tx, now, row)
        if tried.failed:
            row.due_at = now + POISON
    return bool(rows)


def _move_on(tx: Session, now: datetime, row: Maintenance) -> None:
    step = rules.move(_plan(row), now)
    if step is Move.BEGIN:
        row.begun_at, row.due_at, row.taken_at = now, row.ends_at, None
        late = now - row.starts_at > rules.LATE and row.made_at < row.starts_at
        _tell(tx, now, row, "start", messages.window_begun(window_view(tx, row), late=late))
        audit.record(tx, now, "maintenance.begin", f"maintenance:{row.id}", came_from="timer", words=row.reason, evidence=_evidence(row))
        moved(tx)
    elif step is Move.END:
        _tell_end(tx, now, row, "")
        audit.record(tx, now, "maintenance.end", f"maintenance:{row.id}", came_from="timer", words=row.reason)
        _go_on(row, now)
        moved(tx)
    elif step is Move.MISSED:
        _tell(tx, now, row, "over", messages.window_missed(window_view(tx, row)))
        audit.record(tx, now, "maintenance.missed", f"maintenance:{row.id}", came_from="timer", words=row.reason, evidence=_evidence(row))
        _go_on(row, now)
    else:
        row.due_at = rules.due(_plan(row))


def _go_on(row: Maintenance, now: datetime) -> None:
    """To the next window, or to rest."""
    span = rules.window_after(row.cron, row.zone, timedelta(seconds=row.lasts), row.starts_at, now) if row.cron else None
    row.taken_at = None
    if span is None:
        row.closed_at, row.due_at = now, None
    else:
        _set(row, *span)


def _set(row: Maintenance, starts_at: datetime, ends_at: datetime) -> None:
    row.starts_at, row.ends_at, row.begun_at, row.due_at = starts_at, ends_at, None, starts_at


def _first(starts_at: datetime | None, cron: str | None, zone: str, lasts: timedelta, now: datetime) -> tuple[datetime, datetime] | None:
    if cron is None:
        return (starts_at, starts_at + lasts) if starts_at is not None else None
    return rules.window_after(cron, zone, lasts, now, now)


def _tell_end(tx: Session, now: datetime, row: Maintenance, by: str) -> None:
    view = window_view(tx, row)
    _tell(tx, now, row, "over", messages.window_over(view, by, view.problems, late=now - row.ends_at > rules.LATE))


def _tell(tx: Session, now: datetime, row: Maintenance, what: str, message: Message) -> None:
    for channel in channels_in(tx, scope_of(row)):
        outbox.show(tx, now, key=f"maintenance:{row.id}:{int(row.starts_at.timestamp())}:{what}:{channel}", to=channel, message=message, priority=Priority.PAGE)


def _locked(tx: Session, maintenance_id: int, stamp: int) -> Maintenance | None:
    sought = select(Maintenance).where(Maintenance.id == maintenance_id, Maintenance.closed_at.is_(None))
    row = tx.scalars(sought.with_for_update(key_share=True).execution_options(populate_existing=True)).first()
    return row if row is not None and int(row.starts_at.timestamp()) == stamp else None


def _plan(row: Maintenance) -> Plan:
    return Plan(row.starts_at, row.ends_at, row.cron, row.zone, row.begun_at is not None)


def _evidence(row: Maintenance) -> dict[str, Any]:
    return {"agent": row.agent, "department": row.department, "starts_at": row.starts_at.isoformat(), "ends_at": row.ends_at.isoformat(), "cron": row.cron, "zone": row.zone}


# --- windows written in aiops.yml ------------------------------------------------------------------------------------


def file_waits(tx: Session, now: datetime) -> bool:
    """Whether a file was applied whose windows are not taken over yet."""
    return _newest(tx) != mark_of(tx, TAKEN_OVER).get("id")


def _newest(tx: Session) -> int | None:
    return tx.scalars(select(Registry.id).order_by(Registry.id.desc()).limit(1)).first()


def registry_step(tx: Session, now: datetime) -> bool:
    """Take over the windows of a newly applied file; says whether there was one."""
    newest = _newest(tx)
    mark = hold_mark(tx, TAKEN_OVER)  # of two processes that see a new file, one takes it over
    if newest is None or mark is None or mark.value.get("id") == newest:
        return False
    document = tx.scalars(select(Registry.document).where(Registry.id == newest)).one()
    stand = {str(row.source): row for row in tx.scalars(select(Maintenance).where(Maintenance.source.is_not(None), Maintenance.closed_at.is_(None)).with_for_update(key_share=True))}
    over = {str(row.source): row for row in tx.scalars(select(Maintenance).where(Maintenance.source.is_not(None), Maintenance.closed_at.is_not(None)).order_by(Maintenance.id))}
    wanted = set()
    for source, scope, zone, spec in _written(tx, document):
        wanted.add(source)
        written = {**spec.model_dump(mode="json", by_alias=True), "agent": scope.agent, "department": scope.department, "zone": zone}
        row = stand.get(source)
        if row is not None and row.written == written:
            continue
        if row is None and source in over and over[source].written == written and spec.cron is None:
            continue  # it has been, or was skipped
        _take_over(tx, now, row, source, scope, zone, spec, written)
    for source, row in stand.items():
        if source not in wanted:
            _take_away(tx, now, row)
    mark.value = {"id": newest}
    return True


def _written(tx: Session, document: dict[str, Any]) -> Iterator[tuple[str, Scope, str, MaintenanceSpec]]:
    """Every window of the file: where it stands, whom it means, its zone."""
    workspace = document.get("workspace", {})
    usual = workspace.get("timezone", "UTC")
    for name, written in workspace.get("maintenance", {}).items():
        wide = WideMaintenanceSpec.model_validate(written)
        yield f"workspace.maintenance.{name}", Scope("*", wide.department), wide.timezone or usual, wide
    zones: dict[str, str] = {}
    for slug, agent in document.get("agents", {}).items():
        for name, written in agent.get("maintenance", {}).items():
            zones = zones or {row.slug: row.zone for row in tx.execute(select(Agent.slug, Agent.zone))}
            spec = MaintenanceSpec.model_validate(written)
            yield f"agents.{slug}.maintenance.{name}", Scope(slug), spec.timezone or zones.get(slug, usual), spec


def _take_over(tx: Session, now: datetime, row: Maintenance | None, source: str, scope: Scope, zone: str, spec: MaintenanceSpec, written: dict[str, Any]) -> None:
    starts_at = spec.starts(zone)
    span = _first(starts_at, spec.cron, zone, spec.for_, now)
    if row is not None and row.begun_at is not None and now < row.ends_at:
        # The one under way keeps its start: it ends when the new words say, now at the earliest.
        row.ends_at = max(now, row.starts_at + spec.for_)
        row.due_at = row.ends_at
    elif span is None or span[1] <= now:
        if row is not None:
            _take_away(tx, now, row)
        return
    else:
        if row is None:
            row = Maintenance(source=source, made_at=now, written={})
            tx.add(row)
        _set(row, *span)
    row.agent, row.department, row.cron, row.zone, row.lasts, row.reason, row.written = scope.agent, scope.department, spec.cron, zone, int(spec.for_.total_seconds()), spec.why, written
    row.taken_at = None
    tx.flush()
    moved(tx)


def _take_away(tx: Session, now: datetime, row: Maintenance) -> None:
    """It is no longer written: the one under way ends, and says so."""
    if row.begun_at is not None:
        row.ends_at = min(row.ends_at, now)
        _tell_end(tx, now, row, "A new aiops.yml")
    row.closed_at, row.due_at, row.taken_at = now, None, None
    audit.record(tx, now, "maintenance.remove", f"maintenance:{row.id}", came_from="file", words=row.reason)
    tx.flush()
    moved(tx)
