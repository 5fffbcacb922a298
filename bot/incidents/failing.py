"""What of an incident still fails, and which outputs it touched: bounded, however much the agent makes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.incidents.rules import Failing
from bot.tables import Agent, Incident, Observation, Output, Problem, Stage

AT_REST = ("suspended", "retired")
COUNTED = 1000  # beyond that the number tells nobody more
KEPT = 200  # outputs of one incident that join the regression set
LATELY = timedelta(days=1)  # how far back outputs of an incident count that nobody knows the beginning of


def fingerprints_of(tx: Session, incident: Incident) -> set[str]:
    """What recurs: its own, and those of all checks on its page."""
    found = {incident.fingerprint}
    if incident.page_id is not None:
        found |= set(tx.scalars(select(Problem.fingerprint).where((Problem.page_id == incident.page_id) | (Problem.under_id == incident.page_id)).distinct().limit(500)))
    return found


def agents_of_incident(tx: Session, incident: Incident) -> list[int]:
    """Its agents: the one it was opened for first, then the others on its page."""
    more: Sequence[int] = ()
    if incident.page_id is not None:
        more = tx.scalars(select(Problem.agent_id).where((Problem.page_id == incident.page_id) | (Problem.under_id == incident.page_id)).distinct().order_by(Problem.agent_id).limit(200)).all()
    return list(dict.fromkeys([incident.agent_id, *more]))


def failing_of(tx: Session, incident: Incident) -> list[Failing]:
    """Its checks that fail now, the oldest first; a check that failed anew on another page counts too."""
    rows = tx.execute(
        select(Problem, Agent.name, Stage.stage)
        .join(Agent, Agent.id == Problem.agent_id)
        .outerjoin(Stage, Stage.agent_id == Agent.id)
        .where(Problem.closed_at.is_(None), Problem.fingerprint.in_(fingerprints_of(tx, incident)))
        .order_by(Problem.since, Problem.id)
    )
    return [Failing(name, problem.title, problem.since, stage in AT_REST, problem.well_at) for problem, name, stage in rows]


def affected_words(tx: Session, incident: Incident) -> str:
    """How many outputs its agents made since it began, and how many of them people judged bad."""
    agents = agents_of_incident(tx, incident)
    since = incident.began_at or incident.opened_at
    made = select(Output.id).where(Output.agent_id.in_(agents), Output.occurred_at >= since, Output.known.is_(True)).limit(COUNTED + 1).subquery()
    count = tx.scalar(select(func.count()).select_from(made)) or 0
    bad = len(bad_outputs(tx, incident))
    told = f"more than {COUNTED}" if count > COUNTED else str(count)
    if not count and not bad:
        return "none reported since then"
    return f"{told} made since then, {bad} judged bad" if bad < KEPT else f"{told} made since then, {KEPT} or more judged bad"


def bad_outputs(tx: Session, incident: Incident) -> list[int]:
    """The outputs that failed: the one it was opened for, and what people judged bad from its beginning to its end."""
    since = incident.began_at or (incident.opened_at - LATELY)
    sought = (
        select(Output.id)
        .join(Observation, (Observation.output_id == Output.id) & (Observation.source == "people"))
        # By the judgements, which are few, and not by the outputs, of which there may be millions.
        .where(Observation.agent_id.in_(agents_of_incident(tx, incident)), Observation.local_day >= (since - LATELY).date().isoformat(), Observation.share < 0.5, Output.occurred_at >= since)
        .order_by(Output.id)
        .limit(KEPT)
    )
    if incident.closed_at is not None:
        sought = sought.where(Output.occurred_at <= incident.closed_at)
    found = list(tx.scalars(sought))
    return list(dict.fromkeys([incident.output_id, *found])) if incident.output_id is not None else found
