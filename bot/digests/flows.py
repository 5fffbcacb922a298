"""What happens to digests: planned, posted once a working day, filled with real outputs, reviewed, chased, and mended by late data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.reading import retired_ids, workspace_of
from bot.alone import alone
from bot.calendars import parse_working_days
from bot.db import is_outage, wake
from bot.digests import messages
from bot.digests.charts import show_charts
from bot.digests.fleet import show_fleet
from bot.digests.messages import Marking, Summary
from bot.digests.reading import RETIRED_TOLD, hours_of, in_parts, reports_of, told_of, totals_by_zone
from bot.digests.rules import (
    LOOK_EVERY,
    STAYS_OPEN,
    Asked,
    Hours,
    Move,
    Report,
    Turn,
    Volume,
    covered,
    days_of,
    late_words,
    next_due,
    opens_fortnight,
    reviews_needed,
    turn,
    worst_first,
)
from bot.digests.samples import samples_of
from bot.gaps.flows import weekly_line
from bot.lists import flows as lists
from bot.outbox import flows as outbox
from bot.outbox.rules import Priority
from bot.people.flows import owners_of
from bot.quality.folding import fold_now
from bot.quality.reading import Totals
from bot.quality.sprinting import digest_line, sprint_of_agents
from bot.tables import Agent, Digest, DigestReview, DigestTimer, Person

LEADS = "leads"  # the timer and the digest of the fleet line
AT_ONCE = 3  # digests in one step: one of 500 agents takes half a second, and presses wait behind it on SQLite
SAMPLED_AGENTS = 60  # how many agents of a channel show real outputs in the thread, worst first
SAMPLED_TOGETHER = 4  # agents in one message of outputs
ASIDE = LOOK_EVERY  # how long a row that raised waits


def plan_step(tx: Session, now: datetime) -> bool:
    """Give every owner channel its timer, and move timers that the registry has changed; overdue ones are left alone."""
    timers = {timer.channel_id: timer for timer in tx.scalars(select(DigestTimer))}
    workspace = workspace_of(tx)
    zones: dict[str, set[str]] = defaultdict(set)
    for channel, zone in tx.execute(select(Agent.channel_id, Agent.zone).where(Agent.archived_at.is_(None), Agent.channel_id.is_not(None), Agent.id.not_in(retired_ids(now - RETIRED_TOLD))).distinct()):
        zones[channel or ""].add(zone)
    wanted = {channel: hours_of(workspace, found) for channel, found in zones.items()}
    if workspace.leads and wanted:
        wanted[LEADS] = hours_of(workspace)
    moved = False
    posted = {channel: date.fromisoformat(day) for channel, day in tx.execute(select(Digest.channel_id, func.max(Digest.local_date)).group_by(Digest.channel_id))}
    for channel, hours in wanted.items():
        timer = timers.get(channel)
        if timer is None:
            tx.add(DigestTimer(channel_id=channel, due_at=next_due(now, hours, posted.get(channel))))
            moved = True
        elif timer.due_at is None or timer.due_at > now:
            due = next_due(now, hours, posted.get(channel))
            if timer.due_at != due:
                timer.due_at, moved = due, True
    for channel, timer in timers.items():
        if channel not in wanted and timer.due_at is not None:
            timer.due_at, moved = None, True
    return moved


def post_step(tx: Session, now: datetime) -> bool:
    """Post the digests that are due."""
    due = select(DigestTimer).where(DigestTimer.due_at <= now).order_by(DigestTimer.due_at, DigestTimer.id).limit(AT_ONCE).with_for_update(skip_locked=True)
    timers = list(tx.scalars(due))
    for timer in timers:
        with alone(tx, "a digest steps aside", unless=is_outage, channel=timer.channel_id) as tried:
            _turn_timer(tx, now, timer)
        if tried.failed:
            timer.due_at = now + ASIDE
    return bool(timers)


def look_step(tx: Session, now: datetime) -> bool:
    """Fill the threads of new digests with real outputs, a few agents at a time, then look for late data while they are open."""
    due = select(Digest).where(Digest.look_at <= now).order_by(Digest.look_at, Digest.id).limit(AT_ONCE).with_for_update(skip_locked=True)
    digests = list(tx.scalars(due))
    for digest in digests:
        with alone(tx, "a digest's late data step aside", unless=is_outage, channel=digest.channel_id) as tried:
            _look(tx, now, digest)
        if tried.failed:
            digest.look_at = now + ASIDE
    return bool(digests)


def chase_step(tx: Session, now: datetime) -> bool:
    """What was not reviewed by the next working morning comes on the business owner's list too."""
    due = select(DigestReview).where(DigestReview.chase_at <= now, DigestReview.reviewed_at.is_(None)).order_by(DigestReview.chase_at).limit(100).with_for_update(skip_locked=True)
    rows = list(tx.scalars(due))
    told: set[int] = set()
    for row in rows:
        row.chase_at, row.chased = None, row.chased + 1
        business = owners_of(tx, row.agent_id).get("business")
        if business is not None and business.person_id != row.person_id:
            told.add(business.person_id)
            audit.record(tx, now, "digest.chase", f"digest:{row.digest_id}", came_from="timer", evidence={"agent_id": row.agent_id, "asked": row.person_id, "now": business.person_id})
    tx.flush()
    lists.expect(tx, now, told)
    return bool(rows)


