"""What became of the outputs that somebody called bad: fixed, worked on, followed by a new version, or counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.feedback.rules import REASONS, may_show_text
from bot.home.facts import COUNTED, Became
from bot.quality.changes import changes_of
from bot.tables import Agent, FollowUp, Output, RegressionCase, Vote

BACK, LATELY = timedelta(days=90), timedelta(days=30)
MOST = 40  # of the newest reports
FEW = 2
_ORDER = ("fixed", "worked", "changed", "counted")


class Voted(NamedTuple):
    """One vote that counts, as far as it is looked at before its output is."""

    vote_id: int
    output_id: int
    good: bool
    lately: bool  # in the last 30 days
    told: bool  # in the days of which is told what became of it


def newest_votes(tx: Session, now: datetime, person_id: int) -> list[Voted]:
    """Somebody's newest votes, the newest first: looked at once, and no further than is counted."""
    given = select(Vote.id, Vote.output_id, Vote.good, Vote.voted_at > now - LATELY, Vote.voted_at > now - BACK)
    rows = tx.execute(given.where(Vote.person_id == person_id, Vote.good.is_not(None)).order_by(Vote.voted_at.desc(), Vote.id.desc()).limit(COUNTED))
    return [Voted(vote_id, output_id, bool(good), lately, told) for vote_id, output_id, good, lately, told in rows]


def rated(votes: list[Voted]) -> int:
    """How many outputs these votes are on: one over two surfaces counts once. As many as are counted means "more than"."""
    return COUNTED if len(votes) >= COUNTED else len({vote.output_id for vote in votes})


def became_of(tx: Session, now: datetime, votes: list[Voted]) -> tuple[list[Became], dict[str, int], bool]:
    """Their newest reports, those that led to something first, how many of each kind, and whether these are all: of this person's own votes only."""
    latest: dict[int, Voted] = {}
    for vote in votes:
        latest.setdefault(vote.output_id, vote)  # over all surfaces the newest counts
    reports = [vote.vote_id for vote in latest.values() if vote.told and not vote.good]
    all_told = len(reports) <= MOST and (len(votes) < COUNTED or not votes[-1].told)
    bad = tx.execute(
        select(Vote.output_id, Vote.agent_id, Vote.voted_at, Vote.reason, Agent.name, RegressionCase.incident_id, RegressionCase.added_at, RegressionCase.fixed_at, RegressionCase.fixed_in)
        .join(Agent, Agent.id == Vote.agent_id)
        .outerjoin(RegressionCase, and_(RegressionCase.output_id == Vote.output_id, RegressionCase.agent_id == Agent.id))
        .where(Vote.id.in_(reports), Agent.archived_at.is_(None))
        .order_by(Vote.voted_at.desc(), Vote.id.desc())
        .limit(MOST)
    ).all()
    if not bad:
        return [], {}, all_told
    fixes = _fixes(tx, {row.incident_id for row in bad if row.incident_id is not None})
    changes = changes_of(tx, {row.agent_id for row in bad}, min(row.voted_at for row in bad), now)
    found = []
    for row in bad:
        state, version, at = "counted", "", None
        if row.fixed_at is not None:
            state, version, at = "fixed", row.fixed_in, row.fixed_at
        elif row.incident_id in fixes:
            state, (version, at) = "fixed", fixes[row.incident_id]
        elif row.incident_id is not None:
            state, at = "worked", row.added_at
        else:
            since = next((change for change in reversed(changes.get(row.agent_id, [])) if change.at > row.voted_at), None)
            if since is not None:
                state, version, at = "changed", f"{since.input} {since.version}", since.at
        found.append(Became(row.output_id, row.name, row.voted_at, "", state, version, at, str(REASONS.get(row.reason or "", ""))))
    found.sort(key=lambda row: (_ORDER.index(row.state), -row.said_at.timestamp()))
    counts = Counter(row.state for row in found)
    told = [row for row in found if row.state != "counted"] or found[:FEW]  # of those that only count, the number says it
    return told, {state: counts[state] for state in _ORDER if counts[state]}, all_told


def quoted(tx: Session, reports: Sequence[Became]) -> tuple[Became, ...]:
    """The same with the words of their outputs, where these may be shown: only of what is on the page, however much there is."""
    rows = tx.execute(select(Output.id, Output.text, Agent).join(Agent, Agent.id == Output.agent_id).where(Output.id.in_([row.output_id for row in reports])))
    texts = {output_id: text or "" for output_id, text, agent in rows if may_show_text(spec_of(agent))}
    return tuple(replace(row, quote=texts.get(row.output_id, "")) for row in reports)


def _fixes(tx: Session, incident_ids: set[int]) -> dict[int, tuple[str, datetime | None]]:
    """Incidents whose every follow-up is closed, one of them with the version that holds the fix."""
    found: dict[int, tuple[str, datetime | None]] = {}
    left: set[int] = set()
    for row in tx.scalars(select(FollowUp).where(FollowUp.incident_id.in_(incident_ids)).order_by(FollowUp.closed_at)):
        if row.closed_at is None:
            left.add(row.incident_id)
        elif row.fixed_in:
            found[row.incident_id] = (row.fixed_in, row.closed_at)
    return {incident_id: fix for incident_id, fix in found.items() if incident_id not in left}

