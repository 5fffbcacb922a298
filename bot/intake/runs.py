"""A run as it is stored, and the short way to it: nearly all that comes in are runs, and nearly all of those are well formed.

`RunEvent` says what a run may be, in OpenAPI and to whoever sent a wrong one. Building its models took half of the time
that judging a run takes (7 us, and 2.7 for the structs here), so it is asked only about what is not plainly right.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from bot.intake.events import LARGEST, NOTE, RunEvent, read_money, read_time

if TYPE_CHECKING:
    Moment = datetime
    Amount = int
else:  # msgspec leaves these two as they come; `plain_run` reads them as the model does
    Moment = Amount = Any

Short = Annotated[str, Meta(min_length=1, max_length=128)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Note = Annotated[str, Meta(max_length=NOTE)]
Count = Annotated[int, Meta(ge=0, le=LARGEST)]


class Tokens(Struct, forbid_unknown_fields=True, gc=False):
    """Tokens a model read and wrote."""

    input: Count | None = None
    cached: Count | None = None
    output: Count | None = None


class Money(Struct, forbid_unknown_fields=True, gc=False):
    """An amount of one currency, in nano-units."""

    amount: Amount
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


class RunInput(Struct, forbid_unknown_fields=True, gc=False):
    """What the run was given."""

    fields: Annotated[list[Short], Meta(max_length=200)] = []
    rejected: Count = 0


class Run(Struct, forbid_unknown_fields=True, gc=False):
    """One execution of the agent; every field as `RunEvent` describes it."""

    noun: ClassVar[str] = RunEvent.noun

    id: Short
    type: Literal["run"]
    agent: Short
    at: Moment
    status: Literal["ok", "failed", "cancelled"]
    started_at: Moment | None = None
    ended_at: Moment | None = None
    model: Short | None = None
    version: Short | None = None
    stage: Literal["shadow", "assisted", "autonomous", "suspended", "retired"] | None = None
    tokens: Tokens | None = None
    cost: Money | None = None
    parent_run: Short | None = None
    trace_id: Short | None = None
    span_id: Short | None = None
    topic: Word | None = None
    language: Word | None = None
    department: Short | None = None
    prompt: Short | None = None
    index: Short | None = None
    error: Note | None = None
    input: RunInput | None = None


def plain_run(raw: dict[str, Any]) -> Run | None:
    """The run, where it is plainly one; None where `RunEvent` has to say what is wrong with it."""
    try:
        run = msgspec.convert(raw, Run)
        at, started, ended = run.at, run.started_at, run.ended_at
        run.at = read_time(at)
        if ended is not None:
            run.ended_at = run.at if ended == at else read_time(ended)  # one moment, nearly always
        if started is not None:
            run.started_at = read_time(started)
            if run.ended_at is not None and run.ended_at < run.started_at:
                return None
        if run.cost is not None:
            run.cost.amount = read_money(run.cost.amount)
    except (msgspec.ValidationError, ValueError):
        return None
    return run


def as_run(event: RunEvent) -> Run:
    """The same run, from the model that looked at it closely."""
    return msgspec.convert(event.model_dump(), Run)
