"""From spans to runs: what is one run, and whose usage counts. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.intake.telemetry.prices import _calculated, estimate
from bot.intake.telemetry.tree import Made, runs_of

TRACE = "01" * 16
Spans = dict[str, tuple[dict[str, Any], int | None]]


def span(kind: str = "", parent: str = "", agent: int | None = 1, **body: Any) -> tuple[dict[str, Any], int | None]:
    told = {"kind": kind, "parent": parent, "start": body.pop("start", 0), "end": body.pop("end", 10), **body}
    return {key: value for key, value in told.items() if value != ""}, agent


def made(spans: Spans, price: Any = lambda _: None) -> list[Made]:
    return runs_of(TRACE, spans, price)[0]


def figures(spans: Spans, price: Any = lambda _: None) -> list[tuple[Any, ...]]:
    return [(run.agent, run.id, run.tokens_in, run.nano, run.estimated) for run in made(spans, price)]


CALL = {"in": 100, "out": 10, "model": "gpt-4o"}


def test_a_parent_that_carries_the_sum_of_its_children_counts_nothing() -> None:
    spans = {"a": span("agent", **{"in": 200, "out": 20, "nano": 5}), "b": span("model", "a", **CALL, nano=2), "c": span("model", "a", **CALL, nano=3)}
    assert figures(spans) == [(1, TRACE, 200, 5, False)]
    del spans["b"], spans["c"]
    assert figures(spans) == [(1, TRACE, 200, 5, False)]


def test_a_call_instrumented_twice_counts_once() -> None:
    spans = {"a": span("chain"), "b": span("model", "a", **CALL, nano=2), "c": span("step", "b"), "d": span("model", "c", **CALL)}
    assert figures(spans, lambda _: 7) == [(1, TRACE, 100, 2, False)]


def test_what_some_calls_did_not_say_is_estimated_and_marked() -> None:
    spans = {"a": span("agent"), "b": span("model", "a", **CALL, nano=2), "c": span("model", "a", **CALL)}
    assert figures(spans, lambda _: 7) == [(1, TRACE, 200, 9, True)]


def test_two_invoke_agent_spans_are_one_run_and_the_named_one_tells() -> None:
    nested = {"a": span("agent", **{"in": 100, "out": 10}), "b": span("agent", "a"), "c": span("model", "b", **CALL)}
    nested["b"][0]["agent"] = "support"
    assert figures(nested) == [(1, TRACE, 100, None, False)]
    beside = {"top": span(), "a": span("agent", "top"), "b": span("agent", "top", start=1), "c": span("model", "b", **CALL, start=2)}
    beside["b"][0]["agent"] = "support"
    (run,) = made(beside)
    assert (run.root.id, run.tokens_in) == ("b", 100)


def test_two_named_runs_in_one_trace_are_two() -> None:
    spans = {"top": span(), "a": span("agent", "top", start=1), "b": span("model", "a", **CALL), "c": span("agent", "top", start=2), "d": span("model", "c", **CALL), "e": span("model", "top", **CALL)}
    for name in "ac":
        spans[name][0]["agent"] = "support"
    assert figures(spans) == [(1, TRACE, 200, None, False), (1, f"{TRACE}:c", 100, None, False)]


def test_an_agent_that_calls_another_keeps_its_own_costs() -> None:
    spans = {"a": span("agent", **{"in": 300, "out": 30}), "b": span("model", "a", **CALL), "c": span("agent", "a", 2, own=2, **{"in": 200, "out": 20}), "d": span("model", "c", None, **CALL), "e": span("model", "c", None, **CALL)}
    assert figures(spans) == [(1, TRACE, 100, None, False), (2, TRACE, 200, None, False)]
    assert made(spans)[1].called_by == 1


def test_the_service_decides_between_services_and_the_span_above_within_one() -> None:
    spans = {
        "a": span("agent", "", None, own=1, service="x"),
        "b": span("model", "a", None, service="x", **CALL),
        "c": span("agent", "a", 2, service="y"),
        "d": span("model", "c", 2, service="y", **CALL),
        "e": span("model", "a", None, service="z", **CALL),
    }
    assert figures(spans) == [(1, TRACE, 200, None, False), (2, TRACE, 100, None, False)]


def test_how_a_run_ends_and_traffic_that_is_no_ai() -> None:
    assert made({"a": span(), "b": span("", "a")}) == []
    web = {"a": span(start=0, end=20), "b": span("model", "a", **CALL, start=1, failed=True, error="429", end=5), "c": span("model", "a", **CALL, start=6, end=9)}
    (run,) = made(web)
    assert (run.status, run.root.id, run.model, run.models) == ("ok", "a", "gpt-4o", frozenset({"gpt-4o"}))
    web["c"][0]["failed"] = True
    assert made(web)[0].status == "failed"
    tool = {"a": span("agent"), "b": span("tool", "a", tool="search", failed=True), "c": span("tool", "a", tool="search")}
    assert (made(tool)[0].status, made(tool)[0].tools) == ("ok", {"search": [2, 1]})
    spans = {"a": span("agent", "", None, service="s"), "b": span("model", "a", None, service="s")}
    spans["a"][0]["agent"] = "side"
    _, nobody = runs_of(TRACE, spans, lambda _: None)
    assert nobody == {("s", "side")}


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.tuples(st.sampled_from(["agent", "model", "tool", ""]), names | st.just(""), st.sampled_from([1, 2, None]), st.integers(0, 5)), max_size=6))
def test_every_span_of_an_agent_is_in_one_run_whatever_the_parents(given_: dict[str, tuple[str, str, int | None, int]]) -> None:
    """Also circles, spans that are their own parent, and parents that never come; and each leaf's tokens count once."""
    spans = {name: span(kind, parent, agent, start=at, **({"in": 1, "out": 1} if kind == "model" else {})) for name, (kind, parent, agent, at) in given_.items()}
    runs = made(spans)
    inside = [node.id for run in runs for node in run.nodes]
    assert len(inside) == len(set(inside))
    assert len({(run.agent, run.id) for run in runs}) == len(runs)
    assert sum(run.tokens_in or 0 for run in runs) <= sum(kind == "model" for kind, *_ in given_.values())
    assert runs_of(TRACE, dict(reversed(spans.items())), lambda _: None)[0].__len__() == len(runs)


@pytest.mark.parametrize(("model", "provider"), [("gpt-4o-2024-08-06", "openai"), ("claude-sonnet-4-5", "anthropic"), ("gemini-2.5-pro", "gcp.gemini"), ("gpt-4o-mini", "")])
def test_the_quick_way_to_a_price_is_the_price_list_s(model: str, provider: str) -> None:
    for read, cached, kept, wrote in ((112, 64, 0, 21), (300_000, 0, 0, 5), (5000, 1000, 0, 77)):
        body = {"kind": "model", "model": model, "provider": provider, "in": read, "cached": cached, "kept": kept, "out": wrote, "start": 1_795_190_398_000_000}
        assert estimate(body) == _calculated(model, provider, 20_777, read, cached, kept, wrote)
    assert estimate({"kind": "model", "model": "no such model", "in": 5}) is None
