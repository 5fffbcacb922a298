"""From shares and dates to a verdict with its reason: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from bot.agents.spec import EvaluationSpec
from bot.calendars import at_local, is_working_day, zone_named
from bot.quality.weights import Agreement, Weighed
from bot.stats import wilson

DEFAULT_TARGET = 0.80  # shown as a default wherever it is used
TRAILING = 7  # days of the headline, today included
LONGER = 28  # days looked at where seven hold too few judgements
SETTLES_AFTER = timedelta(hours=24)  # an observation settles a day after its first vote ...
SETTLES_AT_VOTES = 3  # ... or at its third
BASELINE_DAYS = 28
BASELINE_N = 300


class Verdict(StrEnum):
    """What the record says about an agent; the value is what people read."""

    PAUSED = "paused"
    SILENT = "silent"
    LEARNING = "learning"
    NOT_WORTH_USING = "not worth using"
    WATCH = "watch"
    WORTH_USING = "worth using"


# The higher the worse; within a verdict the lower bound orders (see `rank_of`).
_RANKS = {
    Verdict.NOT_WORTH_USING: 500,
    Verdict.SILENT: 400,
    Verdict.WATCH: 300,
    Verdict.LEARNING: 200,
    Verdict.WORTH_USING: 100,
    Verdict.PAUSED: 0,
}


@dataclass(frozen=True)
class Score:
    """The share of good outputs with its 90% interval; `n` counts outputs. No share where nothing was judged."""

    share: float | None
    low: float
    high: float
    n: int
    cut: int = 0  # outputs' weight that the cap on one person took away; n is what is left


NOTHING = Score(None, 0.0, 1.0, 0)


def score_of(thousandths: int, n: int) -> Score:
    """The score of `n` judged outputs whose shares sum to `thousandths` / 1000 (Wilson interval, 90%)."""
    if n <= 0:
        return NOTHING
    share = min(1.0, max(0.0, thousandths / 1000 / n))
    low, high = wilson(share, n)
    return Score(share, low, high, n)


def weighed_score(weight: Weighed, n: int, asked: tuple[int, int] = (0, 0)) -> Score:
    """The same where the cap on one person's weight bit; `asked` (n, thousandths) is taken out of it, for volunteers alone.

    `n` is how many outputs there are without the cap.
    """
    left = weight.n - asked[0]
    if left <= 0 or n <= 0:
        return NOTHING
    share = min(1.0, max(0.0, (weight.sum - asked[1]) / 1000 / left))
    low, high = wilson(share, left)
    return Score(share, low, high, round(left), round(n - left))


@dataclass(frozen=True)
class Learning:
    """How far an agent is from its first verdict."""

    have: int
    need: int
    ready_on: date | None  # None: at the recent rate it never gets there
    machine: bool = False  # evaluations get there sooner than people
    cut: int = 0  # outputs whose judgement the cap on one person's weight leaves out


@dataclass(frozen=True)
class Standing:
    """Everything a verdict is made from."""

    now: datetime
    zone: str
    paused: str | None  # why it is paused, in words; None where it is not
    last_sign_at: datetime | None  # its last output (or run, where it only ever reported runs)
    silent_from: datetime  # without any sign it counts as silent from this moment
    people: Score
    evaluations: Score
    target: float
    target_is_default: bool
    min_samples: int
    people_days: int = TRAILING  # over which days each of the two scores was counted
    evaluations_days: int = TRAILING
    machines: str = "worse"  # worse, stand_in, beside: when evaluations decide (see spec.QualitySpec)
    agreement: Agreement | None = None  # of people and evaluations, on the outputs both judged
    agreement_needed: float | None = None  # below it, evaluations decide nothing
    people_spread: int = 1  # over how many days, up to today, its judgements really spread
    evaluations_spread: int = 1
    drifting: Mapping[str, str] = field(default_factory=dict)  # source -> that it has become worse than its baseline, in words


@dataclass(frozen=True)
class Finding:
    """A verdict, the rule that gave it in words, and the figures it stands on."""

    verdict: Verdict
    why: str
    rank: int
    score: Score
    machine: bool  # evaluations stand in for people
    driver: str | None  # people or evaluations: whose figure decided; None where none did
    learning: Learning | None = None


def judge(facts: Standing) -> Finding:
    """The verdict; the first rule that matches wins."""
    if facts.machines == "beside" or distrusted(facts):
        # Evaluations are shown beside people's figure, and decide nothing.
        facts = replace(facts, evaluations=NOTHING)
    machine = facts.people.n < facts.min_samples <= facts.evaluations.n
    headline = facts.evaluations if machine else facts.people
    learning = _learning(facts)
    if facts.paused is not None:
        return Finding(Verdict.PAUSED, facts.paused, rank_of(Verdict.PAUSED, headline), headline, machine, None)
    if facts.now >= facts.silent_from:
        seen = f"no output since {_day(facts.last_sign_at, facts)}" if facts.last_sign_at else "no output has ever come"
        why = f"{seen}, though one was expected by {_day(facts.silent_from, facts)}"
        return Finding(Verdict.SILENT, why, rank_of(Verdict.SILENT, headline), headline, machine, None)
    reached = [(name, score) for name, score in (("people", facts.people), ("evaluations", facts.evaluations)) if score.n >= facts.min_samples]
    if facts.machines == "stand_in" and not machine:
        reached = [each for each in reached if each[0] == "people"]
    if not reached:
        machine = facts.people.n == 0 < facts.evaluations.n
        headline = facts.evaluations if machine else facts.people
        return Finding(Verdict.LEARNING, _learning_words(learning), rank_of(Verdict.LEARNING, headline), headline, machine, None, learning)
    # The worse of people and machines drives; where both say the same, people do.
    verdicts = [(_against(score, facts.target), name, score) for name, score in reached]
    verdict, driver, driving = max(verdicts, key=lambda each: _RANKS[each[0]])
    why = _why(verdict, driver, driving, facts, machine)
    drift = _drifting(facts)
    if drift and verdict is Verdict.WORTH_USING:
        # The target is still reached, and quality is on its way down: that is what drift is watched for.
        verdict, why = Verdict.WATCH, f"{why.rsplit('; ', 1)[0]}; {drift}"
    elif drift and verdict is Verdict.WATCH:
        why = f"{why}, and {drift}"
    return Finding(verdict, why, rank_of(verdict, driving), headline, machine, driver)


def _drifting(facts: Standing) -> str:
    """What has drifted, in words; people's drift first. Evaluations that decide nothing decide nothing here either."""
    silent = {"evaluations"} if facts.machines == "beside" or distrusted(facts) else set()
    return next((facts.drifting[source] for source in ("people", "evaluations", "outcomes") if source in facts.drifting and source not in silent), "")


