"""`/aiops oncall`: who is on call in each rotation, taking a shift, handing it to somebody, and taking that back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from bot.blocks import Message, escape
from bot.ladders import messages
from bot.ladders.messages import Standing
from bot.ladders.reaching import why_unable
from bot.ladders.rotations import (
    BadShift,
    OnCall,
    end_shift,
    members,
    named,
    on_call,
    rotations,
    shifts_of,
    take_shift,
)
from bot.ladders.turns import turn_at
from bot.outbox import flows as outbox
from bot.people.flows import Refused, find_person, find_ref, require, roles_of
from bot.people.rules import Act, Role, may
from bot.people.spans import from_epoch, parse_span
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Person, Shift

HOW = (
    "I know `/aiops oncall` (who is on call), `/aiops oncall take <rotation> until friday 18:00` (you take it), "
    "`/aiops oncall give <rotation> @somebody for 8h`, `/aiops oncall swap <rotation>` (a form) and `/aiops oncall undo <rotation>`."
)


def words_oncall(tx: Session, press: Press) -> Answer:
    """`oncall`, `oncall <rotation>`, and what changes it."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    known = rotations(tx)
    verb, rest = (press.words[0].lower(), press.words[1:]) if press.words else ("", ())
    if not verb or verb == "list":
        return Tell(_all(tx, press), share=True)
    if verb in known and not rest:
        return Tell(messages.standings([_standing(tx, press, verb, ahead=6)]), share=True)
    if verb not in ("take", "give", "swap", "undo"):
        names = ", ".join(f"`{escape(name)}`" for name in list(known)[:10])
        return Tell(Message(f"There is no rotation “{escape(verb[:60])}”.{f' I know {names}.' if names else ''} {HOW}"))
    name = rest[0] if rest and rest[0] in known else next(iter(known)) if len(known) == 1 else ""
    rest = rest[1:] if rest and rest[0] in known else rest
    if not name:
        if not known:
            return Tell(messages.standings([]))
        return Tell(Message(f"Which rotation? {', '.join(f'`{escape(each)}`' for each in list(known)[:20])}"))
    _require(tx, press, name)
    if rest and (verb in ("undo", "swap") or (verb == "take" and _names_another(rest, press))):
        return Tell(Message(f"There is no rotation “{escape(rest[0][:60])}”. I know {', '.join(f'`{escape(each)}`' for each in list(known)[:10])}."))
    if verb == "swap":
        return _form(tx, press, name)
    if verb == "undo":
        return _undo_newest(tx, press, name)
    person = tx.get_one(Person, press.actor.person_id)
    if verb == "give":
        rest = rest[1:] if rest and rest[0].lower() == "to" else rest
        found = find_person(tx, rest[0]) if rest else None
        if found is None:
            return Tell(Message(f"Give it to whom? For example `/aiops oncall give {escape(name)} @somebody until friday 18:00`."))
        person, rest = found, rest[1:]
    span = parse_span(" ".join(rest), press.now, press.actor.zone or "UTC")
    if span is None:
        return Tell(Message(f"I did not understand “{escape(' '.join(rest)[:60])}”. Write `until friday 18:00`, `for 8h`, or `from tomorrow 9:00 until tomorrow 18:00`."))
    since, until = span
    try:
        return Tell(Message(_take(tx, press, name, person, since, until or _end_of_turn(tx, name, since))))
    except BadShift as bad:
        return Tell(Message(str(bad)))


def press_take(tx: Session, press: Press) -> Answer:
    """`Take this shift`: from now until the running turn ends."""
    name = _known(tx, press, press.value)
    _require(tx, press, name)
    try:
        _take(tx, press, name, tx.get_one(Person, press.actor.person_id), press.now, _end_of_turn(tx, name, press.now))
    except BadShift as bad:
        return Tell(Message(str(bad)))
    return Tell(_all(tx, press), replace=True)


