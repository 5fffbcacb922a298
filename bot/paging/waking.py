"""Quiet hours and calls: asking Slack who is not rung for, and calling these by their other routes as well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.db import wake
from bot.ladders.everybody import may_be_called, people_by_id
from bot.ladders.flows import steps_of
from bot.ladders.reaching import reach_of
from bot.lanes import Lanes, Urgency
from bot.marks import put_mark
from bot.paging import rules, showing
from bot.paging.calling import Links, call_person, quiet_note
from bot.paging.reading import calls_of
from bot.people.quiet_hours import quiet_until, take_quiet_hours
from bot.routes.slack import word_of
from bot.tables import Agent, Call, Climb, Page, Person

log = structlog.get_logger(__name__)

MARK = "quiet hours.asked"  # {at, error}: when Slack was last asked for quiet hours, and why it did not tell
AT_ONCE = 50  # people in one question, as dnd.teamInfo allows
PACE = timedelta(seconds=6)  # between two questions: half of its limit (tier 2, 20 a minute)
FRESH = timedelta(minutes=30)  # what Slack said is believed that long; a dnd_updated_user event renews it at once
EVERYBODY_EVERY = timedelta(minutes=5)
SOON = timedelta(minutes=2)  # who is called this soon, or was called just now, is asked for first
CALLED_LATELY = timedelta(minutes=15)
REFUSED_WAITS = timedelta(hours=1)  # the scope is missing: it will not be there in six seconds


class QuietHours:
    """The loop "quiet hours": keeps what is known of everybody who may be called fresh, at a price Slack's limits bear."""

    def __init__(self, client: AsyncWebClient, lanes: Lanes, links: Links | None) -> None:
        self.client, self.lanes, self.links = client, lanes, links
        self._next_at: datetime | None = None
        self._all_at: datetime | None = None  # when everybody is looked through again; a moment is too often for 10,000 agents

    async def step(self, now: datetime) -> bool:
        """One question, where one is due; says whether there was one."""
        if await self.lanes.read(lambda tx: unheard(tx, now)):
            await self.lanes.write(lambda tx: wake_them(tx, now, self.links), urgency=Urgency.PAGE)
        if self._next_at is not None and now < self._next_at <= now + REFUSED_WAITS:
            return False
        everybody = self._all_at is None or not now < self._all_at <= now + EVERYBODY_EVERY
        wanted = await self.lanes.read(lambda tx: whom_to_ask(tx, now, everybody=everybody))
        if everybody and len(wanted) < AT_ONCE:
            self._all_at = now + EVERYBODY_EVERY
        if not wanted:
            return False
        self._next_at = now + PACE
        try:
            answer = await self.client.api_call("dnd.teamInfo", http_verb="GET", params={"users": ",".join(wanted)})
        except SlackApiError as error:
            word = word_of(error)
            wait = float(error.response.headers.get("Retry-After", 30)) if word == "ratelimited" or error.response.status_code == 429 else 0
            self._next_at = now + (timedelta(seconds=wait) if wait else REFUSED_WAITS if word in ("missing_scope", "not_allowed_token_type") else timedelta(minutes=1))
            await self.lanes.write(lambda tx: _remember(tx, now, word))
            return False
        except (SlackClientError, OSError, TimeoutError) as error:
            log.warning("Slack did not tell quiet hours; trying again", error=type(error).__name__)
            self._next_at = now + timedelta(seconds=30)
            return False
        told = answer.get("users") or {}
        await self.lanes.write(lambda tx: take_answer(tx, now, wanted, told, self.links), urgency=Urgency.PAGE)
        return True


def whom_to_ask(tx: Session, now: datetime, *, everybody: bool = True) -> list[str]:
    """Up to 50 Slack ids: first those called just now or soon, then whoever may be called and was asked for long ago."""
    stale = now - FRESH
    urgent = _urgent(tx, now)
    people = people_by_id(tx, sorted(urgent))
    first = [person for person in people.values() if person.slack_id and (person.quiet_known_at is None or person.quiet_known_at < min(urgent[person.id], now - PACE) or person.quiet_known_at > now)]
    rest: list[Person] = []
    if everybody and len(first) < AT_ONCE:
        known = people_by_id(tx, sorted(set(may_be_called(tx)) - set(urgent)))
        old = [person for person in known.values() if person.slack_id and person.active and (person.quiet_known_at is None or not stale < person.quiet_known_at <= now)]
        rest = sorted(old, key=lambda person: (person.quiet_known_at is not None, person.quiet_known_at or now, person.id))
    return [str(person.slack_id) for person in [*first, *rest][:AT_ONCE]]


