"""Finding the people behind a rung: who can be called now, who is passed over, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import ROLE_WORDS, ROLES, lead_people, who_is_called
from bot.blocks import channel_link, escape, when
from bot.ladders.rotations import named, on_call
from bot.ladders.rules import Step
from bot.people.flows import is_away, owners_of
from bot.tables import Agent, Call, Climb, Person

ROTATION = "rotation:"


@dataclass(frozen=True)
class Reach:
    """Whom the next call reaches: people or a channel, up to which rung, and who was passed over and why."""

    last: int
    words: str  # "operations owner", "leads", "#ai-leads"
    people: tuple[Person, ...] = ()
    channel: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def anybody(self) -> bool:
        return bool(self.people or self.channel)

    def names(self) -> str:
        """Whom it reaches, pinging nobody."""
        told = [escape(person.name or person.email or "someone") for person in self.people]
        return ", ".join(told) or (channel_link(self.channel) if self.channel else "nobody")


def reach_of(tx: Session, now: datetime, agent: Agent, steps: Sequence[Step], rung: int, climb: Climb | None = None) -> Reach:
    """The first rung from `rung` on that reaches somebody; empty roles and absent people are passed over with a note.

    Where nobody at all is reached in a round it falls to the owners, then the leads, then the agent's channel, and at
    last to owners who are away: an absence never leaves a problem with nobody.
    """
    notes: list[str] = []
    for index in range(rung, len(steps)):
        call = steps[index].call
        people, channel, said = _behind(tx, now, agent, call)
        notes += said
        if people or channel:
            return Reach(index, rung_words(call), people, channel, tuple(notes))
    last = len(steps) - 1
    if climb is not None and _called_in(tx, climb.id, climb.round):
        return Reach(last, rung_words(steps[last].call), notes=tuple(notes))
    return _fall(tx, now, agent, last, notes)


def rung_words(call: str) -> str:
    """A rung as people read it."""
    if call.startswith("person:"):
        return "the person asked"
    if call.startswith(ROTATION):
        return f"on call, {escape(call.removeprefix(ROTATION))}"
    words = ROLE_WORDS.get(call.removesuffix("_owner"), call)
    return escape(words)


def why_unable(tx: Session, now: datetime, person: Person) -> str:
    """Why this person cannot be called now, as the rest of a sentence; nothing where they can."""
    if not person.active:
        return "left the workspace"
    if person.kind != "member":
        return "is a guest and cannot answer a page"
    if not person.slack_id and not any(person.addresses.get(route) for route in person.wake):
        return "has neither a Slack account nor another route"
    absence = is_away(tx, person.id, now)
    return f"is away until {when(absence.until)}" if absence is not None else ""


def _behind(tx: Session, now: datetime, agent: Agent, call: str) -> tuple[tuple[Person, ...], str | None, list[str]]:
    """The people and channel behind one rung who can be called now, and why the others cannot."""
    if call.startswith("person:"):
        person = tx.get(Person, int(call.removeprefix("person:")))
        return (person,) if person is not None else (), None, []
    if call.startswith(ROTATION):
        return _on_call(tx, now, call.removeprefix(ROTATION))
    reached = who_is_called(tx, agent, call)
    if reached.channel:
        return (), reached.channel, []
    if not reached.people:
        return (), None, [_why_nobody(tx, agent, call)]
    present, notes = _present(tx, now, reached.people)
    return present, None, notes


def _on_call(tx: Session, now: datetime, name: str) -> tuple[tuple[Person, ...], str | None, list[str]]:
    """Whoever has the turn at this moment; who cannot be called passes it to the next in the order, with a note."""
    found = on_call(tx, now, name, lambda person: why_unable(tx, now, person))
    if found is None:
        return (), None, [f"There is no rotation {escape(name)} any more: passed over."]
    notes = list(found.notes)
    if found.person is None:
        return (), None, [*notes, f"Nobody of {escape(name)} can be called: passed over."]
    return (found.person,), None, notes


def _present(tx: Session, now: datetime, people: Iterable[Person]) -> tuple[tuple[Person, ...], list[str]]:
    able, notes = [], []
    for person in people:
        why = why_unable(tx, now, person)
        if why:
            notes.append(f"{named(person)} {why}: passed over.")
        else:
            able.append(person)
    return tuple(able), notes


def _why_nobody(tx: Session, agent: Agent, call: str) -> str:
    words = rung_words(call)
    role = call.removesuffix("_owner")
    if role in ROLES:
        row = owners_of(tx, agent.id).get(role)
        person = tx.get(Person, row.person_id) if row else None
        if person is not None:
            return f"{escape(person.name or 'The ' + words)} ({words}) left the workspace: passed over."
        return f"No {words} is named: passed over."
    return f"Nobody is reached by {words}: passed over."


def _fall(tx: Session, now: datetime, agent: Agent, last: int, notes: list[str]) -> Reach:
    rows = owners_of(tx, agent.id)
    found = [tx.get(Person, rows[role].person_id) for role in ("operations", "backup", "business", "sponsor") if role in rows]
    owners = list({person.id: person for person in found if person is not None and person.active}.values())
    notes = [*notes, "The ladder reached nobody, so it falls to whoever is left."]
    present, _ = _present(tx, now, owners)
    if present:
        return Reach(last, "owners", present, None, tuple(notes))
    leads, _ = _present(tx, now, lead_people(tx))
    if leads:
        return Reach(last, "leads", leads, None, tuple(notes))
    if agent.channel_id:
        return Reach(last, "the channel", (), agent.channel_id, tuple(notes))
    reachable = tuple(person for person in owners if person.kind == "member" and person.slack_id)
    return Reach(last, "owners, though they are away", reachable, None, tuple(notes))


def _called_in(tx: Session, climb_id: int, round: int) -> bool:
    return tx.scalars(select(Call.id).where(Call.climb_id == climb_id, Call.round == round).limit(1)).first() is not None