def mark_reviewed(tx: Session, now: datetime, digest: Digest, person_id: int, agent_ids: Iterable[int]) -> list[str]:
    """Mark these agents as reviewed by that person, in this digest and where older ones of the channel still wait; returns their names."""
    rows = list(
        tx.scalars(
            select(DigestReview)
            .join(Digest, Digest.id == DigestReview.digest_id)
            .where(DigestReview.agent_id.in_(list(agent_ids)), DigestReview.reviewed_at.is_(None), Digest.channel_id == digest.channel_id, Digest.id <= digest.id)
            .order_by(DigestReview.id)
            .with_for_update(of=DigestReview)
        )
    )
    for row in rows:
        row.reviewed_at, row.reviewed_by, row.chase_at = now, person_id, None
    tx.flush()
    for digest_id in sorted({row.digest_id for row in rows}):
        marked = [row.agent_id for row in rows if row.digest_id == digest_id]
        audit.record(tx, now, "digest.review", f"digest:{digest_id}", person_id=person_id, evidence={"agents": marked})
        show(tx, now, tx.get_one(Digest, digest_id))
    for asked in sorted({row.person_id for row in rows} | {person_id}):
        lists.changed(tx, now, asked)
    names = {report["agent_id"]: report["name"] for report in digest.content["reports"]}
    return [names[agent_id] for agent_id in dict.fromkeys(row.agent_id for row in rows) if agent_id in names]


def show(tx: Session, now: datetime, digest: Digest) -> None:
    """Say what the channel should show of this digest: the frozen facts, who has reviewed, and the line on late data."""
    outbox.show(tx, now, key=key_of(digest), to=digest.channel_id, message=messages.summary(summary_of(tx, digest)), priority=Priority.DIGEST)


def key_of(digest: Digest) -> str:
    return f"digest:{digest.id}"


def summary_of(tx: Session, digest: Digest) -> Summary:
    """A posted digest as it reads now."""
    content = digest.content
    return Summary(
        digest_id=digest.id,
        day=date.fromisoformat(digest.local_date),
        first_day=content["first_day"],
        last_day=content["last_day"],
        reports=tuple(report_from(each) for each in content["reports"]),
        marking=marking_of(tx, digest.id),
        late=digest.late or "",
        sprint=content.get("sprint", ""),
    )


def marking_of(tx: Session, digest_id: int) -> Marking:
    """Who has reviewed, and who is still waited for."""
    done: dict[str, None] = {}
    waiting: dict[int, list[Any]] = {}
    for row in tx.scalars(select(DigestReview).where(DigestReview.digest_id == digest_id).order_by(DigestReview.id)):
        person = tx.get_one(Person, row.reviewed_by or row.person_id)
        name = person.name or person.email or "someone"
        if row.reviewed_at is not None:
            done[name] = None
        else:
            waiting.setdefault(person.id, [Asked(person.id, name, person.slack_id), 0])[1] += 1
    return Marking(tuple(done), tuple((asked, count) for asked, count in waiting.values()))


def report_from(doc: dict[str, Any]) -> Report:
    """A report as `content` keeps it, read back."""
    people = {key: Asked(**doc[key]) if doc[key] else None for key in ("operations", "asked")}
    lists = {key: tuple(doc[key]) for key in ("changes", "problems", "incidents", "unconfirmed")}
    return Report(**{**doc, **people, **lists})


def _turn_timer(tx: Session, now: datetime, timer: DigestTimer) -> None:
    agents = [] if timer.channel_id == LEADS else told_of(tx, now, timer.channel_id)
    if timer.channel_id != LEADS and not agents:
        timer.due_at = None
        return
    hours = hours_of(workspace_of(tx), {agent.zone for agent in agents})
    last = tx.execute(select(Digest.local_date, Digest.posted_at).where(Digest.channel_id == timer.channel_id).order_by(Digest.local_date.desc()).limit(1)).first()
    decided = turn(now, hours, date.fromisoformat(last.local_date) if last else None)
    timer.due_at = decided.next_at
    if decided.move is not Move.POST:
        return
    covers_from, covers_until = covered(decided.day, hours, timer.covered_until)
    timer.covered_until = covers_until
    digest = Digest(channel_id=timer.channel_id, local_date=decided.day.isoformat(), covers_from=covers_from, covers_until=covers_until, posted_at=now, content={})
    tx.add(digest)
    tx.flush()
    if timer.channel_id == LEADS:
        show_fleet(tx, now, digest)
    else:
        _post(tx, now, digest, agents, hours, decided, last.posted_at if last else covers_from)


