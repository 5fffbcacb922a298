"""Bounded looks at folded rows: what `status` shows of a fleet of any size, and of one agent."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot.agents.reading import owners_named_of, spec_of
from bot.calendars import day_before, days_between, local_day
from bot.paging.scope import on_pages, pages_by_agent
from bot.quality import counting
from bot.quality.charting import chart_of
from bot.quality.drift.messages import drift_lines
from bot.quality.drift.reading import watched_of
from bot.quality.fleet import unconfirmed_count, verdicts_by_department
from bot.quality.reading import Source, score_from, totals
from bot.quality.rules import DEFAULT_TARGET, TRAILING, Score, Verdict
from bot.quiet.messages import plain_cover
from bot.quiet.reading import covers_of_agents
from bot.requests.figures import rate_lines
from bot.status.believed import believed
from bot.status.facts import Depth, Fleet, Line
from bot.tables import (
    Agent,
    AgentNow,
    Baseline,
    Change,
    Channel,
    Check,
    Day,
    DigestTimer,
    Incident,
    Page,
    Problem,
    Stage,
)

WORST = 10  # agents named in a look at many
SPARK_DAYS = 14
SOURCES: tuple[Source, ...] = ("people", "people.sampled", "people.volunteers", "evaluations", "outcomes")


def fleet(tx: Session, department: str | None = None, worst: int = WORST) -> Fleet:
    """The fleet (or one department): counts, and the worst agents; those that call somebody come first."""
    live = [Agent.archived_at.is_(None)] + ([Agent.department == department] if department is not None else [])
    departments = verdicts_by_department(tx, department)
    counts: dict[str, int] = defaultdict(int)
    for found in departments.values():
        for verdict, count in found.items():
            counts[verdict] += count
    paged = on_pages().with_only_columns(Problem.agent_id)
    calling = select(Agent, AgentNow).outerjoin(AgentNow, AgentNow.agent_id == Agent.id).where(*live, Agent.id.in_(paged))
    first = tx.execute(calling.order_by(AgentNow.rank.desc(), Agent.name, Agent.id).limit(worst)).all()
    bad = (
        select(Agent, AgentNow)
        .join(AgentNow, AgentNow.agent_id == Agent.id)
        .where(*live, AgentNow.verdict != Verdict.PAUSED.value, Agent.id.not_in([agent.id for agent, _ in first]))
        .order_by(AgentNow.rank.desc(), AgentNow.agent_id)
        .limit(worst - len(first))
    )
    rows = [*first, *(tx.execute(bad).all() if len(first) < worst else [])]
    incidents = select(func.count()).select_from(Incident).join(Agent, Agent.id == Incident.agent_id).where(*live, Incident.state == "open")
    pages = on_pages().with_only_columns(func.count(Page.id.distinct())).join(Agent, Agent.id == Problem.agent_id).where(*live)
    return Fleet(
        department,
        dict(counts),
        departments,
        tuple(lines_of(tx, [(agent, now) for agent, now in rows])),
        int(tx.scalar(pages) or 0),
        int(tx.scalar(incidents) or 0),
        unconfirmed_count(tx, department),
    )


def lines_of(tx: Session, rows: Sequence[tuple[Agent, AgentNow | None]]) -> list[Line]:
    """These agents, with their owners and open problems, in the order given."""
    ids = [agent.id for agent, _ in rows]
    if not ids:
        return []
    owners = owners_named_of(tx, ids)
    problems: dict[int, list[Problem]] = defaultdict(list)
    for problem in tx.scalars(select(Problem).where(Problem.agent_id.in_(ids), Problem.closed_at.is_(None)).order_by(Problem.since).limit(500)):
        problems[problem.agent_id].append(problem)
    calling = set(tx.scalars(on_pages(unanswered=True).with_only_columns(Problem.agent_id).where(Problem.agent_id.in_(ids))))
    found = []
    for agent, now in rows:
        if now is None:
            now = AgentNow(verdict=Verdict.LEARNING.value, why="nothing has been looked at yet", n=0, machine=False, facts={})
        found.append(
            Line(
                agent.id, agent.slug, agent.name, agent.department, agent.zone, now.verdict, now.why, now.share, now.low, now.high, now.n, now.machine, _days(now, "evaluations" if now.machine else "people"),
                now.last_output_at or now.last_run_at, tuple(problems[agent.id]), agent.id in calling, owners[agent.id], now.folded_at,
            )
        )  # fmt: skip
    return found


def depth(tx: Session, now: datetime, agent: Agent, *, may_sample: bool = False) -> Depth:
    """One agent in depth: a fixed number of looks, each over its own rows."""
    row = tx.scalars(select(AgentNow).where(AgentNow.agent_id == agent.id)).first()
    (line,) = lines_of(tx, [(agent, row)])
    spec = spec_of(agent)
    today = local_day(now, agent.zone)
    first = day_before(today, SPARK_DAYS - 1)
    week = totals(tx, agent.id, day_before(today, TRAILING - 1), today)
    facts = row.facts if row is not None else {}
    source: Source = "evaluations" if line.machine else "people"
    metric = counting.QUALITY_EVALUATIONS if line.machine else counting.QUALITY_PEOPLE
    by_day: dict[tuple[str, str], tuple[int, int]] = {}
    rows = select(Day.local_day, Day.metric, func.sum(Day.n), func.sum(Day.sum)).where(
        Day.agent_id == agent.id, Day.local_day >= first, Day.local_day <= today, Day.metric.in_((metric, counting.OUTPUTS))
    )
    for day, name, n, total in tx.execute(rows.group_by(Day.local_day, Day.metric)):
        by_day[day, name] = (int(n), int(total))
    days = days_between(first, today)
    judged = [by_day.get((day, metric), (0, 0)) for day in days]
    channel = tx.scalars(select(Channel.name).where(Channel.slack_id == agent.channel_id)).first()
    people_days = _days(row, "people")
    days_of: dict[Source, int] = {"people": people_days, "people.sampled": people_days, "people.volunteers": people_days, "evaluations": _days(row, "evaluations"), "outcomes": TRAILING}
    watched = watched_of(tx, now, [agent])[agent.id]
    return Depth(
        line=line,
        chart=chart_of(tx, now, agent),
        believed=believed(tx, now, agent, row),
        target=spec.target or DEFAULT_TARGET,
        default_target=spec.target is None,
        scores={name: _score(facts, name, "trailing" if days_of[name] == TRAILING else "longer") for name in SOURCES},
        days_of=days_of,
        baseline=tx.scalars(select(Baseline).where(Baseline.agent_id == agent.id, Baseline.source == source, Baseline.current).order_by(Baseline.id.desc())).first(),
        trailing=_score(facts, source, "trailing"),
        before=_score(facts, source, "before"),
        quality_days=tuple(total / 1000 / n if n > 0 else None for n, total in judged),
        output_days=tuple(by_day.get((day, counting.OUTPUTS), (0, 0))[0] for day in days),
        first_day=first,
        last_day=today,
        week=week,
        pages=tuple(pages_by_agent(tx, [agent.id]).get(agent.id, [])[:5]),
        incidents=tuple(tx.scalars(select(Incident).where(Incident.agent_id == agent.id, Incident.state == "open").order_by(Incident.opened_at).limit(5))),
        changes=tuple(
            tx.scalars(select(Change).where(Change.agent_id == agent.id, Change.occurred_at >= now - timedelta(days=SPARK_DAYS)).order_by(Change.occurred_at.desc()).limit(5))
        ),
        stage=tx.scalars(select(Stage).where(Stage.agent_id == agent.id)).first(),
        channel=f"#{channel}" if channel else agent.channel_id or "",
        next_digest=tx.scalars(select(DigestTimer.due_at).where(DigestTimer.channel_id == agent.channel_id)).first() if agent.channel_id else None,
        about=spec.about,
        runbook=spec.runbook or "",
        quiet=tuple(plain_cover(cover, agent.zone) for cover in covers_of_agents(tx, now, [agent]).get(agent.id, [])),
        handing=rate_lines(tx, now, [agent], only_off=False).get(agent.id, ""),
        watched=watched,
        may_sample=may_sample,
        drift=tuple(drift_lines(watched)),
        silenced=tuple(tx.scalars(select(Check).where(Check.agent_id == agent.id, Check.wrong_at.is_not(None), Check.archived_at.is_(None)).order_by(Check.name))),
    )


def _days(row: AgentNow | None, source: Source) -> int:
    """Over how many days the fold counted this source's headline."""
    return int(((row.facts or {}).get("windows") or {}).get(source, TRAILING)) if row is not None else TRAILING


