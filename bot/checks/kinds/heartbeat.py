"""`heartbeat`: a job that must report at set times does so, ends well, and takes neither too long nor suspiciously little."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from bot.agents.spec import Duration, write_duration
from bot.calendars import check_cron, cron_times, zone_named
from bot.checks.kinds.kind import CheckSpec, Kind
from bot.checks.kinds.words import Span
from bot.paging.rules import Finding, State

EARLY = timedelta(seconds=30)  # a ping this much before its time still counts for it: clocks of two machines differ
LAZY = timedelta(hours=1)  # how often a heartbeat is looked at with nothing to wait for


class HeartbeatSpec(CheckSpec):
    """A schedule (`cron` or `every`), how late it may be, and how long a run may take."""

    kind: Literal["heartbeat"] = Field("heartbeat", description="Always `heartbeat`.")
    cron: str | None = Field(None, max_length=200, description="When it must report, as five cron fields such as `0 3 * * *`, in its zone. Write this or `every`.")
    every: Duration | None = Field(None, description="The longest time between two reports, such as `1h`; counted from the first report on. Write this or `cron`.")
    zone: str | None = Field(None, description="IANA zone of `cron`; the agent's own where unset. A time the clocks skip happens right after the gap, a repeated one the first time.")
    grace: Duration = Field(timedelta(minutes=5), description="How much later than its time it may report.")
    at_most: Span | None = Field(None, description="The longest a run may take from its `/start`. With it, a run that started in time is waited for; without it, it must have ended within `grace`.")
    at_least: Duration | None = Field(None, description="A run that ends well sooner than this after its `/start` is taken for a failure: it cannot have done its work.")
    after: int = Field(1, ge=1, le=100, description="How many failed or missing reports in a row make it a problem.")
    well_after: int = Field(1, ge=1, le=100, description="How many good reports in a row make it well again.")

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is not None:
            check_cron(value)
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            zone_named(value)
        return value

    @field_validator("every")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(seconds=10):
            raise ValueError("`every` must be at least 10s")
        return value

    @model_validator(mode="after")
    def _one_schedule(self) -> HeartbeatSpec:
        if self.cron is not None and self.every is not None:
            raise ValueError("a heartbeat has `cron` or `every`, not both: remove one of them")
        if self.cron is None and self.every is None:
            raise ValueError('a heartbeat needs a schedule: add `cron: "0 3 * * *"` or `every: 1h`')
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError("`at_least` is longer than `at_most`, so every run would fail")
        return self

    def interval(self) -> timedelta:
        return LAZY

    def watches_runs(self) -> bool:
        """Whether a start or a good end may be a failure, or set a deadline of its own."""
        return self.at_most is not None or self.at_least is not None


@dataclass(frozen=True, slots=True)
class Beat:
    """One ping that tells of a run: its start, or how it ended."""

    at: datetime
    status: str  # start, success, fail
    rid: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class BeatFacts:
    """The newest pings in the order they came; since when this schedule is watched; what the newest failed one said."""

    beats: tuple[Beat, ...]
    watched_since: datetime
    zone: str = "UTC"
    first_at: datetime | None = None  # of any ping, a `/log` too: the first one starts the watch of `every`
    words: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, and why that was bad where it was."""

    at: datetime
    bad: str = ""  # empty: it ended well
    title: str = ""
    took: timedelta | None = None
    rid: str | None = None


@dataclass(frozen=True)
class Runs:
    """What the pings say of runs: those that ended, in order, and the starts of those that did not."""

    ended: tuple[Ended, ...]
    open: tuple[Beat, ...]


def runs_of(facts: BeatFacts, spec: HeartbeatSpec) -> Runs:
    """Pair starts with ends: by run id where there is one, so that overlapping runs are measured apart."""
    under_way: dict[str | None, Beat] = {}
    ended: list[Ended] = []
    for beat in facts.beats:
        if beat.status == "start":
            under_way[beat.rid] = beat
            continue
        start = under_way.pop(beat.rid, None)
        took = beat.at - start.at if start is not None and beat.at >= start.at else None  # a clock that was put back measures nothing
        title, bad = "", ""
        if beat.status == "fail":
            code = f" with exit code {beat.exit_code}" if beat.exit_code else ""
            title, bad = "a run reported failure", f"The run that ended at {{at}} reported failure{code}."
        elif took is not None and spec.at_least is not None and took < spec.at_least:
            title = "a run was suspiciously short"
            bad = f"The run that ended at {{at}} took {span(took)}; less than {write_duration(spec.at_least)} is too little to have done its work."
        ended.append(Ended(beat.at, bad, title, took, beat.rid))
    return Runs(tuple(ended), tuple(under_way.values()))