def _post(tx: Session, now: datetime, digest: Digest, agents: list[Agent], hours: Hours, decided: Turn, since: datetime) -> None:
    _make_fresh(tx, now, agents)
    reports = worst_first(reports_of(tx, now, agents, digest.covers_from, digest.covers_until, since))
    first_day, last_day = days_of(digest.covers_from, digest.covers_until, hours.zone)
    sampled = [report.agent_id for report in reports if report.outputs or report.failed]
    digest.content = {"first_day": first_day, "last_day": last_day, "reports": [asdict(report) for report in reports], "sample": sampled[:SAMPLED_AGENTS]}
    digest.closes_at, digest.look_at = now + STAYS_OPEN, now
    before = select(Digest.local_date).where(Digest.channel_id == digest.channel_id, Digest.id != digest.id).order_by(Digest.local_date.desc()).limit(7)
    posted = [date.fromisoformat(day) for day in tx.scalars(before)]
    if opens_fortnight(decided.day, max(posted, default=None), parse_working_days(workspace_of(tx).working_days)):
        digest.content = {**digest.content, "sprint": digest_line(sprint_of_agents(tx, [agent.id for agent in agents]))}
    for report in reviews_needed(reports, decided.day, posted, parse_working_days(workspace_of(tx).working_days)):
        if report.asked is not None:
            tx.add(DigestReview(digest_id=digest.id, agent_id=report.agent_id, person_id=report.asked.id, asked_at=now, chase_at=decided.next_at))
    tx.flush()
    lists.expect(tx, now, set(tx.scalars(select(DigestReview.person_id).where(DigestReview.digest_id == digest.id))))
    show(tx, now, digest)
    show_charts(tx, now, digest, key_of(digest), agents, reports)
    for number, page in enumerate(messages.pages(summary_of(tx, digest)), start=1):
        outbox.show(tx, now, key=f"{key_of(digest)}:page:{number}", to=digest.channel_id, message=page, priority=Priority.DIGEST, thread=key_of(digest))
    audit.record(tx, now, "digest.post", key_of(digest), came_from="timer", evidence={"channel": digest.channel_id, "day": digest.local_date, "agents": len(reports)})
    wake(tx, "lists")


def _make_fresh(tx: Session, now: datetime, agents: list[Agent]) -> None:
    """After downtime the folded rows may be days old: fold before telling."""
    for part in in_parts([agent.id for agent in agents]):
        fold_now(tx, now, part)


def _look(tx: Session, now: datetime, digest: Digest) -> None:
    waiting: list[int] = digest.content.get("sample", [])
    if waiting:
        here, rest = waiting[:SAMPLED_TOGETHER], waiting[SAMPLED_TOGETHER:]
        _show_samples(tx, now, digest, here, len(rest))
        digest.content = {**digest.content, "sample": rest}
        if not rest:
            workspace = workspace_of(tx)
            weekly_line(tx, now, digest, key_of(digest), workspace.timezone, workspace.working_days)
        digest.look_at = now if rest else now + LOOK_EVERY
        return
    late = late_of(tx, digest)
    if late and late != digest.late:
        digest.late = late[:500]
        show(tx, now, digest)
    digest.look_at = None if digest.closes_at is None or now + LOOK_EVERY > digest.closes_at else now + LOOK_EVERY


def late_of(tx: Session, digest: Digest) -> str:
    """What the covered days hold beyond what was told when the digest was posted."""
    told = {report["agent_id"]: report for report in digest.content["reports"]}
    agents = [agent for agent in tx.scalars(select(Agent).where(Agent.channel_id == digest.channel_id)) if agent.id in told]
    found = totals_by_zone(tx, agents, digest.covers_from, digest.covers_until)
    changes = []
    for agent_id, report in told.items():
        total = found.get(agent_id)
        if total is not None:
            changes.append((report["name"], Volume(report["outputs"], report["runs"], report["failed"]), _volume(total)))
    return late_words(changes)


def _volume(total: Totals) -> Volume:
    return Volume(total.outputs, total.runs, total.failed)


def _show_samples(tx: Session, now: datetime, digest: Digest, agent_ids: list[int], left: int) -> None:
    agents = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_(agent_ids)))}
    groups = []
    for agent_id in agent_ids:
        shown = samples_of(tx, agents[agent_id], digest.covers_from, digest.covers_until, digest.id) if agent_id in agents else []
        if shown:
            groups.append((agents[agent_id].name, shown))
    if groups:
        key = f"{key_of(digest)}:outputs:{left}"
        outbox.show(tx, now, key=key, to=digest.channel_id, message=messages.samples(groups), priority=Priority.OUTPUT, thread=key_of(digest))
