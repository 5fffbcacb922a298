"""Taking checks over from the registry, looking at what is due, and opening or closing problems: in one open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.alone import alone
from bot.checks.calendar import Calendar, calendar_of
from bot.checks.facts import load, load_many
from bot.checks.kinds import KINDS, UnknownKind, read_spec
from bot.checks.kinds.kind import CheckSpec
from bot.checks.rules import Move, Standing, stand
from bot.db import wake
from bot.known import looking_ahead
from bot.paging.ahead import look_ahead_to_open
from bot.paging.flows import close_problem, open_problem
from bot.paging.rules import Finding, State
from bot.paging.showing import gathered
from bot.paging.sparing.grouping import opened_together
from bot.paging.standing import take_turn
from bot.quality.marks import marked_together
from bot.tables import Agent, Check, Stage
from bot.tables import Finding as FindingRow

log = structlog.get_logger(__name__)

BATCH = 100
POISON = timedelta(minutes=5)  # how long a check that raised steps aside
CLOCKS_DIFFER = timedelta(minutes=1)  # of two machines that share a database, without one having been put back
RECOVERS_WITHIN = timedelta(seconds=10)
RESAY = timedelta(minutes=1)  # an open problem's numbers are renewed at most this often
_WORDS = {"why": "", "severity": ""}  # fields of which no promise depends
RESTLESS = [name for name, kind in KINDS.items() if not kind.rests]
PROBING = [name for name, kind in KINDS.items() if kind.probes]


# --- the registry's checks become rows -------------------------------------------------------------------------------


def sync_step(tx: Session, now: datetime) -> bool:
    """Take over the checks of agents whose description changed; says whether there was one."""
    behind = select(Agent).where(Agent.checks_rev < Agent.spec_rev, Agent.archived_at.is_(None)).order_by(Agent.id).limit(50)
    agents = tx.scalars(behind.with_for_update(skip_locked=True, key_share=True)).all()
    for agent in agents:
        with alone(tx, "an agent's checks could not be taken over", agent=agent.slug):
            _take_over(tx, now, agent)
        agent.checks_rev = agent.spec_rev
    return bool(agents)


def _take_over(tx: Session, now: datetime, agent: Agent) -> None:
    had = {check.name: check for check in tx.scalars(select(Check).where(Check.agent_id == agent.id))}
    wanted = spec_of(agent).checks
    for name, written in wanted.items():
        check = had.get(name)
        kind = str(written.get("kind", ""))[:32]
        if check is None:
            check = Check(agent_id=agent.id, name=name, kind=kind, severity="notice", spec={}, watched_at=now)
            tx.add(check)
        elif check.kind != kind:
            close_problem(tx, now, check, "The check was replaced by one of another kind.")
            check.state, check.fails, check.passes, check.since = "new", 0, 0, None
        if check.archived_at is not None or {**check.spec, **_WORDS} != {**written, **_WORDS}:
            check.watched_at = now  # a new schedule was not promised before it was written
            check.wrong_at = check.wrong_by = None  # it was silenced until it changes
        _write_spec(check, written, kind)
        if check.wrong_at is not None:
            continue
        check.archived_at, check.due_at = None, now
        check.cursor, check.says = {}, ""  # whatever it says next is said anew
    for name, check in had.items():
        if name not in wanted and check.archived_at is None and ":" not in name:  # an arriving alert made it, or an order
            close_problem(tx, now, check, "The check was taken out of the registry.")
            check.archived_at, check.due_at, check.state, check.fails, check.passes = now, None, "new", 0, 0
    wake(tx, "checks")
    wake(tx, "probes")


def _write_spec(check: Check, written: dict[str, Any], kind: str) -> None:
    check.spec, check.kind, check.why = written, kind, str(written.get("why", ""))
    try:
        check.severity = read_spec(written).chosen_severity()
    except (UnknownKind, ValidationError):
        check.severity = "notice"  # the look says in words what is wrong with it


def look_soon(tx: Session, now: datetime, agent_ids: Iterable[int], kinds: Iterable[str]) -> None:
    """Make checks of these agents due now. `kinds` are kinds of check, or what was reported (`run`, `output`)."""
    asked = set(kinds)
    names = [name for name, kind in KINDS.items() if name in asked or kind.woken_by & asked]
    ids = sorted(set(agent_ids))
    if not names or not ids:
        return
    due = update(Check).where(Check.agent_id.in_(ids), Check.kind.in_(names), Check.due_at > now).values(due_at=now)
    tx.execute(due.execution_options(synchronize_session=False))
    wake(tx, "checks")


# --- looking ---------------------------------------------------------------------------------------------------------


def look_step(tx: Session, now: datetime) -> bool:
    """Look at up to 100 due checks that need no network; says whether there was one."""
    checks = claim(tx, now, probing=False)
    if not checks:
        return False
    calendar = calendar_of(tx)
    with alone(tx, "a batch of checks raised and is tried one by one", checks=len(checks)) as tried:
        _look(tx, now, checks, calendar)
    if tried.failed:
        # One of them raised: one by one, so that it alone steps aside (a savepoint for each is half the speed).
        _look_one_by_one(tx, now, checks, calendar)
    return True


def next_due(tx: Session, now: datetime) -> datetime | None:
    """When the first check after `now` is due; whether its agent rests is seen when it is."""
    sought = select(Check.due_at).where(Check.due_at > now, Check.archived_at.is_(None), Check.kind.not_in(PROBING))
    return tx.scalars(sought.order_by(Check.due_at).limit(1)).first()


def anything_due(tx: Session, now: datetime) -> bool:
    """Whether a look may find work: asked beside the writers, so that an idle turn takes no place in their queue."""
    sought = select(Check.id).where(Check.due_at <= now, Check.archived_at.is_(None), Check.kind.not_in(PROBING))
    return tx.scalars(sought.limit(1)).first() is not None


def anything_new(tx: Session, now: datetime) -> bool:
    """Whether an agent's description changed since its checks were taken over."""
    return tx.scalars(select(Agent.id).where(Agent.checks_rev < Agent.spec_rev, Agent.archived_at.is_(None)).limit(1)).first() is not None