def press_swap(tx: Session, press: Press) -> Answer:
    """`Hand it to somebody` opens its form."""
    name = _known(tx, press, press.value)
    _require(tx, press, name)
    return _form(tx, press, name)


def swapped(tx: Session, press: Press) -> Answer:
    """The submitted form."""
    name = _known(tx, press, press.value)
    _require(tx, press, name)
    person = find_person(tx, str(press.values.get("person") or ""))
    since, until = from_epoch(press.values.get("since")), from_epoch(press.values.get("until"))
    wrong = {field: words for field, value, words in (("person", person, "Choose a full member of this workspace."), ("since", since, "Choose when it begins."), ("until", until, "Choose when it ends.")) if value is None}
    if wrong or person is None or since is None or until is None:
        return Mend(wrong)
    try:
        return Tell(Message(_take(tx, press, name, person, since, until)))
    except BadShift as bad:
        return Mend({"person" if "member" in str(bad) else "until": str(bad)})


def press_undo(tx: Session, press: Press) -> Answer:
    """`Take back`, or `Not me` of somebody who was put on call."""
    number = press.value.removeprefix("shift:")
    shift = tx.get(Shift, int(number)) if number.isdigit() and len(number) < 16 else None
    if shift is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message("This shift is no longer known here. `/aiops oncall` shows who is on call."))
    if press.actor.person_id not in (shift.person_id, shift.by_id) or press.actor.kind != "member":
        _require(tx, press, shift.rotation)
    if not _end(tx, press, shift):
        return Tell(Message("This shift is over already. `/aiops oncall` shows who is on call."))
    told = outbox.receipt(tx, _given_key(shift))
    in_its_dm = told is not None and told.ts == press.message_ts  # that message is edited
    return Quiet() if in_its_dm else Tell(_all(tx, press), replace=True)


def _names_another(rest: tuple[str, ...], press: Press) -> bool:
    """Whether the first word is no part of the time: it was meant as a rotation, and there is none of that name."""
    zone = press.actor.zone or "UTC"
    return len(rest) > 1 and parse_span(" ".join(rest), press.now, zone) is None and parse_span(" ".join(rest[1:]), press.now, zone) is not None


def _undo_newest(tx: Session, press: Press, name: str) -> Answer:
    shifts = shifts_of(tx, name, press.now)
    if not shifts:
        return Tell(Message(f"Nobody has taken or given a shift of {escape(name)}: the turns count."))
    _end(tx, press, shifts[0])
    return Tell(Message(f"Taken back. {messages.standing(_standing(tx, press, name))}"))


def _take(tx: Session, press: Press, name: str, person: Person, since: datetime, until: datetime) -> str:
    """Make the shift, tell whoever is put on call by another, and return the words for the one who made it."""
    shift = take_shift(tx, press.now, name, person, since, until, by_id=press.actor.person_id)
    mine = person.id == press.actor.person_id
    if not mine and person.slack_id:
        told = messages.given(name, escape(press.actor.name), shift.since, shift.until, shift.id)
        outbox.show(tx, press.now, key=_given_key(shift), to=person.slack_id, message=told)
    said = messages.taken(name, named(person), shift.since, shift.until, now=shift.since <= press.now, me=mine)
    away = why_unable(tx, press.now, person)
    undo = f" `/aiops oncall undo {escape(name)}` takes it back."
    return said + undo + (f" But {named(person)} {away}, so the call would go on to the next one." if away else "")