def _urgent(tx: Session, now: datetime) -> dict[int, datetime]:
    """Whom a page called just now or will call soon, and how old what we know of them may be at most."""
    found: dict[int, datetime] = {}
    called = select(Call.person_id, Call.called_at).join(Climb, Climb.id == Call.climb_id).where(Climb.stopped_at.is_(None), Call.called_at > now - SOON, Call.called_at <= now, Call.person_id.is_not(None))
    for person_id, at in tx.execute(called.limit(500)):
        if person_id is not None:
            found[person_id] = max(at, found.get(person_id, at))
    soon = select(Climb, Page).join(Page, Page.id == Climb.subject_id).where(Climb.subject_kind == "page", Climb.next_at > now, Climb.next_at <= now + SOON)
    for climb, page in tx.execute(soon.order_by(Climb.next_at).limit(50)):
        reach = reach_of(tx, climb.next_at or now, tx.get_one(Agent, page.agent_id), steps_of(climb), climb.rung, climb)
        for person in reach.people:
            found.setdefault(person.id, now - SOON)
    return found


def take_answer(tx: Session, now: datetime, asked: list[str], told: dict[str, Any], links: Links | None) -> None:
    """Write down what Slack said, and call by their other routes those it does not ring for, called a moment ago."""
    people = list(tx.scalars(select(Person).where(Person.slack_id.in_(asked)).order_by(Person.id)))
    for person in people:
        # Whom Slack leaves out (a stranger, somebody gone) is asked for again in half an hour, not at once.
        take_quiet_hours(person, told.get(str(person.slack_id)) or {}, now)
    tx.flush()
    _remember(tx, now, "")
    wake_them(tx, now, links)


def heard_quiet_hours(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """The event dnd_updated_user: somebody changed when Slack rings for them."""
    person = tx.scalars(select(Person).where(Person.slack_id == str(event.get("user"))).order_by(Person.id)).first()
    if person is not None:
        take_quiet_hours(person, event.get("dnd_status") or {}, now)
        wake(tx, "quiet hours")


def unheard(tx: Session, now: datetime) -> list[tuple[Call, Page, Person]]:
    """Calls by Slack made lately, of pages nobody has answered, for whose person Slack did not ring then and does not now."""
    sought = select(Call, Page, Person).join(Climb, Climb.id == Call.climb_id).join(Page, Page.id == Climb.subject_id).join(Person, Person.id == Call.person_id)
    unanswered = (Climb.stopped_at.is_(None), Climb.subject_kind == "page", Page.resolved_at.is_(None), Page.acked_at.is_(None))
    slept = (Call.route == "slack", Call.called_at > now - CALLED_LATELY, Person.quiet_from <= Call.called_at, Person.quiet_until > now)
    rows = [(call, page, person) for call, page, person in tx.execute(sought.where(*unanswered, *slept).order_by(Call.id)).all()]
    return [(call, page, person) for call, page, person in rows if _routes_left(tx, call, page, person)]


def _routes_left(tx: Session, call: Call, page: Page, person: Person) -> list[str]:
    used = {each.route for each in calls_of(tx, page.id) if (each.climb_id, each.round, each.rung, each.target) == (call.climb_id, call.round, call.rung, call.target)}
    return [route for route in rules.routes_of(person.slack_id, person.wake, person.addresses) if route not in used]


def wake_them(tx: Session, now: datetime, links: Links | None) -> bool:
    """Call these by their other routes too; says whether there was anybody."""
    rows = unheard(tx, now)
    for call, page, person in rows:
        climb, more = tx.get_one(Climb, call.climb_id), _routes_left(tx, call, page, person)
        for route in more:
            call_person(tx, now, climb, page, person, route=route, round=call.round, rung=call.rung, role="the next to answer", before=0, links=links)
        showing.add_line(tx, now, page, f"quiet:{call.id}", Message(quiet_note(person, quiet_until(person, now) or now, more)))
        showing.show_page(tx, now, page)
    return bool(rows)


def _remember(tx: Session, now: datetime, error: str) -> None:
    put_mark(tx, MARK, {"at": now.isoformat(), "error": error})
