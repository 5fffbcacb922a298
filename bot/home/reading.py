"""Building one person's App Home from folded rows: bounded looks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, literal, select
from sqlalchemy.orm import Session

from bot.agents.reading import ROLE_WORDS, agents_of
from bot.blocks import header, section
from bot.feedback.messages import Shown
from bot.feedback.reading import shown
from bot.home.messages import MOST_AGENTS, Home, Mine, view
from bot.lists.reading import items_for
from bot.paging.scope import on_pages, pages_by_agent
from bot.people.flows import Actor, lead_ids, roles_of
from bot.people.rules import RULES, Act, may
from bot.quality.fleet import unconfirmed_count, verdict_counts
from bot.quality.rules import TRAILING, Verdict
from bot.tables import Agent, AgentNow, AgentOwner, Channel, OutMessage, Output, Problem, Vote

NEWEST = 300  # of all outputs: looked through for some this person could rate
RATEABLE = 3
LATELY = timedelta(days=30)
WORST = 5


def home_view(tx: Session, actor: Actor, now: datetime) -> dict[str, Any]:
    """The App Home of this person as it should stand now."""
    if not may(roles_of(tx, actor, None), Act.SEE):
        return {"type": "home", "blocks": [header("Welcome"), section(RULES[Act.SEE].else_ask)]}
    roles = agents_of(tx, actor.person_id)
    held = select(AgentOwner.agent_id).where(AgentOwner.person_id == actor.person_id, AgentOwner.until.is_(None))
    mine = _agents(tx, Agent.id.in_(held), roles, MOST_AGENTS)
    votes = select(func.count()).where(Vote.person_id == actor.person_id, Vote.good.is_not(None))
    lead = actor.person_id in lead_ids(tx)
    counts = verdict_counts(tx) if lead else None
    bad = AgentNow.verdict.not_in((Verdict.WORTH_USING, Verdict.PAUSED, Verdict.LEARNING))
    return view(
        Home(
            mine=mine,
            more=max(len(roles) - len(mine), 0),
            items=tuple(items_for(tx, now, actor.person_id)),
            rateable=_rateable(tx, actor),
            rated=int(tx.scalar(votes) or 0),
            rated_lately=int(tx.scalar(votes.where(Vote.voted_at > now - LATELY)) or 0),
            fleet=counts,
            worst=_agents(tx, bad, {}, WORST) if lead else (),
            unconfirmed=unconfirmed_count(tx) if lead else 0,
        )
    )


def _agents(tx: Session, chosen: ColumnElement[bool], roles: dict[int, list[str]], most: int) -> tuple[Mine, ...]:
    """The worst of the chosen agents; those with an open page come first."""
    base = select(Agent, AgentNow).outerjoin(AgentNow, AgentNow.agent_id == Agent.id).where(Agent.archived_at.is_(None), chosen)
    worst = func.coalesce(AgentNow.rank, 250).desc()
    paged = Agent.id.in_(on_pages().with_only_columns(Problem.agent_id))
    rows = [(agent, now) for agent, now in tx.execute(base.where(paged).order_by(worst, Agent.id).limit(most))]
    if len(rows) < most:
        rows += [(agent, now) for agent, now in tx.execute(base.where(~paged).order_by(worst, Agent.id).limit(most - len(rows)))]
    pages = {agent_id: found[0] for agent_id, found in pages_by_agent(tx, [agent.id for agent, _ in rows]).items()}
    found = []
    for agent, now in rows:
        page = pages.get(agent.id)
        found.append(
            Mine(
                slug=agent.slug,
                name=agent.name,
                roles=tuple(ROLE_WORDS[role] for role in roles.get(agent.id, [])),
                verdict=now.verdict if now else Verdict.LEARNING.value,
                why=now.why if now else "nothing has been looked at yet",
                share=now.share if now else None,
                low=now.low if now else None,
                high=now.high if now else None,
                n=now.n if now else 0,
                machine=now.machine if now else False,
                days=int((now.facts.get("windows") or {}).get("evaluations" if now.machine else "people", TRAILING)) if now else TRAILING,
                page=f"page:{page.id}" if page else None,
                acknowledged=page is not None and page.acked_at is not None,
            )
        )
    return tuple(found)


def _rateable(tx: Session, actor: Actor) -> tuple[Shown, ...]:
    """The newest outputs that stand in public channels (linked, or posted by us) and this person has not judged: never those of a private channel."""
    newest = select(Output.id).order_by(Output.id.desc()).limit(NEWEST).subquery()
    voted = select(Vote.output_id).where(Vote.person_id == actor.person_id, Vote.good.is_not(None))
    rows = tx.execute(
        select(Agent, Output)
        .join(newest, newest.c.id == Output.id)
        .join(Agent, Agent.id == Output.agent_id)
        .outerjoin(OutMessage, (OutMessage.key == literal("output:") + cast(Output.id, String)) & (OutMessage.state == "shown") & OutMessage.gone.is_(False))
        .join(Channel, Channel.slack_id == func.coalesce(Output.channel_id, OutMessage.channel))
        .where(Output.known, Agent.archived_at.is_(None), Channel.is_private.is_(False), Channel.is_shared.is_(False), Output.id.not_in(voted))
        .order_by(Output.id.desc())
        .limit(RATEABLE)
    )
    return tuple(shown(agent, output) for agent, output in rows)


