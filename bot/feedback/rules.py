"""Which outputs are shown, which are sampled, and what a reason is called: pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from bot.agents.spec import AgentSpec, ReactionsSpec

# Ids are kept for good: they stand in votes, in exports and in the API. Other reasons may come by the API.
REASONS: dict[str, str] = {
    "wrong": "Wrong",
    "did_not_know": "Did not know",
    "outdated": "Outdated",
    "incomplete": "Incomplete",
    "tone": "Wrong tone",
    "unsafe": "Unsafe",
}
SURFACES = ("button", "shortcut", "link", "api", "reaction")
SPLIT_FROM = 5  # votes from which the voter is told the split
POSTED_WITHIN = timedelta(days=1)  # an output that arrives later than this is not posted to be rated
LINK_KEPT = timedelta(days=7)
REVIEWS_BEFORE = timedelta(minutes=30)  # the day's share is drawn this long before the person's list


@dataclass(frozen=True)
class Tally:
    """How many people's votes count now, and how many of them are good."""

    people: int = 0
    good: int = 0


def may_show_text(spec: AgentSpec) -> bool:
    """Whether the texts of this agent may appear in Slack: never where they are restricted."""
    return spec.data.post_text and spec.data.class_ != "restricted"


def safe_link(url: str | None) -> str | None:
    """The address, where it may stand behind our words: http or https, and nothing that could end Slack's `<...>`."""
    if not url or len(url) > 2000 or set(url) & set("<>| \n\t\"'"):
        return None
    return url if urlsplit(url).scheme in ("http", "https") else None


def per_day(post: str) -> int | None:
    """N of `sample N/day`; None for `all` and `none`."""
    return int(post.removeprefix("sample ").removesuffix("/day")) if post.startswith("sample ") else None


def sample_now(number: int, posted: int, last: datetime | None, now: datetime, start: datetime, end: datetime, seed: str) -> bool:
    """Whether this moment's output is one of the day's `number`, spread over the day; `posted` were, the last at `last`.

    By each moment of the day its share of the number may have been posted, so an agent that works at night leaves
    some for the day; what was left unused is made up for at a third of the usual distance, with a seeded jitter that
    no schedule of the agent can follow.
    """
    if posted >= number:
        return False
    length = end - start
    share = (now - start) / length
    if posted > number * share:
        return False
    if last is None:
        return True
    jitter = 0.5 + random.Random(f"{seed}:{posted}").random()  # noqa: S311 - a sample, no secret
    return now - last >= length / number / 3 * jitter


@dataclass(frozen=True)
class Chosen:
    """One output of a day's draw; its chance of being drawn was `number` in `population`."""

    output_id: int
    stratum: str
    population: int
    number: int
    twice: bool  # two reviewers judge it, so that their agreement is known


RARE = "(rare kinds)"  # the stratum of kinds that have no place of their own in a small sample


def draw(outputs: Mapping[str, Sequence[int]], number: int, agent: str, day: str, twice: float = 0.0, seed: str = "reviews") -> list[Chosen]:
    """The seeded sample of a day, by kind: the same outputs whoever asks, in the same order.

    Every kind has at least one place and the others go by size (largest remainder), so that a rare kind is judged too;
    the estimate weighs them by their chances again. Where there are more kinds than places, the rarest share a stratum.
    """
    chosen = random.Random(f"{seed}:{agent}:{day}")  # noqa: S311 - a sample, no secret
    strata = _strata({kind: sorted(ids) for kind, ids in outputs.items() if ids}, number)
    places = _places({kind: len(ids) for kind, ids in strata.items()}, number)
    found = [
        Chosen(output_id, kind, len(ids), places[kind], twice=False)
        for kind, ids in sorted(strata.items())
        for output_id in chosen.sample(ids, places[kind])
    ]
    chosen.shuffle(found)
    whole, rest = divmod(len(found) * twice, 1)
    again = int(whole) + (chosen.random() < rest)
    return [replace(each, twice=True) if place < again else each for place, each in enumerate(found)]


def _strata(kinds: dict[str, list[int]], number: int) -> dict[str, list[int]]:
    if number <= 0:
        return {}
    if len(kinds) <= number:
        return kinds
    ranked = sorted(kinds, key=lambda kind: (-len(kinds[kind]), kind))
    pooled = sorted(output_id for kind in ranked[number - 1 :] for output_id in kinds[kind])
    return {**{kind: kinds[kind] for kind in ranked[: number - 1]}, RARE: pooled}


def _places(sizes: dict[str, int], number: int) -> dict[str, int]:
    """One place each, then the rest by size, none more than it has outputs."""
    places = dict.fromkeys(sizes, 1)
    left = min(number, sum(sizes.values())) - len(sizes)
    whole = sum(sizes.values()) - len(sizes)
    if left <= 0 or whole <= 0:
        return places
    wanted = {kind: (size - 1) * left / whole for kind, size in sizes.items()}
    for kind in sizes:
        places[kind] += int(wanted[kind])
    rest = left - sum(int(each) for each in wanted.values())
    for kind in sorted(sizes, key=lambda kind: (-(wanted[kind] % 1), kind))[:rest]:
        places[kind] += 1
    return places


def share_of(drawn: Sequence[tuple[int, bool]], reviewers: Sequence[int], person_id: int) -> list[int]:
    """One reviewer's part of the sample: dealt out like cards, in the order of the reviewers' ids.

    `drawn` are (output, whether two judge it); the second of two is always somebody else, and each time another pair.
    """
    order = sorted(set(reviewers))
    if person_id not in order:
        return []
    mine, count = order.index(person_id), len(order)
    found = []
    for place, (output_id, twice) in enumerate(drawn):
        first = place % count
        second = (first + 1 + place // count % (count - 1)) % count if twice and count > 1 else first
        if mine in (first, second):
            found.append(output_id)
    return found


def deal(parts: Sequence[Sequence[int]], most: int) -> list[int]:
    """At most `most` outputs, one agent after the other in turn, so that no agent takes a reviewer's whole day."""
    dealt: list[int] = []
    for turn in range(max((len(part) for part in parts), default=0)):
        for part in parts:
            if turn < len(part) and len(dealt) < most:
                dealt.append(part[turn])
    return dealt


def thumb_of(reaction: str, names: ReactionsSpec) -> bool | None:
    """What an emoji means for this agent: good, bad, or nothing. Skin tones do not matter."""
    name = reaction.split("::")[0]
    if name in names.good:
        return True
    return False if name in names.bad else None


def reason_words(reason: str | None) -> str:
    """A reason as people read it."""
    return REASONS.get(reason or "", (reason or "").replace("_", " ").capitalize())
