"""The demo fleet's made-up past and present as ordinary events: seeded, so that the same day tells the same story."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

import yaml

from bot.calendars import at_local, local_day, zone_named

SEED = 20261120
HISTORY_DAYS = 30
ZONE = "Asia/Beirut"
RATERS = ("U0OMAR", "U0LEA", "U0SAMI", "U0NOUR", "U0KARIM", "U0RITA", "U0JAD", "U0TAREK", "U0DANA", "U0ZIAD", "U0YARA", "U0FADI")
_FIRST_NAMES = ("Mira", "Hadi", "Rana", "Elias", "Joumana", "Walid", "Salma", "Georges")


@dataclass(frozen=True)
class Tale:
    """How one agent behaves."""

    slug: str
    per_day: float
    weekend: float
    good: float
    fails: float
    rated: float
    judged: float
    ms: int
    tokens: tuple[int, int]
    cost: Decimal
    model: str
    kind: str
    said: tuple[str, ...]
    slips: tuple[dict[str, str], ...]
    days: int = HISTORY_DAYS
    outputs: float = 1.0
    slides_to: float | None = None
    slides_days: int = 0
    silent_days: int = 0
    broken_nights: int = 0
    at_night: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def good_on(self, days_ago: float) -> float:
        """The true share of good outputs that many days ago (one agent slides slowly)."""
        if self.slides_to is None or days_ago >= self.slides_days:
            return self.good
        return self.slides_to + (self.good - self.slides_to) * days_ago / self.slides_days


def tales() -> dict[str, Tale]:
    """All tales, by agent."""
    written = yaml.safe_load(resources.files("bot.demo").joinpath("tales.yml").read_text("utf-8"))
    return {
        slug: Tale(slug=slug, **{**told, "cost": Decimal(told["cost"]), "tokens": tuple(told["tokens"]), "said": tuple(told["said"]), "slips": tuple(told["slips"])})
        for slug, told in written.items()
    }


def history(now: datetime) -> Iterator[dict[str, Any]]:
    """Every event of the past weeks, agent by agent, oldest first."""
    for tale in tales().values():
        for days_ago in range(tale.days, -1, -1):
            yield from _day(tale, now, days_ago)
        yield from _changes(tale, now)


def trickle(now: datetime, minute: int) -> list[dict[str, Any]]:
    """What the fleet does in one live minute: a few runs, outputs and ratings, never of the silent or nightly agent."""
    dice = random.Random(f"{SEED}:live:{minute}")  # noqa: S311 - a story, not a secret
    found: list[dict[str, Any]] = []
    for tale in tales().values():
        if tale.silent_days or tale.at_night:
            continue
        often = min(tale.per_day / 600, 1.2)
        for i in range(int(often) + (dice.random() < often % 1)):
            moment = now - timedelta(seconds=dice.uniform(0, 20))
            found.extend(_piece(tale, dice, moment, 0.0, f"live-{now:%Y%m%d%H%M%S}-{i}", may_fail=False, raters=RATERS))
    return found


def first_words(now: datetime) -> list[dict[str, Any]]:
    """A run with an output of every lively agent, just now: so that each channel shows outputs to judge, at any hour."""
    dice = random.Random(f"{SEED}:first")  # noqa: S311 - a story, not a secret
    found: list[dict[str, Any]] = []
    for tale in tales().values():
        if not tale.silent_days and not tale.at_night:
            moment = now - timedelta(seconds=dice.uniform(5, 90))
            found.extend(_piece(replace(tale, outputs=1.0, rated=0.0), dice, moment, 0.0, f"first-{now:%Y%m%d%H%M%S}", may_fail=False, raters=RATERS))
    return found


def broken_night(now: datetime) -> dict[str, Any]:
    """The nightly job's failure, told live at the start, so that there is a page to acknowledge."""
    started = now - timedelta(minutes=4)
    return {
        "id": f"night-{now:%Y%m%d%H%M%S}", "type": "run", "agent": "nightly-reconciliation", "at": _stamp(now - timedelta(seconds=5)),
        "status": "failed", "started_at": _stamp(started), "ended_at": _stamp(now - timedelta(seconds=5)), "model": "claude-sonnet-4", "version": "v7",
        "error": "bank export did not arrive: timeout after 240 s (synthetic)", "tokens": {"input": 2100, "cached": 0, "output": 0},
    }  # fmt: skip


