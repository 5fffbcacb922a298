"""What was asked of an agent and whether it knew: judged outputs and hand-offs, gathered by topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.feedback.outward.words import current_votes
from bot.feedback.rules import may_show_text
from bot.gaps.rules import REASONS, WINDOW, Case, Share, Topic, share_of, topics
from bot.gaps.views import GapView
from bot.tables import Agent, Gap, Output, Person, Request, Run, Vote

MOST = 2000  # newest judged outputs of an agent that are looked at
FLEET = 8  # agents whose topics are told together
# Written out, so that the databases know their index of just these.
LACKING = text("votes.reason IN ('did_not_know', 'outdated')")
CHUNK = 500


def cases_of(tx: Session, agent: Agent, since: datetime, until: datetime | None = None) -> list[Case]:
    """Every output of that time that somebody judged, and every hand-off."""
    judged = select(Vote.output_id).where(Vote.output_id == Output.id, Vote.good.is_not(None)).exists()
    sought = select(Output.id, Output.occurred_at, Output.run, Output.extra, Output.input).where(Output.agent_id == agent.id, Output.occurred_at >= since, judged)
    asked = select(Request.occurred_at, Request.topic, Request.title).where(Request.agent_id == agent.id, Request.kind == "handoff", Request.occurred_at >= since)
    if until is not None:
        sought, asked = sought.where(Output.occurred_at < until), asked.where(Request.occurred_at < until)
    rows = tx.execute(sought.order_by(Output.occurred_at.desc()).limit(MOST)).all()
    named = _topics_of_runs(tx, agent.id, [row.run for row in rows if row.run and not (row.extra or {}).get("topic")])
    # A word out of a text is a piece of that text: none is shown where texts may not be.
    words = may_show_text(spec_of(agent))
    found: list[Case] = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        votes: dict[int, list[Vote]] = {}
        for (output_id, _), vote in current_votes(tx, {row.id for row in part}).items():
            votes.setdefault(output_id, []).append(vote)
        for row in part:
            theirs = votes.get(row.id, [])
            missing = any(vote.good is False and vote.reason in REASONS for vote in theirs)
            said = " ".join([row.input or "", *(text for vote in theirs for text in (vote.comment, vote.correction) if text)]) if words else ""
            found.append(Case(row.occurred_at, missing, (row.extra or {}).get("topic") or named.get(row.run or ""), said))
    for at, topic, title in tx.execute(asked.order_by(Request.occurred_at.desc()).limit(MOST)):
        found.append(Case(at, True, topic, title if words else "", handoff=True))
    return found


def gaps_of(tx: Session, now: datetime, agent: Agent) -> list[GapView]:
    """What is missing now or is being supplied, then what was supplied lately with its effect."""
    since = now - 3 * WINDOW
    rows = list(tx.scalars(select(Gap).where(Gap.agent_id == agent.id).order_by(Gap.round)))
    compared = [row.supplied_at for row in rows if row.supplied_at is not None and row.supplied_at >= since]
    cases = cases_of(tx, agent, min([now - WINDOW, *compared]))
    lately = topics([case for case in cases if case.at >= now - WINDOW])
    newest = {row.topic: row for row in rows}
    people = {person.id: person for person in tx.scalars(select(Person).where(Person.id.in_({row.owner_id for row in rows})))}
    views = [_view(agent, topic.key, topic.label, topic, newest.get(topic.key), people, cases, now) for topic in lately]
    shown = {topic.key for topic in lately}
    for key, row in newest.items():
        if key not in shown and (row.supplied_at is None or row.supplied_at >= since):
            views.append(_view(agent, key, row.label, None, row, people, cases, now))
    return sorted(views, key=lambda view: view.gap is not None and view.gap.supplied_at is not None)


def all_gaps(tx: Session, now: datetime, agents: Sequence[Agent] | None = None) -> tuple[list[tuple[Agent, list[GapView]]], int]:
    """The agents that lack most, with their topics, and how many more there are; all of them where `agents` is None."""
    lately = now - WINDOW
    counted: Counter[int] = Counter()
    lacking = select(Vote.agent_id, func.count(Vote.output_id.distinct())).where(LACKING, Vote.good.is_(False), Vote.received_at >= lately).group_by(Vote.agent_id)
    handed = select(Request.agent_id, func.count()).where(Request.kind == "handoff", Request.occurred_at >= lately).group_by(Request.agent_id)
    kept = select(Gap.agent_id, func.count()).where(Gap.supplied_at.is_(None) | (Gap.supplied_at >= lately)).group_by(Gap.agent_id)
    for sought in (lacking, handed, kept):
        for agent_id, count in tx.execute(sought):
            counted[agent_id] += count
    alive = {agent.id for agent in agents} if agents is not None else set(tx.scalars(select(Agent.id).where(Agent.archived_at.is_(None))))
    order = sorted((agent_id for agent_id in counted if agent_id in alive), key=lambda agent_id: (-counted[agent_id], agent_id))
    found = []
    for agent_id in order[:FLEET]:
        agent = tx.get_one(Agent, agent_id)
        if views := gaps_of(tx, now, agent):
            found.append((agent, views))
    return found, max(0, len(order) - FLEET)


def before_of(tx: Session, now: datetime, agent: Agent, key: str) -> Share:
    """The share in a topic over the four weeks up to now."""
    return share_of(cases_of(tx, agent, now - WINDOW, now + timedelta(seconds=1)), key)


def _view(agent: Agent, key: str, label: str, topic: Topic | None, gap: Gap | None, people: dict[int, Person], cases: list[Case], now: datetime) -> GapView:
    person = people.get(gap.owner_id) if gap is not None else None
    before = after = None
    if gap is not None and gap.supplied_at is not None:
        at = gap.supplied_at
        before = Share(gap.before_missing or 0, gap.before_cases or 0)
        after = share_of([case for case in cases if at < case.at <= at + WINDOW], key)
    return GapView(agent, key, label, topic, gap, person.name or person.email or "someone" if person else "", person.slack_id if person else None, before, after)


def _topics_of_runs(tx: Session, agent_id: int, runs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    wanted = sorted(set(runs))
    for start in range(0, len(wanted), CHUNK):
        for ext_id, extra in tx.execute(select(Run.ext_id, Run.extra).where(Run.agent_id == agent_id, Run.ext_id.in_(wanted[start : start + CHUNK]), Run.extra.is_not(None))):
            if topic := (extra or {}).get("topic"):
                found[ext_id] = str(topic)
    return found
