"""What people do when they hand over or retire, as tests say it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from bot.blocks import escape
from bot.tables import Agent, AgentOwner, Decision, Handover, Person
from tests.kit.house import Town


def whole(message: dict[str, Any]) -> str:
    return f"{message['text']}\n{message.get('blocks')}"


def find(messages: list[dict[str, Any]], words: str) -> dict[str, Any]:
    """The newest message that says so."""
    found = [each for each in messages if words in whole(each)]
    assert found, f"nothing says {words!r} among {[each['text'][:200] for each in messages]}"
    return found[-1]


async def say(t: Town, who: str, words: str) -> str:
    """`/aiops <words>`; returns what they alone read, or nothing where a form opened."""
    before, views = len(t.ws.ephemerals(who)), [view["id"] for view in t.ws.views(who)]
    answer = await t.ws.command(who, "support-ai", "/aiops", words)
    assert answer.ok, answer
    await t.settle()
    notes = t.ws.ephemerals(who)
    if len(notes) == before:
        assert [view["id"] for view in t.ws.views(who)] != views, f"{words!r} gave no answer"
        return ""
    return whole(notes[-1]["message"] if "message" in notes[-1] else notes[-1])


async def press(t: Town, who: str, words: str, action: str, value: Any = None) -> None:
    """Press in the direct message that says so."""
    await t.ws.press(who, t.ws.im(who), find(t.ws.dm(who), words)["ts"], action, value)
    await t.settle()


async def submit(t: Town, who: str, values: dict[str, Any]) -> Any:
    """Send the form that is open; returns the answer's body."""
    answer = await t.ws.submit(who, t.ws.views(who)[-1], values)
    await t.settle()
    return answer.body if answer.body else {}


def view_words(t: Town, who: str) -> str:
    return str(t.ws.views(who)[-1]["blocks"])


async def holder(t: Town, role: str, slug: str = "support-triage") -> str:
    """Who holds a role."""
    wanted = select(Person.name).join(AgentOwner, AgentOwner.person_id == Person.id).join(Agent, Agent.id == AgentOwner.agent_id)
    wanted = wanted.where(Agent.slug == slug, AgentOwner.role == role, AgentOwner.until.is_(None))
    return await t.read(lambda tx: tx.scalars(wanted).one())


async def decisions(t: Town, beginning: str) -> list[str]:
    return await t.read(lambda tx: list(tx.scalars(select(Decision.action).where(Decision.action.like(f"{beginning}%")).order_by(Decision.id))))


async def handovers(t: Town) -> list[Handover]:
    return await t.read(lambda tx: list(tx.scalars(select(Handover).order_by(Handover.id))))


async def accept_everything(t: Town) -> None:
    """The owners of the file say yes."""
    for who in ("maya", "omar", "lea"):
        await t.ws.press(who, t.ws.im(who), find(t.ws.dm(who), "You are named")["ts"], "agents.accept")
    await t.settle()


__all__ = ["accept_everything", "decisions", "escape", "find", "handovers", "holder", "press", "say", "submit", "view_words", "whole"]
