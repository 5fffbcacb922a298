"""Failing outputs with what people said of them, a page at a time: read here, blacked out before they leave."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from bot.agents.leaving import Leaving, leaving_of
from bot.feedback.outward.words import current_votes, trace_from
from bot.feedback.rules import SPLIT_FROM
from bot.redaction import redact_all
from bot.tables import Agent, Evaluation, Incident, Output, RegressionCase, Run, Vote

SETTLES = timedelta(seconds=5)  # what was written so lately may still be overtaken by something older
LARGEST = 8 * 1024 * 1024  # bytes of one page: a page ends early rather than grow beyond it


class BadCursor(ValueError):
    """The cursor is not one of ours."""


@dataclass(frozen=True)
class Place:
    """Where a reader stands: everything up to this moment, and of this moment up to this output, was seen."""

    at: datetime
    output_id: int

    def write(self) -> str:
        return base64.urlsafe_b64encode(f"{self.at.isoformat()}|{self.output_id}".encode()).rstrip(b"=").decode()

    @staticmethod
    def read(text: str) -> Place:
        try:
            at, _, number = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("|")
            moment = datetime.fromisoformat(at)
            if moment.tzinfo is None or not 0 <= int(number) < 2**63:
                raise ValueError
            return Place(moment.astimezone(UTC), int(number))
        except (ValueError, binascii.Error, UnicodeDecodeError, OverflowError):
            raise BadCursor("this cursor was not given out here: leave it away to begin from the start") from None


@dataclass(frozen=True)
class Lessons:
    """One page. `resume` is where to go on, also later; `more` says whether something waits there already."""

    lines: list[bytes]
    resume: Place
    more: bool


@dataclass(frozen=True)
class Found:
    """A page as the database holds it: nothing is blacked out yet."""

    rows: list[dict[str, Any]]
    places: list[Place]
    begin: Place
    more: bool
    leaving: Leaving


def failing(tx: Session, agent: Agent, *, after: Place | None, since: datetime | None, limit: int) -> Found:
    """Outputs that somebody finds bad now, or that failed in an incident, in the order in which that was last said."""
    begin = after or Place(since or datetime(1970, 1, 1, tzinfo=UTC), 0)
    wanted: list[tuple[Place, Output]] = []
    votes: dict[int, list[Vote]] = {}
    cases: dict[int, list[RegressionCase]] = {}
    place, more = begin, True
    while more and len(wanted) <= limit:
        batch = _candidates(tx, agent.id, place, 2 * limit + 2)
        more = len(batch) == 2 * limit + 2
        ids = {each.output_id for each in batch}
        votes.update(_bad_votes(tx, ids))
        for case in tx.scalars(select(RegressionCase).where(RegressionCase.output_id.in_(ids)).order_by(RegressionCase.id)):
            cases.setdefault(case.output_id, []).append(case)
        outputs = {output.id: output for output in tx.scalars(select(Output).where(Output.id.in_(ids)))}
        wanted += [(each, outputs[each.output_id]) for each in batch if each.output_id in outputs and (votes.get(each.output_id) or each.output_id in cases)]
        place = batch[-1] if batch else place
    page = wanted[:limit]
    beside = _beside(tx, agent, [output for _, output in page])
    rows = [_row(agent, output, spot.at, votes.get(output.id, []), cases.get(output.id, []), beside) for spot, output in page]
    return Found(rows, [spot for spot, _ in page], begin, len(wanted) > limit, leaving_of(tx, agent))


def written(found: Found, now: datetime) -> Lessons:
    """The page as lines of JSON, without what may not leave. May take a while: it runs the registry's own patterns."""
    lines: list[bytes] = []
    size, cut = 0, False
    for row in _blacked_out(found.rows, found.leaving):
        line = orjson.dumps(row)
        if lines and size + len(line) > LARGEST:
            cut = True
            break
        lines.append(line)
        size += len(line) + 1
    seen = found.places[: len(lines)]
    more = cut or found.more
    settled = [each for each in seen if each.at <= now - SETTLES]
    resume = seen[-1] if more and seen else settled[-1] if settled else found.begin
    return Lessons(lines, resume, more)


def _candidates(tx: Session, agent_id: int, after: Place, number: int) -> list[Place]:
    bad = select(Vote.output_id.label("output_id"), Vote.received_at.label("at")).where(Vote.agent_id == agent_id, Vote.good.is_(False), Vote.received_at >= after.at)
    kept = select(RegressionCase.output_id.label("output_id"), RegressionCase.added_at.label("at")).where(RegressionCase.agent_id == agent_id, RegressionCase.added_at >= after.at)
    both = union_all(bad, kept).subquery()
    newest = func.max(both.c.at)
    rows = tx.execute(
        select(both.c.output_id, newest)
        .group_by(both.c.output_id)
        .having((newest > after.at) | ((newest == after.at) & (both.c.output_id > after.output_id)))
        .order_by(newest, both.c.output_id)
        .limit(number)
    )
    return [Place(at, output_id) for output_id, at in rows]


