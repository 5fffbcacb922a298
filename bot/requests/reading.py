"""Looking requests up: who may answer them, how they stand, what the agent hears."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.reading import find_channel, lead_people, spec_of
from bot.agents.spec import AgentSpec, ApprovalsSpec, HandoffsSpec
from bot.blocks import escape, when
from bot.feedback.rules import may_show_text, safe_link
from bot.ladders.flows import live_climb, next_call
from bot.people.flows import Actor, find_group, find_ref, group_people, owners_of, roles_of
from bot.people.rules import Role
from bot.requests.messages import RequestView, Someone
from bot.requests.rules import Asked, Timing
from bot.tables import Agent, Person, Request

KIND = "request"  # of its climbs
ANSWERERS = ("operations", "backup", "business")
SEARCHED = 500  # open requests looked through for one person


def terms_of(spec: AgentSpec, kind: str) -> ApprovalsSpec | HandoffsSpec:
    """What the registry says about this kind of request; the defaults where it says nothing."""
    if kind == "approval":
        return spec.approvals or ApprovalsSpec.model_validate({})
    return spec.handoffs or HandoffsSpec.model_validate({})


def deciders_of(tx: Session, agent: Agent, kind: str, triggered_by: int | None) -> list[Person]:
    """Who may answer: those named, else the owners; never who triggered an approval. Where that leaves nobody, the leads."""
    named = terms_of(spec_of(agent), kind).by
    people = list(_people(tx, named)) if named else _owners(tx, agent)
    able = [person for person in dict.fromkeys(people) if person.active and person.kind == "member"]
    if kind == "approval":
        able = [person for person in able if person.id != triggered_by]
    if able:
        return able
    return [person for person in lead_people(tx) if kind != "approval" or person.id != triggered_by]


def _people(tx: Session, refs: Iterable[str]) -> Iterable[Person]:
    for ref in refs:
        if person := find_ref(tx, ref):
            yield person
        elif group := find_group(tx, ref):
            yield from group_people(tx, group)


def _owners(tx: Session, agent: Agent) -> list[Person]:
    rows = owners_of(tx, agent.id)
    found = [tx.get(Person, rows[role].person_id) for role in ANSWERERS if role in rows]
    return [person for person in found if person is not None]


def roles_on(tx: Session, request: Request, agent: Agent, actor: Actor) -> set[Role]:
    """All roles of somebody with regard to one request."""
    open_queue = request.kind == "handoff" and not terms_of(spec_of(agent), "handoff").by
    roles = roles_of(tx, actor, agent.id, channel_id=request.channel_id if open_queue else None)
    if roles & {Role.STRANGER, Role.GUEST}:
        return roles
    mine = request.kind == "handoff" and request.claimed_by == actor.person_id  # they were let when they claimed it
    if mine or any(person.id == actor.person_id for person in deciders_of(tx, agent, request.kind, request.triggered_by)):
        roles.add(Role.NAMED)
    return roles


def place_of(tx: Session, agent: Agent, kind: str) -> str | None:
    """Where requests of this kind are posted: their queue, the owner channel, else the first of those who may answer."""
    queue = terms_of(spec_of(agent), kind).in_
    channel = find_channel(tx, queue) if queue else None
    if channel is not None and not channel.is_archived:
        return channel.slack_id
    if agent.channel_id:
        return agent.channel_id
    return next((person.slack_id for person in deciders_of(tx, agent, kind, None) if person.slack_id), None)


def request_by_ext(tx: Session, agent_id: int, ext_id: str) -> Request | None:
    return tx.scalars(select(Request).where(Request.agent_id == agent_id, Request.ext_id == ext_id)).first()


def open_requests(tx: Session, agent_ids: list[int] | None = None, most: int = 100) -> tuple[list[Request], int]:
    """The open ones, whose time ends first; and how many there are."""
    sought = select(Request).where(Request.state == "open")
    if agent_ids is not None:
        sought = sought.where(Request.agent_id.in_(agent_ids))
    total = tx.scalar(select(func.count()).select_from(sought.subquery())) or 0
    rows = tx.scalars(sought.order_by(Request.due_at, Request.id).limit(most))
    return list(rows), total


def requests_for(tx: Session, person_id: int, most: int = 10) -> tuple[list[RequestView], int]:
    """What waits for this person: open requests they claimed, then those that they are asked to answer, whose time ends first; and how many.

    Each is a view: `headline(view)` and `standing(view)` of the messages say it, `requests.answer` with `view.value` is its button.
    """
    asked: dict[tuple[int, str, int | None], bool] = {}
    mine: list[tuple[Request, Agent]] = []
    rows = tx.execute(select(Request, Agent).join(Agent, Agent.id == Request.agent_id).where(Request.state == "open").order_by(Request.due_at, Request.id).limit(SEARCHED))
    for request, agent in rows:
        if request.claimed_by is not None:
            if request.claimed_by == person_id:
                mine.append((request, agent))
            continue
        key = (agent.id, request.kind, request.triggered_by)
        if key not in asked:
            asked[key] = any(person.id == person_id for person in deciders_of(tx, agent, request.kind, request.triggered_by))
        if asked[key]:
            mine.append((request, agent))
    mine.sort(key=lambda each: each[0].claimed_by is None)
    return [view_of(tx, request, agent) for request, agent in mine[:most]], len(mine)


def timing_of(request: Request, agent: Agent) -> Timing:
    sla = terms_of(spec_of(agent), request.kind).sla
    return Timing(request.kind, sla, request.sla_at, request.deadline_at, request.claimed_at, request.reminded_at, request.late_at is not None)


def allowed(request: Request) -> bool:
    """Whether it ended with a yes, be it a person's or the one agreed for silence."""
    return request.state == "approved" or (request.state == "timed_out" and request.kind == "approval" and request.on_timeout == "allow")