def _look_one_by_one(tx: Session, now: datetime, checks: list[tuple[Check, Agent]], calendar: Calendar) -> None:
    for check, agent in checks:
        with alone(tx, "a check raised and steps aside", check=check.id, agent=agent.slug) as tried:
            _look(tx, now, [(check, agent)], calendar)
        if tried.failed:
            step_aside(check, now)


def step_aside(check: Check, now: datetime) -> None:
    """A check whose look raised: it says so, holds up nobody, and is tried again."""
    check.due_at, check.looked_at = now + POISON, now
    check.says = "This check could not be looked at: an error of ours, kept in the log. It is tried again in 5 minutes."


def ahead_step(tx: Session, now: datetime) -> bool:
    """Look again at what was last looked at in the future: the clock was put back, and would be waited for."""
    ahead = (Check.looked_at > now + CLOCKS_DIFFER, Check.due_at > now, Check.archived_at.is_(None))
    ids = tx.scalars(select(Check.id).where(*ahead).order_by(Check.id).limit(10 * BATCH)).all()
    if ids:
        log.warning("the clock was put back: checks are looked at anew", checks=len(ids))
        tx.execute(update(Check).where(Check.id.in_(ids)).values(due_at=now, looked_at=now).execution_options(synchronize_session=False))
        wake(tx, "checks")
        wake(tx, "probes")
    return bool(ids)


def claim(tx: Session, now: datetime, *, probing: bool, most: int = BATCH, which: ColumnElement[bool] | None = None) -> list[tuple[Check, Agent]]:
    """The due checks of agents at work, by agent; those of paused, stopped and archived agents rest."""
    resting = select(Stage.agent_id).where(Stage.stage.in_(("suspended", "retired")))
    away = select(Agent.id).where(or_(Agent.archived_at.is_not(None), Agent.paused_at.is_not(None)))
    # No join: it would tempt PostgreSQL to put all that is due in order, where it need only begin to read its index.
    wanted = (
        select(Check)
        .where(Check.due_at <= now, Check.archived_at.is_(None), Check.wrong_at.is_(None), Check.agent_id.not_in(away))
        .where(Check.kind.in_(PROBING) if probing else Check.kind.not_in(PROBING), or_(Check.kind.in_(RESTLESS), Check.agent_id.not_in(resting)))
        .order_by(Check.due_at)
        .limit(most)
    )
    if which is not None:
        wanted = wanted.where(which)
    checks = tx.scalars(wanted.with_for_update(skip_locked=True, key_share=True)).all()
    agents = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_({check.agent_id for check in checks})))} if checks else {}
    # In the order of agents, so that two processes take their rows' locks in one order.
    return sorted(((check, agents[check.agent_id]) for check in checks), key=lambda pair: (pair[1].id, pair[0].id))


def _look(tx: Session, now: datetime, checks: list[tuple[Check, Agent]], calendar: Calendar) -> None:
    asked = [(check, agent, spec) for check, agent in checks if (spec := spec_or_none(tx, now, check)) is not None]
    with tx.no_autoflush:  # the rows of the batch are written together at its end
        facts = load_many(tx, now, asked, calendar)
    found = [(check, spec, KINDS[spec.kind].judge(facts[check.id], spec, now)) for check, _, spec in asked]
    with marked_together(tx, now), looking_ahead(tx), gathered(tx, now), opened_together(tx, now):
        take_turn(tx, (check.agent_id for check, _, finding in found if finding.state is State.FAILING or check.state == "failing"))
        new = [check for check, _, finding in found if finding.state is State.FAILING and check.state != "failing"]
        if new:
            look_ahead_to_open(tx, now, new)
        _apply(tx, now, found, facts)


