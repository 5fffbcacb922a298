"""In which part of an agent's outputs most of a drop is: pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SURE = 2.58  # of a normal score: 1 in 100 by chance, divided among the parts looked at
FEWEST = 8  # outputs of a part since the change
TOLD = {"kind": "kind", "model": "model", "version": "version", "language": "language", "department": "department"}

Judged = tuple[float, Mapping[str, str]]  # how bad, and its segments


@dataclass(frozen=True)
class Part:
    """One part that fell more than the rest: shares of good outputs, and how many there were."""

    part: str  # kind, model, version, language, department
    value: str
    share: float
    n: int
    before: float | None  # None where there was none of it before
    rest: float | None  # of the other outputs since
    rest_n: int


def worst_part(after: Iterable[Judged], before: Iterable[Judged]) -> Part | None:
    """The part whose outputs became bad more often than the others', by the z score of two shares (pooled); None where none stands out."""
    now, then = _by_part(after), _by_part(before)
    looked = sum(len(values) for part, values in now.items() if len(values) > 1) or 1
    best: tuple[float, Part] | None = None
    for part, values in now.items():
        total_n, total_bad = sum(n for n, _ in values.values()), sum(bad for _, bad in values.values())
        for value, (n, bad) in values.items():
            rest_n, rest_bad = total_n - n, total_bad - bad
            old_n, old_bad = then.get(part, {}).get(value, (0, 0.0))
            if n < FEWEST or not rest_n:
                continue
            pooled = (total_bad + 1) / (total_n + 2)
            z = (bad / n - rest_bad / rest_n) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / rest_n))
            fell = old_n < FEWEST or bad / n > old_bad / old_n
            if fell and z > math.sqrt(SURE**2 + 2 * math.log(looked)) and (best is None or z > best[0]):
                best = (z, Part(part, value, 1 - bad / n, n, 1 - old_bad / old_n if old_n >= FEWEST else None, 1 - rest_bad / rest_n, rest_n))
    return best[1] if best else None


def _by_part(judged: Iterable[Judged]) -> dict[str, dict[str, tuple[int, float]]]:
    found: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
    for bad, segments in judged:
        for part, value in segments.items():
            if part in TOLD:
                n, total = found[part].get(value, (0, 0.0))
                found[part][value] = (n + 1, total + bad)
    return found
