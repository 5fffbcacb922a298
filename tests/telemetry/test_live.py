"""Real clients, in processes of their own, that find us by two environment variables."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bot.tables import Output, Run
from tests.telemetry.conftest import Wire

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # a second each to import; databases are tried elsewhere


async def run(wire: Wire, *words: str) -> dict[str, Any]:
    """Start the program with the two variables, and with what OpenTelemetry itself wants to know."""
    env = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": wire.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {wire.tokens['all']}",
        "OTEL_SERVICE_NAME": "support-bot",
    }
    program = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.telemetry.live_agent", *words, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await asyncio.wait_for(program.communicate(), 60)
    assert program.returncode == 0, err.decode()[-2000:]
    wire.clock.move(datetime.now(UTC) - wire.clock.now())  # the program lives by the machine's clock
    await wire.settle()
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.fixture
def here_and_now(wire: Wire) -> Wire:
    wire.clock.move(datetime.now(UTC) - wire.clock.now())
    return wire


async def test_pydantic_ai_reports_its_run_by_itself(here_and_now: Wire) -> None:
    wire = here_and_now
    used = await run(wire, "pydantic")
    (made,) = wire.rows(Run)
    assert (made.status, made.model, made.tokens_in, made.tokens_out) == ("ok", "test", used["input"], used["output"])
    assert made.extra["tools"] == {"get_order": [1, 0]}
    assert [row.text for row in wire.rows(Output)] == ["It shipped yesterday."]
    await wire.move(minutes=11)
    assert (wire.totals().runs, wire.totals().sum("tokens.input"), wire.totals().sum("tokens.output")) == (1, used["input"], used["output"])


class Canned(BaseHTTPRequestHandler):
    """The model's answer, always the same; a broken model is too busy."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        good = asked["model"] != "broken"
        usage = {"prompt_tokens": 112, "completion_tokens": 21, "total_tokens": 133, "prompt_tokens_details": {"cached_tokens": 64}}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It shipped."}}
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage}
        body = json.dumps(answer if good else {"error": {"message": "rate limited", "type": "rate_limit"}}).encode()
        self.send_response(200 if good else 429)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def model_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Canned)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry.util.genai.instruments") is None, reason="opentelemetry-instrumentation-openai-v2 needs opentelemetry-util-genai before 1.0, as tests/requirements.lock has it"
)
async def test_the_openai_sdk_reports_its_calls_by_itself(here_and_now: Wire, model_server: str) -> None:
    wire = here_and_now
    used = await run(wire, "openai", model_server)
    good, bad = sorted(wire.rows(Run), key=lambda row: str(row.status), reverse=True)
    assert (good.status, good.model, good.tokens_in, good.tokens_cached, good.tokens_out) == ("ok", "gpt-4o-2024-08-06", used["input"], good.tokens_cached, used["output"])
    assert (good.extra["cost_estimated"], good.nano is not None and 300_000 < good.nano < 600_000) == (True, True)
    assert (bad.status, bad.model, "429" in str(bad.error) or "RateLimit" in str(bad.error)) == ("failed", "broken", True)
    await wire.move(minutes=11)
    assert (wire.totals().runs, wire.totals().failed, wire.totals().sum("tokens.input")) == (2, 1, used["input"])
