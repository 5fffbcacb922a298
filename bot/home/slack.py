"""App Home's own buttons: thumbs, turning pages."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.feedback import flows
from bot.feedback.messages import not_an_output, output_words, rate_view
from bot.feedback.reading import shown, vote_of
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Ask, Handler, Press, Quiet, Tell
from bot.tables import Agent, HomeView, Output

SECTIONS = ("pages", "list", "mine", "fleet", "ratings")


def rate(tx: Session, press: Press) -> Answer:
    """The whole vote as a form, which the feedback room takes in."""
    output = _output(tx, press)
    return _form(tx, press, output) if output is not None else Tell(not_an_output())


def good(tx: Session, press: Press) -> Answer:
    """👍 beside an output: counted at once."""
    output = _output(tx, press)
    if output is None:
        return Tell(not_an_output())
    flows.rate_output(tx, press.now, output, press.actor.person_id, True, surface="button")
    return Quiet()


def bad(tx: Session, press: Press) -> Answer:
    """👎 beside an output: counted at once; the form that opens asks why, and may be closed."""
    output = _output(tx, press)
    if output is None:
        return Tell(not_an_output())
    flows.rate_output(tx, press.now, output, press.actor.person_id, False, surface="button")
    tx.flush()
    return _form(tx, press, output)


def undo(tx: Session, press: Press) -> Answer:
    """`Take back` under what was just rated."""
    output = _output(tx, press)
    if output is not None:
        flows.take_back(tx, press.now, output, press.actor.person_id)
    return Quiet()


def turn(tx: Session, press: Press) -> Answer:
    """`Next` and `Earlier` under a part of Home: `mine:2`. The edge publishes it anew."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    part, _, number = press.value.partition(":")
    if part in SECTIONS and number.isdigit() and len(number) < 5:
        row = tx.scalars(select(HomeView).where(HomeView.person_id == press.actor.person_id).with_for_update()).first()
        if row is None:
            row = HomeView(person_id=press.actor.person_id, opened_at=press.now)
            tx.add(row)
        row.pages = {**(row.pages or {}), part: int(number)}
    return Quiet()


def _output(tx: Session, press: Press) -> Output | None:
    number = press.value.removeprefix("output:")
    output = tx.get(Output, int(number)) if number.isdigit() and len(number) < 16 else None
    if output is not None:
        require(roles_of(tx, press.actor, output.agent_id), Act.RATE)
    return output


def _form(tx: Session, press: Press, output: Output) -> Answer:
    words, vote = output_words(shown(tx.get_one(Agent, output.agent_id), output)), vote_of(tx, output.id, press.actor.person_id)
    if vote is None:
        return Ask(rate_view(output.id, words=words, good=None, reason=None, correction=None, comment=None, may_ask=False))
    return Ask(rate_view(output.id, words=words, good=vote.good, reason=vote.reason, correction=vote.correction, comment=vote.comment, may_ask=vote.may_ask))


ACTIONS: dict[str, Handler] = {"home.rate": rate, "home.good": good, "home.bad": bad, "home.undo": undo, "home.next": turn, "home.earlier": turn}
