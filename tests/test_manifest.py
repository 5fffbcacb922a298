from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import bot
from bot.clock import RandomIds
from bot.doctor.scopes import EVENTS, SCOPES
from bot.people import directory
from bot.people.directory import Team

ROOT = Path(__file__).parents[1]
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text())
OAUTH = MANIFEST["oauth_config"]["scopes"]
HEARD = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
# The surface's edge itself answers these, whatever rooms there are.
OF_THE_EDGE = {"app_mention", "app_home_opened", "message.im"}
# What a room calls "message" comes by two subscriptions; direct messages belong to the edge.
SUBSCRIPTIONS = {"message": {"message.channels", "message.groups"}}
# Scopes by method, from Slack's reference of each; auth.test, views.* and apps.connections.open need none.
NEEDED_BY_METHOD = {
    "chat.postMessage": {"chat:write"}, "chat.postEphemeral": {"chat:write"}, "chat.update": {"chat:write"}, "chat.delete": {"chat:write"},
    "conversations.open": {"im:write"}, "conversations.list": {"channels:read", "groups:read"}, "conversations.info": {"channels:read", "groups:read"},
    "conversations.history": {"channels:history", "groups:history", "im:history"}, "conversations.replies": {"channels:history", "groups:history", "im:history"},
    "users.list": {"users:read", "users:read.email"}, "users.info": {"users:read", "users:read.email"}, "usergroups.list": {"usergroups:read"}, "dnd.teamInfo": {"dnd:read"},
    "files.completeUploadExternal": {"files:write"},
    "files.getUploadURLExternal": {"files:write"},
}  # fmt: skip


def edges() -> list[Any]:
    """Every room's Slack edge."""
    names = [module.name for module in pkgutil.walk_packages(bot.__path__, "bot.") if module.name.endswith(".slack") and ".workspace" not in module.name]
    return [importlib.import_module(name) for name in names]


def listened_to() -> set[str]:
    team = Team("T0HOME", "U0BOT")
    found = set(directory.events_of(team)) | OF_THE_EDGE
    for edge in edges():
        found.update(getattr(edge, "EVENTS", {}))
        if hasattr(edge, "events_of"):
            found.update(edge.events_of(team))
    return {each for name in found for each in SUBSCRIPTIONS.get(name, {name})}


def test_slack_would_take_the_manifest() -> None:
    folder = os.environ.get("AIOPS_TEST_DATA")
    if not folder:
        pytest.skip("AIOPS_TEST_DATA names no folder, so there is no schema of Slack's to hold the manifest against")
    schema = json.loads((Path(folder) / "slack-manifest.schema.2.0.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(MANIFEST)


def test_the_scopes_are_exactly_those_that_are_explained() -> None:
    assert OAUTH["bot"] == [scope.name for scope in SCOPES.values() if not scope.optional]
    assert OAUTH["bot_optional"] == [scope.name for scope in SCOPES.values() if scope.optional]


def test_the_events_are_exactly_those_that_somebody_listens_to() -> None:
    assert sorted(HEARD) == sorted(listened_to())
    assert sorted(HEARD) == sorted(EVENTS)


def test_every_event_has_a_scope_that_lets_it_through() -> None:
    asked = {*OAUTH["bot"], *OAUTH["bot_optional"]}
    assert [name for name, heard in EVENTS.items() if heard.scopes and not asked & set(heard.scopes)] == []


def test_every_scope_is_used_by_a_call_or_an_event() -> None:
    sources = [path.read_text() for path in (ROOT / "bot").rglob("*.py") if "workspace" not in path.parts]
    called = {method for method in NEEDED_BY_METHOD for text in sources if f'"{method}"' in text or f".{_snake(method)}(" in text}
    assert called == set(NEEDED_BY_METHOD), "a method that nobody calls any more needs no scope"
    used = {scope for method in called for scope in NEEDED_BY_METHOD[method]}
    used |= {scope for heard in EVENTS.values() for scope in heard.scopes}
    used |= {"commands"}  # the slash command and the shortcuts
    assert used == set(SCOPES)


def test_no_method_is_called_whose_scope_nobody_looked_up() -> None:
    sources = {path: path.read_text() for path in (ROOT / "bot").rglob("*.py") if "workspace" not in path.parts}
    method = re.compile(r'\.call\("([a-z]+\.[A-Za-z.]+)"|"((?:chat|conversations|users|usergroups|reactions|team|dnd|pins|bookmarks)\.[a-z][A-Za-z]+)"')
    called = {found for text in sources.values() for pair in method.findall(text) for found in pair if found}
    assert called <= {*NEEDED_BY_METHOD, "auth.test"}


def test_the_command_and_the_shortcuts_have_handlers() -> None:
    shortcuts = {name for edge in edges() for name in getattr(edge, "SHORTCUTS", {})}
    words = {name for edge in edges() for name in getattr(edge, "WORDS", {})}
    assert {each["callback_id"] for each in MANIFEST["features"]["shortcuts"]} == shortcuts
    command = MANIFEST["features"]["slash_commands"][0]
    assert command["command"] == "/aiops"
    told = {word.strip() for word in command["usage_hint"].strip("[]").split("|")}
    assert told <= words
    assert "" in words, "words nobody knows get an answer too"


def test_the_forms_that_can_be_opened_can_be_submitted() -> None:
    from bot.agents.slack import views
    from bot.handover.slack import views as handover_views

    made = (RandomIds(), "http://127.0.0.1:8080")
    ids = {*views(*made), *handover_views(*made), *(name for edge in edges() for name in getattr(edge, "VIEWS", {}))}
    texts = "".join(path.read_text() for path in (ROOT / "bot").rglob("*.py"))
    opened = set(re.findall(r'callback_id="([a-z_]+\.[a-z_]+)"', texts)) - {"surface.told", "agents.added", "handover.back", "feedback.read"}  # these only tell
    assert opened <= ids, opened - ids


def _snake(method: str) -> str:
    return method.replace(".", "_")
