"""The row that `status` reads: one claimed agent at a time, from its counters to a verdict; and the frozen baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, bindparam, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of, workspace_of
from bot.agents.spec import AgentSpec, WorkspaceSpec
from bot.calendars import day_before, day_bounds, local_day, parse_working_days
from bot.db import is_standstill
from bot.lanes import Lanes
from bot.quality.baselines import due_baselines, freeze
from bot.quality.drift.messages import Change, short_words
from bot.quality.drift.reading import open_changes
from bot.quality.facts import Frozen, Seen, facts_of, window_of
from bot.quality.gathering import gather_all
from bot.quality.looking import Found, drawn, load, note_voters, signs
from bot.quality.marks import CLAIMED, STILL_CLAIMED
from bot.quality.rules import DEFAULT_TARGET, LONGER, Standing, distrusted, judge, silent_from
from bot.quality.weights import Pick
from bot.tables import Agent, AgentNow, Baseline, Stage
from bot.tables.table import Table

log = structlog.get_logger(__name__)

BATCH = 50  # agents of one step: measured about 2 ms of looking each on a busy 2-core machine
RUSH = timedelta(seconds=2)  # that a rush may keep the fold waiting
STEPS_ASIDE = timedelta(minutes=5)  # more than STILL_CLAIMED
STOPPED = ("suspended", "retired")


class Folding:
    """The fold loop: claim in one short transaction, look and decide in a second that holds no lock, write in a third.

    Deciding takes a millisecond or two an agent. Done in one transaction with the claim, intake and clicks waited for it
    (on SQLite for the one writer, on PostgreSQL for the rows' locks).
    """

    def __init__(self, lanes: Lanes, rush: Callable[[], bool] = lambda: False) -> None:
        """`rush` says whether many people are being called just now."""
        self._lanes, self._rush = lanes, rush
        self._rush_since: datetime | None = None

    async def step(self, now: datetime) -> bool:
        """Fold up to 50 agents that something came in for, or for whom time alone may have changed the verdict.

        Not while many are called: what people read may be two seconds late, the last of them may not.
        """
        self._rush_since = (self._rush_since or now) if self._rush() else None
        if self._rush_since is not None and now < self._rush_since + RUSH:
            return False
        claim, noticed = await self._lanes.write(lambda tx: _begin(tx, now))
        if claim.rows:
            folded = await self._lanes.read(lambda tx: decide(tx, now, claim))
            await self._lanes.write(lambda tx: write(tx, now, claim, folded))
        return bool(claim.rows) or noticed


def fold_step(tx: Session, now: datetime) -> bool:
    """The same in one transaction."""
    claim, noticed = _begin(tx, now)
    write(tx, now, claim, decide(tx, now, claim))
    return bool(claim.rows) or noticed


def fold_now(tx: Session, now: datetime, agent_ids: Sequence[int]) -> None:
    """Fold those of the agents that wait for it, also where the loop has claimed them: for who must not tell yesterday's facts."""
    gather_all(tx, now)
    claim = _claim(tx, now, AgentNow.agent_id.in_(agent_ids) & or_(AgentNow.dirty_at <= now + STILL_CLAIMED, AgentNow.refresh_at <= now), skip_locked=False)
    write(tx, now, claim, decide(tx, now, claim))


@dataclass(frozen=True)
class Claim:
    """Agents this fold has taken: agent id -> (id of its row, when it was folded last). It lapses at `until`."""

    rows: dict[int, tuple[int, datetime | None]]
    until: datetime


@dataclass(frozen=True)
class Folded:
    """What the fold decided of one agent."""

    values: dict[str, Any]
    slug: str
    baselines: dict[str, Frozen]  # newly frozen, by source


def _begin(tx: Session, now: datetime) -> tuple[Claim, bool]:
    claim = claim_due(tx, now)
    return claim, _notice(tx, now) if len(claim.rows) < BATCH else False


def claim_due(tx: Session, now: datetime) -> Claim:
    """Take up to 50 agents whose row is due; a process that dies with them leaves them due again in a minute."""
    return _claim(tx, now, or_(AgentNow.dirty_at <= now, AgentNow.refresh_at <= now), skip_locked=True)


def _claim(tx: Session, now: datetime, which: ColumnElement[bool], *, skip_locked: bool) -> Claim:
    until = now + CLAIMED
    wanted = select(AgentNow.id, AgentNow.agent_id, AgentNow.folded_at).where(which).order_by(AgentNow.dirty_at, AgentNow.agent_id)
    wanted = wanted.limit(BATCH) if skip_locked else wanted
    rows = {row.agent_id: (row.id, row.folded_at) for row in tx.execute(wanted.with_for_update(skip_locked=skip_locked))}
    if rows:
        taken = update(AgentNow).where(AgentNow.agent_id.in_(rows)).values(dirty_at=until, refresh_at=until)
        tx.execute(taken.execution_options(synchronize_session=False))
    return Claim(rows, until)


def decide(tx: Session, now: datetime, claim: Claim) -> dict[int, Folded]:
    """Look at what was counted for each agent and judge it; writes nothing. Agents that raise are left out."""
    if not claim.rows:
        return {}
    workspace = workspace_of(tx)
    agents = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_(claim.rows)))}
    seen_at = signs(tx, agents)
    counters = load(tx, {agent.id: local_day(now, agent.zone) for agent in agents.values()})
    note_voters(tx, counters, agents)
    picked = drawn(tx, counters)
    frozen: dict[int, dict[str, Frozen]] = {agent_id: {} for agent_id in agents}
    for each in tx.scalars(select(Baseline).where(Baseline.agent_id.in_(agents), Baseline.current)):
        frozen[each.agent_id][each.source] = Frozen(each.share, each.n, each.label, each.first_day, each.last_day)
    stages = {row.agent_id: row for row in tx.scalars(select(Stage).where(Stage.agent_id.in_(agents)))}
    drifts = open_changes(tx, agents)
    decided: dict[int, Folded] = {}
    for agent in agents.values():
        try:
            # What one agent's oddity breaks leaves the others' folds whole.
            found = Found(*seen_at[agent.id], counters[agent.id], frozen[agent.id], stages.get(agent.id), picked.get(agent.id, []), drifts=tuple(drifts.get(agent.id, ())))
            decided[agent.id] = _fold(tx, now, claim.rows[agent.id][1], agent, workspace, found)
        except Exception as error:
            if is_standstill(error):
                raise
            log.exception("fold failed; the agent steps aside", agent=agent.slug)
    return decided


