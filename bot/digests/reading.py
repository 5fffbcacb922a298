"""Gathering what a digest says: a handful of looks for a whole channel, however many agents it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, time, timedelta
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import (
    ROLE_WORDS,
    OwnerName,
    OwnerNames,
    agents_in_channel,
    owners_named_of,
    retired_ids,
    retired_words,
    spec_of,
)
from bot.agents.spec import WorkspaceSpec
from bot.calendars import parse_working_days, zone_named
from bot.checks.blind import blind_checks
from bot.digests.rules import Asked, Hours, Report, days_of
from bot.paging.scope import on_pages
from bot.people.flows import is_away
from bot.quality.changes import changes_of
from bot.quality.drift.messages import few_lines, offered
from bot.quality.drift.reading import watched_of
from bot.quality.reading import Totals, score_from, totals_of
from bot.quality.rules import DEFAULT_TARGET, TRAILING, Verdict
from bot.quiet.messages import plain_cover
from bot.quiet.reading import covers_of_agents
from bot.requests.figures import rate_lines
from bot.tables import Agent, AgentNow, Baseline, Check, Incident, Problem

RETIRED_TOLD = timedelta(days=7)  # so long a summary still says that an agent retired
MOST_CHANGES = 5  # per agent: more are counted
LATE = timedelta(days=3)  # before the last digest, within which a change may have happened that was heard of after it


def hours_of(workspace: WorkspaceSpec, zones: Collection[str] = ()) -> Hours:
    """When a digest is due: in its agents' zone where they agree, else in the workspace's."""
    agreed = set(zones)
    zone = agreed.pop() if len(agreed) == 1 else workspace.timezone
    return Hours(zone, time.fromisoformat(workspace.digest.at), parse_working_days(workspace.working_days), frozenset(workspace.holidays))


def told_of(tx: Session, now: datetime, channel_id: str) -> list[Agent]:
    """The agents whose summary a channel reads: those that live there; one that retired for a week more."""
    gone = set(tx.scalars(retired_ids(now - RETIRED_TOLD)))
    return [agent for agent in agents_in_channel(tx, channel_id) if agent.id not in gone]


def in_parts(ids: Iterable[int], size: int = 500) -> Iterable[list[int]]:
    """Ids in lists that every database takes as parameters."""
    rest = iter(ids)
    while part := list(islice(rest, size)):
        yield part


def totals_by_zone(tx: Session, agents: Sequence[Agent], covers_from: datetime, covers_until: datetime) -> dict[int, Totals]:
    """What was counted in the covered days of each agent, each in its own zone."""
    spans: dict[tuple[str, str], list[int]] = defaultdict(list)
    for agent in agents:
        spans[days_of(covers_from, covers_until, agent.zone)].append(agent.id)
    found: dict[int, Totals] = {}
    for (first, last), ids in spans.items():
        for part in in_parts(ids):
            found.update(totals_of(tx, part, first, last))
    return found


def reports_of(tx: Session, now: datetime, agents: Sequence[Agent], covers_from: datetime, covers_until: datetime, since: datetime) -> list[Report]:
    """One report per agent. Counts are of the covered days; changes are those since the last digest was posted."""
    ids = [agent.id for agent in agents]
    zones = {agent.id: agent.zone for agent in agents}
    counted = totals_by_zone(tx, agents, covers_from, covers_until)
    owners = owners_named_of(tx, ids)
    standing: dict[int, AgentNow] = {}
    baselines: dict[tuple[int, str], Baseline] = {}
    problems: dict[int, list[str]] = defaultdict(list)
    incidents: dict[int, list[str]] = defaultdict(list)
    changes: dict[int, list[str]] = defaultdict(list)
    blind: dict[int, list[str]] = {}
    calling: set[int] = set()
    for part in in_parts(ids):
        standing.update((row.agent_id, row) for row in tx.scalars(select(AgentNow).where(AgentNow.agent_id.in_(part))))
        for base in tx.scalars(select(Baseline).where(Baseline.agent_id.in_(part), Baseline.current).order_by(Baseline.id)):
            baselines[base.agent_id, base.source] = base
        for problem in tx.scalars(select(Problem).where(Problem.agent_id.in_(part), Problem.closed_at.is_(None)).order_by(Problem.since)):
            held = f", nobody is called until {local_words(problem.quiet_until, now, zones[problem.agent_id])}" if problem.quiet_until is not None else ""
            problems[problem.agent_id].append(f"{problem.title}, since {local_words(problem.since, now, zones[problem.agent_id])}{held}")
        for incident in tx.scalars(select(Incident).where(Incident.agent_id.in_(part), Incident.state == "open").order_by(Incident.opened_at)):
            incidents[incident.agent_id].append(f"{incident.title}, since {local_words(incident.opened_at, now, zones[incident.agent_id])}")
        calling.update(tx.scalars(on_pages(unanswered=True).with_only_columns(Problem.agent_id).where(Problem.agent_id.in_(part))))
        # Some agents report by the hour or the day: what changed shortly before the last digest, and was heard of after it, stands in this one.
        for agent_id, changed in changes_of(tx, part, since - LATE, since).items():
            changes[agent_id] += [each.words for each in changed if each.heard_at is not None and each.heard_at >= since]
        for agent_id, changed in changes_of(tx, part, since, now).items():
            changes[agent_id] += [each.words for each in changed]
        blind.update(blind_checks(tx, now, part))
    watched = {agent_id: each for part in in_parts(ids) for agent_id, each in watched_of(tx, now, [agent for agent in agents if agent.id in set(part)]).items()}
    quiet = _quiet(tx, now, agents)
    retired = {agent_id for part in in_parts(ids) for agent_id in retired_words(tx, part)}
    handing = rate_lines(tx, now, agents, only_off=True)
    away: dict[int, bool] = {}
    reports = []
    for agent in agents:
        row, spec, total = standing.get(agent.id), spec_of(agent), counted.get(agent.id, Totals())
        source = "evaluations" if row is not None and row.machine else "people"
        days = int((row.facts.get("windows") or {}).get(source, TRAILING)) if row is not None else TRAILING
        judged = total.score("evaluations" if source == "evaluations" else "people")
        baseline = baselines.get((agent.id, source))
        last = (row.last_output_at or row.last_run_at) if row is not None else None
        names = owners[agent.id]
        # Where nothing comes, no number of judges would help.
        at_rest = agent.id in retired or (row is not None and row.verdict in (Verdict.SILENT, Verdict.PAUSED))
        few = [] if at_rest else few_lines(watched[agent.id])
        reports.append(
            Report(
                agent_id=agent.id,
                slug=agent.slug,
                name=agent.name,
                verdict=row.verdict if row is not None else "learning",
                why=row.why if row is not None else "nothing has been looked at yet",
                rank=row.rank if row is not None else 250,
                share=row.share if row is not None else None,
                low=row.low if row is not None else None,
                high=row.high if row is not None else None,
                n=row.n if row is not None else 0,
                machine=source == "evaluations",
                days=days,
                target=spec.target or DEFAULT_TARGET,
                default_target=spec.target is None,
                before=_week_before(row, source) if days == TRAILING else None,
                baseline=baseline.share if baseline else None,
                baseline_label=baseline.label if baseline else "",
                outputs=total.outputs,
                runs=total.runs,
                failed=total.failed,
                p95_ms=total.latency(0.95),
                costs=total.costs,
                guessed=total.guessed,
                judged=judged.n,
                judged_share=judged.share,
                year=now.astimezone(zone_named(agent.zone)).year,
                silent_since=last.astimezone(zone_named(agent.zone)).isoformat() if last else None,
                changes=tuple(_most(changes[agent.id], MOST_CHANGES)),
                problems=tuple(_most(problems[agent.id], 4)),
                calling=agent.id in calling,
                incidents=tuple(_most(incidents[agent.id], 2)),
                operations=_asked(names.operations),
                asked=_asked(_who_is_asked(tx, now, names, away)) if agent.id not in retired else None,
                blind=tuple(blind.get(agent.id, ())) if agent.id not in retired else (),
                few=tuple(few),
                sample=offered(watched[agent.id]) if few else 0,
                quiet=tuple(_most(quiet.get(agent.id, []), 3)),
                handing=handing.get(agent.id, ""),
                unconfirmed=tuple(f"{ROLE_WORDS[each.role]} {each.name}" for each in (names.business, names.operations) if each and not each.confirmed and agent.id not in retired),
            )
        )
    return reports


def _quiet(tx: Session, now: datetime, agents: Sequence[Agent]) -> dict[int, list[str]]:
    """What of each agent is silenced or in maintenance, or rests because somebody called it wrong: so that nobody forgets it."""
    zones = {agent.id: agent.zone for agent in agents}
    found = {agent_id: [plain_cover(cover, zones[agent_id]) for cover in covers] for agent_id, covers in covers_of_agents(tx, now, agents).items()}
    for part in in_parts(zones):
        wrong = select(Check.agent_id, Check.name).where(Check.agent_id.in_(part), Check.wrong_at.is_not(None), Check.archived_at.is_(None))
        for agent_id, name in tx.execute(wrong.order_by(Check.name)):
            found.setdefault(agent_id, []).append(f"Check {name} is silenced until it is changed, because somebody said that it is wrong")
    return found


def _most(words: list[str], limit: int) -> list[str]:
    return words if len(words) <= limit else [*words[:limit], f"{len(words) - limit} more"]


def local_words(moment: datetime, now: datetime, zone: str) -> str:
    """`Thu 14:05` in the agent's own zone; with the date where it is more than six days ago."""
    local = moment.astimezone(zone_named(zone))
    if abs(now - moment) < timedelta(days=6):
        return f"{local:%a %H:%M}"
    return f"{local.day} {local:%b}"


def _who_is_asked(tx: Session, now: datetime, names: OwnerNames, away: dict[int, bool]) -> OwnerName | None:
    """The operations owner; while they are away the backup, then the business owner."""
    for name in (names.operations, names.backup, names.business):
        if name is None:
            continue
        if name.person_id not in away:
            away[name.person_id] = is_away(tx, name.person_id, now) is not None
        if not away[name.person_id]:
            return name
    return names.operations or names.business


def _asked(name: OwnerName | None) -> Asked | None:
    return Asked(name.person_id, name.name, name.slack_id, name.confirmed) if name else None


def _week_before(row: AgentNow | None, source: str) -> float | None:
    """The share of the seven days before the last seven, as it was folded: nobody weighs more than the cap in it."""
    scores = ((row.facts or {}).get("scores") or {}) if row is not None else {}
    return score_from((scores.get(source) or {}).get("before")).share
