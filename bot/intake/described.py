"""What stands beside the events in the HTTP description: pings of jobs, alerts of Alertmanager, and the gate."""

from __future__ import annotations

from html import escape
from typing import Any

from bot.checks.alerts import AGENT_LABEL, MOST, AlertIn
from bot.checks.pings import BODY
from bot.intake import described_lessons
from bot.intake.bodies import DECODED

SIGNALS = {
    "start": "A run begins.",
    "fail": "A run failed.",
    "log": "A line for the log; says nothing of how a run ends.",
    "{exit-code}": "How a run ended, from 0 (well) to 255 (any other: it failed), such as `/ping/.../$?`.",
}
PING_ANSWERS = {
    "200": "`OK`, after the commit.",
    "400": "`rid` is no UUID, or the exit code is above 255.",
    "404": "`not found`: there is no such heartbeat. They are made in aiops.yml, never by a ping (`?create=1` makes none).",
    "405": "Another method than GET, HEAD or POST.",
    "503": "It could not be stored now; see Retry-After.",
}
ALERT_ANSWERS = {
    "202": "Committed. What was refused is named; the rest is stored.",
    "400": "The body is not JSON, or not a message of Alertmanager's webhook, version 4.",
    "401": "No token, or one that is not known, expired or revoked.",
    "403": "The token lacks the scope `events`.",
    "413": f"More than {DECODED // 1024 // 1024} MiB.",
    "422": "None of the alerts could be taken; each is named with its reason.",
    "503": "The database is away: Alertmanager sends it again.",
}
_PING = (
    "For clients of healthchecks.io, and for curl in a crontab: GET, HEAD or POST, no token; the address is the secret, and "
    f"`aiops check pings` shows it. The first {BODY:,} bytes of a body are kept as evidence; longer ones are taken and cut."
)
_ALERTS = (
    f"What Alertmanager's `webhook_configs` sends (version 4, at most {MOST:,} alerts): each alert finds its agent by the label "
    f"`{AGENT_LABEL}` (or `?label=` another), and calls people where its label `severity` is `page` or `critical`. Needs the scope `events`."
)
_RID = {"name": "rid", "in": "query", "schema": {"type": "string", "format": "uuid"}, "description": "Which run, where runs overlap: the same on its start and its end."}
_CREATE = {"name": "create", "in": "query", "schema": {"type": "string"}, "description": "Taken and ignored."}
GATE: dict[str, Any] = {
    "type": "object",
    "required": ["stage", "version", "rev", "since", "reason"],
    "properties": {
        "stage": {"type": "string", "enum": ["shadow", "assisted", "autonomous", "suspended", "retired"], "description": "What it may do: `suspended` means do nothing until this changes."},
        "version": {"type": ["string", "null"], "description": "The version to work with, where one was ordered (`Roll back`); null: the newest."},
        "rev": {"type": "integer", "description": "Grows with every order."},
        "since": {"type": "string", "format": "date-time", "description": "When it was ordered."},
        "reason": {"type": "string", "description": "Why, in words."},
    },
}
_GATE = (
    "Ask before acting; the ETag is the order's number, so that asking again with If-None-Match costs nothing (304). With `wait` the answer "
    "comes as soon as something else is ordered, or 304 after so many seconds. A read with a token that names the agent confirms the order; one with a token of the whole workspace "
    "confirms nothing. `Human review` orders `assisted`, `Stop agent` orders `suspended`, `Roll back` orders a `version`, `/aiops stage` is the way back. Needs the scope `gate`."
)


REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["id", "agent", "kind", "title", "state", "decision", "answer", "action_hash"],
    "properties": {
        "id": {"type": "string", "description": "As the agent gave it, or as it was given."},
        "agent": {"type": "string"},
        "kind": {"type": "string", "enum": ["handoff", "approval"]},
        "title": {"type": "string"},
        "state": {"type": "string", "enum": ["open", "approved", "rejected", "answered", "withdrawn", "timed_out"], "description": "`open` waits for a person."},
        "decision": {"type": ["string", "null"], "enum": ["allow", "deny", None], "description": "Of an approval, once it is over; a deny also where it was taken back."},
        "answer": {"type": ["string", "null"], "description": "The person's words."},
        "answered_by": {"type": ["object", "null"], "properties": {"name": {"type": "string"}, "slack": {"type": ["string", "null"]}}},
        "asked_at": {"type": "string", "format": "date-time"},
        "answered_at": {"type": ["string", "null"], "format": "date-time"},
        "claimed_by": {"type": ["object", "null"], "properties": {"name": {"type": "string"}, "slack": {"type": ["string", "null"]}}},
        "claimed_at": {"type": ["string", "null"], "format": "date-time"},
        "answer_by": {"type": ["string", "null"], "format": "date-time", "description": "When its time is up."},
        "rule": {"type": ["string", "null"], "description": "The rule of the registry that asked."},
        "action_hash": {"type": ["string", "null"], "description": "SHA-256 of the action as JSON with sorted keys and no spaces: a yes holds for this alone."},
        "used_at": {"type": ["string", "null"], "format": "date-time", "description": "When the yes was used; it is good once, within 24 hours."},
        "undone_at": {"type": ["string", "null"], "format": "date-time", "description": "When somebody took the approval back."},
    },
}
PERMIT: dict[str, Any] = {
    "type": "object",
    "required": ["decision", "rule", "reason", "action_hash", "request"],
    "properties": {
        "decision": {"type": "string", "enum": ["allow", "ask", "deny"], "description": "`ask`: a person is asked by this very question; do nothing until the request says allow, then ask again to use it."},
        "rule": {"type": "string", "description": "The rule's name; `approval` where a person's answer decided, `stage` where the agent is stopped, `none` where no rule fits."},
        "reason": {"type": "string"},
        "action_hash": {"type": "string"},
        "request": {"oneOf": [{"$ref": "#/components/schemas/AskedRequest"}, {"type": "null"}]},
    },
}
_PERMIT = (
    "Ask before writing anything: the rules under `permissions` in aiops.yml answer, first match first. A yes of a person holds for exactly the action that "
    "was shown, once, within 24 hours; asking again uses it. A no holds for an hour for the same action (for ever for the same `id`). Needs the scope `permissions`."
)
_ANSWER = "What the person answered. With `?wait=30` the answer comes as soon as it is there, at the latest after so many seconds. Needs the scope `read`."


def schemas() -> dict[str, Any]:
    """The shapes that these routes take and give."""
    alert = AlertIn.model_json_schema()
    alert["description"] = "One alert; fields that Alertmanager may add are passed over."
    message = {
        "type": "object",
        "required": ["version", "alerts"],
        "properties": {
            "version": {"const": "4"},
            "alerts": {"type": "array", "maxItems": MOST, "items": {"$ref": "#/components/schemas/Alert"}},
            "truncatedAlerts": {"type": "integer", "description": "How many Alertmanager left out: told with the problem."},
        },
    }
    refusal = {
        "type": "object",
        "properties": {
            "index": {"type": "integer"},
            "fingerprint": {"type": ["string", "null"]},
            "field": {"type": ["string", "null"]},
            "code": {"type": "string", "enum": ["bad_value", "no_agent", "not_allowed", "unknown_agent", "missing_field"]},
            "message": {"type": "string"},
        },
        "required": ["index", "fingerprint", "field", "code", "message"],
    }
    taken = {
        "type": "object",
        "properties": {
            "accepted": {"type": "integer", "description": "Understood and kept."},
            "stale": {"type": "integer", "description": "Of those, older than what is known: nothing changed."},
            "truncated": {"type": "integer", "description": "Left out by Alertmanager."},
            "unknown_agents": {"type": "array", "items": {"type": "string"}},
            "refused": {"type": "array", "items": refusal},
        },
        "required": ["accepted", "stale", "truncated", "unknown_agents", "refused"],
    }
    return {"Alert": alert, "Alerts": message, "AlertsTaken": taken, "Gate": GATE, "AskedRequest": REQUEST, "Permit": PERMIT, "Lesson": described_lessons.LESSON}


