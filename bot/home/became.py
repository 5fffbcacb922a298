"""What became of the outputs that somebody called bad: fixed, worked on, followed by a new version, or counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Row, and_, select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.feedback.rules import REASONS, may_show_text
from bot.home.facts import Became
from bot.quality.changes import changes_of
from bot.tables import Agent, FollowUp, Output, RegressionCase, Vote

BACK = timedelta(days=90)
MOST = 40  # of the newest reports
FEW = 2
_ORDER = ("fixed", "worked", "changed", "counted")


def became_of(tx: Session, now: datetime, person_id: int) -> tuple[list[Became], dict[str, int]]:
    """Their newest reports, those that led to something first, and how many of each kind: of this person's own votes only."""
    rows: Sequence[Row[Vote, Output, Agent, RegressionCase | None]] = tx.execute(
        select(Vote, Output, Agent, RegressionCase)
        .join(Output, Output.id == Vote.output_id)
        .join(Agent, Agent.id == Vote.agent_id)
        .outerjoin(RegressionCase, and_(RegressionCase.output_id == Output.id, RegressionCase.agent_id == Agent.id))
        .where(Vote.person_id == person_id, Vote.good.is_not(None), Vote.voted_at > now - BACK, Agent.archived_at.is_(None))
        .order_by(Vote.voted_at.desc(), Vote.id.desc())
        .limit(3 * MOST)
    ).all()
    latest: dict[int, tuple[Vote, Output, Agent, RegressionCase | None]] = {}
    for vote, output, agent, case in rows:
        latest.setdefault(output.id, (vote, output, agent, case))  # over all surfaces the newest counts
    bad = [each for each in latest.values() if each[0].good is False][:MOST]
    if not bad:
        return [], {}
    fixes = _fixes(tx, {case.incident_id for *_, case in bad if case is not None})
    changes = changes_of(tx, {agent.id for _, _, agent, _ in bad}, min(vote.voted_at for vote, *_ in bad), now)
    found = []
    for vote, output, agent, case in bad:
        state, version, at = "counted", "", None
        if case is not None and case.fixed_at is not None:
            state, version, at = "fixed", case.fixed_in, case.fixed_at
        elif case is not None and case.incident_id in fixes:
            state, (version, at) = "fixed", fixes[case.incident_id]
        elif case is not None:
            state, at = "worked", case.added_at
        else:
            since = next((change for change in reversed(changes.get(agent.id, [])) if change.at > vote.voted_at), None)
            if since is not None:
                state, version, at = "changed", f"{since.input} {since.version}", since.at
        text = (output.text or "") if may_show_text(spec_of(agent)) else ""
        found.append(Became(output.id, agent.name, vote.voted_at, text, state, version, at, str(REASONS.get(vote.reason or "", ""))))
    found.sort(key=lambda row: (_ORDER.index(row.state), -row.said_at.timestamp()))
    counts = Counter(row.state for row in found)
    told = [row for row in found if row.state != "counted"] or found[:FEW]  # of those that only count, the number says it
    return told, {state: counts[state] for state in _ORDER if counts[state]}


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

