"""What others read of the counters: totals of days and of hours, and scores with their interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.quality import counting
from bot.quality.capping import Cap, cap_of, heavy_voters
from bot.quality.counting import BUCKET_SECONDS
from bot.quality.rules import NOTHING, Score, score_of, weighed_score
from bot.quality.weights import Agreement, Weighed, cohen
from bot.stats import percentile
from bot.tables import Agent, AgentNow, Baseline, Day, Tally

Source = Literal["people", "people.sampled", "people.volunteers", "evaluations", "outcomes"]

METRIC_OF = {
    "people": counting.QUALITY_PEOPLE,
    "people.sampled": counting.QUALITY_PEOPLE_SAMPLED,
    "evaluations": counting.QUALITY_EVALUATIONS,
    "outcomes": counting.QUALITY_OUTCOMES,
}
# Metrics that lie in bins: for these the bins matter, for the others their sum over all bins.
_BINNED = (counting.RUN_MS,)


@dataclass(frozen=True)
class Totals:
    """Counters of one agent over some time: metric -> (n, sum), and the bins of histograms."""

    counters: dict[str, tuple[int, int]] = field(default_factory=dict)
    bins: dict[str, dict[int, int]] = field(default_factory=dict)
    people: Weighed | None = None  # people's weight, where the cap on one person bit

    def n(self, metric: str) -> int:
        """How often it was counted."""
        return self.counters.get(metric, (0, 0))[0]

    def sum(self, metric: str) -> int:
        """What it adds up to."""
        return self.counters.get(metric, (0, 0))[1]

    @property
    def runs(self) -> int:
        return self.n(counting.RUNS)

    @property
    def failed(self) -> int:
        return self.n(counting.RUNS_FAILED)

    @property
    def outputs(self) -> int:
        return self.n(counting.OUTPUTS)

    @property
    def ratings(self) -> int:
        """Thumbs as they came in; the quality score counts outputs instead."""
        return self.n(counting.RATINGS_GOOD) + self.n(counting.RATINGS_BAD)

    @property
    def costs(self) -> dict[str, int]:
        """Nano-units by currency."""
        return {metric[5:]: total for metric, (_, total) in sorted(self.counters.items()) if metric.startswith("cost.") and total}

    @property
    def guessed(self) -> int:
        """Nano-dollars of `costs` that are by list prices, because the agent did not say."""
        return self.counters.get(counting.COST_GUESSED, (0, 0))[1]

    def latency(self, share: float) -> float | None:
        """Milliseconds below which `share` of the runs took; None where none said."""
        return percentile(self.bins.get(counting.RUN_MS, {}), share)

    def score(self, source: Source) -> Score:
        """The share of good outputs by one source (volunteers: judged by people outside the review sample)."""
        n, total = self.counters.get(METRIC_OF["people" if source == "people.volunteers" else source], (0, 0))
        if source not in ("people", "people.volunteers"):
            return score_of(total, n)
        part = self.counters.get(METRIC_OF["people.sampled"], (0, 0)) if source == "people.volunteers" else (0, 0)
        if self.people is None:
            return score_of(total - part[1], n - part[0])
        return weighed_score(self.people, n - part[0], part)

    def agreement(self) -> Agreement | None:
        """How often people and evaluations said the same of outputs that both judged."""
        return cohen(*(self.n(metric) for metric in counting.AGREEMENT))

    def as_json(self) -> dict[str, Any]:
        """The plain figures, as `facts` keep them."""
        return {
            "runs": self.runs,
            "failed": self.failed,
            "outputs": self.outputs,
            "ratings": self.ratings,
            "p50_ms": self.latency(0.5),
            "p95_ms": self.latency(0.95),
            "costs": self.costs,
        }


def totals(tx: Session, agent_id: int, first_day: str, last_day: str) -> Totals:
    """Everything counted from one local day to another, both included."""
    return totals_of(tx, [agent_id], first_day, last_day)[agent_id]


def totals_of(tx: Session, agent_ids: Iterable[int], first_day: str, last_day: str) -> dict[int, Totals]:
    """The same for many agents (whose days must be the same), in one look."""
    found = {agent_id: Totals() for agent_id in agent_ids}
    rows = tx.execute(
        select(Day.agent_id, Day.metric, Day.bin, func.sum(Day.n), func.sum(Day.sum))
        .where(Day.agent_id.in_(list(found)), Day.local_day >= first_day, Day.local_day <= last_day)
        .group_by(Day.agent_id, Day.metric, Day.bin)
    )
    for agent_id, metric, bin, n, total in rows:
        add_row(found[agent_id], metric, bin, int(n), int(total))
    return found


def recent(tx: Session, agent_id: int, since: datetime, until: datetime) -> Totals:
    """Everything counted in the 5-minute buckets that begin in [since, until); kept for 9 days, without quality."""
    first = datetime.fromtimestamp(since.timestamp() // BUCKET_SECONDS * BUCKET_SECONDS, tz=since.tzinfo)
    found = Totals()
    rows = tx.execute(
        select(Tally.metric, Tally.bin, func.sum(Tally.n), func.sum(Tally.sum))
        .where(Tally.agent_id == agent_id, Tally.bucket_at >= first, Tally.bucket_at < until)
        .group_by(Tally.metric, Tally.bin)
    )
    for metric, bin, n, total in rows:
        add_row(found, metric, bin, int(n), int(total))
    return found


def add_row(found: Totals, metric: str, bin: int, n: int, total: int) -> None:
    """Take one counter row in."""
    had = found.counters.get(metric, (0, 0))
    found.counters[metric] = (had[0] + n, had[1] + total)
    if metric in _BINNED:
        cells = found.bins.setdefault(metric, {})
        cells[bin] = cells.get(bin, 0) + n


def score(tx: Session, agent_id: int, first_day: str, last_day: str, source: Source) -> Score:
    """The share of good outputs of those local days (both included) by one source; of people, nobody weighs more than the cap."""
    names = ("people", "people.sampled") if source == "people.volunteers" else (source,)
    rows = tx.execute(
        select(Day.metric, func.sum(Day.n), func.sum(Day.sum))
        .where(Day.agent_id == agent_id, Day.local_day >= first_day, Day.local_day <= last_day, Day.metric.in_([METRIC_OF[name] for name in names]))
        .group_by(Day.metric)
    )
    counters = {metric: (int(n), int(total)) for metric, n, total in rows}
    if not counters:
        return NOTHING
    whole = counters.get(METRIC_OF["people"], (0, 0))
    cap = cap_of(spec_of(tx.get_one(Agent, agent_id)).quality) if whole[0] > 0 else Cap()
    weighed = None
    if whole[0] > cap.always:
        voters = heavy_voters(tx, {agent_id: cap}, [(first_day, last_day)])[agent_id]
        found = voters.weigh(first_day, last_day, whole[0], whole[1])
        weighed = found if found.cut else None
    return Totals(counters, people=weighed).score(source)


def now_of(tx: Session, agent_id: int) -> AgentNow | None:
    """The folded row of one agent; None before its first fold."""
    return tx.scalars(select(AgentNow).where(AgentNow.agent_id == agent_id)).first()


def baseline_of(tx: Session, agent_id: int, source: str = "people") -> Baseline | None:
    """The frozen quality that the trend is told against."""
    wanted = select(Baseline).where(Baseline.agent_id == agent_id, Baseline.source == source, Baseline.current).order_by(Baseline.id.desc())
    return tx.scalars(wanted).first()


def score_from(doc: dict[str, Any] | None) -> Score:
    """A score as `facts` keep it, read back."""
    return Score(doc["share"], doc["low"], doc["high"], doc["n"], doc.get("cut", 0)) if doc else NOTHING