def distrusted(facts: Standing) -> bool:
    """Whether evaluations demonstrably agree with people less often than the registry asks for (the whole 90% interval lies below)."""
    return facts.agreement is not None and facts.agreement_needed is not None and facts.agreement.high < facts.agreement_needed


def rank_of(verdict: Verdict, score: Score) -> int:
    """For ordering worst first: by verdict, then by the lower bound."""
    return _RANKS[verdict] + (round((1 - score.low) * 99) if score.n else 50)


def evaluation_good(rule: EvaluationSpec | None, score: float | None, label: str | None) -> bool | None:
    """Whether an automated score means good, by the registry's rule for its name; None where nothing can be said.

    With a rule, everything it names and the evaluation carries must hold. Without one: a label decides where it is a
    known word (pass, good, correct, yes, true, ok against fail, bad, incorrect, no, false), else a score of at
    least 0.5; a score outside 0 to 1 is on another scale, of which nothing can be said without a rule.
    """
    if rule is not None and (rule.at_least is not None or rule.at_most is not None or rule.labels):
        held: list[bool] = []
        if rule.labels and label is not None:
            held.append(label.strip().lower() in {each.strip().lower() for each in rule.labels})
        if rule.at_least is not None and score is not None:
            held.append(score >= rule.at_least)
        if rule.at_most is not None and score is not None:
            held.append(score <= rule.at_most)
        return all(held) if held else None
    word = (label or "").strip().lower()
    if word in _GOOD_WORDS:
        return True
    if word in _BAD_WORDS:
        return False
    return None if score is None or not 0 <= score <= 1 else score >= 0.5


_GOOD_WORDS = frozenset({"pass", "passed", "good", "correct", "yes", "true", "ok", "success"})
_BAD_WORDS = frozenset({"fail", "failed", "bad", "incorrect", "wrong", "no", "false", "failure"})

# An edited output saved part of the work: it counts half. An ignored one says nothing about its quality.
OUTCOME_SHARES: dict[str, float] = {"accepted": 1.0, "edited": 0.5, "overridden": 0.0}


def silent_from(last: datetime, every: timedelta | None, zone: str, working_days: Collection[int], holidays: Collection[date]) -> datetime:
    """From when an agent last heard at `last` counts as silent.

    A registered `expect_every` is taken as written; without one it is 24 hours of working days, so that an agent
    heard on Friday at ten is not called silent before Monday at ten.
    """
    if every is not None:
        return last + every
    left, moment = timedelta(days=1), last
    for _ in range(800):
        day = moment.astimezone(zone_named(zone)).date()
        end = at_local(day + timedelta(days=1), datetime.min.time(), zone)
        if is_working_day(day, working_days, holidays):
            if moment + left <= end:
                return moment + left
            left -= end - moment
        moment = end
    return moment


