"""Request events: what an agent asks of a person is stored once and handed to the requests room; so is what it withdraws."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from bot.intake import rows
from bot.intake.bulk import Row
from bot.intake.events import ActionPart, RequestEvent
from bot.intake.judging import Item
from bot.intake.once import insert_once
from bot.intake.work import Work
from bot.people.flows import person_for_report
from bot.requests.flows import held, requests_arrived, settle
from bot.requests.rules import SHOWN_ACTION, Action, hash_of, shown
from bot.tables import Request


def action_of(part: ActionPart) -> Action:
    """The action as the requests room knows it."""
    return Action(part.name, part.on, part.as_, part.params)


def too_long(action: Action) -> str | None:
    """Why this cannot be approved: nobody could read it whole."""
    length = len(shown(action.doc()))
    return f"the action is {length:,} characters long as it is shown, and more than {SHOWN_ACTION:,} cannot be shown whole to the person who approves it: leave out what does not decide" if length > SHOWN_ACTION else None


def asked(work: Work, given: Sequence[tuple[Item, RequestEvent]]) -> None:
    """Store new requests and begin to ask."""
    made: list[tuple[Item, Row]] = []
    for item, event in given:
        action = action_of(event.action) if event.action is not None else None
        if action is not None and (long := too_long(action)) is not None:
            item.refuse("action", "too_long", long)
            continue
        doc = action.doc() if action is not None else None
        # What is approved without an action is the words that were shown.
        would = {"title": event.title, "would_do": event.context.would_do if event.context else None}
        digest = hash_of(doc if doc is not None else would) if event.kind == "approval" else None
        person = person_for_report(work.tx, event.triggered_by, None) if event.triggered_by is not None else None
        made.append((item, rows.request_row(item, event, work.received, work.stamp, doc, digest, person.id if person is not None else None)))
    new = insert_once(work, rows.REQUESTS, made, want_ids=True)
    requests_arrived(work.tx, work.now, [request_id for request_id in new.values() if request_id])


def withdrawn(work: Work, given: Sequence[tuple[Item, RequestEvent]]) -> None:
    """End requests that need no answer any more; one that has its answer already keeps it."""
    made: list[tuple[Item, Row]] = []
    found: dict[int, RequestEvent] = {}
    for item, event in given:
        sought = select(Request.id).where(Request.agent_id == item.agent.id, Request.ext_id == event.withdraws)
        request_id = work.tx.scalars(sought).first()
        if request_id is None:
            item.refuse("withdraws", "unknown_request", f"{item.agent.slug} has no request {event.withdraws!r}: send the request before what withdraws it")
            continue
        found[request_id] = event
        made.append((item, rows.request_end_row(item, event, work.received, work.stamp, request_id)))
    insert_once(work, rows.REQUEST_ENDS, made)
    ended = {row[5] for item, row in made if item.said == "accepted"}
    for request_id in sorted(ended):
        request = held(work.tx, request_id)
        if request is not None:
            settle(work.tx, work.now, request, "withdrawn", None, found[request_id].note, came_from="agent")
