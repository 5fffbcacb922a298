"""The timers of requests: rungs of their ladders, calls that did not arrive, SLAs and deadlines."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot import audit
from bot.alone import alone
from bot.blocks import mention
from bot.ladders.flows import BATCH, POISON, due_climbs, is_ready, may_be_due, step_aside, stop_climb, take_rung
from bot.outbox import flows as outbox
from bot.paging.rules import next_route, routes_at_once, routes_of
from bot.people.quiet_hours import quiet_until
from bot.requests import messages, rules
from bot.requests.flows import cause_of, give_back, held, set_timer, settle, show_request, subject
from bot.requests.reading import KIND, timing_of, view_of
from bot.requests.rules import Due
from bot.tables import Agent, Call, Climb, OutMessage, Person, Request


def something_due(tx: Session, now: datetime) -> bool:
    """Whether a timer, a rung or an unconfirmed call of a request waits."""
    if tx.scalars(select(Request.id).where(Request.due_at <= now).limit(1)).first() is not None:
        return True
    if tx.scalars(select(Climb.id).where(Climb.subject_kind == KIND, Climb.next_at.is_not(None), may_be_due(now)).limit(1)).first() is not None:
        return True
    return tx.scalars(_unsettled(now).with_only_columns(Call.id).limit(1)).first() is not None


def next_due(tx: Session, now: datetime) -> datetime | None:
    """When the first timer of a request after `now` is due."""
    rung = select(func.min(Climb.next_at)).where(Climb.subject_kind == KIND, Climb.next_at > now)
    found = [tx.scalar(select(func.min(Request.due_at)).where(Request.due_at > now)), tx.scalar(rung)]
    return min((at for at in found if at is not None), default=None)


def requests_step(tx: Session, now: datetime) -> bool:
    """Do what is due for requests; says whether there was anything."""
    worked = False
    for request in tx.scalars(select(Request).where(Request.due_at <= now).order_by(Request.due_at).limit(BATCH).with_for_update(skip_locked=True, key_share=True)):
        worked = True
        with alone(tx, "the timer of a request raised and steps aside", request=request.id) as tried:
            _timer(tx, now, request)
        if tried.failed:
            request.due_at = now + POISON
    for climb in due_climbs(tx, now, KIND):
        with alone(tx, "the climb of a request raised and steps aside", climb=climb.id) as tried:
            if is_ready(climb, now):
                worked = True
                _call_rung(tx, now, climb)
        if tried.failed:
            step_aside(climb, now)
    return _settle_calls(tx, now) or worked


def _timer(tx: Session, now: datetime, request: Request) -> None:
    agent = tx.get_one(Agent, request.agent_id)
    found = rules.next_due(timing_of(request, agent)) if request.state == "open" else None
    if found is None or found[0] > now:
        request.due_at = found[0] if found is not None else None
        return
    if found[1] is Due.TIME_OUT:
        settle(tx, now, request, "timed_out", None, came_from="timer")
    elif found[1] is Due.LATE:
        request.late_at = now
        audit.record(tx, now, "request.late", subject(request), came_from="timer", words="nobody claimed it within its time")
        set_timer(request, agent)
        show_request(tx, now, request, agent)
    elif found[1] is Due.REMIND:
        _remind(tx, now, request, agent)
    elif found[1] is Due.RELEASE:
        give_back(tx, now, request, None, "whoever claimed it did not answer after a reminder")


def _remind(tx: Session, now: datetime, request: Request, agent: Agent) -> None:
    person = tx.get(Person, request.claimed_by) if request.claimed_by is not None else None
    request.reminded_at = now
    set_timer(request, agent)
    if person is not None and person.slack_id:
        told = messages.reminder(view_of(tx, request, agent), mention(person.slack_id, person.name))
        outbox.call(tx, now, key=f"request:{request.id}:reminder:{int(now.timestamp())}", to=person.slack_id, message=told, cause=cause_of(request.id))


def _call_rung(tx: Session, now: datetime, climb: Climb) -> None:
    request = held(tx, climb.subject_id)
    if request is None or request.state != "open" or request.claimed_by is not None:
        stop_climb(tx, now, KIND, climb.subject_id, "nobody needs to be called any more")
        return
    agent = tx.get_one(Agent, request.agent_id)
    round = climb.round
    reach = take_rung(tx, now, climb, agent)
    # Who triggered an action cannot approve it: waking them would help nobody.
    people = [person for person in reach.people if request.kind != "approval" or person.id != request.triggered_by]
    for person in people:
        quiet = quiet_until(person, now)
        for route in routes_at_once(routes_of(person.slack_id, person.wake, person.addresses), quiet=quiet is not None):
            call_person(tx, now, climb, request, agent, person, route=route, round=round, rung=reach.last, role=reach.words)
    if reach.channel:
        _call_channel(tx, now, climb, request, agent, reach.channel, round=round, rung=reach.last, role=reach.words)
    if people or reach.channel:
        words = f"called {', '.join(person.name or 'someone' for person in people) or reach.words}"
        audit.record(tx, now, "request.call", subject(request), came_from="timer", words=words, evidence={"round": round, "notes": list(reach.notes)})
    show_request(tx, now, request, agent)


def call_person(tx: Session, now: datetime, climb: Climb, request: Request, agent: Agent, person: Person, *, route: str, round: int, rung: int, role: str) -> None:
    """One new post to one person by one way."""
    key = f"request-call:{climb.id}:{round}:{rung}:{person.id}" + ("" if route == "slack" else f":{route}")
    if outbox.find(tx, key) is not None:
        return
    to = str(person.slack_id if route == "slack" else person.addresses[route])
    name = mention(person.slack_id, person.name) if route == "slack" else f"{person.name or 'Hello'},"
    told = messages.call_message(view_of(tx, request, agent), to=name, role=role, in_slack=route == "slack")
    outbox.call(tx, now, key=key, to=to, message=told, cause=cause_of(request.id), route=route, topic=f"request {request.id}" if route == "email" else "")
    _note(tx, now, climb, key, f"person:{person.id}", route, round, rung, person.id)


def _call_channel(tx: Session, now: datetime, climb: Climb, request: Request, agent: Agent, channel: str, *, round: int, rung: int, role: str) -> None:
    key = f"request-call:{climb.id}:{round}:{rung}:{channel}"
    if outbox.find(tx, key) is not None:
        return
    told = messages.call_message(view_of(tx, request, agent), to="Everybody here:", role=role, in_slack=True)
    outbox.call(tx, now, key=key, to=channel, message=told, cause=cause_of(request.id))
    _note(tx, now, climb, key, f"channel:{channel}", "slack", round, rung, None)


def _note(tx: Session, now: datetime, climb: Climb, key: str, target: str, route: str, round: int, rung: int, person_id: int | None) -> None:
    confirm_by = now + rules.CONFIRM_WITHIN
    tx.add(Call(climb_id=climb.id, round=round, rung=rung, person_id=person_id, target=target, route=route, message_key=key, called_at=now, confirm_by=confirm_by))
    tx.flush()


def _unsettled(now: datetime):  # type: ignore[no-untyped-def]
    told = or_(Call.confirm_by <= now, OutMessage.shown_rev > 0, OutMessage.state.in_(("failed", "dropped")))
    sought = select(Call, OutMessage).join(OutMessage, OutMessage.key == Call.message_key).join(Climb, Climb.id == Call.climb_id)
    return sought.where(Climb.subject_kind == KIND, Call.confirm_by.is_not(None), told)


def _settle_calls(tx: Session, now: datetime) -> bool:
    """A call that arrived is noted; one that did not goes the person's next way."""
    rows = tx.execute(_unsettled(now).order_by(Call.confirm_by).limit(BATCH).with_for_update(of=Call, skip_locked=True, key_share=True)).all()
    for call, row in rows:
        call.confirm_by = None
        if row.shown_rev > 0:
            call.state = "confirmed"
            continue
        if row.state == "dropped":
            call.state = "dropped"
            continue
        call.state = "failed" if row.state == "failed" else "late"
        climb = tx.get_one(Climb, call.climb_id)
        request = held(tx, climb.subject_id)
        person = tx.get(Person, call.person_id) if call.person_id is not None else None
        if request is None or person is None or climb.stopped_at is not None:
            continue
        mine = (Call.climb_id == call.climb_id, Call.round == call.round, Call.rung == call.rung, Call.target == call.target)
        used = list(tx.scalars(select(Call.route).where(*mine)))
        route = next_route(routes_of(person.slack_id, person.wake, person.addresses), used)
        if route is not None:
            agent = tx.get_one(Agent, request.agent_id)
            call_person(tx, now, climb, request, agent, person, route=route, round=call.round, rung=call.rung, role="the next to answer")
    return bool(rows)


