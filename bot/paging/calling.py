"""Calling people: the step that climbs the ladders, and the one that makes sure each call arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot import audit
from bot.alone import alone
from bot.blocks import Message, channel_link, mention, when
from bot.known import is_known, known, learn, looking_ahead
from bot.ladders.flows import BATCH, due_climbs, hurry, is_ready, step_aside, stop_climb, take_rung
from bot.ladders.reaching import Reach
from bot.marks import mark_of
from bot.outbox import flows as outbox
from bot.paging import messages, rules, showing
from bot.paging.ahead import look_ahead, look_at_messages_ahead
from bot.paging.reading import calls_of, named
from bot.paging.rules import Arrival
from bot.paging.sparing.holding import hold_before_call
from bot.paging.viewing import page_view, with_calls
from bot.paging.watching import messages as watching
from bot.paging.words.phrases import ways
from bot.people.quiet_hours import quiet_until
from bot.routes.words import times_in
from bot.tables import Agent, Call, Climb, OutMessage, Page, Person, Problem

DELIVERY = "delivery.slack"  # the mark in which the outbox keeps how Slack is doing

A_FEW = 10  # pages that begin calling in one moment


class Links(Protocol):
    """Makes links that work without Slack; composed where the public URL and the secret are known."""

    def acknowledge(self, now: datetime, page_id: int, person_id: int) -> str | None:
        """One person's link to acknowledge one page; None where there is no public URL."""


def ladders_step(tx: Session, now: datetime, links: Links | None = None) -> bool:
    """Make the calls that are due, and give calls that did not arrive to the next route; says whether there was work."""
    climbs = due_climbs(tx, now, "page")
    ready: list[Climb] = []
    with alone(tx, "a batch of climbs raised and is tried one by one", climbs=len(climbs)) as tried:
        ready = [climb for climb in climbs if is_ready(climb, now)]
        _call_rungs(tx, now, ready, links)
    if tried.failed:
        for climb in climbs:
            with alone(tx, "a climb raised and steps aside", climb=climb.id) as tried:
                _call_rungs(tx, now, [climb] if is_ready(climb, now) else [], links)
            if tried.failed:
                step_aside(climb, now)
                with alone(tx, "a page whose call raised could not be shown either", climb=climb.id):
                    showing.announce_unseen(tx, now, climb.subject_id)
    return _settle_calls(tx, now, links) or bool(ready)


def _call_rungs(tx: Session, now: datetime, climbs: Sequence[Climb], links: Links | None) -> None:
    """Call for each climb; what all of them need is looked up at once, and what they write is written together."""
    if not climbs:
        return
    ids = [climb.subject_id for climb in climbs]
    held = select(Page).where(Page.id.in_(ids)).order_by(Page.id).with_for_update(key_share=True).execution_options(populate_existing=True)
    pages = {page.id: page for page in tx.scalars(held)}
    calling = [(climb, page) for climb in climbs if (page := pages.get(climb.subject_id)) is not None and _must_call(tx, now, climb, page)]
    for climb in climbs:
        if climb.subject_id not in pages:
            stop_climb(tx, now, "page", climb.subject_id, "nobody needs to be called any more")
    if not calling:
        return
    with looking_ahead(tx):
        look_ahead(tx, now, [page for _, page in calling])
        reached = [(climb, page, climb.round, take_rung(tx, now, climb, tx.get_one(Agent, page.agent_id))) for climb, page in calling]
        look_at_messages_ahead(tx, *_keys(tx, reached))
        due_at = now + showing.SOON if len(reached) > A_FEW else None  # a storm: first all calls go out, then what tells of them
        for climb, page, round, reach in reached:
            _call_rung(tx, now, climb, page, round, reach, links, due_at)
        tx.flush()


