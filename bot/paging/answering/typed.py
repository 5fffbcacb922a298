"""A page answered in words, after `/aiops page` and in a terminal: what the buttons do, by the page's number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.blocks import clip, escape
from bot.paging.answering import acks, resolving
from bot.paging.answering.menu import LOOKED_AGAIN, SILENCED, held_words, require_act
from bot.paging.answering.resolving import Resolved
from bot.paging.flows import Answered, told
from bot.paging.reading import calls_of
from bot.paging.rules import ONE_PRESS, snooze_in_words
from bot.paging.viewing import page_view
from bot.people.flows import Actor, actor_of, find_person
from bot.people.rules import Act
from bot.routes.words import plain_words, times_in
from bot.tables import Page, Person

ACTS = {"snooze": Act.SNOOZE, "resolve": Act.RESOLVE, "escalate": Act.ESCALATE}


class Unclear(ValueError):
    """The words cannot be carried out; the text says how to write them."""


class StillFails(Exception):
    """A check of the page still fails, and nobody said yet what is true; `failing` are its (id, name, what it says)."""

    def __init__(self, failing: list[tuple[int, str, str]]) -> None:
        super().__init__("a check still fails")
        self.failing = failing


def say(tx: Session, now: datetime, page: Page, actor: Actor, verb: str, rest: str, *, came_from: str) -> str:
    """Carry one of ACTS out for somebody who was found to be allowed; returns what to tell them. Raises Unclear and StillFails."""
    me = tx.get_one(Person, actor.person_id)
    if verb == "snooze":
        return _snooze(tx, now, page, me, rest, came_from)
    return _escalate(tx, now, page, me, came_from) if verb == "escalate" else _resolve(tx, now, page, me, rest, came_from)


def _snooze(tx: Session, now: datetime, page: Page, me: Person, rest: str, came_from: str) -> str:
    until = snooze_in_words(rest, now, me.zone or "UTC")
    if until is None:
        raise Unclear("Say for how long, from 15m to 8h, or until when within a day: `snooze 12 2h`, `snooze 12 until 09:00` (in your own time).".replace("12", str(page.id)))
    done = acks.snooze(tx, now, page.id, me, until, came_from=came_from)
    return told(tx, page, done, me.id) if done is Answered.DONE else held_words(tx, page, me.id)


def _escalate(tx: Session, now: datetime, page: Page, me: Person, came_from: str) -> str:
    """A call made a moment ago is not counted as seen: of two people who write at once, one calls the next rung."""
    seen = [call for call in calls_of(tx, page.id) if now - call.called_at >= ONE_PRESS]
    refused = acks.escalate(tx, now, page.id, me, len(seen), came_from=came_from)
    following = page_view(tx, page).next  # the rung that is due now
    return refused or f"The next on the ladder is called now{f': {following.names}' if following is not None else ''}."


def _resolve(tx: Session, now: datetime, page: Page, me: Person, rest: str, came_from: str) -> str:
    how, _, name = rest.partition(" ")
    failing = [(check.id, check.name, problem.says) for problem, check in resolving.failing_of(tx, page)]
    if how == "fixed" and failing:
        return LOOKED_AGAIN if resolving.look_again(tx, now, page.id, me, came_from=came_from) else held_words(tx, page, me.id)
    if how == "wrong" and failing:
        name = name.strip("` ")
        meant = [each for each in failing if each[1] == name] or (failing if len(failing) == 1 and not name else [])
        if not meant:
            raise Unclear("Say which check is wrong. There fail: " + ", ".join(f"`{escape(clip(each, 100))}`" for _, each, _ in failing[:10]) + ".")
        return SILENCED if resolving.set_aside(tx, now, page.id, me, meant[0][0], came_from=came_from) else held_words(tx, page, me.id)
    if how not in ("", "fixed", "wrong"):
        raise Unclear(f"After the number I understand `fixed` (its checks are looked at again) and `wrong <check>` (the check is silenced until it is changed). `resolve {page.id}` alone asks.")
    done = resolving.resolve(tx, now, page.id, me, came_from=came_from)
    if done is Resolved.FAILING:
        raise StillFails(failing)
    return held_words(tx, page, me.id) if done is Resolved.OVER else "The page is closed, and everybody who was called is told."


def answer_in_terminal(tx: Session, now: datetime, page_id: int, ref: str, verb: str, rest: str) -> dict[str, Any]:
    """The line that a terminal shows; raises Refused, LookupError and Unclear with the words for the others."""
    person, page = find_person(tx, ref), tx.get(Page, page_id)
    if person is None:
        raise LookupError(f"Nobody is known as {ref!r}: give a Slack id or an e-mail address.")
    if page is None:
        raise LookupError(f"There is no page {page_id}. `aiops page list` shows the open ones.")
    actor = actor_of(person)
    require_act(tx, page, actor, ACTS[verb])
    try:
        return {"text": in_terminal(say(tx, now, page, actor, verb, rest, came_from="cli"), person)}
    except StillFails as asks:
        fails = "\n".join(f"  {name}: {clip(says, 300)}" for _, name, says in asks.failing)
        ways = f"  --fixed           look at it again now; the page closes once it is well\n  --wrong {asks.failing[0][1]}{' ' * max(1, 10 - len(asks.failing[0][1]))}silence this check until it is changed in aiops.yml; the owners are told"
        return {"error": f"Page {page.id} is not closed: it still failed when it was last looked at.\n{fails}\nSay what is true, or leave it:\n{ways}", "exit": 1}


def in_terminal(words: str, person: Person) -> str:
    """As Slack would show it to them: names plain, times by their own clock."""
    return plain_words(times_in(words, person.zone))
