"""Building one person's App Home from folded rows: bounded looks, however large the fleet and its history."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, literal, select
from sqlalchemy.orm import Session

from bot.agents.reading import ROLE_WORDS, agents_of, owners_named_of
from bot.agents.unowned_words import name_of
from bot.blocks import header, section
from bot.calendars import day_before, local_day
from bot.feedback.messages import Shown
from bot.feedback.reading import shown
from bot.home.became import became_of, newest_votes, quoted, rated
from bot.home.facts import Fleet, Home, Mine, OpenPage, Rated, Stray, Turned, turned
from bot.home.messages import view
from bot.ladders.unreached import unreached
from bot.lists.reading import items_for
from bot.paging.scope import on_pages
from bot.people.flows import Actor, lead_ids, roles_of
from bot.people.rules import RULES, Act, may
from bot.quality.charting import charts_of
from bot.quality.fleet import unconfirmed_count, unconfirmed_names, verdict_counts
from bot.quality.rules import TRAILING, Verdict
from bot.requests.reading import requests_for
from bot.tables import (
    Agent,
    AgentNow,
    AgentOwner,
    Call,
    Channel,
    Climb,
    HomeView,
    OutMessage,
    Output,
    Page,
    Person,
    Problem,
    UnownedAgent,
    Vote,
)

NEWEST = 300  # of all outputs: looked through for some this person could rate
SAID = 1000  # of all our messages: looked through for outputs that we posted
OWN = 20  # of an agent's outputs
WANTING = (Verdict.WATCH.value, Verdict.LEARNING.value)  # verdicts that more judgements would settle
RATEABLE = 3
JUST_NOW = timedelta(minutes=10)
PAGES, ITEMS, AGENTS, FLEET, BECAME = 5, 10, 6, 8, 5  # how many of each are shown at once
CHARTS = 6
NAMED = 5
STRAYS = 3
REQUESTS = 5


def home_view(tx: Session, actor: Actor, now: datetime) -> dict[str, Any]:
    """The App Home of this person as it should stand now."""
    if not may(roles_of(tx, actor, None), Act.SEE):
        return {"type": "home", "blocks": [header("Welcome"), section(RULES[Act.SEE].else_ask)]}
    return view(home_of(tx, actor, now))


def home_of(tx: Session, actor: Actor, now: datetime) -> Home:
    """The same as values."""
    at = tx.scalars(select(HomeView.pages).where(HomeView.person_id == actor.person_id)).first() or {}
    roles = agents_of(tx, actor.person_id)
    held = select(AgentOwner.agent_id).where(AgentOwner.person_id == actor.person_id, AgentOwner.until.is_(None))
    mine_turned = turned(at, "mine", AGENTS, len(roles))
    rows = _agents(tx, Agent.id.in_(held), mine_turned)
    # Up to yesterday: the picture then stays the same all day, however many votes come in.
    charts = charts_of(tx, now, [agent for agent, _ in rows], day_before(local_day(now, actor.zone)))
    mine = _told(tx, rows, roles)
    pages, pages_turned = _pages(tx, actor, at)
    items = [item for item in items_for(tx, now, actor.person_id) if not item.key.startswith("page:")]
    items_turned = turned(at, "list", ITEMS, len(items))
    requests, requests_total = requests_for(tx, actor.person_id, REQUESTS)
    votes = newest_votes(tx, now, actor.person_id)
    became, counts, all_told = became_of(tx, now, votes)
    became_turned = turned(at, "ratings", BECAME, len(became))
    return Home(
        mine=mine, mine_turned=mine_turned, charts=tuple(charts[agent.id] for agent, _ in rows if agent.id in charts)[:CHARTS],
        pages=pages, pages_turned=pages_turned, requests=tuple(requests), requests_total=requests_total, items=tuple(items[items_turned.first : items_turned.last]), items_turned=items_turned,
        rateable=_rateable(tx, actor), just_rated=_just_rated(tx, now, actor),
        rated=rated(votes), rated_lately=rated([vote for vote in votes if vote.lately]),
        became=quoted(tx, became[became_turned.first : became_turned.last]), became_turned=became_turned, became_counts=counts, became_all=all_told,
        fleet=_fleet(tx, now, at, roles) if actor.person_id in lead_ids(tx) else None,
    )  # fmt: skip


def _agents(tx: Session, chosen: ColumnElement[bool], at: Turned) -> list[tuple[Agent, AgentNow | None]]:
    """One page of the chosen agents, worst first; those on an open page come before the others."""
    base = select(Agent, AgentNow).outerjoin(AgentNow, AgentNow.agent_id == Agent.id).where(Agent.archived_at.is_(None), chosen)
    worst = func.coalesce(AgentNow.rank, 250).desc()
    paged = Agent.id.in_(on_pages().with_only_columns(Problem.agent_id))
    rows: list[tuple[Agent, AgentNow | None]] = [(agent, now) for agent, now in tx.execute(base.where(paged).order_by(worst, Agent.id).limit(at.per).offset(at.first))]
    if len(rows) < at.per:
        before = tx.scalar(select(func.count()).select_from(Agent).outerjoin(AgentNow, AgentNow.agent_id == Agent.id).where(Agent.archived_at.is_(None), chosen, paged)) or 0
        rest = base.where(~paged).order_by(worst, Agent.id).limit(at.per - len(rows)).offset(max(at.first - before, 0))
        rows += [(agent, now) for agent, now in tx.execute(rest)]
    return rows


def _told(tx: Session, rows: list[tuple[Agent, AgentNow | None]], roles: dict[int, list[str]]) -> tuple[Mine, ...]:
    ids = [agent.id for agent, _ in rows]
    if not ids:
        return ()
    owners = owners_named_of(tx, ids)
    problems: dict[int, list[str]] = defaultdict(list)
    opened = select(Problem.agent_id, Problem.title).where(Problem.agent_id.in_(ids), Problem.closed_at.is_(None), Problem.quiet_until.is_(None))
    for agent_id, title in tx.execute(opened.order_by(Problem.since).limit(500)):
        problems[agent_id].append(title)
    calling = set(tx.scalars(on_pages(unanswered=True).with_only_columns(Problem.agent_id).where(Problem.agent_id.in_(ids))))
    found = []
    for agent, now in rows:
        names = owners[agent.id]
        window = int(((now.facts or {}).get("windows") or {}).get("evaluations" if now.machine else "people", TRAILING)) if now else TRAILING
        found.append(
            Mine(
                agent.slug, agent.name, tuple(ROLE_WORDS[role] for role in roles.get(agent.id, [])),
                now.verdict if now else Verdict.LEARNING.value, (now.why if now else "") or "nothing has been looked at yet",
                now.share if now else None, now.low if now else None, now.high if now else None, now.n if now else 0, now.machine if now else False, window,
                next(iter(problems[agent.id]), ""), len(problems[agent.id]), agent.id in calling, bool({"business", "operations"} & set(roles.get(agent.id, []))),
                names.operations.name if names.operations else "", names.business.name if names.business else "",
                tuple(f"{ROLE_WORDS[each.role]} {each.name}" for each in (names.business, names.operations) if each and not each.confirmed),
            )
        )  # fmt: skip
    return tuple(found)


def _pages(tx: Session, actor: Actor, at: dict[str, int]) -> tuple[tuple[OpenPage, ...], Turned]:
    """The open pages about their agents, that call them, or that they have: those that wait for somebody first."""
    me = actor.person_id
    held = select(AgentOwner.agent_id).where(AgentOwner.person_id == me, AgentOwner.until.is_(None))
    theirs = on_pages().with_only_columns(Problem.page_id).where(Problem.agent_id.in_(held))
    called = select(Climb.subject_id).join(Call, Call.climb_id == Climb.id).where(Climb.subject_kind == "page", Climb.stopped_at.is_(None), Call.person_id == me)
    concerns = Page.id.in_(theirs) | Page.id.in_(called) | (Page.acked_by == me)
    chosen = (Page.resolved_at.is_(None), Page.test.is_(False), Page.parent_id.is_(None), concerns)
    shown = turned(at, "pages", PAGES, int(tx.scalar(select(func.count()).select_from(Page).where(*chosen)) or 0))
    rows = tx.execute(
        select(Page, Agent, Person.name)
        .join(Agent, Agent.id == Page.agent_id)
        .outerjoin(Person, Person.id == Page.acked_by)
        .where(*chosen)
        .order_by(Page.acked_at.is_not(None), Page.quiet_until.is_not(None), Page.opened_at, Page.id)
        .limit(PAGES)
        .offset(shown.first)
    ).all()
    problems: dict[int, list[tuple[int, str]]] = defaultdict(list)
    opened = select(Problem.page_id, Problem.agent_id, Problem.title).where(Problem.page_id.in_([page.id for page, _, _ in rows]), Problem.closed_at.is_(None), Problem.under_id.is_(None))
    for page_id, agent_id, title in tx.execute(opened.order_by(Problem.since).limit(2000)):
        if page_id is not None:
            problems[page_id].append((agent_id, title))
    found = []
    for page, agent, name in rows:
        others = len({agent_id for agent_id, _ in problems[page.id]} - {agent.id})
        title = problems[page.id][0][1] if problems[page.id] else "its problems have just recovered"
        found.append(
            OpenPage(
                page.id, agent.name + (f" and {others} more" if others else ""), agent.slug, title, len(problems[page.id]), page.opened_at,
                (name or "Somebody") if page.acked_at is not None else None, page.acked_at, page.quiet_until,
            )
        )  # fmt: skip
    return tuple(found), shown


def _fleet(tx: Session, now: datetime, at: dict[str, int], roles: dict[int, list[str]]) -> Fleet:
    counts = verdict_counts(tx)
    shown = turned(at, "fleet", FLEET, sum(counts.values()))
    lines = unreached(tx, now)
    unowned = (UnownedAgent.agent_id.is_(None), UnownedAgent.ignored_until.is_(None) | (UnownedAgent.ignored_until <= now))
    strays = list(tx.scalars(select(UnownedAgent).where(*unowned).order_by(UnownedAgent.traces.desc(), UnownedAgent.id).limit(STRAYS)))
    more = int(tx.scalar(select(func.count()).select_from(UnownedAgent).where(*unowned)) or 0) - len(strays)
    return Fleet(
        counts=counts, worst=_told(tx, _agents(tx, literal(True), shown), roles), turned=shown,
        unconfirmed=unconfirmed_count(tx), unconfirmed_names=tuple(unconfirmed_names(tx, NAMED)),
        unreached=tuple(line.line(6) for line in lines[:3]), unreached_more=max(len(lines) - 3, 0),
        strays=tuple(Stray(row.id, name_of(row.service, row.agent_name), row.traces, row.first_at) for row in strays), strays_more=more,
    )  # fmt: skip


def _rateable(tx: Session, actor: Actor) -> tuple[Shown, ...]:
    """First what is needed of an owner: an output of each of their agents that wait for judgements; then the newest of the fleet."""
    found = {output.id: (agent, output) for agent, output in _of_my_own(tx, actor)}
    for agent, output in _newest(tx, actor) if len(found) < RATEABLE else []:
        found.setdefault(output.id, (agent, output))
    return tuple(shown(agent, output) for agent, output in list(found.values())[:RATEABLE])


def _of_my_own(tx: Session, actor: Actor) -> list[tuple[Agent, Output]]:
    """The newest output, not judged by them, of each agent that they own and that is watched or still learning: wherever it stands, as they are asked to review it too."""
    held = select(AgentOwner.agent_id).where(AgentOwner.person_id == actor.person_id, AgentOwner.until.is_(None), AgentOwner.role.in_(("business", "operations", "backup")))
    wanting = select(Agent).join(AgentNow, AgentNow.agent_id == Agent.id).where(Agent.id.in_(held), Agent.archived_at.is_(None), AgentNow.verdict.in_(WANTING))
    found = []
    for agent in tx.scalars(wanting.order_by(AgentNow.rank.desc(), Agent.id).limit(RATEABLE)):
        newest = list(tx.scalars(select(Output).where(Output.agent_id == agent.id, Output.known).order_by(Output.occurred_at.desc(), Output.id.desc()).limit(OWN)))
        voted = set(tx.scalars(select(Vote.output_id).where(Vote.person_id == actor.person_id, Vote.good.is_not(None), Vote.output_id.in_([each.id for each in newest]))))
        found += [(agent, each) for each in newest if each.id not in voted][:1]
    return found


def _newest(tx: Session, actor: Actor) -> list[tuple[Agent, Output]]:
    """The newest outputs that stand in public channels (linked, or posted by us) and this person has not judged: never those of a private channel."""
    newest = list(tx.scalars(select(Output.id).order_by(Output.id.desc()).limit(NEWEST)))
    # A busy agent that posts nothing may have made all of these: what we posted is looked for among what we said.
    lately = tx.scalars(select(OutMessage.key).order_by(OutMessage.id.desc()).limit(SAID))
    ids = {*newest, *[int(key.removeprefix("output:")) for key in lately if key.startswith("output:")][:NEWEST]}
    voted = select(Vote.output_id).where(Vote.person_id == actor.person_id, Vote.good.is_not(None), Vote.output_id.in_(ids))
    rows = tx.execute(
        select(Agent, Output)
        .join(Agent, Agent.id == Output.agent_id)
        .outerjoin(OutMessage, (OutMessage.key == literal("output:") + cast(Output.id, String)) & OutMessage.ts.is_not(None) & OutMessage.gone.is_(False))
        .join(Channel, Channel.slack_id == func.coalesce(Output.channel_id, OutMessage.channel))
        .where(Output.id.in_(ids), Output.known, Agent.archived_at.is_(None), Channel.is_private.is_(False), Channel.is_shared.is_(False), Output.id.not_in(voted))
        .order_by(Output.id.desc())
        .limit(RATEABLE)
    )
    return [(agent, output) for agent, output in rows]


def _just_rated(tx: Session, now: datetime, actor: Actor) -> Rated | None:
    """Their newest vote, so that it can be taken back where it was given."""
    row = tx.execute(
        select(Vote.output_id, Agent.name, Vote.good, Vote.voted_at)
        .join(Agent, Agent.id == Vote.agent_id)
        .where(Vote.person_id == actor.person_id, Vote.surface == "button", Vote.voted_at > now - JUST_NOW, Vote.voted_at <= now)
        .order_by(Vote.voted_at.desc(), Vote.id.desc())
        .limit(1)
    ).first()
    return Rated(row[0], row[1], row[2], row[3]) if row is not None and row[2] is not None else None
