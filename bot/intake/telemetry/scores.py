"""Automated scores find the run they judge, by its span, its trace or its response; what cannot be found yet waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from bot.intake.agents import AgentRef, read_agents
from bot.intake.events import EvaluationEvent
from bot.intake.judging import Item, out_of_range
from bot.intake.store import store
from bot.intake.telemetry.storing import make_due
from bot.intake.telemetry.tree import runs_of
from bot.intake.work import Learned
from bot.tables import Agent, Output, Run, Span, SpanScore

log = structlog.get_logger(__name__)

WAITS = timedelta(minutes=10)  # for what it judges; then it is kept under the id it names
AGAIN = timedelta(minutes=1)
KEPT = timedelta(days=31)
BATCH = 200

Spans = Mapping[str, tuple[dict[str, Any], int | None]]


def scores_of(tx: Session, now: datetime, traces: Mapping[str, Spans], refs: dict[int, AgentRef], learned: Learned) -> None:
    """Give what waits for these traces to their runs."""
    responses = {str(body["response"]): trace_id for trace_id, spans in traces.items() for body, _ in spans.values() if body.get("response")}
    waiting = select(SpanScore).where(SpanScore.due_at.is_not(None), or_(SpanScore.trace_id.in_(traces), SpanScore.response_id.in_(responses)))
    rows = list(tx.scalars(waiting.order_by(SpanScore.digest).with_for_update(skip_locked=True)))
    if not rows:
        return
    items: list[Item] = []
    for row in rows:
        trace_id = row.trace_id or responses.get(row.response_id or "", "")
        spans = traces.get(trace_id)
        if not spans:
            continue
        found = _run_of(trace_id, spans, row)
        if found is None or found[0] not in refs:
            continue
        items += _item(row, refs[found[0]], *_told_as(tx, found[0], trace_id, found[1]))
        row.due_at = None
    _store(tx, now, items, learned)


def _run_of(trace_id: str, spans: Spans, row: SpanScore) -> tuple[int, str] | None:
    """The agent and the run of the judged span: the run it is in, else the trace's first."""
    made, _ = runs_of(trace_id, spans, lambda _: None)
    bound = orjson.loads(row.body).get("bound")
    made = [run for run in made if bound is None or run.agent in bound]
    for run in made:
        for node in run.nodes:
            if node.id == row.span_id or (row.span_id is None and row.response_id is not None and node.body.get("response") == row.response_id):
                return run.agent, run.id
    first = [run for run in made if row.agent_id in (None, run.agent)] or made
    return (first[0].agent, first[0].id) if first else None


def _told_as(tx: Session, agent_id: int, trace_id: str, run: str) -> tuple[str, str]:
    """The output and the run as the agent itself reported them, where it did."""
    own = tx.scalars(select(Run.ext_id).where(Run.trace_id == trace_id, Run.agent_id == agent_id, Run.content.not_like("otlp:%")).order_by(Run.id)).first()
    run = own or run
    return tx.scalars(select(Output.ext_id).where(Output.agent_id == agent_id, Output.run == run).order_by(Output.id.desc())).first() or run, run


def _item(row: SpanScore, ref: AgentRef, output: str, run: str | None) -> list[Item]:
    body = orjson.loads(row.body)
    if ref.archived or ref.retired:
        return []
    if (odd := out_of_range(body["name"], body.get("score"), ref)) is not None:  # who sent it was told where the sender was known to be the agent's
        log.warning("a score is left out", agent=ref.slug, why=odd)
        return []
    at = datetime.fromtimestamp(body["at"] / 1e6, row.received_at.tzinfo)
    event = EvaluationEvent.model_construct(
        id=f"otlp:{row.digest}", type="evaluation", agent=ref.slug, at=at, output=output, run=run, name=body["name"], score=body.get("score"), label=body.get("label"),
        evaluator=body.get("by"), explanation=body.get("why") if ref.store_text else None,
    )  # fmt: skip
    return [Item(0, event, ref, row.digest)]


def _store(tx: Session, now: datetime, items: Sequence[Item], learned: Learned) -> None:
    if items:
        more = store(tx, now, items, live=True)
        learned.heard += more.heard
        learned.seen += more.seen


def waiting_scores_step(tx: Session, now: datetime) -> bool:
    """Scores whose run did not come by itself: look once more, and after ten minutes keep them under the id they name."""
    due = select(SpanScore).where(SpanScore.due_at <= now).order_by(SpanScore.due_at).limit(BATCH)
    rows = list(tx.scalars(due.with_for_update(skip_locked=True)))
    if not rows:
        return False
    there = set(tx.scalars(select(Span.trace_id).where(Span.trace_id.in_({row.trace_id for row in rows if row.trace_id})).distinct()))
    by_response: dict[str, str] = {}
    for response, trace_id in tx.execute(select(Span.response_id, Span.trace_id).where(Span.response_id.in_({row.response_id for row in rows if row.response_id and not row.trace_id}))):
        by_response[str(response)] = trace_id
    look: set[str] = set()
    late: list[SpanScore] = []
    for row in rows:
        there_as = row.trace_id if row.trace_id in there else by_response.get(row.response_id or "")
        row.due_at = now + AGAIN
        if now - row.received_at >= WAITS:
            late.append(row)
        elif there_as is not None:
            look.add(there_as)
    make_due(tx, now, sorted(look))
    _keep_late(tx, now, late)
    tx.flush()
    return len(rows) == BATCH


def _keep_late(tx: Session, now: datetime, late: list[SpanScore]) -> None:
    """Nothing more is waited for: a run or output of that very id, else the id itself, which may be reported later."""
    refs: dict[int, AgentRef] = {}
    found: dict[tuple[int, str], str] = {}
    named = {name for row in late if (name := row.trace_id or row.response_id)}
    for agent_id, ext_id, trace_id in tx.execute(select(Run.agent_id, Run.ext_id, Run.trace_id).where(Run.trace_id.in_(named)).order_by(Run.id)):
        found.setdefault((agent_id, str(trace_id)), ext_id)
    for agent_id, ext_id in tx.execute(select(Output.agent_id, Output.ext_id).where(Output.ext_id.in_(named))):
        found.setdefault((agent_id, ext_id), ext_id)
    items: list[Item] = []
    for row in late:
        row.due_at = None
        name = row.trace_id or row.response_id or ""
        bound = orjson.loads(row.body).get("bound")
        owners = sorted({agent_id for agent_id, told in found if told == name and (bound is None or agent_id in bound)})
        whose = owners[0] if owners else row.agent_id
        if whose is None:
            continue  # it judged traffic of no agent of the registry
        if whose not in refs:
            refs.update({ref.id: ref for ref in read_agents(tx, tx.scalars(select(Agent.slug).where(Agent.id == whose)).all())})
        items += _item(row, refs[whose], found.get((whose, name), name), None)
    _store(tx, now, items, Learned())


def scores_due(tx: Session, now: datetime) -> bool:
    """Whether a score has waited long enough to look again."""
    return tx.scalar(select(SpanScore.digest).where(SpanScore.due_at <= now).limit(1)) is not None


def forget_scores(tx: Session, now: datetime) -> None:
    """Drop those that no repeat can come for any more."""
    tx.execute(delete(SpanScore).where(SpanScore.received_at < now - KEPT), execution_options={"synchronize_session": False})
