"""`/aiops page test`: one test call to a person by each of their own routes, and what became of each, in one message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.alone import alone
from bot.blocks import mention
from bot.db import wake
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.paging import rules
from bot.paging.trying import messages
from bot.paging.trying.messages import State, Trial, Way
from bot.people.flows import Refused
from bot.people.quiet_hours import quiet_until
from bot.tables import Attempt, OutMessage, Person, RouteTest

BATCH = 100
LASTS = timedelta(minutes=messages.LASTS_MINUTES)  # then it ends, heard or not
OFTEN, SELDOM = timedelta(seconds=1), timedelta(seconds=15)  # how often its state is looked at, in the first minute and later


class HeardLinks(Protocol):
    """Makes the link by which somebody says that a call by another route reached them."""

    def heard(self, now: datetime, test_id: int, route: str, person_id: int) -> str | None:
        """One person's link for one route of one test; None where there is no public URL."""


def start_test(tx: Session, now: datetime, person: Person) -> RouteTest:
    """Begin; one that is under way goes on. The calls are made by the step, a moment later."""
    if person.kind != "member" or not person.active:
        raise Refused("Test calls go to full members of this workspace.")
    found = tx.scalars(select(RouteTest).where(RouteTest.person_id == person.id, RouteTest.ended_at.is_(None))).first()
    if found is not None:
        return found
    row = RouteTest(person_id=person.id, started_at=now, look_at=now, heard={})
    tx.add(row)
    tx.flush()
    audit.record(tx, now, "page.try_routes", f"person:{person.id}", person_id=person.id)
    wake(tx, "route tests")
    return row


def trials_due(tx: Session, now: datetime) -> bool:
    """Whether a test is to be looked at: a look that costs the writers nothing."""
    return tx.scalars(select(RouteTest.id).where((RouteTest.look_at <= now) | (RouteTest.look_at > now + LASTS)).limit(1)).first() is not None


def trials_step(tx: Session, now: datetime, links: HeardLinks | None = None) -> bool:
    """Make the calls of new tests, show how the others stand, end what is over; says whether there was one."""
    sought = select(RouteTest).where((RouteTest.look_at <= now) | (RouteTest.look_at > now + LASTS)).order_by(RouteTest.look_at).limit(BATCH)
    rows = tx.scalars(sought.with_for_update(skip_locked=True)).all()
    for row in rows:
        with alone(tx, "a test of routes raised and steps aside", test=row.id) as tried:
            _look(tx, now, row, links)
        if tried.failed:
            row.look_at = now + timedelta(minutes=1)
    return bool(rows)


def heard(tx: Session, now: datetime, test: RouteTest, route: str) -> bool:
    """They say that the call by this route reached them. False where it is said already, or was no route of the test."""
    tx.refresh(test, with_for_update=True)
    if route in test.heard or outbox.find(tx, _key(test, route)) is None:
        return False
    test.heard = {**test.heard, route: now.isoformat()}
    if test.ended_at is None:
        test.look_at = now
    tx.flush()
    _look(tx, now, test, None)
    return True


def _look(tx: Session, now: datetime, test: RouteTest, links: HeardLinks | None) -> None:
    person = tx.get_one(Person, test.person_id)
    routes = rules.routes_of(person.slack_id, person.wake, person.addresses)
    if test.ended_at is None:
        for route in routes:
            _call(tx, now, test, person, route, links)
    trial = trial_of(tx, now, test, person, routes)
    if test.ended_at is None and (trial.settled or now - test.started_at >= LASTS):
        _end(tx, now, test, routes)
        trial = trial_of(tx, now, test, person, routes)
    elif test.ended_at is None:
        test.look_at = now + (OFTEN if now - test.started_at < timedelta(minutes=1) else SELDOM)
    if person.slack_id:
        outbox.show(tx, now, key=f"routetest:{test.id}", to=person.slack_id, message=messages.trial_message(trial), priority=Priority.ANSWER)
        if "slack" in test.heard or test.ended_at is not None:
            outbox.mend(tx, now, _key(test, "slack"), messages.call_over("slack" in test.heard))


def _call(tx: Session, now: datetime, test: RouteTest, person: Person, route: str, links: HeardLinks | None) -> None:
    if outbox.find(tx, _key(test, route)) is not None:
        return
    link = links.heard(now, test.id, route, person.id) if links is not None and route != "slack" else None
    who = mention(person.slack_id, person.name) if route == "slack" else f"{messages.plain_name(person.name)}:"
    to = str(person.slack_id if route == "slack" else person.addresses[route])
    outbox.call(tx, now, key=_key(test, route), to=to, message=messages.trial_call(test.id, route, who, link), cause=f"routetest:{test.id}", route=route)


def _end(tx: Session, now: datetime, test: RouteTest, routes: list[str]) -> None:
    test.ended_at, test.look_at = now, None
    outbox.drop(tx, f"routetest:{test.id}")
    for route in routes:
        if route in ("pagerduty", "webhook"):
            outbox.remove(tx, now, _key(test, route))  # these routes know an end: PagerDuty stops ringing
    tx.flush()


def trial_standing(tx: Session, now: datetime, test_id: int) -> Trial:
    """How a test stands, for whoever waits for it."""
    test = tx.get_one(RouteTest, test_id)
    person = tx.get_one(Person, test.person_id)
    return trial_of(tx, now, test, person, rules.routes_of(person.slack_id, person.wake, person.addresses))


def trial_of(tx: Session, now: datetime, test: RouteTest, person: Person, routes: list[str]) -> Trial:
    """How each route stands."""
    quiet = quiet_until(person, now)
    ways = [_way(tx, route, outbox.find(tx, _key(test, route)), test) for route in routes]
    missing = tuple(route for route in person.wake if not person.addresses.get(route))
    return Trial(test.id, test.started_at, tuple(ways), missing, ended_at=test.ended_at, quiet_until=quiet, only_slack=routes == ["slack"])


def _way(tx: Session, route: str, row: OutMessage | None, test: RouteTest) -> Way:
    said = test.heard.get(route)
    at = datetime.fromisoformat(said) if said else None
    if row is None:
        return Way(route, State.WAITING, heard_at=at)
    if row.shown_rev > 0:
        # The row itself is edited once the test is over: the attempt that succeeded keeps its moment.
        sent = select(Attempt.at).where(Attempt.message_id == row.id, Attempt.outcome.in_(("ok", "found"))).order_by(Attempt.id).limit(1)
        return Way(route, State.ARRIVED, at=tx.scalars(sent).first() or row.shown_at, heard_at=at)
    state = State.FAILED if row.state in ("failed", "dropped") else State.WAITING
    return Way(route, state, why=row.error or "", tries=row.tries, heard_at=at)


def _key(test: RouteTest, route: str) -> str:
    return f"routetest:{test.id}:{route}"
