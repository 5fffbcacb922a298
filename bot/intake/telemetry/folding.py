"""From traces that are due to runs, outputs and scores: made anew from all spans, and corrected by the difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any, Literal

import orjson
import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot.agents.unowned import count_nobody
from bot.clock import Clock
from bot.db import is_standstill
from bot.intake.agents import AgentBook, AgentRef
from bot.intake.counted import recount
from bot.intake.events import OutputEvent
from bot.intake.judging import Item
from bot.intake.noticing import look_at_failures
from bot.intake.runs import Money, Tokens
from bot.intake.runs import Run as RunEvent
from bot.intake.store import note_names, store
from bot.intake.telemetry.dialects import LARGEST
from bot.intake.telemetry.prices import estimate
from bot.intake.telemetry.scores import scores_of
from bot.intake.telemetry.tree import Made, runs_of
from bot.intake.work import Learned, Work
from bot.lanes import Lanes
from bot.tables import Agent, Output, Run, Span, Trace

log = structlog.get_logger(__name__)

BATCH = 200  # traces of one turn
SPANS = 20_000  # of one trace that are read
LARGE = 500  # spans from which on a trace is not made anew with every export
OURS = "otlp"  # how the content of our runs begins
StageName = Literal["shadow", "assisted", "autonomous", "suspended", "retired"]
STAGES: dict[str, StageName] = {"shadow": "shadow", "assisted": "assisted", "autonomous": "autonomous", "suspended": "suspended", "retired": "retired"}
MORE = frozenset(["source", "cost_estimated", "tools", "models", "prompt", "index", "called_by"])  # what `more_of` may say
REPEATS = 3  # runs with the same instructions before they count as a prompt: some write the date into them


@dataclass
class Seen:
    """How often each fingerprint of instructions was seen in this process; `known` once it is noted."""

    times: dict[tuple[int, str], set[str]] = field(default_factory=dict)

    def often(self, agent_id: int, fingerprint: str, run: str) -> bool:
        if len(self.times) > 20_000:
            self.times.clear()
        runs = self.times.setdefault((agent_id, fingerprint), set())
        if len(runs) < REPEATS:
            runs.add(run)
        return len(runs) >= REPEATS


class TraceFolding:
    """The loop "telemetry": each turn takes up to 200 traces that are due."""

    def __init__(self, lanes: Lanes, clock: Clock, agents: AgentBook) -> None:
        self._lanes = lanes
        self._clock = clock
        self._agents = agents
        self._seen = Seen()

    async def step(self, now: datetime) -> bool:
        """Make the runs of what is due; says whether there was anything."""
        due = await self._lanes.read(lambda tx: _due(tx, now))
        if not due:
            return False
        slugs = await self._lanes.read(lambda tx: _slugs(tx, due))
        await self._agents.know(slugs.values())
        refs = {id_: ref for id_, slug in slugs.items() if (ref := self._agents.get(slug)) is not None}
        try:
            await self._fold(now, due, refs)
        except Exception as error:
            if is_standstill(error):
                raise
            log.exception("traces could not be made into runs together; trying one by one")
            for trace_id in due:
                try:
                    await self._fold(now, [trace_id], refs)
                except Exception:
                    log.exception("a trace could not be made into runs", trace=trace_id)
                    await self._lanes.write(partial(_step_aside, now=now, trace_id=trace_id))
        return True

    async def _fold(self, now: datetime, trace_ids: list[str], refs: dict[int, AgentRef]) -> None:
        learned = await self._lanes.write(lambda tx: fold(tx, now, trace_ids, refs, self._seen))
        learned.remember()


def _step_aside(tx: Session, now: datetime, trace_id: str) -> None:
    tx.execute(update(Trace).where(Trace.trace_id == trace_id).values(due_at=now + timedelta(hours=1)))


def _due(tx: Session, now: datetime) -> list[str]:
    return list(tx.scalars(select(Trace.trace_id).where(Trace.due_at <= now).order_by(Trace.due_at).limit(BATCH)))


def _slugs(tx: Session, trace_ids: Sequence[str]) -> dict[int, str]:
    found = {id_ for id_ in tx.scalars(select(Span.agent_id).where(Span.trace_id.in_(trace_ids)).distinct()) if id_ is not None}
    return {row.id: row.slug for row in tx.execute(select(Agent.id, Agent.slug).where(Agent.id.in_(found)))}


def fold(tx: Session, now: datetime, trace_ids: Sequence[str], refs: dict[int, AgentRef], seen: Seen) -> Learned:
    """Make the runs of these traces what their spans say now."""
    wanted = select(Trace).where(Trace.trace_id.in_(trace_ids), Trace.due_at <= now).order_by(Trace.trace_id)
    traces = list(tx.scalars(wanted.with_for_update(skip_locked=True)))
    ids = [trace.trace_id for trace in traces]
    spans: dict[str, dict[str, tuple[dict[str, Any], int | None]]] = defaultdict(dict)
    for row in tx.execute(select(Span.trace_id, Span.span_id, Span.agent_id, Span.body).where(Span.trace_id.in_(ids))):
        if len(spans[row.trace_id]) < SPANS:
            spans[row.trace_id][row.span_id] = (orjson.loads(row.body), row.agent_id)
    held = _held(tx, ids)
    work = Work(tx, now, True)
    changes: list[Made] = []
    nobody: set[tuple[str, str, str]] = set()
    for trace in traces:
        if trace.spans > LARGE and trace.folded_at is not None and now < (again := trace.folded_at + timedelta(seconds=trace.spans // 50)):
            trace.due_at = again
            continue
        trace.due_at, trace.folded_at = None, now
        if trace.closed_at is not None:  # its spans are gone: late ones cannot say anything whole any more
            tx.execute(delete(Span).where(Span.trace_id == trace.trace_id))
            _take_back(work, held.get(trace.trace_id, []), refs, only_replaced=True)
            continue
        made, strangers = runs_of(trace.trace_id, spans[trace.trace_id], estimate)
        if any(run.agent not in refs for run in made):  # its spans came after it was asked whose they are
            trace.due_at = now + timedelta(seconds=1)
        known = [run for run in made if run.agent in refs and not refs[run.agent].archived and not refs[run.agent].retired]
        _keep(work, trace.trace_id, known, held.get(trace.trace_id, []), refs, changes)
        told = set(map(tuple, orjson.loads(trace.nobody))) if trace.nobody else set()
        if fresh := strangers - told:
            nobody |= {(service, name, trace.trace_id) for service, name in fresh}
            trace.nobody = orjson.dumps(sorted(told | fresh)).decode()
    tx.flush()
    learned = _store_runs(work, changes, refs, seen)
    if nobody:
        count_nobody(tx, now, [(service, name) for service, name, _ in nobody])
    scores_of(tx, now, {trace_id: spans[trace_id] for trace_id in ids}, refs, learned)
    return learned


def _held(tx: Session, trace_ids: Sequence[str]) -> dict[str, list[Run]]:
    """The runs these traces have by now: ours, and those that the agents reported themselves."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in tx.scalars(select(Run).where(Run.trace_id.in_(trace_ids)).order_by(Run.id)):
        found[str(run.trace_id)].append(run)
    return found


