"""From what the wire said to what is stored: each span, record and point with its agent, or why it cannot be taken."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from bot.intake.judging import AHEAD, BACK
from bot.intake.telemetry import coders, names
from bot.intake.telemetry.dialects import agent_name, body_of, first, kind_of
from bot.intake.telemetry.heard import Attributes, HeardPoint, HeardRecord, HeardSpan, text_of
from bot.intake.telemetry.owners import Owner, View
from bot.intake.telemetry.parts import Part, ScorePart, SpanPart

NOTE = 2000


@dataclass
class Read:
    """An export, read: what is stored, what was refused and why, and what belongs to nobody."""

    parts: list[Part] = field(default_factory=list)
    total: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    without_ids: int = 0
    nobody: set[tuple[str, str]] = field(default_factory=set)

    def refuse(self, why: str) -> None:
        self.refused[why] += 1


class Reader:
    """Reads one export for one token at one moment."""

    def __init__(self, view: View, now: datetime) -> None:
        self._view = view
        seconds = now.timestamp()
        self._oldest = int((seconds - BACK.total_seconds()) * 1e9)
        self._newest = int((seconds + AHEAD.total_seconds()) * 1e9)
        self._now = int(seconds * 1e9)
        self._bound = None if view.allowed is None else sorted(owner.id for slug in view.allowed if (owner := view.owners.by_slug.get(slug)) is not None)
        self.read = Read()

    def span(self, span: HeardSpan) -> None:
        read = self.read
        read.total += 1
        if span.bad:
            read.without_ids += span.bad == "no ids"
            read.refuse("a trace id is 16 bytes (32 hex digits), a span id 8, and neither is all zeros")
            return
        at = span.end or span.start
        if not self._in_time(at, "span"):
            return
        if span.attributes.get(names.PENDING) == "pending_span":
            return
        if not self._oldest <= span.start <= at:
            span.start = at  # a start that cannot be, or none: it would be a run of a year's length, or one of the year 2286
        kind = kind_of(span)
        named = agent_name(span, kind)
        owner, by_name = self._view.find(span.source.service, named)
        body = body_of(span, keep_text=owner is not None and owner.keep_text)
        if owner is not None and by_name:
            body["own"] = owner.id
        elif owner is None and kind:
            read.nobody.add((span.source.service, named))
            body.pop("error", None)
        response = text_of(first(span.attributes, names.RESPONSE)) or None
        if response:
            body["response"] = response
        rooted = not span.parent_id or span.remote
        read.parts.append(SpanPart((span.trace_id, span.span_id), owner.id if owner else None, response, orjson.dumps(body).decode(), rooted))
        if span.events or span.links or any(name.startswith(names.ANNOTATIONS) for name in span.attributes):
            self._scores_on(span, owner)

    def _scores_on(self, span: HeardSpan, owner: Owner | None) -> None:
        """Scores that a span carries: as events, or as OpenInference's annotations, perhaps of the one span it links to."""
        judged = (span.trace_id, span.span_id)
        for name, at, attributes in span.events:
            if name == names.EVALUATION:
                self._score(owner, attributes, judged, at or span.end or span.start, "")
        links = [link for link in span.links if all(link)]
        if len(links) == 1:
            judged = links[0]
        for told in annotations_of(span.attributes):
            self._score(owner, told, judged, span.end or span.start, str(told.get("of", "")))

    def record(self, record: HeardRecord) -> None:
        read = self.read
        read.total += 1
        if record.bad:
            read.refuse("a trace id is 16 bytes (32 hex digits), a span id 8")
            return
        if not self._in_time(record.at or self._now, "record"):
            return
        owner, _ = self._view.find(record.source.service, text_of(first(record.attributes, names.AGENT)))
        if record.name == names.EVALUATION or names.EVALUATION_NAME in record.attributes:
            self._score(owner, record.attributes, (record.trace_id, record.span_id), record.at, "", strict=True)
        elif coders.is_coder(record.source.service, record.name):
            if owner is None:
                read.nobody.add((record.source.service, ""))
            else:
                read.parts += coders.of_record(owner.id, record, record.at or self._now)

    def point(self, point: HeardPoint) -> None:
        read = self.read
        read.total += 1
        if point.bad:
            read.refuse("an exemplar's trace id is 16 bytes (32 hex digits), its span id 8")
            return
        if not self._in_time(point.at or self._now, "point"):
            return
        if not math.isfinite(point.value) or point.value < 0:
            if coders.metrics_of(point):
                read.refuse("a value must be a finite number from 0 on")
            return
        wanted = coders.metrics_of(point)
        if not wanted:
            return
        owner, _ = self._view.find(point.source.service, text_of(first(point.attributes, names.AGENT)))
        if owner is None:
            read.nobody.add((point.source.service, text_of(first(point.attributes, names.AGENT))))
            return
        point.began = min(point.began, point.at or self._now)
        found = coders.of_point(owner.id, point, point.at or self._now, wanted)
        if not found:
            read.refuse("a value is too large to be counted")
        read.parts += found

    def _in_time(self, at: int, what: str) -> bool:
        if self._oldest <= at <= self._newest:
            return True
        self.read.refuse(f"a {what} of more than 5 minutes ahead: check the clock" if at > self._newest else f"a {what} without a time or more than 30 days back: use `aiops import` for history")
        return False

    def _score(self, owner: Owner | None, found: Attributes, judged: tuple[str, str], at: int, of: str, *, strict: bool = False) -> None:
        name = text_of(found.get(names.EVALUATION_NAME))
        value, bad = _score_value(found.get(names.EVALUATION_SCORE))
        label = text_of(found.get(names.EVALUATION_LABEL)) or None
        response = text_of(first(found, names.RESPONSE)) or None
        rule = owner.ranges.get(name) if owner is not None else None
        why = ""
        if not name:
            why = f"an evaluation needs {names.EVALUATION_NAME}"
        elif bad:
            why = f"{names.EVALUATION_SCORE} must be a finite number"
        elif value is None and label is None:
            why = f"an evaluation needs {names.EVALUATION_SCORE} or {names.EVALUATION_LABEL}"
        elif value is not None and rule is not None and not rule[0] <= value <= rule[1]:
            why = f"{names.EVALUATION_SCORE} is outside the range {rule[0]:g} to {rule[1]:g} that the registry names for {name[:64]!r}"
        elif not judged[0] and response is None:
            why = "an evaluation needs the ids of the span it judges, or gen_ai.response.id"
        if why:
            if strict:  # a span that carries a bad score is still a good span
                self.read.refuse(why)
            return
        explanation = found.get(names.EVALUATION_WHY)
        by = text_of(first(found, names.EVALUATION_BY))
        words = text_of(explanation, NOTE) if owner is None or owner.keep_text else ""
        told: dict[str, Any] = {"name": name, "at": (at if self._oldest <= at <= self._newest else self._now) // 1000, "score": value, "label": label, "by": by, "why": words, "bound": self._bound}
        body = {key: each for key, each in told.items() if each is not None and each != ""}
        same = orjson.dumps([*judged, response, name, value, label, by, of or at])  # without a time of its own it has none: a repeat must be known
        digest = blake2b(same, digest_size=16).hexdigest()
        self.read.parts.append(ScorePart(digest, owner.id if owner else None, judged[0] or None, judged[1] or None, response, orjson.dumps(body).decode()))


def annotations_of(found: Attributes) -> Iterable[Attributes]:
    """OpenInference's annotations as evaluations, by their number."""
    by_number: dict[str, Attributes] = {}
    for name, value in found.items():
        if name.startswith(names.ANNOTATIONS):
            number, _, rest = name[len(names.ANNOTATIONS) :].partition(".")
            if rest.startswith("annotation."):
                by_number.setdefault(number, {})[rest[len("annotation.") :]] = value
    for number, told in list(by_number.items())[:50]:
        by = told.get("identifier") or told.get("annotator.kind") or told.get("annotator_kind") or told.get("annotator")
        yield {
            names.EVALUATION_NAME: told.get("name"),
            names.EVALUATION_SCORE: told.get("score"),
            names.EVALUATION_LABEL: told.get("label"),
            names.EVALUATION_WHY: told.get("explanation"),
            names.EVALUATION_BY[0]: by,
            "of": number,
        }


def _score_value(value: Any) -> tuple[float | None, bool]:
    """The score, and whether there is one that is no number."""
    if value is None:
        return None, False
    try:
        told = float(value)
    except (TypeError, ValueError, OverflowError):
        return None, True
    return (told, False) if math.isfinite(told) else (None, True)
