"""The forms of incidents: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import orjson

from bot.blocks import Block, clip, escape, input_block, modal, option, plain, section, select, text_input
from bot.incidents.messages import ItemView

ANSWERS = {"choose": "What is it?", "evidence": "Link", "decision": "What was decided?", "number": "How many?", "person": "Who?"}


def open_form(agents: Sequence[tuple[str, str]], chosen: str, title: str, about: dict[str, Any]) -> dict[str, Any]:
    """Choose the agent (slug, name) and say what happened."""
    fields: list[Block] = []
    # Slack's menus hold 100 options: beyond that the agent is written.
    if len(agents) <= 100:
        options = [option(name, slug) for slug, name in agents]
        fields.append(input_block("agent", "Agent", select("agent", options, placeholder="Which agent?", initial=chosen)))
    else:
        fields.append(input_block("agent", "Agent", text_input("agent", initial=chosen, most=120), hint="Its id or name."))
    fields.append(input_block("title", "What happened?", text_input("title", placeholder="Answers quote a price that is wrong", initial=title, most=300)))
    return modal("Open an incident", fields, callback_id="incidents.new", submit="Open", metadata=orjson.dumps(about).decode())


def item_form(item: ItemView) -> dict[str, Any]:
    """Settle a step as its kind wants it, with a few words on what was done."""
    blocks: list[Block] = [section(f"{item.number}. {escape(clip(item.words, 500))}")]
    label = ANSWERS.get(item.kind, "")
    if item.kind == "choose" or (item.kind == "decision" and item.options):
        blocks.append(input_block("answer", label, select("answer", [option(each, each) for each in item.options])))
    elif item.kind == "person":
        blocks.append(input_block("answer", label, people_select("answer")))
    elif item.kind == "decision":
        blocks.append(input_block("answer", label, text_input("answer", multiline=True, most=1500)))
    elif label:
        blocks.append(input_block("answer", label, text_input("answer", most=1000, placeholder="https://..." if item.kind == "evidence" else "12")))
    if item.kind == "confirm":
        blocks.append(input_block("note", "What was done?", text_input("note", multiline=True, most=1500)))
    else:
        why = bool(item.kind == "decision" and item.options)
        blocks.append(input_block("note", "Why?" if why else "Anything to add?", text_input("note", multiline=True, most=1500), optional=not why))
    return modal("Done, with a note", blocks, callback_id="incidents.note", submit="Done", metadata=f"item:{item.id}")


def waive_form(item: ItemView) -> dict[str, Any]:
    """Waive a step: the reason is kept and shown."""
    what = section(f"{item.number}. {escape(clip(item.words, 500))}")
    field = input_block("reason", "Why is it not needed?", text_input("reason", multiline=True, most=1500), hint="It is shown on the checklist and kept.")
    return modal("Waive a step", [what, field], callback_id="incidents.waive", submit="Waive", metadata=f"item:{item.id}")


def assign_form(item: ItemView, initial: str = "") -> dict[str, Any]:
    """Give a step to somebody."""
    blocks = [section(f"{item.number}. {escape(clip(item.words, 500))}"), input_block("person", "Who does it?", people_select("person", initial))]
    return modal("Give it to somebody", blocks, callback_id="incidents.assign", submit="Give", metadata=f"item:{item.id}")


def follow_up_form(incident_id: int, agent: str, owner: str, due: date) -> dict[str, Any]:
    """What keeps it from happening again, who does it, by when."""
    blocks = [
        section(f"Incident #{incident_id} of {escape(clip(agent, 100))}: what keeps it from happening again?"),
        input_block("words", "What is to be done?", text_input("words", multiline=True, most=1500, placeholder="Test every new prompt against the last hundred orders")),
        input_block("person", "Who does it?", people_select("person", owner)),
        input_block("due", "By when?", date_input("due", due), hint="It is on their list from now on. Not done by then, they are reminded; three days later the business owner hears of it."),
    ]
    return modal("Add a follow-up", blocks, callback_id="incidents.follow_up", submit="Add", metadata=f"incident:{incident_id}")


def none_needed_form(incident_id: int) -> dict[str, Any]:
    """Sign that no follow-up is needed."""
    field = input_block("reason", "Why is none needed?", text_input("reason", multiline=True, most=1500), hint="It is kept with your name, and shown in the review.")
    return modal("No follow-up needed", [field], callback_id="incidents.none_needed", submit="Sign", metadata=f"incident:{incident_id}")


def closing_form(incident_id: int, people: Sequence[tuple[int, str, int]], *, ask_reason: str) -> dict[str, Any]:
    """The last questions: minutes per person (id, name, likely minutes), and why it may close while a stopped agent's check fails."""
    blocks: list[Block] = [section("How many minutes did each of them work on it? I prefilled what the timeline shows; set what is wrong right.")]
    for person_id, name, minutes in people:
        blocks.append(input_block(f"minutes_{person_id}", clip(name, 150), text_input("minutes", initial=str(minutes), most=6)))
    if ask_reason:
        blocks.append(section(escape(clip(ask_reason, 1500))))
        blocks.append(input_block("reason", "Why may it close?", text_input("reason", multiline=True, most=1500)))
    return modal("Close the incident", blocks, callback_id="incidents.closing", submit="Close it", close="Not yet", metadata=f"incident:{incident_id}")


