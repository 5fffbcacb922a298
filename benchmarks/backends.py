"""Feedback out against a real `mlflow server` and a real `phoenix serve`: given, changed, taken back, and read from their own API.

    python -m benchmarks.backends            # makes an environment for each in var/backends (850 MB each, once), then about a minute
    python -m benchmarks.backends --reuse DIR   # with environments made before: DIR/mlflow and DIR/phoenix

Both run offline on loopback. The whole product takes part: events come in over HTTP, a thumb is pressed in Slack's stand-in,
and the loops send. The vote is given before the trace is stored, so that both first answer 404.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import update

from bot.clock import MovedClock
from bot.db import Database
from bot.feedback.outward.letters import LOOP
from bot.migrate import upgrade
from bot.tables import FeedbackLetter
from tests.kit.house import REGISTRY, Town, town

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"mlflow": "mlflow>=3.6", "phoenix": "arize-phoenix>=11"}
PATIENCE = 180.0  # seconds for a server to start on a busy machine


def environment(folder: Path, name: str) -> Path:
    """The bin folder of an environment that holds the server; made where it is missing."""
    place = folder / name
    if not (place / "bin" / name).exists():
        print(f"Making {place} (a few minutes, once) ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGES[name]], check=True)
    return place / "bin"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], folder: Path, **more: str) -> Iterator[None]:
    """A server for as long as the block lasts; it and what it started end together."""
    environ = {**os.environ, **more}
    with (folder / "log").open("wb") as told:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=told, stderr=told, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


async def ready(http: httpx.AsyncClient, url: str, folder: Path, began: float) -> float:
    """Seconds from its start until it answers."""
    while time.monotonic() - began < PATIENCE:
        with contextlib.suppress(httpx.HTTPError):
            if (await http.get(url)).is_success:
                return time.monotonic() - began
        await asyncio.sleep(0.25)
    raise SystemExit(f"{url} did not answer in {PATIENCE:.0f} s:\n{(folder / 'log').read_text()[-3000:]}")


def span(trace: str, span_id: str) -> bytes:
    """One finished span of an agent, as an exporter sends it."""
    asked = ExportTraceServiceRequest()
    resource = asked.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="support-triage")))
    told = resource.scope_spans.add().spans.add()
    now = time.time_ns()
    told.trace_id, told.span_id, told.name = bytes.fromhex(trace), bytes.fromhex(span_id), "invoke_agent support-triage"
    told.start_time_unix_nano, told.end_time_unix_nano = now - 2_000_000_000, now
    return asked.SerializeToString()


async def send_span(http: httpx.AsyncClient, url: str, trace: str, span_id: str, **headers: str) -> None:
    answer = await http.post(f"{url}/v1/traces", content=span(trace, span_id), headers={"Content-Type": "application/x-protobuf", **headers})
    answer.raise_for_status()


async def in_mlflow(http: httpx.AsyncClient, url: str, trace: str) -> str:
    """The assessments of the trace, as MLflow tells them."""
    answer = await http.get(f"{url}/api/3.0/mlflow/traces/tr-{trace}")
    if answer.status_code == 404:
        return "no such trace"
    found = answer.json()["trace"]["trace_info"].get("assessments", [])
    return "; ".join(f"{each['assessment_name']} = {each['feedback']['value']} by {each['source']['source_id']}: {each.get('rationale', '')!r}" for each in found) or "none"


async def in_phoenix(http: httpx.AsyncClient, url: str, span_id: str) -> str:
    """The annotations of the span, as Phoenix tells them."""
    answer = await http.get(f"{url}/v1/projects/default/span_annotations", params={"span_ids": span_id})
    if answer.status_code == 404:
        return "no such span"
    found = answer.json()["data"]
    return "; ".join(f"{each['name']} = {each['result']['label']} ({each['result']['score']}) by {each['metadata']['source']}: {each['result']['explanation']!r}" for each in found) or "none"


@contextlib.asynccontextmanager
async def product(mlflow: str, phoenix: str) -> AsyncIterator[Town]:
    """The whole product beside Slack's stand-in, told to write to both."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/aiops.db"
        db = Database(url)
        upgrade(db)
        db.close()
        to = f'    feedback: {{to: [{{mlflow: {{url: "{mlflow}"}}}}, {{phoenix: {{url: "{phoenix}", project: default}}}}]}}\n'
        async with town(url, MovedClock(datetime.now(UTC))) as t:
            await t.apply(REGISTRY.replace("    runbook:", f"{to}    runbook:"))
            yield t


