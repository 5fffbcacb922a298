"""`/aiops silence` and `/aiops maintenance`, their buttons and forms: who may is asked here, what happens is in flows and windows."""

from __future__ import annotations

import re
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import agent_by_slug, find_agents
from bot.blocks import Message, escape, when
from bot.calendars import at_local, check_cron, zone_named
from bot.people.flows import Refused, require, roles_of
from bot.people.rules import Act
from bot.quiet import asking, flows, messages, reading, rules, windows
from bot.quiet.asking import Asked, Unclear
from bot.quiet.rules import Scope
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Check, Maintenance, Silence

ENDERS = ("end", "stop", "over", "undo")


# --- silences --------------------------------------------------------------------------------------------------------


def words_silence(tx: Session, press: Press) -> Answer:
    """`/aiops silence` lists; with words it adds one; `silence end 3` ends one; `silence form` opens the form."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    verb = press.words[0].lower() if press.words else ""
    if not verb or (verb == "list" and len(press.words) == 1):
        return Tell(_silences(tx, press), share=True)
    if verb in ("form", "add") and len(press.words) == 1:
        return Ask(messages.silence_form())
    if verb in ENDERS and len(press.words) == 2 and press.words[1].lstrip("#").isdigit():
        return _end(tx, press, int(press.words[1].lstrip("#")))
    said = " ".join(press.words[1:] if verb == "add" else press.words)
    try:
        asked = asking.read_silence(said, lambda scope: _checks(tx, scope), press.now, press.actor.zone or "UTC")
        asked = _settled(tx, press, asked)
    except Unclear as unclear:
        return Tell(Message(escape(str(unclear))))
    return Tell(_silence(tx, press, asked))


def ask_silence(tx: Session, press: Press) -> Answer:
    """`Silence something` opens the form."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    slug = press.value.removeprefix("agent:")
    return Ask(messages.silence_form(slug))


def silence_asked(tx: Session, press: Press) -> Answer:
    """The submitted form."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    given = {name: " ".join(str(press.values.get(name) or "").replace("\0", "").split()) for name in ("agent", "department", "check", "kind", "severity", "lasts", "reason")}
    wrong, scope = _scope(given)
    length = rules.length_of(given["lasts"])
    if mistake := rules.length_mistake(length, rules.LONGEST):
        wrong["lasts"] = mistake
    if not given["reason"]:
        wrong["reason"] = "Say in a few words why."
    if wrong or length is None:
        return Mend(wrong)
    try:
        asked = _settled(tx, press, Asked(scope, length, given["reason"][: rules.REASON]))
    except Unclear as unclear:
        return Mend({_field(unclear): str(unclear)})
    return Tell(_silence(tx, press, asked), heading="Silenced")


def press_end(tx: Session, press: Press) -> Answer:
    """`End` beside a silence."""
    number = _number(press.value, "silence")
    answer = _end(tx, press, number)
    return answer if press.came_from != "button" or isinstance(answer, Tell) else Quiet()


def press_watch(tx: Session, press: Press) -> Answer:
    """`Watch it again`, on a check that somebody called wrong."""
    check = tx.get(Check, _number(press.value, "check"))
    if check is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message("This check is no longer known here."))
    agent = tx.get_one(Agent, check.agent_id)
    require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.SILENCE)
    if not flows.watch_again(tx, press.now, check, press.actor.person_id):
        return Tell(Message("This check is watched already."))
    return Tell(Message(f"The check `{escape(check.name)}` of {escape(agent.name)} is watched again, and looked at now."))


def _silence(tx: Session, press: Press, asked: Asked) -> Message:
    _require(tx, press, asked.scope)
    row = flows.add_silence(tx, press.now, asked.scope, press.now + asked.lasts, asked.reason, press.actor.person_id)
    view = reading.silence_view(tx, row)
    return Message(
        f"{messages.scope_words(view.scope, view.agent)}: silenced until {when(view.until)} (silence {row.id}): {escape(row.reason)}. Problems that fit are shown and call nobody; one that is still open then calls people. "
        f"`/aiops silence end {row.id}` ends it earlier."
    )


def _end(tx: Session, press: Press, silence_id: int) -> Answer:
    row = tx.get(Silence, silence_id)
    if row is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message(f"There is no silence {silence_id}. `/aiops silence` lists them."))
    if row.by_id != press.actor.person_id or press.actor.kind != "member":
        _require(tx, press, reading.scope_of(row))
    if not flows.end_silence(tx, press.now, silence_id, press.actor.person_id):
        return Tell(Message("This silence is over already."))
    view = reading.silence_view(tx, row)
    return Tell(Message(f"The silence of {messages.scope_words(view.scope, view.agent)} is over. A problem that is still open calls people now."))


def _silences(tx: Session, press: Press) -> Message:
    found, total = reading.silences(tx, press.now, messages.LISTED)
    wrong = reading.wrong_checks(tx, 200)
    return messages.silence_list(found, wrong[: max(messages.LISTED - len(found), 5)], total + len(wrong))


# --- maintenance -----------------------------------------------------------------------------------------------------


def words_maintenance(tx: Session, press: Press) -> Answer:
    """`/aiops maintenance` lists; with words it plans one; `end 3`, `skip 3`; `maintenance form` opens the form."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    verb = press.words[0].lower() if press.words else ""
    if not verb or (verb == "list" and len(press.words) == 1):
        found, total = reading.windows(tx, messages.LISTED)
        return Tell(messages.window_list(found, total), share=True)
    if verb in ("form", "add") and len(press.words) == 1:
        return Ask(messages.maintenance_form(press.now, press.actor.zone or "UTC"))
    if verb in (*ENDERS, "skip") and len(press.words) == 2 and press.words[1].lstrip("#").isdigit():
        row = tx.get(Maintenance, int(press.words[1].lstrip("#")))
        if row is None or row.closed_at is not None:
            return Tell(Message(f"There is no maintenance {press.words[1].lstrip('#')} under way or planned. `/aiops maintenance` lists them."))
        stamp = int(row.starts_at.timestamp())
        return _skip(tx, press, row.id, stamp) if verb == "skip" else _end_window(tx, press, row.id, stamp)
    said = " ".join(press.words[1:] if verb == "add" else press.words)
    try:
        asked = _settled(tx, press, asking.read_maintenance(said, press.now, press.actor.zone or "UTC"))
    except Unclear as unclear:
        return Tell(Message(escape(str(unclear))))
    return Tell(_plan(tx, press, asked))


