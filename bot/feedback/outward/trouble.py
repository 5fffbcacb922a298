"""Which places cannot be told of votes, since when and why: what `aiops doctor` says about feedback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.agents.leaving import feedback_of
from bot.agents.reading import live_agents, spec_of
from bot.feedback.outward.places.known import NAMES, targets_of, variables_of
from bot.tables import Agent, FeedbackLetter

WHY = {
    "no_trace": "their outputs name no trace that it knows: send `trace_id` (and `span_id`) with the output or its run",
    "http_404": "it does not have their traces yet",
    "http_401": "it refuses our key",
    "http_403": "our key may not do this there",
    "ConnectError": "nobody answers at that address",
    "ConnectTimeout": "nobody answers at that address",
    "ReadTimeout": "it does not answer in time",
}


@dataclass(frozen=True)
class Trouble:
    """One place and what is wrong with it. `broken` needs somebody; the rest only waits."""

    place: str  # "Langfuse at https://..."
    agents: tuple[str, ...]
    waiting: int = 0
    since: datetime | None = None
    aside: int = 0
    why: str = ""
    unset: tuple[str, ...] = ()  # environment variables


def troubles(tx: Session, secret: Callable[[str], str | None], *, signing: bool) -> list[Trouble]:
    """Each place named by the registry or by letters that could not be told, the worst first."""
    named: dict[str, list[Agent]] = {}
    unset: dict[str, tuple[str, ...]] = {}
    for agent in live_agents(tx):
        for target, store in targets_of(feedback_of(tx, agent)).items():
            named.setdefault(target, []).append(agent)
            if store is not None:
                unset[target] = tuple(name for name in variables_of(store) if secret(name) is None)
            elif not signing:
                unset[target] = ("AIOPS_SECRET",)
            elif spec_of(agent).webhook is None and spec_of(agent).feedback is not None:  # of the workspace's word it is no mistake
                unset[target] = (*unset.get(target, ()), f"`webhook:` of {agent.name}")
    late = select(FeedbackLetter.target, func.count(), func.min(FeedbackLetter.since)).where(FeedbackLetter.state == "due", FeedbackLetter.since.is_not(None))
    waiting = {target: (count, since) for target, count, since in tx.execute(late.group_by(FeedbackLetter.target))}
    given_up = select(FeedbackLetter.target, func.count()).where(FeedbackLetter.state == "aside").group_by(FeedbackLetter.target)
    aside: dict[str, int] = {target: count for target, count in tx.execute(given_up)}  # noqa: C416 - rows, which dict() is not typed for
    found = []
    for target in sorted({*waiting, *aside, *(target for target, names in unset.items() if names)}):
        count, since = waiting.get(target, (0, None))
        agents = tuple(agent.name for agent in named.get(target, []))
        found.append(Trouble(place_words(target), agents, count, since, aside.get(target, 0), _why(tx, target), unset.get(target, ())))
    return found


def counts(tx: Session) -> dict[str, dict[str, int]]:
    """By place: how many votes it was told of, how many wait, and how many were set aside."""
    found: dict[str, dict[str, int]] = {}
    for target, state, count in tx.execute(select(FeedbackLetter.target, FeedbackLetter.state, func.count()).group_by(FeedbackLetter.target, FeedbackLetter.state).order_by(FeedbackLetter.target)):
        found.setdefault(target, {"told": 0, "due": 0, "aside": 0})[state] = count
    return found


def place_words(target: str) -> str:
    """A place as people read it."""
    kind, _, url = target.partition(" ")
    return f"{NAMES.get(kind, kind)} at {url}" if url else "The agent's own webhook"


def _why(tx: Session, target: str) -> str:
    newest = select(FeedbackLetter.said).where(FeedbackLetter.target == target, FeedbackLetter.said != "", FeedbackLetter.state.in_(("due", "aside")))
    said = tx.scalars(newest.order_by(FeedbackLetter.state, FeedbackLetter.id.desc()).limit(1)).first() or ""
    return WHY.get(said, said)
