"""Looking for the fold: what the database holds of many agents, in a fixed number of looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.calendars import day_before
from bot.quality import counting
from bot.quality.capping import Voters, cap_as_written, heavy_voters
from bot.quality.drift.messages import Change
from bot.quality.facts import Days, Frozen
from bot.quality.reading import METRIC_OF, Totals, add_row
from bot.quality.rules import LONGER
from bot.quality.sprints import QUARTER, sprint_days
from bot.tables import Agent, Day, Drawn, Output, Run, Stage

_PLAIN = (
    counting.RUNS, counting.RUNS_FAILED, counting.OUTPUTS, counting.RATINGS_GOOD, counting.RATINGS_BAD,
    counting.OUTPUTS_SHOWN, counting.QUALITY_PEOPLE_SHOWN, *counting.AGREEMENT, *METRIC_OF.values(),
)  # fmt: skip


@dataclass
class Counted:
    """The counters of one agent: plain ones by day, today's and yesterday's with their histograms."""

    today: str
    days: Days
    recent: dict[str, Totals]


@dataclass
class Found:
    """What the database holds of one agent."""

    last_output: datetime | None
    last_run: datetime | None
    counted: Counted
    baselines: dict[str, Frozen]
    stage: Stage | None
    drawn: list[Drawn]  # of the last 28 days' outputs
    drifts: tuple[Change, ...] = ()  # open, and told


def signs(tx: Session, agents: Iterable[int]) -> dict[int, tuple[datetime | None, datetime | None]]:
    """When each agent last brought an output, and a run."""
    output = select(Output.occurred_at).where(Output.agent_id == Agent.id, Output.known).order_by(Output.occurred_at.desc()).limit(1)
    run = select(Run.occurred_at).where(Run.agent_id == Agent.id).order_by(Run.occurred_at.desc()).limit(1)
    rows = tx.execute(select(Agent.id, output.correlate(Agent).scalar_subquery(), run.correlate(Agent).scalar_subquery()).where(Agent.id.in_(list(agents))))
    return {agent_id: (last_output, last_run) for agent_id, last_output, last_run in rows}


def load(tx: Session, todays: dict[int, str]) -> dict[int, Counted]:
    """The counters of the days shown, in three looks for all agents; `todays` are their local days."""
    found = {agent_id: Counted(today, Days(), {today: Totals(), day_before(today): Totals()}) for agent_id, today in todays.items()}
    first, last = day_before(min(todays.values()), LONGER - 1), max(todays.values())
    quarter = sprint_days(min(todays.values()), QUARTER)[0], sprint_days(last, QUARTER)[1]
    for span, metrics in (((first, last), _PLAIN), (quarter, tuple(METRIC_OF.values()))):
        plain = tx.execute(
            select(Day.agent_id, Day.local_day, Day.metric, func.sum(Day.n), func.sum(Day.sum))
            .where(Day.agent_id.in_(todays), Day.local_day >= span[0], Day.local_day <= span[1], Day.metric.in_(metrics))
            .group_by(Day.agent_id, Day.local_day, Day.metric)
        )
        for agent_id, day, metric, n, total in plain:
            found[agent_id].days.add(day, metric, int(n), int(total))
    shown = {day for each in found.values() for day in each.recent}
    full = tx.execute(
        select(Day.agent_id, Day.local_day, Day.metric, Day.bin, func.sum(Day.n), func.sum(Day.sum))
        .where(Day.agent_id.in_(todays), Day.local_day.in_(shown))
        .group_by(Day.agent_id, Day.local_day, Day.metric, Day.bin)
    )
    for agent_id, day, metric, bin, n, total in full:
        recent = found[agent_id].recent.get(day)
        if recent is not None:
            add_row(recent, metric, bin, int(n), int(total))
    return found


def note_voters(tx: Session, counters: dict[int, Counted], agents: dict[int, Agent]) -> None:
    """Who of these agents' people may weigh more than the cap, in the days that scores are told of."""
    if not counters:
        return
    todays = [each.today for each in counters.values()]
    caps = {agent_id: cap_as_written(agents[agent_id].spec) for agent_id in counters}
    recent = heavy_voters(tx, caps, [(day_before(min(todays), LONGER - 1), max(todays))])
    quarter = heavy_voters(tx, caps, [(sprint_days(min(todays), QUARTER)[0], sprint_days(max(todays), QUARTER)[1])])
    for agent_id, counted in counters.items():
        counted.days.voters = Voters(caps[agent_id], [*recent[agent_id].heavy, *quarter[agent_id].heavy])


def drawn(tx: Session, counters: dict[int, Counted]) -> dict[int, list[Drawn]]:
    """What was drawn for review of the outputs of the last 28 days."""
    found: dict[int, list[Drawn]] = {}
    if counters:
        first = day_before(min(each.today for each in counters.values()), LONGER - 1)
        for row in tx.scalars(select(Drawn).where(Drawn.agent_id.in_(counters), Drawn.output_day >= first)):
            if row.output_day >= day_before(counters[row.agent_id].today, LONGER - 1):
                found.setdefault(row.agent_id, []).append(row)
    return found