def ask_maintenance(tx: Session, press: Press) -> Answer:
    """`Plan maintenance` opens the form."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    return Ask(messages.maintenance_form(press.now, press.actor.zone or "UTC"))


def maintenance_asked(tx: Session, press: Press) -> Answer:
    """The submitted form."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    given = {name: " ".join(str(press.values.get(name) or "").replace("\0", "").split()) for name in ("agent", "department", "day", "at", "cron", "zone", "lasts", "reason")}
    wrong, scope = _scope(given)
    length, zone, starts_at = rules.length_of(given["lasts"]), given["zone"] or press.actor.zone or "UTC", None
    if mistake := rules.length_mistake(length, rules.LONGEST_WINDOW):
        wrong["lasts"] = mistake
    try:
        zone_named(zone)
    except ValueError as error:
        wrong["zone"] = f"{str(error)[:1].upper()}{str(error)[1:]}."
    try:
        if given["cron"]:
            check_cron(given["cron"])
    except ValueError as error:
        wrong["cron"] = f"{str(error)[:1].upper()}{str(error)[1:]}."
    if not given["cron"] and "zone" not in wrong:
        at = asking.clock_of(given["at"])
        try:
            starts_at = at_local(date.fromisoformat(given["day"]), at, zone) if at is not None else None
        except ValueError:
            starts_at = None
        if starts_at is None:
            wrong["at"] = "Choose a day and a time, or write a schedule below."
    if not given["reason"]:
        wrong["reason"] = "Say in a few words what is done."
    if wrong or length is None:
        return Mend(wrong)
    asked = Asked(scope, length, given["reason"][: rules.REASON], starts_at, given["cron"] or None, zone)
    if found := asking.window_mistakes(asked, press.now):
        return Mend(found)
    try:
        return Tell(_plan(tx, press, _settled(tx, press, asked)), heading="Planned")
    except Unclear as unclear:
        return Mend({_field(unclear): str(unclear)})


def press_end_window(tx: Session, press: Press) -> Answer:
    """`End now`, or `Take away` for a window that has not begun."""
    return _end_window(tx, press, *_window(tx, press))


def press_skip(tx: Session, press: Press) -> Answer:
    """`Skip next`."""
    return _skip(tx, press, *_window(tx, press))


def _plan(tx: Session, press: Press, asked: Asked) -> Message:
    _require(tx, press, asked.scope)
    row = windows.plan_maintenance(tx, press.now, asked, press.actor.person_id)
    if row is None:
        return Message("This schedule never comes: there is no such day. Nothing was planned.")
    return Message(f"Planned (maintenance {row.id}): {messages.window_words(reading.window_view(tx, row))} Its start and end are told in the owner channel. `/aiops maintenance` lists it.")


def _end_window(tx: Session, press: Press, maintenance_id: int, stamp: int) -> Answer:
    row = tx.get_one(Maintenance, maintenance_id)
    _require(tx, press, reading.scope_of(row))
    view = reading.window_view(tx, row)
    if windows.end_window(tx, press.now, maintenance_id, stamp, press.actor.person_id):
        over = "is over. A problem that is still open calls people now." if view.begun or view.starts_at <= press.now else "is taken away: it will not come."
        return Tell(Message(f"The maintenance of {messages.scope_words(view.scope, view.agent)} {over}"))
    if view.source and not view.begun:
        return Tell(Message(f"This window is written in aiops.yml ({escape(view.source)}): take it out there, or skip the next one with `/aiops maintenance skip {maintenance_id}`."))
    return Tell(Message("This window is over already. `/aiops maintenance` shows those to come."))


