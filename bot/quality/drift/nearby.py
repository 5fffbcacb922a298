"""What changed near a drift: announced and seen changes, findings about inputs and volume; a further kind of evidence joins here."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.calendars import day_before, local_day
from bot.quality import counting
from bot.quality.changes import changes_between
from bot.quality.rules import day_words
from bot.tables import Agent, Check, Day, Finding

BEFORE, AFTER = timedelta(days=3), timedelta(days=1)  # around the estimated begin, which is itself uncertain
MOST = 6
KINDS = ("input_shape", "volume", "upstream", "change", "freshness")
WEEK = 7


def what_changed(tx: Session, now: datetime, agent: Agent, since: datetime) -> list[str]:
    """What changed within three days before and a day after `since`, in words, the nearest first."""
    first, last = since - BEFORE, min(since + AFTER, now)
    found: list[tuple[datetime, str]] = []
    for change in changes_between(tx, agent.id, first, last + timedelta(microseconds=1))[-MOST * 3 :]:
        note = f" ({change.note[:120]})" if change.note else ""
        found.append((change.at, f"{change.input} {change.version[:80]}{note}, {_day(change.at, agent)}"))
    findings = select(Finding.at, Finding.says, Check.kind).join(Check, Check.id == Finding.check_id)
    near = (Check.agent_id == agent.id, Check.kind.in_(KINDS), Finding.state == "failing", Finding.at >= first, Finding.at <= last)
    for at, says, kind in tx.execute(findings.where(*near).order_by(Finding.at.desc()).limit(MOST)):
        if kind != "change":  # told by what changed itself
            found.append((at, f"{says[:200].rstrip('.')} ({_day(at, agent)})"))
    told = [words for _, words in sorted(found, key=lambda each: abs((each[0] - since).total_seconds()))][:MOST]
    return [*told, *_volume(tx, now, agent, since)]


def _volume(tx: Session, now: datetime, agent: Agent, since: datetime) -> list[str]:
    """Outputs a day in the week since, against the week before: told where they are half again as many, or a third fewer."""
    begin, today = local_day(since, agent.zone), local_day(now, agent.zone)
    first = day_before(begin, WEEK)
    rows = select(Day.local_day, func.sum(Day.n)).where(Day.agent_id == agent.id, Day.metric == counting.OUTPUTS, Day.local_day >= first, Day.local_day < min(today, day_before(begin, -WEEK)))
    by_day = {day: int(n) for day, n in tx.execute(rows.group_by(Day.local_day))}
    before, after = [n for day, n in by_day.items() if day < begin], [n for day, n in by_day.items() if day >= begin]
    if len(before) < 3 or len(after) < 2:
        return []
    was, now_is = sum(before) / len(before), sum(after) / len(after)
    if was < 5 or 2 / 3 < now_is / was < 3 / 2:
        return []
    return [f"the volume went from about {was:,.0f} to {now_is:,.0f} outputs a day"]


def _day(at: datetime, agent: Agent) -> str:
    return day_words(datetime.fromisoformat(local_day(at, agent.zone)).date())