def baseline_span(days: list[tuple[str, int, int]], today: str) -> tuple[str, str, int, int] | None:
    """The first 28 days, or as many more as 300 judged outputs took: (first, last, thousandths, n); None while it runs.

    `days` are (local day, thousandths, n) in order, days without judgements left out. The last day must be over.
    """
    if not days:
        return None
    first = days[0][0]
    end = (date.fromisoformat(first) + timedelta(days=BASELINE_DAYS - 1)).isoformat()
    thousandths = n = 0
    last = end
    for day, more, count in days:
        if day > end and n >= BASELINE_N:
            break
        thousandths, n, last = thousandths + more, n + count, max(end, day)
    return (first, last, thousandths, n) if n >= BASELINE_N and last < today else None


def ready_on(have: int, need: int, spread: int, today: date) -> date | None:
    """When `need` judgements are reached at the rate of `have` in `spread` days; None where four weeks cannot hold them."""
    if have <= 0 or spread <= 0 or have / spread * LONGER < need:
        return None
    return today + timedelta(days=-(-(need - have) * spread // have))


def trend_words(recent: Score, baseline: float | None, label: str) -> str:
    """The trailing seven days against the baseline, in words; empty where one of them is missing."""
    if recent.share is None or baseline is None:
        return ""
    points = round((recent.share - baseline) * 100)
    if points == 0:
        said = "the same as"
    else:
        said = f"{abs(points)} point{'s' if abs(points) != 1 else ''} {'above' if points > 0 else 'below'}"
    sure = "" if not recent.low <= baseline <= recent.high else " (within what chance allows)"
    return f"{said} the {percent(baseline)} {label}{sure if points else ''}"


def percent(share: float) -> str:
    """A share as people read it; 100% and 0% are kept for exactly that."""
    shown = round(share * 100)
    if shown == 100 and share < 1:
        return "over 99%"
    if shown == 0 and share > 0:
        return "under 1%"
    return f"{shown}%"


def day_words(day: date) -> str:
    return f"{day.day} {day:%b}"


def _against(score: Score, target: float) -> Verdict:
    if score.high < target:
        return Verdict.NOT_WORTH_USING
    return Verdict.WORTH_USING if score.low >= target else Verdict.WATCH


def _learning(facts: Standing) -> Learning:
    today = facts.now.astimezone(zone_named(facts.zone)).date()
    options = [
        # Where the cap holds somebody back, more of their votes bring it no nearer.
        Learning(score.n, facts.min_samples, None if score.cut else ready_on(score.n, facts.min_samples, spread, today), machine, score.cut)
        for score, spread, machine in ((facts.people, facts.people_spread, False), (facts.evaluations, facts.evaluations_spread, True))
    ]
    # People's judgements end the learning; evaluations are named only where they get there sooner.
    return min(options, key=lambda each: (each.ready_on is None, each.ready_on or date.max, -each.have))


def _learning_words(learning: Learning) -> str:
    said = f"{learning.have} of {learning.need} {'machine judgements' if learning.machine and learning.have else 'judgements'}"
    if learning.ready_on is not None:
        return f"{said}, ready about {day_words(learning.ready_on)}"
    if learning.cut:
        return f"{said}; {learning.cut} more are left out by the cap on one person's weight, so others are needed to judge too"
    return f"{said}, and at the recent rate four weeks do not bring enough" if learning.have else said


def _why(verdict: Verdict, driver: str, score: Score, facts: Standing, machine: bool) -> str:
    who = "people found" if driver == "people" else "evaluations found"
    target = f"the target of {percent(facts.target)}" + (" (a default)" if facts.target_is_default else "")
    rule = {
        Verdict.NOT_WORTH_USING: f"even the upper bound is below {target}",
        Verdict.WATCH: f"{target} lies inside the interval",
        Verdict.WORTH_USING: f"even the lower bound reaches {target}",
    }[verdict]
    share = percent(score.share or 0.0)
    judged = ", machine-judged because people judged too few" if machine else ""
    days = facts.people_days if driver == "people" else facts.evaluations_days
    interval = f"{_bound(score.low, facts.target)} to {_bound(score.high, facts.target)}"
    return f"{who} {share} of {score.n} outputs good in {days} days ({interval}){judged}; {rule}"


def _bound(share: float, target: float) -> str:
    # Beside the target a whole percent would seem to contradict the verdict.
    return f"{share:.1%}" if abs(share - target) < 0.01 else percent(share)


def _day(moment: datetime, facts: Standing) -> str:
    zone = zone_named(facts.zone)
    local = moment.astimezone(zone)
    year = f" {local.year}" if local.year != facts.now.astimezone(zone).year else ""  # imported history may be years old
    return f"{local.day} {local:%b}{year} {local:%H:%M}"
