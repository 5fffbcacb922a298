"""What status, digests and home show of one agent, put together from its counters: pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bot.calendars import day_before, days_between
from bot.quality import counting
from bot.quality.capping import Voters
from bot.quality.reading import METRIC_OF, Source, Totals
from bot.quality.rules import LONGER, NOTHING, TRAILING, Finding, Score, score_of, trend_words
from bot.quality.sprints import QUARTER, SPRINT, Change, as_json, compare, sprint_days
from bot.quality.weights import Pick, estimate, krippendorff

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
    voters: Voters = field(default_factory=Voters)

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
        people = self.voters.weigh(first, last, *found.get(METRIC_OF["people"], (0, 0)))
        return Totals(found, people=people if people.cut else None)

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
    picks: tuple[Pick, ...] = ()  # what was drawn for review of the last 28 days' outputs
    pairs: tuple[tuple[int, int], ...] = ()  # of those given to two: (judges, good among them)
    machines: str = "worse"  # when evaluations decide
    distrusted: bool = False  # they agree with people too seldom, so they decide nothing


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
    outputs, runs, failed), agreement (of people and evaluations in 28 days: n, agreed, low, high, beyond, machines_kind,
    decides) or null, asked (the estimate from those drawn at random) or null, reviewers (their agreement) or null,
    shown ({outputs, judged} of 28 days), sprint ({fortnight, quarter}, see sprints.as_json).
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
        if (share := totals["trailing"].score("people" if source == "people" else "outcomes" if source == "outcomes" else "evaluations").share) is not None
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
        "agreement": _agreement(seen, totals["longer"]),
        "asked": asdict(asked) if (asked := estimate(seen.picks)) else None,
        "reviewers": asdict(pairs) if (pairs := krippendorff(seen.pairs)) else None,
        "shown": {"outputs": totals["longer"].n(counting.OUTPUTS_SHOWN), "judged": totals["longer"].n(counting.QUALITY_PEOPLE_SHOWN)},
        "sprint": sprint_of(seen.days, seen.today),
    }


def _agreement(seen: Seen, longer: Totals) -> dict[str, Any] | None:
    found = longer.agreement()
    if found is None:
        return None
    return {**asdict(found), "machines_kind": longer.n(counting.MACHINES_GOOD), "decides": seen.machines, "distrusted": seen.distrusted}


def sprint_of(days: Days, today: str) -> dict[str, Any]:
    """The last two weeks against the two before, and against two weeks a quarter ago: by people, else by evaluations."""
    now_days, found = days.between(*sprint_days(today)), dict[str, Any]()
    for name, back in (("fortnight", SPRINT), ("quarter", QUARTER)):
        span = sprint_days(today, back)
        then = days.between(*span)
        steps = [(compare(now_days.score(source), then.score(source), span), source == "evaluations") for source in ("people", "evaluations")]
        # People's figures where they suffice; else evaluations', marked; else whatever little there is of people's.
        step, machine = next((each for each in steps if each[0].change is not Change.TOO_LITTLE), steps[0])
        found[name] = as_json(step, machine)
    return found


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
