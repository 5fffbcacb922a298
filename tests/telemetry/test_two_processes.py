"""Two processes at one PostgreSQL take the same telemetry at once: what was at work is counted once."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette

from bot.db import Database
from bot.intake.agents import read_agents
from bot.intake.judging import Item
from bot.intake.runs import Run as RunEvent
from bot.intake.runs import Tokens
from bot.intake.store import store
from bot.intake.taking import Intake
from bot.intake.telemetry.http import Telemetry, routes
from bot.intake.telemetry.loops import TelemetryLoops
from bot.lanes import Lanes
from bot.tables import Evaluation, Output, Run, Trace
from tests.telemetry.conftest import Wire
from tests.telemetry.made import Export, evaluation, metric

TRACES = 24


@pytest.fixture
def only_postgres(wire: Wire) -> None:
    if wire.db.is_sqlite:
        pytest.skip("one process holds an SQLite file")


async def test_a_run_that_its_agent_reports_while_its_spans_are_read_is_counted_once(wire: Wire, only_postgres: None) -> None:
    """The report is not committed yet when the spans come, with and without a trace known before."""
    now = wire.clock.now()
    await wire.send(Export(now).call(3, 9, trace=2).body)  # of this one a span came already, and its root is waited for
    with wire.db.transaction() as tx:
        (ref,) = read_agents(tx, ["support"])
        for trace in (1, 2):
            event = RunEvent(id=f"own-{trace}", type="run", agent="support", at=now, status="ok", tokens=Tokens(7, None, None), trace_id=f"{trace:02x}" * 16)
            store(tx, now, [Item(0, event, ref, f"c{trace}")], live=True)

        async def spans() -> None:
            for trace in (1, 2):
                await wire.send(Export(now).agent(1, trace=trace, named="support").call(2, 1, trace=trace).body)
            await wire.settle()

        coming = asyncio.create_task(spans())
        await asyncio.wait([coming], timeout=2)
    await coming
    await wire.settle()
    assert sorted(row.ext_id for row in wire.rows(Run)) == ["own-1", "own-2"]
    assert (wire.totals().runs, wire.totals().sum("tokens.input")) == (2, 14)


async def test_a_trace_that_only_its_agent_names_is_forgotten_when_no_span_comes(wire: Wire) -> None:
    event = {"type": "run", "agent": "support", "at": wire.clock.now().isoformat(), "status": "ok"}
    events = [{**event, "id": "r1", "trace_id": "07" * 16}, {**event, "id": "r2", "trace_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}]
    answer = await wire.http.post("/v1/events", json=events, headers={"authorization": f"Bearer {wire.tokens['all']}"})
    assert answer.json()["accepted"] == 2
    await wire.settle()
    wire.clock.move(timedelta(hours=49))
    await wire.loops.keep_step(wire.clock.now())
    assert wire.rows(Trace) == []
    assert wire.totals().runs == 2


async def test_everything_twice_to_both_at_once_counts_once(wire: Wire, only_postgres: None) -> None:
    """Spans one by one in any order, repeated, scores and metrics, to two processes whose loops run at the same time."""
    other = Database(str(wire.db.url.render_as_string(hide_password=False)))
    lanes = Lanes(other)
    intake = Intake(lanes, wire.clock)
    telemetry = Telemetry(lanes, wire.clock, intake.doors, most=4 * 1024 * 1024)
    loops = TelemetryLoops(lanes, wire.clock, intake.agents, timedelta(hours=48))
    second = Wire(other, wire.clock, lanes, telemetry, loops, wire.http, wire.url, wire.tokens)
    now, dice = wire.clock.now(), random.Random(5)
    sent: list[tuple[bytes, str]] = []
    for trace in range(1, TRACES + 1):
        sent += [(Export(now).agent(1, trace=trace, named="support", final_result=f"Answer {trace}").body, "traces")]
        sent += [(Export(now).call(2 + call, 1, trace=trace, gen_ai__response__id=f"resp-{trace}-{call}").body, "traces") for call in (0, 1)]
        sent += [(evaluation(now, trace=trace, span=2, gen_ai__evaluation__name="faithful", gen_ai__evaluation__score__value=1.0), "logs")]
        sent += [(metric(now + timedelta(seconds=trace), "gen_ai.client.token.usage", 100.0 * trace, began=now - timedelta(minutes=5), gen_ai__token__type="input"), "metrics")]
    sent *= 2
    dice.shuffle(sent)

    async def post(at: Any, body: bytes, signal: str) -> None:
        answer = await at(body, signal)
        assert answer.status_code == 200, answer.content

    async with AsyncClient(transport=ASGITransport(Starlette(routes=routes(telemetry))), base_url="http://127.0.0.1") as http:
        second.http = http
        for start in range(0, len(sent), 24):
            part = sent[start : start + 24]
            await asyncio.gather(*(post(each.send, body, signal) for body, signal in part for each in ((wire,) if dice.random() < 0.4 else (wire, second))), wire.settle(), second.settle())
        with wire.reading():  # what is noted is in the counters
            pass
        for _ in range(14):
            await asyncio.gather(wire.move(minutes=1), second.settle())
    counted = wire.totals()
    assert (len(wire.rows(Run)), len(wire.rows(Output)), len(wire.rows(Evaluation))) == (TRACES, TRACES, TRACES)
    assert (counted.runs, counted.n("outputs"), counted.n("quality.evaluations"), counted.sum("tokens.input"), counted.sum("tokens.output")) == (TRACES, TRACES, TRACES, TRACES * 200, TRACES * 20)
    await telemetry.close()
    await intake.close()
    lanes.close()
    other.close()
