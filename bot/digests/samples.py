"""Which real outputs a digest shows for an agent: the worst rated, the newest failure, and one at random."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.blocks import actions
from bot.calendars import day_bounds, zone_named
from bot.digests.messages import SAMPLE_TEXT, Sample
from bot.digests.rules import days_of
from bot.feedback.messages import judge_blocks, read_buttons
from bot.feedback.reading import shown
from bot.feedback.rules import SPLIT_FROM, may_show_text, safe_link
from bot.quality.rules import percent
from bot.quality.words import plural
from bot.tables import Agent, Observation, Output, Run


@dataclass(frozen=True)
class _Picked:
    why: str
    output: Output | None
    run: Run | None = None


def samples_of(tx: Session, agent: Agent, covers_from: datetime, covers_until: datetime, seed: int) -> list[Sample]:
    """Up to three outputs of the covered days, no output twice; a failed run without an output shows its error."""
    first, last = days_of(covers_from, covers_until, agent.zone)
    start, end = day_bounds(first, agent.zone)[0], day_bounds(last, agent.zone)[1]
    picked: list[_Picked] = []
    taken: set[int] = set()

    def take(why: str, output: Output | None, run: Run | None = None) -> None:
        if output is None and run is None:
            return
        if output is not None:
            if output.id in taken:
                return
            taken.add(output.id)
        picked.append(_Picked(why, output, run))

    worst = tx.execute(
        select(Observation, Output)
        .join(Output, Output.id == Observation.output_id)
        .where(Observation.agent_id == agent.id, Observation.local_day >= first, Observation.local_day <= last, Observation.share < 1, Output.known)
        .order_by(Observation.source == "people", Observation.share, Observation.votes.desc(), Observation.id)
        .limit(20)
    ).all()
    people = [row for row in worst if row[0].source == "people"] or list(worst)
    if people:
        observation, output = min(people, key=lambda row: (row[0].share, -row[0].votes, row[0].id))
        whose = {"people": "Rated worst by people", "evaluations": "Scored worst by an evaluation", "outcomes": "Overridden or edited"}[observation.source]
        # Of fewer than five votes the split is told to nobody: beside "1 rated" it would be somebody's vote.
        few = observation.source == "people" and observation.votes < SPLIT_FROM
        split = plural(observation.votes, "vote") if few else f"{percent(observation.share)} good of {observation.votes}"
        take(f"{whose} ({split})", output)
    failed = tx.scalars(
        select(Run)
        .where(Run.agent_id == agent.id, Run.occurred_at >= start, Run.occurred_at < end, Run.status != "ok")
        .order_by(Run.occurred_at.desc(), Run.id.desc())
        .limit(1)
    ).first()
    if failed is not None:
        made = tx.scalars(select(Output).where(Output.agent_id == agent.id, Output.run == failed.ext_id, Output.known).order_by(Output.id.desc()).limit(1)).first()
        take("The newest failure", made, failed)
    take("Picked at random", _random(tx, agent.id, start, end, seed, taken))
    return [_shown(agent, each) for each in picked[:3]]


def _random(tx: Session, agent_id: int, start: datetime, end: datetime, seed: int, taken: set[int]) -> Output | None:
    """The first output after a random moment of the span: one look at the index, however many outputs there are.

    The same digest and agent give the same moment, so that a retry shows the same output.
    """
    moment = start + (end - start) * random.Random(f"{seed}:{agent_id}").random()  # noqa: S311 - a sample, no secret
    for since, until in ((moment, end), (start, moment)):
        found = tx.scalars(
            select(Output)
            .where(Output.agent_id == agent_id, Output.occurred_at >= since, Output.occurred_at < until, Output.known, Output.id.not_in(taken))
            .order_by(Output.occurred_at, Output.id)
            .limit(1)
        ).first()
        if found is not None:
            return found
    return None


def _shown(agent: Agent, picked: _Picked) -> Sample:
    output, run = picked.output, picked.run
    moment = (output.occurred_at if output is not None else run.occurred_at if run is not None else None) or agent.created_at
    local = moment.astimezone(zone_named(agent.zone))
    at = f"{local:%a} {local.day} {local:%b %H:%M}"
    may_post = may_show_text(spec_of(agent))
    text = output.text if output is not None else None
    hidden = not may_post and bool(text or (run is not None and run.error))
    if run is not None and run.error:
        text = f"{text or ''}\nError: {run.error}".strip()
    elif run is not None and output is None:
        text = f"The run ended as {run.status}, without an output or an error text."
    link = output.url if output is not None and safe_link(output.url) else None
    read = read_buttons(shown(agent, output), SAMPLE_TEXT) if output is not None else []
    judge = [*([actions(*read)] if read else []), *judge_blocks(output)] if output is not None else []
    return Sample(picked.why, at, None if hidden else text, hidden, link, tuple(judge))