def _skip(tx: Session, press: Press, maintenance_id: int, stamp: int) -> Answer:
    row = tx.get_one(Maintenance, maintenance_id)
    _require(tx, press, reading.scope_of(row))
    skipped = row.starts_at
    moved = windows.skip_window(tx, press.now, maintenance_id, stamp, press.actor.person_id)
    if moved is None:
        return Tell(Message("It has begun, or somebody skipped it already. `/aiops maintenance` shows how it stands."))
    after = f"The next one begins {when(moved.starts_at)}." if moved.closed_at is None else "It does not come again."
    return Tell(Message(f"The window of {when(skipped)} is skipped: problems call people as ever. {after}"))


def _window(tx: Session, press: Press) -> tuple[int, int]:
    matched = re.fullmatch(r"maintenance:(\d{1,15}):(\d{1,12})", press.value)
    row = tx.get(Maintenance, int(matched[1])) if matched else None
    if matched is None or row is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This window is no longer known here. `/aiops maintenance` lists them.")
    return row.id, int(matched[2])


# --- both ------------------------------------------------------------------------------------------------------------


def _require(tx: Session, press: Press, scope: Scope) -> None:
    """Owners for the one agent they answer for, leads for whatever may be several."""
    agent = tx.scalars(select(Agent).where(Agent.slug == scope.agent)).first() if scope.one_agent else None
    if agent is not None:
        require(roles_of(tx, press.actor, agent.id, channel_id=agent.channel_id), Act.SILENCE)
    else:
        require(roles_of(tx, press.actor, None), Act.SILENCE_MANY)


def _settled(tx: Session, press: Press, asked: Asked) -> Asked:
    """What was asked, with the names made sure: it must cover an agent, and a check, that exist. Raises Unclear."""
    scope = asked.scope
    _meets_agents(tx, scope)
    if scope.check is not None and not rules.is_pattern(scope.check):
        known = reading.checks_in(tx, scope)
        if scope.check not in known:
            raise Unclear(f"There is no check called {scope.check} there. " + (f"There are {', '.join(sorted(known)[:10])}." if known else "No check is promised there."))
    if scope.kind is not None:
        kinds = set(tx.scalars(select(Check.kind).where(Check.archived_at.is_(None)).distinct()))
        if scope.kind not in kinds:
            raise Unclear(f"No check is of the kind {scope.kind}. In use: {', '.join(sorted(kinds)) or 'none'}.")
    return asked


def _meets_agents(tx: Session, scope: Scope) -> None:
    if reading.agents_in(tx, scope):
        return
    if scope.one_agent and agent_by_slug(tx, scope.agent) is None:
        near = find_agents(tx, scope.agent)
        hint = f" Did you mean {' or '.join(f'`{agent.slug}`' for agent in near[:3])}?" if near else " `/aiops status` shows them all."
        raise Unclear(f"There is no agent {scope.agent}.{hint}")
    if scope.department is not None:
        raise Unclear(f"No agent of the department {scope.department} fits: put a name of several words in quotes. `/aiops status` shows the departments.")
    raise Unclear(f"No agent fits {scope.agent}. `/aiops status` shows them all.")


def _checks(tx: Session, scope: Scope) -> set[str]:
    _meets_agents(tx, scope)
    return reading.checks_in(tx, scope)


def _scope(given: dict[str, str]) -> tuple[dict[str, str], Scope]:
    """A form's scope, and what is wrong with it by field."""
    wrong: dict[str, str] = {}
    agent = given["agent"].lower() or "*"
    agent = "*" if agent in ("all", "everything") else agent
    if mistake := rules.agent_mistake(agent):
        wrong["agent"] = mistake
    check = given.get("check", "").lower() or None
    if check and (mistake := rules.check_mistake(check)):
        wrong["check"] = mistake
    severity = given.get("severity", "")
    return wrong, Scope(agent, given["department"] or None, check, given.get("kind", "").lower() or None, severity if severity in ("page", "notice") else None)


def _field(unclear: Unclear) -> str:
    """Which field of a form an answer belongs to."""
    words = str(unclear)
    return "check" if "check called" in words else "kind" if "of the kind" in words else "department" if "department" in words else "agent"


def _number(value: str, kind: str) -> int:
    matched = re.fullmatch(kind + r":(\d{1,15})", value)
    return int(matched[1]) if matched else 0


ACTIONS: dict[str, Handler] = {
    "quiet.silence": ask_silence,
    "quiet.end": press_end,
    "quiet.watch": press_watch,
    "quiet.maintenance": ask_maintenance,
    "quiet.end_window": press_end_window,
    "quiet.skip": press_skip,
}
VIEWS: dict[str, Handler] = {"quiet.silence": silence_asked, "quiet.maintenance": maintenance_asked}
WORDS: dict[str, Handler] = {"silence": words_silence, "silences": words_silence, "maintenance": words_maintenance}
