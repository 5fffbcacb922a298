"""A fleet with counted days, written as the rooms below would have written it, and read back as Slack would show it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.calendars import at_local, days_between
from bot.charts.dress import dress
from bot.digests import flows
from bot.lists import flows as lists
from bot.people.flows import actor_of
from bot.quality import counting
from bot.quality.counting import Counts
from bot.quality.folding import fold_step
from bot.stats import bin_of
from bot.surface.press import Press
from bot.tables import Agent, AgentOwner, Channel, OutMessage, Person, Registry
from bot.workspace.blocks import check_blocks

_digests = count(1)


def registry(tx: Session, now: datetime, **workspace: Any) -> None:
    tx.add(Registry(at=now, by="test", digest=f"{next(_digests):064d}", document={"workspace": {"timezone": "Europe/Paris", **workspace}}, agents=[]))
    tx.flush()


def person(tx: Session, name: str, *, zone: str = "Europe/Paris", kind: str = "member") -> Person:
    row = Person(team_id="T1", slack_id=f"U0{name.upper()}", email=f"{name}@example.com", name=name.capitalize(), kind=kind, zone=zone)
    tx.add(row)
    tx.flush()
    return row


def channel(tx: Session, slack_id: str = "C0SUPPORT", name: str = "support-ai") -> None:
    tx.add(Channel(team_id="T1", slack_id=slack_id, name=name, is_member=True))
    tx.flush()


def agent(
    tx: Session, now: datetime, slug: str, owners: dict[str, Person], *, name: str = "", zone: str = "Europe/Paris", channel_id: str = "C0SUPPORT", department: str = "Customer service",
    accepted: bool = True, **spec: Any,
) -> Agent:  # fmt: skip
    name = name or slug.replace("-", " ").capitalize()
    document = {"name": name, "owners": {"business": "maya@example.com", "operations": "omar@example.com"}, "channel": channel_id, **spec}
    row = Agent(slug=slug, name=name, department=department, zone=zone, channel_id=channel_id, spec=document, created_at=now - timedelta(days=60))
    tx.add(row)
    tx.flush()
    for role, who in owners.items():
        tx.add(AgentOwner(agent_id=row.id, role=role, person_id=who.id, since=now, asked_at=now, accepted_at=now if accepted else None))
    tx.flush()
    return row


def work(tx: Session, now: datetime, agent: Agent, first: str, last: str, *, outputs: int = 40, runs: int = 40, failed: int = 0, judged: int = 0, good: int = 0, ms: int = 800, nano: int = 2_000_000) -> None:
    """The same counts on each of some local days, at noon of that day."""
    counts = Counts()
    for day in days_between(first, last):
        noon = at_local(datetime.fromisoformat(day).date(), time(12), agent.zone)
        counts.add(agent.id, agent.zone, counting.OUTPUTS, noon, outputs)
        counts.add(agent.id, agent.zone, counting.RUNS, noon, runs, runs * ms)
        counts.add(agent.id, agent.zone, counting.RUN_MS, noon, runs, runs * ms, bin_of(ms))
        counts.add(agent.id, agent.zone, counting.RUNS_FAILED, noon, failed)
        counts.add(agent.id, agent.zone, counting.cost_metric("USD"), noon, runs, runs * nano, bin_of(nano))
        counts.add(agent.id, agent.zone, counting.QUALITY_PEOPLE, noon, judged, good * 1000)
    counts.write(tx, now)
    tx.flush()


def fold(tx: Session, now: datetime) -> None:
    for _ in range(40):
        if not fold_step(tx, now):
            return
    raise AssertionError("the fold does not come to rest")


def turn_all(tx: Session, now: datetime) -> None:
    """Every step of digests and lists until none finds work, as the loops do."""
    steps = (flows.plan_step, flows.chase_step, flows.post_step, flows.look_step, lists.plan_step, lists.post_step, lists.look_step)
    for _ in range(200):
        busy = False
        for step in steps:
            busy = step(tx, now) or busy
            tx.flush()
        if not busy:
            return
    raise AssertionError("the steps do not come to rest")


def shown(tx: Session, prefix: str) -> list[OutMessage]:
    """The rows under keys beginning so, in the order written; each checked against Slack's limits."""
    rows = [row for row in tx.scalars(select(OutMessage).order_by(OutMessage.id)) if row.key.startswith(prefix)]
    for row in rows:
        check_blocks(dress(row.want["blocks"], True, lambda key: None), "message")
        assert 0 < len(row.want["text"]) < 4000
        assert len(row.want["blocks"]) < 50, "room for the key that delivery puts beside them"
    return rows


def read_aloud(row: OutMessage) -> str:
    """A message as someone reads it: the words of every block, buttons in brackets."""
    return "\n".join(line for block in dress(row.want["blocks"], False, lambda key: None) for line in _words(block))


def _words(block: dict[str, Any]) -> list[str]:
    kind = block["type"]
    if kind == "divider":
        return ["---"]
    if kind == "actions":
        return [" ".join(f"[{element['text']['text']}]" for element in block["elements"])]
    if kind == "context":
        return [element["text"] for element in block["elements"]]
    if kind == "context_actions":
        return ["[👍] [👎]"]
    words = [block["text"]["text"]] if "text" in block else []
    if "accessory" in block:
        words.append(f"[{block['accessory']['text']['text']}]")
    return words


def press(person: Person, now: datetime, name: str, value: str = "", *words: str) -> Press:
    return Press(actor=actor_of(person), now=now, came_from="button" if value else "command", name=name, value=value, words=words)


def find_person(tx: Session, name: str) -> Person:
    return tx.scalars(select(Person).where(Person.email == f"{name}@example.com")).one()


def find_agent(tx: Session, slug: str) -> Agent:
    return tx.scalars(select(Agent).where(Agent.slug == slug)).one()
