"""Which columns an event becomes, per type: pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bot.feedback.outward.places.place import hex_id
from bot.intake.bulk import Columns, Row, as_json
from bot.intake.events import (
    ChangeEvent,
    CostEvent,
    EvaluationEvent,
    HeartbeatEvent,
    MeasureEvent,
    OutcomeEvent,
    OutputEvent,
    RequestEvent,
)
from bot.intake.judging import Item
from bot.intake.runs import Run
from bot.quality.counting import day_of

Stamp = Callable[[datetime], Any]

_HEAD = (("agent_id", "bigint"), ("ext_id", "text"), ("occurred_at", "timestamptz"), ("received_at", "timestamptz"), ("content", "text"))

RUNS = Columns(
    "runs",
    (
        *_HEAD,
        ("status", "text"),
        ("ms", "bigint"),
        ("model", "text"),
        ("version", "text"),
        ("stage", "text"),
        ("tokens_in", "bigint"),
        ("tokens_cached", "bigint"),
        ("tokens_out", "bigint"),
        ("nano", "bigint"),
        ("currency", "text"),
        ("parent", "text"),
        ("trace_id", "text"),
        ("error", "text"),
        ("extra", "json"),
    ),
)
OUTPUTS = Columns(
    "outputs",
    (
        *_HEAD,
        ("known", "bool"),
        ("run", "text"),
        ("kind", "text"),
        ("text", "text"),
        ("url", "text"),
        ("channel_id", "text"),
        ("slack_ts", "text"),
        ("ours", "bool"),
        ("local_day", "text"),
        ("input", "text"),
        ("extra", "json"),
    ),
)
EVALUATIONS = Columns(
    "evaluations",
    (
        *_HEAD,
        ("output_id", "bigint"),
        ("run", "text"),
        ("name", "text"),
        ("score", "float8"),
        ("label", "text"),
        ("good", "bool"),
        ("evaluator", "text"),
        ("explanation", "text"),
    ),
)
REQUESTS = Columns(
    "requests",
    (
        *_HEAD,
        ("kind", "text"),
        ("title", "text"),
        ("context", "json"),
        ("action", "json"),
        ("action_hash", "text"),
        ("triggered_by", "bigint"),
        ("deadline_at", "timestamptz"),
        ("state", "text"),
        ("topic", "text"),
    ),
)
REQUEST_ENDS = Columns("request_ends", (*_HEAD, ("request_id", "bigint"), ("note", "text")))
OUTCOMES = Columns("outcomes", (*_HEAD, ("output_id", "bigint"), ("person_id", "bigint"), ("result", "text"), ("seconds", "bigint")))
MEASURES = Columns("measures", (*_HEAD, ("name", "text"), ("value", "text"), ("number", "float8"), ("unit", "text"), ("output", "text")))
COSTS = Columns("costs", (*_HEAD, ("local_day", "text"), ("run", "text"), ("kind", "text"), ("nano", "bigint"), ("currency", "text")))
CHANGES = Columns("changes", (*_HEAD, ("input", "text"), ("version", "text"), ("note", "text")))
PINGS = Columns("pings", (*_HEAD, ("check_id", "bigint"), ("status", "text"), ("rid", "text"), ("exit_code", "int"), ("body", "text"), ("sender", "text")))
OUTPUT_EXTRA = ("trace_id", "span_id", "topic", "language", "department")
RATINGS = Columns("rating_events", (("agent_id", "bigint"), ("ext_id", "text"), ("content", "text"), ("received_at", "timestamptz")))


def milliseconds(event: Run) -> int | None:
    """How long the run took, where it says so."""
    if event.started_at is None or event.ended_at is None:
        return None
    took = event.ended_at - event.started_at
    return took.days * 86_400_000 + took.seconds * 1000 + (took.microseconds + 500) // 1000


def trace_of(told: str | None) -> str | None:
    """A trace's id as its spans spell it, so that a run is not counted beside them; another kind of id stays as it is."""
    return (told and hex_id(told, 32)) or told


