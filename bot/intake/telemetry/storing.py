"""Storing parts of exports in one open transaction: once each, whatever comes again, and their traces made due."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import and_, delete, or_, select, text, update
from sqlalchemy.orm import Session

from bot.db import insert_many, wake
from bot.intake.bulk import stamp_for
from bot.intake.telemetry.meters import meter
from bot.intake.telemetry.parts import PointPart, ScorePart, SpanPart
from bot.tables import Span, Trace

OPEN = timedelta(minutes=1)  # how long a trace waits for its first span
ASK_AGAIN = timedelta(seconds=15)  # when a score looks for its run by itself
LOOP = "telemetry"


class Nothing:
    """Nothing needs to be remembered after the commit."""

    def remember(self) -> None:
        return None


def store_parts(tx: Session, now: datetime, parts: Sequence[Any]) -> Nothing:
    """Spans first, then the rows of their traces: who folds a trace holds its row, and so sees all or is told to look again."""
    spans = {part.key: part for part in parts if isinstance(part, SpanPart)}
    scores = {part.digest: part for part in parts if isinstance(part, ScorePart)}
    points = [part for part in parts if isinstance(part, PointPart)]
    if spans:
        _store_spans(tx, now, spans)
    if scores:
        _store_scores(tx, now, scores)
    if points:
        meter(tx, now, points)
    wake(tx, LOOP, here=True)
    return Nothing()


_SPANS_HEAD = "INSERT INTO spans (trace_id, span_id, agent_id, response_id, body)"
_SPANS_TAIL = "ON CONFLICT (trace_id, span_id) DO UPDATE SET response_id = excluded.response_id, body = excluded.body, agent_id = excluded.agent_id WHERE {same}"
_SAME = "spans.agent_id IS {word} excluded.agent_id OR spans.agent_id IS NULL"  # nobody writes over another agent's span
_SPANS_SQLITE = _SPANS_TAIL.format(same=_SAME.format(word=""))
_SPANS_GIVEN = (
    f"{_SPANS_HEAD} SELECT t, s, a, r, b FROM json_to_recordset($1::json) AS g(t text, s text, a bigint, r text, b text) "  # noqa: S608 - our own words, here and below
    + _SPANS_TAIL.format(same=_SAME.format(word="NOT DISTINCT FROM"))
)
_TRACES_HEAD = "INSERT INTO traces (trace_id, heard_at, due_at, rooted, spans)"
_TRACES_TAIL = (
    "ON CONFLICT (trace_id) DO UPDATE SET heard_at = excluded.heard_at, spans = traces.spans + excluded.spans, rooted = traces.rooted OR excluded.rooted,"
    " due_at = CASE WHEN traces.rooted THEN excluded.heard_at ELSE excluded.due_at END"
)
_TRACES_GIVEN = f"{_TRACES_HEAD} SELECT t, h, d, r, n FROM json_to_recordset($1::json) AS g(t text, h timestamptz, d timestamptz, r bool, n bigint) {_TRACES_TAIL}"  # noqa: S608


def _store_spans(tx: Session, now: datetime, spans: dict[tuple[str, str], SpanPart]) -> None:
    traces: dict[str, list[Any]] = {}
    for (trace_id, _), part in spans.items():
        found = traces.setdefault(trace_id, [False, 0])
        found[0] |= part.rooted
        found[1] += 1
    connection, stamp = tx.connection(), stamp_for(tx)
    # In the order of keys: writers that lock rows in one order cannot deadlock.
    rows = [(*key, part.agent_id, part.response_id, part.body) for key, part in sorted(spans.items())]
    heard, later = stamp(now), stamp(now + OPEN)
    about = [(trace_id, heard, heard if rooted else later, rooted, n) for trace_id, (rooted, n) in sorted(traces.items())]
    if tx.get_bind().dialect.name == "sqlite":
        insert_many(connection, _SPANS_HEAD, _SPANS_SQLITE, rows)
        insert_many(connection, _TRACES_HEAD, _TRACES_TAIL, about)
        return
    connection.exec_driver_sql(_SPANS_GIVEN, (orjson.dumps([dict(zip("tsarb", row, strict=True)) for row in rows]).decode(),))
    connection.exec_driver_sql(_TRACES_GIVEN, (orjson.dumps([dict(zip("thdrn", row, strict=True)) for row in about]).decode(),))


_SCORES_HEAD = "INSERT INTO span_scores (digest, agent_id, trace_id, span_id, response_id, received_at, due_at, body)"
_SCORES_TAIL = "ON CONFLICT (digest) DO NOTHING"
_SCORES_GIVEN = (
    f"{_SCORES_HEAD} SELECT x, a, t, s, r, h, d, b FROM json_to_recordset($1::json)"  # noqa: S608
    f" AS g(x text, a bigint, t text, s text, r text, h timestamptz, d timestamptz, b text) {_SCORES_TAIL}"
)


def _store_scores(tx: Session, now: datetime, scores: dict[str, ScorePart]) -> None:
    connection, stamp = tx.connection(), stamp_for(tx)
    heard, later = stamp(now), stamp(now + ASK_AGAIN)
    rows = [(part.digest, part.agent_id, part.trace_id, part.span_id, part.response_id, heard, later, part.body) for _, part in sorted(scores.items())]
    traces = sorted({part.trace_id for part in scores.values() if part.trace_id})
    responses = sorted({part.response_id for part in scores.values() if part.response_id and not part.trace_id})
    sqlite = tx.get_bind().dialect.name == "sqlite"
    if sqlite:
        insert_many(connection, _SCORES_HEAD, _SCORES_TAIL, rows)
    else:
        connection.exec_driver_sql(_SCORES_GIVEN, (orjson.dumps([dict(zip("xatsrhdb", row, strict=True)) for row in rows]).decode(),))
    make_due(tx, now, traces, responses)


def make_due(tx: Session, now: datetime, trace_ids: Sequence[str], response_ids: Sequence[str] = ()) -> None:
    """Have those traces looked at (again), where they are there."""
    if response_ids:
        wanted = text(f"SELECT DISTINCT trace_id FROM spans WHERE response_id IN ({_in(tx)})")  # noqa: S608 - our own words
        trace_ids = sorted({*trace_ids, *tx.scalars(wanted, {"given": _given(tx, response_ids)})})
    if not trace_ids:
        return
    marked = f"UPDATE traces SET due_at = :now WHERE trace_id IN ({_in(tx)}) AND folded_at IS NOT NULL"  # noqa: S608
    tx.execute(text(marked), {"given": _given(tx, trace_ids), "now": stamp_for(tx)(now)})
    wake(tx, LOOP, here=True)


_HEX = re.compile("[0-9a-f]{32}")
_HELD = (
    "INSERT INTO traces (trace_id, heard_at, rooted, spans) SELECT unnest(CAST(:given AS text[])), :now, false, 0"
    " ON CONFLICT (trace_id) DO UPDATE SET due_at = CASE WHEN traces.folded_at IS NULL THEN traces.due_at ELSE :now END"
)


def hold_traces(tx: Session, now: datetime, trace_ids: Sequence[str]) -> None:
    """An agent reports runs of these traces itself: whoever makes runs from their spans waits for that report, and looks (again) after it.

    The row is held also where no span came yet: else another process could make the same run before this one commits.
    """
    if tx.get_bind().dialect.name == "sqlite":  # one writer at a time
        make_due(tx, now, trace_ids)
        return
    told = [trace_id for trace_id in trace_ids if _HEX.fullmatch(trace_id)]  # other spellings are another store's, and no span's
    if not told:
        return
    tx.execute(text(_HELD), {"given": told, "now": stamp_for(tx)(now)})
    wake(tx, LOOP, here=True)


def _in(tx: Session) -> str:
    return "SELECT value FROM json_each(:given)" if tx.get_bind().dialect.name == "sqlite" else "SELECT unnest(CAST(:given AS text[]))"


def _given(tx: Session, values: Sequence[str]) -> Any:
    return orjson.dumps(list(values)).decode() if tx.get_bind().dialect.name == "sqlite" else list(values)


def forget_spans(tx: Session, now: datetime, kept: timedelta) -> bool:
    """Drop the spans of traces that were heard of longer ago; says whether there were more. Their rows stay for the 31 days in which late spans may come."""
    old = select(Trace.trace_id).where(Trace.closed_at.is_(None), Trace.due_at.is_(None), Trace.heard_at < now - kept, Trace.spans > 0).order_by(Trace.heard_at).limit(200)
    ids = list(tx.scalars(old.with_for_update(skip_locked=True)))
    if ids:
        tx.execute(delete(Span).where(Span.trace_id.in_(ids)), execution_options={"synchronize_session": False})
        tx.execute(update(Trace).where(Trace.trace_id.in_(ids)).values(closed_at=now), execution_options={"synchronize_session": False})
    over = and_(Trace.closed_at.is_not(None), Trace.heard_at < now - timedelta(days=31))
    reported = and_(Trace.spans == 0, Trace.due_at.is_(None), Trace.heard_at < now - kept)  # named by runs, and no span ever came
    gone = list(tx.scalars(select(Trace.trace_id).where(or_(over, reported)).limit(1000)))
    if gone:
        tx.execute(delete(Trace).where(Trace.trace_id.in_(gone)), execution_options={"synchronize_session": False})
    return len(ids) == 200 or len(gone) == 1000