def _bad_votes(tx: Session, output_ids: set[int]) -> dict[int, list[Vote]]:
    """All votes that count on outputs of which at least one is bad."""
    found: dict[int, list[Vote]] = {}
    for (output_id, _), vote in current_votes(tx, output_ids).items():
        found.setdefault(output_id, []).append(vote)
    return {output_id: each for output_id, each in found.items() if any(vote.good is False for vote in each)}


@dataclass(frozen=True)
class _Beside:
    """What belongs to the outputs of a page: runs by id, evaluations and incidents by output."""

    runs: dict[str, Run]
    judged: dict[int, list[Evaluation]]
    incidents: dict[int, set[int]]


def _beside(tx: Session, agent: Agent, outputs: list[Output]) -> _Beside:
    ids = [output.id for output in outputs]
    named = {output.run for output in outputs if output.run}
    runs = {run.ext_id: run for run in tx.scalars(select(Run).where(Run.agent_id == agent.id, Run.ext_id.in_(named)))}
    judged: dict[int, list[Evaluation]] = {}
    for each in tx.scalars(select(Evaluation).where(Evaluation.output_id.in_(ids)).order_by(Evaluation.id)):
        judged.setdefault(each.output_id or 0, []).append(each)
    incidents: dict[int, set[int]] = {}
    for incident_id, output_id in tx.execute(select(Incident.id, Incident.output_id).where(Incident.agent_id == agent.id, Incident.output_id.in_(ids))):
        incidents.setdefault(output_id or 0, set()).add(incident_id)
    return _Beside(runs, judged, incidents)


def _row(agent: Agent, output: Output, at: datetime, votes: list[Vote], cases: list[RegressionCase], beside: _Beside) -> dict[str, Any]:
    run = beside.runs.get(output.run or "")
    trace, span = trace_from(output, run)
    bad = [vote for vote in votes if vote.good is False]
    judged, opened = beside.judged.get(output.id, [])[:50], beside.incidents.get(output.id, set())
    return {
        "agent": agent.slug, "output": output.ext_id, "kind": output.kind, "at": output.occurred_at.isoformat() if output.known else None, "changed_at": at.isoformat(),
        "topic": (output.extra or {}).get("topic") or ((run.extra or {}).get("topic") if run is not None else None),
        "input": output.input, "text": output.text, "url": output.url,
        "run": output.run, "trace_id": trace, "span_id": span, "model": run.model if run else None, "version": run.version if run else None, "error": run.error if run else None,
        # In the order of the alphabet: neither when somebody said something nor what they said together is told.
        "reasons": dict(sorted(Counter(vote.reason for vote in bad if vote.reason).items())),
        "comments": sorted({vote.comment for vote in bad if vote.comment}), "corrections": sorted({vote.correction for vote in bad if vote.correction}),
        "votes": len(votes), "bad": len(bad) if len(votes) >= SPLIT_FROM else None, "may_ask": sum(vote.may_ask for vote in bad),
        "evaluations": [{"name": each.name, "score": each.score, "label": each.label, "good": each.good, "explanation": each.explanation} for each in judged],
        "incidents": sorted(opened | {case.incident_id for case in cases}),
        "regression": [{"incident": case.incident_id, "added_at": case.added_at.isoformat(), "fixed_at": case.fixed_at.isoformat() if case.fixed_at else None, "fixed_in": case.fixed_in or None} for case in cases],
    }  # fmt: skip


TEXTS = ("input", "text", "url", "error")
LISTS = ("comments", "corrections")


def _blacked_out(rows: list[dict[str, Any]], leaving: Leaving) -> Iterable[dict[str, Any]]:
    """The rows with their texts as they may leave; all patterns are run over all texts at once."""
    if not leaving.texts:
        return [_over(row, lambda _: None) | {"data_class": leaving.data_class, "withheld": True} for row in rows]
    texts: list[str] = []
    for row in rows:
        _over(row, lambda text: texts.append(text) or text)  # type: ignore[func-returns-value]
    clean = iter(redact_all(texts, leaving.hide, leaving.patterns))
    return [_over(row, lambda _: next(clean)) | {"data_class": leaving.data_class, "withheld": False} for row in rows]


def _over(row: dict[str, Any], change: Callable[[str], str | None]) -> dict[str, Any]:
    """A copy in which every text went through `change`, always in the same order."""
    made = dict(row)
    for name in TEXTS:
        made[name] = change(row[name]) if row[name] else None
    for name in LISTS:
        made[name] = [text for each in row[name] if (text := change(each)) is not None]
    made["evaluations"] = [{**each, "explanation": change(each["explanation"]) if each["explanation"] else None} for each in row["evaluations"]]
    return made