def _day(tale: Tale, now: datetime, days_ago: int) -> Iterator[dict[str, Any]]:
    day = now.astimezone(zone_named(ZONE)).date() - timedelta(days=days_ago)
    if days_ago < tale.silent_days or (tale.at_night and days_ago < tale.broken_nights):
        return
    dice = random.Random(f"{SEED}:{tale.slug}:{day}")  # noqa: S311 - a story, not a secret
    factor = tale.weekend if day.weekday() >= 5 else 1.0
    expected = tale.per_day * factor * dice.uniform(0.85, 1.15)
    runs = round(tale.per_day * factor) if tale.at_night else int(expected) + (dice.random() < expected % 1)
    begin = at_local(day, time(3 if tale.at_night else 7), ZONE)
    for i in range(runs):
        moment = begin + timedelta(minutes=9 if tale.at_night else dice.uniform(0, 13 * 60))
        if moment < now - timedelta(minutes=2):
            yield from _piece(tale, dice, moment, days_ago, f"{local_day(moment, ZONE)}-{i}", may_fail=True, raters=RATERS)


def _piece(tale: Tale, dice: random.Random, at: datetime, days_ago: float, name: str, *, may_fail: bool, raters: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """One run with what came of it."""
    ms = int(tale.ms * dice.lognormvariate(0, 0.45))
    failed = may_fail and dice.random() < tale.fails
    amount = (tale.cost * Decimal(round(dice.lognormvariate(0, 0.3), 4))).quantize(Decimal("0.000001"))
    run = f"run-{name}"
    yield {
        "id": run, "type": "run", "agent": tale.slug, "at": _stamp(at), "status": "failed" if failed else "ok",
        "started_at": _stamp(at - timedelta(milliseconds=ms)), "ended_at": _stamp(at), "model": tale.model, "version": "v7" if days_ago < 12 else "v6",
        "tokens": {"input": int(tale.tokens[0] * dice.uniform(0.7, 1.4)), "cached": 0, "output": int(tale.tokens[1] * dice.uniform(0.6, 1.5))},
        "cost": {"amount": str(amount), "currency": "USD"}, **({"error": "upstream timeout (synthetic)"} if failed else {}),
    }  # fmt: skip
    if failed or dice.random() >= tale.outputs:
        return
    good = dice.random() < tale.good_on(days_ago)
    slip = None if good else dice.choice(tale.slips)
    words = (slip["text"] if slip else dice.choice(tale.said)).format(n=dice.randint(1000, 9999), who=dice.choice(_FIRST_NAMES))
    output = f"out-{name}"
    yield {"id": output, "type": "output", "agent": tale.slug, "at": _stamp(at), "run": run, "kind": tale.kind, "text": words}
    if dice.random() < tale.judged:
        score = min(1.0, max(0.0, dice.gauss(0.86 if good else 0.34, 0.12)))
        yield {"id": f"eval-{name}", "type": "evaluation", "agent": tale.slug, "at": _stamp(at), "output": output, "name": "helpfulness", "score": round(score, 3), "evaluator": "judge-3"}
    if dice.random() < tale.rated:
        for person in dice.sample(raters, 1 if dice.random() < 0.75 else 2):
            agrees = dice.random() < 0.985
            thumb = good if agrees else not good
            told = {"reason": slip["reason"], "correction": slip["correction"]} if slip and not thumb and dice.random() < 0.8 else {}
            yield {"id": f"rate-{name}-{person}", "type": "rating", "agent": tale.slug, "at": _stamp(at + timedelta(seconds=1)), "output": output, "person": person, "good": thumb, **told}


def _changes(tale: Tale, now: datetime) -> Iterator[dict[str, Any]]:
    if tale.slides_days:
        at = now - timedelta(days=tale.slides_days)
        yield {"id": "change-v7", "type": "change", "agent": tale.slug, "at": _stamp(at), "input": "routing-prompt", "version": "v7", "note": "shorter prompt (synthetic)"}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
