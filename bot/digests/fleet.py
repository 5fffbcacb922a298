"""The leads' line of the morning, from the folded rows: bounded looks, however large the fleet."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from bot.agents.reading import leads_channel_or_people, retired_ids
from bot.digests import messages
from bot.digests.reading import reports_of
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.quality.fleet import verdict_counts
from bot.quality.rules import Verdict
from bot.tables import Agent, AgentNow, AgentOwner, Channel, Digest, DigestReview, Person

NAMED = 50  # how many names are looked up; the line shows the first few and counts the rest


def show_fleet(tx: Session, now: datetime, digest: Digest) -> None:
    """Write the fleet line of this morning to the leads' channel, or to each lead."""
    counts = verdict_counts(tx)
    worst = (
        select(Agent)
        .join(AgentNow, AgentNow.agent_id == Agent.id)
        .where(Agent.archived_at.is_(None), AgentNow.verdict.in_([Verdict.NOT_WORTH_USING, Verdict.SILENT, Verdict.WATCH]))
        .order_by(AgentNow.rank.desc(), Agent.name, Agent.id)
        .limit(3)
    )
    agents = list(tx.scalars(worst))
    reports = reports_of(tx, now, agents, digest.covers_from, digest.covers_until, digest.covers_from)
    said = messages.fleet(date.fromisoformat(digest.local_date), counts, reports, unowned(tx), unreviewed(tx, digest))
    digest.content = {"counts": counts, "worst": [report.slug for report in reports]}
    for to in leads_channel_or_people(tx):
        outbox.show(tx, now, key=f"fleet:{digest.id}:{to}", to=to, message=said, priority=Priority.DIGEST)


def unowned(tx: Session) -> list[str]:
    """Agents whose business or operations owner is missing or has not accepted, with the name asked."""
    told: list[str] = []
    for role in ("operations", "business"):
        owner = aliased(AgentOwner)
        rows = tx.execute(
            select(Agent.name, Person.name)
            .outerjoin(owner, (owner.agent_id == Agent.id) & (owner.role == role) & owner.until.is_(None))
            .outerjoin(Person, Person.id == owner.person_id)
            .where(Agent.archived_at.is_(None), owner.accepted_at.is_(None), Agent.id.not_in(retired_ids()))
            .order_by(Agent.name, Agent.id)
            .limit(NAMED)
        )
        told.extend(f"{agent} ({role} owner {person})" if person else f"{agent} (no {role} owner)" for agent, person in rows)
    return told


def unreviewed(tx: Session, digest: Digest) -> list[str]:
    """The channels whose latest earlier summary still waits for someone, with the names."""
    rows = tx.execute(
        select(Digest.channel_id, Channel.name, Person.name, func.count())
        .join(DigestReview, DigestReview.digest_id == Digest.id)
        .join(Person, Person.id == DigestReview.person_id)
        .outerjoin(Channel, Channel.slack_id == Digest.channel_id)
        .where(DigestReview.reviewed_at.is_(None), Digest.local_date < digest.local_date, Digest.posted_at >= digest.covers_from)
        .group_by(Digest.channel_id, Channel.name, Person.name)
        .order_by(Digest.channel_id, Person.name)
        .limit(NAMED)
    )
    return [f"{'#' + channel if channel else channel_id} ({person}, {count} agent{'s' if count > 1 else ''})" for channel_id, channel, person, count in rows]
