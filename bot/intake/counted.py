"""What an accepted event adds to the counters: pure."""

from __future__ import annotations

from bot.intake.events import CostEvent, OutcomeEvent, RunEvent
from bot.intake.judging import Item
from bot.intake.rows import milliseconds
from bot.quality import counting
from bot.quality.counting import Counts, add_to
from bot.stats import bin_of

_PLAIN = {"output": counting.OUTPUTS, "evaluation": counting.EVALUATIONS, "measure": counting.MEASURES, "change": counting.CHANGES}


def count(counts: Counts, item: Item) -> None:
    """Add one event, at its own time. Ratings are counted by the feedback room, as presses are."""
    event, agent = item.event, item.agent
    if event.type == "rating":
        return
    bucket = counts.bucket(agent.id, agent.zone, event.at)
    if isinstance(event, RunEvent):
        ms = milliseconds(event)
        add_to(bucket, counting.RUNS, 1, ms or 0)
        if event.status == "failed":
            add_to(bucket, counting.RUNS_FAILED)
        if ms is not None:
            add_to(bucket, counting.RUN_MS, 1, ms, bin_of(ms))
        if event.tokens is not None:
            tokens = event.tokens
            for metric, number in ((counting.TOKENS_INPUT, tokens.input), (counting.TOKENS_CACHED, tokens.cached), (counting.TOKENS_OUTPUT, tokens.output)):
                if number:
                    add_to(bucket, metric, 1, number)
        if event.cost is not None:
            add_to(bucket, counting.cost_metric(event.cost.currency), 1, event.cost.amount, bin_of(event.cost.amount))
        if event.input is not None and event.input.rejected:
            add_to(bucket, counting.INPUTS_REJECTED, 1, event.input.rejected)
    elif isinstance(event, OutcomeEvent):
        add_to(bucket, counting.outcome_metric(event.result), 1, event.seconds or 0)
    elif isinstance(event, CostEvent):
        add_to(bucket, counting.cost_metric(event.currency), 1, event.amount)
    else:
        add_to(bucket, _PLAIN[event.type])