def _apply(tx: Session, now: datetime, found: list[tuple[Check, CheckSpec, Finding]], facts: Mapping[int, Any]) -> None:
    for check, spec, finding in found:
        kind = KINDS[spec.kind]
        apply_finding(tx, now, check, spec, finding)
        if kind.next_look is not None and check.due_at is not None:
            check.due_at = min(check.due_at, kind.next_look(facts[check.id], spec, now))


def spec_or_none(tx: Session, now: datetime, check: Check) -> CheckSpec | None:
    """The check's parsed fields; one that cannot be understood says so, and is tried again in an hour."""
    try:
        return read_spec(check.spec)
    except (UnknownKind, ValidationError) as error:
        told = str(error) if isinstance(error, UnknownKind) else "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        check.state, check.since = "unknown", check.since or now
        check.says = f"This check cannot be understood, so it can never fail: {told}"[:2000]
        check.looked_at, check.due_at = now, now + timedelta(hours=1)
        if "nothing_since" not in check.cursor:
            check.cursor = {**check.cursor, "nothing_since": now.timestamp()}  # the digest tells of it
        return None


def apply_finding(tx: Session, now: datetime, check: Check, spec: CheckSpec, finding: Finding) -> Move:
    """Let a finding change how the check stands, and open or close its problem with it."""
    counts_itself = KINDS[spec.kind].counts_itself
    deadline = check.due_at
    before = Standing(check.state, check.fails, check.passes, check.since)
    after, well_after = (1, 1) if counts_itself else (spec.after, spec.well_after)
    standing, move = stand(before, finding.state, after=after, well_after=well_after, now=now)
    check.state, check.fails, check.passes, check.since = standing.state, standing.fails, standing.passes, standing.since
    # What recovers by a report is looked at often while it fails, so that "it is over" is told soon.
    hurries = standing.state == "failing" and KINDS[spec.kind].woken_by
    check.looked_at, check.due_at = now, now + (min(spec.interval(), RECOVERS_WITHIN) if hurries else spec.interval())
    said, check.says = check.says, finding.says
    _note_nothing(now, check, finding)
    if move in (Move.FAILS, Move.RECOVERS, Move.SETTLES):
        keep_finding(tx, now, check, finding)
    if move is Move.FAILS:
        _tell(tx, now, check, finding, deadline)
    elif move is Move.FAILS_STILL and said != finding.says:
        _tell_again(tx, now, check, finding)
    elif move is Move.RECOVERS:
        close_problem(tx, now, check, finding.says, recovered=True)
    return move


def _note_nothing(now: datetime, check: Check, finding: Finding) -> None:
    """Since when a check has had nothing to judge by, and whether it ever had: it may never be able to fail."""
    cursor = check.cursor
    if finding.nothing:
        if "nothing_since" not in cursor:
            check.cursor = {**cursor, "nothing_since": now.timestamp()}
    elif "nothing_since" in cursor or "had_data" not in cursor:
        check.cursor = {**{key: value for key, value in cursor.items() if key != "nothing_since"}, "had_data": True}


def _tell(tx: Session, now: datetime, check: Check, finding: Finding, deadline: datetime | None = None) -> None:
    problem = open_problem(tx, now, check, finding)
    if problem.deadline_at is None:
        problem.deadline_at = deadline
    check.cursor = {**check.cursor, "told_at": now.timestamp()}


def _tell_again(tx: Session, now: datetime, check: Check, finding: Finding) -> None:
    """New numbers on an open problem, at most once a minute: Slack's edits share a budget."""
    if now.timestamp() - float(check.cursor.get("told_at", 0)) >= RESAY.total_seconds():
        _tell(tx, now, check, finding)
    else:
        check.says = ""  # not said yet: the next look says it


def keep_finding(tx: Session, now: datetime, check: Check, finding: Finding) -> None:
    """The evidence behind a change, kept."""
    state = finding.state.value if finding.state is not State.SAME else check.state
    tx.add(FindingRow(check_id=check.id, at=now, state=state, says=finding.says, value=finding.value, threshold=finding.threshold, evidence=dict(finding.evidence)))


def test_check(tx: Session, now: datetime, check: Check, facts: Any) -> Finding:
    """What a check would say now; changes nothing. A kind that probes needs the facts handed in (see probes.try_check); else None."""
    spec = read_spec(check.spec)
    agent = tx.get_one(Agent, check.agent_id)
    if facts is None:
        facts = load(tx, now, agent, spec, calendar_of(tx), check)
    return KINDS[spec.kind].judge(facts, spec, now)
