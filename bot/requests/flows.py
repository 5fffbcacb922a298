"""Asking, claiming, answering, withdrawing and taking back: in one open transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import spec_of
from bot.agents.spec import STANDARD_LADDER, StepSpec
from bot.db import wake
from bot.ladders.flows import call_anew, start_climb, stop_climb
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.people.flows import shared_registry
from bot.requests import messages, rules
from bot.requests.reading import KIND, place_of, terms_of, timing_of, view_of
from bot.tables import Agent, Call, Climb, OutMessage, Request


def requests_arrived(tx: Session, now: datetime, request_ids: Iterable[int]) -> None:
    """Post new requests to their queues, and start their timers and ladders."""
    for request in tx.scalars(select(Request).where(Request.id.in_(sorted(request_ids))).order_by(Request.id)):
        begin(tx, now, request, tx.get_one(Agent, request.agent_id))


def begin(tx: Session, now: datetime, request: Request, agent: Agent) -> None:
    """A request that is stored begins to be asked."""
    terms = terms_of(spec_of(agent), request.kind)
    request.channel_id = place_of(tx, agent, request.kind)
    request.sla_at = now + terms.sla
    request.on_timeout = rules.at_timeout(getattr(terms, "on_timeout", None), request.sla_at, request.deadline_at)
    set_timer(request, agent)
    start_climb(tx, now, KIND, request.id, ladder_of(tx, agent, request.kind))
    evidence = {"kind": request.kind, "rule": request.rule, "action_hash": request.action_hash}
    audit.record(tx, now, "request.ask", subject(request), came_from="agent", words=request.title[:500], evidence=evidence)
    show_request(tx, now, request, agent)


def ladder_of(tx: Session, agent: Agent, kind: str) -> list[StepSpec]:
    """Whom to call for a request, and when."""
    terms = terms_of(spec_of(agent), kind)
    if terms.ladder is None:
        return rules.steps_of(terms)
    written = shared_registry(tx).get("ladders", {}).get(terms.ladder) or STANDARD_LADDER
    return [StepSpec.model_validate(step) for step in written]


def set_timer(request: Request, agent: Agent) -> None:
    """Write down when something is next due."""
    found = rules.next_due(timing_of(request, agent)) if request.state == "open" else None
    request.due_at = found[0] if found is not None else None


def held(tx: Session, request_id: int) -> Request | None:
    """The request as it stands now, held until the commit: of two who answer at once, the second sees the first."""
    return tx.scalars(select(Request).where(Request.id == request_id).with_for_update(key_share=True).execution_options(populate_existing=True)).first()


def claim(tx: Session, now: datetime, request: Request, person_id: int) -> bool:
    """Somebody has it; False where somebody (perhaps they themselves) has it already, or it is over."""
    if request.state != "open" or request.claimed_by is not None:
        return False
    agent = tx.get_one(Agent, request.agent_id)
    request.claimed_by, request.claimed_at, request.reminded_at = person_id, now, None
    stop_climb(tx, now, KIND, request.id, "somebody claimed it")
    _call_off(tx, request)
    set_timer(request, agent)
    audit.record(tx, now, "request.claim", subject(request), person_id=person_id)
    show_request(tx, now, request, agent)
    return True


def give_back(tx: Session, now: datetime, request: Request, person_id: int | None, why: str) -> bool:
    """It is anybody's again, and people are called anew."""
    if request.state != "open" or request.claimed_by is None:
        return False
    agent = tx.get_one(Agent, request.agent_id)
    request.claimed_by = request.claimed_at = request.reminded_at = None
    call_anew(tx, now, KIND, request.id, ladder_of(tx, agent, request.kind))
    set_timer(request, agent)
    wake(tx, "requests")
    audit.record(tx, now, "request.give_back", subject(request), person_id=person_id, came_from="slack" if person_id else "timer", words=why)
    show_request(tx, now, request, agent)
    return True


