"""`/aiops away`: declare an absence, look at it, or end it."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import Message, escape
from bot.calendars import WEEKDAYS, day_bounds, local_day
from bot.people.absences import absences_ahead, declare_absence, end_absence
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.quality.words import joined
from bot.status.messages import moment
from bot.surface.press import Answer, Press, Tell
from bot.tables import Agent, AgentOwner, Person

LONGEST = timedelta(days=366)
HOW = "Write `/aiops away until friday`, `/aiops away until 2026-12-03`, or `/aiops away over` when you are back."


def away(tx: Session, press: Press) -> Answer:
    """`away until <day>` (that day included), `away over`, or a look at what is declared."""
    require(roles_of(tx, press.actor, None), Act.AWAY)
    said = " ".join(press.words).strip().lower()
    person_id, zone = press.actor.person_id, press.actor.zone
    if said in ("over", "back", "off", "end"):
        ended = end_absence(tx, press.now, person_id)
        return Tell(Message("Welcome back. Calls come to you again from now on." if ended else "No absence of yours was declared; calls come to you as ever."))
    if not said:
        ahead = absences_ahead(tx, press.now, [person_id])
        if not ahead:
            return Tell(Message(f"You are not away. {HOW}"))
        spans = joined([f"{moment(row.since, zone)} to {moment(row.until - timedelta(minutes=1), zone)}" for row in ahead])
        return Tell(Message(f"You are away {spans}. `/aiops away over` ends it."))
    day = parse_day(said.removeprefix("until ").strip(), date.fromisoformat(local_day(press.now, zone)))
    if day is None:
        return Tell(Message(f"I did not understand “{escape(said[:60])}”. {HOW}"))
    until = day_bounds(day.isoformat(), zone)[1]
    if until <= press.now or until - press.now > LONGEST:
        return Tell(Message(f"An absence ends within a year from now; {day.isoformat()} does not. {HOW}"))
    declare_absence(tx, press.now, person_id, press.now, until)
    return Tell(Message(f"You are away until the end of {day:%A} {day.day} {day:%B}. {_stand_ins(tx, press.now, person_id)} `/aiops away over` ends it earlier."))


def parse_day(words: str, today: date) -> date | None:
    """`2026-12-03`, `tomorrow`, a weekday (the next one), or `3 dec`; None for anything else."""
    if words in ("today", "tomorrow"):
        return today + timedelta(days=words == "tomorrow")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", words):
        try:
            return date.fromisoformat(words)
        except ValueError:
            return None
    if len(words) >= 3 and words[:3] in WEEKDAYS and _FULL[WEEKDAYS.index(words[:3])].startswith(words):
        return today + timedelta(days=(WEEKDAYS.index(words[:3]) - today.weekday() - 1) % 7 + 1)
    matched = re.fullmatch(r"(\d{1,2})\.? ([a-z]{3,9})", words)
    months = [each for each in range(1, 13) if matched and f"{date(2000, each, 1):%B}".lower().startswith(matched[2])]
    for year in (today.year, today.year + 1):
        try:
            found = date(year, months[0], int(matched[1])) if matched and months else None
        except ValueError:
            return None
        if found is not None and found >= today:
            return found
    return None


_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _stand_ins(tx: Session, now: datetime, person_id: int) -> str:
    """Who is called meanwhile, and for which agents nobody stands in."""
    operated = select(AgentOwner.agent_id).where(AgentOwner.person_id == person_id, AgentOwner.role == "operations", AgentOwner.until.is_(None))
    agents: dict[int, str] = {agent_id: name for agent_id, name in tx.execute(select(Agent.id, Agent.name).where(Agent.id.in_(operated), Agent.archived_at.is_(None)).order_by(Agent.name))}  # noqa: C416
    if not agents:
        return "You operate no agent, so nothing has to be handed over."
    backups = select(AgentOwner.agent_id, Person.name).join(Person, Person.id == AgentOwner.person_id)
    found: dict[int, str] = {agent_id: name for agent_id, name in tx.execute(backups.where(AgentOwner.agent_id.in_(agents), AgentOwner.role == "backup", AgentOwner.until.is_(None)))}  # noqa: C416
    names = sorted({name or "the backup" for name in found.values()})
    without = [name for agent_id, name in agents.items() if agent_id not in found]
    said = f"Meanwhile {escape(joined(names[:5]))} is called for your agents." if len(names) == 1 else f"Meanwhile your backups are called: {escape(joined(names[:5]))}." if names else ""
    if without:
        shown = joined(without[:5] + ([f"{len(without) - 5} more"] if len(without) > 5 else []))
        said += f" Nobody stands in for {escape(shown)}: calls about {'it' if len(without) == 1 else 'them'} go on to the next step of the ladder."
    return said.strip()