def status_form(incident_id: int) -> dict[str, Any]:
    """How it stands, for those who wait."""
    field = input_block("words", "How does it stand?", text_input("words", multiline=True, most=2500, placeholder="What is known, what is done now, when you tell more"))
    return modal("Status update", [field], callback_id="incidents.status", submit="Post", metadata=f"incident:{incident_id}")


def roles_form(incident_id: int, lead: str, scribe: str, owner: str) -> dict[str, Any]:
    """Who leads, who writes, who answers for it; Slack ids, empty where nobody."""
    fields = [
        input_block("lead", "Lead: decides, and gives out the steps", people_select("lead", lead), optional=True),
        input_block("scribe", "Scribe: keeps the timeline", people_select("scribe", scribe), optional=True),
        input_block("owner", "Owner: answers for the outcome", people_select("owner", owner), optional=True),
    ]
    return modal("Roles", fields, callback_id="incidents.roles", submit="Set", metadata=f"incident:{incident_id}")


def done_form(follow_up_id: int, words: str, version: str) -> dict[str, Any]:
    """A follow-up is done: what shows it."""
    blocks = [
        section(escape(clip(words, 1000))),
        input_block("evidence", "What shows that it is done?", text_input("evidence", multiline=True, most=1500, placeholder="A link, or what you saw")),
        input_block("version", "Fixed in version", text_input("version", initial=version, most=100), optional=True, hint="People who reported the failed outputs are told that it is fixed, with this version."),
    ]
    return modal("Follow-up done", blocks, callback_id="followups.done", submit="Done", metadata=f"followup:{follow_up_id}")


def change_form(follow_up_id: int, words: str, owner: str, due: date) -> dict[str, Any]:
    """Another owner or another day for a follow-up."""
    blocks = [
        section(escape(clip(words, 1000))),
        input_block("person", "Who does it?", people_select("person", owner)),
        input_block("due", "By when?", date_input("due", due)),
    ]
    return modal("Change a follow-up", blocks, callback_id="followups.change", submit="Change", metadata=f"followup:{follow_up_id}")


def people_select(action_id: str, initial: str = "") -> dict[str, Any]:
    chosen: dict[str, Any] = {"type": "users_select", "action_id": action_id, "placeholder": plain("Choose a person")}
    return {**chosen, "initial_user": initial} if initial else chosen


def date_input(action_id: str, initial: date) -> dict[str, Any]:
    return {"type": "datepicker", "action_id": action_id, "initial_date": initial.isoformat()}