def run_row(item: Item, event: Run, received: Any, stamp: Stamp) -> Row:
    tokens, cost = event.tokens, event.cost
    item.ms = milliseconds(event)
    extra: dict[str, Any] = {}
    if event.input is not None:
        extra["input"] = {"fields": event.input.fields, "rejected": event.input.rejected}
    if event.started_at is not None:
        extra["started_at"] = event.started_at
    if event.span_id is not None:
        extra["span_id"] = event.span_id
    if event.topic is not None:
        extra["topic"] = event.topic
    if event.language is not None:
        extra["language"] = event.language
    if event.department is not None:
        extra["department"] = event.department
    if event.prompt is not None:
        extra["prompt"] = event.prompt
    if event.index is not None:
        extra["index"] = event.index
    if item.more is not None:
        extra.update(item.more)
    return (
        item.agent.id,
        event.id,
        stamp(event.at),
        received,
        item.content,
        event.status,
        item.ms,
        event.model,
        event.version,
        event.stage,
        tokens.input if tokens else None,
        tokens.cached if tokens else None,
        tokens.output if tokens else None,
        cost.amount if cost else None,
        cost.currency if cost else None,
        event.parent_run,
        trace_of(event.trace_id),
        event.error,
        as_json(extra) if extra else None,
    )


def output_row(item: Item, event: OutputEvent, received: Any, stamp: Stamp) -> Row:
    text = event.text if item.agent.store_text else None
    place = (event.slack.channel, event.slack.ts) if event.slack else (None, None)
    day = day_of(event.at, item.agent.zone)
    asked = event.input if item.agent.store_text else None
    return (item.agent.id, event.id, stamp(event.at), received, item.content, True, event.run, event.kind, text, event.url, *place, False, day, asked, as_json(output_extra(event)))


def output_extra(event: OutputEvent) -> dict[str, Any] | None:
    """What an output says of where it came from, and what it is about."""
    return {name: value for name in OUTPUT_EXTRA if (value := getattr(event, name)) is not None} or None


def stub_row(item: Item, output: str, received: Any, stamp: Stamp) -> Row:
    """An output that is spoken of before it came: only its id is known."""
    day = day_of(item.event.at, item.agent.zone)
    return (item.agent.id, output, stamp(item.event.at), received, "", False, None, "output", None, None, None, None, False, day, None, None)


def evaluation_row(item: Item, event: EvaluationEvent, received: Any, stamp: Stamp, output_id: int | None, good: bool | None) -> Row:
    head = (item.agent.id, event.id, stamp(event.at), received, item.content)
    return (*head, output_id, event.run, event.name, event.score, event.label, good, event.evaluator, event.explanation)


def outcome_row(item: Item, event: OutcomeEvent, received: Any, stamp: Stamp, output_id: int, person_id: int | None) -> Row:
    return (item.agent.id, event.id, stamp(event.at), received, item.content, output_id, person_id, event.result, event.seconds)


def measure_row(item: Item, event: MeasureEvent, received: Any, stamp: Stamp) -> Row:
    head = (item.agent.id, event.id, stamp(event.at), received, item.content)
    return (*head, event.name, event.value, float(event.value), event.unit, event.output)


def cost_row(item: Item, event: CostEvent, received: Any, stamp: Stamp) -> Row:
    head = (item.agent.id, event.id, stamp(event.at), received, item.content)
    return (*head, day_of(event.at, item.agent.zone), event.run, event.kind, event.amount, event.currency)


def change_row(item: Item, event: ChangeEvent, received: Any, stamp: Stamp) -> Row:
    return (item.agent.id, event.id, stamp(event.at), received, item.content, event.input, event.version, event.note)


def ping_row(item: Item, event: HeartbeatEvent, received: Any, stamp: Stamp, check_id: int) -> Row:
    head = (item.agent.id, event.id, stamp(event.at), received, item.content)
    return (*head, check_id, event.status, event.run, event.exit_code, event.note, "event")


def request_row(item: Item, event: RequestEvent, received: Any, stamp: Stamp, action: dict[str, Any] | None, action_hash: str | None, person_id: int | None) -> Row:
    head = (item.agent.id, event.id, stamp(event.at), received, item.content)
    context = event.context.model_dump(exclude_none=True) if event.context is not None and item.agent.store_text else None
    deadline = stamp(event.deadline) if event.deadline is not None else None
    return (*head, event.kind, event.title, as_json(context), as_json(action), action_hash, person_id, deadline, "open", event.topic)


def request_end_row(item: Item, event: RequestEvent, received: Any, stamp: Stamp, request_id: int) -> Row:
    return (item.agent.id, event.id, stamp(event.at), received, item.content, request_id, event.note)
