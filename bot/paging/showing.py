"""Making every place show one state of a page: the channel, each DM, the calls, and the history in the thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.known import learn
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import messages
from bot.paging.reading import calls_of, own_problems, problem_view
from bot.paging.scope import agents_on
from bot.paging.viewing import page_view
from bot.tables import Agent, Call, Page, Person, Problem

SOON = timedelta(seconds=2)  # the first post waits this long for the first call, so that it can name who is called
_GATHERED = "pages to show at the end"


def root_key(page_id: int) -> str:
    return f"page:{page_id}:channel"


def line_key(page_id: int, name: str) -> str:
    return f"page:{page_id}:line:{name}"


def dm_key(page_id: int, person_id: int) -> str:
    return f"page:{page_id}:dm:{person_id}"


def beside_key(page_id: int, channel: str) -> str:
    """The same page in the owner channel of another agent on it."""
    return f"page:{page_id}:channel:{channel}"


def cause_of(page_id: int) -> str:
    return f"page:{page_id}"


def topic_of(page: Page) -> str:
    """What e-mails about a page refer to, also where another database counts its pages from one."""
    return f"page-{page.id}-{int(page.opened_at.timestamp())}"


@dataclass
class _Waiting:
    """What is shown at the end: pages (in their order), and lines of their history."""

    pages: dict[int, None] = field(default_factory=dict)
    lines: list[tuple[int, str, Message]] = field(default_factory=list)


@contextmanager
def gathered(tx: Session, now: datetime) -> Iterator[None]:
    """Show each page once at the end, however many of its problems change inside: 200 agents that fail at once are one edit."""
    if _GATHERED in tx.info:
        yield
        return
    waiting = _Waiting()
    tx.info[_GATHERED] = waiting
    try:
        yield
    finally:
        tx.info.pop(_GATHERED, None)
    found = {page_id: page for page_id in sorted(waiting.pages) if (page := tx.get(Page, page_id)) is not None}  # else what opened it was rolled back
    for page in found.values():
        show_page(tx, now, page)
    for page_id, name, message in waiting.lines:
        if page_id in found:
            add_line(tx, now, found[page_id], name, message)


def announce(tx: Session, now: datetime, page: Page, agent: Agent, problem: Problem) -> None:
    """The first words of a page whose first call is due at once: that call shows the whole of it, before this is sent.

    Where 500 owners fail in one moment, looking everything up twice would keep the last of them waiting.
    """
    if agent.channel_id:
        view = messages.PageView(page.id, agent.name, page.severity, page.opened_at, (problem_view(problem),))
        learn(tx, outbox.MESSAGE, {root_key(page.id): None})  # the page is new
        outbox.show(tx, now, key=root_key(page.id), to=agent.channel_id, message=messages.page_message(view, place="channel"), priority=Priority.PAGE, due_at=page.opened_at + SOON)


def announce_unseen(tx: Session, now: datetime, page_id: int) -> None:
    """The first words of a page that its first call should have shown, and could not."""
    page = tx.get_one(Page, page_id)
    problem = next(iter(own_problems(tx, page_id)), None)
    if problem is not None and not page.test and outbox.find(tx, root_key(page_id)) is None:
        announce(tx, now, page, tx.get_one(Agent, page.agent_id), problem)


def show_page(tx: Session, now: datetime, page: Page, *, view: messages.PageView | None = None, due_at: datetime | None = None) -> None:
    """Write the present state to all its places, by `due_at`; what did not change is no edit. `view` saves a look, where it is of now."""
    waiting: _Waiting | None = tx.info.get(_GATHERED)
    if waiting is not None:
        waiting.pages[page.id] = None
        return
    if view is None:
        tx.flush()
        view = page_view(tx, page)
    calls = calls_of(tx, page.id)
    calling = now < page.opened_at + SOON and not (page.acked_at or page.resolved_at or page.parent_id or page.quiet_until)
    if not page.test:
        _show_in_channels(tx, now, page, view, due_at=page.opened_at + SOON if not calls and calling else due_at)
    told = messages.page_message(view, place="dm")
    for person in _in_slack(tx, page, calls):
        outbox.show(tx, now, key=dm_key(page.id, person.id), to=str(person.slack_id), message=told, priority=Priority.PAGE, due_at=due_at)
    if view.acked_by or view.resolved_at or view.lapsed_at or view.quiet or view.root:
        _quieten(tx, now, view, calls)


def _show_in_channels(tx: Session, now: datetime, page: Page, view: messages.PageView, *, due_at: datetime | None) -> None:
    """In the owner channel of each agent on the page; and one message in each channel that only has agents it took down."""
    agents = agents_on(tx, page) if view.several else [tx.get_one(Agent, page.agent_id)]
    home = agents[0].channel_id
    told = messages.page_message(view, place="channel")
    if home:
        outbox.show(tx, now, key=root_key(page.id), to=home, message=told, priority=Priority.PAGE, due_at=due_at)
    others = dict.fromkeys(agent.channel_id for agent in agents if agent.channel_id and agent.channel_id != home)
    for channel in others:
        # The history is written once, below the first of them: elsewhere it is said where.
        beside = messages.page_message(replace(view, history=home), place="channel")
        outbox.show(tx, now, key=beside_key(page.id, channel), to=channel, message=beside, priority=Priority.PAGE, due_at=due_at)
    _show_downs(tx, now, page, view, {home, *others})


def _show_downs(tx: Session, now: datetime, page: Page, view: messages.PageView, shown: set[str | None]) -> None:
    """Where agents fail because of this page and have none of their own: what fails, and that nobody is called about it."""
    if not view.down:
        return
    found: dict[str, dict[int, tuple[str, str, bool]]] = {}
    rows = tx.execute(
        select(Agent.id, Agent.channel_id, Agent.name, Problem.title, Problem.closed_at)
        .join(Problem, Problem.agent_id == Agent.id)
        .where(Problem.under_id == page.id, Problem.page_id.is_(None))
        .order_by(Problem.closed_at.is_(None), Problem.id.desc())
    )
    for agent_id, channel, name, title, closed_at in rows:
        if channel and channel not in shown:
            found.setdefault(channel, {})[agent_id] = (name, title, closed_at is None)
    for channel, agents in found.items():
        fails = [(name, title) for name, title, still in reversed(agents.values()) if still]
        over = ""
        if page.resolved_at is not None:
            over = "It is over." + (f" {len(fails)} {'agent' if len(fails) == 1 else 'agents'} still {'fails' if len(fails) == 1 else 'fail'}; whatever has not recovered within 2 minutes calls its own owner." if fails else "")
        elif not fails:
            over = "It goes on, but the agents of this channel have recovered."
        told = messages.down_message(fails, len(fails), messages.lead(view), page.id, over=over)
        outbox.show(tx, now, key=f"page:{page.id}:down:{channel}", to=channel, message=told, priority=Priority.ANSWER)


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
        outbox.call(tx, now, key=key, to=str(person_or_none.addresses.get(call.route, "")), message=words, cause=f"{key}", route=call.route, topic=topic_of(page))


def add_line(tx: Session, now: datetime, page: Page, name: str, message: Message, *, due_at: datetime | None = None) -> None:
    """One line of history under the channel's message; `name` keeps it from being written twice."""
    root = root_key(page.id)
    if outbox.find(tx, root) is None and not page.test:
        show_page(tx, now, page)  # one of a storm, whose first call has not shown it yet
    waiting: _Waiting | None = tx.info.get(_GATHERED)
    if waiting is not None and page.id in waiting.pages:
        waiting.lines.append((page.id, name, message))  # its root may not stand yet
    elif outbox.find(tx, root) is not None:
        outbox.line(tx, now, key=line_key(page.id, name), thread=root, message=message, priority=Priority.PAGE, due_at=due_at)


