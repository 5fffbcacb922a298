from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.checks.asking import ask
from bot.checks.kinds.http import AnswerFacts
from bot.checks.kinds.prometheus import PrometheusSpec, judge
from bot.checks.probes import Prober
from bot.clock import MovedClock
from bot.lanes import Lanes
from bot.paging.rules import Finding, State
from tests.checks.test_looking import respec
from tests.kit.programs import free_port, need, running
from tests.kit.server import serving
from tests.paging.world import World

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def spec(**fields: Any) -> PrometheusSpec:
    return PrometheusSpec.model_validate({"url": "http://prometheus.example:9090", "query": "queue_length", "above": 5, "allow_private": True, **fields})


def vector(*values: tuple[dict[str, str], str]) -> bytes:
    return orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": [{"metric": labels, "value": [1763625600.1, value]} for labels, value in values]}})


def told(body: bytes, status: int = 200, **fields: Any) -> Finding:
    return judge(AnswerFacts(NOW, "", status, 3, body), spec(**fields), NOW)


def test_the_worst_of_many_series_is_named_and_the_others_counted() -> None:
    many = vector(*(({"__name__": "queue_length", "queue": f"q{i}"}, str(i)) for i in range(9)))
    finding = told(many)
    assert (finding.state, finding.title, finding.value, finding.threshold) == (State.FAILING, "a query is above 5", 8, 5)
    assert finding.says == "queue_length is 8 for queue=q8; not above 5 is promised. So are 2 more series."
    assert told(many, above=None, below=0).state is State.OK
    low = told(many, above=None, below=1.5)
    assert (low.title, low.value) == ("a query is below 1.5", 0)
    assert told(many, above=100, below=3).title == "a query is below 3"
    assert told(many, above=8).state is State.OK


def test_a_single_number_is_taken_as_it_is() -> None:
    scalar = orjson.dumps({"status": "success", "data": {"resultType": "scalar", "result": [1763625600.1, "7.5"]}})
    assert told(scalar).says == "queue_length is 7.5; not above 5 is promised."
    assert told(vector(({}, "+Inf"))).state is State.FAILING


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (vector(({}, "NaN")), "no number (NaN)"),
        (b"<html>", "no answer of Prometheus"),
        (b"[]", "no answer of Prometheus"),
        (b'{"status": "success", "data": {"resultType": "matrix", "result": []}}', "no answer of Prometheus"),
        (b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]}}', "no answer of Prometheus"),
        (b'{"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}', "refused the query: parse error: unexpected end"),
        (b"x" * PrometheusSpec.BODY, "is longer than 1024 KiB"),
    ],
)
def test_what_proves_nothing_is_unknown_and_says_why(body: bytes, says: str) -> None:
    finding = told(body)
    assert finding.state is State.UNKNOWN
    assert says in finding.says


def test_an_empty_result_means_what_the_registry_says() -> None:
    assert told(vector()).state is State.UNKNOWN
    assert told(vector(), empty="fine").state is State.OK
    failing = told(vector(), empty="failing")
    assert (failing.state, failing.title) == (State.FAILING, "the query finds nothing")
    assert told(vector(({}, "NaN"), ({"a": "b"}, "9"))).value == 9


def test_a_window_asks_for_the_best_value_in_it() -> None:
    assert spec(window="10m").asked() == "min_over_time((queue_length)[600s:30s])"
    assert spec(window="1m", above=None, below=1).asked() == "max_over_time((queue_length)[60s:5s])"
    assert "It has been above 5 for 10m." in told(vector(({}, "9")), window="10m").says


@pytest.mark.parametrize("fields", [{"above": None}, {"above": 1, "below": 2}, {"window": "10m", "below": 1}, {"window": "30s"}, {"url": "prometheus:9090"}, {"above": float("nan")}, {"query": ""}])
def test_limits_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**fields)


def fake() -> Starlette:
    async def query(request: Request) -> Response:
        asked = request.query_params["query"]
        if asked == "slow":
            await asyncio.sleep(30)
        if asked == "bad(":
            return JSONResponse({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400)
        if asked == "away":
            return PlainTextResponse("upstream is away", 502)
        return Response(vector(({"q": "a&b"}, "9" if asked == 'x{a="b"} + 1' else "1")), media_type="application/json")

    return Starlette(routes=[Route("/prom/api/v1/query", query)])


async def test_it_is_asked_over_http_and_a_server_that_hangs_is_left(clock: MovedClock) -> None:
    async with serving(fake()) as url:

        async def ask_it(**fields: Any) -> Finding:
            each = spec(url=f"{url}/prom/", **fields)
            return judge(await ask(each, clock), each, clock.now())

        assert (await ask_it(query='x{a="b"} + 1')).value == 9
        assert (await ask_it()).state is State.OK
        assert "refused the query: parse error" in (await ask_it(query="bad(")).says
        assert "answered 502" in (await ask_it(query="away")).says
        assert "no answer within 1 s" in (await ask_it(query="slow", timeout="1s")).says
        assert "lies in a private network" in (await ask_it(allow_private=False)).says
    assert "no connection" in (await ask_it()).says


async def test_a_real_prometheus_is_asked_and_its_value_opens_and_closes_a_problem(world: World, tmp_path: Path) -> None:
    program, port = need("prometheus"), free_port()
    (tmp_path / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: self, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
""")
    base = f"http://127.0.0.1:{port}"
    command = [program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    lanes = Lanes(world.db)
    prober = Prober(lanes, world.clock)

    async def look(query: str, **limits: Any) -> str:
        more = {"kind": "prometheus", "url": base, "allow_private": True, "query": query, **limits}
        await asyncio.to_thread(respec, world, {"up": more})
        while await prober.step(world.clock.now()):
            pass
        await asyncio.to_thread(world.settle)
        return world.check("up").says

    try:
        async with running(command, f"{base}/-/ready", tmp_path), httpx.AsyncClient(base_url=base, trust_env=False) as http:
            for _ in range(600):
                if (await http.get("/api/v1/query", params={"query": "up"})).json()["data"]["result"]:
                    break
                await asyncio.sleep(0.05)  # the real clock of another program
            assert (await look("up", below=1)).startswith("up is 1 for instance=127.0.0.1")
            assert world.check("up").state == "ok"
            await look("vector(3) > bool 2", above=0.5)
            assert (world.check("up").state, world.called()) == ("failing", [])
            assert "vector(3) &gt; bool 2 is 1; not above 0.5 is promised." in world.text("problem:1:channel")
            await look("vector(3) > bool 4", above=0.5)
            assert world.problems()[0].closed_at is not None
            assert "refused the query: " in await look("up{", below=1)
            assert "finds no series" in await look("nothing_of_this_name", below=1)
            assert "(NaN)" in await look("vector(0) / 0", below=1)
            assert (await look("vector(time())", above=1, window="1m")).count("It has been above 1 for 1m.") == 1
    finally:
        await prober.close()
        lanes.close()