def asked_of(request: Request) -> Asked:
    return Asked(request.state, allowed(request), request.decided_at, request.used_at is not None, request.undone_at is not None)


def view_of(tx: Session, request: Request, agent: Agent | None = None) -> RequestView:
    """The request as messages show it."""
    agent = agent or tx.get_one(Agent, request.agent_id)
    spec = spec_of(agent)
    ends = min((at for at in (request.deadline_at, request.sla_at if request.kind == "approval" else None) if at is not None), default=None)
    climb = live_climb(tx, KIND, request.id) if request.state == "open" else None
    upcoming = next_call(tx, climb, agent) if climb is not None else None
    context = dict(request.context or {})
    if context.get("links"):
        context["links"] = [each for each in context["links"] if safe_link(each.get("url"))]
    people = deciders_of(tx, agent, request.kind, request.triggered_by) if request.state == "open" else []
    hook = f"the agent's webhook could not be told ({escape(request.hook_said)})" if request.hook_said and request.hook_said != "ok" else ""
    return RequestView(
        id=request.id, ext_id=request.ext_id, kind=request.kind, agent=agent.name, title=request.title, context=context, action=request.action, rule=request.rule,
        state=request.state, asked_at=request.received_at, ends_at=ends, sla_at=request.sla_at, on_timeout=request.on_timeout, channel=request.channel_id,
        may_show=may_show_text(spec), triggered_by=someone(tx, request.triggered_by), claimed_by=someone(tx, request.claimed_by), claimed_at=request.claimed_at,
        decided_by=someone(tx, request.decided_by), decided_at=request.decided_at, answer=request.answer, used_at=request.used_at,
        undone_by=someone(tx, request.undone_by), undone_at=request.undone_at, undone_why=request.undone_why, late_at=request.late_at, hook=hook,
        next_call=f"{upcoming.names} {when(upcoming.at)}" if upcoming is not None else "", deciders=tuple(escape(person.name or "someone") for person in people),
    )  # fmt: skip


def someone(tx: Session, person_id: int | None) -> Someone | None:
    person = tx.get(Person, person_id) if person_id is not None else None
    return Someone(person.name or person.email or person.slack_id or "someone", person.slack_id) if person is not None else None


def as_json(tx: Session, request: Request, slug: str) -> dict[str, Any]:
    """What the agent hears, by GET and by webhook alike."""
    decision = None
    if request.kind == "approval" and request.state != "open":
        decision = "allow" if allowed(request) and request.undone_at is None else "deny"
    by, claimed = someone(tx, request.decided_by), someone(tx, request.claimed_by)
    ended = request.decided_at
    return {
        "id": request.ext_id,
        "agent": slug,
        "kind": request.kind,
        "title": request.title,
        "state": request.state,
        "decision": decision,
        "answer": request.answer,
        "answered_by": {"name": by.name, "slack": by.slack_id} if by else None,
        "asked_at": request.received_at.isoformat(),
        "answered_at": _iso(ended),
        "claimed_by": {"name": claimed.name, "slack": claimed.slack_id} if claimed else None,
        "claimed_at": _iso(request.claimed_at),
        "answer_by": _iso(request.sla_at if request.deadline_at is None or (request.sla_at is not None and request.sla_at < request.deadline_at) else request.deadline_at),
        "rule": request.rule,
        "action_hash": request.action_hash,
        "used_at": _iso(request.used_at),
        "undone_at": _iso(request.undone_at),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
