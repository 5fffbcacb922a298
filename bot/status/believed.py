"""Why a score can be believed: who was asked and who volunteered, whether judges agree, and which part is how good."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.calendars import day_before, local_day
from bot.feedback.reading import Voters, voters
from bot.quality.reading import score_from
from bot.quality.rules import LONGER, NOTHING, Score, percent
from bot.quality.segments import NAMES, Piece, segments
from bot.quality.sprints import step_words
from bot.quality.words import FEW, plural
from bot.tables import Agent, AgentNow, Review

PAIRS = 10  # outputs judged by two reviewers, from which their agreement is told
SHOWN = 5  # values of one segment


@dataclass(frozen=True)
class Believed:
    """What stands behind the scores of one agent, over the last 28 days."""

    longer: dict[str, Score] = field(default_factory=dict)  # source -> score of 28 days
    asked: dict[str, Any] | None = None  # the estimate from outputs drawn at random
    volunteers: Score = NOTHING
    reviews: dict[str, int] = field(default_factory=dict)  # asked, done, skipped
    shown: dict[str, int] = field(default_factory=dict)  # outputs that stood in Slack, and how many of them were judged
    voters: Voters = field(default_factory=lambda: Voters(0, 0))
    agreement: dict[str, Any] | None = None
    reviewers: dict[str, Any] | None = None
    segments: dict[str, dict[str, list[Piece]]] = field(default_factory=dict)
    sprint: dict[str, Any] = field(default_factory=dict)


def believed(tx: Session, now: datetime, agent: Agent, row: AgentNow | None) -> Believed:
    """A fixed number of looks, over this agent's own rows."""
    facts = (row.facts or {}) if row is not None else {}
    today = local_day(now, agent.zone)
    first = day_before(today, LONGER - 1)
    states = select(Review.state, func.count()).where(Review.agent_id == agent.id, Review.local_day >= first).group_by(Review.state)
    reviews = {state: int(n) for state, n in tx.execute(states)}
    scores = facts.get("scores") or {}
    return Believed(
        longer={source: score_from(spans.get("longer")) for source, spans in scores.items()},
        asked=facts.get("asked"),
        volunteers=score_from((scores.get("people.volunteers") or {}).get("longer")),
        reviews={"asked": sum(reviews.values()), "done": reviews.get("done", 0), "skipped": reviews.get("skipped", 0)},
        shown=facts.get("shown") or {},
        voters=voters(tx, agent.id, first, today),
        agreement=facts.get("agreement"),
        reviewers=facts.get("reviewers"),
        segments=segments(tx, agent.id, first, today),
        sprint=facts.get("sprint") or {},
    )


def people_lines(found: Believed) -> list[str]:
    """Those asked beside those who came by themselves, how many answered, and whose votes they are."""
    lines: list[str] = []
    asked = found.asked
    if asked is not None and asked["n"] >= FEW:
        lines.append(
            f"Asked (drawn at random, 28 days): {percent(asked['share'])} good ({percent(asked['low'])} to {percent(asked['high'])}), "
            f"{asked['n']:,} of {asked['drawn']:,} drawn outputs judged; it speaks for {asked['population']:,}"
        )
    elif found.reviews.get("asked"):
        lines.append(f"Asked (drawn at random, 28 days): {plural(asked['n'] if asked else 0, 'output')} judged so far, too few to tell a share")
    volunteers = found.volunteers
    if volunteers.n >= FEW and volunteers.share is not None:
        lines.append(f"Volunteers (28 days): {percent(volunteers.share)} good ({percent(volunteers.low)} to {percent(volunteers.high)}, {volunteers.n:,} judged); people who vote by themselves are not a random sample")
    if volunteers.cut:
        lines.append(f"The cap on one person's weight left out {plural(volunteers.cut, 'judged output')}: no one person carries the score")
    answered = []
    outputs, judged = found.shown.get("outputs", 0), found.shown.get("judged", 0)
    if outputs:
        answered.append(f"{min(judged, outputs):,} of {plural(outputs, 'output')} shown in Slack {'was' if outputs == 1 else 'were'} judged ({percent(min(1.0, judged / outputs))})")
    if reviews := found.reviews.get("asked"):
        skipped = f", {found.reviews['skipped']:,} skipped" if found.reviews.get("skipped") else ""
        answered.append(f"{found.reviews['done']:,} of {plural(reviews, 'review')} asked for were done{skipped}")
    if answered:
        lines.append(f"Response in 28 days: {'; '.join(answered)}. Outputs nobody judged count for nothing")
    if found.voters.people >= FEW:
        lines.append(f"{found.voters.by_owners:,} of {plural(found.voters.votes, 'vote')} by owners, in 28 days")
    pairs = found.reviewers
    if pairs is not None and pairs["n"] >= PAIRS:
        lines.append(f"Two reviewers of the same output agreed on {_agreed(pairs)}{_beyond(pairs, 'Krippendorff’s alpha')}")
    return lines