def _keep(work: Work, trace_id: str, made: list[Made], held: list[Run], refs: dict[int, AgentRef], changes: list[Made]) -> None:
    """New runs are added, others brought to what is known now; an agent that reports the run itself is believed."""
    own = {run.agent_id for run in held if not run.content.startswith(OURS)}
    # What an agent did before it was retired stays counted, whatever still comes late.
    working = {agent_id for agent_id, ref in refs.items() if not ref.archived and not ref.retired}
    ours = {(run.agent_id, run.ext_id): run for run in held if run.content.startswith(OURS) and run.agent_id in working}
    wanted = {(run.agent, run.id): run for run in made if run.agent not in own}
    gone = [run for key, run in ours.items() if key not in wanted]
    _take_back(work, gone, refs)
    for key, run in wanted.items():
        old = ours.get(key)
        if old is None or old.content != digest_of(run):
            changes.append(run)
            if old is not None:
                _correct(work, old, run, refs[run.agent], trace_id)


def _take_back(work: Work, runs: Sequence[Run], refs: dict[int, AgentRef], *, only_replaced: bool = False) -> None:
    if only_replaced:
        own = {run.agent_id for run in runs if not run.content.startswith(OURS)}
        runs = [run for run in runs if run.content.startswith(OURS) and run.agent_id in own]
    for run in runs:
        zone = refs[run.agent_id].zone if run.agent_id in refs else work.tx.get_one(Agent, run.agent_id).zone
        recount(work.counts, run, zone, -1)
        work.tx.delete(run)


def _correct(work: Work, old: Run, run: Made, ref: AgentRef, trace_id: str) -> None:
    recount(work.counts, old, ref.zone, -1)
    item = item_of(run, ref, trace_id)
    event = item.event
    assert isinstance(event, RunEvent)
    old.occurred_at, old.content, old.status, old.ms = event.at, item.content, event.status, milliseconds_of(run)
    old.model, old.version, old.stage, old.error = event.model, event.version, event.stage, event.error
    tokens, cost = event.tokens, event.cost
    old.tokens_in, old.tokens_cached, old.tokens_out = (tokens.input, tokens.cached, tokens.output) if tokens else (None, None, None)
    old.nano, old.currency = (cost.amount, cost.currency) if cost else (None, None)
    kept = {key: value for key, value in (old.extra or {}).items() if key not in MORE}
    old.extra = {**kept, "started_at": moment(run.root.start).isoformat(), **(item.more or {})}
    recount(work.counts, old, ref.zone, 1)