def _end(tx: Session, press: Press, shift: Shift) -> bool:
    if not end_shift(tx, press.now, shift, by_id=press.actor.person_id):
        return False
    person, by = tx.get_one(Person, shift.person_id), escape(press.actor.name)
    me = press.actor.person_id
    if outbox.find(tx, _given_key(shift)) is not None and person.slack_id:
        words = f"{'You' if me == person.id else by} took back the shift of {escape(shift.rotation)}: you are not on call by it any more."
        outbox.show(tx, press.now, key=_given_key(shift), to=person.slack_id, message=messages.given(shift.rotation, by, shift.since, shift.until, shift.id, over=words))
    giver = tx.get(Person, shift.by_id) if shift.by_id else None
    if giver is not None and giver.id not in (me, person.id) and giver.slack_id and giver.active:
        words = f"{by} took back the shift of {escape(shift.rotation)} that you gave to {named(person)}: the turns count again. `/aiops oncall` shows who is on call."
        outbox.show(tx, press.now, key=f"{_given_key(shift)}:back", to=giver.slack_id, message=Message(words))
    elif me != person.id and outbox.find(tx, _given_key(shift)) is None and person.slack_id and person.active:
        words = f"{by} took back your shift of {escape(shift.rotation)}: you are not on call by it any more."
        outbox.show(tx, press.now, key=f"{_given_key(shift)}:back", to=person.slack_id, message=Message(words))
    return True


def _given_key(shift: Shift) -> str:
    return f"shift:{shift.id}"


def _form(tx: Session, press: Press, name: str) -> Answer:
    return Ask(messages.swap_form(name, press.now, _end_of_turn(tx, name, press.now), press.actor.slack_id or ""))


def _end_of_turn(tx: Session, name: str, at: datetime) -> datetime:
    return turn_at(rotations(tx)[name], at).until


def _known(tx: Session, press: Press, name: str) -> str:
    if name not in rotations(tx):
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused("This rotation is no longer in aiops.yml. `/aiops oncall` shows those that are.")
    return name


def _require(tx: Session, press: Press, name: str) -> None:
    require(_roles(tx, press, name), Act.ON_CALL)


def _roles(tx: Session, press: Press, name: str) -> set[Role]:
    roles = roles_of(tx, press.actor, None)
    if Role.MEMBER in roles and any(person.id == press.actor.person_id for person in members(tx, rotations(tx)[name])):
        roles.add(Role.ROTATION)
    return roles


def _all(tx: Session, press: Press) -> Message:
    return messages.standings([_standing(tx, press, name) for name in rotations(tx)])


def _standing(tx: Session, press: Press, name: str, *, ahead: int = 2) -> Standing:
    def unable(person: Person) -> str:
        return why_unable(tx, press.now, person)

    rotation = rotations(tx)[name]
    found = on_call(tx, press.now, name, unable) or OnCall(name, None, press.now, press.now)
    in_turn = find_ref(tx, rotation.people[turn_at(rotation, press.now).index]) if rotation.people else None
    return Standing(
        name=name,
        who=named(found.person) if found.person else "",
        until=found.until,
        shift=found.shift.id if found.shift else None,
        in_turn=named(in_turn) if in_turn and found.person and in_turn.id != found.person.id else "",
        coming=_coming(tx, found.until, name, ahead),
        notes=found.notes if found.shift is None else (),
        may=may(_roles(tx, press, name), Act.ON_CALL),
        mine=found.person is not None and found.person.id == press.actor.person_id,
    )


def _coming(tx: Session, since: datetime, name: str, ahead: int) -> tuple[tuple[str, datetime], ...]:
    """Who has it from then on and after them, as calls would go: a shift by hand cuts a turn short, an absence passes it on."""
    told: list[tuple[str, datetime]] = []
    while len(told) < ahead and (found := on_call(tx, since, name, _unable_at(tx, since))) is not None and found.until > since:
        told.append((named(found.person) if found.person else "nobody", since))
        since = found.until
    return tuple(told)


def _unable_at(tx: Session, at: datetime) -> Callable[[Person], str]:
    return lambda person: why_unable(tx, at, person)


ACTIONS: dict[str, Handler] = {"oncall.take": press_take, "oncall.swap": press_swap, "oncall.undo": press_undo}
VIEWS: dict[str, Handler] = {"oncall.swap": swapped}
WORDS: dict[str, Handler] = {"oncall": words_oncall}
