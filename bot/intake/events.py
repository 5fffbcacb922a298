"""The events an agent may report: every field with its meaning and bounds. OpenAPI and the docs page come from here."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

LARGEST = 2**53 - 1  # the largest integer that every JSON reader keeps exactly
TEXT = 100_000  # characters of an output's text
NOTE = 10_000  # characters of comments, corrections, explanations, errors
NANO = 1_000_000_000

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,18})?", re.ASCII)


def read_time(value: Any) -> datetime:
    """RFC 3339 with a zone, in UTC; raises with the remedy."""
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper())
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError("time", "write a time with its zone, such as 2026-11-20T08:00:00Z (RFC 3339)")


def read_money(value: Any) -> int:
    """A decimal as text, in nano-units (9 decimals, rounded half to even); raises with the remedy."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value) and not value.startswith("-"):
        whole, _, part = value.partition(".")
        if len(part) <= 9:
            nano = int(whole) * NANO + int(part.ljust(9, "0"))
        else:
            nano = int((Decimal(value) * NANO).quantize(Decimal(1), ROUND_HALF_EVEN))
        if nano <= LARGEST:
            return nano
    raise PydanticCustomError("money", 'write an amount from 0 to 9007199 as text, such as "0.0031"')


def read_decimal(value: Any) -> str:
    """A decimal as text, perhaps negative; raises with the remedy."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return value
    raise PydanticCustomError("decimal", 'write a number as text, such as "6.5"')


Moment = Annotated[datetime, PlainValidator(read_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Amount = Annotated[int, PlainValidator(read_money), WithJsonSchema({"type": "string", "pattern": r"^\d{1,15}(\.\d{1,18})?$"})]
DecimalText = Annotated[str, PlainValidator(read_decimal), WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,15}(\.\d{1,18})?$"})]
Ident = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Note = Annotated[str, StringConstraints(max_length=NOTE)]
Count = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
PersonRef = Annotated[str, StringConstraints(max_length=254, pattern=r"^(<?@?[UW][A-Z0-9]{2,20}(\|[^>]{0,100})?>?|[^@\s<>]+@[^@\s<>]+)$")]


class Part(BaseModel):
    """Every part refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class Tokens(Part):
    """Tokens a model read and wrote."""

    input: Count | None = Field(None, description="Tokens read, cached ones included.")
    cached: Count | None = Field(None, description="The part of them that came from a cache.")
    output: Count | None = Field(None, description="Tokens written.")


class Money(Part):
    """An amount of one currency."""

    amount: Amount = Field(description='A decimal as text, such as "0.0031".')
    currency: Currency = Field(description="ISO 4217 code, such as USD.")


class RunInput(Part):
    """What the run was given."""

    fields: list[Short] = Field(default_factory=list, max_length=200, description="Names of the fields it was given.")
    rejected: Count = Field(0, description="How many inputs it could not read.")


class SlackPlace(Part):
    """Where the output already stands in Slack."""

    channel: str = Field(pattern=r"^[CDG][A-Z0-9]{2,20}$", description="Channel id, such as C0123ABC.")
    ts: str = Field(pattern=r"^\d{1,12}\.\d{1,9}$", description="The message's ts.")


class Event(Part):
    """What every event has."""

    noun: ClassVar[str] = "an event"

    id: Ident = Field(description="Made by the agent, unique per agent and type: sending it again is safe.")
    type: str
    agent: str = Field(min_length=1, max_length=128, description="The agent's id in the registry.")
    at: Moment = Field(description="When it happened; 30 days back to 5 minutes ahead.")