def write(tx: Session, now: datetime, claim: Claim, decided: dict[int, Folded]) -> None:
    """Write what was decided; an agent that something came in for in the meantime stays due."""
    locked = select(AgentNow.agent_id, AgentNow.dirty_at, AgentNow.folded_at).where(AgentNow.agent_id.in_(claim.rows))
    changes: list[dict[str, Any]] = []
    for agent_id, dirty_at, folded_at in tx.execute(locked.order_by(AgentNow.agent_id).with_for_update()).all() if claim.rows else ():
        row_id, folded_before = claim.rows[agent_id]
        if folded_at != folded_before:  # the claim lapsed, or somebody could not wait: theirs is newer
            continue
        folded = decided.get(agent_id)
        if folded is None:
            changes.append({"row_id": row_id, "dirty_at": now + STEPS_ASIDE, "refresh_at": now + STEPS_ASIDE})
            continue
        changes.append({"row_id": row_id, **folded.values, "dirty_at": None if dirty_at == claim.until else dirty_at})
        for source, frozen in folded.baselines.items():
            freeze(tx, now, agent_id, folded.slug, source, frozen)
    # As the table's statement, not the mapped class's: nothing of these rows is in the session's memory.
    rows = Table.metadata.tables["agent_now"]
    for same in ([each for each in changes if "facts" in each], [each for each in changes if "facts" not in each]):
        if same:
            names = [name for name in same[0] if name != "row_id"]
            tx.execute(update(rows).where(rows.c.id == bindparam("row_id")).values({name: bindparam(name) for name in names}), same)


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


def _fold(tx: Session, now: datetime, folded_at: datetime | None, agent: Agent, workspace: WorkspaceSpec, found: Found) -> Folded:
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
        machines=spec.quality.machines,
        agreement=days.between(day_before(today, LONGER - 1), today).agreement(),
        agreement_needed=spec.quality.agreement,
        people_spread=days.spread(today, "people"),
        evaluations_spread=days.spread(today, "evaluations"),
        drifting={each.source: short_words(each, agent.zone) for each in found.drifts if each.side == "worse"},
    )
    finding = judge(standing)
    new_day = folded_at is None or local_day(folded_at, agent.zone) != today
    due = due_baselines(tx, now, agent.id, agent.zone, today, found.baselines) if new_day else {}
    seen = Seen(
        today=today,
        days=days,
        today_totals=found.counted.recent[today],
        yesterday_totals=found.counted.recent[day_before(today)],
        baselines={**found.baselines, **due},
        target=standing.target,
        target_is_default=standing.target_is_default,
        min_samples=spec.min_samples,
        last_output_at=last_output,
        last_run_at=last_run,
        silent_from=silent,
        stage=stage.stage if stage else spec.stage,
        windows=windows,
        picks=tuple(Pick(row.stratum, row.population, row.number, row.share) for row in found.drawn),
        pairs=tuple((row.judges, row.good) for row in found.drawn if row.twice),
        machines=spec.quality.machines,
        distrusted=distrusted(standing),
    )
    facts = {**facts_of(seen, finding), "drift": [_drift_fact(each) for each in found.drifts]}
    tomorrow = day_bounds(today, agent.zone)[1]
    score = finding.score
    values = {
        "verdict": finding.verdict.value, "why": finding.why, "rank": finding.rank, "machine": finding.machine,
        "share": score.share, "n": score.n, "low": score.low if score.n else None, "high": score.high if score.n else None,
        "facts": facts, "better": facts["sprint"]["fortnight"]["probability"], "better_quarter": facts["sprint"]["quarter"]["probability"], "last_output_at": last_output, "last_run_at": last_run,
        "folded_at": now, "spec_rev": agent.spec_rev, "refresh_at": min(tomorrow, silent) if silent > now else tomorrow,
    }  # fmt: skip
    return Folded(values, agent.slug, due)


def _silent_from(agent: Agent, spec: AgentSpec, workspace: WorkspaceSpec, sign: datetime | None) -> datetime:
    # Nothing is expected of an agent before it was registered, however old its imported history is.
    last = max(sign, agent.created_at) if sign else agent.created_at
    return silent_from(last, spec.expect_every, agent.zone, parse_working_days(workspace.working_days), frozenset(workspace.holidays))


def _drift_fact(change: Change) -> dict[str, Any]:
    return {
        "source": change.source, "side": change.side, "since": change.since.isoformat(), "before": change.before, "after": change.after,
        "low": change.low, "high": change.high, "n": change.n, "known": change.known_at is not None,
    }  # fmt: skip


def _paused(agent: Agent, stage: Stage | None) -> str | None:
    if stage is not None and stage.stage in STOPPED:
        return f"{stage.stage} since {stage.since:%-d %b}" + (f": {stage.reason.rstrip('.')}" if stage.reason else "") + "; its checks rest"
    return f"paused since {agent.paused_at:%-d %b}" if agent.paused_at else None
