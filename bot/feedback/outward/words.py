"""What a letter should say now, read from the votes as they stand; blacked out before it leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.agents.leaving import Leaving, feedback_of, leaving_of
from bot.agents.outward import FeedbackSpec, StoreSpec
from bot.agents.reading import spec_of
from bot.feedback.outward.letters import pseudonym, salt_of
from bot.feedback.outward.places.known import targets_of
from bot.feedback.outward.places.place import Word
from bot.redaction import redact_all
from bot.tables import Agent, FeedbackLetter, Output, Person, Run, Vote


@dataclass(frozen=True)
class Addressed:
    """One letter on its way: to which place, with what, under which rules."""

    letter_id: int
    rev: int
    tries: int
    target: str
    store: StoreSpec | None  # None: the agent's own webhook
    url: str | None  # of that webhook
    told: str | None
    word: Word
    leaving: Leaving

    @property
    def digest(self) -> str | None:
        """Of what would stand there; None where nothing would."""
        word = self.word
        if word.good is None:
            return None
        said = [word.name, word.good, word.reason, word.comment, word.correction, word.source, word.trace_id, word.span_id]
        return hashlib.blake2b(orjson.dumps(said), digest_size=16).hexdigest()


def addressed(tx: Session, letters: Sequence[FeedbackLetter]) -> tuple[list[Addressed], list[FeedbackLetter]]:
    """What each says now; and those whose place the registry no longer names."""
    if not letters:
        return [], []
    salt = salt_of(tx)
    agents = {agent.id: agent for agent in tx.scalars(select(Agent).where(Agent.id.in_({letter.agent_id for letter in letters})))}
    specs = {agent_id: feedback_of(tx, agent) for agent_id, agent in agents.items()}
    leaving = {agent_id: leaving_of(tx, agent) for agent_id, agent in agents.items()}
    ids = {letter.output_id for letter in letters}
    outputs = {output.id: output for output in tx.scalars(select(Output).where(Output.id.in_(ids)))}
    votes = current_votes(tx, ids)
    people = {person.id: person for person in tx.scalars(select(Person).where(Person.id.in_({letter.voter for letter in letters})))}
    found, lost = [], []
    for letter in letters:
        agent, spec = agents[letter.agent_id], specs[letter.agent_id]
        targets, output = targets_of(spec), outputs.get(letter.output_id)
        url = spec_of(agent).webhook
        if letter.target not in targets or (targets[letter.target] is None and not url):
            lost.append(letter)
            continue
        vote = votes.get((letter.output_id, letter.voter)) if output is not None else None
        trace, span = trace_of(tx, output) if output is not None else (None, None)
        source = _source(salt, spec, letter, people.get(letter.voter), vote)
        word = Word(
            key=letter.key, rev=letter.rev, name=spec.name, agent=agent.slug, output=output.ext_id if output else "", run=output.run if output else None, kind=output.kind if output else "output",
            trace_id=trace, span_id=span, good=vote.good if vote else None, reason=vote.reason if vote else None,
            comment=vote.comment if vote else None, correction=vote.correction if vote else None, source=source, at=vote.voted_at if vote else letter.created_at,
            stands=letter.told is not None, unsure=letter.maybe, remote_id=letter.remote_id,
        )  # fmt: skip
        found.append(Addressed(letter.id, letter.rev, letter.tries, letter.target, targets[letter.target], url, letter.told, word, leaving[agent.id]))
    return found, lost


def blacked_out(each: Addressed) -> Addressed:
    """The same, without what may not leave. May take a while: it runs the registry's own patterns."""
    word, rules = each.word, each.leaving
    if not rules.texts:
        return replace(each, word=replace(word, comment=None, correction=None))
    comment, correction = redact_all([word.comment or "", word.correction or ""], rules.hide, rules.patterns)
    return replace(each, word=replace(word, comment=comment or None, correction=correction or None))


def current_votes(tx: Session, output_ids: set[int]) -> dict[tuple[int, int], Vote]:
    """Of each output and person the vote that counts: the latest not removed over all surfaces."""
    found: dict[tuple[int, int], Vote] = {}
    wanted = select(Vote).where(Vote.output_id.in_(output_ids), Vote.good.is_not(None))
    for vote in tx.scalars(wanted.order_by(Vote.voted_at, Vote.received_at, Vote.id)):
        found[vote.output_id, vote.person_id] = vote
    return found


def trace_of(tx: Session, output: Output) -> tuple[str | None, str | None]:
    """The trace and the span an output names, else its run's."""
    own = output.extra or {}
    if output.run is None or (own.get("trace_id") and own.get("span_id")):
        return trace_from(output, None)
    return trace_from(output, tx.scalars(select(Run).where(Run.agent_id == output.agent_id, Run.ext_id == output.run)).first())


def trace_from(output: Output, run: Run | None) -> tuple[str | None, str | None]:
    """The same, where its run is known."""
    own: dict[str, Any] = output.extra or {}
    trace, span = own.get("trace_id"), own.get("span_id")
    if run is None or (trace and trace != run.trace_id):
        return trace, span  # another trace than its run's: the run's span is not of it
    return trace or run.trace_id, span or (run.extra or {}).get("span_id")


def _source(salt: str, spec: FeedbackSpec, letter: FeedbackLetter, person: Person | None, vote: Vote | None) -> str:
    if spec.voters == "none":
        return pseudonym(salt, letter.output_id, letter.voter)
    if spec.voters == "willing" and vote is not None and vote.may_ask and person is not None:
        return person.email or person.slack_id or pseudonym(salt, letter.voter)
    return pseudonym(salt, letter.voter)