def _score(facts: dict[str, Any], source: Source, span: str) -> Score:
    return score_from(facts.get("scores", {}).get(source, {}).get(span))


def agents_meant(tx: Session, words: str, most: int = 8) -> list[Agent]:
    """The live agents someone means: the exact id or name; else those beginning with the words; else those that hold them."""
    sought = _plain(words)
    if not sought:
        return []
    slug, like = sought.replace(" ", "-"), sought.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    name = func.lower(Agent.name)
    for fits in (
        or_(Agent.slug == slug, name == sought),
        or_(Agent.slug.startswith(slug, autoescape=True), name.like(f"{like}%", escape="\\")),
        or_(Agent.slug.contains(slug, autoescape=True), name.like(f"%{like}%", escape="\\")),
    ):
        found = list(tx.scalars(select(Agent).where(Agent.archived_at.is_(None), fits).order_by(Agent.name, Agent.id).limit(most)))
        if found:
            return found
    return []


def department_meant(tx: Session, words: str) -> str | None:
    """The department of that name, whatever the case."""
    sought = _plain(words)
    names = tx.scalars(select(Agent.department).where(Agent.archived_at.is_(None), Agent.department != "").distinct())
    return next((name for name in names if name.lower() == sought), None)


def nearest(tx: Session, words: str, most: int = 4) -> list[str]:
    """Names of agents and departments that look like the words: from those that begin with the same letter."""
    sought = _plain(words)
    if not sought:
        return []
    alike = or_(Agent.slug.startswith(sought[:1], autoescape=True), func.lower(Agent.name).startswith(sought[:1], autoescape=True))
    rows = tx.execute(select(Agent.slug, Agent.name).where(Agent.archived_at.is_(None), alike).order_by(Agent.name).limit(1000)).all()
    known: dict[str, str] = {}
    for slug, name in rows:
        known[slug] = known[name.lower()] = name
    known |= {name.lower(): name for name in tx.scalars(select(Agent.department).where(Agent.archived_at.is_(None), Agent.department != "").distinct().limit(500))}
    return list(dict.fromkeys(known[each] for each in difflib.get_close_matches(sought, known, n=most, cutoff=0.5)))


def _plain(words: str) -> str:
    return " ".join(words.lower().split()).strip("\"'`“”#")[:200]
