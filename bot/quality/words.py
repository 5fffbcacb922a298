"""How a verdict looks and sounds wherever it is read: one symbol, always with its word beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.quality.rules import TRAILING, Verdict, percent

SYMBOLS: dict[str, str] = {
    Verdict.NOT_WORTH_USING: "🔴",
    Verdict.SILENT: "⚫",
    Verdict.WATCH: "🟡",
    Verdict.LEARNING: "⚪",
    Verdict.WORTH_USING: "🟢",
    Verdict.PAUSED: "⏸️",
}

FEW = 5  # people's judgements below which no share is told: one or two could be told apart

# Worst first: the order of every list and count.
ORDER: tuple[Verdict, ...] = tuple(Verdict(name) for name in SYMBOLS)

# What each means, in one clause, for `help` and for depth.
MEANINGS: dict[str, str] = {
    Verdict.NOT_WORTH_USING: "even the upper end of the interval is below the target",
    Verdict.SILENT: "output was expected and none came",
    Verdict.WATCH: "the target lies inside the interval, or quality is drifting down",
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


def score_words(share: float | None, low: float | None, high: float | None, n: int, machine: bool = False, days: int = TRAILING) -> str:
    """`87% good (79% to 92%, 118 judged)`, with the days where they are not the usual seven; without a judgement no number, of a few people's no share."""
    if share is None or not n:
        return "nothing judged yet"
    judged = f"{n:,} machine-judged" if machine else f"{n:,} judged"
    if n < FEW and not machine:
        return f"{judged}, too few to tell a share"
    span = f" in {days} days" if days != TRAILING else ""
    return f"{percent(share)} good ({percent(low or 0.0)} to {percent(1.0 if high is None else high)}, {judged}{span})"


def other_figure(why: str, machine: bool) -> str:
    """The first half of a verdict's reason where evaluations decided beside people's headline: without it the headline contradicts the verdict."""
    return "" if machine or not why.startswith("evaluations found") else why.rsplit("; ", 1)[0]


def points_words(share: float | None, before: float | None, what: str) -> str:
    """`down 14 points from the week before`; empty where one of the two is missing."""
    if share is None or before is None:
        return ""
    points = round((share - before) * 100)
    if not points:
        return f"level with {what}"
    return f"{'up' if points > 0 else 'down'} {abs(points)} point{'' if abs(points) == 1 else 's'} from {what}"


def ms_words(ms: float | None) -> str:
    """`840 ms`, `2.4 s`, `3.1 min`: two figures are all a histogram is good for."""
    if ms is None:
        return ""
    if ms < 995:
        return f"{float(f'{ms:.2g}'):.0f} ms"
    if ms < 99_500:
        return f"{float(f'{ms / 1000:.2g}'):g} s"
    return f"{float(f'{ms / 60_000:.2g}'):g} min"


_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def money_words(nano_by_currency: Mapping[str, int]) -> str:
    """`$4.12`, `€0.0031 and $2.00`: cents, and more digits only below one cent."""
    told = []
    for currency, nano in sorted(nano_by_currency.items()):
        if not nano:
            continue
        amount = nano / 1e9
        figure = f"{amount:,.2f}" if abs(amount) >= 0.01 else f"{amount:.2g}"
        told.append(f"{_SIGNS[currency]}{figure}" if currency in _SIGNS else f"{figure} {currency}")
    return " and ".join(told)


def cost_words(nano_by_currency: Mapping[str, int], guessed: int) -> str:
    """The money, and how much of it is only estimated: `$4.12 (estimated by list prices)`, `$4.12 ($1.00 of it estimated by list prices)`."""
    told = money_words(nano_by_currency)
    if not told or guessed <= 0:
        return told
    part = "" if guessed >= sum(nano_by_currency.values()) else f"{money_words({'USD': guessed})} of it "
    return f"{told} ({part}estimated by list prices)"


def share_words(part: int, whole: int) -> str:
    """`0.9%` of a count, with one decimal only where it is small."""
    if not whole:
        return "0%"
    value = part / whole * 100
    return f"{value:.1f}%" if 0 < value < 9.95 else f"{value:.0f}%"


def plural(n: int, one: str, many: str = "") -> str:
    """`1 output`, `1,204 outputs`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def joined(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))

