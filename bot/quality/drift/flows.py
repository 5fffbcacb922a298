"""Feeding the detectors: each output once per source, when its observation settles; what they notice is written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bot import audit
from bot.alone import alone
from bot.quality.baselines import judged_days
from bot.quality.drift.nearby import what_changed
from bot.quality.drift.segments import worst_part
from bot.quality.drift.watching import Noticed, State, Watch, What, alarms_a_year, begin_of
from bot.quality.marks import mark_dirty
from bot.stats import wilson
from bot.tables import Agent, Baseline, Detector, Drift, Fed, ImportRun, Observation

PAIRS = 1000  # waiting observations looked at to find whose turn it is
DETECTORS = 10  # of one step
BATCH = 500  # observations of one detector in one step: clicks wait for it on SQLite
TOO_LATE = timedelta(days=30)  # behind the newest fed: such history would be taken for news
LIVE_WITHIN = timedelta(days=3)  # of settling: what is fed later is history, and told to nobody
LOOKED_AT = 2000  # outputs before and after a change that are compared
WATCHED = (State.STEADY, State.WORSE, State.BETTER)
STEPS_ASIDE = timedelta(minutes=5)

# As the partial index is written, or SQLite does not see that it fits.
_UNSETTLED = text("observations.settled IS FALSE")
_UNMARKED = text("detectors.marked IS FALSE")


def settles(tx: Session, now: datetime) -> bool:
    """Whether an observation waits to be fed, or history to be fed again: asked beside the writers."""
    if tx.scalar(select(Observation.id).where(_UNSETTLED, Observation.settles_at <= now).limit(1)) is not None:
        return True
    return tx.scalar(select(Detector.id).where(Detector.due_at <= now).limit(1)) is not None


def settle_step(tx: Session, now: datetime) -> bool:
    """Feed what has settled to the detectors of up to 10 sources; says whether there is more.

    A detector's row is claimed first, and everything of its source is settled and fed under it: once, whatever dies, and
    however many processes do this. It marks no agent dirty (see mark_step): the fold locks its rows before these.
    """
    aside = select(Detector.id).where(Detector.agent_id == Observation.agent_id, Detector.source == Observation.source, Detector.due_at > now).exists()
    waiting = select(Observation.agent_id, Observation.source).where(_UNSETTLED, Observation.settles_at <= now, ~aside)
    pairs = sorted({(agent_id, source) for agent_id, source in tx.execute(waiting.order_by(Observation.settles_at).limit(PAIRS))})
    _make_rows(tx, pairs)
    due = Detector.due_at <= now
    which = or_(and_(tuple_(Detector.agent_id, Detector.source).in_(pairs), Detector.due_at.is_(None)), due) if pairs else due
    claimed = select(Detector).where(which).order_by(Detector.id).limit(DETECTORS).with_for_update(skip_locked=True)
    detectors = tx.scalars(claimed.execution_options(populate_existing=True)).all()
    if not detectors:
        return False
    imported = tx.scalar(select(func.max(func.coalesce(ImportRun.finished_at, ImportRun.started_at))))
    more = False
    for detector in detectors:
        with alone(tx, "a detector could not be fed and steps aside", detector=detector.id) as tried:
            more = _feed(tx, now, detector, imported) or more
        if tried.failed:
            detector.due_at = now + STEPS_ASIDE
    return more or len(detectors) == DETECTORS


def mark_step(tx: Session, now: datetime) -> bool:
    """Agents whose drift began or ended are folded anew."""
    ids = sorted(set(tx.scalars(select(Detector.agent_id).where(_UNMARKED).limit(500))))
    if ids:
        mark_dirty(tx, now, ids)
        tx.execute(update(Detector).where(Detector.agent_id.in_(ids), _UNMARKED).values(marked=True).execution_options(synchronize_session=False))
    return bool(ids)


def unmarked(tx: Session, now: datetime) -> bool:
    """Whether there is one."""
    return tx.scalar(select(Detector.id).where(_UNMARKED).limit(1)) is not None


def _make_rows(tx: Session, pairs: Sequence[tuple[int, str]]) -> None:
    if not pairs:
        return
    there = {(agent_id, source) for agent_id, source in tx.execute(select(Detector.agent_id, Detector.source).where(tuple_(Detector.agent_id, Detector.source).in_(pairs)))}
    rows = [{"agent_id": agent_id, "source": source, "state": State.WAITING.value, "body": {}, "fed": 0, "marked": True} for agent_id, source in pairs if (agent_id, source) not in there]
    if rows:
        wanted = sqlite_insert(Detector) if tx.get_bind().dialect.name == "sqlite" else postgres_insert(Detector)
        tx.execute(wanted.values(rows).on_conflict_do_nothing())


def _feed(tx: Session, now: datetime, detector: Detector, imported: datetime | None) -> bool:
    """One turn of one source; says whether it has more to do."""
    agent = tx.get_one(Agent, detector.agent_id)
    wanted = select(Baseline).where(Baseline.agent_id == agent.id, Baseline.source == detector.source, Baseline.current)
    baseline = tx.scalars(wanted.order_by(Baseline.id.desc())).first()
    if baseline is not None and detector.baseline_id != baseline.id and detector.rebase_from is None:
        _begin(tx, now, detector, baseline)
    if detector.replay_at is not None and baseline is not None:
        rows = _history(tx, detector, baseline.last_day)
        _fold(tx, now, agent, detector, baseline, rows, imported)
        done = len(rows) < BATCH
        detector.replay_at, detector.replay_id = (None, None) if done else (rows[-1].settles_at, rows[-1].id)
        detector.due_at = None if done else now
        return True
    detector.due_at = None
    rows = _settle(tx, now, detector)
    if baseline is not None and detector.baseline_id == baseline.id and detector.rebase_from is None:
        late = detector.settled_at - TOO_LATE if detector.settled_at is not None else None
        news = [row for row in rows if row.local_day > baseline.last_day and (late is None or row.settles_at >= late)]
        _fold(tx, now, agent, detector, baseline, news, imported)
    return len(rows) == BATCH


def _begin(tx: Session, now: datetime, detector: Detector, baseline: Baseline) -> None:
    """Against a new baseline: from its last day on, with what has settled since."""
    days = [each for each in judged_days(tx, detector.agent_id, detector.source, baseline.first_day) if each[0] <= baseline.last_day]
    n = sum(count for _, _, count in days)
    good = sum(total for _, total, _ in days) / 1000 / n if n else baseline.share
    span = (date.fromisoformat(baseline.last_day) - date.fromisoformat(baseline.first_day)).days + 1
    detector.body = Watch.begin(min(max(good, 0.0), 1.0), n or baseline.n, _sources(tx, detector), span).as_json()
    detector.baseline_id, detector.state, detector.fed, detector.settled_at = baseline.id, detector.body["state"], 0, None
    detector.replay_at, detector.replay_id, detector.due_at, detector.marked = datetime(1, 1, 1, tzinfo=UTC) + timedelta(days=1), 0, now, False
    end_drifts(tx, now, detector.agent_id, detector.source, "rebased")


def _history(tx: Session, detector: Detector, last_day: str) -> Sequence[Any]:
    """What had settled before this baseline was there, in order. None joins it meanwhile: settling needs this detector's turn."""
    mine = (Observation.agent_id == detector.agent_id, Observation.local_day > last_day, Observation.source == detector.source, Observation.settled)
    beyond = or_(Observation.settles_at > detector.replay_at, and_(Observation.settles_at == detector.replay_at, Observation.id > detector.replay_id))
    return tx.execute(_COLUMNS.where(*mine, beyond).order_by(Observation.settles_at, Observation.id).limit(BATCH)).all()


