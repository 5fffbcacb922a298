"""Who lives in the local workspace: people, groups and channels, as the workspace's seed document."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

from bot.agents.spec import RegistrySpec

NOTE = "A made-up company with 18 made-up agents. All history is synthetic, and nothing leaves this machine."
SETTLING = (
    "A made-up company with 18 made-up agents is moving in: a month of synthetic history is being read, and nothing leaves this machine. "
    "The first summaries and a page appear here within half a minute. Meanwhile, try the picture at the top right: it lets you look as somebody else."
)
BOT_USER = "U0AIOPS"
APP_ID = "A0AIOPS"

# name, real name, title, zone, more
_PEOPLE: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
    ("hala", "Hala Mansour", "Chief operating officer", "Asia/Beirut", {}),
    ("maya", "Maya Haddad", "Head of customer service", "Asia/Beirut", {}),
    ("omar", "Omar Nassar", "Support operations", "Asia/Beirut", {}),
    ("lea", "Lea Khoury", "Support team lead", "Asia/Beirut", {}),
    ("sami", "Sami Aoun", "IT operations", "Europe/Paris", {}),
    ("nour", "Nour Saab", "Head of growth", "Asia/Beirut", {}),
    ("karim", "Karim Daher", "Platform engineer", "Europe/Berlin", {}),
    ("rita", "Rita Sfeir", "Marketing operations", "Asia/Beirut", {}),
    ("jad", "Jad Rahme", "Finance systems", "Asia/Beirut", {}),
    ("tarek", "Tarek Issa", "Head of engineering", "Asia/Beirut", {}),
    ("dana", "Dana Fares", "Support agent", "Asia/Beirut", {}),
    ("ziad", "Ziad Maalouf", "Support agent", "Asia/Beirut", {}),
    ("yara", "Yara Najjar", "Sales", "America/New_York", {}),
    ("fadi", "Fadi Chami", "Accountant", "Asia/Beirut", {}),
    ("gina", "Gina Petit", "Contractor (guest)", "Europe/Paris", {"is_restricted": True}),
)
_CHANNELS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("support-ai", "C0SUPPORT", "The agents of customer service", ("maya", "omar", "lea", "sami", "dana", "ziad", "hala", "gina")),
    ("growth-ai", "C0GROWTH", "The agents of sales and marketing", ("nour", "karim", "rita", "yara", "hala")),
    ("finance-ai", "C0FINANCE", "The agents of finance", ("hala", "jad", "tarek", "fadi")),
    ("it-ai", "C0ITOPS", "The agents of engineering and IT", ("tarek", "karim", "sami")),
    ("ai-leads", "C0LEADS", "Where the leads look", ("hala", "maya", "nour", "tarek")),
    ("general", "C0GENERAL", "Everybody", ("hala", "maya", "omar", "lea", "sami", "nour", "karim", "rita", "jad", "tarek", "dana", "ziad", "yara", "fadi")),
)


def town(manifest: dict[str, Any], *, bot_token: str, app_token: str, signing_secret: str, request_url: str) -> dict[str, Any]:
    """The seed document of the local workspace; ids are `U0` and the name, so that aiops.yml can name people by id."""
    people = [
        {"id": f"U0{name.upper()}", "name": name, "real_name": real, "title": title, "email": f"{name}@cedar.example", "tz": zone, **more}
        for name, real, title, zone, more in _PEOPLE
    ]
    channels = [
        {"id": channel_id, "name": name, "topic": topic, "members": [*(f"U0{each.upper()}" for each in members), *([BOT_USER] if name != "general" else [])]}
        for name, channel_id, topic, members in _CHANNELS
    ]
    app = {
        "manifest": manifest, "id": APP_ID, "bot_user_id": BOT_USER, "bot_token": bot_token, "app_token": app_token,
        "signing_secret": signing_secret, "request_url": request_url,
    }  # fmt: skip
    groups = [{"id": "S0LEADS", "handle": "ai-leads", "name": "AI leads", "users": ["U0HALA", "U0TAREK"]}]
    return {"people": people, "apps": [app], "channels": channels, "groups": groups}


def fleet_text() -> str:
    """The demo's aiops.yml."""
    return resources.files("bot.demo").joinpath("fleet.yml").read_text("utf-8")


def fleet() -> RegistrySpec:
    """The demo's registry, parsed."""
    return RegistrySpec.model_validate(yaml.safe_load(fleet_text()))