def settle(tx: Session, now: datetime, request: Request, state: str, person_id: int | None, words: str | None = None, *, came_from: str = "slack") -> bool:
    """It has its answer (or needs none any more); False where it had one before."""
    if request.state != "open":
        return False
    agent = tx.get_one(Agent, request.agent_id)
    request.state, request.decided_by, request.decided_at, request.answer, request.due_at = state, person_id, now, words or None, None
    stop_climb(tx, now, KIND, request.id, state)
    _call_off(tx, request)
    evidence = {"action_hash": request.action_hash, "rule": request.rule, "on_timeout": request.on_timeout if state == "timed_out" else None}
    audit.record(tx, now, f"request.{state}", subject(request), person_id=person_id, came_from=came_from, words=(words or "")[:3000], evidence=evidence)
    if came_from != "agent":  # what it took back itself, it knows
        _tell_agent(tx, now, request, agent)
    wake(tx, "answers")
    show_request(tx, now, request, agent)
    return True


def undo(tx: Session, now: datetime, request: Request, person_id: int, why: str) -> bool:
    """An approval is taken back: not used yet, it no longer can be; used, it is recorded as undone and the agent is told."""
    if request.state != "approved" or request.undone_at is not None:
        return False
    agent = tx.get_one(Agent, request.agent_id)
    request.undone_by, request.undone_at, request.undone_why = person_id, now, why
    audit.record(tx, now, "request.undo", subject(request), person_id=person_id, words=why, evidence={"used": request.used_at is not None, "action_hash": request.action_hash})
    _tell_agent(tx, now, request, agent)
    show_request(tx, now, request, agent)
    return True


def use(tx: Session, now: datetime, request: Request) -> bool:
    """The one use of an approval; False where it was used or taken back. The caller holds the row."""
    if request.used_at is not None or request.undone_at is not None:
        return False
    request.used_at = now
    audit.record(tx, now, "request.use", subject(request), came_from="agent", evidence={"action_hash": request.action_hash})
    show_request(tx, now, request)
    return True


def show_request(tx: Session, now: datetime, request: Request, agent: Agent | None = None) -> None:
    """The one message in the queue says how it stands, and so does every call that stands outside."""
    tx.flush()
    view = view_of(tx, request, agent)
    if request.channel_id:
        outbox.show(tx, now, key=key_of(request.id), to=request.channel_id, message=messages.queue_message(view), priority=Priority.INCIDENT)
    if request.state != "open" or request.claimed_by is not None:
        off = messages.called_off(view)
        for key in call_keys(tx, request.id):
            if request.state != "open" or ":reminder:" not in key:  # a reminder keeps its buttons while it waits
                outbox.mend(tx, now, key, off)


def call_keys(tx: Session, request_id: int) -> list[str]:
    """Every direct word about it that stands in Slack: calls of its ladder, and reminders."""
    climbs = select(Climb.id).where(Climb.subject_kind == KIND, Climb.subject_id == request_id)
    calls = tx.scalars(select(Call.message_key).where(Call.climb_id.in_(climbs), Call.route == "slack"))
    reminders = tx.scalars(select(OutMessage.key).where(OutMessage.cause == cause_of(request_id), OutMessage.kind == "call", OutMessage.key.like(f"request:{request_id}:reminder:%")))
    return [*calls, *reminders]


def cause_of(request_id: int) -> str:
    return f"request:{request_id}"


def key_of(request_id: int) -> str:
    return f"request:{request_id}"


def subject(request: Request) -> str:
    return f"request:{request.id}"


def _call_off(tx: Session, request: Request) -> None:
    outbox.drop(tx, cause_of(request.id))


def _tell_agent(tx: Session, now: datetime, request: Request, agent: Agent) -> None:
    if spec_of(agent).webhook:
        request.hook_at, request.hook_tries, request.hook_said = now, 0, None
        wake(tx, "webhooks of requests")
