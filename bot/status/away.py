"""`/aiops away`: declare an absence, look at it, or end it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import Message, actions, button, escape, input_block, modal, section, text_input, when
from bot.calendars import day_bounds, local_day
from bot.ladders.rotations import members, rotations
from bot.people.absences import absences_ahead, declare_absence, end_absence
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.people.spans import parse_day, parse_span
from bot.quality.words import joined
from bot.status.messages import moment
from bot.surface.press import Answer, Ask, Mend, Press, Tell
from bot.tables import Absence, Agent, AgentOwner, Person

LONGEST = timedelta(days=366)
HOW = "Write `/aiops away until friday`, `/aiops away from 24 dec until 2 jan`, `/aiops away for 3 days`, or `/aiops away over` when you are back."
OTHERS = 15  # absences of others shown


def away(tx: Session, press: Press) -> Answer:
    """`away until <day>` (that day included), `away over`, `away form`, or a look at what is declared."""
    require(roles_of(tx, press.actor, None), Act.AWAY)
    said = " ".join(press.words).strip().lower()
    if said in ("over", "back", "off", "end"):
        return Tell(Message(_come_back(tx, press)))
    if said == "form":
        return Ask(form(press.now, press.actor.zone))
    if said in ("", "list"):
        return Tell(_standing(tx, press))
    span = parse_away(said, press.now, press.actor.zone)
    if span is None:
        return Tell(Message(f"I did not understand “{escape(said[:60])}”. {HOW}"))
    told = _declare(tx, press, *span)
    if isinstance(told, str):
        return Tell(Message(f"{told} {HOW}"))
    return Tell(told)


def parse_away(said: str, now: datetime, zone: str) -> tuple[datetime, datetime, str] | None:
    """Begin, end, and the end in words: a day named as the end is included. None for words that mean no absence."""
    today = date.fromisoformat(local_day(now, zone))
    begins, _, ends = said.rpartition("until ") if "until " in said else ("", "", said)
    since = now
    if begins.strip():
        first = parse_day(begins.strip().removeprefix("from ").strip(), today)
        if first is None:
            return None
        since = max(now, day_bounds(first.isoformat(), zone)[0])
        today = max(today, first)
    day = parse_day(ends.strip(), today) if not ends.startswith("for ") else None
    if day is not None:
        return since, day_bounds(day.isoformat(), zone)[1], f"the end of {day:%A} {day.day} {day:%B}"
    found = parse_span(said, now, zone)
    return (found[0], found[1], moment(found[1], zone)) if found is not None and found[1] is not None and said.split()[0] in ("until", "for", "from") else None


def _declare(tx: Session, press: Press, since: datetime, until: datetime, words: str, reason: str = "") -> Message | str:
    """What to say once it is declared; plain text where it cannot be."""
    if until <= press.now or until - press.now > LONGEST:
        return f"An absence ends within a year from now; {words.removeprefix('the end of ')} does not."
    if until <= since:
        return "An absence ends after it begins."
    row = declare_absence(tx, press.now, press.actor.person_id, since, until, reason=reason)
    begins = f" from {moment(row.since, press.actor.zone)}" if row.since > press.now else ""
    if row.until > until:
        words = f"{moment(row.until - timedelta(minutes=1), press.actor.zone)}, together with what you had declared"
    told = f"You are away{begins} until {words}. {_stand_ins(tx, press.now, press.actor.person_id)} `/aiops away over` ends it earlier."
    return Message(told, [section(told), actions(_back_button())])


def _come_back(tx: Session, press: Press) -> str:
    me, zone = press.actor.person_id, press.actor.zone
    ran = any(row.since <= press.now for row in absences_ahead(tx, press.now, [me]))
    if not end_absence(tx, press.now, me):
        return "No absence of yours was declared; calls come to you as ever."
    if not ran:
        return "Taken back: calls come to you as ever."
    rest = absences_ahead(tx, press.now, [me])
    left = f" You are still away {_spans(rest, zone)}; `/aiops away over` takes that back too." if rest else ""
    return f"Welcome back. Calls come to you again from now on.{left}"


def _spans(rows: list[Absence], zone: str) -> str:
    return joined([f"{moment(row.since, zone)} to {moment(row.until - timedelta(minutes=1), zone)}" for row in rows])


def _standing(tx: Session, press: Press) -> Message:
    """My own absences, and who else is away now or soon."""
    zone = press.actor.zone
    ahead = absences_ahead(tx, press.now, [press.actor.person_id])
    if ahead:
        told = f"You are away {_spans(ahead, zone)}. `/aiops away over` ends it."
    else:
        told = f"You are not away. {HOW}"
    others = _others(tx, press)
    blocks = [section(told), *([section(others)] if others else []), actions(*([_back_button()] if ahead else []), button("Declare an absence", "status.away", "form"))]
    return Message("\n".join(words for words in (told, others) if words), blocks)


def _others(tx: Session, press: Press) -> str:
    soon = press.now + timedelta(days=7)
    sought = select(Absence, Person).join(Person, Person.id == Absence.person_id).where(Absence.until > press.now, Absence.since < soon, Absence.person_id != press.actor.person_id, Person.active)
    rows = tx.execute(sought.order_by(Absence.since, Absence.id)).all()
    lines = [f"• {escape(person.name or 'someone')}: {'until ' + when(row.until) if row.since <= press.now else f'from {when(row.since)} until {when(row.until)}'}" for row, person in rows[:OTHERS]]
    if len(rows) > OTHERS:
        lines.append(f"And {len(rows) - OTHERS} more.")
    return "\n".join(["Away now or within a week:", *lines]) if lines else ""


def press_back(tx: Session, press: Press) -> Answer:
    """`I am back`."""
    require(roles_of(tx, press.actor, None), Act.AWAY)
    return Tell(Message(_come_back(tx, press)), replace=True)


def press_form(tx: Session, press: Press) -> Answer:
    """`Declare an absence` opens its form."""
    require(roles_of(tx, press.actor, None), Act.AWAY)
    return Ask(form(press.now, press.actor.zone))


def declared(tx: Session, press: Press) -> Answer:
    """The submitted form."""
    require(roles_of(tx, press.actor, None), Act.AWAY)
    zone, today = press.actor.zone, date.fromisoformat(local_day(press.now, press.actor.zone))
    first, last = (parse_day(str(press.values.get(name) or ""), today) for name in ("since", "until"))
    if last is None or last < (first or today):
        return Mend({"until": "Choose the last day: it comes after the first, and is not over."})
    since = max(press.now, day_bounds((first or today).isoformat(), zone)[0])
    words = f"the end of {last:%A} {last.day} {last:%B}"
    told = _declare(tx, press, since, day_bounds(last.isoformat(), zone)[1], words, str(press.values.get("reason") or ""))
    return Mend({"until": told}) if isinstance(told, str) else Tell(told)


def form(now: datetime, zone: str) -> dict[str, Any]:
    """First and last day, in the zone of the one who is away."""
    today = local_day(now, zone)
    days = [{"type": "datepicker", "action_id": name, "initial_date": today} for name in ("since", "until")]
    blocks = [
        section("While you are away nobody calls you: whoever stands in for you is called, and the page's thread says so."),
        input_block("since", "First day", days[0]),
        input_block("until", "Last day", days[1], hint="That day included."),
        input_block("reason", "Why", text_input("reason", placeholder="Holiday", most=200), hint="Kept with the absence; nobody is asked for it.", optional=True),
    ]
    return modal("Declare an absence", blocks, callback_id="status.away", submit="I am away")


def _back_button() -> dict[str, Any]:
    return button("I am back", "status.back", "back", label="End my absence now")


def _stand_ins(tx: Session, now: datetime, person_id: int) -> str:
    """Who is called meanwhile, and for which agents nobody stands in."""
    mine = [name for name, rotation in rotations(tx).items() if any(person.id == person_id for person in members(tx, rotation))]
    turns = f"Your turns in {escape(joined(mine[:5]))} pass to the next in the order." if mine else ""
    operated = select(AgentOwner.agent_id).where(AgentOwner.person_id == person_id, AgentOwner.role == "operations", AgentOwner.until.is_(None))
    agents: dict[int, str] = {agent_id: name for agent_id, name in tx.execute(select(Agent.id, Agent.name).where(Agent.id.in_(operated), Agent.archived_at.is_(None)).order_by(Agent.name))}  # noqa: C416
    if not agents:
        return turns or "You operate no agent, so nothing has to be handed over."
    backups = select(AgentOwner.agent_id, Person.name).join(Person, Person.id == AgentOwner.person_id)
    found: dict[int, str] = {agent_id: name for agent_id, name in tx.execute(backups.where(AgentOwner.agent_id.in_(agents), AgentOwner.role == "backup", AgentOwner.until.is_(None)))}  # noqa: C416
    names = sorted({name or "the backup" for name in found.values()})
    without = [name for agent_id, name in agents.items() if agent_id not in found]
    said = f"Meanwhile {escape(joined(names[:5]))} is called for your agents." if len(names) == 1 else f"Meanwhile your backups are called: {escape(joined(names[:5]))}." if names else ""
    if without:
        shown = joined(without[:5] + ([f"{len(without) - 5} more"] if len(without) > 5 else []))
        said += f" Nobody stands in for {escape(shown)}: calls about {'it' if len(without) == 1 else 'them'} go on to the next step of the ladder."
    return f"{said.strip()} {turns}".strip()
