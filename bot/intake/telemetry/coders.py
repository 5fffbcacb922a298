"""What metrics say, and the logs of coding agents: tokens, cost, and whether people took what was proposed. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from bot.intake.telemetry.dialects import LARGEST, count, first, money
from bot.intake.telemetry.heard import Attributes, HeardPoint, HeardRecord, text_of
from bot.intake.telemetry.parts import PointPart
from bot.quality import counting

TOKENS = ("gen_ai.client.token.usage", "client.inference.token.usage", "gen_ai.client.inference.token.usage", "llm.usage.tokens")
TOKEN_TYPES = {"input": counting.TOKENS_INPUT, "output": counting.TOKENS_OUTPUT, "completion": counting.TOKENS_OUTPUT, "prompt": counting.TOKENS_INPUT, "cacheread": counting.TOKENS_CACHED, "cache": counting.TOKENS_CACHED, "cache_read": counting.TOKENS_CACHED}
COST = counting.cost_metric("USD")
ACCEPTED, EDITED, OVERRIDDEN = (counting.outcome_metric(result) for result in ("accepted", "edited", "overridden"))
DECISIONS = {"accept": ACCEPTED, "accepted": ACCEPTED, "approved": ACCEPTED, "approved_for_session": ACCEPTED, "modify": EDITED, "reject": OVERRIDDEN, "rejected": OVERRIDDEN, "denied": OVERRIDDEN, "abort": OVERRIDDEN}
BY_ITSELF = frozenset(["config", "hook", "auto", "automated"])  # a rule decided: no person took or refused anything
DECISION_ENDS = (".code_edit_tool.decision", ".tool.decision", "_tool.decision", ".tool.call.count", ".tool_decision")
RECORDS = (".api_request", ".tool_decision", ".tool_call", ".api_response", ".sse_event")


def is_coder(service: str, name: str) -> bool:
    """Whether a log record is one that a coding agent writes and somebody reads."""
    return name.endswith(RECORDS) or name in ("api_request", "tool_decision")


def metrics_of(point: HeardPoint) -> str | None:
    """The counter a point adds to; None where nobody reads it."""
    name, found = point.name, point.attributes
    if name in TOKENS:
        return TOKEN_TYPES.get(text_of(found.get("gen_ai.token.type")).lower())
    if name.endswith(".token.usage"):
        return TOKEN_TYPES.get(text_of(found.get("type")).lower())
    if name == "operation.cost" or name.endswith((".cost.usage", ".usage.cost")):
        return COST if point.unit in ("", "USD", "usd", "$", "{USD}") else None
    if name.endswith(DECISION_ENDS):
        return _decided(found)
    return None


def _decided(found: Attributes) -> str | None:
    """What a person decided; None where a rule did."""
    return DECISIONS.get(text_of(found.get("decision")).lower()) if text_of(found.get("source")).lower() not in BY_ITSELF else None


def of_point(agent_id: int, point: HeardPoint, at: int, metric: str) -> list[PointPart]:
    """One point of a series: cumulative ones count what came since the last, deltas count once each."""
    value = money(point.value) if metric == COST else count(point.value)
    if value is None:
        return []
    same: list[Any] = [point.source.instance, point.source.service, point.scope, point.name, sorted((key, text_of(each)) for key, each in point.attributes.items())]
    if not point.cumulative:
        same += [point.began, point.at]  # a delta is itself, whenever it comes again
    return [PointPart(agent_id, metric, _digest(same), point.began, at, value, point.cumulative, False)]


def of_record(agent_id: int, record: HeardRecord, at: int) -> list[PointPart]:
    """A request's cost and tokens, or a decision of a person."""
    found = record.attributes
    added: dict[str, int] = {}
    if record.name.endswith(("tool_decision", ".tool_call")):
        metric = _decided(found)
        if metric is not None:
            added[metric] = 1
    else:
        told = {
            COST: money(found.get("cost_usd")),
            counting.TOKENS_INPUT: count(first(found, ("input_tokens", "input_token_count"))),
            counting.TOKENS_OUTPUT: (count(first(found, ("output_tokens", "output_token_count"))) or 0) + (count(found.get("thoughts_token_count")) or 0),
            counting.TOKENS_CACHED: count(first(found, ("cache_read_tokens", "cached_token_count", "cached_content_token_count"))),
        }
        added = {metric: value for metric, value in told.items() if value}
    same: list[Any] = [record.source.instance, record.source.service, record.name, record.at, record.span_id, sorted((key, text_of(each)) for key, each in found.items())]
    return [PointPart(agent_id, metric, _digest([metric, *same]), at, at, min(value, LARGEST), False, True) for metric, value in added.items()]


def _digest(same: list[Any]) -> str:
    return blake2b(orjson.dumps(same), digest_size=16).hexdigest()
