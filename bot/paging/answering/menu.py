"""Presses in a page's menu and its forms: who may is asked here, what happens is in acks."""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from bot.blocks import Message
from bot.paging import rules
from bot.paging.answering import acks, resolving
from bot.paging.answering.resolving import Resolved
from bot.paging.flows import Answered, told
from bot.paging.reading import named
from bot.paging.scope import require_on
from bot.paging.viewing import page_view
from bot.paging.words import forms
from bot.people.flows import Actor, Refused, require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Page, Person

STALE = "This page is no longer known here. `/aiops page` lists the open ones."
LOOKED_AGAIN = "Its checks are looked at again now. If they are well, the page closes; if one still fails, it stays open and the thread says so."
SILENCED = "The check is silenced until it is changed in aiops.yml. Its owners are told, and `/aiops status` shows it."
_TEST = "This is a test page: nothing is broken. `Acknowledge` ends it."


def ask_snooze(tx: Session, press: Press) -> Answer:
    """`Snooze` opens its form."""
    page, _ = allowed(tx, press, Act.SNOOZE)
    if page.resolved_at is not None or page.parent_id is not None or (page.acked_by is not None and page.acked_by != press.actor.person_id):
        return Tell(Message(held_words(tx, page, press.actor.person_id)))
    return Ask(forms.snooze_form(page_view(tx, page), press.now, press.actor.zone or "UTC"))


def snoozed(tx: Session, press: Press) -> Answer:
    """The submitted form."""
    page, _ = allowed(tx, press, Act.SNOOZE)
    until = rules.snooze_ends(str(press.values.get("until") or ""), press.now, press.actor.zone or "UTC")
    if until is None:
        return Mend({"until": "Choose how long."})
    done = acks.snooze(tx, press.now, page.id, _me(tx, press), until)
    return Quiet() if done is Answered.DONE else Tell(Message(held_words(tx, page, press.actor.person_id)))


def press_still(tx: Session, press: Press) -> Answer:
    """`Still on it`, on the warning before a hold ends."""
    page, stamp = allowed(tx, press, Act.STAY_ON)
    done = acks.stay_on(tx, press.now, page.id, _me(tx, press), stamp)
    return Quiet() if done is Answered.DONE else Tell(Message(held_words(tx, page, press.actor.person_id)))


def press_escalate(tx: Session, press: Press) -> Answer:
    """`Escalate now`."""
    page, calls = allowed(tx, press, Act.ESCALATE)
    words = acks.escalate(tx, press.now, page.id, _me(tx, press), calls)
    return Tell(Message(words)) if words else Quiet()


def press_resolve(tx: Session, press: Press) -> Answer:
    """`Resolve`: done where the checks are well; asks where one still fails."""
    page, _ = allowed(tx, press, Act.RESOLVE)
    done = resolving.resolve(tx, press.now, page.id, _me(tx, press))
    if done is Resolved.OVER:
        return Tell(Message(held_words(tx, page, press.actor.person_id)))
    if done is Resolved.DONE:
        return Quiet()
    return Ask(forms.resolve_form(page_view(tx, page), [(check.id, check.name, problem.says) for problem, check in resolving.failing_of(tx, page)]))


def resolved(tx: Session, press: Press) -> Answer:
    """The submitted form of `Resolve`."""
    page, _ = allowed(tx, press, Act.RESOLVE)
    kind, _, number = str(press.values.get("how") or "").partition(":")
    if kind == "fixed" and resolving.look_again(tx, press.now, page.id, _me(tx, press)):
        return Tell(Message(LOOKED_AGAIN))
    if kind == "wrong" and number.isdigit() and resolving.set_aside(tx, press.now, page.id, _me(tx, press), int(number)):
        return Tell(Message(SILENCED))
    if kind not in ("fixed", "wrong"):
        return Mend({"how": "Choose one."})
    tx.refresh(page)
    if page.resolved_at is None:
        return Tell(Message("This check does not fail any more, or somebody has silenced it already: there is nothing to do."))
    return Tell(Message(held_words(tx, page, press.actor.person_id)))


def allowed(tx: Session, press: Press, act: Act) -> tuple[Page, int]:
    """The page behind `page:12` or `page:12:3` (with that number), for somebody who may; raises Refused with the words for the others."""
    matched = re.fullmatch(r"page:(\d{1,15})(?::(\d{1,15}))?", press.value)
    page = tx.get(Page, int(matched[1])) if matched else None
    if matched is None or page is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused(STALE)
    require_act(tx, page, press.actor, act)
    return page, int(matched[2] or 0)


def require_act(tx: Session, page: Page, actor: Actor, act: Act) -> None:
    """Raise Refused unless they may do this with the page; on a test page nobody may but acknowledge."""
    require_on(tx, page, actor, act)
    if page.test:
        raise Refused(_TEST)


def held_words(tx: Session, page: Page, person_id: int) -> str:
    """How the page stands, for somebody whose press or words changed nothing."""
    tx.refresh(page)
    if page.resolved_at is None and page.parent_id is not None:
        return told(tx, page, Answered.PART, person_id)
    if page.resolved_at is None and page.acked_by is None:
        return "Nobody has this page now, and people are being called. `Acknowledge` it if you have it."
    if page.resolved_at is None and page.acked_by is not None and page.acked_by != person_id:
        return f"{named(tx.get_one(Person, page.acked_by))} has it. If it must not wait for them, `Escalate now` calls the next person at once."
    return told(tx, page, Answered.OVER if page.resolved_at is not None else Answered.ALREADY, person_id)


def _me(tx: Session, press: Press) -> Person:
    return tx.get_one(Person, press.actor.person_id)


ACTIONS: dict[str, Handler] = {"paging.snooze": ask_snooze, "paging.still": press_still, "paging.escalate": press_escalate, "paging.resolve": press_resolve}
VIEWS: dict[str, Handler] = {"paging.snooze": snoozed, "paging.resolve": resolved}
