"""Which message goes first, what to do about a row now, and when a failed one is tried again: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum


class Priority(IntEnum):
    """Lower goes first. Calls wake people; edits share a budget, pages before incidents before rating counts."""

    CALL = 0
    PAGE = 10
    INCIDENT = 20
    ANSWER = 30
    DIGEST = 40
    OUTPUT = 50
    COUNT = 60


@dataclass(frozen=True)
class Rhythm:
    """How fast delivery goes and how long it waits. Slack's own limits by default; `limitless()` for the local workspace."""

    post_every: timedelta = timedelta(seconds=1)  # per channel
    posts_per_second: int = 10  # to the whole workspace: Slack has such a limit and does not publish it; 0: no limit
    edits_per_minute: int = 45  # chat.update is tier 3 (50 a minute); the rest is kept for corrections; 0: no limit
    look_up_after: tuple[timedelta, timedelta] = (timedelta(seconds=10), timedelta(seconds=30))  # a post of unknown outcome
    lease: timedelta = timedelta(seconds=20)  # of one row: longer than one call to Slack may take
    held_for: timedelta = timedelta(seconds=3)  # of the process that delivers, kept up while it works: another takes over after it
    answers_within: timedelta = timedelta(seconds=10)  # one call to Slack; later, its outcome is unknown
    at_once: int = 64  # calls to the outside under way at the same time
    batch: int = 100  # rows looked at in one transaction
    patience: float = 0.25  # real seconds that one step waits for calls under way
    tries: int = 8  # clear refusals of an unknown kind, before giving up
    trouble: int = 5  # failures in a row after which the other side counts as away

    @classmethod
    def limitless(cls) -> Rhythm:
        """For the local workspace and for tests: no pace, no budget."""
        return replace(cls(), post_every=timedelta(), posts_per_second=0, edits_per_minute=0)


def wait_after(tries: int) -> timedelta:
    """How long to wait after the `tries`-th failure in a row: 1 s doubling to at most 5 minutes."""
    return timedelta(seconds=min(2 ** min(max(tries - 1, 0), 10), 300))


def edits_for(priority: int, per_minute: int) -> int:
    """How much of the minute's edits this priority may use up: what matters less leaves room for what matters more.

    Of 45, counts may use 40, so that a rating is seen at once while fewer than 40 messages a minute change; pages keep the
    last five for themselves, and are first at every edit that becomes free again.
    """
    for most, share in ((Priority.PAGE, 1.0), (Priority.INCIDENT, 0.96), (Priority.ANSWER, 0.94), (Priority.OUTPUT, 0.92)):
        if priority <= most:
            return max(1, int(per_minute * share))
    return max(1, int(per_minute * 0.9))


def posts_for(priority: int, per_second: int) -> int:
    """How much of the second's posts this priority may use up: calls may use all, the rest leaves them room."""
    return per_second if priority <= Priority.CALL else max(1, int(per_second * 0.8))


def matters(priority: int) -> bool:
    """Whether a message that a person deleted is posted anew: not where it only showed an output or a count."""
    return priority < Priority.OUTPUT


class Do(StrEnum):
    """What a row needs now."""

    POST = "post"
    EDIT = "edit"
    DELETE = "delete"
    LOOK_UP = "look_up"  # a post of unknown outcome: does it stand there?
    CHECK = "check"  # it was posted again after a look-up: did the first copy come after all?
    WAIT = "wait"
    DROP = "drop"  # too late, or its place in the thread is gone
    FORGET = "forget"  # to be taken away, but never shown
    FAIL = "fail"
    REST = "rest"  # all is as wanted


class Root(StrEnum):
    """How the root of a row's thread is doing."""

    NONE = "none"  # the row stands under nothing
    WAITING = "waiting"
    STANDS = "stands"
    GONE = "gone"  # dropped, removed
    FAILED = "failed"


@dataclass(frozen=True)
class Facts:
    """What is known about one row."""

    route: str
    priority: int
    gone: bool
    stands: bool  # it is known to stand outside
    behind: bool  # ... but not in its latest revision
    expires_at: datetime | None = None
    root: Root = Root.NONE
    earlier_waiting: bool = False  # an earlier line of the thread is still to be posted
    unsure_at: datetime | None = None  # the newest post whose outcome nobody knows
    looked_at: datetime | None = None  # when that was last looked up in vain
    check_at: datetime | None = None  # a look for a second copy is owed then


@dataclass(frozen=True)
class Decision:
    """What to do, and for WAIT until when; `why` is one word for the log and the metric."""

    do: Do
    until: datetime | None = None
    why: str = ""


SAFETY = timedelta(minutes=1)  # a row that waits for another is released by it; this is the net below


def decide(facts: Facts, now: datetime, rhythm: Rhythm) -> Decision:
    """What a due row needs now. First match wins."""
    if facts.unsure_at is not None and not facts.stands and facts.route == "slack":
        first, last = rhythm.look_up_after
        due = facts.unsure_at + (last if facts.looked_at is not None else first)
        return Decision(Do.LOOK_UP) if now >= due else Decision(Do.WAIT, due, "look_up")
    if facts.gone:
        return Decision(Do.DELETE if facts.stands else Do.FORGET)
    if not facts.stands:
        return _first_time(facts, now)
    if facts.behind:
        return Decision(Do.EDIT)
    if facts.check_at is not None:
        return Decision(Do.CHECK) if now >= facts.check_at else Decision(Do.WAIT, facts.check_at, "check")
    return Decision(Do.REST)


def _first_time(facts: Facts, now: datetime) -> Decision:
    if facts.expires_at is not None and now >= facts.expires_at:
        return Decision(Do.DROP, why="expired")
    if facts.root is Root.FAILED:
        return Decision(Do.FAIL, why="root_failed")
    if facts.root is Root.GONE:
        return Decision(Do.DROP, why="root_gone")
    if facts.root is Root.WAITING:
        return Decision(Do.WAIT, now + SAFETY, "root")
    if facts.earlier_waiting:
        return Decision(Do.WAIT, now + SAFETY, "order")
    return Decision(Do.POST)


def is_absent_for_good(unsure_at: datetime, now: datetime, rhythm: Rhythm) -> bool:
    """Whether a look-up in vain at `now` is the last one: the answer came late enough to be believed."""
    return now >= unsure_at + rhythm.look_up_after[1]
