"""The row that `status` reads: one claimed agent at a time, from its counters to a verdict; and the frozen baseline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import and_, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import spec_of, workspace_of
from bot.agents.spec import AgentSpec, WorkspaceSpec
from bot.calendars import day_before, day_bounds, local_day, parse_working_days
from bot.quality import counting
from bot.quality.facts import Days, Frozen, Seen, facts_of, window_of
from bot.quality.reading import METRIC_OF, Totals, add_row
from bot.quality.rules import (
    BASELINE_DAYS,
    BASELINE_N,
    DEFAULT_TARGET,
    LONGER,
    Standing,
    baseline_span,
    judge,
    percent,
    silent_from,
)
from bot.tables import Agent, AgentNow, Baseline, Day, Observation, Output, Run, Stage

log = structlog.get_logger(__name__)

BATCH = 50  # a fold holds SQLite's one writer: measured about 2 ms an agent on a busy 2-core machine
STEPS_ASIDE = timedelta(minutes=5)
STOPPED = ("suspended", "retired")
LABEL = "since we started looking"
_PLAIN = (
    counting.RUNS, counting.RUNS_FAILED, counting.OUTPUTS, counting.RATINGS_GOOD, counting.RATINGS_BAD,
    *METRIC_OF.values(),
)  # fmt: skip


def fold_step(tx: Session, now: datetime) -> bool:
    """Fold up to 50 agents that something came in for, or for whom time alone may have changed the verdict."""
    due = or_(AgentNow.dirty_at <= now, AgentNow.refresh_at <= now)
    wanted = select(AgentNow).where(due).order_by(AgentNow.dirty_at, AgentNow.agent_id).limit(BATCH)
    rows = list(tx.scalars(wanted.with_for_update(skip_locked=True).execution_options(populate_existing=True)))
    noticed = _notice(tx, now) if len(rows) < BATCH else False
    if not rows:
        return noticed
    workspace = workspace_of(tx)
    agents = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_([row.agent_id for row in rows])))}
    signs = _signs(tx, agents)
    counters = _load(tx, {agent.id: local_day(now, agent.zone) for agent in agents.values()})
    frozen: dict[int, dict[str, Frozen]] = {agent_id: {} for agent_id in agents}
    for each in tx.scalars(select(Baseline).where(Baseline.agent_id.in_(agents), Baseline.current)):
        frozen[each.agent_id][each.source] = Frozen(each.share, each.n, each.label, each.first_day, each.last_day)
    stages = {row.agent_id: row for row in tx.scalars(select(Stage).where(Stage.agent_id.in_(agents)))}
    for row in rows:
        agent = agents[row.agent_id]
        try:
            # Nothing is written before all is decided: what one agent's oddity breaks leaves the others' folds whole.
            found = Found(*signs[agent.id], counters[agent.id], frozen[agent.id], stages.get(agent.id))
            _fold(tx, now, row, agent, workspace, found)
        except Exception:
            log.exception("fold failed; the agent steps aside", agent=agent.slug)
            row.dirty_at = row.refresh_at = now + STEPS_ASIDE
    tx.flush()
    return True


def _notice(tx: Session, now: datetime) -> bool:
    """Agents that are new, described anew, stopped or resumed are folded, though no event came in."""
    stopped = or_(Agent.paused_at.is_not(None), Stage.stage.in_(STOPPED))
    differs = or_(
        AgentNow.spec_rev != Agent.spec_rev,
        and_(stopped, AgentNow.verdict != "paused"),
        and_(~func.coalesce(stopped, False), AgentNow.verdict == "paused"),
    )
    joined = select(Agent.id).outerjoin(Stage, Stage.agent_id == Agent.id)
    changed = list(
        tx.scalars(joined.join(AgentNow, AgentNow.agent_id == Agent.id).where(Agent.archived_at.is_(None), AgentNow.dirty_at.is_(None), differs).order_by(Agent.id).limit(BATCH))
    )
    if changed:
        tx.execute(update(AgentNow).where(AgentNow.agent_id.in_(changed)).values(dirty_at=now).execution_options(synchronize_session=False))
    known = select(literal(1)).where(AgentNow.agent_id == Agent.id).exists()
    fresh = list(tx.scalars(select(Agent.id).where(Agent.archived_at.is_(None), ~known).order_by(Agent.id).limit(BATCH)))
    if fresh:
        tx.execute(insert(AgentNow), [{"agent_id": agent_id, "dirty_at": now} for agent_id in fresh])
    return bool(changed or fresh)


def _signs(tx: Session, agents: Iterable[int]) -> dict[int, tuple[datetime | None, datetime | None]]:
    """When each agent last brought an output, and a run."""
    output = select(Output.occurred_at).where(Output.agent_id == Agent.id, Output.known).order_by(Output.occurred_at.desc()).limit(1)
    run = select(Run.occurred_at).where(Run.agent_id == Agent.id).order_by(Run.occurred_at.desc()).limit(1)
    rows = tx.execute(select(Agent.id, output.correlate(Agent).scalar_subquery(), run.correlate(Agent).scalar_subquery()).where(Agent.id.in_(list(agents))))
    return {agent_id: (last_output, last_run) for agent_id, last_output, last_run in rows}


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


def _fold(tx: Session, now: datetime, row: AgentNow, agent: Agent, workspace: WorkspaceSpec, found: Found) -> None:
    spec = spec_of(agent)
    days, today, stage = found.counted.days, found.counted.today, found.stage
    last_output, last_run = found.last_output, found.last_run
    # An agent that never showed an output is heard by its runs.
    sign = last_output or last_run
    silent = _silent_from(agent, spec, workspace, sign)
    windows = {source: window_of(days, today, source, spec.min_samples) for source in ("people", "evaluations")}
    standing = Standing(
        now=now,
        zone=agent.zone,
        paused=_paused(agent, stage),
        last_sign_at=sign,
        silent_from=silent,
        people=days.between(day_before(today, windows["people"] - 1), today).score("people"),
        evaluations=days.between(day_before(today, windows["evaluations"] - 1), today).score("evaluations"),
        target=spec.target or DEFAULT_TARGET,
        target_is_default=spec.target is None,
        min_samples=spec.min_samples,
        people_days=windows["people"],
        evaluations_days=windows["evaluations"],
        people_spread=days.spread(today, "people"),
        evaluations_spread=days.spread(today, "evaluations"),
    )
    finding = judge(standing)
    new_day = row.folded_at is None or local_day(row.folded_at, agent.zone) != today
    seen = Seen(
        today=today,
        days=days,
        today_totals=found.counted.recent[today],
        yesterday_totals=found.counted.recent[day_before(today)],
        baselines=_baselines(tx, now, agent, today, found.baselines) if new_day else found.baselines,
        target=standing.target,
        target_is_default=standing.target_is_default,
        min_samples=spec.min_samples,
        last_output_at=last_output,
        last_run_at=last_run,
        silent_from=silent,
        stage=stage.stage if stage else spec.stage,
        windows=windows,
    )
    facts = facts_of(seen, finding)
    row.verdict, row.why, row.rank, row.machine = finding.verdict.value, finding.why, finding.rank, finding.machine
    row.share, row.n = finding.score.share, finding.score.n
    row.low, row.high = (finding.score.low, finding.score.high) if finding.score.n else (None, None)
    row.facts = facts
    row.last_output_at, row.last_run_at = last_output, last_run
    row.dirty_at, row.folded_at, row.spec_rev = None, now, agent.spec_rev
    tomorrow = day_bounds(today, agent.zone)[1]
    row.refresh_at = min(tomorrow, silent) if silent > now else tomorrow


def _load(tx: Session, todays: dict[int, str]) -> dict[int, Counted]:
    """The counters of the days shown, in two looks for all agents; `todays` are their local days."""
    found = {agent_id: Counted(today, Days(), {today: Totals(), day_before(today): Totals()}) for agent_id, today in todays.items()}
    first, last = day_before(min(todays.values()), LONGER - 1), max(todays.values())
    plain = tx.execute(
        select(Day.agent_id, Day.local_day, Day.metric, func.sum(Day.n), func.sum(Day.sum))
        .where(Day.agent_id.in_(todays), Day.local_day >= first, Day.local_day <= last, Day.metric.in_(_PLAIN))
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


def _silent_from(agent: Agent, spec: AgentSpec, workspace: WorkspaceSpec, sign: datetime | None) -> datetime:
    # Nothing is expected of an agent before it was registered, however old its imported history is.
    last = max(sign, agent.created_at) if sign else agent.created_at
    return silent_from(last, spec.expect_every, agent.zone, parse_working_days(workspace.working_days), frozenset(workspace.holidays))


def _paused(agent: Agent, stage: Stage | None) -> str | None:
    if stage is not None and stage.stage in STOPPED:
        return f"{stage.stage} since {stage.since:%-d %b}" + (f": {stage.reason}" if stage.reason else "")
    return f"paused since {agent.paused_at:%-d %b}" if agent.paused_at else None


def _baselines(tx: Session, now: datetime, agent: Agent, today: str, known: dict[str, Frozen]) -> dict[str, Frozen]:
    """The current baselines, after freezing what has become due (looked at once a local day: days must be over)."""
    found = dict(known)
    for source in ("people", "evaluations"):
        if source not in found and (frozen := _freeze(tx, now, agent, source, today)) is not None:
            found[source] = frozen
    return found


def _freeze(tx: Session, now: datetime, agent: Agent, source: str, today: str) -> Frozen | None:
    mine = (Observation.agent_id == agent.id, Observation.source == source)
    first = tx.scalar(select(Observation.local_day).where(*mine).order_by(Observation.local_day).limit(1))
    if first is None or (date.fromisoformat(today) - date.fromisoformat(first)).days < BASELINE_DAYS:
        return None
    enough = tx.scalar(select(func.count()).select_from(select(Observation.id).where(*mine).limit(BASELINE_N).subquery()))
    if not enough or enough < BASELINE_N:
        return None
    rows = tx.execute(
        select(Day.local_day, func.sum(Day.sum), func.sum(Day.n))
        .where(Day.agent_id == agent.id, Day.metric == METRIC_OF[source], Day.local_day >= first)
        .group_by(Day.local_day)
        .order_by(Day.local_day)
    )
    span = baseline_span([(day, int(total), int(n)) for day, total, n in rows if n > 0], today)
    if span is None:
        return None
    first_day, last_day, thousandths, n = span
    share = thousandths / 1000 / n
    tx.add(Baseline(agent_id=agent.id, source=source, share=share, n=n, first_day=first_day, last_day=last_day, label=LABEL, set_at=now))
    words = f"Baseline of {source} frozen: {percent(share)} of {n} outputs good, {first_day} to {last_day}, {LABEL}"
    evidence = {"source": source, "share": share, "n": n, "first_day": first_day, "last_day": last_day}
    audit.record(tx, now, "baseline.freeze", f"agent:{agent.slug}", came_from="timer", words=words, evidence=evidence)
    return Frozen(share, n, LABEL, first_day, last_day)
