"""Making every place show one state of a page: the channel, each DM, the calls, and the history in the thread."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import messages
from bot.paging.reading import calls_of, page_view
from bot.tables import Agent, Call, Page, Person

SOON = timedelta(seconds=2)  # the first post waits this long for the first call, so that it can name who is called


def root_key(page_id: int) -> str:
    return f"page:{page_id}:channel"


def dm_key(page_id: int, person_id: int) -> str:
    return f"page:{page_id}:dm:{person_id}"


def cause_of(page_id: int) -> str:
    return f"page:{page_id}"


def show_page(tx: Session, now: datetime, page: Page, *, wait: bool = False) -> None:
    """Write the present state to all its places; what did not change is no edit."""
    tx.flush()
    view = page_view(tx, page)
    agent = tx.get_one(Agent, page.agent_id)
    calls = calls_of(tx, page.id)
    if agent.channel_id and not page.test:
        told = messages.page_message(view, place="channel")
        outbox.show(tx, now, key=root_key(page.id), to=agent.channel_id, message=told, priority=Priority.PAGE, due_at=now + SOON if wait else None)
    told = messages.page_message(view, place="dm")
    for person in _in_slack(tx, page, calls):
        outbox.show(tx, now, key=dm_key(page.id, person.id), to=str(person.slack_id), message=told, priority=Priority.PAGE)
    if view.acked_by or view.resolved_at or view.lapsed_at or view.quiet:
        _quieten(tx, now, view, calls)


def tell_all(tx: Session, now: datetime, page: Page) -> None:
    """One quiet line for everybody who was called: it is over."""
    view = page_view(tx, page)
    told = messages.over_line(view, to_person=True)
    calls = calls_of(tx, page.id)
    for person in _in_slack(tx, page, calls):
        if outbox.find(tx, dm_key(page.id, person.id)) is not None:
            outbox.line(tx, now, key=f"page:{page.id}:over:{person.id}", thread=dm_key(page.id, person.id), message=told, priority=Priority.PAGE)
    for call in calls:
        # Who was told by e-mail that something broke is told the same way that it is over.
        person_or_none = tx.get(Person, call.person_id) if call.person_id else None
        if person_or_none is None or call.route != "email" or call.state != "confirmed":
            continue
        words = Message(f"{messages.lead(view)}\n{told.text}")
        key = f"page:{page.id}:over:{call.person_id}:{call.route}"
        outbox.call(tx, now, key=key, to=str(person_or_none.addresses.get(call.route, "")), message=words, cause=f"{key}", route=call.route)


def add_line(tx: Session, now: datetime, page: Page, name: str, message: Message) -> None:
    """One line of history under the channel's message; `name` keeps it from being written twice."""
    root = root_key(page.id)
    if outbox.find(tx, root) is not None:
        outbox.line(tx, now, key=f"page:{page.id}:line:{name}", thread=root, message=message, priority=Priority.PAGE)


def _in_slack(tx: Session, page: Page, calls: list[Call]) -> list[Person]:
    """Who has the page in their DM: everybody called, and whoever took it without being called."""
    ids = dict.fromkeys([*(call.person_id for call in calls), page.acked_by])
    people = [tx.get(Person, person_id) for person_id in ids if person_id is not None]
    return [person for person in people if person is not None and person.slack_id]


def _quieten(tx: Session, now: datetime, view: messages.PageView, calls: list[Call]) -> None:
    """Take the buttons off calls that already stand in Slack: nobody should press what is settled."""
    over = "It is over. There is nothing to do for you." if view.resolved_at else f"{view.acked_by} has it. Nobody else is called."
    if not view.acked_by and not view.resolved_at and view.quiet:
        over = f"{view.quiet} Nobody is called about it meanwhile."
    elif not view.acked_by and not view.resolved_at and view.lapsed_at is not None:
        # Calling has begun again: only the calls made since then are to be answered.
        calls = [call for call in calls if call.called_at < view.lapsed_at]
        over = f"{view.lapsed_by} had it, and calling has begun again. Answer the newest call, or the page itself."
    for call in calls:
        if call.route == "slack":
            outbox.mend(tx, now, call.message_key, messages.call_over(view, over))
        elif call.route in ("pagerduty", "webhook") and call.state != "dropped":
            outbox.remove(tx, now, call.message_key)  # these routes know an end: PagerDuty stops ringing
