"""Letters as rows: written with the vote that caused them, one per voter, output and place; the newest state wins."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot import audit
from bot.agents.leaving import feedback_of
from bot.db import wake
from bot.feedback.outward.places.known import targets_of
from bot.marks import mark_of
from bot.tables import Agent, FeedbackLetter, Mark

LOOP = "feedback out"
SALT = "feedback.salt"  # the mark that holds what pseudonyms are made with
CHUNK = 500


def votes_changed(tx: Session, now: datetime, agent: Agent, pairs: Iterable[tuple[int, int]]) -> None:
    """These people's votes on these outputs (output id, person id) are others now: every place hears of it, once each.

    The caller has locked the outputs, so nobody else writes letters about them.
    """
    targets = targets_of(feedback_of(tx, agent))
    wanted = set(pairs)
    if not targets or not wanted:
        return
    ids = sorted({output_id for output_id, _ in wanted})
    had: dict[tuple[int, int, str], FeedbackLetter] = {}
    for start in range(0, len(ids), CHUNK):
        for letter in tx.scalars(select(FeedbackLetter).where(FeedbackLetter.output_id.in_(ids[start : start + CHUNK])).execution_options(populate_existing=True)):
            had[letter.output_id, letter.voter, letter.target] = letter
    salt = salt_of(tx)
    for output_id, voter in sorted(wanted):
        for target in targets:
            if (known := had.get((output_id, voter, target))) is not None:
                again(known, now)
            else:
                tx.add(FeedbackLetter(agent_id=agent.id, output_id=output_id, voter=voter, target=target, key=key_of(salt, agent.id, output_id, voter, target), due_at=now, created_at=now))
    tx.flush()
    wake(tx, LOOP)


def again(letter: FeedbackLetter, now: datetime) -> None:
    """What should stand there may be something else now."""
    letter.rev += 1
    due = max(now, letter.lease_until) if letter.lease_until is not None else now
    letter.state, letter.due_at, letter.tries, letter.since, letter.said = "due", due, 0, None, ""


def retry(tx: Session, now: datetime) -> int:
    """What was set aside is tried again, because whatever stood in its way is mended; returns how many."""
    letters = list(tx.scalars(select(FeedbackLetter).where(FeedbackLetter.state == "aside").with_for_update(skip_locked=True)))
    for letter in letters:
        again(letter, now)
    if letters:
        audit.record(tx, now, "feedback.retry", "feedback", came_from="cli", evidence={"letters": len(letters)})
        wake(tx, LOOP)
    return len(letters)


def people_merged(tx: Session, now: datetime, kept_id: int, gone_id: int) -> None:
    """Two people turned out to be one: what was said in the name of the one that is gone is taken back, and told anew."""
    of_gone = list(tx.scalars(select(FeedbackLetter).where(FeedbackLetter.voter == gone_id)))
    by_agent: dict[int, set[tuple[int, int]]] = {}
    for letter in of_gone:
        again(letter, now)
        by_agent.setdefault(letter.agent_id, set()).add((letter.output_id, kept_id))
    for agent_id in sorted(by_agent):
        votes_changed(tx, now, tx.get_one(Agent, agent_id), by_agent[agent_id])


def outputs_merged(tx: Session, now: datetime, gone_id: int, kept_id: int) -> None:
    """Two rows turned out to be one output: its letters go on under their own ids."""
    letters = list(tx.scalars(select(FeedbackLetter).where(FeedbackLetter.output_id.in_([gone_id, kept_id])).execution_options(populate_existing=True)))
    there = {(letter.voter, letter.target) for letter in letters if letter.output_id == kept_id}
    for letter in letters:
        if (letter.voter, letter.target) not in there:
            letter.output_id = kept_id  # the others stay with the row that is gone: there is no vote on it, so they are taken back
        again(letter, now)
    if letters:
        tx.flush()
        wake(tx, LOOP)


def salt_of(tx: Session) -> str:
    """Random, made once for this database: with it alone can a pseudonym be led back to a person."""
    found = mark_of(tx, SALT)
    if not found:
        with contextlib.suppress(IntegrityError), tx.begin_nested():  # another process may make it in the same moment: the first one counts
            tx.add(Mark(name=SALT, value={"salt": secrets.token_hex(32)}))
        found = mark_of(tx, SALT)
    return str(found["salt"])


def key_of(salt: str, *about: object) -> str:
    """A UUID made of what it is about: the same for every try."""
    made = hmac.new(salt.encode(), "\0".join(str(each) for each in about).encode(), hashlib.sha256).digest()
    return str(uuid.UUID(bytes=made[:16], version=5))


def pseudonym(salt: str, *about: object) -> str:
    """A stable id that says nothing of the person to anybody without the salt."""
    return "voter-" + hmac.new(salt.encode(), "\0".join(str(each) for each in ("voter", *about)).encode(), hashlib.sha256).hexdigest()[:16]