def _store_runs(work: Work, changes: list[Made], refs: dict[int, AgentRef], seen: Seen) -> Learned:
    """New runs go the way of events; corrected ones are looked at like them."""
    items = {run: item_of(run, refs[run.agent], run.id.partition(":")[0]) for run in changes}
    outputs = _outputs(work.tx, changes, refs)
    learned = store(work.tx, work.now, [*items.values(), *outputs], live=True)
    again = [item for item in items.values() if item.said != "accepted"]
    names = [
        (items[run].agent, what, name, moment(run.root.end), run.id)
        for run in changes
        for what, name in _names(run, seen)
        if (what, name) not in items[run].agent.seen
    ]
    note_names(work, names)
    look_at_failures(work, again)
    if work.counts.agent_ids():
        work.counts.note(work.tx, sorted(work.counts.agent_ids()))
    learned.seen += work.learned.seen
    return learned


def _names(run: Made, seen: Seen) -> list[tuple[str, str]]:
    found = [("model", name) for name in sorted(run.models)] + [("prompt", name) for name in sorted(run.prompts)] + [("index", name) for name in sorted(run.indexes)]
    if run.version:
        found.append(("version", run.version))
    if not run.prompts:
        found += [("prompt", f"instructions {each}") for each in sorted(run.instructions) if seen.often(run.agent, each, run.id)]
    return [(what, name[:128]) for what, name in found]


def _outputs(tx: Session, runs: list[Made], refs: dict[int, AgentRef]) -> list[Item]:
    """What runs answered, where people may judge it and the agent does not report it itself."""
    speaking = [run for run in runs if run.says and refs[run.agent].trace_outputs]
    if not speaking:
        return []
    ids = [run.id for run in speaking]
    told = {(row.agent_id, row.run) for row in tx.execute(select(Output.agent_id, Output.run).where(Output.run.in_(ids), Output.agent_id.in_({run.agent for run in speaking}), Output.known))}
    items = []
    for run in speaking:
        if (run.agent, run.id) in told:
            continue
        ref, said = refs[run.agent], run.says
        event = OutputEvent.model_construct(id=run.id, type="output", agent=ref.slug, at=moment(run.root.end), run=run.id, kind="answer", text=said, trace_id=run.id.partition(":")[0], span_id=run.root.id)
        items.append(Item(0, event, ref, f"{OURS}:{blake2b(str(said).encode('utf-8', 'replace'), digest_size=13).hexdigest()}"))
    return items


def item_of(run: Made, ref: AgentRef, trace_id: str) -> Item:
    """A run as the event an agent would have sent."""
    tokens = Tokens(_whole(run.tokens_in), _whole(run.tokens_cached), _whole(run.tokens_out)) if run.tokens_in is not None or run.tokens_out is not None else None
    event = RunEvent(
        id=run.id, type="run", agent=ref.slug, at=moment(run.root.end), status="failed" if run.status == "failed" else "ok",
        started_at=moment(run.root.start), ended_at=moment(run.root.end), model=run.model, version=run.version, stage=_stage(run.stage),
        tokens=tokens, cost=Money(min(run.nano, LARGEST), "USD") if run.nano is not None else None, trace_id=trace_id, span_id=run.root.id, error=run.error or None,
    )  # fmt: skip
    item = Item(0, event, ref, digest_of(run))
    item.more = more_of(run) or None
    return item


def more_of(run: Made) -> dict[str, Any]:
    """What a run says beside its columns."""
    more: dict[str, Any] = {"source": "telemetry"}
    if run.estimated:
        more["cost_estimated"] = True
    if run.tools:
        more["tools"] = dict(sorted(run.tools.items(), key=lambda each: -each[1][0])[:50])
    if len(run.models) > 1:
        more["models"] = sorted(run.models)[:20]
    if run.prompts or run.instructions:
        more["prompt"] = sorted(run.prompts or run.instructions)[0]
    if run.indexes:
        more["index"] = sorted(run.indexes)[0]
    if run.called_by is not None:
        more["called_by"] = run.called_by
    return more


def digest_of(run: Made) -> str:
    """What tells whether a run is the same as before."""
    same = [
        run.root.id, run.root.start, run.root.end, run.status, run.error, run.model, run.version, run.stage, run.tokens_in, run.tokens_cached, run.tokens_out, run.nano, more_of(run),
    ]  # fmt: skip
    return f"{OURS}:{blake2b(orjson.dumps(same), digest_size=13).hexdigest()}"


def milliseconds_of(run: Made) -> int:
    return (run.root.end - run.root.start + 500) // 1000


def moment(micros: int) -> datetime:
    """Microseconds since 1970 as a time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _stage(told: str | None) -> StageName | None:
    return STAGES.get(told or "")


def _whole(value: int | None) -> int | None:
    return None if value is None else min(value, LARGEST)
