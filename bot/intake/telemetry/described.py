"""The three OTLP endpoints, described: for OpenAPI and for the page to read."""

from __future__ import annotations

from typing import Any

SIGNALS = {
    "traces": "Spans become runs: model, tokens, cost, tools, errors and how long it took, each call counted once, however the spans come. An answer that is captured becomes an output.",
    "logs": "`gen_ai.evaluation.result` records become evaluations of the run they judge; requests and decisions of coding agents are counted. Others are taken and not kept.",
    "metrics": "Tokens, cost, and accept or reject decisions: counted where they say more than the spans do, never beside them.",
}
ANSWERS = {
    "200": "Committed. What was left out is told as partial success.",
    "400": "No export of this kind: broken, or another signal's.",
    "401": "No token, or one that is not known, expired or revoked.",
    "403": "The token lacks the scope `telemetry`, or its agents are not in the registry.",
    "413": "More after inflating than AIOPS_TELEMETRY_MIB (16 MiB unless set).",
    "415": "A content-type or content-encoding that is not taken.",
    "429": "Too much waits to be stored; see Retry-After.",
    "503": "The database is away; see Retry-After.",
}
_ABOUT = (
    "OTLP over HTTP, as protobuf or JSON, gzip allowed; answered in the request's own format, errors as a `google.rpc.Status`."
    " An exporter needs two variables: `OTEL_EXPORTER_OTLP_ENDPOINT` (this server) and `OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20aiops_...` (a token of scope `telemetry`)."
    " A token of one agent is that agent's; else `telemetry:` in the registry says whose `service.name` and agent's name it is, else an agent's id or name. Traffic of no agent is only counted, and shown to the leads."
)


def paths() -> dict[str, Any]:
    """For OpenAPI."""
    return {f"/v1/{signal}": {"post": _post(signal, words)} for signal, words in SIGNALS.items()}


def _post(signal: str, words: str) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    plain = {"schema": {"type": "object"}}
    return {
        "summary": f"Report {signal} by OpenTelemetry",
        "description": f"{words} {_ABOUT}",
        "security": [{"token": []}],
        "requestBody": {"required": True, "content": {"application/x-protobuf": binary, "application/json": plain}},
        "responses": {status: _answer(status, words) for status, words in ANSWERS.items()},
    }


def _answer(status: str, words: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": words, "content": {"application/x-protobuf": {"schema": {"type": "string", "format": "binary"}}, "application/json": {"schema": {"type": "object"}}}}
    if status in ("429", "503"):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return answer


def section(table: Any, code: Any) -> str:
    """The same as a part of the page; `table` and `code` are the page's own."""
    rows = [(f"POST /v1/{signal}", words) for signal, words in SIGNALS.items()]
    return f"<h2 id='telemetry'>OpenTelemetry</h2><p>{code(_ABOUT)}</p>{table(rows)}<h3>Answers</h3>{table(ANSWERS.items())}"
