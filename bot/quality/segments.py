"""Quality by segment: the same score for each kind, model, version, language, department, evaluation and evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.quality.parts import EVALUATOR, NAME, OTHER, SEGMENTS
from bot.quality.rules import Score, score_of
from bot.quality.words import FEW
from bot.tables import DayPart

NAMES = {"kind": "kind", "model": "model", "version": "version", "language": "language", "department": "department", NAME: "evaluation", EVALUATOR: "evaluator"}


@dataclass(frozen=True)
class Piece:
    """One value of a segment; no score where so few judged it that somebody's vote could be read off."""

    value: str
    n: int
    score: Score | None


def segments(tx: Session, agent_id: int, first_day: str, last_day: str) -> dict[str, dict[str, list[Piece]]]:
    """source -> part -> its values, the most judged first. Counted as they came: the cap on one person is a whole score's."""
    mine = (DayPart.agent_id == agent_id, DayPart.part.in_((*SEGMENTS, NAME, EVALUATOR)), DayPart.local_day >= first_day, DayPart.local_day <= last_day)
    rows = select(DayPart.source, DayPart.part, DayPart.value, func.sum(DayPart.n), func.sum(DayPart.sum)).where(*mine, DayPart.source.in_(("people", "evaluations", "outcomes")))
    counted: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
    for source, part, value, n, total in tx.execute(rows.group_by(DayPart.source, DayPart.part, DayPart.value)):
        if n > 0:
            counted.setdefault((source, part), {})[value] = (int(n), int(total))
    found: dict[str, dict[str, list[Piece]]] = {}
    for (source, part), cells in sorted(counted.items()):
        # A segment that has one value only says what the whole says; of evaluations the name is told all the same.
        if len(cells) > 1 or part in (NAME, EVALUATOR):
            found.setdefault(source, {})[part] = tell_apart(cells, few=FEW if source == "people" else 1)
    return found


def tell_apart(cells: Mapping[str, tuple[int, int]], few: int) -> list[Piece]:
    """Scores of the values that enough was judged of.

    The pieces add up to the whole, which is told: so where the hidden ones together hold fewer than `few`, the smallest
    of the others is hidden with them, or a single vote would be the difference.
    """
    ranked = sorted(cells, key=lambda value: (value == OTHER, -cells[value][0], value))
    hidden = {value for value in ranked if cells[value][0] < few}
    told = [value for value in ranked if value not in hidden]
    if hidden and told and sum(cells[value][0] for value in hidden) < few:
        hidden.add(min(told, key=lambda value: (cells[value][0], value)))
    return [Piece(value, cells[value][0], None if value in hidden else score_of(cells[value][1], cells[value][0])) for value in ranked]