def paths() -> dict[str, Any]:
    """The routes of this page."""
    found: dict[str, Any] = {}
    uuid = [{"name": "uuid", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}, "description": "The heartbeat's own address."}]
    named = [
        {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The agent's ping key."},
        {"name": "check", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The heartbeat's name in aiops.yml."},
    ]
    word = {"name": "signal", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^(start|fail|log|\\d{1,3})$"}, "description": " ".join(f"`{name}`: {words}" for name, words in SIGNALS.items())}
    for place, given in (("/ping/{uuid}", uuid), ("/ping/{key}/{check}", named)):
        found[place] = _ping([*given, _RID, _CREATE], "A run ended well")
        found[f"{place}/{{signal}}"] = _ping([*given, word, _RID, _CREATE], "A run began, failed, logged, or ended with an exit code")
    found["/v1/alerts"] = {
        "post": {
            "summary": "Alerts of a Prometheus Alertmanager",
            "description": _ALERTS,
            "security": [{"token": []}],
            "parameters": [{"name": "label", "in": "query", "schema": {"type": "string", "default": AGENT_LABEL}, "description": "The label that names the agent."}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Alerts"}}}},
            "responses": {status: _answer(status, words, "AlertsTaken") for status, words in ALERT_ANSWERS.items()},
        }
    }
    found["/v1/agents/{id}/gate"] = {
        "get": {
            "summary": "What an agent has to obey now",
            "description": _GATE,
            "security": [{"token": []}],
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The agent's id."},
                {"name": "wait", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 60, "default": 0}, "description": "With If-None-Match: how many seconds to wait for another order; more than 60 is 60."},
                {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "description": "The ETag of the last answer."},
            ],
            "responses": {
                "200": _answer("200", "The stage, since when and why.", "Gate"),
                "304": {"description": "Nothing was ordered since."},
                "400": _answer("400", "`wait` is no number of seconds.", ""),
                "401": _answer("401", ALERT_ANSWERS["401"], ""),
                "403": _answer("403", "The token lacks the scope `gate`.", ""),
                "404": _answer("404", "There is no such agent that this token may ask about.", ""),
            },
        }
    }
    return {**found, **_asking(), **described_lessons.paths({"$ref": "#/components/schemas/Problem"})}


def _asking() -> dict[str, Any]:
    """The routes of permissions and answers."""
    errors = {"401": _answer("401", ALERT_ANSWERS["401"], ""), "404": _answer("404", "There is no such agent or request that this token may ask about.", "")}
    action = {"$ref": "#/components/schemas/ActionPart"}
    question = {
        "type": "object",
        "required": ["agent", "action"],
        "properties": {
            "agent": {"type": "string"}, "action": action,
            "id": {"type": "string", "maxLength": 128, "description": "Of the request, where a person has to be asked."},
            "title": {"type": "string", "maxLength": 300}, "context": {"$ref": "#/components/schemas/RequestContext"},
            "triggered_by": {"type": "string", "description": "Who had the agent do this (Slack id or e-mail): they may not approve it."},
            "deadline": {"type": "string", "format": "date-time"},
        },
    }  # fmt: skip
    places = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": words} for name, words in (("agent", "The agent's id."), ("id", "The request's id."))]
    wait = {"name": "wait", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 60}, "description": "Seconds to wait for an answer."}
    return {
        "/v1/permissions/check": {
            "post": {
                "summary": "May the agent do exactly this?",
                "description": _PERMIT,
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": question}}},
                "responses": {
                    "200": _answer("200", "allow, ask or deny, with the rule.", "Permit"),
                    **errors,
                    "403": _answer("403", "The token lacks the scope `permissions`.", ""),
                    "409": _answer("409", "The id belongs to a request for another action.", ""),
                    "422": _answer("422", "The question cannot be read; the field is named.", ""),
                    "503": _answer("503", "The database is away: do nothing, and ask again.", ""),
                },
            }
        },
        "/v1/agents/{agent}/requests/{id}": {
            "get": {
                "summary": "What a person answered",
                "description": _ANSWER,
                "security": [{"token": []}],
                "parameters": [*places, wait],
                "responses": {
                    "200": _answer("200", "The request as it stands.", "AskedRequest"),
                    **errors,
                    "400": _answer("400", "`wait` is no number of seconds from 0 to 60.", ""),
                    "403": _answer("403", "The token lacks the scope `read`.", ""),
                },
            }
        },
    }


def _ping(parameters: list[dict[str, Any]], summary: str) -> dict[str, Any]:
    answers = {status: {"description": words, "content": {"text/plain": {"schema": {"type": "string"}}}} for status, words in PING_ANSWERS.items()}
    told = {"summary": summary, "description": _PING, "parameters": parameters, "responses": answers}
    body = {"required": False, "content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Evidence: the output of the job, for example."}
    return {"get": told, "head": told, "post": {**told, "requestBody": body}}


def _answer(status: str, words: str, good: str) -> dict[str, Any]:
    kind, schema = ("application/json", good) if status in ("200", "202") else ("application/problem+json", "Problem")
    return {"description": words, "content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def sections() -> str:
    """The same as parts of a page to read."""
    ping = [(f"/{name}", words) for name, words in SIGNALS.items()]
    parts = ["<h2 id='ping'>GET, HEAD, POST /ping/{uuid}</h2><p>", code(_PING), "</p><p>", code("Also as `/ping/{key}/{check}`, by the agent's ping key and the heartbeat's name. Nothing after the address: a run ended well. After it:"), "</p>", table(ping)]
    parts.append("<pre>0 3 * * *  /usr/local/bin/nightly; curl -fsS -m 10 --retry 5 -o /dev/null http://127.0.0.1:8080/ping/UUID/$?</pre>")
    parts += ["<h3>Answers</h3>", table(PING_ANSWERS.items())]
    parts += ["<h2 id='alerts'>POST /v1/alerts</h2><p>", code(_ALERTS), "</p>", table(ALERT_ANSWERS.items()), f"<pre>{escape(_EXAMPLE)}</pre>"]
    parts += ["<h2 id='gate'>GET /v1/agents/{id}/gate</h2><p>", code(_GATE), "</p>", table((name, found["description"]) for name, found in GATE["properties"].items())]
    parts += ["<h2 id='permissions'>POST /v1/permissions/check</h2><p>", code(_PERMIT), "</p>", f"<pre>{escape(_QUESTION)}</pre>", table((name, each.get("description", "The request, where a person is asked.")) for name, each in PERMIT["properties"].items() if name != "action_hash")]
    parts += ["<h2 id='requests'>GET /v1/agents/{agent}/requests/{id}</h2><p>", code(_ANSWER), "</p>", table((name, each["description"]) for name, each in REQUEST["properties"].items() if "description" in each)]
    told = described_lessons.LESSON["properties"].items()
    parts += ["<h2 id='lessons'>GET /v1/agents/{id}/lessons</h2><p>", code(described_lessons.LESSONS), "</p>", table((name, each["description"]) for name, each in told if "description" in each)]
    return "".join(parts)


def table(rows: Any) -> str:
    return "<table>" + "".join(f"<tr><td><code>{escape(name)}</code></td><td>{code(words)}</td></tr>" for name, words in rows) + "</table>"


def code(text: str) -> str:
    """Escaped, with `code` shown as such."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


_QUESTION = """curl -X POST -H 'Authorization: Bearer aiops_...' -H 'Content-Type: application/json' http://127.0.0.1:8080/v1/permissions/check \\
  -d '{"agent": "support-triage", "action": {"name": "refund.create", "on": "order/1234", "as": "svc-triage@example.com", "params": {"amount": 120}}}'"""
_EXAMPLE = """receivers:
  - name: aiops
    webhook_configs:
      - url: http://127.0.0.1:8080/v1/alerts
        max_alerts: 1000
        http_config: {authorization: {credentials: aiops_...}}"""
