"""Which agents a page is about, and so who may do what on it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.blocks import escape
from bot.people.flows import ROLE_OF_OWNER, Actor, Refused, find_group, find_ref, group_people, require, roles_of
from bot.people.rules import Act, Role, may
from bot.tables import Agent, AgentOwner, Call, Climb, Page, Person, Problem


def agents_on(tx: Session, page: Page) -> list[Agent]:
    """The agents a page is about: the one it opened for, then the others in the order in which they joined."""
    joined = (
        select(Problem.agent_id, func.min(Problem.id).label("first"))
        .where(Problem.page_id == page.id, Problem.under_id.is_(None) | (Problem.under_id != page.id))
        .group_by(Problem.agent_id)
        .subquery()
    )
    rows = list(tx.scalars(select(Agent).join(joined, joined.c.agent_id == Agent.id).order_by(joined.c.first)))
    first = next((each for each in rows if each.id == page.agent_id), None) or tx.get_one(Agent, page.agent_id)
    return [first, *(each for each in rows if each.id != page.agent_id)]


def on_pages(*, unanswered: bool = False) -> Select[int, int]:
    """Rows of (agent id, page id): the open pages that call, or called, people about agents; tests left aside.

    What another failure took down calls nobody, so it is not among them. `unanswered`: only where people are being called.
    """
    found = select(Problem.agent_id, Page.id.label("page_id")).join(Page, Page.id == Problem.page_id)
    found = found.where(Problem.closed_at.is_(None), Problem.under_id.is_(None), Page.resolved_at.is_(None), Page.test.is_(False))
    return found.where(Page.acked_at.is_(None), Page.quiet_until.is_(None)) if unanswered else found


def pages_by_agent(tx: Session, agent_ids: Sequence[int]) -> dict[int, list[Page]]:
    """The open pages that call people about these agents, the oldest first."""
    found: dict[int, list[Page]] = {}
    for first in range(0, len(agent_ids), 500):
        pairs = on_pages().where(Problem.agent_id.in_(agent_ids[first : first + 500])).distinct().subquery()
        for agent_id, page in tx.execute(select(pairs.c.agent_id, Page).join(Page, Page.id == pairs.c.page_id).order_by(Page.opened_at, Page.id)):
            found.setdefault(agent_id, []).append(page)
    return found


def page_roles(tx: Session, page: Page, actor: Actor) -> set[Role]:
    """All roles of somebody with regard to a page: those for any agent on it, whether it called them, and whether they have it."""
    return _roles(tx, page, agents_on(tx, page), actor)


def roles_on(tx: Session, page: Page, agent: Agent, actor: Actor) -> set[Role]:
    """Their roles for one agent of a page that may be about several."""
    return _roles(tx, page, [agent], actor)


def require_on(tx: Session, page: Page, actor: Actor, act: Act) -> None:
    """Raise Refused, with the sentence that says who could, unless they may do this on the page."""
    roles = page_roles(tx, page, actor)
    if page.test and page.owner_id != actor.person_id and Role.MEMBER in roles:
        raise Refused("This is a test page of somebody else: only they can acknowledge it.")
    if act is Act.TAKE and not may(roles, act) and not roles & {Role.GUEST, Role.STRANGER}:
        limited = [agent for agent in agents_on(tx, page) if spec_of(agent).may_take is not None and agent.channel_id in actor.channels]
        if limited:
            raise Refused(f"Only its owners{_named(tx, limited[0])} may take a page about {escape(limited[0].name)}: the registry says so. Thank you for offering; tell them what you see in the thread.")
    require(roles, act)


def _roles(tx: Session, page: Page, agents: Sequence[Agent], actor: Actor) -> set[Role]:
    roles = roles_of(tx, actor, None)
    if roles & {Role.GUEST, Role.STRANGER} or (page.test and page.owner_id != actor.person_id):
        return roles  # a test page is answered by the one who asked for it
    ids = [agent.id for agent in agents]
    for first in range(0, len(ids), 500):
        mine = select(AgentOwner.role).where(AgentOwner.agent_id.in_(ids[first : first + 500]), AgentOwner.person_id == actor.person_id, AgentOwner.until.is_(None))
        roles.update(ROLE_OF_OWNER[role] for role in tx.scalars(mine.distinct()))
    if any(agent.channel_id in actor.channels and _may_take(tx, agent, actor) for agent in agents if agent.channel_id):
        roles.add(Role.CHANNEL)
    climbs = select(Climb.id).where(Climb.subject_kind == "page", Climb.subject_id == page.id)
    if tx.scalars(select(Call.id).where(Call.climb_id.in_(climbs), Call.person_id == actor.person_id).limit(1)).first() is not None:
        roles.add(Role.CALLED)
    if page.acked_by == actor.person_id:
        roles.add(Role.RESPONDER)
    return roles


def _may_take(tx: Session, agent: Agent, actor: Actor) -> bool:
    """Whether being in the agent's channel is enough; the registry may name who may take its pages."""
    named = spec_of(agent).may_take
    if named is None:
        return True
    for ref in named:
        if person := find_ref(tx, ref):
            if person.id == actor.person_id:
                return True
        elif (group := find_group(tx, ref)) and any(each.id == actor.person_id for each in group_people(tx, group)):
            return True
    return False


def _named(tx: Session, agent: Agent) -> str:
    """Whom the registry lets take its pages, by name."""
    told = []
    for ref in (spec_of(agent).may_take or [])[:5]:
        person: Person | None = find_ref(tx, ref)
        told.append(escape(person.name if person is not None and person.name else ref))
    return f" and {', '.join(told)}" if told else " and whoever was called"
