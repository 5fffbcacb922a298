"""What people do in an incident, as tests say it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from bot.surface.press import Answer, Ask, Quiet
from bot.tables import FollowUp, Incident, IncidentItem, TimelineEntry
from tests.paging.world import World

ROOT, LIST = "incident:1", "incident:1:checklist"
GIVEN = {"choose": "prompt", "decision": "back to prompt-13", "evidence": "https://example.com/proof", "number": "12", "person": "U0LEA"}


def opened(world: World) -> World:
    world.run("failed")
    world.press("omar", "incidents.open", "page:1")
    return world


def items(world: World, incident: int = 1) -> dict[int, IncidentItem]:
    return {item.position + 1: item for item in world.do(lambda tx: tx.scalars(select(IncidentItem).where(IncidentItem.incident_id == incident).order_by(IncidentItem.position)).all())}


def incident(world: World, number: int = 1) -> Incident:
    return world.do(lambda tx: tx.get_one(Incident, number))


def timeline(world: World, number: int = 1) -> list[str]:
    return [entry.words for entry in world.do(lambda tx: tx.scalars(select(TimelineEntry).where(TimelineEntry.incident_id == number).order_by(TimelineEntry.id)).all())]


def follow_ups(world: World) -> list[FollowUp]:
    return world.do(lambda tx: list(tx.scalars(select(FollowUp).order_by(FollowUp.id))))


def do(world: World, who: str, number: int, incident: int = 1, **more: Any) -> Answer | str:
    """Settle a step as its kind wants it."""
    item = items(world, incident)[number]
    if item.kind == "confirm":
        return world.press(who, "incidents.done", f"item:{item.id}", **more)
    form = world.press(who, "incidents.done", f"item:{item.id}", **more)
    if not isinstance(form, Ask):
        return form
    return world.press(who, "incidents.note", form.view["private_metadata"], how="view", values={"answer": GIVEN[item.kind], "note": ""}, **more)


def do_all(world: World, who: str = "omar", incident: int = 1) -> None:
    """All required steps."""
    for number, item in sorted(items(world, incident).items()):
        if item.required and item.state == "open":
            assert do(world, who, number, incident) == Quiet()


def follow_up(world: World, who: str = "omar", words: str = "Test every prompt against old orders", owner: str = "U0LEA", incident: int = 1, **values: Any) -> Answer | str:
    form = world.press(who, "incidents.follow_up", f"incident:{incident}")
    assert isinstance(form, Ask), form
    due = next(block for block in form.view["blocks"] if block.get("block_id") == "due")["element"]["initial_date"]
    return world.press(who, "incidents.follow_up", form.view["private_metadata"], how="view", values={"words": words, "person": owner, "due": due, **values})


def close(world: World, who: str = "omar", incident: int = 1, **values: Any) -> Answer | str:
    """Press `Close incident` and send the form as it was prefilled."""
    form = world.press(who, "incidents.close", f"incident:{incident}")
    if not isinstance(form, Ask):
        return form
    given = {block["block_id"]: block["element"].get("initial_value", "") for block in form.view["blocks"] if block["type"] == "input"}
    return world.press(who, "incidents.closing", form.view["private_metadata"], how="view", values={**given, **values})
