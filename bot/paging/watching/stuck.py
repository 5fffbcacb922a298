"""When the calls themselves are stuck: the leads are called once by a route that is not stuck, and told again when it is over."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import lead_people
from bot.marks import hold_mark, mark_of
from bot.outbox import flows as outbox
from bot.paging.watching import messages
from bot.tables import OutMessage, Person

log = structlog.get_logger(__name__)

MARK = "queue.stuck"  # {since, count, told: [[person, route, key]], over_at}: the doctor and the status read it
AFTER = timedelta(minutes=3)  # a call that waits longer has missed its person by far
CALM = timedelta(minutes=2)  # all is sent that long: it is over
CAUSE = "queue:stuck"


def waiting_calls(tx: Session, now: datetime) -> tuple[int, datetime | None]:
    """How many calls Slack should have taken long ago, and since when the oldest waits."""
    sought = select(func.count(), func.min(OutMessage.created_at)).where(
        OutMessage.due_at.is_not(None), OutMessage.kind == "call", OutMessage.route == "slack", OutMessage.state == "pending",
        OutMessage.shown_rev == 0, OutMessage.created_at <= now - AFTER, or_(OutMessage.cause.is_(None), OutMessage.cause != CAUSE),
    )  # fmt: skip
    count, oldest = tx.execute(sought).one()
    return int(count), oldest


def is_stuck(tx: Session, now: datetime) -> bool:
    """Whether there is anything to say: calls wait, or the leads still believe they do."""
    return bool(mark_of(tx, MARK).get("since")) or waiting_calls(tx, now)[0] > 0


def stuck_step(tx: Session, now: datetime) -> bool:
    """Call the leads by another route once, and tell them once that it is over; says whether anything was said."""
    count, oldest = waiting_calls(tx, now)
    mark = hold_mark(tx, MARK)
    if mark is None:
        return False
    since = mark.value.get("since")
    if count and oldest is not None:
        if since:
            mark.value = {**mark.value, "count": count, "well_at": None}
            return False
        slack = mark_of(tx, "delivery.slack")
        why = str(slack.get("error") or "") if slack.get("state") != "working" else ""
        told = _call_leads(tx, now, count, oldest, why)
        mark.value = {"since": oldest.isoformat(), "count": count, "told": told, "why": why}
        audit.record(tx, now, "queue.stuck", "queue:calls", came_from="timer", words=f"{count} calls wait since {oldest.isoformat()}", evidence={"told": told})
        log.error("calls are stuck: Slack does not take them", calls=count, since=oldest.isoformat(), why=why or "unknown", leads_called_by=[route for _, route, _ in told] or "nobody: no lead has another route")
        return True
    if not since:
        return False
    well_at = mark.value.get("well_at")
    if not well_at:
        mark.value = {**mark.value, "well_at": now.isoformat()}
        return False
    if now - datetime.fromisoformat(well_at) < CALM:
        return False
    _tell_over(tx, now, mark.value)
    audit.record(tx, now, "queue.flows", "queue:calls", came_from="timer", words="calls are delivered again")
    log.warning("calls are delivered again", stuck_since=since)
    mark.value = {"over_at": now.isoformat()}
    return True


def _call_leads(tx: Session, now: datetime, count: int, oldest: datetime, why: str) -> list[list[str]]:
    """Each lead by the first of their routes beyond Slack: (person, route, key of the message)."""
    told: list[list[str]] = []
    for person in lead_people(tx):
        route = next((route for route in person.wake if route != "slack" and person.addresses.get(route)), None)
        if route is None:
            continue
        key = f"queue:stuck:{int(oldest.timestamp())}:{person.id}:{route}"
        outbox.call(tx, now, key=key, to=str(person.addresses[route]), message=messages.queue_stuck(count, oldest, now, why), cause=CAUSE, route=route)
        told.append([str(person.id), route, key])
    return told


def _tell_over(tx: Session, now: datetime, value: dict[str, object]) -> None:
    """By the same routes: those that know an end are ended, the others are told."""
    since = datetime.fromisoformat(str(value["since"]))
    rows = value.get("told")
    for person_id, route, key in rows if isinstance(rows, list) else []:
        person = tx.get(Person, int(person_id))
        if route == "pagerduty":
            outbox.remove(tx, now, key)
        elif person is not None and person.addresses.get(route):
            over = f"{key}:over"
            outbox.call(tx, now, key=over, to=str(person.addresses[route]), message=messages.queue_flows(since, now), cause=f"{CAUSE}:over", route=route)
