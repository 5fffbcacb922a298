"""`input_shape`: what the agent is given has changed: inputs it cannot read, fields that are new or gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import CountedWindow, Share, span_words, too_often, write_share
from bot.paging.rules import Finding, State
from bot.quality.words import joined, plural

FEW, EARLIER = 5, 10  # runs needed to say that a field is new or gone: lately, and before
USUAL = 0.9  # a field that so many of the runs had is missed
SHOWN = 5


class InputShapeSpec(CheckSpec):
    """What `input` of the runs says: rejected inputs, and the names of fields."""

    DEFAULT_SEVERITY: ClassVar[str] = "notice"
    DEFAULT_EVERY: ClassVar[timedelta] = timedelta(minutes=15)

    kind: Literal["input_shape"] = Field("input_shape", description="Always `input_shape`.")
    at_most: Share = Field(0.05, description="Share of runs that may reject some of their input, such as `5%`.")
    fields: list[str] = Field(default_factory=list, max_length=200, description="The fields a run must be given, and no others; where unset, those that runs before the window had.")
    window: CountedWindow = Field(timedelta(days=1), description="What counts as now: 5m to 24h, or whole days.")
    min_samples: int = Field(20, ge=1, le=1_000_000, description="Runs needed before the rejected share is judged.")


@dataclass(frozen=True)
class InputFacts:
    """Counts of the window, and the fields of its newest runs and of the newest ones before it (only runs that report `input`)."""

    runs: int = 0
    rejecting: int = 0  # runs that could not read some of their input
    rejected: int = 0  # inputs they could not read
    lately: Sequence[frozenset[str]] = ()
    earlier: Sequence[frozenset[str]] = ()


def judge(facts: InputFacts, spec: InputShapeSpec, now: datetime) -> Finding:
    """Failing when runs reject more input than promised, or a field is new or gone; the worst is named first."""
    last = f"in the last {span_words(spec.window)}"
    if not facts.lately and not facts.rejecting:
        known = f"Of {plural(facts.runs, 'run')} {last} none said what it was given: report `input`." if facts.runs else f"No run was reported {last}, so there is nothing to judge."
        return Finding(State.UNKNOWN, "Nothing known of its input", known, threshold=spec.at_most, nothing=True)
    state, title = State.UNKNOWN, "Too few runs"
    told: list[str] = []
    evidence: dict[str, str] = {}
    share = facts.rejecting / facts.runs if facts.runs else None
    if share is not None and facts.runs >= spec.min_samples:
        state = too_often(facts.rejecting, facts.runs, spec.at_most)
        above = {State.OK: f"; at most {write_share(spec.at_most)} is promised", State.SAME: f", more than {write_share(spec.at_most)}, but so few that it may be chance", State.FAILING: f", more than {write_share(spec.at_most)}"}[state]
        told.append(f"{facts.rejecting:,} of {plural(facts.runs, 'run')} could not read all of their input {last} ({write_share(share)}; {plural(facts.rejected, 'input')}){above}")
        evidence["Rejected"] = f"{plural(facts.rejected, 'input')} of {facts.rejecting:,} of {plural(facts.runs, 'run')}"
        title = {State.OK: "Its input is as usual", State.SAME: "Its input may have changed", State.FAILING: f"{write_share(share)} of runs reject input"}[state]
    new, gone = changed_fields(facts, spec)
    if new or gone:
        parts = [f"{_named(names)} {word}" for names, word in ((gone, "is gone" if len(gone) == 1 else "are gone"), (new, "is new" if len(new) == 1 else "are new")) if names]
        told.append(f"{joined(parts)} in the newest {plural(len(facts.lately), 'run')}" + ("" if spec.fields else f" (compared with {len(facts.earlier)} runs before)"))
        title = f"its input changed: {joined(parts)}" if state is not State.FAILING else title
        evidence.update({label: _named(names) for label, names in (("Fields gone", gone), ("New fields", new)) if names})
        state = State.FAILING
    elif len(facts.lately) >= FEW and (spec.fields or len(facts.earlier) >= EARLIER):
        told.append("the fields are as promised" if spec.fields else "the fields are as before")
        if state is State.UNKNOWN:
            state, title = State.OK, "Its input is as usual"
    if not told:
        told.append(f"{plural(facts.runs, 'run')} {last}: too few to say ({spec.min_samples:,} are needed)")
    says = "; ".join(told)
    return Finding(state, title, f"{says[:1].upper()}{says[1:]}.", since=now if state is State.FAILING else None, value=share, threshold=spec.at_most, evidence=evidence)


def changed_fields(facts: InputFacts, spec: InputShapeSpec) -> tuple[list[str], list[str]]:
    """Fields that are new, and fields that are gone. A field that only some runs have is neither."""
    if len(facts.lately) < FEW or not (spec.fields or len(facts.earlier) >= EARLIER):
        return [], []
    lately = Counter(name for fields in facts.lately for name in fields)
    if spec.fields:
        return sorted(set(lately) - set(spec.fields)), sorted(set(spec.fields) - set(lately))
    before = Counter(name for fields in facts.earlier for name in fields)
    new = [name for name, n in lately.items() if name not in before and n * 2 >= len(facts.lately)]
    gone = [name for name, n in before.items() if name not in lately and n >= USUAL * len(facts.earlier)]
    return sorted(new), sorted(gone)


def _named(names: Sequence[str]) -> str:
    shown = [f"`{name[:60]}`" for name in names[:SHOWN]]
    return joined([*shown, f"{len(names) - SHOWN} more"] if len(names) > SHOWN else shown)


KIND = Kind(
    name="input_shape",
    about="Fails when more runs than promised could not read all of their input, or when a field of it is new or gone (from `input` of the runs).",
    spec=InputShapeSpec,
    judge=judge,
    example="input: {kind: input_shape, at_most: 5%, fields: [order_id, text]}",
)