class RunEvent(Event):
    """One execution of the agent."""

    noun: ClassVar[str] = "a run"

    type: Literal["run"]
    status: Literal["ok", "failed", "cancelled"] = Field(description="How it ended.")
    started_at: Moment | None = None
    ended_at: Moment | None = Field(None, description="With started_at gives the latency.")
    model: Short | None = Field(None, description="The LLM; a name not seen before is noted as a change.")
    version: Short | None = Field(None, description="Of the prompt or program; one not seen before is noted as a change.")
    stage: Literal["shadow", "assisted", "autonomous", "suspended", "retired"] | None = Field(None, description="The stage the agent obeyed.")
    tokens: Tokens | None = None
    cost: Money | None = None
    parent_run: Ident | None = Field(None, description="The run that started this one.")
    trace_id: Short | None = Field(None, description="Of its trace: votes on its outputs are written there, where the registry names a trace store.")
    span_id: Short | None = Field(None, description="Of the span that its outputs came from.")
    topic: Word | None = Field(None, description="What it was about, such as returns: gaps in knowledge are gathered by it.")
    language: Word | None = Field(None, description="Of its outputs, such as en or pt-BR: quality is told apart by it.")
    department: Short | None = Field(None, description="Whose people it worked for: quality is told apart by it.")
    prompt: Short | None = Field(None, description="The prompt it used, such as greeting v3; one not seen before is noted as a change.")
    index: Short | None = Field(None, description="The index it looked things up in, such as docs-2026-11; one not seen before is noted as a change.")
    error: Note | None = Field(None, description="What went wrong.")
    input: RunInput | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> RunEvent:
        if self.started_at is not None and self.ended_at is not None and self.ended_at < self.started_at:
            raise PydanticCustomError("ends_early", "ended_at lies before started_at", {"field": "ended_at"})
        return self


class OutputEvent(Event):
    """Something a person can judge or use."""

    noun: ClassVar[str] = "an output"

    type: Literal["output"]
    run: Ident | None = Field(None, description="The run it came from.")
    kind: Word = Field("output", description="reply, summary, ticket, ...")
    text: Annotated[str, StringConstraints(max_length=TEXT)] | None = None
    url: str | None = Field(None, max_length=2000, pattern=r"^https?://[^\s<>|]+$", description="Where it can be seen.")
    slack: SlackPlace | None = Field(None, description="The message it already is in Slack: it is not posted twice.")
    input: Annotated[str, StringConstraints(max_length=TEXT)] | None = Field(None, description="What the agent was asked: told beside the output in lessons, and kept as long as its text.")
    topic: Word | None = Field(None, description="What it is about, such as returns; its run's where unset.")
    trace_id: Short | None = Field(None, description="Of its trace, where it differs from its run's, or it has none.")
    span_id: Short | None = Field(None, description="Of the span it came from: votes are written there.")
    language: Word | None = Field(None, description="Of the text, such as en or pt-BR; its run's where unset: quality is told apart by it.")
    department: Short | None = Field(None, description="Whose people it was for; its run's where unset: quality is told apart by it.")


class RatingEvent(Event):
    """A person's thumb on an output."""

    noun: ClassVar[str] = "a rating"

    type: Literal["rating"]
    output: Ident = Field(description="The id of the output; it may arrive later than its rating.")
    person: PersonRef = Field(description="Slack id or e-mail address.")
    good: Annotated[bool, Field(strict=True)] | None = Field(description="true, false, or null to take the vote back.")
    reason: Word | None = None
    comment: Note | None = None
    correction: Note | None = Field(None, description="What it should have said.")


class EvaluationEvent(Event):
    """An automated score of an output or a run."""

    noun: ClassVar[str] = "an evaluation"

    type: Literal["evaluation"]
    output: Ident | None = None
    run: Ident | None = None
    name: Short = Field(description="What was evaluated, such as faithfulness; the registry says from which score on it is good.")
    score: float | None = Field(None, strict=True, allow_inf_nan=False)
    label: Short | None = None
    evaluator: Short | None = Field(None, description="Who scored.")
    explanation: Note | None = None

    @model_validator(mode="after")
    def _says_something_about_something(self) -> EvaluationEvent:
        if self.output is None and self.run is None:
            raise PydanticCustomError("missing_one", "an evaluation needs `output` or `run`", {"field": "output"})
        if self.score is None and self.label is None:
            raise PydanticCustomError("missing_one", "an evaluation needs `score` or `label`", {"field": "score"})
        return self


class OutcomeEvent(Event):
    """What a person did with an output."""

    noun: ClassVar[str] = "an outcome"

    type: Literal["outcome"]
    output: Ident
    person: PersonRef | None = Field(None, description="Slack id or e-mail address.")
    result: Literal["accepted", "edited", "overridden", "ignored"]
    seconds: Count | None = Field(None, description="How long it took the person.")


