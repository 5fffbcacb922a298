"""What status, digests and home show of one agent, put together from its counters: pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bot.calendars import day_before, days_between
from bot.quality import counting
from bot.quality.reading import METRIC_OF, Source, Totals
from bot.quality.rules import LONGER, NOTHING, TRAILING, Finding, Score, score_of, trend_words

SERIES_DAYS = 14
SOURCES: tuple[Source, ...] = ("people", "people.sampled", "people.volunteers", "evaluations", "outcomes")


@dataclass(frozen=True)
class Frozen:
    """A baseline."""

    share: float
    n: int
    label: str
    first_day: str
    last_day: str


@dataclass
class Days:
    """The plain counters of an agent by local day: day -> metric -> (n, sum)."""

    by_day: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)

    def add(self, day: str, metric: str, n: int, total: int) -> None:
        cells = self.by_day.setdefault(day, {})
        had = cells.get(metric, (0, 0))
        cells[metric] = (had[0] + n, had[1] + total)

    def between(self, first: str, last: str) -> Totals:
        """The totals of some days, without histograms."""
        found: dict[str, tuple[int, int]] = {}
        for day, cells in self.by_day.items():
            if first <= day <= last:
                for metric, (n, total) in cells.items():
                    had = found.get(metric, (0, 0))
                    found[metric] = (had[0] + n, had[1] + total)
        return Totals(found)

    def n(self, day: str, metric: str) -> int:
        return self.by_day.get(day, {}).get(metric, (0, 0))[0]

    def score(self, day: str, source: str) -> Score:
        n, total = self.by_day.get(day, {}).get(METRIC_OF[source], (0, 0))
        return score_of(total, n)

    def spread(self, today: str, source: str) -> int:
        """Over how many days, up to today, the judgements of the longer window spread."""
        first = next((day for day in days_between(day_before(today, LONGER - 1), today) if self.n(day, METRIC_OF[source]) > 0), today)
        return len(days_between(first, today))


@dataclass(frozen=True)
class Seen:
    """One agent as the fold saw it."""

    today: str
    days: Days
    today_totals: Totals  # with histograms
    yesterday_totals: Totals
    baselines: dict[str, Frozen]
    target: float
    target_is_default: bool
    min_samples: int
    last_output_at: datetime | None
    last_run_at: datetime | None
    silent_from: datetime
    stage: str
    windows: dict[str, int]  # source -> days of its headline


def window_of(days: Days, today: str, source: Source, min_samples: int) -> int:
    """The days a source's headline is counted over: seven where they hold enough judgements, else twenty-eight."""
    return TRAILING if days.between(day_before(today, TRAILING - 1), today).score(source).n >= min_samples else LONGER


def facts_of(seen: Seen, finding: Finding) -> dict[str, Any]:
    """Everything shown of an agent, as plain JSON. Scores are {share, low, high, n}; days are local days.

    Keys: target, target_is_default, min_samples, stage, windows (source -> days of its headline), driver, silent_from,
    last_output_at, last_run_at, scores (source -> trailing, longer, before), baseline (source -> share, n, label,
    first_day, last_day), difference (source -> trailing share less the baseline's), trend (words), today and
    yesterday (day, runs, failed, outputs, ratings, p50_ms, p95_ms, costs in nano-units by currency, people,
    evaluations), learning ({have, need, ready_on} or null), series (day by day: days, share, judged, machine_share,
    outputs, runs, failed).
    """
    spans = {
        "trailing": (day_before(seen.today, TRAILING - 1), seen.today),
        "longer": (day_before(seen.today, LONGER - 1), seen.today),
        "before": (day_before(seen.today, 2 * TRAILING - 1), day_before(seen.today, TRAILING)),
    }
    totals = {name: seen.days.between(*span) for name, span in spans.items()}
    scores = {source: {name: asdict(total.score(source)) for name, total in totals.items()} for source in SOURCES}
    difference = {
        source: round(share - frozen.share, 6)
        for source, frozen in seen.baselines.items()
        if (share := totals["trailing"].score("people" if source == "people" else "evaluations").share) is not None
    }
    told = "evaluations" if finding.machine else "people"
    baseline = seen.baselines.get(told)
    trend = trend_words(totals["trailing"].score("evaluations" if finding.machine else "people"), baseline.share, baseline.label) if baseline else ""
    learning = finding.learning
    yesterday = day_before(seen.today)
    return {
        "target": seen.target,
        "target_is_default": seen.target_is_default,
        "min_samples": seen.min_samples,
        "stage": seen.stage,
        "windows": seen.windows,
        "driver": finding.driver,
        "silent_from": seen.silent_from.isoformat(),
        "last_output_at": seen.last_output_at.isoformat() if seen.last_output_at else None,
        "last_run_at": seen.last_run_at.isoformat() if seen.last_run_at else None,
        "scores": scores,
        "baseline": {source: asdict(frozen) for source, frozen in seen.baselines.items()},
        "difference": difference,
        "trend": trend,
        "today": _day_facts(seen, seen.today, seen.today_totals),
        "yesterday": _day_facts(seen, yesterday, seen.yesterday_totals),
        "learning": {"have": learning.have, "need": learning.need, "ready_on": learning.ready_on.isoformat() if learning.ready_on else None} if learning else None,
        "series": _series(seen),
    }


def _day_facts(seen: Seen, day: str, totals: Totals) -> dict[str, Any]:
    return {
        "day": day,
        **totals.as_json(),
        "people": asdict(totals.score("people")) if totals.counters else asdict(NOTHING),
        "evaluations": asdict(totals.score("evaluations")),
    }


def _series(seen: Seen) -> dict[str, list[Any]]:
    days = days_between(day_before(seen.today, SERIES_DAYS - 1), seen.today)
    people = [seen.days.score(day, "people") for day in days]
    machine = [seen.days.score(day, "evaluations") for day in days]
    return {
        "days": days,
        "share": [score.share for score in people],
        "judged": [score.n for score in people],
        "machine_share": [score.share for score in machine],
        "machine_judged": [score.n for score in machine],
        "outputs": [seen.days.n(day, counting.OUTPUTS) for day in days],
        "runs": [seen.days.n(day, counting.RUNS) for day in days],
        "failed": [seen.days.n(day, counting.RUNS_FAILED) for day in days],
    }
