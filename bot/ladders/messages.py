"""What `/aiops oncall` shows, and what people hear when a turn passes on: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.blocks import Block, Message, actions, button, clip, context, escape, input_block, modal, section, when

MOST_SHOWN = 12  # rotations in one answer


@dataclass(frozen=True)
class Standing:
    """One rotation as it stands. Names are escaped."""

    name: str
    who: str  # empty where nobody can be called
    until: datetime
    shift: int | None = None  # the shift by which they have it
    in_turn: str = ""  # whose turn it would be, where it is somebody else
    coming: tuple[tuple[str, datetime], ...] = ()  # who next, and from when
    notes: tuple[str, ...] = ()
    may: bool = False  # the one who asks may change it
    mine: bool = False  # they are on call now


def standings(rows: Sequence[Standing]) -> Message:
    """The answer to `/aiops oncall`."""
    if not rows:
        return Message("No rotation is described. Add one under `rotations:` in aiops.yml, and name it on a ladder with `call: rotation:name`.")
    blocks: list[Block] = []
    told: list[str] = []
    for row in rows[:MOST_SHOWN]:
        words = standing(row)
        told.append(words)
        blocks.append(section(words))
        if row.may:
            blocks.append(actions(*_buttons(row)))
    if len(rows) > MOST_SHOWN:
        told.append(f"And {len(rows) - MOST_SHOWN} more: `/aiops oncall <name>` shows one.")
        blocks.append(context(told[-1]))
    return Message("\n".join(told), blocks)


def standing(row: Standing) -> str:
    """One rotation in words: who has it until when, and who comes next."""
    name = escape(row.name)
    if not row.who:
        told = f"*{name}*: nobody can be called until {when(row.until)}. Pages go on to the next step of the ladder."
    else:
        stands_in = f", in place of {row.in_turn}," if row.in_turn and row.in_turn != row.who else ""
        told = f"*{name}*: *{row.who}* is on call{stands_in} until {when(row.until)}."
    if row.coming:
        told += " Then " + ", ".join(f"{who} from {when(since)}" for who, since in row.coming) + "."
    return "\n".join([told, *(clip(note, 300) for note in row.notes[:4])])


def _buttons(row: Standing) -> list[dict[str, Any]]:
    pressed = []
    if not row.mine:
        pressed.append(button("Take this shift", "oncall.take", row.name, label=clip(f"Be on call for {row.name} until the turn ends", 75)))
    pressed.append(button("Hand it to somebody", "oncall.swap", row.name, label=clip(f"Put somebody else on call for {row.name}", 75)))
    if row.shift is not None:
        pressed.append(button("Take back", "oncall.undo", f"shift:{row.shift}", label=clip(f"Let the turns of {row.name} count again", 75)))
    return pressed


def swap_form(name: str, since: datetime, until: datetime, me: str) -> dict[str, Any]:
    """Who has the rotation, from when to when."""
    person: dict[str, Any] = {"type": "users_select", "action_id": "person"}
    if me:
        person["initial_user"] = me
    begins = {"type": "datetimepicker", "action_id": "since", "initial_date_time": int(since.timestamp())}
    ends = {"type": "datetimepicker", "action_id": "until", "initial_date_time": int(until.timestamp())}
    blocks = [
        section(f"Somebody else is on call for *{escape(name)}* for a while. Afterwards the turns count again."),
        input_block("person", "Who?", person),
        input_block("since", "From", begins, hint="In your own time zone."),
        input_block("until", "Until", ends),
    ]
    return modal("Hand over a shift", blocks, callback_id="oncall.swap", submit="Hand over", metadata=name)


def taken(name: str, who: str, since: datetime, until: datetime, *, now: bool, me: bool) -> str:
    """What to say to the one who made the shift."""
    subject = "You are" if me else f"{who} is"
    return f"{subject} on call for {escape(name)} {'from now' if now else 'from ' + when(since)} until {when(until)}. Then the turns count again."


def given(name: str, by: str, since: datetime, until: datetime, shift: int, *, over: str = "") -> Message:
    """To somebody whom another put on call, with the way back; `over` says in words how it ended."""
    if over:
        return Message(over, [context(over)])
    text = f"{by} put you on call for {escape(name)} from {when(since)} until {when(until)}. Pages call you then. If that cannot be, press `Not me`."
    return Message(text, [section(text), actions(button("Not me", "oncall.undo", f"shift:{shift}", label=clip(f"Decline the shift of {name}", 75)))])


def your_turn(name: str, until: datetime, before: str, *, in_place: str = "") -> Message:
    """Quietly, to whoever has it from now on."""
    text = f"You are on call for {escape(name)} until {when(until)}."
    if in_place:
        text += f" You stand in for {in_place}."
    if before:
        text += f" Before you it was {before}."
    text += " `/aiops oncall` shows who comes next; `/aiops page test` tries whether calls reach you."
    return Message(text, [section(text)])


def turn_over(name: str, after: str) -> Message:
    """Quietly, to whoever had it until now."""
    text = f"You are no longer on call for {escape(name)}: {after} is. Thank you."
    return Message(text, [section(text)])


def nobody(name: str, until: datetime, notes: Sequence[str]) -> Message:
    """To the leads: a rotation reaches nobody."""
    text = f"Nobody of the rotation {escape(name)} can be called until {when(until)}, so its pages go on to the next step of their ladder."
    told = [text, *notes[:5], "`/aiops oncall` puts somebody on call; `aiops.yml` names the people."]
    return Message("\n".join(told), [section("\n".join(told))])


def cannot_be_reached(lines: Sequence[str]) -> Message:
    """The weekly line to the leads; the lines are plain words."""
    title = "Who cannot be reached if something breaks"
    told = [f"• {escape(clip(line, 600))}" for line in lines[:15]]
    if len(lines) > 15:
        told.append(f"And {len(lines) - 15} more reasons: `aiops doctor` tells all.")
    note = "I say this once a week, and only when there is something to say. Anybody can try with `/aiops page test` whether calls reach them."
    blocks: list[Block] = [section(f"*{title}*")]
    blocks += [section("\n".join(told[first : first + 4])) for first in range(0, len(told), 4)]
    return Message("\n".join([f"{title}:", *told, note]), [*blocks, context(note)])