class MeasureEvent(Event):
    """A business number."""

    noun: ClassVar[str] = "a measure"

    type: Literal["measure"]
    name: Short = Field(description="minutes_saved, orders, complaints, ...")
    value: DecimalText = Field(description='A decimal as text, such as "6.5".')
    unit: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = None
    output: Ident | None = None


class CostEvent(Event):
    """Money spent beside the cost a run carries itself."""

    noun: ClassVar[str] = "a cost"

    type: Literal["cost"]
    run: Ident | None = None
    kind: Word = Field("other", description="tool, search, human, ...")
    amount: Amount = Field(description='A decimal as text, such as "0.0031".')
    currency: Currency


class ChangeEvent(Event):
    """A new version of a prompt, index, model or instruction."""

    noun: ClassVar[str] = "a change"

    type: Literal["change"]
    input: Short = Field(description="What changed: the name of one of the agent's inputs.")
    version: Short
    note: Note | None = None


class HeartbeatEvent(Event):
    """A word of a job to one of the agent's heartbeat checks: the same as a ping."""

    noun: ClassVar[str] = "a heartbeat"

    type: Literal["heartbeat"]
    check: str = Field(min_length=1, max_length=64, description="The name of the heartbeat check in the registry.")
    status: Literal["start", "success", "fail", "log"] = Field(description="A run began, ended well, or failed; a log only adds words.")
    run: Ident | None = Field(None, description="Which run: runs that overlap are measured apart by it.")
    exit_code: Annotated[int, Field(strict=True, ge=0, le=255)] | None = Field(None, description="With which the run ended.")
    note: Note | None = Field(None, description="What it said: kept as evidence.")


class TalkLine(Part):
    """One line of the conversation that led to it."""

    who: Short | None = None
    text: Note


class Link(Part):
    """Where more can be seen."""

    title: Short | None = None
    url: str = Field(max_length=2000, pattern=r"^https?://[^\s<>|]+$")


class RequestContext(Part):
    """What a person needs to know to answer."""

    conversation: list[TalkLine] = Field(default_factory=list, max_length=100, description="What was said so far; the last lines are shown.")
    attempts: list[Note] = Field(default_factory=list, max_length=50, description="What the agent tried.")
    would_do: Note | None = Field(None, description="What it would do, in words.")
    links: list[Link] = Field(default_factory=list, max_length=20)


class ActionPart(Part):
    """Exactly what the agent wants to do: a yes holds for this and nothing else."""

    name: str = Field(min_length=1, max_length=128, description="Such as refund.create.")
    on: str = Field("", max_length=256, description="What it is done to, such as order/1234.")
    as_: str | None = Field(None, alias="as", max_length=254, description="The identity it acts as.")
    params: dict[str, Any] = Field(default_factory=dict, description="All it is done with; shown whole to whoever approves.")


class RequestEvent(Event):
    """The agent asks a person: a hand-off, or an approval; or takes such a request back."""

    noun: ClassVar[str] = "a request"

    type: Literal["request"]
    kind: Literal["handoff", "approval"] | None = Field(None, description="handoff: a person is to take over. approval: may it do this?")
    title: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = Field(None, description="What it is about, in a line.")
    context: RequestContext | None = None
    action: ActionPart | None = Field(None, description="Of an approval: exactly what would be done.")
    triggered_by: PersonRef | None = Field(None, description="Who had the agent do this (Slack id or e-mail): they may not approve it.")
    deadline: Moment | None = Field(None, description="After this no answer helps any more.")
    topic: Word | None = Field(None, description="What it is about, such as returns: gaps in knowledge are gathered by it.")
    withdraws: Ident | None = Field(None, description="Instead of all that: the id of a request that needs no answer any more.")
    note: Note | None = Field(None, description="Why it is withdrawn.")

    @model_validator(mode="after")
    def _asks_or_withdraws(self) -> RequestEvent:
        asks = [name for name in ("kind", "title", "context", "action", "triggered_by", "deadline", "topic") if getattr(self, name) is not None]
        if self.withdraws is not None and asks:
            raise PydanticCustomError("ends_early", "a request that withdraws another says nothing of its own: leave out `" + "`, `".join(asks) + "`", {"field": asks[0]})
        if self.withdraws is None and (self.kind is None or self.title is None):
            missing = "kind" if self.kind is None else "title"
            raise PydanticCustomError("missing_one", f"`{missing}` is missing in a request (or `withdraws`, with the id of one to take back)", {"field": missing})
        if self.action is not None and self.kind == "handoff":
            raise PydanticCustomError("ends_early", "a hand-off has no `action`: ask for an approval, or tell in `context.would_do`", {"field": "action"})
        return self


