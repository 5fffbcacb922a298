"""How many spans are stored in a second, beside `mlflow server` and `phoenix serve` in the same run.

    python -m benchmarks.telemetry --install        # once: the two peers, in an environment of their own (1.7 GB)
    python -m benchmarks.telemetry                  # SQLite everywhere, about a minute; without the peers only ours

Each server is one process with an SQLite file, and gets the same exports: 512 spans each, as OpenTelemetry's own batch
processor sends them, of runs with an agent, model calls, tools and a look-up, messages included. Ours and MLflow answer
after their commit; Phoenix answers before it, so its spans are counted in its own database. Neither peer takes JSON:
ours as JSON is set against the better of them as protobuf.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from benchmarks.intake import ROOT, Served, prepare
from bot.clock import RandomIds
from bot.db import Database
from bot.people.tokens import mint_token

PEERS = ROOT / "var" / "telemetry-peers"
SPANS = 512  # of one export: the batch processor's default
MARK, SPAN = b"trace999999", b"s9999"  # begin every trace and span id; each export gets a number of its own there (Phoenix keeps a span id once)
PACKAGES = ("mlflow", "arize-phoenix")
BARS = {"protobuf": 10.0, "json": 5.0}
MEMORY_BAR = 300  # MB


# What is sent


def export() -> ExportTraceServiceRequest:
    """64 runs of 8 spans: an agent, three model calls with their messages, three tools, a look-up."""
    now = time.time_ns()
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(pairs({"service.name": "agent-0", "service.version": "14", "telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry", "service.instance.id": "5f1bdf07-3701-4ebb"}))
    scope = resource.scope_spans.add()
    scope.scope.name = "benchmarks"
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Where is my order 1234? " * 12}]}])
    answer = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Your order shipped yesterday. " * 8}], "finish_reason": "stop"}])
    for number in range(SPANS):
        trace, place = divmod(number, 8)
        trace_id = MARK + f"{trace:05d}".encode()
        root, span_id = (SPAN + f"{n:03d}".encode() for n in (trace * 8, number))
        span = scope.spans.add(trace_id=trace_id, span_id=span_id, parent_span_id=root if place else b"", start_time_unix_nano=now - 2_000_000_000 + place * 100_000_000, end_time_unix_nano=now - 1_000_000_000 + place * 1_000_000)
        common = {"gen_ai.agent.name": "agent-0", "gen_ai.conversation.id": f"conversation-{trace}", "gen_ai.provider.name": "openai"}
        if place == 0:
            span.name = "invoke_agent agent-0"
            span.attributes.extend(pairs({**common, "gen_ai.operation.name": "invoke_agent", "gen_ai.aggregated_usage.input_tokens": 3000, "gen_ai.aggregated_usage.output_tokens": 300}))
        elif place in (1, 3, 5):
            span.name, span.kind = "chat gpt-4o", 3
            span.attributes.extend(pairs({
                **common, "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.response.id": f"chatcmpl-{number}",
                "gen_ai.usage.input_tokens": 1000 + number, "gen_ai.usage.output_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.input.messages": said, "gen_ai.output.messages": answer,
                "server.address": "api.openai.com", "server.port": 443, "gen_ai.request.temperature": 0.5,
            }))  # fmt: skip
        elif place == 7:
            span.name = "retrieval docs"
            span.attributes.extend(pairs({**common, "gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "docs"}))
        else:
            span.name = "execute_tool get_order"
            span.attributes.extend(pairs({**common, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_order", "gen_ai.tool.call.id": f"call-{number}", "gen_ai.tool.call.arguments": '{"order_id": "1234"}', "gen_ai.tool.call.result": "shipped"}))
    return request


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    kinds = {str: "string_value", int: "int_value", float: "double_value"}
    return [KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value})) for key, value in attributes.items()]


def bodies(kind: str) -> Iterator[bytes]:
    """Export after export, each with traces of its own."""
    request = export()
    if kind == "json":
        told = json_format.MessageToDict(request)
        for span in told["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in span:
                    span[name] = base64.b64decode(span[name]).hex()
            span["kind"] = 3
        body = json.dumps(told).encode()
    else:
        body = request.SerializeToString()
    number = 0
    while True:
        number += 1
        made = body
        for mark, fresh in ((MARK, f"trace{number:06d}".encode()), (SPAN, f"s{number:04d}".encode())):
            made = made.replace(mark.hex().encode(), fresh.hex().encode()) if kind == "json" else made.replace(mark, fresh)
        yield made


# The sender (its own process)


async def sending(url: str, kind: str, seconds: float, connections: int, headers: dict[str, str]) -> dict[str, Any]:
    """Send for so many seconds; how many spans were answered, and how long an answer took."""
    source = bodies(kind)
    made = [next(source) for _ in range(40)]
    took: list[float] = []
    wrong: list[str] = []
    sent = 0
    content = {"content-type": "application/json" if kind == "json" else "application/x-protobuf"}
    async with httpx.AsyncClient(timeout=60) as http:
        end = time.perf_counter() + seconds
        begin = time.perf_counter()

        async def work() -> None:
            nonlocal sent
            while (start := time.perf_counter()) < end:
                body = made.pop() if made else next(source)
                answer = await http.post(f"{url}/v1/traces", content=body, headers={**headers, **content})
                took.append(time.perf_counter() - start)
                if answer.status_code == 200:
                    sent += SPANS
                else:
                    wrong.append(f"{answer.status_code} {answer.text[:200]}")

        await asyncio.gather(*(work() for _ in range(connections)))
        spent = time.perf_counter() - begin
    ordered = sorted(took)
    return {"spans": sent, "seconds": spent, "rate": sent / spent, "p50": ordered[len(ordered) // 2] * 1000, "wrong": wrong[:3]}


def send(url: str, kind: str, seconds: float, connections: int, headers: dict[str, str]) -> dict[str, Any]:
    words = [url, kind, str(seconds), str(connections), json.dumps(headers)]
    told = subprocess.run([sys.executable, "-m", "benchmarks.telemetry", "send", *words], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return dict(json.loads(told.stdout))


# The servers


def memory(pid: int) -> float:
    """The most memory the process ever held, in MB; 0 where /proc is missing."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def ours(folder: Path, seconds: float, connections: int) -> dict[str, dict[str, Any]]:
    found = {}
    for kind in ("protobuf", "json"):
        url = f"sqlite:///{folder}/ours-{kind}.db"
        prepare(url)
        db = Database(url)
        with db.transaction() as tx:
            token, _ = mint_token(tx, datetime.now(UTC), RandomIds(), name="wire", scopes=["telemetry"], agents=None)
        db.close()
        with Served("ours", url) as server:
            here, headers = f"http://127.0.0.1:{server.port}", {"authorization": f"Bearer {token}"}
            before = server.cpu()
            told = send(here, kind, seconds, connections, headers)
            told["cpu"] = (server.cpu() - before) / max(told["spans"], 1) * 1e6
            began = time.perf_counter()
            stored = counted(folder / f"ours-{kind}.db", "SELECT count(*) FROM spans")
            waited_for(lambda kind=kind: counted(folder / f"ours-{kind}.db", "SELECT count(*) FROM traces WHERE due_at IS NOT NULL") == 0)
            told["behind"] = time.perf_counter() - began
            told["runs"] = counted(folder / f"ours-{kind}.db", "SELECT count(*) FROM runs")
            told["memory"] = memory(server.process.pid)
            assert stored == told["spans"], (stored, told)
            assert told["runs"] == told["spans"] // 8, told
        found[kind] = told
    return found


