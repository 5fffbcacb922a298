"""What became of one try to tell somebody something: a name, never an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Kind(StrEnum):
    """Every way in which a try can end. The name is stored with the attempt and counted."""

    OK = "ok"  # it stands there
    REFUSED = "refused"  # a clear no; it had no effect
    LAYOUT = "layout"  # the place refused how it looks, not what it says: the same words may go plainly
    NO_PLACE = "no_place"  # the place is gone or closed to us: never there
    NO_MESSAGE = "no_message"  # the message to be changed is gone
    RATE_LIMITED = "rate_limited"  # too soon; `seconds` says when
    UNAUTHORISED = "unauthorised"  # our token is not accepted
    UNREACHABLE = "unreachable"  # nobody was reached; it had no effect
    UNKNOWN = "unknown"  # it may or may not have had its effect

    @property
    def is_trouble(self) -> bool:
        """Whether the other side as a whole seems to be away."""
        return self in (Kind.UNKNOWN, Kind.UNREACHABLE)


@dataclass(frozen=True)
class Outcome:
    """How a try ended. `error` is a short name without any secret; `found` is what the other side answered."""

    kind: Kind
    error: str = ""
    seconds: float = 0.0
    found: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK


@dataclass(frozen=True)
class Letter:
    """Something to be told over one route. The same `id` again means the same thing: receivers may drop the second."""

    id: str
    to: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    signed_as: str = "people"  # whose derived key signs it, where the route signs
    over: bool = False  # what this id said is over (only routes that can take something back care)
    acked: bool = False  # somebody has what this id said (only routes that know such a state care)
    topic: str = ""  # what several letters are about, for routes that gather what belongs together


class Route(Protocol):
    """A way to reach somebody beyond the rows of the outbox: one file each, one test kit for all."""

    name: str

    async def deliver(self, letter: Letter) -> Outcome:
        """Try once; everything that goes wrong is an outcome, and no outcome tells a secret."""

    async def close(self) -> None:
        """Let go of connections."""