AnyEvent = RequestEvent | RunEvent | OutputEvent | RatingEvent | EvaluationEvent | OutcomeEvent | MeasureEvent | CostEvent | ChangeEvent | HeartbeatEvent

KINDS: dict[str, type[AnyEvent]] = {
    "run": RunEvent,
    "output": OutputEvent,
    "rating": RatingEvent,
    "evaluation": EvaluationEvent,
    "outcome": OutcomeEvent,
    "cost": CostEvent,
    "measure": MeasureEvent,
    "change": ChangeEvent,
    "heartbeat": HeartbeatEvent,
    "request": RequestEvent,
}
LATER: tuple[str, ...] = ()  # known by name, not yet taken by this version

EXAMPLES: dict[str, dict[str, Any]] = {
    "run": {"id": "r1", "type": "run", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "status": "ok", "started_at": "2026-11-20T07:59:58Z", "ended_at": "2026-11-20T08:00:00Z", "model": "gpt-4o", "version": "prompt-14", "stage": "autonomous", "tokens": {"input": 812, "cached": 0, "output": 96}, "cost": {"amount": "0.0031", "currency": "USD"}, "parent_run": None, "trace_id": None, "error": None, "input": {"fields": ["order_id", "text"], "rejected": 0}},
    "output": {"id": "o1", "type": "output", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "run": "r1", "kind": "reply", "text": "Your parcel arrives on Monday.", "url": None, "slack": {"channel": "C0123", "ts": "1763625600.000100"}},
    "rating": {"id": "v1", "type": "rating", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "output": "o1", "person": "U0LEA", "good": False, "reason": "outdated", "comment": "The strike ended.", "correction": "It arrives on Saturday."},
    "evaluation": {"id": "e1", "type": "evaluation", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "output": "o1", "name": "faithfulness", "score": 0.92, "label": None, "evaluator": "judge-3", "explanation": "Every claim is in the source."},
    "outcome": {"id": "c1", "type": "outcome", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "output": "o1", "person": "U0LEA", "result": "edited", "seconds": 40},
    "measure": {"id": "m1", "type": "measure", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "name": "minutes_saved", "value": "6.5", "unit": "min", "output": "o1"},
    "cost": {"id": "k1", "type": "cost", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "run": "r1", "kind": "search", "amount": "0.005", "currency": "USD"},
    "change": {"id": "h1", "type": "change", "agent": "support-triage", "at": "2026-11-20T07:00:00Z", "input": "system-prompt", "version": "prompt-15", "note": "Knows the new return policy."},
    "heartbeat": {"id": "b1", "type": "heartbeat", "agent": "support-triage", "at": "2026-11-20T03:04:00Z", "check": "nightly", "status": "success", "run": "r1", "exit_code": 0, "note": "812 tickets read."},
    "request": {"id": "q1", "type": "request", "agent": "support-triage", "at": "2026-11-20T08:00:00Z", "kind": "approval", "title": "Refund 120 EUR to order 1234", "context": {"conversation": [{"who": "customer", "text": "The parcel came broken."}], "attempts": ["Offered a replacement: declined."], "would_do": "Refund the whole order.", "links": [{"title": "order", "url": "https://shop.example.com/orders/1234"}]}, "action": {"name": "refund.create", "on": "order/1234", "as": "svc-triage@example.com", "params": {"amount": 120, "currency": "EUR"}}, "triggered_by": "U0LEA", "deadline": "2026-11-20T12:00:00Z"},
}  # fmt: skip