async def until(t: Town, look: Callable[[], Any], wanted: Callable[[str, str], bool]) -> tuple[str, str, float]:
    """Let the loops turn until both places show what is wanted; says what they show and after how long (real seconds)."""
    began = time.monotonic()
    shown: tuple[str, str] = ("", "")
    while time.monotonic() - began < 30:
        while await t.house.loops.loops[LOOP].step(t.clock.now()):
            pass
        shown = await look()
        if wanted(*shown):
            break
        await asyncio.sleep(0.1)
        t.clock.move(timedelta(seconds=1))
    return (*shown, time.monotonic() - began)


async def run(folder: Path) -> int:
    """Play the story and print the table; 1 where a place did not agree."""
    bins = {name: environment(folder, name) for name in PACKAGES}
    ports = {name: free_port() for name in PACKAGES}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    trace, span_id = secrets.token_hex(16), secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        places = {name: Path(made) / name for name in PACKAGES}
        for place in places.values():
            place.mkdir()
        mlflow = [str(bins["mlflow"] / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(ports["mlflow"]), "--workers", "1", "--backend-store-uri", "sqlite:///mlflow.db"]
        path = f"{bins['mlflow']}{os.pathsep}{os.environ['PATH']}"  # it starts its server by name
        stack.enter_context(running(mlflow, places["mlflow"], MLFLOW_DISABLE_TELEMETRY="true", PATH=path))
        grpc = str(free_port())
        stack.enter_context(running([str(bins["phoenix"] / "phoenix"), "serve"], places["phoenix"], PHOENIX_WORKING_DIR=str(places["phoenix"]), PHOENIX_HOST="127.0.0.1", PHOENIX_PORT=str(ports["phoenix"]), PHOENIX_GRPC_PORT=grpc, PHOENIX_TELEMETRY_ENABLED="false"))
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=30) as http:
            for name, at in {"mlflow": "/health", "phoenix": "/healthz"}.items():
                print(f"{name} answers after {await ready(http, urls[name] + at, places[name], began):.1f} s", file=sys.stderr)
            return await story(http, urls, trace, span_id)


async def story(http: httpx.AsyncClient, urls: dict[str, str], trace: str, span_id: str) -> int:
    async def look() -> tuple[str, str]:
        return await in_mlflow(http, urls["mlflow"], trace), await in_phoenix(http, urls["phoenix"], span_id)

    table = Table("What a person did", "MLflow shows", "Phoenix shows", "after", title="Read back from the servers' own API")
    wrong = 0

    async def step(words: str, wanted: Callable[[str, str], bool]) -> None:
        nonlocal wrong
        first, second, took = await until(t, look, wanted)
        ok = wanted(first, second)
        wrong += not ok
        table.add_row(words if ok else f"{words} (NOT AS IT SHOULD BE)", escape(first), escape(second), f"{took:.2f} s")

    async with product(urls["mlflow"], urls["phoenix"]) as t:
        await t.post(t.event("output", "o1", text="Refunds take five days.", trace_id=trace, span_id=span_id))

        async def say(number: int, good: bool | None, **words: str) -> None:
            t.clock.move(timedelta(seconds=1))
            await t.post(t.event("rating", f"v{number}", output="o1", person="lea@example.com", good=good, **words))

        await say(1, False, reason="outdated", comment="Ask ann@example.com", correction="Three days.")
        await step("thumbs-down, the trace is not stored yet", lambda one, two: one.startswith("no such") and (two.startswith("no such") or two == "none"))
        await send_span(http, urls["mlflow"], trace, span_id, **{"x-mlflow-experiment-id": "0"})
        await send_span(http, urls["phoenix"], trace, span_id)
        await step("the trace arrives", lambda one, two: one.count("= False by voter-") == 1 and two.count("= bad (0.0) by voter-") == 1 and "[email]" in one + two)
        await say(2, True)
        await step("changed to thumbs-up", lambda one, two: one.count("= True") == 1 and "False" not in one and two.count("= good (1.0)") == 1 and "bad" not in two)
        await say(3, None)
        await step("taken back", lambda one, two: one == two == "none")
        await say(4, True)
        await step("given again", lambda one, two: one.count("= True") == 1 and two.count("= good") == 1)
        # As after a crash in the middle of a call: what stands there must be found, not made twice.
        await t.write(lambda tx: tx.execute(update(FeedbackLetter).values(remote_id=None, told=None, maybe=True)) and None)
        await say(5, False)
        await step("changed after an answer was lost", lambda one, two: one.count("human_feedback") == two.count("human_feedback") == 1 and "False" in one and "bad" in two)
    Console(width=180).print(table)
    return 1 if wrong else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reuse", type=Path, default=ROOT / "var" / "backends", metavar="DIR", help="where the environments are, or are made")
    raise SystemExit(asyncio.run(run(parser.parse_args().reuse)))


if __name__ == "__main__":
    main()
