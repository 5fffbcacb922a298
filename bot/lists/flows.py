"""What happens to lists: posted on the person's working morning, edited as things get done, one reminder."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.agents.reading import workspace_of
from bot.alone import alone
from bot.calendars import at_local, local_day, next_working_time, parse_working_days
from bot.db import is_outage, wake
from bot.lists import messages
from bot.lists.reading import items_for
from bot.lists.rules import AT, LOOK_EVERY, Move, turn
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.people.flows import is_away
from bot.tables import AgentOwner, FollowUp, HomeView, IncidentItem, ListTimer, Person, PersonList, Review

ASIDE = timedelta(minutes=10)


def plan_step(tx: Session, now: datetime) -> bool:
    """Give everybody who owns an agent, was asked to review, or promised something a timer; the first is their next working morning."""
    known = select(ListTimer.person_id)
    owners = select(AgentOwner.person_id).where(AgentOwner.until.is_(None), AgentOwner.person_id.not_in(known))
    reviewers = select(Review.person_id).where(Review.state == "asked", Review.person_id.not_in(known))
    promised = select(FollowUp.owner_id).where(FollowUp.closed_at.is_(None), FollowUp.owner_id.not_in(known))
    given = select(IncidentItem.assignee_id).where(IncidentItem.state == "open", IncidentItem.assignee_id.is_not(None), IncidentItem.assignee_id.not_in(known))
    new = sorted({each for sought in (owners, reviewers, promised, given) for each in tx.scalars(sought.distinct().limit(200)) if each is not None})
    if not new:
        return False
    workspace = workspace_of(tx)
    working, holidays = parse_working_days(workspace.working_days), frozenset(workspace.holidays)
    for person in tx.scalars(select(Person).where(Person.id.in_(new))):
        due = next_working_time(now, AT, person.zone, working, holidays)
        tx.add(ListTimer(person_id=person.id, due_at=due))
    return True


def post_step(tx: Session, now: datetime) -> bool:
    """Post the lists, and the reminders, that are due."""
    timers = list(tx.scalars(select(ListTimer).where(ListTimer.due_at <= now).order_by(ListTimer.due_at).limit(100).with_for_update(skip_locked=True)))
    if not timers:
        return False
    workspace = workspace_of(tx)
    working, holidays = parse_working_days(workspace.working_days), frozenset(workspace.holidays)
    for timer in timers:
        with alone(tx, "a list steps aside", unless=is_outage, person_id=timer.person_id) as tried:
            _turn_timer(tx, now, timer, working, holidays)
        if tried.failed:
            timer.due_at = now + ASIDE
    return True


def look_step(tx: Session, now: datetime) -> bool:
    """Bring the lists of today up to date: what was done meanwhile, in whichever room, is crossed off."""
    lists = list(tx.scalars(select(PersonList).where(PersonList.look_at <= now).order_by(PersonList.look_at).limit(100).with_for_update(skip_locked=True)))
    for row in lists:
        with alone(tx, "a list steps aside", unless=is_outage, person_id=row.person_id) as tried:
            _bring_up_to_date(tx, now, row)
        if tried.failed:
            row.look_at = now + ASIDE
    return bool(lists)


def changed(tx: Session, now: datetime, person_id: int) -> None:
    """Something of this person's was done or came up: edit today's list at once, if there is one."""
    person = tx.get(Person, person_id)
    if person is None:
        return
    # App Home shows the same: whoever has it open sees it in a moment.
    home = select(HomeView.id).where(HomeView.person_id == person_id, HomeView.due_at > now).with_for_update(skip_locked=True)
    tx.execute(update(HomeView).where(HomeView.id.in_(home)).values(due_at=now).execution_options(synchronize_session=False))
    wake(tx, "home")
    row = tx.scalars(select(PersonList).where(PersonList.person_id == person_id, PersonList.local_date == local_day(now, person.zone))).first()
    if row is not None:
        _bring_up_to_date(tx, now, row)


def _turn_timer(tx: Session, now: datetime, timer: ListTimer, working: frozenset[int], holidays: frozenset[date]) -> None:
    person = tx.get_one(Person, timer.person_id)
    today = local_day(now, person.zone)
    row = tx.scalars(select(PersonList).where(PersonList.person_id == person.id, PersonList.local_date == today)).first()
    away = is_away(tx, person.id, now) is not None or not person.active or not person.slack_id
    decided = turn(now, timer.kind, person.zone, working, holidays, row is not None, row is not None and row.reminded_at is not None, away)
    timer.due_at = decided.next_at
    if decided.move is Move.WAIT:
        if row is None or row.reminded_at is not None:
            timer.kind = "list"
        return
    timer.kind = "list"
    if decided.move is Move.REMIND and row is not None:
        items = items_for(tx, now, person.id)
        row.reminded_at = now  # also where there was nothing to remind of: at most one look at it a day
        if items:
            row.content = {**row.content, "reminded": True}
            outbox.show(tx, now, key=f"list:{row.id}:reminder", to=person.slack_id or "", message=messages.reminder(items), priority=Priority.DIGEST)
        return
    items = items_for(tx, now, person.id)
    if not items:
        return
    row = PersonList(person_id=person.id, local_date=today, posted_at=now, look_at=now + LOOK_EVERY, content={})
    tx.add(row)
    tx.flush()
    _show(tx, now, person, row, items)
    if decided.remind_at is not None:
        timer.kind, timer.due_at = "reminder", decided.remind_at


def _bring_up_to_date(tx: Session, now: datetime, row: PersonList) -> None:
    person = tx.get_one(Person, row.person_id)
    over = at_local(date.fromisoformat(row.local_date) + timedelta(days=1), time(0), person.zone)
    if now >= over:
        row.look_at = None
        return
    items = items_for(tx, now, person.id)
    _show(tx, now, person, row, items)
    if row.content.get("reminded"):
        outbox.show(tx, now, key=f"list:{row.id}:reminder", to=person.slack_id or "", message=messages.reminder(items), priority=Priority.COUNT)
    row.look_at = now + LOOK_EVERY


def _show(tx: Session, now: datetime, person: Person, row: PersonList, items: list[messages.Item]) -> None:
    seen: dict[str, Any] = dict(row.content.get("seen", {}))
    seen.update((item.key, item.what) for item in items)
    waiting = {item.key for item in items}
    done = [what for key, what in seen.items() if key not in waiting]
    if seen != row.content.get("seen"):
        row.content = {**row.content, "seen": seen}
    message = messages.list_message(date.fromisoformat(row.local_date), items, done)
    outbox.show(tx, now, key=f"list:{row.id}", to=person.slack_id or "", message=message, priority=Priority.DIGEST)


def expect(tx: Session, now: datetime, person_ids: set[int]) -> None:
    """Something new waits for these people: it comes on today's list, which is posted now where the morning had none."""
    for person_id in sorted(person_ids):
        changed(tx, now, person_id)
        person = tx.get(Person, person_id)
        timer = tx.scalars(select(ListTimer).where(ListTimer.person_id == person_id)).first()
        if person is None:
            continue
        if timer is None:
            tx.add(ListTimer(person_id=person_id, due_at=now))
            continue
        today = local_day(now, person.zone)
        listed = tx.scalar(select(PersonList.id).where(PersonList.person_id == person_id, PersonList.local_date == today))
        if listed is None and at_local(date.fromisoformat(today), AT, person.zone) <= now:
            timer.due_at = now if timer.due_at is None else min(timer.due_at, now)
