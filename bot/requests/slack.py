"""Presses and words about requests: who may is asked here, what happens is in flows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.orm import Session

from bot.agents.reading import find_agents
from bot.blocks import Message, escape
from bot.people.flows import Refused, require, roles_of
from bot.people.rules import Act, Role
from bot.requests import flows, messages
from bot.requests.figures import figures_of
from bot.requests.reading import open_requests, roles_on, view_of
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Request

GONE = "This request is no longer known here. `/aiops requests` lists the open ones."


def press_claim(tx: Session, press: Press) -> Answer:
    """`Claim`: one has it, and the calling stops."""

    def claim(request: Request) -> Answer:
        if flows.claim(tx, press.now, request, press.actor.person_id):
            return Quiet()
        view = view_of(tx, request)
        if request.state != "open":
            return Tell(messages.already(view))
        mine = request.claimed_by == press.actor.person_id
        return Tell(Message(f"{'You have it already' if mine else 'Somebody was quicker'}. {messages.standing(view)}"))

    return _on(tx, press, claim)


def press_give_back(tx: Session, press: Press) -> Answer:
    """`Give back`: whoever claimed it lets go (or somebody entitled takes it off them), and people are called again."""

    def give_back(request: Request) -> Answer:
        if flows.give_back(tx, press.now, request, press.actor.person_id, "given back"):
            return Quiet()
        if request.state != "open":
            return Tell(messages.already(view_of(tx, request)))
        return Tell(Message("Nobody has it now. Press `Claim` to take it."))

    return _on(tx, press, give_back)


def press_approve(tx: Session, press: Press) -> Answer:
    """`Approve`: exactly what is shown, once."""

    def approve(request: Request) -> Answer:
        if flows.settle(tx, press.now, request, "approved", press.actor.person_id):
            return Quiet()
        return Tell(messages.already(view_of(tx, request)))

    return _on(tx, press, approve, approval=True)


def ask_reject(tx: Session, press: Press) -> Answer:
    """`Reject` asks why, and sends that along."""
    return _on(tx, press, lambda request: _form(tx, request, messages.reject_form), approval=True)


def ask_answer(tx: Session, press: Press) -> Answer:
    """`Answer` opens the form."""
    return _on(tx, press, lambda request: _form(tx, request, lambda view: messages.answer_form(view, press.channel or "")))


def reject_given(tx: Session, press: Press) -> Answer:
    """The submitted rejection."""
    return _on(tx, press, lambda request: _settle(tx, press, request, "rejected", _words(press)), approval=True)


def answer_given(tx: Session, press: Press) -> Answer:
    """The submitted answer. Whoever opened the form in the queue answers as somebody of that channel."""
    value, _, channel = press.value.partition(" ")
    press = replace(press, value=value, actor=replace(press.actor, channels=press.actor.channels | {channel}))

    def answer(request: Request) -> Answer:
        words = _words(press)
        if request.kind == "approval":
            decision = str(press.values.get("decision") or "")
            if decision not in ("approve", "reject"):
                return Mend({"decision": "Choose whether it may do this."})
            return _settle(tx, press, request, "approved" if decision == "approve" else "rejected", words)
        if not words:
            return Mend({"words": "Write what the agent should know."})
        return _settle(tx, press, request, "answered", words)

    return _on(tx, press, answer)


def ask_undo(tx: Session, press: Press) -> Answer:
    """`Take back`, on an approval that was given."""
    request, _ = _may_undo(tx, press)
    view = view_of(tx, request)
    return Ask(messages.undo_form(view)) if messages.may_undo(view) else Tell(messages.already(view))


def undo_given(tx: Session, press: Press) -> Answer:
    """The submitted reason."""
    request, _ = _may_undo(tx, press)
    why = _words(press)
    if not why:
        return Mend({"words": "Say in a few words why."})
    if flows.undo(tx, press.now, request, press.actor.person_id, why[:500]):
        view = view_of(tx, request)
        return Tell(Message(messages.standing(view)), heading="Taken back")
    return Tell(messages.already(view_of(tx, request)))


def words_requests(tx: Session, press: Press) -> Answer:
    """`/aiops requests [agent]`: what is open, and how asking went."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    said = " ".join(press.words)
    found = find_agents(tx, said) if said else []
    if said and len(found) != 1:
        names = ", ".join(f"`{agent.slug}`" for agent in found[:10])
        return Tell(Message(f"Which agent? {names}" if found else f"I know no agent called {escape(said[:60])}. `/aiops requests` tells of all."))
    agent = found[0] if said else None
    rows, total = open_requests(tx, [agent.id] if agent else None, messages.LISTED)
    views = [view_of(tx, row) for row in rows]
    return Tell(messages.requests_list(views, total, figures_of(tx, press.now, agent), about=agent.name if agent else ""), share=True)


def _on(tx: Session, press: Press, do: Callable[[Request], Answer], *, approval: bool = False) -> Answer:
    """Do something with the request in question, where this person may."""
    request = _request(tx, press)
    if request is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        return Tell(Message(GONE))
    agent = tx.get_one(Agent, request.agent_id)
    roles = roles_on(tx, request, agent, press.actor)
    if request.kind == "approval":
        _not_own(request, press, roles)
        require(roles, Act.DECIDE_REQUEST)
    else:
        require(roles, Act.TAKE_REQUEST)
        if approval:
            return Tell(Message("This is a hand-off: press `Answer`."))
    return do(request)


def _not_own(request: Request, press: Press, roles: set[Role]) -> None:
    if request.triggered_by == press.actor.person_id and not roles & {Role.GUEST, Role.STRANGER}:
        raise Refused("You triggered this yourself, so somebody else has to decide it.")


def _form(tx: Session, request: Request, make: Callable[[messages.RequestView], dict[str, object]]) -> Answer:
    view = view_of(tx, request)
    return Ask(make(view)) if request.state == "open" else Tell(messages.already(view))


def _settle(tx: Session, press: Press, request: Request, state: str, words: str) -> Answer:
    """A submitted form, told in a small window: what it did, or that somebody was quicker (and what was written is kept)."""
    if flows.settle(tx, press.now, request, state, press.actor.person_id, words):
        return Tell(Message(f"{messages.standing(view_of(tx, request))}\nThe agent hears it now."), heading="Sent")
    return Tell(messages.already(view_of(tx, request), lost=words), heading="Too late")


def _may_undo(tx: Session, press: Press) -> tuple[Request, Agent]:
    request = _request(tx, press)
    if request is None:
        require(roles_of(tx, press.actor, None), Act.SEE)
        raise Refused(GONE)
    agent = tx.get_one(Agent, request.agent_id)
    require(roles_on(tx, request, agent, press.actor), Act.UNDO_APPROVAL)
    return request, agent


def _request(tx: Session, press: Press) -> Request | None:
    matched = re.fullmatch(r"request:(\d{1,15})", press.value)
    return flows.held(tx, int(matched[1])) if matched else None


def _words(press: Press) -> str:
    return str(press.values.get("words") or "").replace("\0", "").strip()[:3000]


ACTIONS: dict[str, Handler] = {
    "requests.claim": press_claim,
    "requests.give_back": press_give_back,
    "requests.approve": press_approve,
    "requests.reject": ask_reject,
    "requests.answer": ask_answer,
    "requests.undo": ask_undo,
}
VIEWS: dict[str, Handler] = {"requests.reject": reject_given, "requests.answer": answer_given, "requests.undo": undo_given}
WORDS: dict[str, Handler] = {"requests": words_requests, "request": words_requests}
