"""A small town for the registry's tests: people, a user group and channels as Slack's directory tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.files import Read, read_text
from bot.people.directory import Team, take_channel, take_group, take_user
from bot.people.flows import Actor, actor_of, find_person
from bot.surface.press import Press
from bot.tables import OutMessage, Person
from bot.workspace.blocks import check_blocks, check_view

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TEAM = Team("T0HOME", "U0BOT")


class AnyKind(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: str
    severity: str = "page"
    why: str = ""
    within: str = "1d"


KINDS: dict[str, type[BaseModel]] = {"run_failed": AnyKind, "no_data": AnyKind, "quality": AnyKind}


def user(slack_id: str, name: str, **given: Any) -> dict[str, Any]:
    profile = {"display_name": name, "email": given.pop("email", f"{name.lower()}@example.com")}
    return {"id": slack_id, "team_id": "T0HOME", "name": name.lower(), "tz": "Asia/Beirut", "profile": profile, **given}


def settle_town(tx: Session) -> None:
    """Maya, Omar, Lea, Sam and Hala are members; Gus is a guest, Dan is gone."""
    for slack_id, name in (("U0MAYA", "Maya"), ("U0OMAR", "Omar"), ("U0LEA", "Lea"), ("U0SAM", "Sam"), ("U0HALA", "Hala")):
        take_user(tx, user(slack_id, name), TEAM, NOW)
    take_user(tx, user("U0GUS", "Gus", is_restricted=True), TEAM, NOW)
    take_user(tx, user("U0DAN", "Dan", deleted=True), TEAM, NOW)
    take_group(tx, {"id": "S0LEADS", "handle": "ai-leads", "name": "AI leads", "users": ["U0HALA"]}, TEAM)
    take_group(tx, {"id": "S0EMPTY", "handle": "nobody-here", "name": "Nobody", "users": []}, TEAM)
    take_channel(tx, {"id": "C0SUP", "name": "support-ai", "is_member": True}, TEAM)
    take_channel(tx, {"id": "C0FIN", "name": "finance-ai", "is_member": False}, TEAM)
    take_channel(tx, {"id": "C0OLD", "name": "old", "is_archived": True}, TEAM)


FILE = """
workspace: {timezone: Asia/Beirut, leads: ["@ai-leads"]}
people:
  omar: {slack: U0OMAR, pagerduty: key1, wake: [pagerduty]}
agents:
  support-triage:
    name: Support triage
    department: Customer service
    about: Sorts incoming tickets.
    stage: autonomous
    owners: {business: maya@example.com, operations: omar}
    channel: "#support-ai"
    runbook: https://wiki.example.com/support
    checks:
      runs: {kind: run_failed}
"""


def read(text: str = FILE) -> Read:
    return read_text(text, KINDS)


def person(tx: Session, slack_id: str) -> Person:
    found = find_person(tx, slack_id)
    assert found is not None
    return found


def actor(tx: Session, slack_id: str) -> Actor:
    return actor_of(person(tx, slack_id))


def press(tx: Session, slack_id: str, name: str, value: str = "", **given: Any) -> Press:
    return Press(actor=actor(tx, slack_id), now=given.pop("now", NOW), came_from=given.pop("came_from", "button"), name=name, value=value, **given)


def messages_to(tx: Session, target: str) -> list[OutMessage]:
    """What was said to a person or channel, in order; every one is held against Slack's limits."""
    rows = list(tx.scalars(select(OutMessage).where(OutMessage.target == target).order_by(OutMessage.id)))
    for row in rows:
        assert 0 < len(row.want["text"]) < 4000
        if row.want.get("blocks"):
            check_blocks(row.want["blocks"], "message")
    return rows


def heard(row: OutMessage) -> str:
    """A message as somebody reads it: its words and its buttons."""
    return "\n".join(line for block in row.want["blocks"] for line in _words(block)) if row.want.get("blocks") else row.want["text"]


def _words(block: dict[str, Any]) -> list[str]:
    if block["type"] == "actions":
        return [" ".join(f"[{each['text']['text']}]" for each in block["elements"])]
    if block["type"] == "context":
        return [f"({each['text']})" for each in block["elements"]]
    return [block["text"]["text"]] if "text" in block else []


__all__ = ["FILE", "KINDS", "NOW", "TEAM", "actor", "check_view", "heard", "messages_to", "person", "press", "read", "settle_town", "user"]