def _keys(tx: Session, reached: Sequence[tuple[Climb, Page, int, Reach]]) -> tuple[list[str], list[str]]:
    """Under which keys there will be messages, and in which threads."""
    keys, threads = [], [showing.root_key(page.id) for _, page, _, _ in reached]
    for climb, page, round, reach in reached:
        keys += [_line_key(page, climb, round, reach.last), *(showing.dm_key(page.id, person.id) for person in reach.people)]
        keys += [showing.dm_key(page.id, call.person_id) for call in calls_of(tx, page.id) if call.person_id is not None]
        keys += [_call_key(climb, round, reach.last, person, "slack") for person in reach.people]
    return [*keys, *threads], threads


def _line_key(page: Page, climb: Climb, round: int, rung: int) -> str:
    return showing.line_key(page.id, _line_name(climb, round, rung))


def _line_name(climb: Climb, round: int, rung: int) -> str:
    return f"called:{climb.id}:{round}:{rung}"


def _call_key(climb: Climb, round: int, rung: int, person: Person, route: str) -> str:
    return f"call:{climb.id}:{round}:{rung}:{person.id}" + ("" if route == "slack" else f":{route}")


def _must_call(tx: Session, now: datetime, climb: Climb, page: Page) -> bool:
    if page.resolved_at is not None or page.acked_at is not None:
        stop_climb(tx, now, "page", climb.subject_id, "nobody needs to be called any more")
        return False
    if hold_before_call(tx, now, page):
        return False
    if page.test and climb.round > 1:
        _end_test(tx, now, page)
        return False
    return True


def _call_rung(tx: Session, now: datetime, climb: Climb, page: Page, round: int, reach: Reach, links: Links | None, due_at: datetime | None) -> None:
    earlier = calls_of(tx, page.id)
    before = len(earlier)
    notes, view = list(reach.notes), page_view(tx, page)  # as it stands before these calls, for all of them
    for person in reach.people:
        quiet = quiet_until(person, now)
        routes = rules.routes_at_once(rules.routes_of(person.slack_id, person.wake, person.addresses), quiet=quiet is not None)
        for route in routes:
            call_person(tx, now, climb, page, person, route=route, round=round, rung=reach.last, role=reach.words, before=before, links=links, view=view)
        if quiet is not None and not page.test:
            notes.append(quiet_note(person, quiet, routes[1:]))
    if reach.channel:
        call_channel(tx, now, climb, page, reach.channel, round=round, rung=reach.last, role=reach.words, before=before)
    showing.show_page(tx, now, page, view=with_calls(tx, page, climb, view), due_at=due_at)
    if not page.test and (reach.anybody or notes):
        told = messages.called_line(reach.names(), reach.words, round, notes, before, [_whom(tx, each) for each in earlier])
        showing.add_line(tx, now, page, _line_name(climb, round, reach.last), told, due_at=due_at)
        words = f"called {reach.names()}"
        audit.record(tx, now, "page.call", f"page:{page.id}", came_from="timer", words=words, evidence={"round": round, "notes": notes})


def _whom(tx: Session, call: Call) -> str:
    person = tx.get(Person, call.person_id) if call.person_id is not None else None
    return named(person) if person is not None else channel_link(call.target.removeprefix("channel:"))


def quiet_note(person: Person, until: datetime, more: Sequence[str]) -> str:
    """That Slack does not ring for somebody called, and what else does."""
    said = f"Slack does not ring for {named(person)} until {when(until)}"
    return f"{said}: called by {ways(more)} too." if more else f"{said}, and no other route wakes them."


def call_person(
    tx: Session, now: datetime, climb: Climb, page: Page, person: Person, *, route: str, round: int, rung: int, role: str, before: int, links: Links | None, view: messages.PageView | None = None
) -> None:
    """One new post to one person by one route, and the row that waits for its confirmation."""
    key = _call_key(climb, round, rung, person, route)
    if outbox.find(tx, key) is not None:
        return
    to = str(person.slack_id if route == "slack" else person.addresses[route])
    # A link in the DM would only repeat the button; elsewhere it is the only way to answer.
    link = links.acknowledge(now, page.id, person.id) if links is not None and route != "slack" else None
    told = messages.call_message(
        view or page_view(tx, page), mention=mention(person.slack_id, person.name) if route == "slack" else f"{named(person)}:", role=role, round=round, calls_before=before, in_slack=route == "slack", link=link
    )
    if route != "slack":
        told = replace(told, text=times_in(told.text, person.zone))
    outbox.call(tx, now, key=key, to=to, message=told, cause=showing.cause_of(page.id), route=route, topic=showing.topic_of(page) if route == "email" else "")
    _note_call(tx, page, Call(
        climb_id=climb.id, round=round, rung=rung, person_id=person.id, target=f"person:{person.id}", route=route,
        message_key=key, called_at=now, confirm_by=now + rules.CONFIRM_WITHIN,
    ))  # fmt: skip


