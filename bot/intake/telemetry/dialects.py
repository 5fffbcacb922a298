"""What a span means, whatever instrumentation wrote it: pure."""

from __future__ import annotations

import math
from hashlib import sha256
from typing import Any

import orjson

from bot.intake.telemetry import names
from bot.intake.telemetry.heard import Attributes, HeardSpan, text_of

Body = dict[str, Any]

LARGEST = 2**53 - 1
NANO = 1_000_000_000
TEXT = 100_000  # characters of an answer that are kept, as of an output's text
ERROR = 2000

AI = frozenset({"agent", "chain", "model", "tool", "retrieval", "step", "judge"})


def body_of(span: HeardSpan, *, keep_text: bool) -> Body:
    """What is kept of a span: what is not there is left out. Times are microseconds, money is nano-dollars."""
    found, source = span.attributes, span.source
    kind = kind_of(span)
    body: Body = {"name": span.name, "start": span.start // 1000, "end": max(span.end, span.start) // 1000}
    if kind:
        body["kind"] = kind
    if span.parent_id:
        body["parent"] = span.parent_id
    if span.remote:
        body["remote"] = True
    if source.service:
        body["service"] = source.service
    if found:
        _read(body, span, kind, keep_text)
    version = text_of(found.get("langfuse.version") or source.version)
    if version:
        body["version"] = version
    stage = text_of(found.get(names.STAGE) or source.attributes.get(names.STAGE), 16)
    if stage:
        body["stage"] = stage
    if span.failed:
        body["failed"] = True
        body["error"] = error_of(span)
    return body


def _read(body: Body, span: HeardSpan, kind: str, keep_text: bool) -> None:
    found = span.attributes
    if agent := agent_name(span, kind):
        body["agent"] = agent
    if model := text_of(first(found, names.MODEL)):
        body["model"] = model
    if provider := text_of(first(found, names.PROVIDER), 64):
        body["provider"] = provider
    usage_of(body, found)
    if kind == "tool":
        named = first(found, names.TOOL) or found.get(names.ENTITY) or span.name.removeprefix("execute_tool ")
        body["tool"] = text_of(named) or "tool"
    prompt_of(body, found)
    if index := text_of(first(found, names.INDEX)):
        version = text_of(first(found, names.INDEX_VERSION))
        body["index"] = f"{index} {version}".strip()[:128]
    if keep_text and kind in ("agent", "chain", "model", "step") and (said := answer_of(found)):
        body["says"] = said


def kind_of(span: HeardSpan) -> str:
    """agent, chain, model, tool, retrieval, step, judge; empty where it is no span of an AI system."""
    found = span.attributes
    if (operation := found.get(names.OPERATION)) is not None:
        return names.KIND_OF_OPERATION.get(str(operation), "step")
    if (kind := found.get(names.OPENINFERENCE_KIND)) is not None:
        return names.KIND_OF_OPENINFERENCE.get(str(kind).upper(), "step")
    if (kind := found.get(names.TRACELOOP_KIND)) is not None:
        return names.KIND_OF_TRACELOOP.get(str(kind), "step")
    if (kind := found.get(names.LANGFUSE_KIND)) is not None:
        return names.KIND_OF_LANGFUSE.get(str(kind), "")
    if names.LLM_REQUEST in found or first(found, names.MODEL) is not None or first(found, names.TOKENS_OUT) is not None:
        return "model"
    if first(found, names.TOOL) is not None and "gen_ai.tool.call.id" in found:
        return "tool"
    return "agent" if "gen_ai.agent.name" in found else ""


def agent_name(span: HeardSpan, kind: str) -> str:
    """The name of the agent a span says it belongs to; its own, where it is the agent."""
    found = span.attributes
    told = first(found, names.AGENT) or first(found, names.WORKFLOW)
    if told is None and names.TRACELOOP_KIND in found and kind in ("agent", "chain"):
        told = found.get(names.ENTITY)
    if told is None and kind == "agent":
        told = span.name.removeprefix("invoke_agent").strip() if names.LANGFUSE_KIND in found or names.OPENINFERENCE_KIND in found else None
    return text_of(told)


def usage_of(body: Body, found: Attributes) -> None:
    """Tokens and cost, where the span says them."""
    read, cached = count(first(found, names.TOKENS_IN)), count(first(found, names.TOKENS_CACHED))
    kept, wrote = count(first(found, names.TOKENS_KEPT)), count(first(found, names.TOKENS_OUT))
    if read is None and wrote is None:
        read, cached, kept, wrote = _usage_details(found)
    for name, value in (("in", read), ("cached", cached), ("kept", kept), ("out", wrote)):
        if value is not None:
            body[name] = value
    nano = money(first(found, names.COST))
    if nano is None:
        nano = _cost_details(found)
    if nano is not None:
        body["nano"] = nano


def _usage_details(found: Attributes) -> tuple[int | None, int | None, int | None, int | None]:
    """Langfuse: the provider's own usage as it came, or Langfuse's names, whose `input` leaves the cached tokens out."""
    told = _parsed(first(found, names.USAGE_JSON))
    if not isinstance(told, dict):
        return None, None, None, None
    details = told.get("prompt_tokens_details") or told.get("input_tokens_details") or {}
    details = details if isinstance(details, dict) else {}
    cached = count(details.get("cached_tokens") if details else None)
    if "prompt_tokens" in told or details:
        return count(told.get("prompt_tokens", told.get("input_tokens"))), cached, None, count(told.get("completion_tokens", told.get("output_tokens")))
    read, wrote = count(told.get("input", told.get("input_tokens"))), count(told.get("output", told.get("output_tokens")))
    cached = count(first(told, ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")))
    kept = count(first(told, ("cache_creation_input_tokens", "input_cache_creation")))
    if read is not None and (cached or kept):
        read += (cached or 0) + (kept or 0)
    return read, cached, kept, wrote


def _cost_details(found: Attributes) -> int | None:
    told = _parsed(first(found, names.COST_JSON))
    if not isinstance(told, dict):
        return None
    if "total" in told:
        return money(told["total"])
    parts = [nano for value in told.values() if (nano := money(value)) is not None]
    return sum(parts) if parts else None


def prompt_of(body: Body, found: Attributes) -> None:
    """Which prompt was used: by its name and version, else by a fingerprint of the instructions."""
    name, version = text_of(first(found, names.PROMPT_NAME)), text_of(first(found, names.PROMPT_VERSION))
    if name or version:
        body["prompt"] = f"{name} {version}".strip()[:128]
    elif (told := first(found, names.INSTRUCTIONS)) is not None:
        body["instructions"] = sha256(str(told).encode("utf-8", "replace")).hexdigest()[:12]


def answer_of(found: Attributes) -> str:
    """What the span answered, as plain text; empty where content is not sent."""
    told = first(found, names.ANSWER)
    if told is None and (messages := found.get(names.ANSWER_MESSAGES)) is not None:
        told = _spoken(_parsed(messages))
    if told is None and (value := found.get(names.ANSWER_VALUE)) is not None:
        told = value if found.get(names.ANSWER_TYPE) != "application/json" else _inner(value)
    if not isinstance(told, str):
        told = orjson.dumps(told).decode() if told is not None else ""
    if told[:1] in ("{", "["):
        told = _inner(told)
    return told.replace("\0", "").strip()[:TEXT]


def _spoken(messages: Any) -> str | None:
    """The text of the last message, where it is one; a call of a tool says nothing to a person."""
    last = messages[-1] if isinstance(messages, list) and messages else messages
    if not isinstance(last, dict):
        return None
    parts = last.get("parts", last.get("content"))
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list):
        return None
    texts = [str(part.get("content", part.get("text", ""))) for part in parts if isinstance(part, dict) and part.get("type", "text") == "text"]
    return "\n".join(text for text in texts if text) or None


def _inner(text: str) -> str:
    """The text inside a JSON answer: a message's content, else the JSON as it is."""
    told = _parsed(text)
    if isinstance(told, dict):
        if isinstance(content := told.get("content"), str):
            return content
        if isinstance(choices := told.get("choices"), list) and choices and isinstance(choices[0], dict) and isinstance(message := choices[0].get("message"), dict):
            return str(message.get("content") or "")
    if isinstance(told, list) and (spoken := _spoken(told)):
        return spoken
    return text


def error_of(span: HeardSpan) -> str:
    """What went wrong: the status's words, else the exception, else its type."""
    kind = text_of(span.attributes.get(names.ERROR_TYPE))
    for name, _, attributes in span.events:
        if name == "exception":
            kind = kind or text_of(attributes.get("exception.type"))
            span.error = span.error or text_of(attributes.get("exception.message"), ERROR)
    said = text_of(span.error, ERROR)
    return f"{kind}: {said}"[:ERROR] if kind and said and not said.startswith(kind) else said or kind or "the span ended in an error"


def first(found: Attributes, wanted: tuple[str, ...]) -> Any:
    """The first of these attributes that is there."""
    for name in wanted:
        value = found.get(name)
        if value is not None:
            return value
    return None


def count(value: Any) -> int | None:
    """A number of tokens; None where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value <= LARGEST:
        return None
    return int(value)


def money(value: Any) -> int | None:
    """Dollars as nano-dollars; None where it is no amount."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value * NANO <= LARGEST:
        return None
    return round(value * NANO)


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value
