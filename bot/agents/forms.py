"""The forms of `/aiops agent`: adding one, and naming another owner: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bot.agents.names import ROLE_WORDS, ROLES
from bot.blocks import Block, clip, context, escape, input_block, modal, option, section, select, text_input


@dataclass(frozen=True)
class Template:
    """A starter set of sensible checks."""

    title: str
    about: str
    checks: dict[str, dict[str, Any]]
    outputs: dict[str, Any]


_RUNS = {"kind": "run_failed", "severity": "page", "why": "a failed run is work that nobody did"}
_QUALITY = {"kind": "quality", "severity": "notice", "why": "whether its work is worth using"}
TEMPLATES = {
    "answers": Template(
        "Answers people",
        "Failed runs and silence call you; quality is watched",
        {"runs": _RUNS, "silence": {"kind": "no_data", "severity": "page", "within": "8h", "why": "people wait for its answers"}, "quality": _QUALITY},
        {"post": "sample 10/day"},
    ),
    "nightly": Template(
        "Nightly job",
        "A failed or missing night calls you",
        {"runs": _RUNS, "nightly": {"kind": "no_data", "severity": "page", "of": "run", "within": "26h", "always": True, "why": "it should run every night"}, "quality": _QUALITY},
        {"post": "sample 5/day"},
    ),
    "api": Template(
        "API service",
        "Failed runs and an address that does not answer call you",
        {"runs": _RUNS, "alive": {"kind": "http", "severity": "page", "why": "others call it"}, "quality": _QUALITY},
        {"post": "none"},
    ),
    "none": Template("No checks yet", "Only what it reports is counted", {}, {"post": "none"}),
}


def checks_of(template: str, url: str) -> dict[str, dict[str, Any]]:
    """The template's checks, with the address where one asks for it."""
    return {name: {**check, "url": url} if check["kind"] == "http" else dict(check) for name, check in TEMPLATES[template].checks.items()}


def _person(action_id: str, initial: str = "") -> dict[str, Any]:
    chosen: dict[str, Any] = {"type": "users_select", "action_id": action_id, "placeholder": {"type": "plain_text", "text": "Choose a person"}}
    return {**chosen, "initial_user": initial} if initial else chosen


def _channel(action_id: str, initial: str = "") -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "type": "conversations_select", "action_id": action_id, "placeholder": {"type": "plain_text", "text": "Choose a channel"},
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
    }  # fmt: skip
    return {**chosen, "initial_conversation": initial} if initial else chosen


def add_view(*, me: str, channel: str = "", name: str = "", unowned: int = 0) -> dict[str, Any]:
    """Adding an agent: the two owners are asked at once, and must say yes themselves."""
    templates = [option(each.title, name, each.about) for name, each in TEMPLATES.items()]
    return modal(
        "Add an agent",
        [
            section("An agent is any AI system that does work here. Two people answer for it, and each is asked to accept."),
            input_block("name", "Name", text_input("name", most=120, placeholder="Support triage", initial=name), hint="As people call it"),
            input_block("department", "Department", text_input("department", most=120, placeholder="Customer service"), optional=True),
            input_block("business", "Business owner", _person("business", me), hint="Answers for the outcome: is its work worth using?"),
            input_block("operations", "Operations owner", _person("operations"), hint="Keeps it running, and is called first when a check fails"),
            input_block("channel", "Channel", _channel("channel", channel), hint="Where its daily summary and its pages are shown"),
            input_block("template", "What kind of agent is it?", select("template", templates, initial="answers"), hint="Decides its first checks; change them later in aiops.yml"),
            input_block("url", "Address to watch", text_input("url", most=2000, placeholder="https://agent.example.com/health"), optional=True, hint="For an API service only"),
            input_block("runbook", "Runbook", text_input("runbook", most=2000, placeholder="A link, or what to do in a sentence"), optional=True),
        ],
        callback_id="agents.add",
        submit="Add",
        metadata=f"unowned:{unowned}" if unowned else "",
    )


def add_mistakes(values: dict[str, Any]) -> dict[str, str]:
    """What is wrong in the submitted form, by block; whether Slack knows the people is asked elsewhere."""
    wrong: dict[str, str] = {}
    name = str(values.get("name") or "").strip()
    if not re.search(r"\w", name):
        wrong["name"] = "Write the name people call it by."
    for role in ("business", "operations"):
        if not values.get(role):
            wrong[role] = "Choose a person: an agent is never without its owners."
    if not values.get("channel"):
        wrong["channel"] = "Choose a channel."
    template, url = str(values.get("template") or ""), str(values.get("url") or "").strip()
    if template not in TEMPLATES:
        wrong["template"] = "Choose what kind of agent it is."
    elif any(check["kind"] == "http" for check in TEMPLATES[template].checks.values()):
        if not url:
            wrong["url"] = "An API service is watched at an address: write it here, or choose another kind."
        elif not re.match(r"^https?://[^\s/]+", url):
            wrong["url"] = "Write the whole address, beginning with https://."
    elif url:
        wrong["url"] = "Only an API service has an address to watch: choose that kind, or empty this."
    return wrong


def curl_line(base_url: str, slug: str, token: str, now: datetime) -> str:
    """The first event, ready to paste into a terminal."""
    event = orjson.dumps({"id": f"hello-{int(now.timestamp())}", "type": "run", "agent": slug, "at": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "status": "ok"}).decode()
    return f"curl -sS {base_url}/v1/events -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{event}'"


def otel_lines(base_url: str, token: str) -> str:
    """The two variables by which any OpenTelemetry exporter finds us (over HTTP, which nearly all speak unasked)."""
    return f"OTEL_EXPORTER_OTLP_ENDPOINT={base_url}\nOTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{token}"


def added_view(*, name: str, slug: str, channel: str, in_channel: bool, token: str, curl: str, otel: str = "") -> dict[str, Any]:
    """Shown once, to the person who added the agent alone: the token is kept nowhere."""
    blocks: list[Block] = [
        section(f"*{escape(name)}* is here, with the id `{slug}`. Its owners are being asked to accept, and <#{channel}> shows it."),
        section("*Its token.* Copy it now: it is shown this once and kept nowhere. It may send events and telemetry of this agent and do nothing else."),
        section(f"```{token}```"),
        section("*Say hello.* Paste this into a terminal; I answer in the channel as soon as I hear it."),
        section(f"```{escape(curl)}```"),
    ]
    if otel:
        blocks += [section("*Or let it speak OpenTelemetry.* Two variables for its program, nothing else:"), section(f"```{escape(otel)}```")]
    if not in_channel:
        blocks.append(section(f"I am not in <#{channel}> yet. Please invite me there: `/invite @aiops`."))
    blocks.append(context(f"Everything about it: `/aiops agent {slug}`. To keep it in a file: `aiops export config`."))
    return modal("Agent added", blocks, callback_id="agents.added", close="I have copied it")


def name_view(*, agent: str, slug: str, role: str, stands: str) -> dict[str, Any]:
    """Naming another owner: a hand-over that the new person must accept."""
    roles = [option(ROLE_WORDS[each].capitalize(), each) for each in ROLES]
    return modal(
        "Name an owner",
        [
            section(f"*{escape(agent)}*\n{stands}"),
            input_block("role", "Role", select("role", roles, initial=role or "operations")),
            input_block("person", "Who shall have it", _person("person"), optional=True, hint="They are asked to accept; who has it now stays until then. Leave it empty to end the backup or the sponsor."),
        ],
        callback_id="agents.name",
        submit="Ask them",
        metadata=clip(slug, 100),
    )
