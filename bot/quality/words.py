"""How a verdict looks and sounds wherever it is read: one symbol, always with its word beside it."""

from __future__ import annotations

from bot.quality.rules import Verdict

SYMBOLS: dict[str, str] = {
    Verdict.NOT_WORTH_USING: "🔴",
    Verdict.SILENT: "⚫",
    Verdict.WATCH: "🟡",
    Verdict.LEARNING: "⚪",
    Verdict.WORTH_USING: "🟢",
    Verdict.PAUSED: "⏸️",
}

# Worst first: the order of every list and count.
ORDER: tuple[Verdict, ...] = tuple(Verdict(name) for name in SYMBOLS)

# What each means, in one clause, for `help` and for depth.
MEANINGS: dict[str, str] = {
    Verdict.NOT_WORTH_USING: "even the upper end of the interval is below the target",
    Verdict.SILENT: "output was expected and none came",
    Verdict.WATCH: "the target lies inside the interval",
    Verdict.LEARNING: "too few judgements for a verdict yet",
    Verdict.WORTH_USING: "even the lower end of the interval reaches the target",
    Verdict.PAUSED: "it was stopped or paused by a person or a rule",
}


def verdict_words(verdict: str) -> str:
    """`🔴 Not worth using`."""
    return f"{SYMBOLS.get(verdict, '⚪')} {verdict[:1].upper()}{verdict[1:]}"


def counts_words(counts: dict[str, int]) -> str:
    """`🔴 2 not worth using, 🟢 5 worth using`, worst first; what does not occur is left out."""
    return ", ".join(f"{SYMBOLS[each]} {counts[each]} {each.value}" for each in ORDER if counts.get(each))
