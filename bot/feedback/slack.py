"""Slack's edge of feedback: thumbs, their notes and forms, reviews, reactions, and messages of agents' own apps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.reading import spec_of
from bot.feedback import flows, messages, reading
from bot.feedback.posting import agent_of_app, app_of, plain_words, take_message
from bot.feedback.reviews import show_reviews, skip_review, undo_review
from bot.feedback.rules import REASONS, thumb_of
from bot.people.flows import Refused, actor_of, find_person, require, roles_of
from bot.people.rules import Act, may
from bot.surface.press import Answer, Ask, Handler, Mend, Press, Quiet, Tell
from bot.tables import Agent, Output, Person, Review, Vote


def thumb(tx: Session, press: Press) -> Answer:
    """A thumb under an output."""
    output, good = _output(tx, press), press.value.endswith(":good")
    return _judged(tx, press, output, good, "button")


def reason(tx: Session, press: Press) -> Answer:
    """A one-press reason on the note that answers a thumbs-down."""
    output, name = _output(tx, press), press.value.rsplit(":", 1)[-1]
    if reading.vote_of(tx, output.id, press.actor.person_id) is None:
        return Tell(messages.nothing_to_take_back(), replace=True)
    tally = flows.rate_output(tx, press.now, output, press.actor.person_id, False, surface="button", reason=name if name in REASONS else None)
    return Tell(messages.asked_why(output.id, tally, name), replace=True)


def ask_more(tx: Session, press: Press) -> Answer:
    """`Tell more` opens its form."""
    output = _output(tx, press)
    vote = reading.vote_of(tx, output.id, press.actor.person_id)
    if vote is None:
        return Tell(messages.nothing_to_take_back(), replace=True)
    return Ask(messages.tell_view(output.id, words=_words(tx, output), **_told(vote)))


def read(tx: Session, press: Press) -> Answer:
    """`Read it all`: the output in a window, under the same rules as where it was cut."""
    output = _output(tx, press)
    return Ask(messages.read_view(reading.shown(tx.get_one(Agent, output.agent_id), output)))


def told_more(tx: Session, press: Press) -> Answer:
    """The form behind `Tell more`."""
    output = _output(tx, press)
    kept = flows.tell_more(tx, press.now, output, press.actor.person_id, **_form(press))
    return Quiet() if kept else Tell(messages.nothing_to_take_back())


def take_back(tx: Session, press: Press) -> Answer:
    """`Take back` takes back whatever this person said of the output, over any surface."""
    output = _output(tx, press)
    gone = flows.take_back(tx, press.now, output, press.actor.person_id)
    return Tell(messages.taken_back() if gone else messages.nothing_to_take_back(), replace=True)


def rate_message(tx: Session, press: Press) -> Answer:
    """The shortcut "Rate this output" on any message."""
    require(roles_of(tx, press.actor, None), Act.RATE)
    output = reading.output_at(tx, press.channel, press.message_ts)
    if output is None:
        agent = agent_of_app(tx, app_of(dict(press.message)))
        if agent is not None and press.channel and press.message_ts:
            output = take_message(tx, press.now, agent, channel=press.channel, ts=press.message_ts, text=plain_words(dict(press.message)))
    if output is None:
        return Tell(messages.not_an_output())
    require(roles_of(tx, press.actor, output.agent_id), Act.RATE)
    vote = reading.vote_of(tx, output.id, press.actor.person_id)
    return Ask(messages.rate_view(output.id, words=_words(tx, output), good=vote.good if vote else None, **_told(vote)))


def rated_message(tx: Session, press: Press) -> Answer:
    """The form behind the shortcut."""
    output, chosen = _output(tx, press), press.values.get("thumb")
    if chosen not in ("good", "bad"):
        return Mend({"thumb": "Choose one of the two."})
    flows.rate_output(tx, press.now, output, press.actor.person_id, chosen == "good", surface="shortcut")
    form = _form(press)
    flows.tell_more(tx, press.now, output, press.actor.person_id, **{**form, "reason": form["reason"] if chosen == "bad" else None})
    return Quiet()


def open_reviews(tx: Session, press: Press) -> Answer:
    """`Judge 5 outputs` on a list: shows the day's outputs in the reviewer's own DM, one after the other."""
    require(roles_of(tx, press.actor, None), Act.RATE)
    day = press.value.removeprefix("reviews:")
    if not reading.reviews_for(tx, press.actor.person_id, day):
        return Tell(messages.review_message([]))
    stood = reading.reviews_stand(tx, press.actor.person_id, day)
    show_reviews(tx, press.now, press.actor.person_id, day, only_if_open=False)
    if stood:
        return Tell(messages.reviews_stand())
    return Quiet() if (press.channel or "").startswith("D") else Tell(messages.reviews_in_dm())


def judge(tx: Session, press: Press) -> Answer:
    """A thumb in the review message: counts, and the next output takes its place; a thumbs-down can be explained there."""
    review = _review(tx, press)
    output = tx.get_one(Output, review.output_id)
    flows.rate_output(tx, press.now, output, press.actor.person_id, press.value.endswith(":good"), surface="button")
    show_reviews(tx, press.now, review.person_id, review.local_day, only_if_open=False)
    return Quiet()


def review_reason(tx: Session, press: Press) -> Answer:
    """A one-press reason for the thumbs-down before, in the review message."""
    review, name = _review(tx, press), press.value.rsplit(":", 1)[-1]
    output = tx.get_one(Output, review.output_id)
    vote = reading.vote_of(tx, output.id, press.actor.person_id)
    if vote is None or vote.good is not False:
        return Tell(messages.nothing_to_take_back())
    flows.rate_output(tx, press.now, output, press.actor.person_id, False, surface=vote.surface, reason=name if name in REASONS else None)
    show_reviews(tx, press.now, review.person_id, review.local_day, only_if_open=False)
    return Quiet()


def undo(tx: Session, press: Press) -> Answer:
    """`Undo the last one`: the judgement or the skipping is taken back, and the output is asked again."""
    review = _review(tx, press)
    if not undo_review(tx, press.now, review):
        if not flows.take_back(tx, press.now, tx.get_one(Output, review.output_id), press.actor.person_id):
            return Tell(messages.nothing_to_take_back())
        show_reviews(tx, press.now, review.person_id, review.local_day, only_if_open=False)
    return Quiet()


def skip(tx: Session, press: Press) -> Answer:
    """`Skip` in the review message."""
    skip_review(tx, press.now, _review(tx, press))
    return Quiet()


def reacted(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """An emoji on an output is a thumb where the registry names it; never on a person's message."""
    _react(tx, event, now, added=True)