def peer(name: str, folder: Path, seconds: float, connections: int) -> dict[str, Any]:
    """One of the two, from its own environment."""
    port = free_port()
    home = folder / name
    home.mkdir()
    if name == "mlflow":
        words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--backend-store-uri", "sqlite:///mlflow.db"]
        env, headers, db, count = {"MLFLOW_DISABLE_TELEMETRY": "true"}, {"x-mlflow-experiment-id": "0"}, home / "mlflow.db", "SELECT count(*) FROM spans"
    else:
        words = ["phoenix", "serve"]
        env = {"PHOENIX_WORKING_DIR": str(home), "PHOENIX_HOST": "127.0.0.1", "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_TELEMETRY_ENABLED": "false"}
        headers, db, count = {}, home / "phoenix.db", "SELECT count(*) FROM spans"
    process = subprocess.Popen([str(PEERS / "bin" / words[0]), *words[1:]], cwd=home, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=(home / "log").open("w"), start_new_session=True)
    try:
        waited_for(lambda: answers(f"http://127.0.0.1:{port}/"), 120)
        begin = time.perf_counter()
        told = send(f"http://127.0.0.1:{port}", "protobuf", seconds, connections, headers)
        if name == "phoenix":  # answered before they are stored: wait until no more come
            sent, stored, last = told["spans"], 0, begin
            while stored < sent and time.perf_counter() - begin < seconds + 30:  # some never end: then what is stored by then counts
                now = counted(db, count)
                if now != stored:
                    stored, last = now, time.perf_counter()
                time.sleep(0.2)
            told["spans"], told["rate"] = stored, stored / max(last - begin, 0.001)
        else:
            told["spans"] = counted(db, count)
            told["rate"] = told["spans"] / told["seconds"]
        told["memory"] = sum(memory(pid) for pid in family(process.pid))
        return told
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += family(int(child))
    return found


