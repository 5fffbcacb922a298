"""An instrumented program as a user writes it: it knows nothing of aiops-bot but two environment variables.

    OTEL_EXPORTER_OTLP_ENDPOINT=... OTEL_EXPORTER_OTLP_HEADERS=... python -m tests.telemetry.live_agent pydantic
    ... python -m tests.telemetry.live_agent openai http://127.0.0.1:PORT/v1

Prints what it used, as its own library says.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def with_pydantic_ai(traces: TracerProvider, meters: MeterProvider) -> dict[str, Any]:
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.test import TestModel

    Agent.instrument_all(InstrumentationSettings(tracer_provider=traces, meter_provider=meters))
    agent = Agent(TestModel(custom_output_text="It shipped yesterday."), name="support")

    @agent.tool_plain
    def get_order(order_id: str) -> str:
        """Look an order up."""
        return f"{order_id} shipped"

    usage = agent.run_sync("Where is my order 1234?").usage
    used = usage() if callable(usage) else usage
    return {"input": used.input_tokens, "output": used.output_tokens}


def with_openai(traces: TracerProvider, meters: MeterProvider, base_url: str) -> dict[str, Any]:
    from openai import OpenAI, OpenAIError
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=traces, meter_provider=meters)
    client = OpenAI(base_url=base_url, api_key="none", max_retries=0)
    with traces.get_tracer("web").start_as_current_span("POST /ask"):
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Where is my order?"}])
    with contextlib.suppress(OpenAIError):
        client.chat.completions.create(model="broken", messages=[{"role": "user", "content": "Where is my order?"}])
    assert answer.usage is not None
    return {"input": answer.usage.prompt_tokens, "output": answer.usage.completion_tokens}


def main() -> None:
    traces = TracerProvider()
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    meters = MeterProvider(metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])
    used = with_openai(traces, meters, sys.argv[2]) if sys.argv[1] == "openai" else with_pydantic_ai(traces, meters)
    traces.shutdown()
    meters.shutdown()
    print(json.dumps(used))


if __name__ == "__main__":
    main()