def call_channel(tx: Session, now: datetime, climb: Climb, page: Page, channel: str, *, round: int, rung: int, role: str, before: int) -> None:
    key = f"call:{climb.id}:{round}:{rung}:{channel}"
    if outbox.find(tx, key) is not None:
        return
    told = watching.synthetic(page.id) if page.synthetic else messages.channel_call(page_view(tx, page), calls_before=before)
    outbox.call(tx, now, key=key, to=channel, message=told, cause=showing.cause_of(page.id))
    _note_call(tx, page, Call(
        climb_id=climb.id, round=round, rung=rung, person_id=None, target=f"channel:{channel}", route="slack",
        message_key=key, called_at=now, confirm_by=now + rules.CONFIRM_WITHIN,
    ))  # fmt: skip


def _note_call(tx: Session, page: Page, call: Call) -> None:
    """The row that waits for the confirmation of a call."""
    call.state = "sent"
    tx.add(call)
    learn(tx, "calls of page", {page.id: [*calls_of(tx, page.id), call]} if is_known(tx, "calls of page", page.id) else {})


def _settle_calls(tx: Session, now: datetime, links: Links | None) -> bool:
    """Look at calls that wait for confirmation: accepted, or given to the person's next route."""
    down = slack_is_down(tx)
    told = or_(Call.confirm_by <= now, OutMessage.shown_rev > 0, OutMessage.state.in_(("failed", "dropped")), *([Call.route == "slack"] if down else []))
    sought = select(Call, OutMessage).join(OutMessage, OutMessage.key == Call.message_key).where(Call.confirm_by.is_not(None), told)
    sought = sought.join(Climb, Climb.id == Call.climb_id).where(Climb.subject_kind == "page")
    rows = tx.execute(sought.order_by(Call.confirm_by).limit(BATCH).with_for_update(of=Call, skip_locked=True, key_share=True)).all()
    with alone(tx, "a batch of calls raised and is looked at one by one", calls=len(rows)) as tried:
        _settle_all(tx, now, [(call, row) for call, row in rows], down=down, links=links)
    if not tried.failed:
        return bool(rows)
    for call, row in rows:
        with alone(tx, "a call raised and is set aside", call=call.id) as tried:
            _settle(tx, now, call, row, down=down, links=links)
        if tried.failed:
            # The ladder goes on by its own timer, so nothing is lost by no longer watching this one call.
            call.state, call.confirm_by = "failed", None
    return bool(rows)


def _settle_all(tx: Session, now: datetime, rows: Sequence[tuple[Call, OutMessage]], *, down: bool, links: Links | None) -> None:
    if not rows:
        return
    climbs = {climb.id: climb for climb in tx.scalars(select(Climb).where(Climb.id.in_({call.climb_id for call, _ in rows})))}
    pages = {page.id: page for page in tx.scalars(select(Page).where(Page.id.in_({climb.subject_id for climb in climbs.values()})))}
    with looking_ahead(tx):
        unknown = [page.id for page in pages.values() if page.called_ms is None]
        learn(tx, "deadline of page", dict.fromkeys(unknown) | {row.page_id: row.first for row in tx.execute(select(Problem.page_id, func.min(Problem.deadline_at).label("first")).where(Problem.page_id.in_(unknown)).group_by(Problem.page_id))})
        for call, row in rows:
            _settle(tx, now, call, row, down=down, links=links)