def counted(path: Path, query: str) -> int:
    for _ in range(50):  # a file that is being written may not be opened for a moment
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as db:
                return int(db.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            time.sleep(0.2)
    raise TimeoutError(f"{path.name} cannot be read")


def waited_for(true: Any, seconds: float = 60) -> None:
    end = time.perf_counter() + seconds
    while not true():
        if time.perf_counter() > end:
            raise TimeoutError("it did not come to pass")
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


# The conductor


def install() -> None:
    """The peers from PyPI, in an environment of their own."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if Path(uv).exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(PEERS)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(PEERS / "bin" / "python"), *PACKAGES], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEERS)], check=True)
        subprocess.run([str(PEERS / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    print(f"The peers are in {PEERS.relative_to(ROOT)}.")


def tell(name: str, told: dict[str, Any]) -> None:
    more = f"  processor {told['cpu']:.0f} us a span, {told['runs']:,} runs made {told['behind']:.1f} s after the last answer" if "cpu" in told else ""
    print(f"{name:15} {told['rate']:>8,.0f} spans/s  {told['spans']:>8,} spans  p50 {told['p50']:>6.0f} ms  memory {told['memory']:>4.0f} MB{more}" + (f"  WRONG {told['wrong']}" if told["wrong"] else ""), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["send"]:
        url, kind, seconds, connections, headers = sys.argv[2:]
        print(json.dumps(asyncio.run(sending(url, kind, float(seconds), int(connections), json.loads(headers)))))
        return
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--install", action="store_true", help="install the peers, and do nothing else")
    options.add_argument("--seconds", type=float, default=6.0)
    options.add_argument("--connections", type=int, default=2)
    asked = options.parse_args()
    if asked.install:
        install()
        return
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, told in ours(Path(folder), asked.seconds, asked.connections).items():
            results[f"ours, {kind}"] = told
            tell(f"ours, {kind}", told)
        for name in ("mlflow", "phoenix"):
            if (PEERS / "bin" / name).exists():
                results[name] = peer(name, Path(folder), asked.seconds, asked.connections)
                tell(name, results[name])
            else:
                print(f"{name} is not installed: python -m benchmarks.telemetry --install")
    peers = [told["rate"] for name, told in results.items() if not name.startswith("ours")]
    if peers:
        for kind, bar in BARS.items():
            print(f"{kind}: {results[f'ours, {kind}']['rate'] / max(peers):.1f} times the better peer (bar {bar:.0f})")
    print(f"memory: {max(results[f'ours, {kind}']['memory'] for kind in BARS):.0f} MB (bar {MEMORY_BAR})")


if __name__ == "__main__":
    main()