def overrun(runs: Runs, spec: HeartbeatSpec, now: datetime) -> tuple[Beat | None, datetime | None]:
    """The first run that should have ended and did not; else when the next one should end.

    A good end after its deadline shows that the work is done again: a run that crashed without a word is not waited for forever.
    """
    if spec.at_most is None:
        return None, None
    last_good = max((each.at for each in runs.ended if not each.bad), default=None)
    waiting = [start for start in runs.open if last_good is None or last_good < start.at + spec.at_most]
    late = [start for start in waiting if start.at + spec.at_most < now]
    if late:
        return min(late, key=lambda start: start.at), None
    return None, min((start.at + spec.at_most for start in waiting), default=None)


def expected(spec: HeartbeatSpec, zone: str, since: datetime) -> Iterator[datetime]:
    """The times at which it must report after `since` (UTC), without end."""
    if spec.every is not None:
        moment = since
        while True:
            moment += spec.every
            yield moment
    else:
        since += EARLY
        yield from cron_times(str(spec.cron), since, spec.zone or zone)


def last_heard(facts: BeatFacts, runs: Runs, spec: HeartbeatSpec) -> datetime | None:
    """When it last kept to its schedule: by an end, good or bad, or by a start where runs have their own deadline."""
    heard = [each.at for each in runs.ended]
    if spec.at_most is not None:
        heard += [start.at for start in runs.open]
    return max(heard, default=None)


def missed(spec: HeartbeatSpec, facts: BeatFacts, runs: Runs, now: datetime) -> tuple[list[datetime], datetime | None]:
    """The times it should have reported and did not (at most `after`), and until when the next one may still come."""
    heard = last_heard(facts, runs, spec)
    if spec.every is not None:
        heard = heard or facts.first_at
        if heard is None:
            return [], None  # the first ping starts the watch
    since = max(heard or facts.watched_since, facts.watched_since)
    gone: list[datetime] = []
    for moment in expected(spec, facts.zone, since):
        if moment + spec.grace >= now:
            return gone, moment + spec.grace
        if len(gone) >= spec.after:
            return gone, None
        gone.append(moment)
    return gone, None


def judge(facts: BeatFacts, spec: HeartbeatSpec, now: datetime) -> Finding:
    """What was missed counts like what was reported as failed; both in a row make it a problem."""
    runs = runs_of(facts, spec)
    gone, _ = missed(spec, facts, runs, now)
    late, _ = overrun(runs, spec, now)
    failed = _in_a_row(runs.ended, bad=True)
    bad_ones = len(gone) + len(failed) + (late is not None)
    evidence = _evidence(facts, spec, runs)
    if late is not None and bad_ones >= spec.after:
        return _too_long(late, spec, facts, evidence)
    if gone:
        state = State.FAILING if bad_ones >= spec.after else State.SAME
        return _missing(state, gone, spec, facts, runs, evidence)
    if failed:
        first = failed[-1]
        newest = failed[0]
        said = newest.bad.format(at=_local(newest.at, spec, facts))
        row = f" It is the {len(failed)}th in a row." if len(failed) > 3 else ""
        state = State.FAILING if bad_ones >= spec.after else State.SAME
        return Finding(state, newest.title, said + row + (f" It said: {ends_of(facts.words, 300)}" if facts.words else ""), since=first.at, value=bad_ones, threshold=spec.after, evidence=evidence)
    return _well(facts, spec, runs, now, evidence)


def _well(facts: BeatFacts, spec: HeartbeatSpec, runs: Runs, now: datetime, evidence: dict[str, str]) -> Finding:
    good = _in_a_row(runs.ended, bad=False)
    if not good:
        awaited = "its first report starts the watch" if spec.every is not None else f"the first report is expected by {_local(next_look(facts, spec, now), spec, facts)}"
        unheard = spec.every is not None and facts.first_at is None  # it cannot be missed before it came once
        return Finding(State.UNKNOWN, "Nothing yet", f"Nothing was reported yet; {awaited}.", threshold=spec.after, evidence=evidence, nothing=unheard)
    steady = len(good) == len(runs.ended) and _without_gap(good, spec, facts) == len(good)
    state = State.OK if steady or _without_gap(good, spec, facts) >= spec.well_after else State.SAME
    took = f" after {span(good[0].took)}" if good[0].took is not None else ""
    if good[0].took is not None and spec.at_most is not None and good[0].took > spec.at_most:
        took += f", longer than the {write_duration(spec.at_most)} promised"
    return Finding(state, "It reports as promised", f"The last run ended well at {_local(good[0].at, spec, facts)}{took}.", since=good[0].at, value=0, threshold=spec.after, evidence=evidence)


