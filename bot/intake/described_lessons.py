"""The description of `GET /v1/agents/{id}/lessons`, for OpenAPI and for reading."""

from __future__ import annotations

from typing import Any

LESSONS = (
    "Outputs that somebody finds bad now, or that failed in an incident: with what was asked, what was answered, reasons, corrections, trace, evaluations and incidents. "
    "One JSON object a line, in the order in which we last heard so; an output comes again when something new is said of it, so keep the last line per `output`. "
    "Needs the scope `read`. Who voted is never told; texts go through the agent's `redact` rules, and of an agent with `data: class: restricted` no text leaves at all (`withheld` is true). "
    "`Link` names the next page where there is one; `Aiops-Cursor` is where to go on another day. With `If-None-Match` an unchanged page is answered 304."
)
_TEXT = {"type": ["string", "null"]}
LESSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "agent": {"type": "string"}, "output": {"type": "string", "description": "The output's id, as the agent reported it."}, "kind": {"type": "string"},
        "at": {**_TEXT, "format": "date-time", "description": "Null: it was judged, and has not been reported yet."}, "changed_at": {"type": "string", "format": "date-time", "description": "When we last heard something against it."},
        "topic": _TEXT, "input": {**_TEXT, "description": "What the agent was asked, where it reports that."}, "text": {**_TEXT, "description": "What it answered."}, "url": _TEXT, "error": _TEXT,
        "run": _TEXT, "trace_id": _TEXT, "span_id": _TEXT, "model": _TEXT, "version": _TEXT,
        "reasons": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "How many gave which reason."},
        "comments": {"type": "array", "items": {"type": "string"}}, "corrections": {"type": "array", "items": {"type": "string"}, "description": "What it should have said."},
        "votes": {"type": "integer", "description": "How many people's votes count."}, "bad": {"type": ["integer", "null"], "description": "How many of them are bad; null below five votes."},
        "may_ask": {"type": "integer", "description": "How many of those who found it bad may be asked about it."},
        "evaluations": {"type": "array", "items": {"type": "object"}, "description": "name, score, label, good, explanation."},
        "incidents": {"type": "array", "items": {"type": "integer"}},
        "regression": {"type": "array", "items": {"type": "object"}, "description": "Where it is kept to be tried again: incident, added_at, fixed_at, fixed_in."},
        "data_class": {"type": "string", "enum": ["public", "internal", "confidential", "restricted"]}, "withheld": {"type": "boolean", "description": "Texts were left out because of the data class."},
    },
}  # fmt: skip


def paths(problem: dict[str, Any]) -> dict[str, Any]:
    """The route; `problem` is the schema of errors."""
    wrong = {"application/problem+json": {"schema": problem}}
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The agent's id."},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}, "description": "Lines of a page; a page of more than 8 MiB ends earlier."},
        {"name": "since", "in": "query", "schema": {"type": "string"}, "description": "Only what we heard from this day (2026-11-20, UTC) or time on."},
        {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "From `Link` or `Aiops-Cursor` of an earlier answer."},
        {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": "The ETag of the last answer."},
    ]
    return {
        "/v1/agents/{id}/lessons": {
            "get": {
                "summary": "Failing outputs with reasons and corrections",
                "description": LESSONS,
                "security": [{"token": []}],
                "parameters": parameters,
                "responses": {
                    "200": {"description": "One object a line; nothing where nothing failed.", "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Lesson"}}}},
                    "304": {"description": "Nothing changed since."},
                    "400": {"description": "`limit`, `since` or `cursor` cannot be read.", "content": wrong},
                    "401": {"description": "No token, or one that is not known, expired or revoked.", "content": wrong},
                    "403": {"description": "The token lacks the scope `read`.", "content": wrong},
                    "404": {"description": "There is no such agent that this token may read.", "content": wrong},
                },
            }
        }
    }