_COLUMNS = select(Observation.id, Observation.share, Observation.local_day, Observation.first_at, Observation.settles_at)


def _settle(tx: Session, now: datetime, detector: Detector) -> Sequence[Any]:
    """The oldest that have settled, marked so; those somebody is changing just now wait for the next turn."""
    mine = (_UNSETTLED, Observation.settles_at <= now, Observation.agent_id == detector.agent_id, Observation.source == detector.source)
    rows = tx.execute(_COLUMNS.where(*mine).order_by(Observation.settles_at, Observation.id).limit(BATCH).with_for_update(skip_locked=True)).all()
    if rows:
        tx.execute(update(Observation).where(Observation.id.in_([row.id for row in rows])).values(settled=True).execution_options(synchronize_session=False))
    return rows


def _sources(tx: Session, detector: Detector) -> int:
    """How many sources of this agent are watched, this one included."""
    others = select(func.count()).where(Detector.agent_id == detector.agent_id, Detector.id != detector.id, Detector.state.in_(WATCHED))
    return int(tx.scalar(others) or 0) + 1


def _fold(tx: Session, now: datetime, agent: Agent, detector: Detector, baseline: Baseline, rows: Sequence[Any], imported: datetime | None) -> None:
    if not rows:
        return
    watch, per_year = Watch.read(detector.body), alarms_a_year(_sources(tx, detector))
    before = watch.state
    live = False
    for row in rows:
        noticed = watch.add(1 - row.share, row.settles_at.timestamp(), per_year)
        if noticed is not None:
            if noticed.what in (What.WORSE, What.BETTER):
                noticed = _dated(tx, detector, baseline, watch.good, noticed, row)
                watch.since, watch.n, watch.bad = noticed.since, noticed.n, noticed.bad
            _write_down(tx, now, agent, detector, watch, noticed, row.settles_at)
        live = live or ((imported is None or row.first_at > imported) and now - row.settles_at <= LIVE_WITHIN)
    detector.body, detector.fed, detector.state = watch.as_json(), detector.fed + len(rows), watch.state
    newest = max(row.settles_at for row in rows)
    detector.settled_at = max(newest, detector.settled_at) if detector.settled_at is not None else newest
    if watch.state != before:
        detector.marked = False
    if live and watch.state in (State.WORSE, State.BETTER):
        _tell(tx, now, agent, detector)


