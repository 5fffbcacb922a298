"""The HTTP description, made from the same types that judge the events, and a page that reads well without any script."""

from __future__ import annotations

from html import escape
from typing import Any

import orjson
from pydantic.json_schema import models_json_schema

from bot import __version__
from bot.intake import described
from bot.intake.bodies import DECODED, EVENTS
from bot.intake.described import code
from bot.intake.events import EXAMPLES, KINDS, LATER
from bot.intake.telemetry import described as telemetry

_REFUSAL = {
    "type": "object",
    "properties": {
        "index": {"type": "integer", "description": "Its place in the request, from 0."},
        "id": {"type": ["string", "null"]},
        "field": {"type": ["string", "null"], "description": "Dotted, such as cost.amount."},
        "code": {"type": "string", "description": "For programs, such as unknown_agent."},
        "message": {"type": "string", "description": "For people, with the remedy."},
    },
    "required": ["index", "id", "field", "code", "message"],
}
_TAKEN = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer", "description": "Stored now."},
        "duplicates": {"type": "integer", "description": "Were stored before, with the same content."},
        "refused": {"type": "array", "items": {"$ref": "#/components/schemas/Refusal"}},
    },
    "required": ["accepted", "duplicates", "refused"],
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "properties": {name: {"type": "string"} for name in ("type", "title", "detail", "code")} | {"status": {"type": "integer"}},
    "required": ["type", "title", "status", "detail", "code"],
}
ANSWERS = {
    "202": "Committed. What was refused is named; the rest is stored.",
    "400": "The body is not JSON or not valid gzip.",
    "401": "No token, or one that is not known, expired or revoked.",
    "403": "The token lacks the scope `events`.",
    "413": f"More than {DECODED // 1024 // 1024} MiB after inflating, or more than {EVENTS:,} events.",
    "415": "A content-type or content-encoding that is not taken.",
    "422": "None of the events could be taken; each is named with its reason.",
    "429": "Too much waits to be stored; see Retry-After.",
    "503": "The database is away; see Retry-After.",
}


def describe() -> dict[str, Any]:
    """The OpenAPI document."""
    _, made = models_json_schema([(kind, "validation") for kind in KINDS.values()], ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = made["$defs"] | {"Refusal": _REFUSAL, "Taken": _TAKEN, "Problem": _PROBLEM}
    names = {name: kind.__name__ for name, kind in KINDS.items()}
    schemas["Event"] = {
        "oneOf": [{"$ref": f"#/components/schemas/{model}"} for model in names.values()],
        "discriminator": {"propertyName": "type", "mapping": {name: f"#/components/schemas/{model}" for name, model in names.items()}},
    }
    event = {"$ref": "#/components/schemas/Event"}
    examples = {name: {"value": example} for name, example in EXAMPLES.items()}

    def answer(status: str) -> dict[str, Any]:
        good = status == "202"
        kind, schema = ("application/json", "Taken") if good else ("application/problem+json", "Problem")
        return {"description": ANSWERS[status], "content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}

    return {
        "openapi": "3.1.0",
        "info": {"title": "aiops-bot", "version": __version__, "description": "What agents report to their operations layer."},
        "paths": {
            "/v1/events": {
                "post": {
                    "summary": "Report events",
                    "description": "One event, an array, or NDJSON; gzip allowed. Answered after the commit. One bad event never blocks the good ones.",
                    "security": [{"token": []}],
                    "parameters": [{"name": "dry_run", "in": "query", "schema": {"type": "string", "enum": ["1"]}, "description": "Judge only, store nothing."}],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {"schema": {"oneOf": [event, {"type": "array", "items": event, "maxItems": EVENTS}]}, "examples": examples},
                            "application/x-ndjson": {"schema": {"type": "string", "description": "One event per line."}},
                        },
                    },
                    "responses": {status: answer(status) for status in ANSWERS},
                }
            },
            **telemetry.paths(),
            **described.paths(),
            "/v1/whoami": {
                "get": {
                    "summary": "What this token may do",
                    "security": [{"token": []}],
                    "responses": {"200": {"description": "Its scopes and agents.", "content": {"application/json": {"schema": {"type": "object"}}}}, "401": answer("401")},
                }
            },
        },
        "components": {
            "schemas": {**schemas, **described.schemas()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "aiops_<id>_<secret>, made by `aiops token`."}},
        },
    }


def page(document: dict[str, Any]) -> str:
    """The same as a page to read: no script, nothing from another host."""
    parts = [_HEAD, f"<h1>aiops-bot <small>{escape(document['info']['version'])}</small></h1>"]
    parts.append("<p>What agents report to their operations layer. Machine-readable: <a href='/openapi.json'>/openapi.json</a>.</p>")
    parts.append("<h2>POST /v1/events</h2><p>" + escape(document["paths"]["/v1/events"]["post"]["description"]) + "</p>")
    curl = "curl -X POST -H 'Authorization: Bearer aiops_...' -H 'Content-Type: application/json' \\\n  -d '" + _dump(EXAMPLES["run"]) + "' http://127.0.0.1:8080/v1/events"
    parts.append(f"<pre>{escape(curl)}</pre><p><code>?dry_run=1</code> judges and stores nothing.</p><h3>Answers</h3><table>")
    parts += [f"<tr><td><code>{status}</code></td><td>{code(words)}</td></tr>" for status, words in ANSWERS.items()]
    parts.append("</table>")
    for name, kind in KINDS.items():
        schema = document["components"]["schemas"][kind.__name__]
        parts.append(f"<h3 id='{name}'>{name}</h3><p>{escape(kind.__doc__ or '')}</p><table>")
        for field, found in schema["properties"].items():
            needed = " <b>needed</b>" if field in schema.get("required", []) else ""
            parts.append(f"<tr><td><code>{escape(field)}</code>{needed}</td><td>{code(_shape(found))}</td><td>{code(found.get('description', ''))}</td></tr>")
        parts.append(f"</table><pre>{escape(_dump(EXAMPLES[name]))}</pre>")
    if LATER:
        parts.append(f"<p>Known by name, not yet accepted by this version: {', '.join(LATER)}.</p>")
    parts.append(telemetry.section(described.table, described.code))
    parts.append(described.sections())
    parts.append("<h2>GET /v1/whoami</h2><p>What this token may do: its scopes, its agents, when it expires.</p>")
    return "".join([*parts, "</main></html>"])


def _shape(found: dict[str, Any]) -> str:
    """The type of a field, in few words."""
    if "anyOf" in found:
        return ", or ".join("null" if each.get("type") == "null" else _shape(each) for each in found["anyOf"])
    if "const" in found:
        return f"`{found['const']}`"
    if "enum" in found:
        return " ".join(f"`{each}`" for each in found["enum"])
    if "$ref" in found:
        return str(found["$ref"]).rsplit("/", 1)[1]
    words = {"date-time": "time with zone"}.get(found.get("format", ""), found.get("type", "anything"))
    return f"{words}, at most {found['maxLength']} characters" if "maxLength" in found else str(words)


def _dump(example: dict[str, Any]) -> str:
    return orjson.dumps(example).decode()


_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>aiops-bot: HTTP</title><style>
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0}main{max-width:60rem;margin:0 auto;padding:2rem 1rem}
pre{overflow:auto;padding:.8rem;border:1px solid #8884;border-radius:6px;white-space:pre-wrap;word-break:break-word}
table{border-collapse:collapse;width:100%}td{border-top:1px solid #8884;padding:.3rem .5rem .3rem 0;vertical-align:top}
code{font:.9em ui-monospace,monospace}small{font-weight:400;opacity:.6}
</style><main>"""