def _settle(tx: Session, now: datetime, call: Call, row: OutMessage, *, down: bool, links: Links | None) -> None:
    climb = tx.get_one(Climb, call.climb_id)
    page = tx.get_one(Page, climb.subject_id)
    arrival = rules.how_it_arrived(
        shown=row.shown_rev > 0,
        given_up=row.state == "failed",
        route_is_down=down and call.route == "slack",
        confirm_by=call.confirm_by or now,
        now=now,
    )
    if arrival is Arrival.CONFIRMED:
        note_accepted(tx, page, row.shown_at or now)
        call.state, call.confirm_by = "confirmed", None
        return
    if climb.stopped_at is not None or row.state == "dropped":
        call.state, call.confirm_by = "dropped", None
        return
    person = tx.get(Person, call.person_id) if call.person_id is not None else None
    used = [each.route for each in calls_of(tx, page.id) if (each.climb_id, each.round, each.rung, each.target) == (call.climb_id, call.round, call.rung, call.target)]
    route = rules.next_route(rules.routes_of(person.slack_id, person.wake, person.addresses), used) if person is not None else None
    name = named(person) if person is not None else "the channel"
    alongside = [each.route for each in calls_of(tx, page.id) if each.id != call.id and each.target == call.target and (each.climb_id, each.round, each.rung) == (call.climb_id, call.round, call.rung) and each.state in ("sent", "confirmed")]
    if person is not None and route is not None:
        call.state, call.confirm_by = "failed" if arrival is Arrival.FAILED else "late", None
        call_person(tx, now, climb, page, person, route=route, round=call.round, rung=call.rung, role="the next to answer", before=0, links=links)
        words = f"The call to {name} by {ways([call.route])} did not arrive ({_why(arrival, row)}): calling by {ways([route])}."
        showing.add_line(tx, now, page, f"route:{call.id}", Message(words))
        showing.show_page(tx, now, page)
        return
    other = f"they are called by {ways(alongside)} as well" if alongside else "there is no other route to them"
    words = f"The call to {name} by {ways([call.route])} is not confirmed ({_why(arrival, row)}), and {other}."
    showing.add_line(tx, now, page, f"unreached:{call.id}", Message(words))
    if arrival is Arrival.FAILED:
        call.state, call.confirm_by = "failed", None
        # Proof that nobody was reached on this rung is as good as the time being up.
        siblings = [each for each in calls_of(tx, page.id) if (each.climb_id, each.round, each.rung) == (call.climb_id, call.round, call.rung)]
        if all(each.state in ("failed", "late") for each in siblings):
            hurry(tx, now, climb)
            showing.show_page(tx, now, page)
        return
    call.confirm_by = now + max(rules.CONFIRM_WITHIN, timedelta(seconds=1))  # it may still arrive: look again


def note_accepted(tx: Session, page: Page, at: datetime) -> None:
    """Keep how long after its deadline the first call of a page was accepted: what the product is measured by."""
    if page.called_ms is None and not page.test:
        deadline = known(tx, "deadline of page", page.id, lambda: tx.scalar(select(func.min(Problem.deadline_at)).where(Problem.page_id == page.id)))
        if deadline is not None:
            page.called_ms = max(int((at - deadline).total_seconds() * 1000), 0)


def _why(arrival: Arrival, row: OutMessage) -> str:
    return "it was refused" if arrival is Arrival.FAILED and row.state == "failed" else "no confirmation in time" if arrival is Arrival.LATE else "Slack has shut the bot out"


def slack_is_down(tx: Session) -> bool:
    """Whether the bot is known to be shut out of Slack (uninstalled, or its token revoked)."""
    return bool(mark_of(tx, DELIVERY).get("state") == "unauthorised")


def _end_test(tx: Session, now: datetime, page: Page) -> None:
    page.resolved_at = now
    page.resolved_why = f"nobody acknowledged this test page within {messages.span(rules.TEST_LASTS)}. Check whether the calls reached you, by every route."
    stop_climb(tx, now, "page", page.id, "the test is over")
    outbox.drop(tx, showing.cause_of(page.id))
    audit.record(tx, now, "page.test_over", f"page:{page.id}", came_from="timer", words=page.resolved_why)
    showing.show_page(tx, now, page)
