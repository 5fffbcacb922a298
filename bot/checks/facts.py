"""Loading what the kinds judge by: rows in, plain facts out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, BigInteger, bindparam, cast, func, select, true
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.calendars import day_before, local_day
from bot.checks import changing, counted, drifting, handing, reported
from bot.checks.calendar import Calendar
from bot.checks.kinds.alert import AlertFacts, AlertSpec, Firing
from bot.checks.kinds.heartbeat import Beat, BeatFacts, HeartbeatSpec, ends_of
from bot.checks.kinds.kind import CheckSpec
from bot.checks.kinds.no_data import NoDataSpec, SilenceFacts
from bot.checks.kinds.quality import QualityFacts, QualitySpec
from bot.checks.kinds.run_failed import RunFacts, RunFailedSpec, RunSeen
from bot.feedback.rules import may_show_text
from bot.quality.reading import score
from bot.tables import Agent, Alert, Check, Output, Ping, Run, Stage

TARGET = 0.80  # of agents whose registry entry names none
RUNS_BACK = 30
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # a terminal's: many a log is sent as it was shown
BEATS = 200  # pings of one heartbeat that are read: runs that overlap more than this are beyond measure
ALERTS = 50  # alerts of one check that are told apart; more are counted

# Built once: for a look at one check, putting the statement together took longer than the database's answer.
_NEWEST_PINGS = (
    select(Ping.id, Ping.ext_id, Ping.occurred_at, Ping.status, Ping.rid, Ping.exit_code)
    .where(Ping.check_id == bindparam("check"), Ping.status != "log").order_by(Ping.occurred_at.desc(), Ping.id.desc()).limit(BEATS)
)  # fmt: skip
_GIVEN = func.unnest(cast(bindparam("checks"), ARRAY(BigInteger))).table_valued("id").render_derived("given")
_NEWEST = (
    select(Ping.id, Ping.ext_id, Ping.occurred_at, Ping.status, Ping.rid, Ping.exit_code)
    .where(Ping.check_id == _GIVEN.c.id, Ping.status != "log").order_by(Ping.occurred_at.desc(), Ping.id.desc()).limit(BEATS)
).lateral("newest")  # fmt: skip
_NEWEST_PINGS_OF_MANY = select(_GIVEN.c.id.label("check_id"), *_NEWEST.c).join(_NEWEST, true())  # in the same order within each
_NEWEST_RUNS = (
    select(Run.ext_id, Run.status, Run.occurred_at, Run.error, Run.version)
    .where(Run.agent_id == bindparam("agent"), Run.status.in_(("ok", "failed"))).order_by(Run.occurred_at.desc(), Run.id.desc()).limit(bindparam("most"))
)  # fmt: skip


def run_facts(tx: Session, now: datetime, agent: Agent, spec: RunFailedSpec, calendar: Calendar) -> RunFacts:
    """The newest finished runs; cancelled ones say nothing about the agent."""
    rows = tx.execute(_NEWEST_RUNS, {"agent": agent.id, "most": max(spec.after, spec.well_after) + RUNS_BACK}).all()
    hidden = not may_show_text(spec_of(agent))  # what a page says goes to Slack, and to every other route
    error = "its error text is kept out of Slack by the registry"
    return RunFacts(tuple(RunSeen(row.ext_id, row.status == "ok", row.occurred_at, (error if hidden and row.error else row.error or "")[:500], row.version or "") for row in rows))


def silence_facts(tx: Session, now: datetime, agent: Agent, spec: NoDataSpec, calendar: Calendar) -> SilenceFacts:
    """When the agent was last heard, whatever came."""
    heard: list[datetime] = []
    for table, of in ((Run, "run"), (Output, "output")):
        if spec.of in ("any", of):
            wanted = select(func.max(table.occurred_at)).where(table.agent_id == agent.id)
            if table is Output:
                wanted = wanted.where(Output.known)  # a stub made by a rating is no word of the agent
            if (last := tx.scalar(wanted)) is not None:
                heard.append(last)
    resumed_at = tx.scalar(select(Stage.resumed_at).where(Stage.agent_id == agent.id))
    return SilenceFacts(max(heard, default=None), agent.created_at, agent.zone, calendar.working_days, calendar.holidays, resumed_at)


def quality_facts(tx: Session, now: datetime, agent: Agent, spec: QualitySpec, calendar: Calendar) -> QualityFacts:
    """The score of the window's local days, today included."""
    today = local_day(now, agent.zone)
    first = day_before(today, max(spec.window // timedelta(days=1), 1) - 1)
    found = score(tx, agent.id, first, today, spec.source)
    target = spec_of(agent).target
    return QualityFacts(found.share, found.low, found.high, found.n, target if target is not None else TARGET, first, today)


LOADERS: dict[str, Callable[[Session, datetime, Agent, Any, Calendar], Any]] = {
    "run_failed": run_facts,
    "no_data": silence_facts,
    "quality": quality_facts,
}


def beat_facts(tx: Session, asked: Sequence[tuple[Check, Agent]]) -> list[BeatFacts]:
    """The newest pings that tell of runs; a `/log` only shows that somebody is there.

    They are taken in the order they came, so that a clock that is put back hides no failure behind an older success;
    events bring their own times, and may come late.
    """
    pings = _newest_pings(tx, [check.id for check, _ in asked])
    return [_beats(tx, check, agent, pings.get(check.id, [])) for check, agent in asked]


def _newest_pings(tx: Session, check_ids: list[int]) -> dict[int, list[Any]]:
    """By check, the newest first. PostgreSQL is asked once for all; SQLite has no LATERAL, and no way to go."""
    if tx.get_bind().dialect.name == "sqlite":
        return {id: list(tx.execute(_NEWEST_PINGS, {"check": id})) for id in check_ids}
    found: dict[int, list[Any]] = defaultdict(list)
    for row in tx.execute(_NEWEST_PINGS_OF_MANY, {"checks": check_ids}):
        found[row.check_id].append(row)
    return found


def _beats(tx: Session, check: Check, agent: Agent, rows: list[Any]) -> BeatFacts:
    if not any(row.ext_id for row in rows):
        rows = sorted(rows, key=lambda row: row.id, reverse=True)
    words = tx.scalar(select(Ping.body).where(Ping.id == rows[0].id)) if rows and rows[0].status == "fail" else None
    first_at = rows[-1].occurred_at if rows else tx.scalar(select(func.min(Ping.occurred_at)).where(Ping.check_id == check.id))
    beats = tuple(Beat(row.occurred_at, row.status, row.rid, row.exit_code) for row in reversed(rows))
    return BeatFacts(beats, check.watched_at or agent.created_at, agent.zone, first_at, _readable(words or ""))


def _readable(words: str) -> str:
    """What a job sent with its failure, where people can read it: of a long log how it begins and how it ends."""
    words = _COLOURS.sub("", words).strip().rstrip("\ufffd")  # a character that was cut in two
    odd = sum(not (each.isprintable() or each in "\n\r\t") or each == "\ufffd" for each in words[:1000])
    if odd * 10 > len(words[:1000]):
        return f"({len(words):,} characters that are no text)"
    return ends_of("".join(each if each.isprintable() or each in "\n\t" else " " for each in ends_of(words, 2000)), 1000)


def alert_facts(tx: Session, agent: Agent, check: Check) -> AlertFacts:
    """The alerts behind a check that fire now, and when the last one ended."""
    firing = tx.scalars(select(Alert).where(Alert.check_id == check.id, Alert.ended_at.is_(None)).order_by(Alert.starts_at, Alert.id).limit(ALERTS)).all()
    count = tx.scalar(select(func.count()).where(Alert.check_id == check.id, Alert.ended_at.is_(None))) if len(firing) == ALERTS else len(firing)
    ended = None if firing else tx.scalar(select(func.max(Alert.ended_at)).where(Alert.check_id == check.id))
    return AlertFacts(tuple(Firing(row.starts_at, row.labels, row.notes, row.url, row.left_out) for row in firing), count or 0, ended)


# Kinds whose facts are loaded for many checks at once: as many looks at the database for a hundred as for one.
BATCHES: dict[str, Callable[[Session, datetime, Any, Calendar], Sequence[Any]]] = {
    "error_rate": counted.error_rate_facts,
    "latency": counted.latency_facts,
    "volume": counted.volume_facts,
    "input_shape": reported.input_facts,
    "change": changing.change_facts,
    "freshness": reported.fresh_facts,
    "measure": reported.measure_facts,
    "stage": reported.stage_facts,
    "handoff_rate": handing.handoff_facts,
    "drift": drifting.drift_facts,
}


def load_many(tx: Session, now: datetime, asked: Iterable[tuple[Check, Agent, CheckSpec]], calendar: Calendar) -> dict[int, Any]:
    """The facts of many checks, by the check's id."""
    found: dict[int, Any] = {}
    together: dict[str, list[tuple[Check, Agent, CheckSpec]]] = defaultdict(list)
    beating: list[tuple[Check, Agent]] = []
    for check, agent, spec in asked:
        if isinstance(spec, HeartbeatSpec):
            beating.append((check, agent))
        elif spec.kind in BATCHES:
            together[spec.kind].append((check, agent, spec))
        else:
            found[check.id] = load(tx, now, agent, spec, calendar, check)
    if beating:
        found.update((check.id, beats) for (check, _), beats in zip(beating, beat_facts(tx, beating), strict=True))
    for kind, each in together.items():
        facts = BATCHES[kind](tx, now, [(agent, spec) for _, agent, spec in each], calendar)
        found.update((check.id, one) for (check, _, _), one in zip(each, facts, strict=True))
    return found


def load(tx: Session, now: datetime, agent: Agent, spec: CheckSpec, calendar: Calendar, check: Check) -> Any:
    """The facts of one check whose kind needs no network."""
    if isinstance(spec, HeartbeatSpec):
        return beat_facts(tx, [(check, agent)])[0]
    if isinstance(spec, AlertSpec):
        return alert_facts(tx, agent, check)
    if spec.kind in BATCHES:
        return BATCHES[spec.kind](tx, now, [(agent, spec)], calendar)[0]
    return LOADERS[spec.kind](tx, now, agent, spec, calendar)
