"""Which outputs are shown, which are sampled, and what a reason is called: pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
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


def draw(outputs: Sequence[int], number: int, agent: str, day: str, seed: str = "reviews") -> list[int]:
    """The seeded sample of a day: the same outputs whoever asks, in the same order."""
    chosen = random.Random(f"{seed}:{agent}:{day}")  # noqa: S311 - a sample, no secret
    return chosen.sample(sorted(outputs), min(number, len(outputs)))


def share_of(drawn: Sequence[int], reviewers: Sequence[int], person_id: int) -> list[int]:
    """One reviewer's part of the sample: dealt out like cards, in the order of the reviewers' ids."""
    order = sorted(set(reviewers))
    return list(drawn[order.index(person_id) :: len(order)]) if person_id in order else []


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