def _dated(tx: Session, detector: Detector, baseline: Baseline, good: float, noticed: Noticed, last: Any) -> Noticed:
    """Since when (the first verdict on an output, a day before it settles), by the newest outputs themselves: closer than what the detector remembers."""
    until = or_(Observation.settles_at < last.settles_at, and_(Observation.settles_at == last.settles_at, Observation.id <= last.id))
    mine = (Observation.agent_id == detector.agent_id, Observation.local_day > baseline.last_day, Observation.source == detector.source, Observation.settled)
    wanted = select(Observation.share, Observation.first_at).where(*mine, until).order_by(Observation.settles_at.desc(), Observation.id.desc())
    rows = tx.execute(wanted.limit(max(LOOKED_AT, noticed.n))).all()[::-1]
    if not rows:
        return noticed
    begin = begin_of([1 - row.share for row in rows], 1 - good, worse=noticed.what is What.WORSE)
    since = rows[begin:]
    return Noticed(noticed.what, since[0].first_at.timestamp(), len(since), sum(1 - row.share for row in since))


def _write_down(tx: Session, now: datetime, agent: Agent, detector: Detector, watch: Watch, noticed: Noticed, at: datetime) -> None:
    ended = {What.RECOVERED: "recovered", What.OVER: "over"}.get(noticed.what)
    if end_drifts(tx, at, agent.id, detector.source, ended or "over") and ended is not None:
        audit.record(tx, now, f"drift.{ended}", f"agent:{agent.slug}", came_from="timer", words=f"{detector.source}: quality is where the baseline has it again", evidence={"source": detector.source})
    if ended is not None:
        return
    share = 1 - noticed.bad / noticed.n
    low, high = wilson(share, noticed.n)
    since = datetime.fromtimestamp(noticed.since, UTC)
    row = Drift(
        agent_id=agent.id, source=detector.source, side=noticed.what.value, noticed_at=at, since=since, before=watch.good, before_n=watch.judged,
        after=share, low=low, high=high, n=noticed.n, told=False, near=[], known_why="", ended_why="",
    )  # fmt: skip
    tx.add(row)
    tx.flush()


def _tell(tx: Session, now: datetime, agent: Agent, detector: Detector) -> None:
    """What is of the present is told from now on: with where it is, and what changed near it."""
    wanted = select(Drift).where(Drift.agent_id == agent.id, Drift.source == detector.source, Drift.ended_at.is_(None), Drift.told.is_(False))
    row = tx.scalars(wanted.order_by(Drift.id.desc())).first()
    if row is None:
        return
    row.told, row.near = True, what_changed(tx, now, agent, row.since)
    if row.side == State.WORSE:
        part = worst_part(_judged(tx, row, agent, after=True), _judged(tx, row, agent, after=False))
        row.segment = {"part": part.part, "value": part.value, "share": part.share, "n": part.n, "before": part.before, "rest": part.rest, "rest_n": part.rest_n} if part else None
    evidence = {"source": row.source, "since": row.since.isoformat(), "before": row.before, "after": row.after, "n": row.n, "segment": row.segment, "near": row.near}
    audit.record(tx, now, f"drift.{row.side}", f"agent:{agent.slug}", came_from="timer", words=f"{row.source}: {row.before:.0%} good before, {row.after:.0%} of {row.n} since {row.since:%Y-%m-%d}", evidence=evidence)
    detector.marked = False


def _judged(tx: Session, row: Drift, agent: Agent, *, after: bool) -> list[tuple[float, dict[str, str]]]:
    """The newest judged outputs since the change, or before it, with their segments."""
    when = Observation.first_at >= row.since if after else Observation.first_at < row.since
    wanted = select(Observation.share, Observation.parts).where(Observation.agent_id == agent.id, when, Observation.source == row.source, Observation.settled)
    found = tx.execute(wanted.order_by(Observation.local_day.desc(), Observation.id.desc()).limit(LOOKED_AT))
    return [(1 - share, (parts or {}).get("s") or {}) for share, parts in found]


def end_drifts(tx: Session, at: datetime, agent_id: int, source: str, why: str) -> bool:
    """Close what is open of a source; says whether people had been told of it."""
    opened = tx.scalars(select(Drift).where(Drift.agent_id == agent_id, Drift.source == source, Drift.ended_at.is_(None))).all()
    for row in opened:
        row.ended_at, row.ended_why = at, why
    return any(row.told for row in opened)


def pass_on_fed(tx: Session, stub: int, heard: int) -> None:
    """A stub's output turned out to be another: what was fed of it counts as fed of that one."""
    sources = set(tx.scalars(select(Fed.source).where(Fed.output_id == stub)))
    if not sources:
        return
    there = set(tx.scalars(select(Fed.source).where(Fed.output_id == heard)))
    tx.execute(update(Observation).where(Observation.output_id == heard, Observation.source.in_(sources)).values(settled=True).execution_options(synchronize_session=False))
    for fed in tx.scalars(select(Fed).where(Fed.output_id == stub)).all():
        tx.delete(fed)
    tx.flush()
    if sources - there:
        tx.execute(insert(Fed), [{"output_id": heard, "source": source} for source in sorted(sources - there)])
