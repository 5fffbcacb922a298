"""What accepted events add to the counters: pure, and short, because every event passes here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from bot.intake.events import CostEvent, OutcomeEvent
from bot.intake.judging import Item
from bot.intake.runs import Run
from bot.quality import counting
from bot.quality.counting import Counts, add_to
from bot.stats import bin_of
from bot.tables import Run as RunRow

_PLAIN = {"output": counting.OUTPUTS, "evaluation": counting.EVALUATIONS, "measure": counting.MEASURES, "change": counting.CHANGES}
_cost_metric = lru_cache(counting.cost_metric)
_bin_of = lru_cache(65_536)(bin_of)


@lru_cache(65_536)
def _cost_bin(nano: int) -> int:
    """Half a doubling wide (four of stats' bins, told by the middle): enough to see a chain that cost 50 times the usual."""
    fine = bin_of(nano)
    return fine and fine // 4 * 4 + 2


def count(counts: Counts, accepted: Sequence[Item]) -> None:
    """Add the events, each at its own time. Ratings are counted by the feedback room, as presses are."""
    for item in accepted:
        event, agent = item.event, item.agent
        if isinstance(event, Run):
            bucket = counts.bucket(agent.id, agent.zone, event.at)
            _count_run(bucket, event, item.ms)
            if item.more is not None and event.cost is not None and "cost_estimated" in item.more:
                add_to(bucket, counting.COST_GUESSED, 1, event.cost.amount)
        elif isinstance(event, OutcomeEvent):
            counts.add(agent.id, agent.zone, counting.outcome_metric(event.result), event.at, 1, event.seconds or 0)
        elif isinstance(event, CostEvent):
            counts.add(agent.id, agent.zone, _cost_metric(event.currency), event.at, 1, event.amount)
        elif event.type in _PLAIN:
            counts.add(agent.id, agent.zone, _PLAIN[event.type], event.at)


def _count_run(bucket: dict[tuple[str, int], list[int]], event: Run, ms: int | None) -> None:
    add_to(bucket, counting.RUNS, 1, ms or 0)
    if event.status == "failed":
        add_to(bucket, counting.RUNS_FAILED)
    if ms is not None:
        add_to(bucket, counting.RUN_MS, 1, ms, _bin_of(ms))
    tokens, cost, given = event.tokens, event.cost, event.input
    if tokens is not None:
        if tokens.input:
            add_to(bucket, counting.TOKENS_INPUT, 1, tokens.input)
        if tokens.cached:
            add_to(bucket, counting.TOKENS_CACHED, 1, tokens.cached)
        if tokens.output:
            add_to(bucket, counting.TOKENS_OUTPUT, 1, tokens.output)
    if cost is not None:
        add_to(bucket, _cost_metric(cost.currency), 1, cost.amount, _cost_bin(cost.amount))
    if given is not None and given.rejected:
        add_to(bucket, counting.INPUTS_REJECTED, 1, given.rejected)


def recount(counts: Counts, run: RunRow, zone: str, sign: int) -> None:
    """Add a stored run's figures once more, or (with -1) take them back: for runs that are corrected as their traces grow."""
    bucket = counts.bucket(run.agent_id, zone, run.occurred_at)
    add_to(bucket, counting.RUNS, sign, sign * (run.ms or 0))
    if run.status == "failed":
        add_to(bucket, counting.RUNS_FAILED, sign)
    if run.ms is not None:
        add_to(bucket, counting.RUN_MS, sign, sign * run.ms, _bin_of(run.ms))
    for metric, tokens in ((counting.TOKENS_INPUT, run.tokens_in), (counting.TOKENS_CACHED, run.tokens_cached), (counting.TOKENS_OUTPUT, run.tokens_out)):
        if tokens:
            add_to(bucket, metric, sign, sign * tokens)
    if run.nano is not None and run.currency is not None:
        add_to(bucket, _cost_metric(run.currency), sign, sign * run.nano, _cost_bin(run.nano))
        if "cost_estimated" in (run.extra or {}):
            add_to(bucket, counting.COST_GUESSED, sign, sign * run.nano)
