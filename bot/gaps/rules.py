"""Which topics an agent lacks, and what supplying one changed: pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.stats import wilson

REASONS = ("did_not_know", "outdated")  # of a thumbs-down: what was missing was knowledge
WINDOW = timedelta(days=28)
FEW = 5  # cases below which no share is told
LEAST_WORD = 2  # cases that must share a word before it stands for a topic
BY_WORD = "word:"
OTHER = "other:"

_WORD = re.compile(r"[^\W\d_]{4,30}")
_STOP = frozenset(  # a text reads better than three hundred quoted words
    ["about", "after", "again", "also", "always", "another", "answer", "answered", "anything", "asked", "asking", "because", "been", "before", "being", "cannot", "could", "customer", "days", "didn", "does", "doesn", "doing", "done", "don", "each", "email", "ever", "every", "from", "give", "given", "have", "hello", "here", "information", "into", "just", "know", "known", "like", "made", "mail", "make", "many", "more", "most", "much", "must", "need", "never", "only", "order", "other", "over", "please", "really", "said", "same", "says", "send", "sent", "should", "since", "some", "someone", "something", "still", "such", "sure", "tell", "than", "thank", "thanks", "that", "their", "them", "then", "there", "these", "they", "thing", "things", "this", "those", "time", "very", "want", "wants", "well", "were", "what", "when", "where", "which", "while", "will", "with", "without", "would", "wrong", "year", "your", "yours", "aber", "alle", "also", "auch", "aber", "dass", "dein", "denn", "diese", "dieser", "doch", "eine", "einen", "einer", "haben", "hallo", "ihre", "kann", "kein", "keine", "mein", "mich", "nach", "nicht", "noch", "oder", "ohne", "schon", "sehr", "sich", "sind", "ueber", "über", "unter", "viel", "vom", "warum", "weil", "wenn", "werden", "wie", "wird", "wurde", "zum", "zur", "alors", "avec", "avoir", "bonjour", "cela", "cette", "comme", "dans", "depuis", "elle", "encore", "est", "être", "fait", "leur", "mais", "merci", "même", "nous", "pour", "plus", "quand", "quel", "quelle", "sans", "sont", "tout", "toute", "très", "votre", "vous"]
)


@dataclass(frozen=True)
class Case:
    """Something an agent was asked: judged by somebody, or handed to a person. `missing`: it lacked knowledge."""

    at: datetime
    missing: bool
    topic: str | None = None  # as the agent named it
    words: str = ""  # what can be grouped by where it named none
    handoff: bool = False


@dataclass(frozen=True)
class Topic:
    """One topic and its cases. `cases` of a word are all that name no topic: what people wrote is known of the missing ones only."""

    key: str
    label: str
    cases: int
    missing: int
    handoffs: int  # of those that are missing
    first_at: datetime
    last_at: datetime

    @property
    def by_word(self) -> bool:
        return self.key.startswith(BY_WORD)


def key_of(topic: str) -> str:
    """One key for the spellings of a topic."""
    return " ".join(re.sub(r"[-_/]+", " ", topic).casefold().split())[:80]


def label_of(key: str) -> str:
    """A topic as people read it, where nobody spelled it otherwise."""
    if key.startswith(BY_WORD):
        return f"cases with the word “{key.removeprefix(BY_WORD)}”"
    return "everything else" if key == OTHER else key


def topics(cases: Sequence[Case]) -> list[Topic]:
    """The topics in which knowledge was missing, most cases of it first. Without a topic cases are gathered by a word they share."""
    held: dict[str, list[Case]] = {}
    spelled: dict[str, Counter[str]] = {}
    unnamed: list[Case] = []
    for case in cases:
        if case.topic and (key := key_of(case.topic)):
            held.setdefault(key, []).append(case)
            spelled.setdefault(key, Counter())[" ".join(case.topic.split())] += 1
        else:
            unnamed.append(case)
    words = _by_words([case for case in unnamed if case.missing])
    found = []
    for key, theirs in {**held, **words}.items():
        missing = [case for case in theirs if case.missing]
        if missing:
            label = spelled[key].most_common(1)[0][0] if key in spelled else label_of(key)
            total = len(unnamed) if key in words else len(theirs)
            found.append(Topic(key, label, total, len(missing), sum(case.handoff for case in missing), min(case.at for case in missing), max(case.at for case in missing)))
    return sorted(found, key=lambda each: (each.key == OTHER, -each.missing, each.key))


def words_of(text: str) -> set[str]:
    """The words that may stand for a topic."""
    return {word for each in _WORD.findall(text[:4000]) if (word := each.casefold()) not in _STOP}


def _by_words(cases: list[Case]) -> dict[str, list[Case]]:
    """Greedily: the word that most cases share, then the next among the rest; the longer of two alike."""
    left = [(case, words_of(case.words)) for case in cases]
    held: dict[str, list[Case]] = {}
    while True:
        shared = Counter(word for _, words in left for word in words)
        good = [(count, len(word), word) for word, count in shared.items() if count >= LEAST_WORD]
        if not good:
            break
        best = max(good)[2]
        held[BY_WORD + best] = [case for case, words in left if best in words]
        left = [(case, words) for case, words in left if best not in words]
    if left:
        held[OTHER] = [case for case, _ in left]
    return held


@dataclass(frozen=True)
class Share:
    """How many of the cases in a topic lacked knowledge."""

    missing: int
    cases: int

    @property
    def share(self) -> float | None:
        return self.missing / self.cases if self.cases >= FEW else None

    def interval(self) -> tuple[float, float]:
        return wilson(self.missing / self.cases if self.cases else 0.0, self.cases)


def share_of(cases: Iterable[Case], key: str) -> Share:
    """The share in one topic (of a word: among all cases that name no topic), before and after alike."""
    if key.startswith(BY_WORD):
        unnamed = [case for case in cases if not case.topic]
        return Share(sum(case.missing and key.removeprefix(BY_WORD) in words_of(case.words) for case in unnamed), len(unnamed))
    theirs = [case for case in cases if case.topic and key_of(case.topic) == key]
    return Share(sum(case.missing for case in theirs), len(theirs))


def change(before: Share, after: Share) -> tuple[float, float, float] | None:
    """After minus before, with its 90% interval; None where either has too few cases.

    Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10: from the Wilson interval of each.
    """
    if before.share is None or after.share is None:
        return None
    (low1, high1), (low2, high2) = before.interval(), after.interval()
    one, two = before.share, after.share
    difference = two - one
    low = difference - math.sqrt((two - low2) ** 2 + (high1 - one) ** 2)
    high = difference + math.sqrt((high2 - two) ** 2 + (one - low1) ** 2)
    return difference, max(-1.0, low), min(1.0, high)