def _in_slack(tx: Session, page: Page, calls: list[Call]) -> list[Person]:
    """Who has the page in their DM: everybody called, and whoever took it without being called."""
    ids = dict.fromkeys([*(call.person_id for call in calls), page.acked_by])
    people = [tx.get(Person, person_id) for person_id in ids if person_id is not None]
    return [person for person in people if person is not None and person.slack_id]


def _quieten(tx: Session, now: datetime, view: messages.PageView, calls: list[Call]) -> None:
    """Take the buttons off calls that already stand in Slack: nobody should press what is settled."""
    over = "It is over. There is nothing to do for you." if view.resolved_at else f"{view.acked_by} has it. Nobody else is called."
    if view.root is not None and not view.resolved_at:
        over = f"It is part of page {view.root.id} now, and nobody is called about it by itself."
    elif not view.acked_by and not view.resolved_at and view.quiet:
        over = f"{view.quiet} Nobody is called about it meanwhile."
    elif not view.acked_by and not view.resolved_at and view.lapsed_at is not None:
        # Calling has begun again: only the calls made since then are to be answered.
        calls = [call for call in calls if call.called_at < view.lapsed_at]
        over = f"{view.lapsed_by} had it, and calling has begun again. Answer the newest call, or the page itself."
    for call in calls:
        if call.route == "slack":
            outbox.mend(tx, now, call.message_key, messages.call_over(view, over))
        elif call.route in ("pagerduty", "webhook") and view.acked_by and not view.resolved_at:
            outbox.mark_acked(tx, now, call.message_key)
        elif call.route in ("pagerduty", "webhook") and call.state != "dropped":
            outbox.remove(tx, now, call.message_key)  # these routes know an end: PagerDuty stops ringing
