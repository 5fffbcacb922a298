"""What public instrumentations put on the wire, and the figures it must become: each call once, each sum once."""

from __future__ import annotations

import gzip
import itertools
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bot.quality.words import cost_words
from bot.tables import Change, Output, Run, Span, UnownedAgent
from tests.telemetry.conftest import Wire, capture

# By capture: runs, failed, tokens in, cached, out, nano-dollars, and whether the cost is by list prices.
FIGURES: dict[str, tuple[int, int, int, int, int, int, bool]] = {
    "genai_openai_default.026": (3, 1, 224, 128, 42, 820_000, True),
    "openinference_openai.004": (3, 1, 224, 128, 42, 820_000, True),
    "traceloop_openai.001": (3, 1, 224, 128, 42, 820_000, True),
    "langfuse_sdk.011": (1, 0, 112, 64, 21, 410_000, True),
    "pydantic_ai.005": (1, 0, 224, 128, 42, 820_000, False),
}


@pytest.mark.parametrize("name", list(FIGURES))
async def test_each_instrumentation_is_counted_once_however_often_it_comes(wire: Wire, name: str) -> None:
    body = capture(f"{name}.traces.pb")
    for _ in range(2):  # a retry, once before and once after the runs were made
        answer = await wire.send(body)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/x-protobuf")
        await wire.settle()
    check_figures(wire, name)
    answer = await wire.send(gzip.compress(body), headers={"content-encoding": "gzip"})
    assert answer.status_code == 200
    await wire.settle()
    check_figures(wire, name)


def check_figures(wire: Wire, name: str) -> None:
    runs, failed, read, cached, wrote, nano, estimated = FIGURES[name]
    rows = wire.rows(Run)
    assert (len(rows), sum(row.status == "failed" for row in rows)) == (runs, failed)
    assert {row.model for row in rows if row.status == "ok"} == {"gpt-4o-2024-08-06"}
    assert all(bool((row.extra or {}).get("cost_estimated")) == estimated for row in rows if row.nano)
    counted = wire.totals()
    assert (counted.runs, counted.failed) == (runs, failed)
    assert (counted.sum("tokens.input"), counted.sum("tokens.cached"), counted.sum("tokens.output"), counted.sum("cost.USD")) == (read, cached, wrote, nano)
    assert counted.guessed == (nano if estimated else 0)
    assert ("estimated by list prices" in cost_words(counted.costs, counted.guessed)) == estimated


async def test_what_a_pydantic_ai_run_tells(wire: Wire) -> None:
    await wire.send(capture("pydantic_ai.005.traces.pb"))
    await wire.settle()
    (run,) = wire.rows(Run)
    assert run.extra["tools"] == {"get_order": [1, 0]}
    assert run.ext_id == run.trace_id
    (output,) = wire.rows(Output)
    assert (output.ext_id, output.text, output.known) == (run.ext_id, "Your order shipped yesterday.", True)
    assert {(row.input, row.version) for row in wire.rows(Change)} == {("model", "gpt-4o-2024-08-06")}


async def test_the_spans_of_a_trace_in_any_order_one_at_a_time(wire: Wire) -> None:
    """Whatever order several processes export in, the last word is the same."""
    whole = ExportTraceServiceRequest.FromString(capture("pydantic_ai.005.traces.pb"))
    spans = list(whole.resource_spans[0].scope_spans[0].spans)
    orders = list(itertools.permutations(range(len(spans))))[:: 7 if wire.db.is_sqlite else 23]
    for number, order in enumerate(orders):
        for place in order:
            part = ExportTraceServiceRequest()
            part.CopyFrom(whole)
            del part.resource_spans[0].scope_spans[0].spans[:]
            span = part.resource_spans[0].scope_spans[0].spans.add()
            span.CopyFrom(spans[place])
            span.trace_id = bytes([number + 1]) * 16
            assert (await wire.send(part.SerializeToString())).status_code == 200
            await wire.settle()
    await wire.move(seconds=61)
    counted = wire.totals()
    assert (counted.runs, counted.failed) == (len(orders), 0)
    assert (counted.sum("tokens.input"), counted.sum("cost.USD")) == (224 * len(orders), 820_000 * len(orders))
    assert len(wire.rows(Run)) == len(orders)


async def test_a_token_of_one_agent_keeps_no_text_where_the_registry_forbids_it(wire: Wire) -> None:
    await wire.send(capture("pydantic_ai.005.traces.pb"), token="quiet")
    await wire.settle()
    (run,) = wire.rows(Run)
    assert run.agent_id == 3
    assert not wire.rows(Output)
    assert not any("shipped" in row.body or "order 1234" in row.body for row in wire.rows(Span))


async def test_traffic_of_nobody_is_counted_and_not_kept(wire: Wire) -> None:
    request = ExportTraceServiceRequest.FromString(capture("pydantic_ai.005.traces.pb"))
    for pair in request.resource_spans[0].resource.attributes:
        if pair.key == "service.name":
            pair.value.string_value = "a-side-project"
    for span in request.resource_spans[0].scope_spans[0].spans:
        for pair in span.attributes:
            if pair.key == "gen_ai.agent.name":
                pair.value.string_value = "sidekick"
    answer: Any = None
    for _ in range(2):
        answer = await wire.send(request.SerializeToString())
        await wire.settle()
    assert b"belongs to no agent" in answer.content
    (row,) = wire.rows(UnownedAgent)
    assert (row.service, row.agent_name, row.traces) == ("a-side-project", "sidekick", 1)
    assert not wire.rows(Run)
    assert not any("shipped" in row.body for row in wire.rows(Span))