def _without_gap(good: list[Ended], spec: HeartbeatSpec, facts: BeatFacts) -> int:
    """How many of the newest good ends followed each other with none missing between; counted no further than needed."""
    if spec.well_after == 1:
        return len(good)
    for count, (later, earlier) in enumerate(itertools.pairwise(good), start=1):
        if count >= spec.well_after:
            return count
        if next(expected(spec, facts.zone, earlier.at)) + spec.grace < later.at:
            return count
    return len(good)


def _in_a_row(ended: tuple[Ended, ...], *, bad: bool) -> list[Ended]:
    found = []
    for each in reversed(ended):
        if bool(each.bad) is not bad:
            break
        found.append(each)
    return found


def _missing(state: State, gone: list[datetime], spec: HeartbeatSpec, facts: BeatFacts, runs: Runs, evidence: dict[str, str]) -> Finding:
    first = gone[0]
    heard = max((each.at for each in runs.ended), default=None)
    since = max((start.at for start in runs.open if spec.at_most is None and (heard is None or start.at > heard)), default=None)
    promise = f"every {write_duration(spec.every)}" if spec.every is not None else f"at {_local(first, spec, facts)}"
    if since is not None:
        says = f"A run started at {_local(since, spec, facts)} and has not ended; it had to by {_local(first + spec.grace, spec, facts)}."
        return Finding(state, "a run started and has not ended", says, since=first, value=len(gone), threshold=spec.after, evidence=evidence)
    last = f"the last report came at {_local(heard, spec, facts)}" if heard is not None else "nothing was ever reported"
    says = f"A report was expected {promise}, with {write_duration(spec.grace)} of grace, and did not come; {last}."
    return Finding(state, "a heartbeat is missing", says, since=first, value=len(gone), threshold=spec.after, evidence=evidence)


def _too_long(late: Beat, spec: HeartbeatSpec, facts: BeatFacts, evidence: dict[str, str]) -> Finding:
    assert spec.at_most is not None
    named = f" {late.rid}" if late.rid else ""
    says = f"The run{named} started at {_local(late.at, spec, facts)} and has not ended; at most {write_duration(spec.at_most)} is promised."
    return Finding(State.FAILING, "a run started and has not ended", says, since=late.at + spec.at_most, value=1, threshold=spec.after, evidence=evidence)


def _evidence(facts: BeatFacts, spec: HeartbeatSpec, runs: Runs) -> dict[str, str]:
    schedule = f"every {write_duration(spec.every)}" if spec.every is not None else f"{spec.cron} in {spec.zone or facts.zone}"
    found = {"Schedule": f"{schedule}, grace {write_duration(spec.grace)}"}
    good = next((each for each in reversed(runs.ended) if not each.bad), None)
    found["Last good report"] = (_local(good.at, spec, facts) + (f", after {span(good.took)}" if good.took is not None else "")) if good else "never"
    if runs.open:
        found["Under way since"] = ", ".join(_local(start.at, spec, facts) for start in runs.open[-3:])
    if facts.words and runs.ended and runs.ended[-1].bad:
        found["It said"] = facts.words[:1000]
    return found


def ends_of(words: str, most: int) -> str:
    """A long text as its beginning and its end: the last lines of a log say what broke."""
    return words if len(words) <= most else f"{words[: most // 4].rstrip()} … {words[-(most - most // 4 - 3) :].lstrip()}"


def next_look(facts: BeatFacts, spec: HeartbeatSpec, now: datetime) -> datetime:
    """When this check may turn bad by itself: the very moment after its next deadline."""
    runs = runs_of(facts, spec)
    _, deadline = missed(spec, facts, runs, now)
    _, must_end = overrun(runs, spec, now)
    found = [moment + timedelta(milliseconds=1) for moment in (deadline, must_end) if moment is not None]
    return max(min(found), now) if found else now + LAZY


def _local(moment: datetime, spec: HeartbeatSpec, facts: BeatFacts) -> str:
    local = moment.astimezone(zone_named(spec.zone or facts.zone))
    return f"{local:%Y-%m-%d %H:%M} {local:%Z}" if local.second == 0 else f"{local:%Y-%m-%d %H:%M:%S} {local:%Z}"


def span(took: timedelta | None) -> str:
    """How long, in the two largest units."""
    seconds = max(int((took or timedelta(0)).total_seconds()), 0)
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0 s"


KIND = Kind(
    name="heartbeat",
    about="Waits for pings of a job, by cron or interval; fails when one is missing, reports failure, or takes too long or suspiciously little. Pages within a second of the deadline.",
    spec=HeartbeatSpec,
    judge=judge,
    counts_itself=True,
    woken_by=frozenset({"ping"}),
    next_look=next_look,
    example='nightly: {kind: heartbeat, cron: "0 3 * * *", zone: Europe/Paris, grace: 20m, why: the 6 AM shift starts from its queue}',
)