def unreacted(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """The emoji is taken away: what the person said elsewhere counts again."""
    _react(tx, event, now, added=False)


def heard(tx: Session, event: dict[str, Any], now: datetime) -> None:
    """A message of an agent's own Slack app is an output; everything else is dropped unread."""
    if event.get("subtype") not in (None, "bot_message"):
        return
    agent = agent_of_app(tx, app_of(event))
    if agent is not None and event.get("channel") and event.get("ts"):
        take_message(tx, now, agent, channel=str(event["channel"]), ts=str(event["ts"]), text=plain_words(event))


ACTIONS: dict[str, Handler] = {
    "feedback.thumb": thumb,
    "feedback.tell": ask_more,
    "feedback.read": read,
    "feedback.take_back": take_back,
    "feedback.reviews": open_reviews,
    "feedback.judge": judge,
    "feedback.skip": skip,
    "feedback.undo": undo,
    **{f"feedback.review_reason.{name}": review_reason for name in REASONS},
    **{f"feedback.reason.{name}": reason for name in REASONS},
}
VIEWS: dict[str, Handler] = {"feedback.tell": told_more, "feedback.rate": rated_message}
SHORTCUTS: dict[str, Handler] = {"feedback.rate": rate_message}
EVENTS = {"message": heard, "reaction_added": reacted, "reaction_removed": unreacted}


def _judged(tx: Session, press: Press, output: Output, good: bool, surface: str) -> Answer:
    tally = flows.rate_output(tx, press.now, output, press.actor.person_id, good, surface=surface)
    if good:
        return Tell(messages.thanked(output.id, tally))
    vote = reading.vote_of(tx, output.id, press.actor.person_id)
    return Tell(messages.asked_why(output.id, tally, vote.reason if vote else None))


def _output(tx: Session, press: Press) -> Output:
    """The output a press is about, once it is sure that this person may judge it."""
    part = press.value.split(":")
    output = tx.get(Output, int(part[1])) if len(part) > 1 and part[0] == "output" and part[1].isdigit() else None
    require(roles_of(tx, press.actor, output.agent_id if output else None), Act.RATE)
    if output is None:
        raise Refused(messages.output_gone().text)
    return output


def _review(tx: Session, press: Press) -> Review:
    part = press.value.split(":")
    review = tx.get(Review, int(part[1])) if len(part) > 1 and part[1].isdigit() else None
    require(roles_of(tx, press.actor, review.agent_id if review else None), Act.RATE)
    if review is None or review.person_id != press.actor.person_id:
        raise Refused("This review was asked of somebody else.")
    return review


def _words(tx: Session, output: Output) -> str:
    return messages.output_words(reading.shown(tx.get_one(Agent, output.agent_id), output), 2500)


def _told(vote: Vote | None) -> dict[str, Any]:
    if vote is None:
        return {"reason": None, "correction": None, "comment": None, "may_ask": False}
    return {"reason": vote.reason, "correction": vote.correction, "comment": vote.comment, "may_ask": vote.may_ask}


def _form(press: Press) -> dict[str, Any]:
    def text(block: str) -> str | None:
        return str(press.values.get(block) or "").replace("\0", "").strip()[:3000] or None

    chosen = text("reason")
    return {
        "reason": chosen if chosen in REASONS else None,
        "correction": text("correction"),
        "comment": text("comment"),
        "may_ask": "yes" in (press.values.get("may_ask") or []),
    }


def _react(tx: Session, event: dict[str, Any], now: datetime, *, added: bool) -> None:
    item = event.get("item") or {}
    person = find_person(tx, str(event.get("user") or ""))
    # Somebody the directory has not told us of could be a guest: their emoji counts for nothing.
    if person is None or person.seen_at is None or item.get("type") != "message":
        return
    output = reading.output_at(tx, item.get("channel"), item.get("ts"))
    if output is None or not _is_of_a_machine(tx, output, event.get("item_user")):
        return
    agent = tx.get_one(Agent, output.agent_id)
    good = thumb_of(str(event.get("reaction") or ""), spec_of(agent).reactions)
    if good is None or not may(roles_of(tx, replace(actor_of(person), channels=frozenset()), agent.id), Act.RATE):
        return
    at = _event_time(event, now)
    if added:
        flows.rate_output(tx, now, output, person.id, good, surface="reaction", at=at)
        return
    mine = select(Vote).where(Vote.output_id == output.id, Vote.person_id == person.id, Vote.surface == "reaction")
    vote = tx.scalars(mine).first()
    if vote is not None and vote.good is good:
        flows.rate_output(tx, now, output, person.id, None, surface="reaction", at=max(at, vote.voted_at))


def _is_of_a_machine(tx: Session, output: Output, author: object) -> bool:
    """Whether the message is ours or a bot's; a person's message gets no votes, also where an agent linked it."""
    if output.ours or output.slack_ts is None or output.ext_id.startswith("slack:"):
        return True
    writer = tx.scalars(select(Person).where(Person.slack_id == str(author or ""))).first()
    return writer is not None and writer.kind == "bot"


def _event_time(event: dict[str, Any], now: datetime) -> datetime:
    try:
        return min(now, datetime.fromtimestamp(float(event["event_ts"]), UTC))
    except (KeyError, ValueError, TypeError, OverflowError):
        return now