def machine_lines(found: Believed) -> list[str]:
    """Whether evaluations agree with people, and what follows from it."""
    pairs = found.agreement
    if pairs is None or pairs["n"] < FEW:
        return []
    lines = [f"Evaluations and people agree on {_agreed(pairs)}{_beyond(pairs, 'Cohen’s kappa')}"]
    wrong = pairs["n"] - pairs["agreed"]
    if wrong >= FEW and pairs.get("machines_kind") is not None:
        lines.append(f"Where they differ, evaluations were the kinder ones on {pairs['machines_kind']:,} of {wrong:,}")
    if pairs.get("distrusted"):
        lines.append("That is less often than the registry asks for, so evaluations decide nothing here")
    return lines


def segment_lines(found: Believed) -> list[str]:
    """By which part the quality differs; of people where they judged, else of evaluations, marked."""
    lines = []
    people, machines = found.segments.get("people", {}), found.segments.get("evaluations", {})
    for part, name in NAMES.items():
        pieces, marked = (people[part], "") if part in people else (machines.get(part, []), " (machine-judged)")
        told = [piece for piece in pieces if piece.score is not None]
        if not told:
            continue
        shown = [f"{piece.value} {_share(piece)}" for piece in told[:SHOWN]]
        rest = len(pieces) - len(shown)
        lines.append(f"By {name}{marked}: {'; '.join(shown)}{f'; and {rest} more with fewer judgements' if rest else ''}")
    return lines


def sprint_lines(found: Believed) -> list[str]:
    """Better every sprint, or not."""
    told = [(found.sprint.get("fortnight"), "two weeks ago"), (found.sprint.get("quarter"), "a quarter ago")]
    return [words[:1].upper() + words[1:] for step, than in told if step for words in (step_words(step, than),)]


def as_json(found: Believed) -> dict[str, Any]:
    """The same for programs; of very few people's judgements only their number."""
    asked = found.asked if found.asked is not None and found.asked["n"] >= FEW else None
    pairs = found.reviewers if found.reviewers is not None and found.reviewers["n"] >= PAIRS else None
    agreement = found.agreement if found.agreement is not None and found.agreement["n"] >= FEW else None
    voted = {"votes": found.voters.votes, "by_owners": found.voters.by_owners} if found.voters.people >= FEW else None
    return {
        "days": LONGER,
        "scores": {source: told_score(score, few=FEW if source.startswith("people") else 1) for source, score in found.longer.items()},
        "asked": asked,
        "volunteers": told_score(found.volunteers, few=FEW),
        "response": {"shown": found.shown, "reviews": found.reviews},
        "voters": voted,
        "agreement_of_people_and_evaluations": agreement,
        "agreement_of_reviewers": pairs,
        "segments": {source: {NAMES[part]: [{"value": piece.value, **_piece(piece)} for piece in pieces] for part, pieces in parts.items()} for source, parts in found.segments.items()},
        "sprint": {name: told_step(step) for name, step in found.sprint.items()},
    }


def told_score(score: Score, few: int) -> dict[str, Any]:
    hidden = score.n < few
    return {"share": None if hidden else score.share, "low": None if hidden else score.low, "high": None if hidden else score.high, "n": score.n, "left_out_by_cap": score.cut}


def told_step(step: dict[str, Any]) -> dict[str, Any]:
    """A comparison for programs; of few people's judgements only their number."""
    few = 1 if step.get("machine") else FEW
    return {**step, **{name: told_score(score_from(step[name]), few) for name in ("now", "then")}}


def _piece(piece: Piece) -> dict[str, Any]:
    score = piece.score
    return {"n": piece.n, "share": score.share if score else None, "low": score.low if score else None, "high": score.high if score else None}


def _share(piece: Piece) -> str:
    score = piece.score
    return f"{percent(score.share or 0.0)} of {piece.n:,} ({percent(score.low)} to {percent(score.high)})" if score else f"{piece.n:,} judged"


def _agreed(pairs: dict[str, Any]) -> str:
    return f"{percent(pairs['agreed'] / pairs['n'])} of {pairs['n']:,} outputs ({percent(pairs['low'])} to {percent(pairs['high'])})"


def _beyond(pairs: dict[str, Any], name: str) -> str:
    return f"; {name} {pairs['beyond']:.2f}, where 0 is chance and 1 is always" if pairs.get("beyond") is not None else ""
